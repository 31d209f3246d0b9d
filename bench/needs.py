"""What all gaps of a household cost in CPU: `.venv/bin/python -m bench.needs`.

A family of four, every method that applies to each of them, 37 calculations with all steps, as JSON. Beside it, in the
same run, turn by turn: the limit, which is the bare Decimal arithmetic of the same present values and nothing else (no
bounds, no steps, no words). Budget: 10 ms of CPU for the batch, because a slider is dragged over it.

Then what a slider really asks for: `what-if` on the stored analysis of a household of the demo world, from the facts as
they are stored to the bytes of the answer, everything but the one row the database gives. The same budget.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import orjson

from app.domain import (
    annuities,
    demo_world,
    forms,
    needs_goals,
    needs_health,
    needs_life,
    needs_screens,
    social_pension,
)
from app.domain.demo_source import AS_OF
from app.domain.household_facts import Facts, facts_of, overrides_of
from app.domain.household_needs import analyse, gaps
from app.domain.needs_inputs import Inputs, Loan, Lump, Stream
from app.domain.needs_methods import calculate
from bench import report

D, WAN = Decimal, 1_000_000
BUDGET_MS, TURNS = 10.0, 60


def _adult(income: int, age: int) -> list[tuple[str, Inputs]]:
    left = 60 - age
    loan = Loan(principal_fen=120 * WAN, rate=D("0.042"), years=30, elapsed=6, payments="monthly")
    capital = needs_life.CapitalNeeds(
        discount_rate=D("0.03"),
        streams=(
            Stream(kind="living", amount_fen=14 * WAN, years=18, share=D("0.7"), growth=D("0.02")),
            Stream(kind="parents_support", amount_fen=2 * WAN, years=15, growth=D("0.02")),
            Stream(
                kind="spouse_income", amount_fen=12 * WAN, years=20, growth=D("0.02"), timing="end", sign="resource"
            ),
        ),
        lumps=(Lump(kind="final_expenses", amount_fen=3 * WAN), Lump(amount_fen=20 * WAN, in_years=9)),
        loans=(loan,),
        assets_fen=30 * WAN,
        existing_cover_fen=50 * WAN,
    )
    stage = needs_goals.RetirementStage(yearly_fen=10 * WAN, years=25)
    pensions = (needs_goals.PensionStream(yearly_fen=4 * WAN, years=25, growth=D("0.01")),)
    return [
        ("capital_needs", capital),
        ("human_life_value", needs_life.HumanLifeValue(income_fen=income, years=left, own_share=D("0.3"))),
        ("income_replacement", needs_life.IncomeReplacement(income_fen=income, years=18)),
        ("capital_retention", needs_life.CapitalRetention(yearly_need_fen=10 * WAN)),
        ("dime", needs_life.Dime(income_fen=income, mortgage_fen=100 * WAN)),
        ("debt_cover", needs_life.DebtCover(loans=(loan,), income_fen=income, household_income_fen=36 * WAN)),
        ("critical_illness", needs_health.CriticalIllness(income_fen=income)),
        ("medical", needs_health.Medical(covers=(needs_health.Cap(cap_fen=200 * WAN),))),
        ("accident", needs_health.Accident(income_fen=income)),
        ("pension_gap", needs_goals.PensionGap(stages=(stage,), years_to_retire=left, pensions=pensions)),
        ("social_pension", social_pension.SocialPension(wage_base_fen=800_000, contribution_months=12 * left)),
        (
            "statutory_retirement",
            social_pension.StatutoryRetirement(category="man", birth_year=2026 - age, birth_month=4),
        ),
        ("ten_times", needs_screens.TenTimes(income_fen=income)),
    ]


def _child(age: int) -> list[tuple[str, Inputs]]:
    stages = tuple(
        needs_goals.EducationStage(yearly_cost_fen=cost * WAN, in_years=start - age, years=years)
        for start, years, cost in ((12, 6, 2), (18, 4, 4), (22, 2, 20))
    )
    return [
        ("education", needs_goals.Education(stages=stages, fund_fen=5 * WAN)),
        ("critical_illness", needs_health.CriticalIllness(income_fen=0, treatment_fen=50 * WAN)),
        ("medical", needs_health.Medical()),
        ("accident", needs_health.Accident(income_fen=0, life_need_fen=50 * WAN, age=age)),
        ("minors_limit", needs_health.MinorsLimit(age=age)),
    ]


def household() -> list[tuple[str, Inputs]]:
    """Every calculation of the family."""
    family = _adult(24 * WAN, 38) + _adult(12 * WAN, 36) + _child(9) + _child(4)
    told = needs_screens.Affordability(disposable_income_fen=30 * WAN, existing_premium_fen=2 * WAN)
    return [*family, ("affordability", told)]


def _bare() -> None:
    """The present values and powers of the batch, and nothing else."""
    with annuities.exact():
        for _ in range(2):
            for rate, growth, years in (("0.03", "0.02", 18), ("0.03", "0.02", 15), ("0.03", "0.02", 20)) * 3:
                ratio = (1 + D(growth)) / (1 + D(rate))
                _ = 14 * WAN * ratio * (ratio**years - 1) / (ratio - 1)
            for _ in range(2):
                month = 1 + D("0.042") / 12
                _ = 120 * WAN * (1 - month**-288) / (1 - month**-360)
            for start, years in ((3, 6), (9, 4), (13, 2)):
                ratio = D("1.04") / D("1.03")
                _ = 2 * WAN * D("1.04") ** start * sum(ratio**k for k in range(years))


def _milliseconds(work: Callable[[], object]) -> float:
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / 1e6


def _what_if() -> Callable[[], bytes]:
    """One turn of `what-if` on the largest household of the demo world."""
    definition = forms.load_definition(
        next(raw for raw in forms.published_forms() if raw["form_key"] == "needs.fact_find")
    )
    asked = max(demo_world.build().fact_finds, key=lambda one: len(one.answers["children"]))
    facts = facts_of(forms.effective_answers(definition, asked.answers, forms.Context(as_of=AS_OF)))
    stored = orjson.dumps(facts.to_json())
    tried = {"inflation": {"value": "0.03", "set_by": "agent"}}

    def turn() -> bytes:
        made = analyse(Facts.from_json(orjson.loads(stored)), AS_OF, overrides_of(tried), is_brief=True)
        told = {"results": gaps(made.results), "affordability": made.affordability, "suitability": made.suitability}
        return orjson.dumps(told | {"advice": made.advice, "assumptions": made.assumptions})

    return turn


def main() -> int:
    """Print medians and the ratio; 1 when one of the two is above its budget."""
    family = household()

    def whole() -> list[bytes]:
        """As a slider does it: one value is changed, every input is checked again, every result is written out."""
        moved = [(code, replace(told)) for code, told in family]
        return [orjson.dumps(calculate(code, told).to_json()) for code, told in moved]

    size = sum(map(len, whole()))
    turns = [(_milliseconds(whole), _milliseconds(_bare)) for _ in range(TURNS)]
    batch, limit = (statistics.median(times) for times in zip(*turns, strict=True))
    worst = max(time for time, _ in turns)
    lines = [
        f"* {len(family)} calculations, {size} bytes of JSON: {batch:.2f} ms CPU (worst {worst:.2f}), "
        f"bare arithmetic {limit:.2f} ms, ratio {batch / limit:.1f}"
    ]
    turn = _what_if()
    size = len(turn())
    times = [_milliseconds(turn) for _ in range(TURNS)]
    tried = statistics.median(times)
    lines.append(f"* what-if of a household: {tried:.2f} ms CPU (worst {max(times):.2f}), {size} bytes of JSON")
    is_kept = max(batch, tried) < BUDGET_MS
    lines.append(f"* budget of each {BUDGET_MS:.0f} ms: {'kept' if is_kept else 'BROKEN'}")
    report.tell("needs", "The calculations of a household", lines)
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
