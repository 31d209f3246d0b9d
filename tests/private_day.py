"""A day on which everything private of one person is told, shown, exported, withdrawn and misused: canaries at every
place where a fact, a consent, a request of the law or a definition holds words of a person.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx

from tests import consents, rights
from tests.factories import World, create_customer, if_match
from tests.matrix_makers import GOLF

FACT, PLAN, EVIDENCE, GUARDIAN = "朱鹮往事四七", "白鹇行踪四七", "档案柜-夜莺-47", "母亲鹪鹩"
MARKS = (FACT, PLAN, EVIDENCE, GUARDIAN)
# What must have been carried out in it, and which of the marks came out where they belong.
DONE = {
    "POST /reveal", "POST /consents", "POST /withdraw", "POST /dossier-facts", "POST /rights-requests", "POST /check",
    "GET /package.json", "GET /package.zip", "GET /access-log", "POST /fact-definitions", "PUT /org.golf",
    "PATCH /org.golf", "GET /org.golf", "POST /search", "GET /personal", "GET /consents",
}  # fmt: skip

Json = dict[str, Any]
Told = Callable[[httpx.Response], Awaitable[None]]


async def spend(world: World, told: Told) -> None:
    """Everything once as it should be, then wrongly.

    Args:
        told: hears every answer.
    """
    for client in (world.agent, world.admin, world.manager):
        client.event_hooks = {"response": [told]}
    child = await create_customer(world.agent, name="李小雷", birthday={"year": 2020, "month": 3, "day": 1})
    person = await create_customer(world.agent, name="李雷")
    await _tell(world.agent, person["id"], child["id"])
    await _show(world, person)
    await _define(world.admin)
    await _misuse(world, person["id"])
    for client in (world.agent, world.admin, world.manager):
        client.event_hooks = {}


async def _tell(agent: httpx.AsyncClient, person: str, child: str) -> None:
    paper = {"channel": "paper", "evidence": {"reference": EVIDENCE}}
    mother = {**consents.MOTHER, "name": GUARDIAN, "evidence": {"reference": EVIDENCE}}
    made = await consents.give(agent, person, "health", **paper)
    await consents.give(agent, person, "whereabouts", purpose="service", **paper)
    await consents.give(agent, child, "health", given_by="guardian", guardian=mother, **paper)
    await consents.withdraw(agent, made)
    for who in (person, child):
        await agent.get(f"/v1/customers/{who}/consents")
    for key, value in (("books", FACT), ("itinerary", PLAN)):
        fact = {"fact_key": key, "value": value, "source": "customer", "observed_on": "2026-11-20"}
        answer = await agent.post(f"/v1/customers/{person}/dossier-facts", json=fact)
        assert answer.status_code == 201, answer.text


async def _show(world: World, person: Json) -> None:
    url = f"/v1/customers/{person['id']}"
    wanted = {"fields": ["dossier.personal.itinerary"], "purpose": "servicing"}
    headers = {"Idempotency-Key": uuid4().hex}
    for _ in range(2):
        shown = await world.agent.post(f"{url}/reveal", json=wanted, headers=headers)
        assert shown.status_code == 200, shown.text
    for place in ("dossiers/personal", "dossier-facts", "kin", "network"):
        await world.agent.get(f"{url}/{place}")
    request = await rights.checked(world.agent, person, "access")
    for form in ("json", "zip"):
        package = await world.admin.get(rights.url(person, request, f"package.{form}"))
        assert package.status_code == 200, package.text
    for client in (world.agent, world.manager, world.admin):
        await client.get(f"{url}/access-log")
    await world.agent.post("/v1/customers/search", json={"q": "李雷"})
    await world.admin.get("/v1/audit-events")


async def _define(admin: httpx.AsyncClient) -> None:
    body = {"fact_key": "org.golf", "dossier": "personal", **GOLF, "label": {"zh": FACT[:6], "en": "Golf"}}
    made = await admin.post("/v1/fact-definitions", json=body)
    assert made.status_code == 201, made.text
    url = "/v1/fact-definitions/org.golf"
    again = await admin.put(url, json={**GOLF, "question": {"zh": PLAN, "en": PLAN}}, headers=if_match(made.json()))
    await admin.patch(url, json={"order": 5}, headers={"If-Match": again.headers["etag"]})
    await admin.get(url)
    await admin.post(f"{url}/withdraw")


async def _misuse(world: World, person: str) -> None:
    """Values where they do not belong, and in bodies that break rules: errors are where values slip out."""
    url, agent = f"/v1/customers/{person}", world.agent
    fact = {"fact_key": "books", "source": "customer", "observed_on": "2026-11-20"}
    said = await consents.body(agent, "health", given_by="guardian", guardian={"name": GUARDIAN, "relation": EVIDENCE})
    key = {"Idempotency-Key": uuid4().hex}
    for mark in MARKS:
        wrong: list[tuple[str, Any]] = [
            (f"{url}/dossier-facts", {**fact, "value": [mark] * 200}),
            (f"{url}/dossier-facts", {**fact, "value": {mark: mark}}),
            (f"{url}/dossier-facts", {**fact, "value": mark * 500}),
            (f"{url}/dossier-facts", {**fact, "fact_key": mark, "value": mark}),
            (f"{url}/dossier-facts", {**fact, "value": mark, "source": mark, mark: mark}),
            (f"{url}/consents", {**said, "evidence": {"reference": mark, "sha256": mark}}),
            (f"{url}/consents", {**said, "grounds": [{"field_group": mark, "text_version": 1, "text_hash": mark}]}),
            (f"{url}/reveal", {"fields": [f"dossier.personal.{mark}"], "purpose": mark}),
            (f"{url}/rights-requests", {"kind": mark, mark: mark}),
            ("/v1/fact-definitions", {"fact_key": mark, "dossier": mark, **GOLF}),
            ("/v1/customers/search", {"q": mark, "cursor": mark, mark: mark}),
        ]
        for place, body in wrong:
            answer = await (world.admin if "definitions" in place else agent).post(place, json=body, headers=key)
            assert answer.status_code in (201, 403, 404, 422), (place, answer.status_code, answer.text)
        for query in (f"{url}/access-log?at_from={mark}", f"{url}/dossier-facts?fact_key={mark}",
                      f"{url}/consents?purpose={mark}", f"/v1/fact-definitions/{mark}"):  # fmt: skip
            assert (await agent.get(query)).status_code in (404, 422), query
