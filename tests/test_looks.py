"""Every look at a person is on record before he is shown, or he is not shown at all."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from app import looks
from app.access import Actor
from app.errors import Unavailable
from app.looks import Look
from tests.factories import World, create_customer
from tests.household_form import proposed
from tests.life_form import create_analysis, create_draft
from tests.test_audit_events import CANARIES, words
from tests.ties import relate

LOOKED = (
    "SELECT * FROM audit_events WHERE org_id = $1 AND (action ~ '\\.(viewed|listed|explained|recalculated|revealed)$' "
    "OR action ~ '(^customer|^proposal|^network)\\.exported$') ORDER BY id"
)
_PERSON = {
    "name": "金丝雀",
    "phones": [{"number": "13977665544", "label": "翠鸟热线"}],
    "emails": [{"address": "canary@example.com"}],
    "note": "卡那利说过的话",
    "id_number": "11010519491231002X",
}


async def seen(world: World) -> list[dict[str, Any]]:
    return [dict(row) for row in await world.db.fetch(LOOKED, world.org_id)]


async def places(world: World) -> tuple[str, list[tuple[str, str, dict[str, Any] | None]]]:
    """A customer, and every way to look at him: what is on record for it, method with path, body."""
    one = await create_customer(world.agent, **_PERSON)
    two = await create_customer(world.agent, name="李雷")
    tie = await relate(world.agent, one, two, note="翠鸟之友")
    own = f"/v1/customers/{one['id']}"
    fact = {"fact_key": "family_hometown", "value": "翠鸟乡", "source": "customer", "observed_on": "2026-01-05"}
    known = (await world.agent.post(f"{own}/dossier-facts", json=fact)).json()
    draft = await create_draft(world.agent, one["id"])
    analysis = await create_analysis(world.agent, one["id"])
    reveal = {"fields": ["id_number"], "purpose": "claim"}
    return one["id"], [
        ("customer.viewed", f"GET {own}", None),
        ("dossier.viewed", f"GET {own}/dossiers/personal", None),
        ("dossier_fact.listed", f"GET {own}/dossier-facts", None),
        ("dossier_fact.viewed", f"GET {own}/dossier-facts/{known['id']}", None),
        ("form_response.viewed", f"GET /v1/form-responses/{draft['id']}", None),
        ("needs_analysis.viewed", f"GET /v1/needs-analyses/{analysis['id']}", None),
        ("needs_analysis.explained", f"GET /v1/needs-analyses/{analysis['id']}/explain", None),
        ("needs_analysis.listed", f"GET {own}/needs-analyses", None),
        ("proposal.listed", f"GET {own}/proposals", None),
        ("tolerance_assessment.listed", f"GET {own}/tolerance-assessments", None),
        ("kin.viewed", f"GET {own}/kin", None),
        ("coverage.viewed", f"GET {own}/coverage", None),
        ("relationship.listed", f"GET {own}/relationships", None),
        ("relationship.viewed", f"GET {own}/relationships/{tie['id']}", None),
        ("network.exported", f"GET {own}/network.graphml", None),
        ("customer.revealed", f"POST {own}/reveal", reveal),
    ]


async def look(client: httpx.AsyncClient, place: str, body: dict[str, Any] | None) -> httpx.Response:
    method, path = place.split(" ")
    answer = await client.request(method, path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert answer.status_code == 200, (place, answer.text)
    return answer


async def test_row_62_a_thousand_looks_are_a_thousand_events_with_all_members_and_no_values(world: World) -> None:
    person, ways = await places(world)
    before = len(await seen(world))
    turns: list[tuple[str, str, dict[str, Any] | None]] = []
    reveals = 0
    while len(turns) < 1000:  # a person may be looked up 60 times an hour
        for way in ways:
            reveals += way[0] == "customer.revealed"
            if way[0] != "customer.revealed" or reveals <= 50:
                turns.append(way)
    turns = turns[:1000]
    asked = dict[str, tuple[str, str]]()
    gate = asyncio.Semaphore(16)

    async def turn(number: int, way: tuple[str, str, dict[str, Any] | None]) -> None:
        is_manager = number % 3 == 0 or way[0] == "network.exported"
        name = "manager" if is_manager and way[0] != "customer.revealed" else "agent"
        async with gate:
            answer = await look(getattr(world, name), way[1], way[2])
        asked[answer.headers["x-request-id"]] = (way[0], name)

    await asyncio.gather(*(turn(number, way) for number, way in enumerate(turns)))
    events = (await seen(world))[before:]
    assert len(events) == len(asked) == 1000
    assert Counter(event["action"] for event in events) == Counter(way[0] for way in turns)
    for event in events:
        action, name = asked.pop(event["request_id"])
        detail = orjson.loads(event["detail"])
        assert (event["action"], event["actor_id"], event["actor_kind"]) == (action, world.users[name], "user")
        assert (event["session_id"], event["device_id"], event["device_kind"]) == (world.sessions[name], "test", "ios")
        assert event["person_id"] == UUID(person)
        assert detail["fields"]
        assert detail.get("result", "shown") == "shown"
        assert (detail.get("purpose") == "claim") is (action == "customer.revealed")
        said = f"{event['action']} {event['object_type']} {words(detail)}".lower()
        assert [canary for canary in CANARIES if canary.lower() in said] == [], event
    assert asked == {}


async def test_row_62_every_export_names_each_person_in_it(world: World) -> None:
    made = [await create_customer(world.agent, name=name) for name in ("金丝雀", "翠鸟", "卡那利")]
    assert (await world.manager.get("/v1/customer-exports")).status_code == 200
    events = [event for event in await seen(world) if event["action"] == "customer.exported"]
    assert {str(event["person_id"]) for event in events} == {one["id"] for one in made}
    assert len({event["request_id"] for event in events}) == 1


async def test_what_the_phone_has_already_is_a_look_too(world: World) -> None:
    made = await create_customer(world.agent)
    path = f"/v1/customers/{made['id']}"
    again = await world.agent.get(path, headers={"If-None-Match": f'"{made["version"]}"'})
    assert again.status_code == 304
    assert [orjson.loads(event["detail"])["result"] for event in await seen(world)] == ["not_modified"]


async def test_proposal_and_its_print_and_what_if_are_looks(world: World) -> None:
    made = await proposed(world)
    path, analysis = f"/v1/proposals/{made['id']}", made["needs_analysis_id"]
    before = len(await seen(world))
    assert (await world.agent.get(path)).status_code == 200
    assert (await world.agent.get(f"{path}/document.pdf")).status_code == 200
    tried = await world.agent.post(f"/v1/needs-analyses/{analysis}/what-if", json={"assumptions": {}})
    assert tried.status_code == 200
    told = (await seen(world))[before:]
    assert [event["action"] for event in told] == [
        "proposal.viewed",
        "proposal.exported",
        "needs_analysis.recalculated",
    ]
    assert {str(event["person_id"]) for event in told} == {made["customer_id"]}


async def test_nothing_is_shown_that_is_not_there_and_nothing_is_on_record_for_it(world: World) -> None:
    made = await create_customer(world.agent)
    assert (await world.stranger.get(f"/v1/customers/{made['id']}")).status_code == 404
    assert (await world.agent.get(f"/v1/customers/{uuid4()}")).status_code == 404
    assert (await world.agent.get("/v1/customers")).status_code == 200
    assert (await world.agent.get(f"/v1/customers/{made['id']}/network")).status_code == 200
    assert await seen(world) == []


async def test_masked_look_says_so(world: World) -> None:
    made = await create_customer(world.agent)
    assert (await world.auditor.get(f"/v1/customers/{made['id']}")).status_code == 200
    assert [orjson.loads(event["detail"])["masked"] for event in await seen(world)] == [True]


def _writer() -> Any:
    assert looks._writer is not None
    return looks._writer


async def test_when_the_trail_cannot_be_written_nothing_is_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await create_customer(world.agent)
    path = f"/v1/customers/{made['id']}"
    assert (await world.agent.get(path)).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(looks, "_NOTE", "SELECT note_looks($1::jsonb, 1)")
        refused = await world.agent.get(path)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        assert "name" not in refused.json()
    assert (await world.agent.get(path)).status_code == 200, "the next one opens a new connection"
    assert len(await seen(world)) == 2


async def test_ended_connection_is_replaced(world: World) -> None:
    made = await create_customer(world.agent)
    path = f"/v1/customers/{made['id']}"
    assert (await world.agent.get(path)).status_code == 200
    await _writer()._connection.close()
    assert (await world.agent.get(path)).status_code == 200


def actor_of(world: World) -> Actor:
    return Actor(world.org_id, world.users["agent"], "user", None, frozenset(), ())


async def test_too_many_who_wait_are_refused_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "MAX_WAITING", 3)
    one = Look("customer.viewed", None, uuid4(), ("profile",))
    done = await asyncio.gather(*(looks.note(actor_of(world), "r", one) for _ in range(9)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["NoneType"] * 3 + ["Unavailable"] * 6
    assert isinstance(done[-1], Unavailable)
    assert len(await seen(world)) == 3


async def test_those_who_come_meanwhile_share_one_statement(world: World, other_world: World) -> None:
    sent = list[str]()
    original = _writer()._written

    async def watched(batch: Any) -> bool:
        sent.append(f"{len(batch)}")
        written: bool = await original(batch)
        return written

    _writer()._written = watched
    try:
        one = Look("customer.viewed", None, uuid4(), ("profile",))
        both = [actor_of(world), actor_of(other_world)]
        await asyncio.gather(*(looks.note(both[number % 2], f"r{number}", one) for number in range(40)))
    finally:
        del _writer()._written
    assert len(sent) <= 2
    assert [len(await seen(each)) for each in (world, other_world)] == [20, 20]


async def test_caller_who_leaves_does_not_take_the_event_with_him(world: World) -> None:
    one = Look("customer.viewed", None, uuid4(), ("profile",))
    task = asyncio.create_task(looks.note(actor_of(world), "gone", one))
    await asyncio.sleep(0)
    task.cancel()
    await looks.note(actor_of(world), "stays", one)
    assert {event["request_id"] for event in await seen(world)} == {"gone", "stays"}
