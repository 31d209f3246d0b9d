"""Identity numbers and phones of China: checking, normalising, masking. Pure rules, no I/O, no clock.

An `IdentityError` never carries the value it refuses: its text is its code, so it may be logged and sent.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, Literal

import phonenumbers

_MAX_RAW: Final = 64  # longer input is refused before any normalising or parsing

_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK: Final = "10X98765432"
_ID_18: Final = re.compile(r"[0-9]{17}[0-9X]")
_ID_15: Final = re.compile(r"[0-9]{15}")
_BIRTH_YEARS: Final = range(1850, 2151)

# GB/T 2260 first two digits. 81-83 are the residence permits of people from Hong Kong, Macau and Taiwan.
_PROVINCES: Final = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)

_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_USCC: Final = re.compile(rf"[{_USCC_ALPHABET}]{{2}}[0-9]{{6}}[{_USCC_ALPHABET}]{{10}}")

_MOBILE = re.compile(r"(?:\+86|0086|86)?(1[3-9][0-9]{9})", re.ASCII)
_NUMBER: Final = re.compile(r"\d{7}")
_PHONE_TEXT: Final = re.compile(r"\+?[0-9 ().-]+")
_CN_MOBILE: Final = re.compile(r"(?:\+86)?(1[3-9][0-9]{9})")


class IdentityError(ValueError):
    """A number that breaks its rule; `code` is stable snake_case and is all the text says."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class ResidentId:
    """A checked 18-character number and what it says about its holder.

    `region` is the six digits of the place of *first assignment*, not of birth. `warnings` holds codes a
    person should look at although the number is well formed: `region_unknown`.
    """

    number: str
    region: str
    birth_on: date
    gender: Literal["male", "female"]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Masked: a repr ends up in tracebacks and logs."""
        return f"ResidentId({mask_id_number(self.number)})"


def check_resident_id(text: str) -> ResidentId:
    """Check an 18-character resident identity number (GB 11643-1999, check character ISO 7064 MOD 11-2).

    Full-width characters, blanks and a small x are accepted; the answer has a capital X. Birth years run
    from 1850 to 2150. An unknown region is only a warning: codes are withdrawn and new ones appear every year.
    Raises IdentityError: `id_number_needs_upgrade` for 15 digits (invalid as a document since 2013, see
    `upgrade_resident_id`), else `id_number_format`, `id_number_date` or `id_number_checksum`, in that order.
    """
    number = _compact(text, "id_number_format")
    if _ID_15.fullmatch(number):
        raise IdentityError("id_number_needs_upgrade")
    if not _ID_18.fullmatch(number):
        raise IdentityError("id_number_format")
    birth_on = _birth_date(number[6:14])
    if number[17] != id_check_character(number[:17]):
        raise IdentityError("id_number_checksum")
    region = number[:6]
    return ResidentId(
        number=number,
        region=region,
        birth_on=birth_on,
        gender="male" if int(number[16]) % 2 else "female",
        warnings=() if _is_region_known(region) else ("region_unknown",),
    )


def upgrade_resident_id(text15: str) -> str:
    """Return the 18-character form of a 15-digit number: century 19 inserted, check character appended.

    Raises IdentityError: `id_number_format`, `id_number_date`, or `id_number_century_unknown` for the orders
    996 to 999, which were given to people over 100 years old (born 18xx): ask for the document, do not guess.
    """
    number = _compact(text15, "id_number_format")
    if not _ID_15.fullmatch(number):
        raise IdentityError("id_number_format")
    if number[12:] >= "996":
        raise IdentityError("id_number_century_unknown")
    body = f"{number[:6]}19{number[6:]}"
    _birth_date(body[6:14])
    return body + id_check_character(body)


def check_uscc(text: str) -> str:
    """Check a unified social credit code (GB 32100-2015, MOD 31 with weights 3^i) and return it in capitals.

    Raises IdentityError: `uscc_format` (length, the letters I O S V Z, a region that is not six digits)
    or `uscc_checksum`.
    """
    code = _compact(text, "uscc_format")
    if not _USCC.fullmatch(code):
        raise IdentityError("uscc_format")
    total = sum(_USCC_ALPHABET.index(char) * weight for char, weight in zip(code, _USCC_WEIGHTS, strict=False))
    if code[17] != _USCC_ALPHABET[-total % 31]:
        raise IdentityError("uscc_checksum")
    return code


def check_phone(text: str) -> str:
    """Return the E.164 form of a number on which a person or company can be reached; the default country is China.

    Full-width digits and invisible characters (address books copy bidi marks along) are normalised away.
    Service numbers such as 95519 or 110 are refused. Raises IdentityError: `phone_invalid`, or
    `phone_extension` because E.164 would lose the extension silently.
    """
    mobile = _MOBILE.fullmatch(text)
    if mobile is not None and _is_mobile_block(mobile[1][:7]):
        return f"+86{mobile[1]}"
    if len(text) > _MAX_RAW:
        raise IdentityError("phone_invalid")
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        "-" if unicodedata.category(char) == "Pd" else char for char in plain if unicodedata.category(char) != "Cf"
    ).strip()
    if re.search(r"(?i)[0-9)]\s*(?:转|轉|分机|分機|ext|x|#)", plain):
        raise IdentityError("phone_extension")
    if not _PHONE_TEXT.fullmatch(plain):
        raise IdentityError("phone_invalid")
    try:
        parsed = phonenumbers.parse(plain, "CN")
    except phonenumbers.NumberParseException:
        # Its text may quote the number, so it must not travel as the cause.
        raise IdentityError("phone_invalid") from None
    if not phonenumbers.is_valid_number(parsed):
        raise IdentityError("phone_invalid")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def _is_mobile_block(prefix: str) -> bool:
    """Whether Chinese mobile numbers begin with these seven digits: blocks are allotted by them, so one answer
    serves ten thousand numbers and spares the general parser, which costs more than the rest of a new customer."""
    number = phonenumbers.PhoneNumber(country_code=86, national_number=int(f"{prefix}0000"))
    return phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE


def holds_number(text: str) -> bool:
    """Whether a text has seven digits in a row, whatever but letters stands between them.

    No phone and no ID number that can be stored has fewer, whole or mistyped; whoever types a name has hardly ever.
    """
    plain = unicodedata.normalize("NFKC", text)
    return _NUMBER.search("".join(char for char in plain if char.isalnum())) is not None


def mask_id_number(number: str) -> str:
    """Keep the first and the last character and the length; three characters or fewer are hidden entirely."""
    if len(number) <= 3:
        return "*" * len(number)
    return f"{number[0]}{'*' * (len(number) - 2)}{number[-1]}"


def mask_phone(phone: str) -> str:
    """Mask an E.164 number: `138****8000` for a mobile of mainland China, else stars and at most the last four.

    Short numbers keep fewer digits, so that at least four always stay hidden.
    """
    if mobile := _CN_MOBILE.fullmatch(phone):
        return f"{mobile[1][:3]}****{mobile[1][-4:]}"
    digits = re.sub(r"[^0-9]", "", phone)
    shown = min(4, max(0, len(digits) - 4))
    return "****" + digits[len(digits) - shown :]


def mask_email(email: str) -> str:
    """`contact@example.cn` -> `con***@`: at most three characters, never the whole local part, no domain."""
    local, at, _ = email.rpartition("@")
    if not at:
        return "***"
    return f"{local[: min(3, max(0, len(local) - 1))]}***@"


def _compact(text: str, code: str) -> str:
    if len(text) > _MAX_RAW:
        raise IdentityError(code)
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def _birth_date(digits: str) -> date:
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    if year not in _BIRTH_YEARS:
        raise IdentityError("id_number_date")
    try:
        return date(year, month, day)
    except ValueError:
        raise IdentityError("id_number_date") from None


def id_check_character(body: str) -> str:
    """The last character of a resident ID number (GB 11643) for its first 17 digits."""
    total = sum(int(digit) * weight for digit, weight in zip(body, _ID_WEIGHTS, strict=True))
    return _ID_CHECK[total % 11]


def _is_region_known(region: str) -> bool:
    # Permanent-residence cards of foreigners (2023): 9, the two digits of the issuing province, the country.
    return region[:2] in _PROVINCES or (region[0] == "9" and region[1:3] in _PROVINCES)
