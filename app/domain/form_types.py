"""The types of answers: how each is written on the wire, what is refused, and the value rules compare. Pure.

Money is integer fen, percent integer basis points, a rate or decimal a decimal string, a date YYYY-MM-DD, a datetime
RFC 3339 with its zone. A `reader` turns a wire value into the value conditions and expressions see, or into a `Wrong`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from app.domain import identity
from app.domain.form_shapes import FORBIDDEN, MAX_CHOICES, MAX_INT, MAX_ROWS, MAX_TEXT, Item, require

_RATE = re.compile(r"-?(0|[1-9][0-9]?)(\.[0-9]{1,8})?")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"(18[5-9][0-9]|19[0-9]{2}|20[0-9]{2}|21[0-9]{2}|2200)-[0-9]{2}-[0-9]{2}"
    r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)
_REFERENCE = re.compile(r"(customer|policy):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}")
_NUMBER_18 = re.compile(r"[0-9]{17}[0-9X]")
_PAPER = re.compile(r"[0-9A-Z][0-9A-Z()-]{3,28}[0-9A-Z)]")
_ATTACHMENT = {"sha256", "name", "media_type", "size"}
_ADDRESS = {"province": 50, "city": 50, "county": 50, "detail": MAX_TEXT // 10}
MAX_ATTACHMENT = 50 * 2**20  # bytes
# Widest range of each ordered type; of a text its code points, of a repeating group its rows, of choices the number.
HARD: dict[str, tuple[Any, Any]] = {
    "integer": (-MAX_INT, MAX_INT),
    "decimal": (Decimal(-(10**15)), Decimal(10**15)),
    "money": (0, 10**13),
    "amount": (-(10**13), 10**13),  # money that is calculated: a balance may be negative
    "percent": (-10_000, 100_000),
    "rate": (Decimal(-1), Decimal(10)),
    "date": (date(1850, 1, 1), date(2200, 12, 31)),
    "datetime": (datetime(1850, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "text": (0, MAX_TEXT),
    "group": (0, MAX_ROWS),
    "choices": (0, MAX_CHOICES),
}
COUNTED = ("text", "group", "choices")  # their bounds count something
ORDERED = frozenset(HARD) - {*COUNTED}
_WIRE = {
    "boolean": bool,
    "integer": int,
    "money": int,
    "amount": int,
    "percent": int,
    "attachment": dict,
    "address": dict,
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a wire value is no answer; a stable code."""

    code: str


@dataclass(frozen=True, slots=True)
class FreeText:
    """An answer to an open choice in the customer's own words: equal to no option."""

    text: str


Reader = Callable[[Any], Any]
_FLOAT, _TYPE, _RANGE, _TEXT = (Wrong(c) for c in ("number_not_integer", "wrong_type", "out_of_range", "text_invalid"))
_OPTION, _CHOICES = Wrong("option_unknown"), Wrong("option_duplicate")


def kind_of(item: Item) -> str:
    """The item's type; "choices" where its answer is a list of codes, "amount" for money the server calculates."""
    if item.type == "money" and item.calculated is not None:
        return "amount"
    return "choices" if item.multiple else item.type


def parsed(kind: str, value: Any) -> Any:
    """The comparable form of a wire value of the right Python type; ValueError where its spelling is wrong."""
    if kind == "date":
        if not _DATE.fullmatch(value):
            raise ValueError(kind)
        return date.fromisoformat(value)
    if kind in ("rate", "decimal"):
        if not (_RATE if kind == "rate" else DECIMAL).fullmatch(value):
            raise ValueError(kind)
        return Decimal(value)
    if kind == "datetime":
        if not _DATETIME.fullmatch(value):
            raise ValueError(kind)
        return datetime.fromisoformat(value)
    return _SPELLED[kind](value) if kind in _SPELLED else value


def bounds(item: Item, at: str) -> tuple[Any, Any] | None:
    """The checked, comparable bounds of an item; None where its type has none. FormError for bounds that cannot be."""
    kind = kind_of(item)
    if kind not in HARD:
        require(item.min is None and item.max is None, "bounds_not_allowed", at)
        return None
    (low, high), wire = HARD[kind], int if kind in COUNTED else _WIRE.get(kind, str)
    require(all(bound is None or type(bound) is wire for bound in (item.min, item.max)), "bounds_invalid", at)
    given = zip((item.min, item.max), (low, high), strict=True)
    try:
        least, most = (widest if bound is None else parsed(kind, bound) for bound, widest in given)
    except ValueError:
        require(False, "bounds_invalid", at)
    require(low <= least <= most <= high, "bounds_invalid", at)
    return max(least, int(item.required)) if kind == "group" else least, most


def reader(item: Item, limits: tuple[Any, Any] | None, kind: str | None = None) -> Reader:
    """What reads one answer of the item. `kind` overrides its own ("choice": one code of a multiple choice)."""
    kind = kind or kind_of(item)
    if kind in ("choice", "choices", "open_choice"):
        return _choice_reader(kind, frozenset(option.code for option in item.options), limits)
    if kind == "text":
        return _text_reader(*limits) if limits else _text_reader(0, MAX_TEXT)
    if kind in ("integer", "money", "amount", "percent"):
        return _integer_reader(*(limits or HARD[kind]))
    return _spelled_reader(kind, limits)


def _refused(value: object) -> Wrong:
    return _FLOAT if isinstance(value, float) else _TYPE


def _integer_reader(low: int, high: int) -> Reader:
    def read(value: Any) -> Any:
        if value.__class__ is not int:  # exact: a bool is an int to Python, never to us
            return _refused(value)
        return value if low <= value <= high else _RANGE

    return read


def _text_reader(low: int, high: int) -> Reader:
    def read(value: Any) -> Any:
        if value.__class__ is not str:
            return _refused(value)
        if FORBIDDEN.search(value):
            return _TEXT
        return value if low <= len(value) <= high else _RANGE

    return read


def _choice_reader(kind: str, codes: frozenset[str], limits: tuple[Any, Any] | None) -> Reader:
    free_text = _text_reader(1, MAX_TEXT)

    def read_one(value: Any) -> Any:
        if value.__class__ is str:
            return value if value in codes else _OPTION
        if kind != "open_choice" or value.__class__ is not dict or value.keys() != {"text"}:
            return _refused(value)
        text = free_text(value["text"])
        return text if text.__class__ is Wrong else FreeText(text)

    def read_list(value: Any) -> Any:
        if value.__class__ is not list:
            return _refused(value)
        assert limits is not None
        if not limits[0] <= len(value) <= limits[1]:
            return _RANGE
        made = tuple(map(read_one, value))
        wrong = next((one for one in made if one.__class__ is Wrong), None)
        return wrong or (made if len(set(made)) == len(made) else _CHOICES)

    if kind == "choices":
        return read_list
    return read_one


def _spelled_reader(kind: str, limits: tuple[Any, Any] | None) -> Reader:
    wire, misspelled = _WIRE.get(kind, str), Wrong(f"{kind}_invalid")

    def read(value: Any) -> Any:
        if value.__class__ is not wire:
            return _refused(value)
        try:
            made = parsed(kind, value)
        except (ValueError, identity.IdentityError):
            return misspelled
        return made if limits is None or limits[0] <= made <= limits[1] else _RANGE

    return read


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError
    return value


def _attachment(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if value.keys() != _ATTACHMENT or any(value[key].__class__ is not str for key in _ATTACHMENT - {"size"}):
        raise ValueError
    name, size = value["name"], value["size"]
    named = 1 <= len(name) <= 200 and not FORBIDDEN.search(name) and not re.search(r"[\\/\t\n\r]", name)
    sized = size.__class__ is int and 1 <= size <= MAX_ATTACHMENT
    if not (named and sized and _SHA256.fullmatch(value["sha256"]) and _MEDIA.fullmatch(value["media_type"])):
        raise ValueError
    return value


def _address(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not value or not value.keys() <= _ADDRESS.keys():
        raise ValueError
    for key, part in value.items():
        if part.__class__ is not str or not 1 <= len(part) <= _ADDRESS[key] or FORBIDDEN.search(part):
            raise ValueError
    return value


def _id_number(value: str) -> str:
    """A resident identity number must be right; of other papers only the letters and digits are checked."""
    if _NUMBER_18.fullmatch(value):
        return identity.check_resident_id(value).number
    if not _PAPER.fullmatch(value):
        raise ValueError
    return value


_SPELLED: dict[str, Reader] = {
    "reference": _reference,
    "attachment": _attachment,
    "address": _address,
    "id_number": _id_number,
    "phone": identity.check_phone,
}
