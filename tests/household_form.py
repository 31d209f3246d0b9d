"""The fact find as tests fill it in: the invented Lin family, and the analyses made of it."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson

from app.models.base import china_today
from tests.consents import consented
from tests.factories import World, create_customer, if_match

FORM = {"form_key": "needs.fact_find", "form_version": "1.0.0"}
WAN = 1_000_000  # fen
LICENCE = "00000000000000000001"


def born(age: int) -> str:
    """A birthday that makes somebody this old for all of this year's rest."""
    return date(china_today().year - age, 1, 1).isoformat()


def answers(**over: Any) -> dict[str, Any]:
    """Two incomes, a mortgage, a child of six, little cover; `over` replaces answers."""
    said: dict[str, Any] = {
        "full_name": "林致远",
        "birth_date": born(36),
        "gender": "male",
        "marital": "married",
        "occupation": "软件工程师",
        "income": 36 * WAN,
        "social_medical": "employee",
        "social_pension": "employee",
        "spouse_name": "苏婉清",
        "spouse_birth_date": born(34),
        "spouse_occupation": "中学教师",
        "spouse_has_income": True,
        "spouse_income": 14 * WAN,
        "children": [
            {
                "child_name": "林知夏",
                "child_birth_date": born(6),
                "education_goal": "bachelor",
                "education_start_age": 18,
                "education_years": 4,
                "education_cost_yearly": 4 * WAN,
            }
        ],
        "supports_parents": False,
        "living_monthly": 1_200_000,
        "support_years": 20,
        "debts": [
            {
                "debt_kind": "mortgage",
                "debt_owner": "self",
                "debt_balance": 120 * WAN,
                "debt_rate": "0.04",
                "debt_years_left": 18,
                "debt_monthly": 800_000,
            }
        ],
        "cash": 20 * WAN,
        "policies": [
            {
                "policy_insured": "self",
                "policy_peril": "critical_illness",
                "policy_sum": 30 * WAN,
                "policy_lifelong": True,
                "policy_premium": 600_000,
                "policy_premium_years": 15,
                "policy_group": False,
            }
        ],
    }
    return {name: value for name, value in {**said, **over}.items() if value is not None}


async def complete(client: httpx.AsyncClient, customer_id: str, **over: Any) -> str:
    """The id of a completed fact find; what it asks is consented to."""
    await consented(client, customer_id)
    body = {"customer_id": customer_id, "answers": answers(**over), **FORM}
    made = await client.post("/v1/form-responses", json=body)
    assert made.status_code == 201, made.text
    headers = {"Idempotency-Key": uuid4().hex, **if_match(made.json())}
    done = await client.post(f"/v1/form-responses/{made.json()['id']}/complete", headers=headers)
    assert done.status_code == 201, done.text
    found: str = done.json()["id"]
    return found


async def analyse(client: httpx.AsyncClient, customer_id: str, **over: Any) -> dict[str, Any]:
    """An analysis of the family."""
    response = await complete(client, customer_id, **over)
    answer = await client.post("/v1/needs-analyses", json={"form_response_id": response})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def qualify(world: World, name: str = "agent", level: int | None = 2, *, most: int = 5, **rules: Any) -> None:
    """Let somebody sell: a licence, a level, and an organisation that grades its levels."""
    await world.db.execute(
        "UPDATE users SET licence_no = $2, qualification_level = $3 WHERE id = $1", world.users[name], LICENCE, level
    )
    graded = [{"qualification_level": 2, "category": None, "max_level": most}]
    told = orjson.dumps({"authorisations": graded, **rules}).decode()
    await world.db.execute("UPDATE org_settings SET sales_rules = $2::jsonb WHERE org_id = $1", world.org_id, told)


def life(**over: Any) -> dict[str, Any]:
    """Term life for the father, as an agent recommends it."""
    said = {
        "insured": "self",
        "peril": "life",
        "category": "term_life",
        "sum_insured_fen": 60 * WAN,
        "premium_low_fen": 180_000,
        "premium_high_fen": 240_000,
        "payment_years": 20,
        "term": "至 60 岁",
        "reason": "房贷与孩子的教育主要依靠他的收入",
    }
    return {name: value for name, value in {**said, **over}.items() if value is not None}


async def propose(client: httpx.AsyncClient, analysis: dict[str, Any], *covers: Any, **over: Any) -> httpx.Response:
    """The answer to recommending cover, by default term life for the father."""
    body = {"needs_analysis_id": analysis["id"], "recommendations": list(covers) or [life()], **over}
    return await client.post("/v1/proposals", json=body)


async def proposed(world: World, name: str = "agent", **over: Any) -> dict[str, Any]:
    """A proposal of somebody qualified for a customer of his own."""
    client: httpx.AsyncClient = getattr(world, name)
    await qualify(world, name)
    customer = await create_customer(client, name="林致远")
    answer = await propose(client, await analyse(client, customer["id"]), **over)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


SIGNED = {"signed_by": "林致远", "is_customer_himself": True, "is_opinion_told": True, "kind": "screen"}


async def sign(client: httpx.AsyncClient, proposal: dict[str, Any], **over: Any) -> httpx.Response:
    """The answer to signing it."""
    return await client.post(f"/v1/proposals/{proposal['id']}/sign", json={**SIGNED, **over})


def key(text: str) -> UUID:
    """An id as the database takes it."""
    return UUID(text)
