"""The needs of a household by hand: every figure of a family of four, added up payment by payment."""

from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from app.domain.annuities import NeedsError
from app.domain.household_facts import SETTINGS, Override, overrides_of
from app.domain.household_needs import HouseholdAnalysis, analyse, gaps
from app.domain.household_snapshot import age_on, snapshot
from tests.fact_find import DAY, WAN, facts, family, policy
from tests.life_form import signed

D = Decimal
RATE, INFLATION, PAY, SCHOOL = D("1.03"), D("1.02"), D("1.02"), D("1.04")  # what the form gives


def fen(amount: Decimal) -> int:
    return int(amount.quantize(D(1), ROUND_HALF_UP))


def due(yearly: Any, years: int, growth: Decimal, *, later: int = 0, end: bool = False) -> Decimal:
    """Present value of today's amount a year, payment by payment; the first one after `later` years."""
    return sum((D(yearly) * growth ** (k + later) / RATE ** (k + later + end) for k in range(years)), D(0))


@pytest.fixture(scope="module")
def whole() -> HouseholdAnalysis:
    return analyse(facts(family()), DAY)


def found(analysis: HouseholdAnalysis, insured: str, peril: str) -> dict[str, Any]:
    (one,) = (one for one in analysis.results if (one["insured"], one["peril"]) == (insured, peril))
    return one


def figures(one: dict[str, Any]) -> tuple[int, int, int, int]:
    return one["need_fen"], one["existing_fen"], one["gap_fen"], one["over_fen"]


def test_household_has_four_members_with_their_ages(whole: HouseholdAnalysis) -> None:
    members = [(one.key, one.name, one.age) for one in whole.household.members]
    assert members == [
        ("self", "周知行", 40),
        ("spouse", "何静姝", 37),
        ("child.0", "周小满", 8),
        ("child.1", "周立秋", 3),
    ]
    keys = [(one["insured"], one["peril"]) for one in whole.results]
    adults = [
        (who, peril) for who in ("self", "spouse") for peril in ("life", "critical_illness", "medical", "accident")
    ]
    ill = ("critical_illness", "medical", "accident")
    girl = [("child.0", one) for one in ("education", "life", *ill)]
    boy = [("child.1", one) for one in ("education", *ill)]
    assert keys == [*adults, *girl, *boy, ("self", "pension")]


def schools() -> Decimal:
    """Four years from 18 on for the girl of 8, three from 19 on for the boy of 3."""
    return due(4 * WAN, 4, SCHOOL, later=10) + due(25 * WAN, 3, SCHOOL, later=16)


def living() -> Decimal:
    """Basic living, leisure and doctors at 70 %, the rent in full, school until the boy is 18."""
    basic = 12 * 800_000 + 2 * WAN + 500_000
    return due(basic * D("0.7"), 20, INFLATION) + due(1_200_000, 20, INFLATION) + due(3 * WAN, 15, SCHOOL)


def test_life_of_the_customer(whole: HouseholdAnalysis) -> None:
    gross = living() + due(1_200_000 * D("0.6"), 15, INFLATION) + schools()
    gross += 80 * WAN + 5 * WAN  # two thirds of the joint mortgage, and the car
    gross += 5 * WAN + 6 * 800_000
    means = due(15 * WAN, 18, PAY, end=True) + due(1 * WAN, 20, INFLATION, end=True)  # she works from 37 to 55
    means += 19 * WAN + 3 * WAN  # money at hand, and the girl's fund
    one = found(whole, "self", "life")
    existing = 25 * WAN  # 50万 for ten of twenty years
    need = fen(gross) - (fen(means + existing) - existing)
    assert one["gross_need_fen"] == fen(gross)
    assert figures(one) == (need, existing, max(0, need - existing), max(0, existing - need))
    assert one["cover_ratio"] == f"{int(D(existing) / need * 10_000) / D(10_000):.4f}"
    assert [(cover["row"], cover["weight"], cover["counted_fen"]) for cover in one["covers"]] == [(0, "0.5", existing)]


def test_life_of_the_spouse(whole: HouseholdAnalysis) -> None:
    gross = living() + due(1_200_000 * D("0.4"), 15, INFLATION) + schools() + 40 * WAN + 2 * WAN + 5 * WAN + 6 * 800_000
    means = due(30 * WAN, 20, PAY, end=True) + due(1 * WAN, 20, INFLATION, end=True) + 22 * WAN
    need = max(0, fen(gross) - fen(means))
    one = found(whole, "spouse", "life")
    assert (one["gross_need_fen"], one["resources_fen"]) == (fen(gross), fen(means + 10 * WAN))
    assert figures(one) == (need, 10 * WAN, max(0, need - 10 * WAN), max(0, 10 * WAN - need))


def test_comparisons_beside_the_life_need(whole: HouseholdAnalysis) -> None:
    told = {figure["key"]: figure["value"] for figure in found(whole, "self", "life")["figures"]}
    value = due(30 * WAN, 20, PAY, end=True) - due(30 * WAN * D("0.25"), 20, INFLATION)
    assert told == {"check_human_life_value_fen": fen(value), "check_ten_incomes_fen": 300 * WAN}


def test_critical_illness_of_everybody(whole: HouseholdAnalysis) -> None:
    care = 40 * WAN + 12 * WAN  # treatment, and 30 % of it for recovery
    assert figures(found(whole, "self", "critical_illness")) == (
        care + 4 * 30 * WAN, 30 * WAN, care + 90 * WAN, 0,
    )  # fmt: skip
    # Hers ends after 54 of the 216 months she works.
    hers = found(whole, "spouse", "critical_illness")
    assert figures(hers) == (care + 60 * WAN, 5 * WAN, care + 55 * WAN, 0)
    assert [(one["weight"], one["is_portable"]) for one in hers["covers"]] == [("0.25", False)]
    for child in ("child.0", "child.1"):
        assert figures(found(whole, child, "critical_illness")) == (care, 0, care, 0)


def test_medical_of_everybody(whole: HouseholdAnalysis) -> None:
    """A bill of 100万, half of it paid by social insurance in a public ward, 1万 carried oneself."""
    one = found(whole, "self", "medical")
    assert figures(one) == (49 * WAN, 49 * WAN, 0, 0)  # 70万 of caps: what is beyond the bill is not paid
    assert [finding["code"] for finding in one["findings"]] == []  # neither of the two would do alone
    assert figures(found(whole, "spouse", "medical")) == (49 * WAN, 0, 49 * WAN, 0)
    assert figures(found(whole, "child.1", "medical")) == (99 * WAN, 0, 99 * WAN, 0)  # no social insurance


def test_accident_of_everybody(whole: HouseholdAnalysis) -> None:
    assert figures(found(whole, "self", "accident")) == (300 * WAN, 50 * WAN, 250 * WAN, 0)
    assert figures(found(whole, "spouse", "accident")) == (150 * WAN, 0, 150 * WAN, 0)
    assert figures(found(whole, "child.1", "accident")) == (20 * WAN, 0, 20 * WAN, 0)  # under ten
    assert figures(found(whole, "child.0", "accident")) == (0, 0, 0, 0)  # her life cover is above the limit already
    told = {figure["key"]: figure["value"] for figure in found(whole, "self", "accident")["figures"]}
    assert told["occupation_class"] == 2


def test_education_of_each_child_in_todays_money(whole: HouseholdAnalysis) -> None:
    girl = fen(due(4 * WAN, 4, SCHOOL, later=10)) - 3 * WAN
    assert figures(found(whole, "child.0", "education")) == (girl, 0, girl, 0)
    gross, cover = due(25 * WAN, 3, SCHOOL, later=16), 3 * WAN / RATE**16  # 1万 in each of three years, due at entry
    assert figures(found(whole, "child.1", "education")) == (fen(gross), fen(cover), fen(gross) - fen(cover), 0)


def test_minor_may_not_have_more_death_cover_than_the_law_allows(whole: HouseholdAnalysis) -> None:
    assert figures(found(whole, "child.0", "life")) == (0, 25 * WAN, 0, 5 * WAN)
    grown = analyse(facts(family()), date(2028, 5, 1))  # ten on that day: 50万
    assert figures(found(grown, "child.0", "life")) == (0, 25 * WAN, 0, 0)
    adult = analyse(facts(family()), date(2036, 5, 1))
    assert ("child.0", "life") not in [(one["insured"], one["peril"]) for one in adult.results]


def test_pension_of_the_couple(whole: HouseholdAnalysis) -> None:
    """25 years from 60 on, valued today: prices until then, returns until then."""
    grown, back = INFLATION**20, RATE**20
    gross = sum((D(12_000_000) * INFLATION**k / RATE**k for k in range(25)), D(0)) * grown / back
    own = sum((D(12 * 500_000) * INFLATION**k / RATE**k for k in range(25)), D(0)) * grown / back
    hers = sum((D(12 * 300_000) * INFLATION**k / RATE**k for k in range(25)), D(0)) * grown / back  # retired before
    policy_value = sum((D(600_000) / RATE**k for k in range(25)), D(0)) / back
    one = found(whole, "self", "pension")
    resources = fen(own + hers + policy_value + 6 * WAN)
    assert (one["gross_need_fen"], one["resources_fen"]) == (fen(gross), resources)
    existing = fen(policy_value)
    need = max(0, fen(gross) - (resources - existing))
    assert figures(one) == (need, existing, max(0, need - existing), max(0, existing - need))


def test_unknown_social_pension_is_estimated_from_the_contributions() -> None:
    """W (1 + 1)/2 × years × 1 % on his own base, and the account by the divisor of 60, 139."""
    told = family(
        social_pension_monthly=None,
        pension_paid_years=15,
        pension_base_monthly=800_000,
        pension_account_balance=9 * WAN,
    )
    analysis = analyse(facts(told), DAY)
    basic = D(800_000) * 35 / 100
    account = D(9 * WAN + 800_000 * 12 * 20 * 8 // 100) / 139
    assumed = {one["key"]: one for one in analysis.assumptions}
    assert assumed["social_pension_monthly_fen"]["value"] == fen(basic + account)
    assert assumed["social_pension_monthly_fen"]["source"] == "method_default"
    one = found(analysis, "self", "pension")
    assert {"social_pension.basic", "social_pension.account"} <= {step["key"] for step in one["steps"]}
    assert ("social_pension_estimated", "pension") in [(point["code"], point["peril"]) for point in analysis.missing]


def test_gaps_are_ranked_by_weight_and_income(whole: HouseholdAnalysis) -> None:
    weights = {"life": "1", "critical_illness": "1.2", "medical": "1.5", "accident": "0.5", "education": "0.5"}
    weights["pension"] = "0.4"
    income = 46 * WAN
    ranked = sorted((one for one in whole.results if one["rank"]), key=lambda one: one["rank"])
    assert [one["rank"] for one in ranked] == list(range(1, len(ranked) + 1))
    assert all((one["rank"] is None) is (one["gap_fen"] == 0) for one in whole.results)
    exact = [D(weights[one["peril"]]) * one["gap_fen"] / income for one in ranked]
    assert exact == sorted(exact, reverse=True)
    assert [D(one["priority"]) for one in ranked] == [value.quantize(D("0.0001")) for value in exact]
    heavier = analyse(facts(family()), DAY, {"weight_education": Override("100", "organization")})
    assert (found(heavier, "child.1", "education")["rank"], found(heavier, "child.0", "education")["rank"]) == (1, 2)


def test_affordability_says_what_can_be_added(whole: HouseholdAnalysis) -> None:
    told = whole.affordability
    premium = 600_000 + 1_000_000 + 30_000 + 30_000 + 20_000 + 300_000 + 150_000 + 200_000 + 400_000 + 30_000
    premium += 80_000 + 500_000  # the one that ended and the one that is paid up cost nothing any more
    rigid = 12 * 900_000 + 3 * WAN + 500_000 + 1_200_000 + 12 * 750_000
    assert (told["income_fen"], told["existing_premium_fen"], told["expense_fen"]) == (46 * WAN, premium, rigid)
    assert (told["cap_fen"], told["room_fen"], told["band"]) == (4_600_000, 4_600_000 - premium, "green")
    small = analyse(facts(family(premium_budget=1_000)), DAY).affordability
    assert (small["room_fen"], [one["code"] for one in small["reasons"]]) == (1_000, ["band_green", "budget_is_limit"])


@pytest.mark.parametrize(
    ("income", "band", "codes"),
    [(34 * WAN, "green", set()), (33 * WAN, "amber", {"premium_high"}), (16 * WAN, "red", {"premium_too_high"})],
)
def test_band_of_the_premium_leads_to_advice(income: int, band: str, codes: set[str]) -> None:
    alone = family(income=income - 1 * WAN, spouse_has_income=False, spouse_income=None)
    analysis = analyse(facts(alone), DAY)
    assert analysis.affordability["band"] == band
    told = {one["code"]: one for one in analysis.advice if one["insured"] is None}
    assert codes == told.keys() - {"cannot_keep_paying"}
    assert all(one["legal_source"] and one["words"]["zh"] and one["words"]["en"] for one in told.values())
    wanted = {"green": "suitable_with_care", "amber": "suitable_with_care", "red": "advise_stop"}[band]
    assert analysis.suitability["code"] == wanted


def test_advice_names_the_result_and_the_rule() -> None:
    rows = [policy("spouse", "medical", 60 * WAN, 0), policy("spouse", "medical", 50 * WAN, 0)]
    rows += [policy("self", "critical_illness", 500 * WAN, 0), policy("child", "life", 21 * WAN, 0, policy_child=2)]
    rows += [policy("self", "accident", 10 * WAN, 0, policy_group=True)]
    analysis = analyse(facts(family(policies=rows)), DAY)
    told = [(one["code"], one["insured"], one["peril"], one["legal_source"]) for one in analysis.advice]
    sales = "保险销售行为管理办法(令2023年第2号)"
    assert told == [
        ("over_insurance", "self", "critical_illness", f"{sales} 第28条"),
        ("not_portable", "self", "accident", f"{sales} 第21条"),
        ("repeat_cover", "spouse", "medical", f"{sales} 第28条"),
        ("minor_limit", "child.1", "life", "保监发〔2015〕90号"),
    ]
    reasons = {(one["code"], one["insured"], one["peril"]) for one in analysis.suitability["reasons"]}
    assert {("over_held", "self", "critical_illness"), ("repeat_held", "spouse", "medical")} <= reasons


def test_open_points_are_told(whole: HouseholdAnalysis) -> None:
    told = {(one["code"], one["insured"], one["row"]) for one in whole.missing}
    assert told == {
        ("policy_ended", "self", 1),
        ("policy_insured_not_judged", None, 11),  # there is no third child
        ("policy_insured_not_judged", None, 12),
        ("policy_peril_not_judged", "self", 13),
    }
    names = ("final_expenses", "cash", "deposits", "equities", "pension_wish_monthly", "social_pension_monthly",
             "illness_treatment_cost", "retirement_age", "spouse_social_medical", "policies")  # fmt: skip
    bare = analyse(facts(family(**dict.fromkeys(names))), DAY)
    assert {one["code"] for one in bare.missing} == {
        "final_expenses_unknown", "liquid_assets_unknown", "pension_wish_unknown", "social_pension_unknown",
        "treatment_unknown", "retirement_age_unknown", "social_medical_unknown",
    }  # fmt: skip
    assert {one["key"]: one["value"] for one in bare.assumptions}["retirement_age"] == 63  # a man born in 1986


def test_assumptions_say_who_set_them(whole: HouseholdAnalysis) -> None:
    told = {one["key"]: (one["value"], one["unit"], one["source"]) for one in whole.assumptions}
    assert told["discount_rate"] == ("0.03", "per_year", "form_default")
    assert told["support_years"] == (20, "years", "customer")
    assert told["parents_support_share"] == ("0.6", "share", "customer")
    assert told["rehabilitation_share"] == ("0.3", "share", "method_default")
    set_here = {
        "discount_rate": {"value": "0.04", "set_by": "organization"},
        "income_fen": {"value": 7, "set_by": "agent"},
    }
    other = analyse(facts(family()), DAY, overrides_of(set_here))
    told = {one["key"]: (one["value"], one["unit"], one["source"]) for one in other.assumptions}
    assert (told["discount_rate"], told["income_fen"]) == (("0.04", "per_year", "organization"), (7, "fen", "agent"))
    own = {one["key"]: one["source"] for one in found(other, "self", "life")["assumptions"]}
    assert (own["discount_rate"], own["streams.0.growth"], own["streams.0.years"], own["streams.0.timing"]) == (
        "organization", "form_default", "customer", "method_default",
    )  # fmt: skip


def test_every_step_adds_up_and_nothing_is_a_float(whole: HouseholdAnalysis) -> None:
    for one in whole.results:
        if one["method"] != "minors_limit":
            assert signed(one["steps"], "need") == one["gross_need_fen"]
            assert signed(one["steps"], "resources") == one["resources_fen"]
    parts = (whole.results, whole.affordability, whole.advice, whole.missing, whole.assumptions, whole.suitability)
    assert not {type(value) for value in _leaves(parts)} - {int, str, bool, type(None)}


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def test_person_alone_leaves_debts_and_nobody_to_provide_for() -> None:
    alone = {
        "full_name": "陆知远", "birth_date": "1996-11-21", "marital": "unmarried", "income": 15 * WAN,
        "social_medical": "unsure", "social_pension": "none", "supports_parents": False, "living_monthly": 500_000,
        "support_years": 20, "debts": [{"debt_kind": "private", "debt_owner": "joint", "debt_balance": 7 * WAN}],
    }  # fmt: skip
    analysis = analyse(facts(alone), DAY)
    assert found(analysis, "self", "life")["need_fen"] == 7 * WAN + 6 * 500_000 + 6 * 500_000
    retired = analyse(facts(alone | {"birth_date": "1930-01-01", "income": 0}), DAY)
    assert [(one["insured"], one["peril"]) for one in retired.results] == [
        ("self", "critical_illness"), ("self", "medical"), ("self", "accident"),
    ]  # fmt: skip
    assert {"pension_time_past", "life_not_judged"} <= {one["code"] for one in retired.missing}


def test_hash_tells_one_household_from_another() -> None:
    first = snapshot(facts(family()), DAY).content_hash
    assert first == snapshot(facts(family()), DAY).content_hash
    others = [snapshot(facts(family(income=1)), DAY), snapshot(facts(family()), date(2026, 11, 21))]
    assert len({first, *(one.content_hash for one in others)}) == 3
    assert first.startswith("sha256:")


def test_age_counts_completed_years() -> None:
    leap = date(2000, 2, 29)
    assert [age_on(leap, day) for day in (date(2018, 2, 28), date(2018, 3, 1), date(1999, 1, 1))] == [17, 18, 0]


@pytest.mark.parametrize(
    ("given", "code", "name"),
    [
        ({"nonsense": {"value": 1, "set_by": "agent"}}, "assumption_unknown", ""),
        ({"inflation": {"value": "0.02", "set_by": "nobody"}}, "choice_unknown", "inflation"),
        ({"inflation": {"value": "0.02"}}, "type", "inflation"),
        ({"inflation": "0.02"}, "type", "inflation"),
        ({"inflation": {"value": 0.02, "set_by": "agent"}}, "not_decimal", "inflation"),
        ({"inflation": {"value": "NaN", "set_by": "agent"}}, "not_decimal", "inflation"),
        ({"inflation": {"value": "0.21", "set_by": "agent"}}, "rate_out_of_range", "inflation"),
        ({"income_fen": {"value": True, "set_by": "agent"}}, "not_integer", "income_fen"),
        ({"income_fen": {"value": -1, "set_by": "agent"}}, "money_out_of_range", "income_fen"),
        ({"support_years": {"value": None, "set_by": "agent"}}, "not_integer", "support_years"),
    ],
)
def test_assumption_that_cannot_be_is_refused_by_its_name(given: dict[str, Any], code: str, name: str) -> None:
    with pytest.raises(NeedsError) as refused:
        analyse(facts(family()), DAY, overrides_of(given))
    assert (refused.value.code, refused.value.field) == (code, name)


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert overrides_of({"income_fen": {"value": 7.0, "set_by": "agent"}}) == {"income_fen": Override(7, "agent")}


def test_every_assumption_has_words_and_a_kind_with_bounds() -> None:
    assert all(setting.label[0] and setting.label[1] for setting in SETTINGS.values())


def test_statutory_age_is_the_nearest_year_and_a_spouse_is_of_the_other_sex() -> None:
    bare = family(gender="male", birth_date="1967-12-10", retirement_age=None, spouse_retirement_age=None)
    bare |= {"spouse_birth_date": "1972-09-10", "social_pension_monthly": None}
    told = {one["key"]: one["value"] for one in analyse(facts(bare), DAY).assumptions}
    assert (told["retirement_age"], told["spouse_retirement_age"]) == (61, 56)  # 60 and 9 months, 55 and 9 months
    told = {one["key"]: one["value"] for one in analyse(facts(bare | {"gender": "female"}), DAY).assumptions}
    assert (told["retirement_age"], told["spouse_retirement_age"]) == (55, 62)
    nameless = {name: value for name, value in bare.items() if name != "gender"}
    told = {one["key"]: one["value"] for one in analyse(facts(nameless), DAY).assumptions}
    assert (told["retirement_age"], told["spouse_retirement_age"]) == (60, 60)


def test_who_has_retired_loses_no_income_by_illness_or_accident() -> None:
    old = family(birth_date="1958-05-05", retirement_age=None)
    analysis = analyse(facts(old), DAY)
    ill = found(analysis, "self", "critical_illness")
    assert (ill["need_fen"], ill["inputs"]["years_out"]) == (52 * WAN, 0)
    assert found(analysis, "self", "accident")["need_fen"] == 50 * WAN
    assert "retirement_age_unknown" not in {one["code"] for one in analysis.missing}
    nearly = analyse(facts(old | {"retirement_age": 70}), DAY)  # he is 68, and would need four years to recover
    assert found(nearly, "self", "critical_illness")["need_fen"] == (52 + 2 * 30) * WAN


def test_brief_results_are_the_same_figures(whole: HouseholdAnalysis) -> None:
    brief = analyse(facts(family()), DAY, is_brief=True)
    assert gaps(brief.results) == gaps(whole.results)
    parts = ("affordability", "suitability", "advice", "missing", "assumptions", "totals")
    assert all(getattr(brief, part) == getattr(whole, part) for part in parts)


def test_minor_whose_death_cover_is_at_the_limit_needs_no_accident_cover() -> None:
    rows = [policy("child", "life", 25 * WAN, 0, policy_child=1), policy("child", "life", 12 * WAN, 0, policy_child=2)]
    analysis = analyse(facts(family(policies=rows)), DAY)
    assert [found(analysis, f"child.{n}", "accident")["need_fen"] for n in (0, 1)] == [0, 8 * WAN]


def test_who_rents_goes_on_renting_in_retirement() -> None:
    told = analyse(facts(family(pension_wish_monthly=None)), DAY).assumptions
    (monthly,) = (one["value"] for one in told if one["key"] == "pension_monthly_fen")
    assert monthly == round((800_000 + 100_000 + (2 * WAN + 500_000) / 12) * 0.7)
