"""Form expressions: arithmetic, rounding, lists and dates. Pure. The grammar is in `expressions`.

Each function checks the types of compiled arguments and returns the compiled operation. Numbers are ints or Decimals,
never floats; the caller's decimal context has 34 digits, half-even (IEEE 754 decimal128).
"""

import operator
from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from app.domain.expression_types import (
    AMOUNTS,
    LIMIT,
    NUMBERS,
    ORDERED,
    TEXTS,
    Env,
    Typed,
    is_list,
    member,
    merge,
    refuse,
)
from app.domain.form_shapes import FormError

_MONEY_OR_NUMBER = NUMBERS | AMOUNTS
_DATES = frozenset({"date", "null"})
PLACES = {"fen": Decimal(1), "integer": Decimal(1), "2": Decimal("0.01"), "4": Decimal("0.0001")}


def bounded(value: Any, env: Env) -> Any:
    """The value, or null and a note when it is too large."""
    return value if -LIMIT < value < LIMIT else env.note("number_too_large")


def _chain(kind: str, apply: Callable[[Any, Any], Any], args: list[Typed]) -> Typed:
    """A left-to-right chain of a binary operation; null if any part is null."""
    first, second, *rest = (arg.run for arg in args)

    def two(env: Env) -> Any:
        a, b = first(env), second(env)
        if a is None or b is None:
            return None
        made = apply(a, b)
        return made if -LIMIT < made < LIMIT else env.note("number_too_large")

    def many(env: Env) -> Any:
        made = two(env)
        for run in rest:
            part = run(env)
            made = None if made is None or part is None else bounded(apply(made, part), env)
        return made

    return Typed(kind, many if rest else two)


def add(op: str, args: list[Typed], at: str) -> Typed:
    """add, sub: of numbers or of money, never mixed."""
    refuse(op, args, _MONEY_OR_NUMBER, at)
    return _chain(merge(op, args, at).kind, operator.add if op == "add" else operator.sub, args)


def mul(op: str, args: list[Typed], at: str) -> Typed:
    """At most one factor is money."""
    refuse(op, args, _MONEY_OR_NUMBER, at)
    kinds = [arg.kind for arg in args]
    if kinds.count("money") > 1:
        raise FormError("expr_money_product", at)
    kind = "money" if "money" in kinds else "whole" if set(kinds) == {"whole"} else "number"
    return _chain(kind, operator.mul, args)


def div(op: str, args: list[Typed], at: str) -> Typed:
    """money / number = money, money / money = number. Division by zero is null and a note."""
    refuse(op, args, _MONEY_OR_NUMBER, at)
    over, under = args
    if under.kind == "money" and over.kind != "money":
        raise FormError("expr_money_divisor", at)
    first, second = over.run, under.run

    def run(env: Env) -> Any:
        a, b = first(env), second(env)
        if a is None or b is None:
            return None
        if b == 0:
            return env.note("division_by_zero")
        return bounded(Decimal(a) / Decimal(b), env)

    return Typed("money" if over.kind == "money" != under.kind else "number", run)


def neg(op: str, args: list[Typed], at: str) -> Typed:
    """The negative of a number or an amount."""
    refuse(op, args, _MONEY_OR_NUMBER, at)
    inner = args[0].run

    def run(env: Env) -> Any:
        value = inner(env)
        return None if value is None else -value

    return Typed(args[0].kind, run)


def rounded(value: Any, how: str) -> Any:
    """Half-up, ties away from zero. Whole results are ints."""
    if value.__class__ is int:
        return value
    made = value.quantize(PLACES[how], ROUND_HALF_UP)
    return int(made) if how in ("fen", "integer") else made


def round_to(how: str, arg: Typed, at: str) -> Typed:
    """round(x, how): "fen" of money, the others of numbers. FormError expr_round."""
    refuse(f"round {how}", [arg], AMOUNTS if how == "fen" else NUMBERS, at, "expr_round")
    inner = arg.run

    def run(env: Env) -> Any:
        value = inner(env)
        return None if value is None else bounded(rounded(value, how), env)

    return Typed(arg.kind, run)


def gather(op: str, args: list[Typed], at: str) -> Typed:
    """The members of one list, or several scalars as a list without the missing ones; `kind` is the members'."""
    if len(args) == 1 and is_list(args[0]):
        return member(args[0])
    for arg in args:
        if is_list(arg):
            raise FormError("expr_type", at, f"{op}({arg.kind}, …)")
    runs = tuple(arg.run for arg in args)

    def run(env: Env) -> Any:
        return [value for one in runs if (value := one(env)) is not None]

    return Typed(merge(op, args, at).kind, run, merge(op, args, at).codes)


def count(op: str, args: list[Typed], at: str) -> Typed:
    """How many there are, missing ones left out."""
    several = len(args) > 1 or not is_list(args[0])
    if several and any(is_list(arg) for arg in args):
        raise FormError("expr_type", at, op)
    runs = tuple(arg.run for arg in args)

    def run(env: Env) -> Any:
        if several:
            return sum([one(env) is not None for one in runs])
        return len(runs[0](env) or ())

    return Typed("number", run)


def aggregate(op: str, args: list[Typed], at: str) -> Typed:
    """sum (0 of nothing), and min, max, avg (null of nothing); min and max also of dates."""
    listed = gather(op, args, at)
    refuse(op, [listed], ORDERED if op in ("min", "max") else _MONEY_OR_NUMBER, at)
    inner = listed.run

    def total(env: Env) -> Any:
        return bounded(sum(inner(env) or ()), env)

    def average(env: Env) -> Any:
        values = inner(env)
        return bounded(sum(values) / Decimal(len(values)), env) if values else None

    def least(env: Env) -> Any:
        return min(inner(env) or (), default=None)

    def most(env: Env) -> Any:
        return max(inner(env) or (), default=None)

    kind = "number" if op == "avg" and listed.kind == "whole" else listed.kind
    kind = "whole" if op == "sum" and kind == "null" else kind
    return Typed(kind, {"sum": total, "avg": average, "min": least, "max": most}[op])


def months_between(a: date, b: date) -> int:
    """Completed months from a to b; negative, and counted the same way, when b is earlier."""
    if b < a:
        return -months_between(b, a)
    return 12 * (b.year - a.year) + b.month - a.month - (b.day < a.day)


def years_between(a: date, b: date) -> int:
    """Completed years from a to b. A year since 29 February is complete on 1 March of common years."""
    return -(-months_between(a, b) // 12) if b < a else months_between(a, b) // 12


def dates(op: str, args: list[Typed], at: str) -> Typed:
    """age_years, years_between, months_between: two dates; an age before birth is null and a note."""
    refuse(op, args, _DATES, at)
    first, second = (arg.run for arg in args)
    apply = months_between if op == "months_between" else years_between

    def run(env: Env) -> Any:
        a, b = first(env), second(env)
        if a is None or b is None:
            return None
        return env.note("dates_reversed") if op == "age_years" and b < a else apply(a, b)

    return Typed("number", run)


def text_len(op: str, args: list[Typed], at: str) -> Typed:
    """Code points of a text."""
    refuse(op, args, TEXTS, at)
    inner = args[0].run

    def run(env: Env) -> Any:
        value = inner(env)
        return None if value is None else len(value)

    return Typed("number", run)
