"""A household as tests ask it: the fact find of a family of four, and the analyses made of it."""

import copy
from datetime import date
from typing import Any, Final
from uuid import uuid4

import httpx

from app.domain.forms import effective_answers
from app.domain.household_facts import Facts, facts_of
from tests.consents import consented
from tests.factories import if_match
from tests.library_forms import FORMS, TODAY
from tests.life_form import exact

FORM: Final = "needs.fact_find"
DAY: Final = date(2026, 11, 20)
WAN: Final = 1_000_000  # 万元 in fen


def policy(insured: str, peril: str, sum_fen: int, premium: int, **over: Any) -> dict[str, Any]:
    row = {"policy_insured": insured, "policy_peril": peril, "policy_sum": sum_fen, "policy_premium": premium}
    return {**row, "policy_lifelong": "policy_until" not in over, "policy_group": False, **over}


# Two earners, a daughter of eight and a son of three. Money in fen.
FAMILY: Final[dict[str, Any]] = {
    "full_name": "周知行",
    "gender": "male",
    "birth_date": "1986-03-02",
    "marital": "married",
    "income": 30 * WAN,
    "retirement_age": 60,
    "own_upkeep_share": 2500,
    "social_medical": "employee",
    "social_pension": "employee",
    "social_pension_monthly": 450_000,
    "other_pension_monthly": 50_000,
    "spouse_name": "何静姝",
    "spouse_birth_date": "1988-12-01",
    "spouse_has_income": True,
    "spouse_income": 15 * WAN,
    "spouse_retirement_age": 55,
    "spouse_social_medical": "resident",
    "spouse_pension_monthly": 300_000,
    "occupation_class": "class_2",
    "children": [
        {
            "child_name": "周小满",
            "child_birth_date": "2018-05-01",
            "child_social_medical": "resident",
            "education_goal": "bachelor",
            "education_cost_yearly": 4 * WAN,
            "education_fund": 3 * WAN,
        },
        {
            "child_name": "周立秋",
            "child_birth_date": "2023-08-08",
            "child_social_medical": "none",
            "education_goal": "abroad",
            "education_cost_yearly": 25 * WAN,
            "education_start_age": 19,
            "education_years": 3,
        },
    ],
    "supports_parents": True,
    "parents_support": 1_200_000,
    "parents_support_years": 15,
    "parents_support_share": 6000,
    "living_monthly": 800_000,
    "rent_monthly": 100_000,
    "schooling_yearly": 3 * WAN,
    "leisure_yearly": 2 * WAN,
    "medical_yearly": 500_000,
    "support_years": 20,
    "final_expenses": 5 * WAN,
    "debts": [
        {"debt_kind": "mortgage", "debt_owner": "joint", "debt_balance": 120 * WAN, "debt_monthly": 600_000},
        {"debt_kind": "car", "debt_owner": "self", "debt_balance": 5 * WAN, "debt_monthly": 100_000},
        {"debt_kind": "consumer", "debt_owner": "spouse", "debt_balance": 2 * WAN, "debt_monthly": 50_000},
    ],
    "cash": 5 * WAN,
    "deposits": 10 * WAN,
    "equities": 4 * WAN,
    "pension_savings": 6 * WAN,
    "rental_yearly": 1 * WAN,
    "policies": [
        policy("self", "life", 50 * WAN, 600_000, policy_until="2036-11-20"),  # ten of twenty years
        policy("self", "life", 20 * WAN, 0, policy_until="2020-01-01"),
        policy("self", "critical_illness", 30 * WAN, 1_000_000),
        policy("self", "medical", 30 * WAN, 30_000, policy_until="2027-03-01"),
        policy("self", "medical", 40 * WAN, 30_000, policy_until="2027-03-01"),
        policy("self", "accident", 50 * WAN, 20_000, policy_until="2027-01-01", policy_group=True),
        policy("self", "pension", 600_000, 1_200_000, policy_premium_years=0),
        policy("spouse", "life", 10 * WAN, 300_000),
        policy("spouse", "critical_illness", 20 * WAN, 150_000, policy_until="2031-05-20", policy_group=True),
        policy("child", "life", 25 * WAN, 200_000, policy_child=1),
        policy("child", "education", 1 * WAN, 400_000, policy_child=2),
        policy("child", "medical", 100 * WAN, 30_000, policy_child=3),
        policy("parent", "medical", 100 * WAN, 80_000),
        policy("self", "savings", 10 * WAN, 500_000),
    ],
    "pension_wish_monthly": 1_000_000,
    "pension_until_age": 85,
    "hospital_choice": "public",
    "illness_treatment_cost": 40 * WAN,
    "illness_recovery_years": 4,
    "premium_budget": 4 * WAN,
}


def family(**over: Any) -> dict[str, Any]:
    """The family's answers, some of them otherwise; None takes one away."""
    made = copy.deepcopy(FAMILY) | over
    return {key: value for key, value in made.items() if value is not None}


def facts(answers: dict[str, Any]) -> Facts:
    """What an analysis rests on, as of the 20th of November 2026."""
    return facts_of(effective_answers(FORMS[FORM], answers, TODAY))


async def completed(
    client: httpx.AsyncClient, customer_id: str, answers: dict[str, Any] | None = None, form: str = FORM
) -> str:
    """The id of a completed fact find; what it asks is consented to."""
    await consented(client, customer_id)
    body = {"customer_id": customer_id, "form_key": form, "form_version": "1.0.0", "answers": answers or FAMILY}
    made = await client.post("/v1/form-responses", json=body)
    assert made.status_code == 201, made.text
    url = f"/v1/form-responses/{made.json()['id']}/complete"
    done = await client.post(url, headers={"Idempotency-Key": uuid4().hex, **if_match(made.json())})
    assert done.status_code == 201, done.text
    return str(made.json()["id"])


async def create_household(
    client: httpx.AsyncClient, customer_id: str, answers: dict[str, Any] | None = None, **overrides: Any
) -> dict[str, Any]:
    """The analysis of a fact find; `overrides` by name, all set by the agent."""
    told = {name: {"value": value, "set_by": "agent"} for name, value in overrides.items()}
    body = {"form_response_id": await completed(client, customer_id, answers), "overrides": told}
    answer = await client.post("/v1/needs-analyses", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = exact(answer)
    return made


def result_of(analysis: dict[str, Any], insured: str, peril: str) -> dict[str, Any]:
    """One result of an analysis."""
    (found,) = (one for one in analysis["results"] if (one["insured"], one["peril"]) == (insured, peril))
    made: dict[str, Any] = found
    return made
