"""The discounting core and the capital-needs method, against published figures and exact fractions of our own."""

import dataclasses
import decimal
import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import annuities, needs
from app.domain.annuities import NeedsError, Timing
from app.domain.needs import FirstPayment, LifeNeedInput, LifeNeedResult, Lump, Stream

D = Decimal
VECTORS = Path(__file__).parents[2] / "shared/vectors" / "needs.json"
ZERO, WAN = D(0), 1_000_000  # 万元 in fen
TIMINGS: tuple[Timing, ...] = ("begin", "end")
FIRST: tuple[FirstPayment, ...] = ("today", "stated")


def family(**changes: Any) -> LifeNeedInput:
    """A family whose every amount is 0 but what the test names: one part can be looked at alone."""
    base: dict[str, Any] = {"family_expense_fen": 0, "survivor_share": D(1), "support_years": 0, "timing": "begin"}
    base |= {"expense_growth": ZERO, "discount_rate": D("0.03"), "first_payment": "stated"}
    return LifeNeedInput(**(base | changes))


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(NeedsError) as caught:
        call()
    return caught.value.code, caught.value.field


def signed(result: LifeNeedResult) -> int:
    return sum(step.amount_fen if step.sign == "add" else -step.amount_fen for step in result.steps)


def paid_out(years: int, rate: str, growth: str, timing: str, first: str) -> Fraction:
    """Present value of 1, payment by payment in exact fractions: an oracle that shares no formula with the module."""
    i, g, total = Fraction(rate), Fraction(growth), Fraction(0)
    for year in range(years):
        due = year if timing == "begin" else year + 1
        grown = year + 1 if (timing, first) == ("end", "today") else year
        total += (1 + g) ** grown / (1 + i) ** due
    return total


def near(value: Decimal, printed: str, tolerance: str) -> bool:
    return abs(value - D(printed)) <= D(tolerance)


# Published figures. Typed in, so that they hold without the file; where the file is, its inputs go the same way.
PUBLISHED: dict[str, tuple[dict[str, Any], str]] = {
    "HLV-01": ({"annual_to_family": 40_000, "years": 30, "rate": D("0.06")}, "550593.24606"),
    "HLV-03": ({"income": 7, "own_expense": 3, "years": 20, "rate": D("0.03")}, "58.170927"),
    "NEED-01": ({"expense": 3, "years": 20, "rate": D("0.03"), "assets": 10}, "35.971397"),
    "NEED-05a": ({"amount": 42_000, "years": 30, "rate": D("0.03")}, "823218.536678"),
    "NEED-05b": ({"amount": 32_700, "years": 15, "rate": D("0.03")}, "390370.477338"),
    "EDU-01": ({"cost": 120, "growth": D("0.03"), "years": 10}, "161.269966"),
    "EDU-01b": ({"fund": 50, "rate": D("0.06"), "years": 10}, "89.542385"),
    "EDU-01c": ({"shortfall": D("71.72"), "rate": D("0.06"), "years": 10}, "4534.37497"),
    "PEN-03": ({"stages": [[15, 50], [10, 40]], "real_rate": D("0.02")}, "909.430894"),
}


def recompute(name: str, x: Mapping[str, Any]) -> Decimal:
    years, rate = x.get("years", 0), x.get("rate", x.get("real_rate", ZERO))
    end, begin = annuities.annuity_factor(years, rate, "end"), annuities.annuity_factor(years, rate, "begin")
    stages = x.get("stages", [[0, 0], [0, 0]])
    pots = [amount * annuities.annuity_factor(length, rate, "end") for length, amount in stages]
    recipes: dict[str, Callable[[], Decimal]] = {
        "HLV-01": lambda: x["annual_to_family"] * end,
        "HLV-03": lambda: x["income"] * end - x["own_expense"] * begin,
        "NEED-01": lambda: x["expense"] * begin - x["assets"],
        "NEED-05a": lambda: x["amount"] * end,
        "NEED-05b": lambda: x["amount"] * end,
        "EDU-01": lambda: annuities.future_value(x["cost"], x["growth"], years),
        "EDU-01b": lambda: annuities.future_value(x["fund"], rate, years),
        "EDU-01c": lambda: x["shortfall"] * 10_000 / annuities.future_value_factor(years, rate, "end") / 12,
        "PEN-03": lambda: pots[0] + pots[1] / (1 + rate) ** stages[0][0],
    }
    return recipes[name]()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figure_is_reproduced(name: str) -> None:
    inputs, printed = PUBLISHED[name]
    assert near(recompute(name, inputs), printed, "0.00001")


def test_vector_file_is_reproduced() -> None:
    if not VECTORS.exists():
        pytest.skip("the public vector file is not beside this checkout; its figures are typed in above")
    vectors = {v["id"]: v for v in json.loads(VECTORS.read_text("utf-8"), parse_float=D)["vectors"]}
    assert set(PUBLISHED) <= set(vectors)
    for name in PUBLISHED:
        vector = vectors[name]
        value = recompute(name, vector["inputs"])
        assert abs(value - vector["expected"]) <= vector["tolerance"], name
        assert near(value, str(vector["recomputed"]), "0.00001"), name


def test_need_01_begin_mode_less_assets_is_359713_yuan() -> None:
    inp = family(family_expense_fen=3 * WAN, support_years=20, liquid_assets_fen=10 * WAN)
    assert needs.life_need(inp).need_fen == 35_971_397
    assert needs.life_need(dataclasses.replace(inp, timing="end")).need_fen == 34_632_425


def test_need_03_share_and_education_at_end_is_611886_yuan() -> None:
    terms: dict[str, Any] = {"support_years": 45, "timing": "end", "discount_rate": D("0.06")}
    terms |= {"family_expense_fen": 6 * WAN, "survivor_share": D("0.7"), "liquid_assets_fen": 10 * WAN}
    education = (Lump(cost_fen=10 * WAN, in_years=8, growth=ZERO),)
    assert needs.life_need(family(education=education, **terms)).need_fen == 61_188_619


def test_need_05_worksheet_gap_is_450848_dollars() -> None:
    result = needs.life_need(worksheet())
    parts = {step.key: step.amount_fen for step in result.steps}
    assert (parts["family_living"], parts["social_benefits"]) == (82_321_854, 39_037_048)  # NEED-05a, NEED-05b
    assert (result.need_fen, result.gap_fen, result.over_fen) == (54_884_806, 45_084_806, 0)


def worksheet() -> LifeNeedInput:
    terms: dict[str, Any] = {"family_expense_fen": 5_600_000, "survivor_share": D("0.75"), "support_years": 30}
    terms |= {"timing": "end", "other_debts_fen": 1_000_000, "final_expenses_fen": 1_200_000 + 1_900_000}
    terms["education"] = (Lump(cost_fen=7_500_000, in_years=0, growth=ZERO),)
    terms["social_benefits"] = Stream(yearly_fen=2725 * 12 * 100, years=15, timing="end", growth=ZERO)
    return family(existing_cover_fen=9_800_000, **terms)


def test_pen_01_unrounded_is_358315_and_textbook_rounding_358639() -> None:
    def gap(need: Decimal, real: Decimal) -> Decimal:
        return need * annuities.annuity_factor(20, real, "begin") / D("1.06") ** 10 - 80

    need, real = annuities.future_value(10 * WAN, D("0.03"), 10) / WAN, annuities.real_rate(D("0.06"), D("0.03"))
    assert near(gap(need, real), "35.8315", "0.00005")
    textbook = gap(need.quantize(D("0.01")), real.quantize(D("0.0001")))
    assert near(textbook, "35.863906", "0.00001")


def test_results_do_not_depend_on_the_callers_context() -> None:
    expected = needs.life_need(worksheet()).to_json()
    with decimal.localcontext() as context:
        context.prec, context.rounding = 3, decimal.ROUND_UP
        assert needs.life_need(worksheet()).to_json() == expected
        assert near(annuities.real_rate(D("0.06"), D("0.03")), "0.0291262135922330", "1E-16")


SPOUSE = Stream(yearly_fen=3_000_001, years=18, timing="end", growth=D("0.02"))
PARENTS = Stream(yearly_fen=1_200_007, years=15, timing="begin", growth=D("0.03"))
BENEFITS = Stream(yearly_fen=600_011, years=9, timing="end", growth=ZERO)
SCHOOL = Lump(cost_fen=20_000_003, in_years=7, growth=D("0.04"))


def full_family(**changes: Any) -> LifeNeedInput:
    parts: dict[str, Any] = {"family_expense_fen": 12_345_677, "survivor_share": D("0.7"), "support_years": 22}
    parts |= {"timing": "begin", "expense_growth": D("0.025"), "discount_rate": D("0.035"), "first_payment": "today"}
    parts |= {"spouse_income": SPOUSE, "parents_support": PARENTS, "social_benefits": BENEFITS, "education": (SCHOOL,)}
    parts |= {"mortgage_fen": 88_000_000, "other_debts_fen": 5_000_000, "final_expenses_fen": 3_000_000}
    parts |= {"emergency_months": 5, "liquid_assets_fen": 40_000_000, "existing_cover_fen": 50_000_000}
    return LifeNeedInput(**(parts | changes))


def exact_need(first: str = "today") -> Fraction:
    living = Fraction(12_345_677) * Fraction(7, 10) * paid_out(22, "0.035", "0.025", "begin", first)
    parents = 1_200_007 * paid_out(15, "0.035", "0.03", "begin", first)
    education = 20_000_003 * (Fraction("1.04") / Fraction("1.035")) ** 7
    lumps = 88_000_000 + 5_000_000 + 3_000_000 + Fraction(12_345_677 * 5, 12) - 40_000_000
    spouse = 3_000_001 * paid_out(18, "0.035", "0.02", "end", first)
    return living + parents + education + lumps - spouse - 600_011 * paid_out(9, "0.035", "0", "end", first)


@pytest.mark.parametrize("first", FIRST)
def test_need_of_a_full_family_equals_exact_fractions(first: FirstPayment) -> None:
    assert needs.life_need(full_family(first_payment=first)).need_fen == math.floor(exact_need(first) + Fraction(1, 2))


def test_need_is_rounded_once_and_the_difference_is_shown() -> None:
    # 5 × 0.4019 fen, where each line shows 0; 3 × 0.5787 fen, where each line shows 1.
    for count, years, need, difference, sign in ((5, 5, 2, 2, "add"), (3, 3, 2, 1, "subtract")):
        lumps = (Lump(cost_fen=1, in_years=years, growth=ZERO),) * count
        result = needs.life_need(family(education=lumps, discount_rate=D("0.2")))
        last = result.steps[-1]
        assert (result.need_fen, last.key, last.amount_fen, last.sign) == (need, "rounding", difference, sign)
        assert signed(result) == need


MORE: dict[str, tuple[Any, int]] = {
    "family_expense_fen": (12_345_777, 1),
    "parents_support": (dataclasses.replace(PARENTS, yearly_fen=1_300_000), 1),
    "education": ((dataclasses.replace(SCHOOL, cost_fen=20_000_103),), 1),
    "spouse_income": (dataclasses.replace(SPOUSE, yearly_fen=3_000_101), -1),
    "social_benefits": (dataclasses.replace(BENEFITS, yearly_fen=600_111), -1),
    "existing_cover_fen": (60_000_000, 0),
}
MORE |= {"mortgage_fen": (88_000_100, 1), "other_debts_fen": (5_000_100, 1), "final_expenses_fen": (3_000_100, 1)}
MORE |= {"emergency_months": (6, 1), "liquid_assets_fen": (40_000_100, -1)}


@pytest.mark.parametrize("name", MORE)
def test_more_of_each_part_moves_the_need_in_its_direction(name: str) -> None:
    value, sign = MORE[name]
    moved = needs.life_need(full_family(**{name: value})).need_fen - needs.life_need(full_family()).need_fen
    assert (moved > 0) - (moved < 0) == sign


def test_gap_over_and_ratio_follow_existing_cover() -> None:
    need = 90_000_000
    for existing, gap, over, ratio in (
        (0, need, 0, "0.0000"),
        (30_000_000, 60_000_000, 0, "0.3333"),
        (need - 1, 1, 0, "0.9999"),
        (need, 0, 0, "1.0000"),
        (need + 7, 0, 7, "1.0000"),
    ):
        result = needs.life_need(family(mortgage_fen=need, existing_cover_fen=existing))
        assert (result.need_fen, result.gap_fen, result.over_fen, result.cover_ratio) == (need, gap, over, ratio)


def test_need_is_never_below_zero_and_says_so_in_a_step() -> None:
    result = needs.life_need(family(mortgage_fen=5, liquid_assets_fen=12, existing_cover_fen=3))
    assert (result.need_fen, result.gap_fen, result.over_fen, result.cover_ratio) == (0, 0, 3, None)
    assert (result.steps[-1].key, result.steps[-1].amount_fen) == ("floor", 7)
    assert signed(result) == 0


def test_steps_stand_in_order_with_formula_numbers_and_both_languages() -> None:
    steps = needs.life_need(full_family()).steps
    order = ["family_living", "parents_support", "education.0", "mortgage", "other_debts", "final_expenses"]
    order += ["emergency_fund", "liquid_assets", "spouse_income", "social_benefits"]
    assert [step.key for step in steps if step.key != "rounding"] == order
    assert {step.key for step in steps if step.sign == "subtract"} - {"rounding"} == set(order[-3:])
    assert steps[0].formula.startswith("yearly_fen × share × factor; factor = annuity(years, rate, growth, timing")
    assert steps[0].substituted.startswith("12345677 × 0.7 × ")
    assert steps[0].substituted.endswith("annuity(22, 0.035, 0.025, begin, grown)")
    assert steps[2].substituted == "20000003 × ((1 + 0.04) / (1 + 0.035))^7"
    assert all(set(step.label) == {"zh", "en"} and "{" not in step.formula + step.substituted for step in steps)


def test_assumptions_name_their_source_and_leave_given_sums_out() -> None:
    sources: Any = {"discount_rate": "form_default", "support_years": "customer", "mortgage_fen": "customer"}
    sources["other_debts_fen"] = "form_default"
    listed = {a.key: a for a in needs.life_need(full_family(sources=sources)).assumptions}
    assert (listed["discount_rate"].value, listed["discount_rate"].unit) == ("0.035", "per_year")
    by = [listed[key].source for key in ("discount_rate", "support_years", "timing")]
    assert by == ["form_default", "customer", "agent"]
    assert (listed["other_debts_fen"].value, listed["other_debts_fen"].unit) == (5_000_000, "fen")
    assert "mortgage_fen" not in listed
    assert {"spouse_income.growth", "education.0.in_years", "emergency_months", "first_payment"} <= set(listed)


def test_json_has_no_float_and_survives_a_round_trip() -> None:
    body = needs.life_need(full_family(survivor_share=D("0.70"), expense_growth=D("-0.00"))).to_json()
    assert json.loads(json.dumps(body, allow_nan=False), parse_float=pytest.fail) == body
    assert (body["method_code"], body["method_version"]) == ("capital_needs", "1.0.0")
    inputs: Any = body["inputs"]
    assert (inputs["survivor_share"], inputs["expense_growth"]) == ("0.70", "0.00")
    assert inputs["education"] == [{"cost_fen": 20_000_003, "in_years": 7, "growth": "0.04"}]
    assert set(inputs) == set(LifeNeedInput.__dataclass_fields__) - {"sources"}


OUTSIDE: dict[str, list[tuple[str, Any]]] = {
    "money_out_of_range": [("family_expense_fen", -1), ("mortgage_fen", 10**13 + 1)],
    "not_integer": [("family_expense_fen", None), ("mortgage_fen", True), ("mortgage_fen", 1.0)],
    "rate_out_of_range": [("discount_rate", D("0.2001")), ("expense_growth", D("-0.0501"))],
    "not_decimal": [("discount_rate", D("Infinity")), ("survivor_share", 1)],
    "share_out_of_range": [("survivor_share", D("1.01")), ("survivor_share", D("-0.01"))],
    "years_out_of_range": [("support_years", 81), ("support_years", -1)],
    "months_out_of_range": [("emergency_months", 61)],
    "choice_unknown": [("timing", "middle"), ("first_payment", "tomorrow")],
    "too_many": [("education", (SCHOOL,) * 51)],
}


@pytest.mark.parametrize("code", OUTSIDE)
def test_input_outside_its_bounds_cannot_exist(code: str) -> None:
    outcomes = [refused(partial(full_family, **{field: value})) for field, value in OUTSIDE[code]]
    assert outcomes == [(code, field) for field, _ in OUTSIDE[code]]


def test_nested_or_resulting_numbers_out_of_bounds_are_named_with_their_path() -> None:
    late, steep = dataclasses.replace(SCHOOL, in_years=81), dataclasses.replace(SPOUSE, growth=D("0.3"))
    assert refused(lambda: full_family(education=(late,))) == ("years_out_of_range", "education.0.in_years")
    assert refused(lambda: full_family(spouse_income=steep)) == ("rate_out_of_range", "spouse_income.growth")
    huge = family(family_expense_fen=10**13, support_years=80, discount_rate=D("-0.05"), expense_growth=D("0.2"))
    assert refused(lambda: needs.life_need(huge)) == ("result_out_of_range", "family_living")


RATES, GROWN = (st.integers(low, 2000).map(lambda basis: D(basis) / 10_000) for low in (-500, 0))
YEARS, WHEN, SUMS = st.integers(0, 60), st.sampled_from(TIMINGS), st.integers(0, 10**9)
STREAMS = st.none() | st.builds(Stream, yearly_fen=st.integers(0, 10**8), years=YEARS, timing=WHEN, growth=GROWN)
FAMILIES = st.builds(
    LifeNeedInput,
    family_expense_fen=st.integers(0, 10**8),
    survivor_share=st.integers(0, 100).map(lambda percent: D(percent) / 100),
    support_years=YEARS,
    timing=WHEN,
    expense_growth=RATES,
    discount_rate=GROWN,
    first_payment=st.sampled_from(FIRST),
    spouse_income=STREAMS,
    parents_support=STREAMS,
    education=st.tuples(st.builds(Lump, cost_fen=SUMS, in_years=YEARS, growth=GROWN)),
    emergency_months=st.integers(0, 24),
    liquid_assets_fen=SUMS,
    existing_cover_fen=SUMS,
)


@settings(max_examples=40, deadline=None)
@given(FAMILIES, st.integers(0, 10**8))
def test_any_family_keeps_the_identities(inp: LifeNeedInput, more: int) -> None:
    result = needs.life_need(inp)
    assert signed(result) == result.need_fen >= 0
    assert result.gap_fen - result.over_fen == result.need_fen - result.existing_cover_fen
    assert min(result.gap_fen, result.over_fen) == 0
    richer = dataclasses.replace(inp, family_expense_fen=inp.family_expense_fen + more)
    assert needs.life_need(richer).need_fen >= result.need_fen
