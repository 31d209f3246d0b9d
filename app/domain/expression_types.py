"""Types of the form expressions, and what an expression is compiled to. Pure. The grammar is in `expressions`.

A kind is a word. `number` is any plain number, `money` an amount in fen, `whole` a number written into the expression:
it may stand for either. `string` is a text written into the expression: it may stand for a text or an option code.
`null` fits everything. `object` can only be asked whether it exists. Lists are `list:` and the kind of their members.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain.form_shapes import FormError

NUMBERS = frozenset({"number", "whole", "null"})
AMOUNTS = frozenset({"money", "whole", "null"})
ORDERED = frozenset({"number", "whole", "money", "date", "datetime", "null"})
EQUAL = ORDERED | {"boolean", "text", "string", "choice"}
TEXTS = frozenset({"text", "string", "null"})
LIMIT = 10**24  # no number of an expression may be this large; far below what 34 digits hold
_MIXED = {frozenset(("whole", "number")): "number", frozenset(("whole", "money")): "money"}
_MIXED |= {frozenset(("string", "text")): "text", frozenset(("string", "choice")): "choice"}


@dataclass(frozen=True, slots=True)
class Context:
    """What an expression knows besides the answers: the day it is evaluated for, and of whom."""

    as_of: date | None = None
    birth_date: date | None = None
    gender: str | None = None


NO_CONTEXT = Context()


class Env:
    """What one evaluation sees. `values` holds the answers of the own row (or of the form), `root` those of the form,
    `rows` the rows of each repeating group. A missing, disabled or wrong answer is simply not there."""

    __slots__ = ("context", "notes", "root", "rows", "values")

    def __init__(self, values: dict[str, Any], root: dict[str, Any], rows: Mapping[str, Any], context: Context) -> None:
        self.values, self.root, self.rows, self.context = values, root, rows, context
        self.notes: list[str] = []

    def note(self, code: str) -> None:
        """Remember why there is no result; the result is null."""
        if code not in self.notes:
            self.notes.append(code)


Run = Callable[[Any], Any]


@dataclass(slots=True)
class Typed:
    """A compiled expression: its kind, and the function that evaluates it.

    `codes` are the texts it can be where that is known: the options of a choice, or what the expression spells out.
    """

    kind: str
    run: Run
    codes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """An item as expressions see it. `group` is the repeating group whose rows answer it; `weights` of a choice are
    its options' weights; `members` of a group are the choices inside."""

    kind: str
    group: str | None = None
    weights: Mapping[str, Decimal | None] | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """What an expression may refer to, and the repeating group it stands in itself."""

    items: Mapping[str, Known]
    scope: str | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)


def is_list(one: Typed) -> bool:
    """Whether the value is a list."""
    return one.kind.startswith("list:")


def member(one: Typed) -> Typed:
    """A member of a list, or the scalar itself, as a type."""
    return Typed(one.kind.removeprefix("list:"), one.run, one.codes)


def merge(op: str, ones: list[Typed], at: str) -> Typed:
    """The common type of several scalars. FormError: expr_money_number, expr_type."""
    first, *others = ones
    kind, codes = first.kind, first.codes
    for other in others:
        if kind == other.kind or other.kind == "null":
            merged: str | None = kind
        else:
            merged = other.kind if kind == "null" else _MIXED.get(frozenset((kind, other.kind)))
        if merged is None:
            mixed = {kind, other.kind} == {"money", "number"}
            raise FormError("expr_money_number" if mixed else "expr_type", at, f"{op}({kind}, {other.kind})")
        if kind == "null" or other.kind == "null":
            codes = codes if kind != "null" else other.codes
        else:
            codes = codes | other.codes if codes is not None and other.codes is not None else None
        kind = merged
    return Typed(kind, first.run, codes)


def check_codes(ones: list[Typed], at: str) -> None:
    """FormError expr_option when a written text is compared with a choice that has no such option."""
    options = [one.codes for one in ones if one.kind == "choice"]
    if not options or any(codes is None for codes in options):
        return
    known = frozenset().union(*(codes for codes in options if codes is not None))
    for one in ones:
        if one.kind == "string" and one.codes is not None and not one.codes <= known:
            raise FormError("expr_option", at, min(one.codes - known))


def refuse(op: str, ones: list[Typed], allowed: frozenset[str], at: str, code: str = "expr_type") -> None:
    """FormError unless the kind of every one is allowed."""
    for one in ones:
        if one.kind not in allowed:
            raise FormError(code, at, f"{op}({one.kind})")
