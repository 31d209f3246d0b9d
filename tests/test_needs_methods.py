"""The methods behind the calculations: identities, directions, edges, and that each is total over its range."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import annuities, needs_goals, needs_health, needs_screens
from app.domain.annuities import NeedsError, Timing
from app.domain.needs_inputs import Inputs, Loan, Lump, Stream
from app.domain.needs_life import CapitalNeeds, CapitalRetention, DebtCover, HumanLifeValue, IncomeReplacement
from app.domain.needs_methods import METHODS, MethodResult, calculate
from app.domain.needs_worksheet import Rounding
from tests.needs_inputs import inputs

D = Decimal
YUAN, WAN = 100, 1_000_000
ZERO = D(0)


def run(code: str, told: Inputs, **more: Any) -> MethodResult:
    return calculate(code, told, **more)


def capital(**told: Any) -> MethodResult:
    return run("capital_needs", CapitalNeeds(**told))


def need(result: MethodResult) -> int:
    assert result.need_fen is not None
    return result.need_fen


def figure(result: MethodResult, key: str) -> Any:
    return next(item.value for item in result.figures if item.key == key)


def found(result: MethodResult) -> set[str]:
    return {item.code for item in result.findings}


def signed(result: MethodResult, of: str) -> int:
    return sum((s.amount_fen or 0) * (1 if s.sign == "add" else -1) for s in result.steps if s.of == of)


def floats(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [bad for value in node.values() for bad in floats(value)]
    if isinstance(node, list | tuple):
        return [bad for value in node for bad in floats(value)]
    return [] if node is None or isinstance(node, int | str) else [node]


ROUNDINGS: tuple[Rounding, ...] = ("half_up_fen", "half_up_yuan")

# --- every method ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", METHODS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_method_is_total_and_adds_up(code: str, data: st.DataObject) -> None:
    """Over the whole range: a result whose steps add up and that is JSON without floats, or a refusal with a place."""
    told, rounding = data.draw(inputs(code)), data.draw(st.sampled_from(ROUNDINGS))
    try:
        result = calculate(code, told, rounding=rounding)
    except NeedsError as refusal:
        if refusal.code != "result_out_of_range" or not refusal.field:
            raise
        return
    body = result.to_json()
    assert floats(body) == []
    assert json.loads(json.dumps(body, allow_nan=False), parse_float=pytest.fail) == body
    for of, total in (("need", result.need_fen), ("resources", result.resources_fen)):
        assert total is None or signed(result, of) == total >= 0
    if METHODS[code].gives == "need":
        assert result.gap_fen == max(0, need(result) - (result.resources_fen or 0))
        assert 0 <= (result.over_fen or 0) <= (result.existing_cover_fen or 0) <= (result.resources_fen or 0)
        assert 0 in (result.gap_fen, result.over_fen)
    for step in result.steps:
        assert len(step.substituted) <= 2000
        assert len(step.formula) <= 400
        assert len(step.numbers) <= 15
        assert len(step.key) <= 64


def _more_cover(code: str, told: Any, more: int) -> Any:
    if code == "medical":
        return replace(told, covers=(*told.covers, needs_health.Cap(cap_fen=more)))
    if code == "pension_gap":
        return replace(told, assets_fen=told.assets_fen + more)
    return replace(told, existing_cover_fen=told.existing_cover_fen + more)


@pytest.mark.parametrize("code", [code for code, method in METHODS.items() if method.gives == "need"])
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_more_cover_never_widens_the_gap(code: str, data: st.DataObject) -> None:
    told, more = data.draw(inputs(code, most=10**9)), data.draw(st.integers(0, 10**9))
    try:
        before, after = calculate(code, told), calculate(code, _more_cover(code, told, more))
    except NeedsError:  # of a retained capital at next to no yield
        return
    assert before.gap_fen is not None
    assert after.gap_fen is not None
    assert after.gap_fen <= before.gap_fen
    assert after.need_fen == before.need_fen


INCOME_METHODS = ("human_life_value", "income_replacement", "dime", "critical_illness", "accident", "ten_times")


@pytest.mark.parametrize("code", INCOME_METHODS)
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_more_income_never_lowers_the_need(code: str, data: st.DataObject) -> None:
    told: Any = data.draw(inputs(code, most=10**9))
    more = data.draw(st.integers(0, 10**9))
    richer = replace(told, income_fen=told.income_fen + more)
    assert need(calculate(code, richer)) >= need(calculate(code, told))


STREAMS = st.builds(
    Stream,
    kind=st.just("living"),
    amount_fen=st.integers(0, 10**9),
    years=st.integers(0, 60),
    growth=st.integers(-500, 2000).map(lambda basis: D(basis) / 10_000),
    timing=st.sampled_from(["begin", "end"]),
    first_payment=st.sampled_from(["today", "grown", "stated"]),
    starts_in_years=st.integers(0, 20),
)
LUMPS = st.builds(Lump, amount_fen=st.integers(0, 10**9), in_years=st.integers(0, 60))
RATES = st.integers(-500, 2000).map(lambda basis: D(basis) / 10_000)


@settings(max_examples=60, deadline=None)
@given(st.lists(STREAMS, max_size=4), st.lists(LUMPS, max_size=4), RATES, RATES)
def test_higher_discount_rate_never_raises_a_need(
    streams: list[Stream], lumps: list[Lump], one: Decimal, other: Decimal
) -> None:
    low, high = sorted((one, other))
    by_rate = [need(capital(streams=tuple(streams), lumps=tuple(lumps), discount_rate=rate)) for rate in (low, high)]
    assert by_rate[0] >= by_rate[1]


# --- edges -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "growth", "years", "factor"),
    [("0", "0", 20, "20"), ("0.05", "0.05", 20, "20"), ("0", "0.1", 2, "2.1"), ("0.03", "0.02", 0, "0"),
     ("-0.05", "0.14", 2, "2.2")],
)  # fmt: skip
def test_zero_rate_equal_rates_no_years_and_growth_above_the_rate(
    rate: str, growth: str, years: int, factor: str
) -> None:
    stream = Stream(kind="living", amount_fen=WAN, years=years, growth=D(growth), timing="begin")
    assert need(capital(streams=(stream,), discount_rate=D(rate))) == annuities.round_fen(WAN * D(factor))


def test_timing_is_an_input_of_every_stream() -> None:
    """HLV-03: mixed timing gives 58.17, both at the end 59.51 万."""
    told = HumanLifeValue(income_fen=7 * WAN, own_expense_fen=3 * WAN, years=20)
    assert need(run("human_life_value", told)) == 58_170_927
    assert need(run("human_life_value", replace(told, expense_timing="end"))) == 59_509_899


def test_human_life_value_is_never_below_zero_and_says_so() -> None:
    result = run("human_life_value", HumanLifeValue(income_fen=WAN, own_expense_fen=2 * WAN, years=10))
    assert (result.need_fen, result.steps[-1].key) == (0, "need_floor")


def test_over_insurance_counts_cover_and_never_savings() -> None:
    lump = (Lump(amount_fen=100 * WAN),)
    rich = capital(lumps=lump, assets_fen=500 * WAN)
    assert (rich.gap_fen, rich.over_fen, rich.cover_ratio) == (0, 0, None)
    insured = capital(lumps=lump, assets_fen=30 * WAN, existing_cover_fen=90 * WAN)
    assert (insured.gap_fen, insured.over_fen, insured.cover_ratio) == (0, 20 * WAN, "1.2857")
    short = capital(lumps=lump, assets_fen=30 * WAN, existing_cover_fen=70 * WAN - 1)
    assert (short.gap_fen, short.over_fen, short.cover_ratio) == (1, 0, "0.9999")


def test_capital_retention_has_its_two_answers() -> None:
    """S = E/r - A + D is 70, with half a year's need more 73."""
    told = CapitalRetention(yearly_need_fen=6 * WAN, real_rate=D("0.06"), assets_fen=50 * WAN, debts_fen=20 * WAN)
    assert run("capital_retention", told).gap_fen == 70 * WAN
    assert run("capital_retention", replace(told, half_year_adjustment=True)).gap_fen == 73 * WAN
    computed = replace(told, real_rate=None, discount_rate=D("0.08"), growth=D("0.04"))
    step = run("capital_retention", computed).steps[0]
    assert (step.key, step.value, step.unit) == ("real_rate", "0.0384615385", "per_year")


def test_loan_balance_by_year_month_and_convention() -> None:
    loan = Loan(principal_fen=100 * WAN, rate=D("0.06"), years=30, elapsed=10)
    yearly = need(run("debt_cover", DebtCover(loans=(loan,))))
    assert abs(D(yearly) - 100 * WAN * (1 - D("1.06") ** -20) / (1 - D("1.06") ** -30)) < 1
    nominal = replace(loan, payments="monthly", elapsed_months=6)
    month = D("0.06") / 12
    exact = 100 * WAN * (1 - (1 + month) ** -234) / (1 - (1 + month) ** -360)
    assert abs(need(run("debt_cover", DebtCover(loans=(nominal,)))) - exact) < 1
    effective = replace(loan, payments="monthly", rate_convention="effective")
    assert need(run("debt_cover", DebtCover(loans=(effective,)))) == yearly
    assert need(run("debt_cover", DebtCover(loans=(replace(loan, elapsed=30),)))) == 0
    assert need(run("debt_cover", DebtCover(loans=(replace(loan, elapsed=0),)))) == 100 * WAN


def test_debts_are_split_by_income_and_the_parts_are_the_whole() -> None:
    told = DebtCover(other_debts_fen=90 * WAN, income_fen=20 * WAN, household_income_fen=30 * WAN)
    parts = [need(run("debt_cover", replace(told, income_fen=income))) for income in (20 * WAN, 10 * WAN)]
    assert parts == [60 * WAN, 30 * WAN]
    assert need(run("debt_cover", DebtCover(other_debts_fen=90 * WAN, share=D("0.5")))) == 45 * WAN


def test_income_by_multiple_leaves_the_terms_of_the_annuity_out() -> None:
    result = run("income_replacement", IncomeReplacement(income_fen=20 * WAN, basis="multiple"))
    assert need(result) == 200 * WAN
    assert {item.key for item in result.assumptions} == {"basis", "multiple"}


# --- health ----------------------------------------------------------------------------------------------------


def test_critical_illness_adds_treatment_rehabilitation_and_lost_years() -> None:
    told = needs_health.CriticalIllness(income_fen=20 * WAN, years_out=3, treatment_fen=30 * WAN)
    assert need(run("critical_illness", told)) == (30 + 9 + 60) * WAN
    with_loan = replace(told, rehabilitation_fen=20 * WAN, debt_service_fen=5 * WAN)
    assert need(run("critical_illness", with_loan)) == (30 + 20 + 60 + 15) * WAN


def test_cover_that_pays_nothing_is_no_repeat() -> None:
    nothing = needs_health.Cap(cap_fen=0)
    covers = (needs_health.Cap(cap_fen=200 * WAN), nothing)
    assert found(run("medical", needs_health.Medical(covers=covers))) == set()
    none_needed = needs_health.Medical(social_reimbursement=D(1), covers=(nothing, nothing))
    assert found(run("medical", none_needed)) == set()


def test_medical_cover_beyond_the_bill_pays_nothing_and_repeats_are_told() -> None:
    caps = tuple(needs_health.Cap(cap_fen=cap * WAN) for cap in (200, 100))
    result = run("medical", needs_health.Medical(covers=caps))
    assert (result.need_fen, result.resources_fen, result.gap_fen, result.over_fen) == (49 * WAN, 49 * WAN, 0, 0)
    assert found(result) == {"repeat_cover"}
    small = needs_health.Medical(covers=(needs_health.Cap(cap_fen=30 * WAN), needs_health.Cap(cap_fen=15 * WAN)))
    assert (run("medical", small).gap_fen, found(run("medical", small))) == (4 * WAN, set())


@pytest.mark.parametrize(("age", "limit"), [(0, 20), (9, 20), (10, 50), (17, 50), (18, None)])
def test_minors_death_cover_is_limited_by_age(age: int, limit: int | None) -> None:
    told = needs_health.MinorsLimit(age=age, existing_cover_fen=15 * WAN, requested_cover_fen=10 * WAN)
    result = run("minors_limit", told)
    accident = run("accident", needs_health.Accident(income_fen=0, life_need_fen=80 * WAN, age=age))
    if limit is None:
        assert (found(result), need(accident)) == ({"no_limit"}, 80 * WAN)
        return
    assert figure(result, "room_fen") == (limit - 15) * WAN
    assert figure(result, "excess_fen") == max(0, 25 - limit) * WAN
    assert found(result) == ({"above_limit"} if limit < 25 else set())
    assert (need(accident), found(accident)) == (limit * WAN, {"minor_limit"})


# --- goals -----------------------------------------------------------------------------------------------------


def test_education_of_two_stages_is_what_year_by_year_gives() -> None:
    stages = (
        needs_goals.EducationStage(yearly_cost_fen=2 * WAN, in_years=3, years=3),
        needs_goals.EducationStage(yearly_cost_fen=5 * WAN, in_years=6, years=4),
    )
    told = needs_goals.Education(
        stages=stages, fund_fen=4 * WAN, cost_growth=D("0.05"), discount_rate=D("0.03"), existing_cover_fen=WAN
    )
    pool: Any = sum(
        cost * WAN * D("1.05") ** year / D("1.03") ** (year - 3)
        for cost, years in ((2, range(3, 6)), (5, range(6, 10)))
        for year in years
    )
    result = run("education", told)
    assert need(result) == annuities.round_fen(pool)
    shortfall = pool - 4 * WAN * D("1.03") ** 3 - WAN
    saving = shortfall / (1 + D("1.03") + D("1.03") ** 2) / 12
    assert figure(result, "monthly_saving_fen") == annuities.round_fen(saving)
    today = run("education", replace(told, valued_at="today"))
    assert figure(today, "shortfall_at_goal_fen") == figure(result, "shortfall_at_goal_fen")
    assert today.gap_fen == figure(result, "shortfall_today_fen")


def test_education_that_begins_now_leaves_nothing_to_save_for() -> None:
    told = needs_goals.Education(stages=(needs_goals.EducationStage(yearly_cost_fen=WAN, in_years=0),))
    keys = {item.key for item in run("education", told).figures}
    assert keys == {"shortfall_at_goal_fen", "shortfall_today_fen"}


@pytest.mark.parametrize("timing", ["begin", "end"])
def test_pension_gap_is_what_payment_by_payment_gives(timing: Timing) -> None:
    """Two stages at today's price, an indexed pension of retirement's price that begins two years late."""
    pension = needs_goals.PensionStream(
        yearly_fen=3 * WAN, years=18, growth=D("0.01"), starts_after=2, timing=timing, is_insurance=True
    )
    stages = tuple(needs_goals.RetirementStage(yearly_fen=cost * WAN, years=10) for cost in (10, 8))
    told = needs_goals.PensionGap(
        stages=stages, years_to_retire=15, growth=D("0.02"), rate_before=D("0.05"), rate_after=D("0.03"),
        timing=timing, pensions=(pension,), assets_fen=20 * WAN,
    )  # fmt: skip
    late = timing == "end"
    real = D("1.03") / D("1.02")
    spent = sum((10 if k < 10 else 8) * WAN * D("1.02") ** 15 / real ** (k + late) for k in range(20))
    paid = sum(3 * WAN * D("1.01") ** k / D("1.03") ** (k + 2 + late) for k in range(18))
    result = run("pension_gap", told)
    assert need(result) == annuities.round_fen(spent / D("1.05") ** 15)
    assert result.existing_cover_fen == annuities.round_fen(paid / D("1.05") ** 15)
    gap = spent - paid - 20 * WAN * D("1.05") ** 15
    assert figure(result, "shortfall_at_goal_fen") == annuities.round_fen(gap)
    late_view = run("pension_gap", replace(told, valued_at="retirement"))
    assert late_view.gap_fen is not None
    assert abs(late_view.gap_fen - gap) <= 1
    assert figure(late_view, "monthly_saving_fen") == figure(result, "monthly_saving_fen")


# --- screens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("premium", "band"), [(10, "green"), (15, "amber"), (20, "amber"), (21, "red")])
def test_affordability_by_bands_and_surplus(premium: int, band: str) -> None:
    told = needs_screens.Affordability(
        disposable_income_fen=100 * WAN, existing_premium_fen=4 * WAN, proposed_premium_fen=(premium - 4) * WAN,
        rigid_expense_fen=82 * WAN,
    )  # fmt: skip
    result = run("affordability", told)
    assert figure(result, "band") == band
    assert found(result) == {f"band_{band}"} | ({"surplus_exceeded"} if premium > 18 else set())
    assert figure(result, "affordable_premium_fen") == 6 * WAN
    assert result.need_fen is result.gap_fen is None


def test_age_when_all_is_paid_is_asked_for_before_it_counts() -> None:
    told = needs_screens.Affordability(disposable_income_fen=WAN, age=45, payment_years=20)
    assert found(run("affordability", told)) == {"band_green"}
    assert "paid_too_late" in found(run("affordability", replace(told, age_limit=60)))
    assert "paid_too_late" not in found(run("affordability", replace(told, age_limit=66)))


def test_no_income_carries_no_premium() -> None:
    told = needs_screens.Affordability(disposable_income_fen=0, proposed_premium_fen=1)
    assert figure(run("affordability", told), "band") == "red"


def test_ten_times_and_four_accounts_are_no_advice() -> None:
    screen = run("ten_times", needs_screens.TenTimes(income_fen=20 * WAN, yearly_premium_fen=2 * WAN + 1))
    assert (need(screen), screen.standing, found(screen)) == (200 * WAN, "screen", {"premium_above"})
    picture = run("four_accounts", needs_screens.FourAccounts(assets_fen=100 * WAN, monthly_expense_fen=WAN))
    assert picture.standing == "display"
    assert [item.value for item in picture.figures] == [10 * WAN, 20 * WAN, 30 * WAN, 40 * WAN]
    assert found(picture) == {"spending_above_6_months"}
    assert "标准普尔" not in str(picture.to_json())
