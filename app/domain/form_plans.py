"""A checked definition compiled: conditions, calculations and constraints, in the order of dependence. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

from app.domain import form_types
from app.domain.expression_logic import COMPARISONS
from app.domain.expressions import Compiled, Env, Known, Names, compile_expression, wire
from app.domain.form_shapes import MAX_ROWS, Condition, Constraint, FormError, Place, noting, require

MAX_FORM_COST = 100_000  # of all expressions and conditions together, those in rows counted for every row
_KINDS = dict.fromkeys(("integer", "decimal", "percent", "rate"), "number")
_KINDS |= dict.fromkeys(("text", "reference", "id_number", "phone"), "text")
_KINDS |= dict.fromkeys(("choice", "open_choice"), "choice") | dict.fromkeys(("attachment", "address"), "object")
# Item type → how its calculation is rounded, the first one when nothing is said; and the kinds that fit.
_ROUNDS: dict[str, tuple[str, ...]] = {"money": ("fen",), "integer": ("integer",), "percent": ("integer",)}
_ROUNDS |= dict.fromkeys(("decimal", "rate"), ("none", "2", "4", "integer"))
_FITS = {"money": {"money", "whole"}, "text": {"text", "string"}, "choice": {"choice", "string"}}
_FITS |= {kind: {"number", "whole"} for kind in ("integer", "percent", "decimal", "rate")}
_FITS |= {kind: {kind} for kind in ("boolean", "date", "datetime")}
_PLACES = {"integer": Decimal(1), "2": Decimal("0.01"), "4": Decimal("0.0001")}
_NONE = {"decimal": Decimal(1).scaleb(-18), "rate": Decimal(1).scaleb(-8)}  # as many as the types hold

Holds = Callable[["Sheet"], bool]


class Sheet(Env):
    """The answers of the form (`top` None) or of one row while they are judged.

    `raw` is what was sent; `enabled` the link_ids that are asked; `held` the answer or default of each of them as
    written, `values` as compared; `wrong` the code of what is no answer.
    """

    __slots__ = ("enabled", "held", "raw", "told", "top", "wrong")

    def __init__(self, raw: Mapping[str, Any], top: "Sheet | None", rows: Mapping[str, Any], context: Any) -> None:
        values = dict[str, Any]()
        super().__init__(values, values if top is None else top.values, rows, context)
        self.raw, self.top = raw, self if top is None else top
        self.enabled, self.held = set[str](), dict[str, Any]()
        self.wrong, self.told = dict[str, str](), dict[str, list[str]]()


@dataclass(frozen=True, slots=True)
class Step:
    """One item compiled. `role` says what its answer is: none (group, display), rows, asked or calculated."""

    place: Place
    role: str
    read: form_types.Reader | None
    holds: Holds | None
    calculation: Compiled | None
    settle: Callable[[Any], Any]
    constraints: tuple[tuple[Constraint, Compiled], ...]


def plan(index: Mapping[str, Place], found: list[FormError] | None = None) -> dict[str, Step]:
    """Every item compiled, after everything it depends on. With a list what is wrong is noted there.

    FormError: the codes of `expressions`, calculated_self, calculated_type, calculated_round, calculated_cycle,
    constraint_type, enable_when_cycle (with the circle), expr_budget for the form as a whole.
    """
    items = {link_id: _known(place, index) for link_id, place in index.items() if place.item.type != "display"}
    steps = dict[str, Step]()
    for link_id, place in index.items():
        with noting(found):
            steps[link_id] = _step(place, index, items)
    if found:
        return steps
    with noting(found):
        return _ordered(steps)
    return steps


def _ordered(steps: dict[str, Step]) -> dict[str, Step]:
    cost = sum(_cost(step) * (1 if step.place.scope is None else MAX_ROWS) for step in steps.values())
    require(cost <= MAX_FORM_COST, "expr_budget", "/items")
    graph = {link_id: _needs(step) for link_id, step in steps.items()}
    try:
        return {link_id: steps[link_id] for link_id in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        raise _circle(cast("list[str]", error.args[1]), steps) from None


def _cost(step: Step) -> int:
    computed = 0 if step.calculation is None else step.calculation.cost
    return computed + sum(compiled.cost for _, compiled in step.constraints) + len(step.place.item.enable_when)


def _circle(circle: list[str], steps: Mapping[str, Step]) -> FormError:
    computed = [one for one in circle if steps[one].calculation is not None]
    code = "calculated_cycle" if computed else "enable_when_cycle"
    return FormError(code, steps[(computed or circle)[0]].place.pointer, " → ".join(circle))


def _needs(step: Step) -> set[str]:
    needed = {condition.question for condition in step.place.item.enable_when}
    if step.place.parent is not None:
        needed.add(step.place.parent)
    return needed if step.calculation is None else needed | step.calculation.depends


def _known(place: Place, index: Mapping[str, Place]) -> Known:
    """The item as expressions see it."""
    item = place.item
    if item.type == "group":
        members = tuple(one for one, at in index.items() if at.item.options and _is_inside(at, item.link_id, index))
        return Known("group", place.scope, members=members)
    kind = _KINDS.get(item.type, item.type)
    weights = {option.code: None if option.weight is None else Decimal(option.weight) for option in item.options}
    return Known(f"list:{kind}" if item.multiple else kind, place.scope, weights if item.options else None)


def _is_inside(place: Place, group: str, index: Mapping[str, Place]) -> bool:
    parent = place.parent
    while parent is not None and parent != group:
        parent = index[parent].parent
    return parent is not None


def _step(place: Place, index: Mapping[str, Place], items: Mapping[str, Known]) -> Step:
    item, names = place.item, Names(items, place.scope)
    calculation: Compiled | None = None
    settle: Callable[[Any], Any] = _same
    if item.calculated is not None:
        at = f"{place.pointer}/calculated/expr"
        calculation = compile_expression(item.calculated.expr, names, at)
        require(item.link_id not in calculation.depends, "calculated_self", at, item.link_id)
        settle = _settling(place, calculation)
    constraints = list[tuple[Constraint, Compiled]]()
    for n, constraint in enumerate(item.constraints):
        at = f"{place.pointer}/constraints/{n}/expr"
        compiled = compile_expression(constraint.expr, names, at)
        require(compiled.kind in ("boolean", "null"), "constraint_type", at)
        constraints.append((constraint, compiled))
    role = "calculated" if calculation else "rows" if item.repeats else "asked"
    role = "none" if item.type == "display" or (item.type == "group" and not item.repeats) else role
    read = form_types.reader(item, place.bounds) if role in ("asked", "calculated") else None
    return Step(place, role, read, _conditions(place, index), calculation, settle, tuple(constraints))


def _settling(place: Place, calculation: Compiled) -> Callable[[Any], Any]:
    """What turns the result into the answer as it is written. FormError where it cannot be one."""
    item, kind, at = place.item, calculation.kind, f"{place.pointer}/calculated"
    assert item.calculated is not None
    fits = item.type in _FITS and (kind == "null" or kind in _FITS[item.type])
    require(fits, "calculated_type", at, f"{item.type}, {kind}")
    if item.type == "choice" and kind != "null":
        possible, options = calculation.codes, {option.code for option in item.options}
        require(possible is not None and possible <= options, "calculated_type", at, f"{item.type}, {kind}")
    allowed = _ROUNDS.get(item.type, ("none",))
    how = item.calculated.round or allowed[0]
    require(how in allowed, "calculated_round", at, how)
    if item.type in ("decimal", "rate"):
        places = _PLACES.get(how, _NONE[item.type])
        return lambda value: None if abs(value) >= 10**15 else wire(Decimal(value).quantize(places, ROUND_HALF_UP))
    return _whole if how in ("fen", "integer") else wire if item.type in ("date", "datetime") else _same


def _same(value: Any) -> Any:
    return value


def _whole(value: Any) -> int:
    return value if value.__class__ is int else int(value.quantize(Decimal(1), ROUND_HALF_UP))


def _conditions(place: Place, index: Mapping[str, Place]) -> Holds | None:
    """Whether the item is asked, as far as its own conditions say; None where it has none."""
    tests = [_condition(one, index[one.question], place.scope) for one in place.item.enable_when]
    if len(tests) < 2:
        return tests[0] if tests else None
    joined = any if place.item.enable_behavior == "any" else all
    return lambda sheet: joined(test(sheet) for test in tests)


def _condition(condition: Condition, target: Place, scope: str | None) -> Holds:
    asked, own, expected = condition.question, target.scope == scope, condition.value
    if condition.op == "exists":
        return lambda sheet: ((sheet if own else sheet.top).held.get(asked) is not None) is expected
    several = target.item.multiple
    kind = "choice" if target.item.options else None
    value = form_types.reader(target.item, target.bounds, kind)(expected)
    apply = COMPARISONS[condition.op]

    def holds(sheet: Sheet) -> bool:
        answer = (sheet if own else sheet.top).values.get(asked)
        if answer is None:
            return False
        if several:  # = is "one of them is", != is "none of them is"
            return (value in answer) is (condition.op == "=")
        return bool(apply(answer, value))

    return holds
