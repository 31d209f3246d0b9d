"""What a draft recommends, and what of an analysis gets onto the paper: pure, on analyses made by hand."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from app.domain.product_catalogue import CATEGORIES, PERILS
from app.domain.proposal_draft import WORDS, Band, draft
from app.domain.proposal_facts import band_of, held_at_death, minor_room
from app.domain.proposal_filling import PERILS as PERIL_WORDS
from app.domain.proposal_filling import remaining_gap, report
from app.domain.proposal_flow import years

WAN = 1_000_000
DAY = date(2026, 11, 27)


def _result(insured: str, peril: str, gap: int, rank: int | None, existing: int = 0, **over: Any) -> dict[str, Any]:
    return {
        "insured": insured, "peril": peril, "method": "x", "method_version": "1.0.0", "need_fen": gap + existing,
        "existing_fen": existing, "gap_fen": gap, "over_fen": 0, "rank": rank, "findings": [], "steps": [],
        "title": {"zh": "法", "en": "way"}, **over,
    }  # fmt: skip


def _analysis(*results: dict[str, Any], room: int = 0, **over: Any) -> dict[str, Any]:
    members = (("self", "1990-06-01", "self"), ("child.0", "2020-11-27", "child"))
    return {
        "household": {"members": [{"key": k, "name": "", "birth_date": b, "age": 0, "role": r} for k, b, r in members]},
        "results": list(results),
        "affordability": {
            "band": "green", "income_fen": 100 * WAN, "expense_fen": 50 * WAN, "existing_premium_fen": 2 * WAN,
            "cap_fen": 10 * WAN, "room_fen": room,
        },
        "assumptions": [], "facts": None, **over,
    }  # fmt: skip


TERM = Band(category="term_life", age_from=30, age_to=39, payment_years=20, per="wan", low_fen=1_000, high_fen=1_500)


def test_sum_is_the_gap_rounded_up_to_ten_thousand_yuan() -> None:
    (one,) = draft(_analysis(_result("self", "life", 99 * WAN + 1, 1), room=150_000), [TERM], DAY)
    assert (one.sum_insured_fen, one.premium_low_fen, one.premium_high_fen) == (100 * WAN, 100_000, 150_000)
    assert (one.why, one.room_after_fen, one.payment_years) == ("closed", 0, 20)


@pytest.mark.parametrize(
    ("room", "units", "why"),
    [(150_000, 100, "closed"), (149_999, 99, "reduced"), (1_500, 1, "reduced"), (1_499, 0, "no_room")],
)
def test_sum_shrinks_to_what_the_room_pays_for(room: int, units: int, why: str) -> None:
    (one,) = draft(_analysis(_result("self", "life", 100 * WAN, 1), room=room), [TERM], DAY)
    assert (one.sum_insured_fen, one.why) == (units * WAN, why)
    assert one.room_after_fen == room - 1_500 * units
    assert (one.premium_high_fen is None) is (units == 0)


@pytest.mark.parametrize(("ages", "why"), [((36, 36), "no_room"), ((37, 40), "sum_only"), ((0, 35), "sum_only")])
def test_band_holds_for_its_ages(ages: tuple[int, int], why: str) -> None:
    band = replace(TERM, age_from=ages[0], age_to=ages[1])
    (one,) = draft(_analysis(_result("self", "life", WAN, 1)), [band], DAY)
    assert one.why == why


def test_policy_of_one_price_fits_or_does_not() -> None:
    band = Band(category="medical", age_from=0, age_to=99, payment_years=1, per="policy", low_fen=300, high_fen=400)
    analysis = _analysis(_result("self", "medical", 200 * WAN, 2), _result("child.0", "medical", 90 * WAN, 1), room=700)
    first, second = draft(analysis, [band], DAY)
    assert (first.insured, first.sum_insured_fen, first.premium_high_fen) == ("child.0", 90 * WAN, 400)
    assert (second.sum_insured_fen, second.why, second.room_before_fen) == (0, "no_room", 300)


def test_gap_that_some_indemnity_leaves_is_drafted() -> None:
    """The employer's group cover of a few thousand yuan pays no severe year."""
    (one,) = draft(_analysis(_result("self", "medical", 48 * WAN, 1, existing=WAN), room=9), [], DAY)
    assert (one.sum_insured_fen, one.why) == (48 * WAN, "sum_only")


def test_minor_gets_no_more_death_cover_than_the_law_allows() -> None:
    limit = _result("child.0", "life", 0, None, existing=12 * WAN, method="minors_limit")
    (one,) = draft(_analysis(limit, _result("child.0", "accident", 20 * WAN, 1)), [], DAY)
    assert (one.sum_insured_fen, one.why) == (8 * WAN, "minor_limit")


def test_limit_of_a_minor_counts_every_death_cover_once() -> None:
    accident = _result("child.0", "accident", 1, 1, existing=3 * WAN)
    assert held_at_death(_analysis(accident), "child.0") == 3 * WAN
    limit = _result("child.0", "life", 0, None, existing=5 * WAN, method="minors_limit")
    both = _analysis(limit, accident)
    assert held_at_death(both, "child.0") == 5 * WAN  # accident cover stands in it already
    assert (minor_room(both, "child.0", 9), minor_room(both, "child.0", 10)) == (15 * WAN, 45 * WAN)
    assert minor_room(both, "child.0", 18) is None


@pytest.mark.parametrize("seed", range(60))
def test_draft_never_spends_more_than_there_is(seed: int) -> None:
    chance = Random(seed)
    perils = chance.sample([(who, peril) for who in ("self", "child.0") for peril in PERILS], chance.randint(1, 12))
    results = [_result(*place, chance.randint(1, 300) * WAN, rank) for rank, place in enumerate(perils, 1)]
    bands = [
        Band(category=code, age_from=0, age_to=99, payment_years=1, per=chance.choice(("wan", "policy")), low_fen=low,
             high_fen=low + chance.randint(0, 900))
        for code in CATEGORIES if chance.random() < 0.8 for low in [chance.randint(0, 900)]
    ]  # fmt: skip
    room = chance.randint(0, 300_000)
    found = draft(_analysis(*results, room=room), bands, DAY)
    assert [one.rank for one in found] == sorted(one.rank for one in found)
    assert sum(one.premium_high_fen or 0 for one in found) + found[-1].room_after_fen == room
    assert found[-1].room_after_fen >= 0
    for before, after in pairwise(found):
        assert after.room_before_fen == before.room_after_fen
    for one in found:
        assert one.sum_insured_fen <= one.gap_fen
        assert one.why in WORDS
    richer = draft(_analysis(*results, room=room + 1), bands, DAY)
    assert sum(one.sum_insured_fen for one in richer[:1]) >= sum(one.sum_insured_fen for one in found[:1])


@pytest.mark.parametrize(
    ("added", "band"), [(8 * WAN, "green"), (8 * WAN + 1, "amber"), (18 * WAN, "amber"), (18 * WAN + 1, "red")]
)
def test_band_counts_what_is_paid_and_what_is_added(added: int, band: str) -> None:
    assert band_of(_analysis(), added) == band
    assert band_of(_analysis(affordability=None), added) is None


def test_band_follows_the_shares_of_the_analysis() -> None:
    shares = [{"key": "premium_green_share", "value": "0.02"}, {"key": "premium_amber_share", "value": "0.021"}]
    assert [band_of(_analysis(assumptions=shares), fen) for fen in (0, 1, 100_001)] == ["green", "amber", "red"]


def test_gap_left_is_never_less_than_nothing() -> None:
    analysis = _analysis(_result("self", "life", 3 * WAN, 1), _result("self", "medical", 2 * WAN, 2))
    covers = [{"insured": "self", "peril": "life", "sum_insured_fen": 2 * WAN}] * 2
    assert remaining_gap(analysis, covers) == 2 * WAN
    assert remaining_gap(analysis, []) == 5 * WAN


# --- onto the paper --------------------------------------------------------------------------------------------

CONTENT: dict[str, Any] = {
    "organization": {"name": "机构"}, "agent": {"name": "陈思远", "licence_no": "1"}, "customer": {"name": "林"},
    "affordability": None, "tolerance": None, "recommendations": [], "alternatives": [], "statement": None,
    "customer_insists": False,
    "verdict": {"code": "suitable", "reasons": []},
}  # fmt: skip


def _printed(analysis: dict[str, Any], **over: Any) -> Any:
    return report({**CONTENT, **over}, analysis, number="JH-1", prepared_on=DAY, language="zh")


def _step(of: str, fen: int, sign: str = "add", key: str = "x") -> dict[str, Any]:
    label = {"zh": key, "en": key}
    return {"key": key, "label": label, "formula": "", "substituted": "", "amount_fen": fen, "sign": sign, "of": of}


@pytest.mark.parametrize(
    ("need", "last"),
    [
        (60, None),
        (61, ("add", 1, "尾差调整")),
        (58, ("subtract", 2, "尾差调整")),
        (0, ("subtract", 60, "不低于零")),
    ],
)
def test_printed_steps_add_up_to_the_need(need: int, last: tuple[str, int, str] | None) -> None:
    steps = [
        _step("need", 100), _step("resources", 30), _step("resources", 10, "subtract"), _step("need", 20, "subtract"),
        _step("resources", 5, key="existing_cover"), _step("none", 7), {**_step("need", 0), "amount_fen": None},
    ]  # fmt: skip
    one = _result("self", "life", need, 1, steps=steps)
    (made,) = _printed(_analysis(one)).calculations
    assert sum(step.amount_fen if step.sign == "add" else -step.amount_fen for step in made.steps) == made.result_fen
    assert made.result_fen == need
    tail = made.steps[-1]
    assert last is None or (tail.sign, tail.amount_fen, tail.label) == last


def test_most_urgent_results_are_printed_when_there_are_too_many_steps() -> None:
    steps = [_step("need", 1) for _ in range(100)]
    results = [_result("self", "life", 100, rank, steps=steps) for rank in range(12, 0, -1)]
    made = _printed(_analysis(*results))
    assert [need.rank for need in made.needs] == list(range(1, 13))
    assert len(made.calculations) == 10


def test_who_has_no_name_is_called_by_his_place() -> None:
    assert [member.name for member in _printed(_analysis()).members] == ["本人", "孩子 1"]
    reason = {"zh": "说明。", "en": "Told.", "source": "规", "insured": "child.0", "peril": "life"}
    made = _printed(_analysis(), verdict={"code": "advise_stop", "reasons": [reason] * 30})
    assert made.suitability.verdict == "unsuitable"
    assert made.suitability.reasons[0] == "孩子 1 · 身故：说明。（规）"
    assert len(made.suitability.reasons) == 20


def test_every_peril_has_a_word() -> None:
    assert set(PERIL_WORDS) == set(PERILS)


# --- year by year ----------------------------------------------------------------------------------------------

FACTS: dict[str, Any] = {
    "income": 20 * WAN, "social_pension": "employee", "social_pension_monthly": 500_000, "living_monthly": 800_000,
    "rental_yearly": 1 * WAN, "parents_support": 2 * WAN, "parents_support_years": 2, "schooling_yearly": 3 * WAN,
    "children": [{"education_start_age": 18, "education_years": 4, "education_cost_yearly": 5 * WAN}],
    "debts": [{"debt_years_left": 3, "debt_monthly": 400_000}, {"debt_balance": 5}],
    "policies": [{"policy_premium": 600_000, "policy_premium_years": 1}, {"policy_premium": 7}],
}  # fmt: skip


def _flow(facts: dict[str, Any], **assumed: Any) -> tuple[Any, ...]:
    told = [{"key": key, "value": value} for key, value in assumed.items()]
    return years(_analysis(facts={"values": facts}, assumptions=told), DAY)


def test_years_say_what_comes_in_and_where_it_goes() -> None:
    found = _flow(FACTS, retirement_age=60, income_growth="0.02", inflation="0.10", education_growth="0")
    assert (len(found), found[0].year, found[-1].year) == (30, 2026, 2055)
    first, second, third = found[:3]
    assert (first.income_fen, second.income_fen) == (21 * WAN, 21 * WAN + 400_000)
    assert (first.living_fen, third.living_fen) == (9_600_000 + 2 * WAN, 11_616_000)
    assert [year.debt_fen for year in found[:4]] == [4_800_000, 4_800_000, 4_800_000, 0]
    assert [year.premium_fen for year in found[:2]] == [600_007, 7]
    assert [found[n].education_fen for n in (11, 12, 15, 16)] == [3 * WAN, 5 * WAN, 5 * WAN, 0]
    retired = found[24]  # he is 60 then
    assert retired.income_fen == 1 * WAN + round(6 * WAN * 1.1**24)


def test_years_end_where_the_pension_is_not_known() -> None:
    unknown = {name: value for name, value in FACTS.items() if name != "social_pension_monthly"}
    assert len(_flow(unknown, retirement_age=60)) == 24
    assert len(_flow(unknown, retirement_age=60, social_pension_monthly_fen=1)) == 30
    assert len(_flow({**unknown, "social_pension": "none"}, retirement_age=60)) == 30
    assert len(_flow({**unknown, "income": 0}, retirement_age=60)) == 30


def test_household_that_told_nothing_has_no_years() -> None:
    assert years(_analysis(), DAY) == ()


def test_debt_nobody_named_the_end_of_is_paid_until_nothing_is_owed() -> None:
    debts = [{"debt_monthly": 600_000, "debt_balance": 21_600_000 + 1}, {"debt_monthly": 0, "debt_balance": WAN}]
    flow = _flow(FACTS | {"debts": debts})
    assert [one.debt_fen for one in flow[:5]] == [7_200_000] * 4 + [0]


def test_minor_within_the_limit_has_no_cover_too_many() -> None:
    content = {
        "agent": {"name": "a", "licence_no": None}, "organization": {"name": "b"}, "customer": {"name": "c"},
        "affordability": None, "tolerance": None, "verdict": {"code": "suitable", "reasons": []},
        "recommendations": [], "alternatives": [], "customer_insists": False, "statement": None,
    }  # fmt: skip
    for existing, over in ((12, 0), (25, 5)):
        limit = _result("child.0", "life", 0, None, existing=existing * WAN, method="minors_limit")
        analysis = _analysis(limit | {"over_fen": over * WAN})
        (one,) = report(content, analysis, number="1", prepared_on=DAY, language="zh").needs
        assert (one.gap_fen, one.over_fen) == (0, over * WAN)
