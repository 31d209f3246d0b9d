"""What the value of a fact may be: a small closed set of kinds, checked in one place. Pure.

Values are JSON without fractions: a text, the code of a choice, money in fen, a whole number, a day, a day of which
only the year or the month may be known, the id of a customer, a record of these, and lists of these.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

MAX_TEXT: Final = 2000  # code points
MAX_LIST: Final = 50
MAX_FEN: Final = 10**15
MAX_NUMBER: Final = 2**53 - 1  # a phone's JSON numbers are exact only up to here
FIRST_YEAR, LAST_YEAR = 1900, 2200
# Controls but tab and line feed, as everywhere; in a fact of one line no others would be missed either.
_BLOCK = re.compile(r"[^\x00-\x08\x0B-\x1F\x7F-\x9F]*")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Found = tuple[str, str]
"""A broken rule: where in the value (a JSON pointer, "" for the whole), and its code."""


class ValueKind(StrEnum):
    """The closed set."""

    text = "text"
    choice = "choice"
    money = "money"
    number = "number"
    partial_date = "partial_date"
    date = "date"
    party = "party"
    record = "record"
    list = "list"


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages of the product."""

    zh: str
    en: str

    def spoken(self, language: str) -> str:
        """English for `en` and its variants, Chinese for everything else."""
        return self.en if language.startswith("en") else self.zh


@dataclass(frozen=True, slots=True)
class Option:
    """One choice: a code free of language, and its label."""

    code: str
    label: Words


@dataclass(frozen=True, slots=True)
class Member:
    """One named part of a record."""

    name: str
    label: Words
    is_required: bool
    shape: "Shape"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value must look like.

    Attributes:
        max_length: of a text, in code points.
        options: of a choice.
        least, most: of a number.
        item, max_items: of a list.
        members: of a record.
    """

    kind: ValueKind
    max_length: int = MAX_TEXT
    options: tuple[Option, ...] = ()
    least: int = -MAX_NUMBER
    most: int = MAX_NUMBER
    item: "Shape | None" = None
    max_items: int = MAX_LIST
    members: tuple[Member, ...] = ()

    def parts(self) -> Mapping[str, Member]:
        """The members of a record by name."""
        return {member.name: member for member in self.members}


def shape_of(raw: Mapping[str, Any]) -> Shape:
    """A shape from its JSON, which has been checked."""
    item = raw.get("item")
    return Shape(
        kind=ValueKind(raw["kind"]),
        max_length=raw.get("max_length", MAX_TEXT),
        options=tuple(Option(one["code"], Words(**one["label"])) for one in raw.get("options", ())),
        least=raw.get("min", -MAX_NUMBER),
        most=raw.get("max", MAX_NUMBER),
        item=None if item is None else shape_of(item),
        max_items=raw.get("max_items", MAX_LIST),
        members=tuple(
            Member(one["name"], Words(**one["label"]), one["is_required"], shape_of(one["shape"]))
            for one in raw.get("members", ())
        ),
    )


def check(shape: Shape, value: Any, at: str = "") -> Iterator[Found]:
    """Every rule a value breaks; nothing when it is one of this shape."""
    match shape.kind:
        case ValueKind.text:
            yield from _text(shape, value, at)
        case ValueKind.choice:
            if not isinstance(value, str):
                yield at, "type"
            elif value not in {option.code for option in shape.options}:
                yield at, "choice"
        case ValueKind.money:
            yield from _whole(value, 0, MAX_FEN, at)
        case ValueKind.number:
            yield from _whole(value, shape.least, shape.most, at)
        case ValueKind.date:
            yield from _day(value, at)
        case ValueKind.partial_date:
            yield from _partial_date(value, at)
        case ValueKind.party:
            if not isinstance(value, str):
                yield at, "type"
            elif not _ID.fullmatch(value):
                yield at, "pattern"
        case ValueKind.record:
            yield from _record(shape, value, at)
        case ValueKind.list:
            yield from _list(shape, value, at)


def parties(shape: Shape, value: Any, at: str = "") -> Iterator[tuple[str, UUID]]:
    """The customers a value of this shape links to, each with its place; of one that passes `check`."""
    if shape.kind is ValueKind.party:
        yield at, UUID(value)
    elif shape.kind is ValueKind.list and shape.item is not None:
        for n, one in enumerate(value):
            yield from parties(shape.item, one, f"{at}/{n}")
    elif shape.kind is ValueKind.record:
        for name, part in shape.parts().items():
            if name in value:
                yield from parties(part.shape, value[name], f"{at}/{name}")


def _text(shape: Shape, value: Any, at: str) -> Iterator[Found]:
    if not isinstance(value, str):
        yield at, "type"
    elif not value.strip():
        yield at, "too_short"
    elif len(value) > shape.max_length:
        yield at, "too_long"
    elif not _BLOCK.fullmatch(value):
        yield at, "pattern"


def _whole(value: Any, least: int, most: int, at: str) -> Iterator[Found]:
    if type(value) is not int:  # a bool is an int, and 1.0 is no fen
        yield at, "type"
    elif not least <= value <= most:
        yield at, "out_of_range"


def _day(value: Any, at: str) -> Iterator[Found]:
    if not isinstance(value, str):
        yield at, "type"
    elif not _DAY.fullmatch(value):
        yield at, "pattern"
    elif not _exists(*map(int, value.split("-"))):
        yield at, "date_invalid"
    elif not FIRST_YEAR <= int(value[:4]) <= LAST_YEAR:
        yield at, "out_of_range"


def _partial_date(value: Any, at: str) -> Iterator[Found]:
    if not isinstance(value, dict):
        yield at, "type"
        return
    if set(value) - {"year", "month", "day"}:
        yield at, "unknown"
    if "year" not in value:
        yield f"{at}/year", "missing"
        return
    limits = {"year": (FIRST_YEAR, LAST_YEAR), "month": (1, 12), "day": (1, 31)}
    found = [
        one for name, (least, most) in limits.items() if name in value
        for one in _whole(value[name], least, most, f"{at}/{name}")
    ]  # fmt: skip
    yield from found
    if found or "day" not in value:
        return
    if "month" not in value:
        yield f"{at}/month", "missing"
    elif not _exists(value["year"], value["month"], value["day"]):
        yield at, "date_invalid"


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _record(shape: Shape, value: Any, at: str) -> Iterator[Found]:
    if not isinstance(value, dict):
        yield at, "type"
        return
    known = shape.parts()
    # The name of an unknown member is the client's own text, and no place of ours: it is not repeated.
    if any(name not in known for name in value):
        yield at, "unknown"
    for name, part in known.items():
        if name in value:
            yield from check(part.shape, value[name], f"{at}/{name}")
        elif part.is_required:
            yield f"{at}/{name}", "missing"


def _list(shape: Shape, value: Any, at: str) -> Iterator[Found]:
    if not isinstance(value, list) or shape.item is None:
        yield at, "type"
    elif not value:
        yield at, "too_short"
    elif len(value) > shape.max_items:
        yield at, "too_long"
    else:
        for n, one in enumerate(value):
            yield from check(shape.item, one, f"{at}/{n}")
