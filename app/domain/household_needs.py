"""The needs of a whole household: for every insured and peril what is needed, what is there, what is missing. Pure.

From the effective answers of form `needs.fact_find` 1.x and assumptions somebody set. The methods are those of the
registry; this module decides which of them applies to whom. Integer fen and Decimal only.

`need_fen` is what insurance of any kind would have to pay: the family's own means are subtracted inside it, as in the
form `needs.life`. So `gap = max(0, need - existing)` and `over = max(0, existing - need)`, except for a minor's death
cover, where `over` is what exceeds the legal limit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.domain import (
    annuities,
    household_cover,
    household_education,
    household_gaps,
    household_health,
    household_life,
    household_pension,
)
from app.domain.household_case import Case, Plan
from app.domain.household_facts import Book, Facts, Override
from app.domain.household_snapshot import Household, snapshot
from app.domain.needs_health import limit_of_age
from app.domain.needs_life import OWN_SHARE, HumanLifeValue
from app.domain.needs_methods import MethodResult, calculate
from app.domain.needs_worksheet import MAX_RESULT_FEN, Figure, words

METHOD = "household"
VERSION = "1.0.0"
"""Of the whole: which method applies to whom, what counts as cover. The methods have their own."""

Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdAnalysis:
    """All of one analysis, as JSON of ints, strings, None, booleans, lists and dicts; nothing is a float.

    Attributes:
        results: one for each insured and peril, in the order of the members.
        missing: what nobody said, or what does not count, by code (`household_words`).
    """

    household: Household
    facts: Facts
    overrides: Mapping[str, Override]
    results: tuple[Result, ...]
    affordability: dict[str, Any]
    suitability: dict[str, Any]
    advice: tuple[dict[str, Any], ...]
    missing: tuple[dict[str, Any], ...]
    assumptions: list[dict[str, Any]]

    @property
    def totals(self) -> tuple[int, int, int]:
        """Need, existing cover and gap of all results together, in fen."""
        need, existing, gap = (
            sum(one[name] for one in self.results) for name in ("need_fen", "existing_fen", "gap_fen")
        )
        return need, existing, gap


@annuities.exact()
def analyse(
    facts: Facts, as_of: date, overrides: Mapping[str, Override] | None = None, *, is_brief: bool = False
) -> HouseholdAnalysis:
    """Every need of a household on a day.

    Args:
        facts: of a completed response (`household_facts.facts_of`).
        overrides: assumptions by name, each with who set it.
        is_brief: results without how they came about, while a slider is dragged.

    Raises:
        NeedsError: an assumption that is none or out of bounds, a value a method does not take, or a result past
            2^53 - 1 fen.
    """
    household = snapshot(facts, as_of)
    book = Book(facts, overrides or {})
    case = Case(book, household, household_cover.covers(facts, household))
    estimate = household_pension.estimated(case)
    results = [_result(case, plan, is_brief) for plan in _plans(case)]
    pension = household_pension.plan(case)
    if pension is not None:
        found = _result(case, pension, is_brief)
        if not is_brief:
            found["steps"] = [*household_pension.estimate_steps(estimate), *found["steps"]]
        results.append(found)
    if sum(one["need_fen"] + one["existing_fen"] for one in results) > MAX_RESULT_FEN:
        raise annuities.NeedsError("result_out_of_range", "need_fen")
    household_gaps.rank(case, results)
    affordability = household_gaps.affordability(case)
    return HouseholdAnalysis(
        household=household,
        facts=facts,
        overrides=overrides or {},
        results=tuple(results),
        affordability=affordability,
        suitability=household_gaps.opinion(case, results, affordability),
        advice=tuple(household_gaps.advice(results, affordability)),
        missing=tuple(household_gaps.missing(case, results)),
        assumptions=book.to_json(),
    )


def _plans(case: Case) -> Iterator[Plan]:
    """Every calculation but the pension, member by member."""
    for member in case.household.members:
        if member.role == "child":
            maybe = (household_education.education(case, member), household_health.minor(case, member))
            yield from (plan for plan in maybe if plan is not None)
        elif case.income(member):
            yield household_life.life(case, member)
        yield household_health.critical_illness(case, member)
        yield household_health.medical(case, member)
        yield household_health.accident(case, member)


def _result(case: Case, plan: Plan, is_brief: bool) -> Result:
    found = calculate(plan.method, plan.inputs, plan.sources, unnamed="method_default")
    amounts = _minor(case, plan) if plan.method == "minors_limit" else _amounts(found)
    judged = {"insured": plan.insured, "peril": plan.peril, "method": found.method, **amounts}
    judged |= {"rank": None, "priority": "0", "covers": [one.to_json() for one in plan.covers]}
    checks = _checks(case, plan)  # what they ask for is an assumption of the whole, told or not
    if is_brief:
        return judged | {"findings": [one.to_json() for one in found.findings]}
    told = found.to_json()
    figures = told["figures"] + [one.to_json() for one in checks]
    return {
        **judged,
        "method_version": found.method_version,
        "title": words(found.title),
        "standing": found.standing,
        "rounding": found.rounding,
        "figures": figures,
        **{name: told[name] for name in ("findings", "inputs", "assumptions", "steps")},
    }


def _amounts(found: MethodResult) -> dict[str, Any]:
    gross, resources = found.need_fen or 0, found.resources_fen or 0
    existing = found.existing_cover_fen or 0
    return {
        "gross_need_fen": gross,
        "resources_fen": resources,
        "need_fen": max(0, gross - (resources - existing)),
        "existing_fen": existing,
        "gap_fen": found.gap_fen or 0,
        "over_fen": found.over_fen or 0,
        "cover_ratio": found.cover_ratio,
    }


def _minor(case: Case, plan: Plan) -> dict[str, Any]:
    """A minor needs no death cover; what may be there at most is the law's."""
    member, existing = case.household.find(plan.insured), household_cover.total(list(plan.covers))
    limit = None if member is None else limit_of_age(member.age)
    over = 0 if limit is None else max(0, existing - limit)
    amounts = {"gross_need_fen": 0, "resources_fen": 0, "need_fen": 0, "existing_fen": existing}
    return amounts | {"gap_fen": 0, "over_fen": over, "cover_ratio": None}


def _checks(case: Case, plan: Plan) -> list[Figure]:
    """What other methods would say of the same life, beside the need and never instead of it."""
    member = case.household.find(plan.insured)
    if plan.method != "capital_needs" or member is None:
        return []
    book, income = case.book, case.income(member)
    share = book.value("own_share" if member.role == "self" else "spouse_own_share")
    value = HumanLifeValue(
        income_fen=income,
        years=case.working_years(member).value,
        own_share=OWN_SHARE if share is None else share,
        discount_rate=book.value("discount_rate"),
        income_growth=book.value("income_growth"),
        expense_growth=book.value("inflation"),
    )
    life = calculate("human_life_value", value).need_fen or 0
    return [
        Figure("check_human_life_value_fen", ("参考:生命价值", "For comparison: human life value"), life, "fen"),
        Figure("check_ten_incomes_fen", ("参考:十倍年收入", "For comparison: ten incomes"), 10 * income, "fen"),
    ]


def gaps(results: tuple[Result, ...] | list[Result]) -> list[Result]:
    """The figures of every result without how they came about."""
    return [{name: one[name] for name in GAP} for one in results]


GAP = (
    "insured", "peril", "method", "need_fen", "existing_fen", "gap_fen", "over_fen", "cover_ratio", "rank", "priority",
)  # fmt: skip
