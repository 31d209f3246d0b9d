"""What a worksheet says beside its totals: lines that can be followed, assumptions with an effect, whole numbers."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain import annuities, needs_goals, needs_health
from app.domain.annuities import NeedsError
from app.domain.needs_inputs import Inputs, Loan, Lump, Stream
from app.domain.needs_life import CapitalNeeds, DebtCover
from app.domain.needs_methods import calculate

D = Decimal
WAN = 1_000_000
ZERO = D(0)


def test_assumptions_without_effect_are_left_out() -> None:
    """What a yearly loan, a known life need or a given real rate does not ask for is nothing a result rests on."""

    def keys(code: str, told: Inputs) -> set[str]:
        return {item.key for item in calculate(code, told).assumptions}

    yearly = Loan(principal_fen=WAN, rate=D("0.05"), years=9)
    for code, told in (
        ("capital_needs", CapitalNeeds(loans=(yearly, replace(yearly, payments="monthly")))),
        ("debt_cover", DebtCover(loans=(yearly, replace(yearly, payments="monthly")))),
    ):
        assert {"loans.1.elapsed_months", "loans.1.rate_convention", "loans.0.elapsed"} <= keys(code, told)
        assert not {"loans.0.elapsed_months", "loans.0.rate_convention"} & keys(code, told)
    assert "multiple" in keys("accident", needs_health.Accident(income_fen=WAN))
    assert "multiple" not in keys("accident", needs_health.Accident(income_fen=WAN, life_need_fen=WAN))
    stage = needs_goals.RetirementStage(yearly_fen=WAN, years=9, price="retirement")
    pension = needs_goals.PensionGap(stages=(stage,), years_to_retire=9, real_rate=D("0.02"))
    rates = {"growth", "rate_after"}
    assert not rates & keys("pension_gap", pension)
    assert rates & keys("pension_gap", replace(pension, stages=(replace(stage, price="today"),))) == {"growth"}
    paid = (needs_goals.PensionStream(yearly_fen=1, years=9),)
    assert rates & keys("pension_gap", replace(pension, pensions=paid)) == {"rate_after"}
    assert rates <= keys("pension_gap", replace(pension, real_rate=None))


def test_line_of_a_pension_can_be_followed_with_its_own_numbers() -> None:
    """The factor shown is the annuity it names, brought to retirement's price and to today as it says."""
    pension = needs_goals.PensionStream(yearly_fen=WAN, years=20, growth=D("0.01"), starts_after=2, price="today")
    told = needs_goals.PensionGap(
        stages=(needs_goals.RetirementStage(yearly_fen=WAN, years=1),), years_to_retire=15, pensions=(pension,)
    )
    line = next(step for step in calculate("pension_gap", told).steps if step.key == "pensions.0")
    factor = annuities.growing_annuity_factor(20, D("0.03"), D("0.01"), "begin", "today", 2)
    factor *= D("1.01") ** 15 / D("1.04") ** 15
    assert line.substituted == (
        f"1000000 × {line.numbers['factor']}; {line.numbers['factor']} = annuity(20, 0.03, 0.01, begin, today, 2)"
        " × (1 + 0.01)^15 / (1 + 0.04)^15"
    )
    assert abs(D(line.numbers["factor"]) - factor) < D("1E-9")


def test_rounding_to_the_yuan_does_not_leave_the_whole_numbers_a_phone_knows() -> None:
    """The last fen a phone can hold would round up to a yuan it cannot."""
    lifetime = Stream(kind="living", amount_fen=10**13, years=75)
    rest = 2**53 - 1 - 12 * 75 * 10**13
    told = CapitalNeeds(discount_rate=ZERO, streams=(lifetime,) * 12, lumps=(Lump(amount_fen=rest),))
    assert calculate("capital_needs", told).need_fen == 2**53 - 1
    with pytest.raises(NeedsError, match="result_out_of_range"):
        calculate("capital_needs", told, rounding="half_up_yuan")
