"""What holds for every household, whatever it answers."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.domain import forms
from app.domain.annuities import NeedsError
from app.domain.household_diff import diff
from app.domain.household_facts import SETTINGS, Facts, Override, facts_of, overrides_of
from app.domain.household_needs import GAP, HouseholdAnalysis, analyse, gaps
from app.domain.household_words import explain
from tests.fact_find import DAY, FAMILY, FORM, policy
from tests.library_forms import FORMS, TODAY
from tests.life_form import signed

_few = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
_MONEY = st.one_of(st.integers(0, 10**9), st.sampled_from([0, 1, 10**11]))
_LESS = st.integers(0, 10**9)
_DAYS = st.dates(date(1920, 1, 1), DAY).map(date.isoformat)
_UNTIL = st.one_of(st.none(), st.dates(DAY - timedelta(900), DAY + timedelta(20_000)).map(date.isoformat))


def _choice(link_id: str) -> st.SearchStrategy[str]:
    return st.sampled_from([option.code for option in FORMS[FORM].index[link_id].item.options])


def _optional(money: st.SearchStrategy[int], *names: str) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(names, money)


def _child(money: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"child_birth_date": _DAYS, "education_goal": _choice("education_goal"), "education_cost_yearly": money},
        optional={
            "education_start_age": st.integers(0, 40),
            "education_years": st.integers(1, 15),
            "education_fund": money,
            "child_social_medical": _choice("child_social_medical"),
        },
    )


@st.composite
def _policies(draw: st.DrawFn, money: st.SearchStrategy[int]) -> dict[str, Any]:
    until, who = draw(_UNTIL), draw(_choice("policy_insured"))
    row = policy(who, draw(_choice("policy_peril")), draw(money), draw(money), policy_group=draw(st.booleans()))
    if until is not None:
        row |= {"policy_lifelong": False, "policy_until": until}
    return row | ({"policy_child": draw(st.integers(1, 10))} if who == "child" else {})


def _debt(money: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"debt_kind": _choice("debt_kind"), "debt_balance": money},
        optional={"debt_owner": _choice("debt_owner"), "debt_monthly": money},
    )


@st.composite
def households(draw: st.DrawFn, money: st.SearchStrategy[int] = _MONEY) -> dict[str, Any]:
    """Answers that complete the fact find; what is not asked is dropped by the form."""
    answers = draw(
        st.fixed_dictionaries(
            {
                "full_name": st.just("周知行"),
                "birth_date": _DAYS,
                "marital": _choice("marital"),
                "income": money,
                "social_medical": _choice("social_medical"),
                "social_pension": _choice("social_pension"),
                "supports_parents": st.booleans(),
                "parents_support": money,
                "parents_support_years": st.integers(1, 60),
                "living_monthly": money,
                "support_years": st.integers(0, 80),
                "spouse_birth_date": _DAYS,
                "spouse_has_income": st.booleans(),
                "spouse_income": money,
                "children": st.lists(_child(money), max_size=4),
                "debts": st.lists(_debt(money), max_size=4),
                "policies": st.lists(_policies(money), max_size=6),
            },
            optional=_optional(
                money,
                "rent_monthly",
                "schooling_yearly",
                "leisure_yearly",
                "medical_yearly",
                "final_expenses",
                "cash",
                "bonds",
                "pension_savings",
                "rental_yearly",
                "pension_wish_monthly",
                "social_pension_monthly",
                "other_pension_monthly",
                "spouse_pension_monthly",
                "illness_treatment_cost",
                "premium_budget",
                "pension_base_monthly",
                "pension_account_balance",
            )
            | {
                "gender": _choice("gender"),
                "survivor_share": st.integers(0, 10_000),
                "parents_support_share": st.integers(0, 10_000),
                "own_upkeep_share": st.integers(0, 10_000),
                "retirement_age": st.integers(45, 75),
                "spouse_retirement_age": st.integers(45, 75),
                "pension_paid_years": st.integers(0, 60),
                "pension_start_age": st.integers(45, 80),
                "pension_until_age": st.integers(70, 110),
                "illness_recovery_years": st.integers(0, 10),
                "emergency_months": st.integers(0, 60),
                "hospital_choice": _choice("hospital_choice"),
                "occupation_class": _choice("occupation_class"),
                "discount_rate": st.sampled_from(["0", "0.02", "0.03", "0.15"]),
                "inflation": st.sampled_from(["0", "0.02", "0.03", "0.15"]),
                "income_growth": st.sampled_from(["-0.05", "0", "0.03", "0.20"]),
                "education_growth": st.sampled_from(["0", "0.03", "0.15"]),
            },
        )
    )
    return dict(answers)


def facts(answers: dict[str, Any]) -> Facts:
    """The facts of answers the form takes."""
    judged = forms.judge(FORMS[FORM], answers, complete=True, context=TODAY)
    assert [issue for issue in judged.issues if issue.severity == "error"] == []
    return facts_of(judged.effective)


def analysed(answers: dict[str, Any], **overrides: Any) -> HouseholdAnalysis:
    """The analysis; examples too large for it are left out."""
    try:
        return analyse(facts(answers), DAY, {name: Override(value, "agent") for name, value in overrides.items()})
    except NeedsError:
        assume(False)
        raise AssertionError from None


def one_of(analysis: HouseholdAnalysis, insured: str, peril: str) -> dict[str, Any] | None:
    wanted = (insured, peril)
    return next((one for one in analysis.results if (one["insured"], one["peril"]) == wanted), None)


def _types(value: Any) -> Iterator[type]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _types(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _types(part)
    else:
        yield type(value)


@_few
@given(households())
def test_every_complete_fact_find_is_analysed_or_refused(answers: dict[str, Any]) -> None:
    told = facts(answers)
    try:
        made = analyse(told, DAY)
    except NeedsError as error:
        refused = error.code
    else:
        _hold(made)
        assert analyse(Facts.from_json(told.to_json()), DAY).results == made.results  # what is kept is enough
        return
    assert refused.endswith("_out_of_range")


def _hold(made: HouseholdAnalysis) -> None:
    """What every analysis keeps to."""
    for one in made.results:
        assert min(one[f"{name}_fen"] for name in ("need", "existing", "gap", "over", "resources", "gross_need")) >= 0
        assert one["gap_fen"] == max(0, one["need_fen"] - one["existing_fen"]) or one["method"] == "minors_limit"
        assert one["gap_fen"] == 0 or one["over_fen"] == 0
        assert signed(one["steps"], "need") == one["gross_need_fen"]
        if one["method"] != "minors_limit":
            assert signed(one["steps"], "resources") == one["resources_fen"]
    whole = (made.results, made.affordability, made.advice, made.missing, made.assumptions, made.suitability)
    assert not set(_types(whole)) - {int, str, bool, type(None)}


@_few
@given(households(_LESS), st.sampled_from(["life", "critical_illness", "medical", "accident"]), _LESS)
def test_more_cover_never_makes_a_gap_larger(answers: dict[str, Any], peril: str, more: int) -> None:
    before = analysed(answers)
    added = [*answers["policies"], policy("self", peril, more, 0)]
    after = analysed({**answers, "policies": added})
    for one in before.results:
        later = one_of(after, one["insured"], one["peril"])
        assert later is not None
        assert later["gap_fen"] <= one["gap_fen"]
        assert later["existing_fen"] >= one["existing_fen"]


@_few
@given(households(_LESS), st.integers(1, 10**9))
def test_more_income_never_makes_an_earners_need_smaller(answers: dict[str, Any], more: int) -> None:
    before, after = analysed(answers), analysed({**answers, "income": answers["income"] + more})
    for peril in ("life", "critical_illness"):
        one, later = one_of(before, "self", peril), one_of(after, "self", peril)
        assert later is not None
        assert one is None or later["need_fen"] >= one["need_fen"]


@_few
@given(households(_LESS))
def test_trying_what_is_assumed_already_changes_nothing(answers: dict[str, Any]) -> None:
    made = analysed(answers)
    same = {one["key"]: one["value"] for one in made.assumptions}
    again = analysed(answers, **same)
    assert gaps(again.results) == gaps(made.results)
    assert again.affordability["room_fen"] == made.affordability["room_fen"]
    sides = (made.assumptions, again.assumptions)
    change = diff(made.results, again.results, (made.facts, again.facts), sides)
    assert {one["change"] for one in change["results"]} == {"same"}
    assert all(one["inputs"] == [] for one in change["results"])
    assert change["answers"] == []
    assert all(one["after"] is None for one in change["assumptions"])  # what only a default was made from


@_few
@given(households(_LESS), households(_LESS))
def test_change_tells_every_figure_of_both_sides(first: dict[str, Any], second: dict[str, Any]) -> None:
    before, after = analysed(first), analysed(second)
    sides = (before.assumptions, after.assumptions)
    told = diff(before.results, after.results, (before.facts, after.facts), sides)
    for analysis, side in ((before, "before"), (after, "after")):
        figures = {(one["insured"], one["peril"]): one for one in analysis.results}
        for one in told["results"]:
            known = figures.get((one["insured"], one["peril"]))
            for name in ("need_fen", "existing_fen", "gap_fen"):
                assert one[name][side] == (None if known is None else known[name])
        assert figures.keys() <= {(one["insured"], one["peril"]) for one in told["results"]}
    moved = {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}
    assert set(told["answers"]) <= moved | {"policies", "children", "debts"} | SETTINGS.keys() | set(FORMS[FORM].index)


@_few
@given(households(_LESS), st.sampled_from(["zh", "en"]))
def test_explanation_mentions_every_result_in_plain_words(answers: dict[str, Any], language: Any) -> None:
    made = analysed(answers)
    sections = explain(
        {
            "household": made.household.to_json(), "results": list(made.results), "affordability": made.affordability,
            "advice": list(made.advice), "missing": list(made.missing), "assumptions": made.assumptions,
            "as_of": DAY.isoformat(),
        },
        language,
    )  # fmt: skip
    told = {(one["insured"], one["peril"]): one for one in sections}
    assert told.keys() == {(None, None), *((one["insured"], one["peril"]) for one in made.results)}
    assert all(one["title"] and one["follows"] for one in sections)
    sentences = [text for one in sections for name in ("assumed", "follows", "missing") for text in one[name]]
    for jargon in ("折现", "现值", "净值", "discount", "present value", "capital needs", "{", "}", "None", "_"):
        assert not any(jargon in text for text in sentences), jargon


def test_gap_has_the_figures_of_a_result() -> None:
    assert set(GAP) >= {"insured", "peril", "need_fen", "existing_fen", "gap_fen", "over_fen", "rank", "priority"}


_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=8), st.lists(st.integers()),
    st.sampled_from(["0.5", "1", "0", "-0.01", "100", "1e3", "NaN", "Infinity"]),
)  # fmt: skip


_SAID = st.fixed_dictionaries(
    {"value": _JUNK, "set_by": st.sampled_from(["customer", "agent", "organization", "me", None])}
)


@_few
@given(st.dictionaries(st.sampled_from([*SETTINGS, "nonsense"]), st.one_of(_JUNK, _SAID), max_size=3))
def test_any_assumption_is_taken_or_refused(given_by_client: dict[str, Any]) -> None:
    try:
        made = analyse(facts(FAMILY), DAY, overrides_of(given_by_client))
    except NeedsError:
        return
    _hold(made)
