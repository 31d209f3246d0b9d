"""The shipped forms answered: scores, totals, warnings, by hand."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from app.domain.expressions import Context
from tests.library_forms import found, items, results
from tests.test_form_library import MONEY_TYPES, RATER, SPENDING, TOLERANCE

WAN = 1_000_000  # 万元 in fen


# --- needs fact find -------------------------------------------------------------------------------------------

SINGLE: dict[str, Any] = {
    "full_name": "陆知远",
    "birth_date": "1996-11-21",
    "marital": "unmarried",
    "income": 15 * WAN,
    "social_medical": "employee",
    "social_pension": "employee",
    "supports_parents": False,
    "living_monthly": 500_000,
    "support_years": 20,
}


def policy(insured: str, peril: str, sum_fen: int, premium: int, **over: Any) -> dict[str, Any]:
    row = {"policy_insured": insured, "policy_peril": peril, "policy_sum": sum_fen, "policy_premium": premium}
    return {**row, "policy_lifelong": "policy_until" not in over, "policy_group": False, **over}


FAMILY: dict[str, Any] = SINGLE | {
    "birth_date": "1986-03-02",
    "marital": "married",
    "income": 30 * WAN,
    "spouse_birth_date": "1988-12-01",
    "spouse_has_income": True,
    "spouse_income": 15 * WAN,
    "rental_yearly": 1 * WAN,
    "children": [{"child_birth_date": "2018-05-01", "education_goal": "bachelor", "education_cost_yearly": 4 * WAN}],
    "supports_parents": True,
    "parents_support": 1_200_000,
    "parents_support_years": 15,
    "living_monthly": 800_000,
    "schooling_yearly": 3 * WAN,
    "leisure_yearly": 2 * WAN,
    "medical_yearly": 500_000,
    "debts": [
        {"debt_kind": "mortgage", "debt_owner": "joint", "debt_balance": 120 * WAN, "debt_monthly": 600_000},
        {"debt_kind": "car", "debt_owner": "self", "debt_balance": 5 * WAN, "debt_monthly": 200_000},
    ],
    "cash": 5 * WAN,
    "deposits": 10 * WAN,
    "equities": 4 * WAN,
    "pension_savings": 6 * WAN,
    "home_value": 300 * WAN,
    "policies": [
        policy("self", "life", 50 * WAN, 600_000, policy_until="2050-01-01"),
        policy("self", "life", 20 * WAN, 0, policy_until="2020-01-01"),
        policy("self", "critical_illness", 30 * WAN, 1_000_000),
        policy("spouse", "life", 10 * WAN, 300_000),
        policy("child", "life", 60 * WAN, 200_000, policy_child=1),
    ],
}


def test_fact_find_of_one_person_needs_nine_answers() -> None:
    assert found("needs.fact_find", SINGLE) == set()
    for link_id in SINGLE:
        less = {key: value for key, value in SINGLE.items() if key != link_id}
        assert found("needs.fact_find", less) == {("error", "required", link_id)}
    made = results("needs.fact_find", SINGLE)
    assert (made["age"], made["income_total"], made["expense_total"], made["surplus"]) == (
        29,
        15 * WAN,
        6 * WAN,
        9 * WAN,
    )
    assert not {"spouse_has_income", "liquid_assets", "asset_total", "existing_life_spouse"} & made.keys()


def test_fact_find_adds_the_family_up() -> None:
    made = results("needs.fact_find", FAMILY)
    wanted = {
        "income_total": 46 * WAN,
        "living_total": 16_300_000,  # 9.6 + 3 + 2 + 0.5 + 1.2
        "repayment_total": 9_600_000,
        "premium_total": 2_100_000,
        "expense_total": 28 * WAN,
        "surplus": 18 * WAN,
        "debt_total": 125 * WAN,
        "liquid_assets": 19 * WAN,
        "asset_total": 325 * WAN,
        "existing_life_self": 50 * WAN,  # the one that ended does not count
        "existing_illness_self": 30 * WAN,
        "existing_life_spouse": 10 * WAN,
        "existing_illness_spouse": 0,
        "age": 40,
        "spouse_age": 37,
    }
    assert {key: made[key] for key in wanted} == wanted
    child = made["children"][0]
    assert (child["child_age"], child["education_in_years"], child["education_start_age"]) == (8, 10, 18)


def test_fact_find_warns_of_what_an_adviser_must_see() -> None:
    assert found("needs.fact_find", FAMILY) == {
        ("warning", "constraint_broken", "policies/1/policy_until"),
        ("warning", "constraint_broken", "policies/4/policy_sum"),
    }
    poor = SINGLE | {"income": 6 * WAN, "living_monthly": 600_000, "cash": 1 * WAN}
    poor["policies"] = [policy("self", "savings", 10 * WAN, 1_300_000)]
    poor["debts"] = [{"debt_kind": "private", "debt_owner": "self", "debt_balance": 2 * WAN, "debt_monthly": 300_000}]
    broken = {("warning", "constraint_broken", f"{one}_total") for one in ("repayment", "premium", "expense", "asset")}
    assert found("needs.fact_find", poor) == broken | {("warning", "constraint_broken", "liquid_assets")}
    unborn = SINGLE | {"birth_date": "2026-11-21"}
    assert ("error", "constraint_broken", "birth_date") in found("needs.fact_find", unborn)


# --- risk tolerance --------------------------------------------------------------------------------------------


def tolerance(*steps: int) -> dict[str, Any]:
    asked = items("risk.tolerance")
    chosen = {name: asked[name].options[step - 1].code for name, step in zip(TOLERANCE, steps, strict=True)}
    return {"answered_by_self": True, **chosen}


# By hand: eleven questions of 1 to 5 points and the loss limit of 2 to 10, 13 to 65 points spread over 0 to 100.
@pytest.mark.parametrize(
    ("steps", "score", "level"),
    [
        ((1,) * 12, "0", "c1"),
        ((2,) * 12, "25", "c2"),
        ((3,) * 12, "50", "c3"),
        ((4,) * 12, "75", "c4"),
        ((5,) * 12, "100", "c5"),
        ((5,) * 10 + (1, 5), "84.62", "c1"),  # (13+44)/65 points, and no loss accepted
        ((2,) * 10 + (2, 1), "23.08", "c2"),
        ((3,) * 8 + (4, 4, 4, 4), "59.62", "c3"),
        ((4,) * 9 + (4, 5, 4), "78.85", "c4"),
        ((4,) * 9 + (5, 5, 4), "80.77", "c5"),
    ],
)
def test_tolerance_class(steps: tuple[int, ...], score: str, level: str) -> None:
    made = results("risk.tolerance", tolerance(*steps))
    assert (Decimal(made["score"]), made["tolerance_class"]) == (Decimal(score), level)
    assert made["lowest_tolerance"] is (steps[10] == 1)


def test_tolerance_of_a_half_answered_form_is_unknown() -> None:
    half = dict(list(tolerance(*(3,) * 12).items())[:7])
    assert not {"score", "tolerance_class"} & results("risk.tolerance", half).keys()


def test_tolerance_is_answered_by_the_person_and_hints_nothing() -> None:
    told = tolerance(*(3,) * 12)
    assert found("risk.tolerance", told) == set()
    assert found("risk.tolerance", told | {"answered_by_self": False}) == {
        ("error", "constraint_broken", "answered_by_self")
    }
    assert all(items("risk.tolerance")[name].help is None for name in TOLERANCE)


def test_tolerance_notices_an_age_that_is_not_the_one_on_record() -> None:
    told = tolerance(4, *(3,) * 11)  # 31 to 45
    for born, broken in ((date(1981, 11, 20), False), (date(1980, 11, 20), True), (date(1996, 11, 20), True)):
        known = Context(as_of=date(2026, 11, 20), birth_date=born)
        wanted = {("warning", "constraint_broken", "age_band")} if broken else set()
        assert found("risk.tolerance", told, known) == wanted


# --- money personality -----------------------------------------------------------------------------------------


def statements(**agreed: str) -> dict[str, Any]:
    return {f"{name}_{n}": agreed.get(name, "little") for name in MONEY_TYPES for n in (1, 2)}


@pytest.mark.parametrize("name", MONEY_TYPES)
def test_money_personality_is_the_type_agreed_with_most(name: str) -> None:
    other = MONEY_TYPES[MONEY_TYPES.index(name) - 1]
    made = results("money.personality", statements(**{name: "fully"}) | {"motto": other})
    assert (made["money_type"], made[f"{name}_score"], made[f"{other}_score"]) == (name, 8, 6)
    assert sum(made[f"{one}_score"] for one in MONEY_TYPES) == 8 + 4 + 6 * 2


def test_chosen_motto_decides_between_equals() -> None:
    made = results("money.personality", statements(hunter="fully", nester="partly") | {"motto": "nester"})
    assert (made["hunter_score"], made["nester_score"], made["money_type"]) == (8, 8, "nester")


# --- household budget ------------------------------------------------------------------------------------------


def test_budget_totals_shares_and_saving_rate() -> None:
    spent = dict.fromkeys(SPENDING, 20_000) | {"food": 300_000, "housing": 500_000}  # 200 yuan each of the other ten
    answers = {"basis_kind": "book", "people": 3, "income_self": 1_500_000, "income_family": 500_000}
    made = results("household.budget", answers | {f"spend_{name}": fen for name, fen in spent.items()})
    assert (made["income_total"], made["spend_total"], made["saving"], made["shortfall"]) == (
        2_000_000,
        1_000_000,
        1_000_000,
        0,
    )
    assert (made["saving_rate"], made["share_food"], made["share_tobacco"]) == (5_000, 3_000, 200)
    assert sum(made[f"share_{name}"] for name in SPENDING) == 10_000


def test_budget_warns_when_more_is_spent_than_earned() -> None:
    answers = {"basis_kind": "estimate", "people": 1, "income_self": 500_000, "spend_housing": 600_000}
    assert results("household.budget", answers)["shortfall"] == 100_000
    assert found("household.budget", answers) == {
        ("warning", "constraint_broken", name) for name in ("spend_total", "saving_rate", "share_housing")
    }


# --- service ---------------------------------------------------------------------------------------------------


def perceived(level: int, **expected: int) -> dict[str, int]:
    return {f"{name}_{n}": level for name, count in RATER.items() for n in range(1, count + 1)} | {
        f"{name}_expected": value for name, value in expected.items()
    }


EXPECTED = {"reliability": 7, "assurance": 6, "tangibles": 5, "empathy": 7, "responsiveness": 6}


def test_rater_gaps_are_weighted_as_published() -> None:
    made = results("service.rater", perceived(6, **EXPECTED))
    weights = {name: made[f"{name}_weight"] for name in RATER}
    assert weights == {"reliability": 32, "responsiveness": 22, "assurance": 19, "empathy": 16, "tangibles": 11}
    assert made["weight_total"] == 100
    gaps = [Decimal(made[f"{name}_gap"]) for name in EXPECTED]
    assert gaps == [-1, 0, 1, -1, 0]
    # 32 x -1 + 11 x 1 + 16 x -1 = -37 of 100; plainly -1 of 5.
    assert (Decimal(made["gap_weighted"]), Decimal(made["gap_unweighted"])) == (Decimal("-0.37"), Decimal("-0.2"))
    assert Decimal(made["performance"]) == 6


def test_rater_dimension_needs_half_of_its_answers() -> None:
    full = perceived(6, **EXPECTED)
    three = {key: value for key, value in full.items() if key not in ("reliability_1", "reliability_2")}
    assert Decimal(results("service.rater", three | {"reliability_3": 3})["reliability_perceived"]) == 5
    two = {key: value for key, value in three.items() if key != "reliability_3"}
    assert not {"reliability_perceived", "gap_weighted"} & results("service.rater", two).keys()
    assert found("service.rater", two) == set()


def test_rater_weights_must_make_a_hundred() -> None:
    answers = perceived(5, **EXPECTED) | {"empathy_weight": 20}
    assert found("service.rater", answers) == {("error", "constraint_broken", "weight_total")}


@pytest.mark.parametrize(
    ("level", "recommend", "score", "group", "recovers"),
    [
        ("very", 10, 100, "promoter", False),
        ("satisfied", 8, 67, "passive", False),
        ("basic", 6, 33, "detractor", True),
        ("dissatisfied", 9, 0, "promoter", True),
    ],
)
def test_satisfaction_scores(level: str, recommend: int, score: int, group: str, recovers: bool) -> None:
    answers = {"touchpoint": "claim", "satisfaction": level, "recommend": recommend, "effort": 4}
    made = results("service.satisfaction", answers)
    assert (made["satisfaction_score"], made["effort_score"], made["nps_group"], made["needs_recovery"]) == (
        score,
        50,
        group,
        recovers,
    )
    missing = {link for severity, code, link in found("service.satisfaction", answers) if code == "required"}
    assert missing == ({"bad_reasons", "wants_call"} if level in ("basic", "dissatisfied") else set())


# --- visit and review ------------------------------------------------------------------------------------------

VISIT: dict[str, Any] = {
    "started_at": "2026-11-20T09:30:00+08:00",
    "licence_shown": True,
    "notice_delivered": True,
    "due_rows": [
        {"due_product": "终身寿险", "due_premium": 312_000, "due_on": "2026-11-28", "due_agrees": True},
        {"due_product": "附加意外伤害保险", "due_premium": 18_000, "due_on": "2026-11-28", "due_agrees": True},
    ],
    "riders_explained": True,
    "household_policies": 4,
    "survival_benefits": "none",
    "account_check": "same",
    "account_own": True,
    "id_check": "same",
    "id_long_term": True,
    "moved": False,
    "requests": ["none"],
    "next_at": "2027-02-20T09:30:00+08:00",
    "card_left": True,
    "ended_at": "2026-11-20T10:10:00+08:00",
}


def test_visit_of_nine_steps() -> None:
    assert found("visit.nine_steps", VISIT) == set()
    made = results("visit.nine_steps", VISIT)
    assert (made["steps_done"], made["due_total"]) == (9, 330_000)


def test_visit_without_a_notice_needs_a_reason() -> None:
    told = VISIT | {"notice_delivered": False}
    assert found("visit.nine_steps", told) == {
        ("warning", "constraint_broken", "notice_delivered"),
        ("error", "required", "notice_why_not"),
    }
    assert results("visit.nine_steps", told)["steps_done"] == 8
    assert results("visit.nine_steps", told | {"notice_why_not": "earlier"})["steps_done"] == 9


def test_relatives_are_kept_only_when_they_agree() -> None:
    row = {"relative_name": "谢桂芳", "relative_kind": "parent", "relative_phone": "13800138000"}
    wrong = found("visit.nine_steps", VISIT | {"relatives": [row | {"relative_agrees": False}]})
    assert wrong == {("error", "constraint_broken", "relatives/0/relative_agrees")}
    assert found("visit.nine_steps", VISIT | {"relatives": [row | {"relative_agrees": True}]}) == set()
    three = [row | {"relative_agrees": True}] * 3
    assert found("visit.nine_steps", VISIT | {"relatives": three}) == {("error", "row_count", "relatives")}


def test_visit_ends_after_it_began_and_the_next_is_later() -> None:
    wrong = VISIT | {"ended_at": "2026-11-20T01:29:59Z", "next_at": VISIT["started_at"]}
    assert found("visit.nine_steps", wrong) == {
        ("error", "constraint_broken", "ended_at"),
        ("error", "constraint_broken", "next_at"),
    }


REVIEW: dict[str, Any] = {
    "reviewed_on": "2026-11-20",
    "present": ["policyholder"],
    "events": ["none"],
    "contact_changed": False,
    "treated": False,
    "policies": [
        {
            "policy_product": name,
            "policy_person": "self",
            "policy_kind": kind,
            "policy_sum": total,
            "policy_premium": premium,
            "policy_state": "in_force",
            "beneficiary_right": True,
        }
        for name, kind, total, premium in (
            ("终身寿险", "life", 30 * WAN, 624_000),
            ("附加重大疾病保险", "critical_illness", 20 * WAN, 410_000),
        )
    ],
    "actions": ["none"],
    "explained": True,
    "confirmed": True,
    "next_review_on": "2027-11-20",
}


def test_review_counts_what_is_held() -> None:
    assert found("policy.review", REVIEW) == set()
    made = results("policy.review", REVIEW)
    assert (made["policy_count"], made["premium_total"], made["sum_total"]) == (2, 1_034_000, 50 * WAN)


def test_review_needs_policies_and_the_customers_word_and_warns_of_suspension() -> None:
    assert found("policy.review", REVIEW | {"policies": []}) == {("error", "required", "policies")}
    rows = [REVIEW["policies"][0] | {"policy_state": "suspended"}]
    assert found("policy.review", REVIEW | {"policies": rows, "confirmed": False}) == {
        ("error", "constraint_broken", "confirmed"),
        ("warning", "constraint_broken", "policies/0/policy_state"),
    }


# --- dossiers --------------------------------------------------------------------------------------------------


def test_dossier_is_kept_only_with_consent() -> None:
    told = {"observed_on": "2026-11-20", "source": "customer", "pets": "一只橘猫,叫阿福"}
    assert found("dossier.personal", told | {"consent_given": True}) == set()
    assert found("dossier.personal", told | {"consent_given": False}) == {
        ("error", "constraint_broken", "consent_given")
    }


def test_representative_of_a_competitor_is_not_kept_without_a_lawful_reason() -> None:
    told = {"observed_on": "2026-11-20", "source": "customer", "obtained_fairly": True, "rep": "同业代表,重服务"}
    assert "rep" not in results("dossier.competitor", told | {"rep_lawful": False})
    assert "rep" not in results("dossier.competitor", told)
    assert "rep" in results("dossier.competitor", told | {"rep_lawful": True})
