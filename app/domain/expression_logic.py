"""Form expressions: comparison, three-valued logic, `if`, `exists` and `in`. Pure. The grammar is in `expressions`."""

import operator
from typing import Any

from app.domain.expression_numbers import gather
from app.domain.expression_types import EQUAL, ORDERED, Env, Typed, check_codes, is_list, merge, refuse
from app.domain.form_shapes import FormError

_TRUTHS = frozenset({"boolean", "null"})
COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def compare(op: str, args: list[Typed], at: str) -> Typed:
    """= and != of values of one type, the others of ordered types; null if either is null."""
    refuse(op, args, EQUAL, at)
    if op not in ("=", "!="):
        refuse(op, args, ORDERED, at, "expr_order")
    merge(op, args, at)
    check_codes(args, at)
    first, second = (arg.run for arg in args)
    apply = COMPARISONS[op]

    def run(env: Env) -> Any:
        a, b = first(env), second(env)
        return None if a is None or b is None else apply(a, b)

    return Typed("boolean", run)


def junction(op: str, args: list[Typed], at: str) -> Typed:
    """and, or: the first false (true) decides and ends it; without one, null if any part is null."""
    refuse(op, args, _TRUTHS, at)
    runs, decisive = tuple(arg.run for arg in args), op == "or"

    def run(env: Env) -> Any:
        made: bool | None = not decisive
        for one in runs:
            value = one(env)
            if value is decisive:
                return decisive
            if value is None:
                made = None
        return made

    return Typed("boolean", run)


def negate(op: str, args: list[Typed], at: str) -> Typed:
    """not: null stays null."""
    refuse(op, args, _TRUTHS, at)
    inner = args[0].run

    def run(env: Env) -> Any:
        value = inner(env)
        return None if value is None else not value

    return Typed("boolean", run)


def exists(op: str, args: list[Typed], at: str) -> Typed:
    """Whether there is a value; of a list, whether it has a member."""
    inner, listed = args[0].run, is_list(args[0])

    def run(env: Env) -> Any:
        value = inner(env)
        return bool(value) if listed else value is not None

    return Typed("boolean", run)


def contains(op: str, args: list[Typed], at: str) -> Typed:
    """in(x, list) or in(x, a, b, …): null if x is missing, false if there is no list."""
    sought, *others = args
    listed = gather(op, others, at)
    both = [sought, listed]
    refuse(op, both, EQUAL, at)
    merge(op, both, at)
    check_codes([sought, *others] if not is_list(others[0]) else both, at)
    first, inner = sought.run, listed.run

    def run(env: Env) -> Any:
        value, values = first(env), inner(env)
        return None if value is None else value in (values or ())

    return Typed("boolean", run)


def choose(op: str, args: list[Typed], at: str) -> Typed:
    """if(condition, a, b): only the branch taken is evaluated; null counts as false."""
    condition, *branches = args
    refuse(op, [condition], _TRUTHS, at)
    if any(is_list(branch) or branch.kind == "object" for branch in branches):
        raise FormError("expr_type", at, op)
    merged = merge(op, branches, at)
    test, then, otherwise = condition.run, branches[0].run, branches[1].run

    def run(env: Env) -> Any:
        return then(env) if test(env) else otherwise(env)

    return Typed(merged.kind, run, merged.codes)
