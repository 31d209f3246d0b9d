"""The expressions of forms: the cases a phone is given, an independent reference, and any JSON at all."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import expressions, form_types
from app.domain.expression_tables import tables
from app.domain.expressions import Context, Env, FormError, Known, Names

CASES = json.loads((Path(__file__).parents[1] / "openapi/form-expressions.json").read_text())
KINDS = {"integer": "number", "decimal": "number", "percent": "number", "rate": "number", "open_choice": "choice"}
KINDS |= {"reference": "text", "id_number": "text", "phone": "text", "attachment": "object", "address": "object"}


def known(about: Any) -> Known:
    """A type as a case writes it: its name, or what else an item may say."""
    about = about if isinstance(about, dict) else {"type": about}
    kind = KINDS.get(about["type"], about["type"])
    weights = {code: w if w is None else Decimal(w) for code, w in about.get("options", {}).items()}
    kind = f"list:{kind}" if about.get("multiple") else kind
    return Known(kind, about.get("group"), weights or None, tuple(about.get("members", ())))


def answer(about: Any, value: Any) -> Any:
    kind = about["type"] if isinstance(about, dict) else about
    if isinstance(value, list):
        return tuple(value)
    if kind == "open_choice" and isinstance(value, dict):
        return form_types.FreeText(value["text"])
    return form_types.parsed(kind, value)


def environment(context: dict[str, Any]) -> Env:
    types = context.get("types", {})

    def read(row: dict[str, Any]) -> dict[str, Any]:
        return {key: answer(types[key], value) for key, value in row.items() if value is not None}

    root = read(context.get("answers", {}))
    rows = {group: [read(row) for row in many] for group, many in context.get("rows", {}).items()}
    own = rows[context["row"]][context["at"]] if "row" in context else root
    days = {key: date.fromisoformat(context[key]) for key in ("as_of", "birth_date") if key in context}
    return Env(own, root, rows, Context(**days, gender=context.get("gender")))


def names(context: dict[str, Any]) -> Names:
    return Names({key: known(about) for key, about in context.get("types", {}).items()}, context.get("row"))


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What a case leads to, in its own words."""
    try:
        compiled = expressions.compile_expression(case["expression"], names(case["context"]))
    except FormError as error:
        return {"error": error.code if all(error.message.values()) else "without words", "pointer": error.pointer}
    value, notes = expressions.evaluate(compiled, environment(case["context"]))
    issues = {"issues": list(notes)} if notes else {}
    return {"type": compiled.kind, "expected": expressions.wire(value), **issues}


def test_every_case_comes_out_as_written() -> None:
    told = ("name", "expression", "context")
    made = {case["name"]: outcome(case) for case in CASES["cases"]}
    assert made == {case["name"]: {k: v for k, v in case.items() if k not in told} for case in CASES["cases"]}
    assert len(made) == len(CASES["cases"])


def test_cases_cover_the_language() -> None:
    used, errors, issues = set[str](), set[str](), set[str]()

    def walk(tree: Any) -> None:
        if isinstance(tree, list):
            used.update(one for one in tree[:1] if isinstance(one, str))
            for part in tree:
                walk(part)

    for case in CASES["cases"]:
        walk(case["expression"])
        errors.add(case.get("error"))
        issues.update(case.get("issues", ()))
    assert len(CASES["cases"]) >= 220
    assert expressions.operations() <= used
    documented = (expressions.compile_expression.__doc__ or "").partition("`at`: ")[2].partition(".")[0]
    assert {code.strip() for code in documented.split(",")} <= errors
    assert issues == {"division_by_zero", "lookup_missing", "dates_reversed", "number_too_large"}


def test_tables_of_the_cases_are_the_shipped_ones() -> None:
    shipped = {
        name: {"key": one.key, "value": one.value, "rows": {str(k): expressions.wire(v) for k, v in one.rows.items()}}
        for name, one in tables().items()
    }
    assert shipped == CASES["tables"]
    # Ages 40 to 70 as the State Council's document of 2005 prints them.
    months = [233, 230, 226, 223, 220, 216, 212, 208, 204, 199, 195, 190, 185, 180, 175, 170, 164, 158, 152, 145]
    months += [139, 132, 125, 117, 109, 101, 93, 84, 75, 65, 56]
    assert tables()["pension_months@2005"].rows == dict(zip(range(40, 71), months, strict=True))


# --- dates ---------------------------------------------------------------------------------------------------------


def run(tree: Any, context: dict[str, Any] | None = None) -> tuple[Any, tuple[str, ...]]:
    compiled = expressions.compile_expression(tree, names(context or {}))
    return expressions.evaluate(compiled, environment(context or {}))


@settings(max_examples=60, deadline=None)
@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_age_is_the_number_of_birthdays_lived(born: date, day: date) -> None:
    value, _ = run(["age_years", ["date", born.isoformat()], ["date", day.isoformat()]])
    birthdays = [(year, born.month, born.day) for year in range(born.year + 1, day.year + 1)]
    lived = sum(birthday <= (day.year, day.month, day.day) for birthday in birthdays)
    assert value == (lived if born <= day else None)


# --- anything at all --------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [*sorted(expressions.operations()), "n", "t", "fen", "2", "kids", "cost", "pension_months@2005"]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(WORDS, inner, inner).map(list)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=8,
)  # fmt: skip
SOME = {"n": "integer", "t": "text", "kids": {"type": "group"}, "cost": {"type": "money", "group": "kids"}}


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_no_json_makes_the_compiler_raise_anything_else(tree: Any) -> None:
    context = {"types": SOME, "answers": {"n": 3}, "rows": {"kids": [{"cost": 7}]}}
    value, said = None, ["", ""]
    try:
        value, _ = run(tree, context)
    except FormError as error:
        said = list(error.message.values())
    assert value is None or said == ["", ""]
    assert not isinstance(value, float)
    json.dumps(expressions.wire(value), allow_nan=False)


def test_compiled_expression_says_what_it_reads_and_costs() -> None:
    context = {"types": SOME}
    compiled = expressions.compile_expression(["add", ["sum", ["rows", "cost"]], ["mul", 2, 50]], names(context))
    assert (compiled.kind, set(compiled.depends), compiled.nodes, compiled.cost) == ("money", {"cost"}, 6, 26)
    scored = {"q": {"type": "choice", "group": "g", "options": {"a": "1"}}, "g": {"type": "group", "members": ["q"]}}
    outside, inside = ({"types": scored} | where for where in ({}, {"row": "g"}))
    costs = [expressions.compile_expression(["sum_weights", "g"], names(one)).cost for one in (outside, inside)]
    assert costs == [21, 2]
