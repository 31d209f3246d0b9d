"""Identity numbers, credit codes and phones: standard samples, an independent oracle, and damaged input."""

import importlib.resources
import random
import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import pytest
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from app.domain.identity import (
    IdentityError,
    check_phone,
    check_resident_id,
    check_uscc,
    mask_email,
    mask_id_number,
    mask_phone,
    upgrade_resident_id,
)

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@cache
def known_regions() -> tuple[str, ...]:
    """Counties the oracle knows in every year; it refuses the others outside their years, which we do not."""
    regions, province = [], ""
    for line in (importlib.resources.files("stdnum.cn") / "loc.dat").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([0-9]{2}) province", line):
            province = match[1]
        elif match := re.match(r' +([0-9]{4}) county="[^\[]', line):
            regions.append(province + match[1])
    return tuple(regions)


def resident_ids(count: int, seed: int) -> list[str]:
    random_ = random.Random(seed)
    numbers = []
    for _ in range(count):
        born_on = date(1900, 1, 1) + timedelta(days=random_.randrange(46_000))
        body = f"{random_.choice(known_regions())}{born_on:%Y%m%d}{random_.randrange(1000):03}"
        numbers.append(body + ric.calc_check_digit(body + "0"))
    return numbers


def credit_codes(count: int, seed: int) -> list[str]:
    random_ = random.Random(seed)
    codes = []
    for _ in range(count):
        body = f"9{random_.randrange(10)}{random_.choice(known_regions())}"
        body += "".join(random_.choices(USCC_ALPHABET, k=9))
        codes.append(body + uscc.calc_check_digit(body))
    return codes


def damaged(number: str, alphabet: str, random_: random.Random) -> str:
    position = random_.randrange(18)
    return number[:position] + random_.choice(alphabet) + number[position + 1 :]


def accepts(check: Callable[[str], object], number: str) -> bool:
    try:
        check(number)
    except IdentityError:
        return False
    return True


def oracle_accepts(check: Callable[[str], object], number: str) -> bool:
    try:
        check(number)
    except ValidationError:
        return False
    return True


def code_of(check: Callable[[str], object], text: str) -> str:
    with pytest.raises(IdentityError) as caught:
        check(text)
    assert str(caught.value) == caught.value.code
    return caught.value.code


@pytest.mark.parametrize(
    ("number", "gender", "born_on"),
    [
        ("11010519491231002X", "female", date(1949, 12, 31)),
        ("440524188001010014", "male", date(1880, 1, 1)),
        ("34052419800101001X", "male", date(1980, 1, 1)),
        ("360426199101010071", "male", date(1991, 1, 1)),
        ("44011320141005001X", "male", date(2014, 10, 5)),
        ("412723199010050012", "male", date(1990, 10, 5)),
        ("810000199408230021", "female", date(1994, 8, 23)),
        ("830000199201300022", "female", date(1992, 1, 30)),
    ],
)
def test_resident_id_valid_tells_its_holder(number: str, gender: str, born_on: date) -> None:
    found = check_resident_id(number)
    assert (found.number, found.region, found.gender, found.birth_on) == (number, number[:6], gender, born_on)
    assert found.warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "11010519491231002x",
        " 110105 19491231 002X\n",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105\u300019491231002ｘ",
    ],
)
def test_resident_id_written_otherwise_is_normalised(text: str) -> None:
    assert check_resident_id(text).number == "11010519491231002X"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("360426199113010079", "id_number_date"),
        ("110105194902290020", "id_number_date"),
        ("110105000112310020", "id_number_date"),
        ("110105184912310020", "id_number_date"),
        ("36042619910102009X", "id_number_checksum"),
        ("820000199408230021", "id_number_checksum"),
        ("110105491231002", "id_number_needs_upgrade"),
        ("", "id_number_format"),
        ("1101051949123100", "id_number_format"),
        ("11010519491231002X0", "id_number_format"),
        ("1101051949123X002X", "id_number_format"),
        ("11010519491231002Х", "id_number_format"),  # Cyrillic
        ("١١٠١٠٥١٩٤٩١٢٣١٠٠٢٨", "id_number_format"),  # Arabic-Indic digits
        ("-1010519491231002X", "id_number_format"),
        ("1" * 100_000, "id_number_format"),
        ("11010519491231002\x00", "id_number_format"),
    ],
)
def test_resident_id_broken_says_which_rule(text: str, code: str) -> None:
    assert code_of(check_resident_id, text) == code


@pytest.mark.parametrize("region", ["990426", "000000", "170000", "999999"])
def test_resident_id_unknown_region_is_only_a_warning(region: str) -> None:
    body = f"{region}19910101007"
    assert check_resident_id(body + ric.calc_check_digit(body + "0")).warnings == ("region_unknown",)


def test_resident_id_permanent_residence_card_has_no_warning() -> None:
    body = "91184019850515001"
    assert check_resident_id(body + ric.calc_check_digit(body + "0")).warnings == ()


def test_resident_id_repr_and_error_hide_the_number() -> None:
    assert "19491231" not in repr(check_resident_id("11010519491231002X"))
    with pytest.raises(IdentityError) as caught:
        check_resident_id("360426199113010079")
    assert "1991" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("110105491231002", "11010519491231002X"),
        ("130503670401001", "130503196704010016"),
        ("410881790605552", "410881197906055527"),
        ("440524880101001", "440524198801010011"),
        ("610104620927690", "610104196209276908"),
        (" １１０１０５ 491231002", "11010519491231002X"),
    ],
)
def test_upgrade_gives_a_valid_number(old: str, new: str) -> None:
    assert upgrade_resident_id(old) == new
    assert check_resident_id(new).number == new


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((f"110105491231{order}", "id_number_century_unknown") for order in (996, 997, 998, 999)),
        ("110105491331002", "id_number_date"),
        ("11010549123100X", "id_number_format"),
        ("11010519491231002X", "id_number_format"),
    ],
)
def test_upgrade_doubtful_is_refused(text: str, code: str) -> None:
    assert code_of(upgrade_resident_id, text) == code


def test_upgrade_order_995_is_still_upgraded() -> None:
    assert upgrade_resident_id("110105491231995").startswith("11010519491231995")


@pytest.mark.parametrize(
    "code",
    ["91350100M000100Y43", "91512081MA62K0260E", "91110000600037341L", "91440300708461136T", "9144030071526726XG"],
)
def test_uscc_valid_is_returned_in_capitals(code: str) -> None:
    assert check_uscc(code) == code
    assert check_uscc(f" {code[:2]} {code[2:8]} {code[8:].lower()} ") == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("91350100M000100Y4Z", "uscc_format"),
        ("91440300192441969H", "uscc_checksum"),
        ("9135010OM000100Y43", "uscc_format"),
        ("91350100I000100Y43", "uscc_format"),
        ("91350100M000100Y4", "uscc_format"),
        ("", "uscc_format"),
        ("9" * 5000, "uscc_format"),
    ],
)
def test_uscc_broken_says_which_rule(text: str, code: str) -> None:
    assert code_of(check_uscc, text) == code


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("13812348000", "+8613812348000"),
        ("138 1234 8000", "+8613812348000"),
        ("138-1234-8000", "+8613812348000"),
        ("138–1234—8000", "+8613812348000"),
        ("１３８１２３４８０００", "+8613812348000"),
        ("＋８６ 138 1234 8000", "+8613812348000"),
        ("86 13812348000", "+8613812348000"),
        ("0086 13812348000", "+8613812348000"),
        ("\u202d+86 138 1234 8000\u202c", "+8613812348000"),
        ("010-12345678", "+861012345678"),
        ("(010) 12345678", "+861012345678"),
        ("+86 010 12345678", "+861012345678"),
        ("400-800-8888", "+864008008888"),
        ("19912345678", "+8619912345678"),
        ("+852 9123 4567", "+85291234567"),
        ("+1 212 555 0123", "+12125550123"),
    ],
)
def test_phone_valid_becomes_e164(text: str, e164: str) -> None:
    assert check_phone(text) == e164


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+", "110", "95519", "95511", "12378", "1381234800", "138123480000", "12345678901", "14412345678"),
        *("1-800-FLOWERS", "138I2348000", "13812348000/13912348000", "١٣٨١٢٣٤٨٠٠٠", "tel:13812348000", "+9991234567"),
        *("13812348000\x00", "13812348000\n13912348000", "1" * 300, "+" * 60, "(" * 60, "-1"),
    ],
)
def test_phone_unreachable_is_refused(text: str) -> None:
    assert code_of(check_phone, text) == "phone_invalid"


@pytest.mark.parametrize("text", ["010-12345678转123", "010-12345678 ext. 5", "010-12345678x5", "01012345678#5"])
def test_phone_extension_is_not_lost_silently(text: str) -> None:
    assert code_of(check_phone, text) == "phone_extension"


def test_phone_normalises_to_itself() -> None:
    for text in ("13812348000", "010-12345678", "+852 9123 4567"):
        assert check_phone(check_phone(text)) == check_phone(text)


def test_mask_id_number_keeps_ends_and_length() -> None:
    assert mask_id_number("11010519491231002X") == "1****************X"
    assert mask_id_number("110105491231002") == "1*************2"
    assert mask_id_number("E12345678") == "E*******8"
    assert [mask_id_number(short) for short in ("", "1", "12", "123")] == ["", "*", "**", "***"]


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+8613812348000", "138****8000"),
        ("13812348000", "138****8000"),
        ("+861012345678", "****5678"),
        ("+85291234567", "****4567"),
        ("+86123456", "****3456"),
        ("123456", "****56"),
        ("1234", "****"),
        ("", "****"),
    ],
)
def test_mask_phone_hides_the_middle(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("contact@example.cn", "con***@"),
        ("abcd@example.cn", "abc***@"),
        ("abc@example.cn", "ab***@"),
        ("a@example.cn", "***@"),
        ("张三丰@example.cn", "张三***@"),
        ("no at sign", "***"),
        ("", "***"),
    ],
)
def test_mask_email_never_shows_the_whole_local_part(email: str, masked: str) -> None:
    assert mask_email(email) == masked
