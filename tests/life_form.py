"""The life-need form as tests fill it in, and the drafts and analyses they make of it."""

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

from tests.consents import give
from tests.factories import if_match

FORM = {"form_key": "needs.life", "form_version": "1.0.0"}
# A family of four: what the customer said; everything else is the form's default.
ANSWERS: dict[str, Any] = {
    "family_expense": 15_000_000,
    "support_years": 18,
    "has_spouse_income": True,
    "spouse_income": 9_000_000,
    "spouse_income_years": 15,
    "supports_parents": True,
    "parents_support": 2_400_000,
    "parents_support_years": 12,
    "parents_support_growth": "0.03",
    "children": [{"cost": 20_000_000, "years_until": 6}, {"cost": 32_500_050, "years_until": 11}],
    "mortgage": 86_543_210,
    "liquid_assets": 25_000_000,
    "existing_cover": 50_000_000,
    "discount_rate": "0.035",
}


async def create_draft(client: httpx.AsyncClient, customer_id: str, **over: Any) -> dict[str, Any]:
    """A complete draft, unless `answers` says otherwise, to which the customer consents; the answer's body."""
    body = {"customer_id": customer_id, "answers": ANSWERS, **FORM, **over}
    if body["form_key"] == FORM["form_key"]:
        await give(client, customer_id, "financial")
    answer = await client.post("/v1/form-responses", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = exact(answer)
    return made


async def complete(client: httpx.AsyncClient, draft: dict[str, Any], key: str | None = None) -> httpx.Response:
    """The answer to completing a draft under a key of its own."""
    headers = {"Idempotency-Key": key or uuid4().hex, **if_match(draft)}
    return await client.post(f"{url_of(draft)}/complete", headers=headers)


async def create_analysis(client: httpx.AsyncClient, customer_id: str, **over: Any) -> dict[str, Any]:
    """A completed response's analysis."""
    return await analysis_of(client, await complete(client, await create_draft(client, customer_id, **over)))


async def analysis_of(client: httpx.AsyncClient, completed: httpx.Response) -> dict[str, Any]:
    """The analysis that came with completing a response."""
    assert completed.status_code == 201, completed.text
    made: dict[str, Any] = exact(await client.get(f"/v1/needs-analyses/{exact(completed)['needs_analysis_id']}"))
    return made


def url_of(response: dict[str, Any]) -> str:
    """Where a response is."""
    return f"/v1/form-responses/{response['id']}"


async def save(
    client: httpx.AsyncClient, draft: dict[str, Any], answers: dict[str, Any], version: int | None = None
) -> httpx.Response:
    """The answer to saving some answers of a draft, by default as it was read."""
    held = {"version": version or draft["version"]}
    return await client.patch(url_of(draft), json={"answers": answers}, headers=if_match(held))


def exact(answer: httpx.Response) -> Any:
    """The body, refusing any number that is no integer."""

    def no_float(text: str) -> None:
        raise AssertionError(f"a float on the wire: {text}")

    return json.loads(answer.text, parse_float=no_float)


def places(answer: httpx.Response) -> list[tuple[str, str]]:
    """Where an error says what is wrong, in order of the pointers."""
    return sorted((issue["pointer"], issue["code"]) for issue in answer.json()["errors"])


def signed(steps: list[dict[str, Any]], of: str) -> int:
    """The sum of the lines of a total."""
    return sum(
        step["amount_fen"] if step["sign"] == "add" else -step["amount_fen"] for step in steps if step["of"] == of
    )


def paid(yearly: int, years: int, growth: str, rate: str, *, at_end: bool) -> Decimal:
    """Present value of a yearly amount at today's price, payment by payment; no formula of the service is used."""
    growing, discount = 1 + Decimal(growth), 1 + Decimal(rate)
    return sum((yearly * (growing / discount) ** (k + at_end) for k in range(years)), Decimal(0))
