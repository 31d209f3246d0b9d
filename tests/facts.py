"""What the tests of the dossier share: their day, a fact, and the ways to record and to read one."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from uuid_utils.compat import uuid7

from app.domain.consents import FieldGroup, Purpose
from app.services import dossiers
from tests.factories import World

TODAY = date(2026, 11, 23)
SECRET = "沙茶面，不要香菜"


@pytest.fixture(autouse=True)
def china_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """One and the same day for every test."""
    monkeypatch.setattr(dossiers, "today", lambda: TODAY)


def fact_body(fact_key: str = "food", value: Any = SECRET, **over: Any) -> dict[str, Any]:
    return {"fact_key": fact_key, "value": value, "source": "customer", "observed_on": "2026-11-20", **over}


async def learn(client: httpx.AsyncClient, customer: dict[str, Any], *args: Any, **over: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/customers/{customer['id']}/dossier-facts", json=fact_body(*args, **over))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def view(
    client: httpx.AsyncClient, customer: dict[str, Any], dossier: str = "personal", **params: str
) -> dict[str, Any]:
    answer = await client.get(f"/v1/customers/{customer['id']}/dossiers/{dossier}", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def history(client: httpx.AsyncClient, customer: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/customers/{customer['id']}/dossier-facts{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def url_of(fact: dict[str, Any]) -> str:
    return f"/v1/customers/{fact['customer_id']}/dossier-facts/{fact['id']}"


async def consent(world: World, customer: dict[str, Any], group: FieldGroup, purpose: Purpose, **over: Any) -> str:
    """A consent on record, as if it had been given an hour ago; its id."""
    made: dict[str, Any] = {
        "org_id": world.org_id,
        "id": uuid7(),
        "customer_id": UUID(customer["id"]),
        "decision": "given",
        "purpose": purpose.value,
        "grounds": orjson.dumps([{"field_group": group.value, "text_version": 1}]).decode(),
        "is_separate": True,
        "language": "zh",
        "channel": "paper",
        "given_by": "person",
        "decided_at": datetime.now(UTC) - timedelta(hours=1),
        "valid_from": date(2026, 1, 1),
        "recorded_by": world.users["agent"],
        "created_digest": b"-",
        **over,
    }
    names, places = ", ".join(made), ", ".join(f"${n}" for n in range(1, len(made) + 1))
    await world.db.execute(f"INSERT INTO consents ({names}) VALUES ({places})", *made.values())
    return str(made["id"])


async def reveal(client: httpx.AsyncClient, customer: dict[str, Any], *fields: str) -> httpx.Response:
    """What `reveal` answers for facts."""
    return await client.post(
        f"/v1/customers/{customer['id']}/reveal",
        json={"fields": list(fields), "purpose": "servicing"},
        headers={"Idempotency-Key": str(uuid7())},
    )
