"""What the tests of the dossier share: their day, a fact, and the ways to record and to read one."""

from datetime import date
from typing import Any

import httpx
import pytest

from app.services import dossiers

TODAY = date(2026, 11, 23)
SECRET = "夫人姓林，女儿在厦门读初二"


@pytest.fixture(autouse=True)
def china_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """One and the same day for every test."""
    monkeypatch.setattr(dossiers, "today", lambda: TODAY)


def fact_body(fact_key: str = "family_hometown", value: str = SECRET, **over: Any) -> dict[str, Any]:
    return {"fact_key": fact_key, "value": value, "source": "customer", "observed_on": "2026-11-20", **over}


async def learn(client: httpx.AsyncClient, customer: dict[str, Any], *args: str, **over: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/customers/{customer['id']}/dossier-facts", json=fact_body(*args, **over))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def view(client: httpx.AsyncClient, customer: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/customers/{customer['id']}/dossier", headers=headers)
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
