"""Asking a colleague: he hears who asks and about whom, the caller hears nothing he did not know."""

from datetime import timedelta

import pytest

from app.models.base import utc_now
from app.services import path_requests
from tests.factories import World, create_customer, if_match
from tests.ties import Json


@pytest.fixture
async def bridge(world: World) -> Json:
    """A customer of the mate, between two of the agent's; the organisation allows to go through him."""
    mine = await create_customer(world.agent, name="王永庆", stage="customer")
    made = await create_customer(world.mate, name="周桥", stage="customer")
    goal = await create_customer(world.agent, name="李雷", stage="contact")
    for one in (mine, goal):
        body = {"other_id": made["id"], "type": "schoolmate", "strength": 1}
        await world.manager.post(f"/v1/customers/{one['id']}/relationships", json=body)
    await _open(world, True)
    return {**made, "goal": goal["id"]}


async def _open(world: World, is_open: bool) -> None:
    await world.db.execute(
        "UPDATE org_settings SET are_cross_agent_paths_allowed = $2 WHERE org_id = $1", world.org_id, is_open
    )


async def _token(world: World, bridge: Json) -> str:
    answer = await world.agent.get("/v1/network/paths", params={"to": bridge["goal"]})
    (path,) = answer.json()["items"]
    assert [party["request_token"] is None for party in path["parties"]] == [True, False, True]
    token: str = path["parties"][1]["request_token"]
    return token


async def test_colleague_finds_a_task_about_his_customer_and_who_asks(world: World, bridge: Json) -> None:
    body = {"request_token": await _token(world, bridge)}
    answer = await world.agent.post("/v1/network/path-requests", json=body)
    assert answer.status_code == 200
    assert answer.json() == {"colleague": {"id": str(world.users["mate"]), "name": "mate"}}
    assert bridge["id"] not in answer.text
    (task,) = (await world.mate.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["customer"]["id"], task["subject_type"]) == ("answer_colleague", bridge["id"], "user")
    assert task["requested_by"] == {"id": str(world.users["agent"]), "name": "agent"}
    assert (await world.mate.get(f"/v1/tasks/{task['id']}")).json()["requested_by"] == task["requested_by"]
    assert (await world.agent.get("/v1/tasks")).json()["items"] == []
    assert (await world.agent.get(f"/v1/tasks/{task['id']}")).status_code == 404
    events = (await world.admin.get("/v1/audit-events", params={"actor_id": str(world.users["agent"])})).text
    assert bridge["id"] not in events


async def test_asking_again_changes_nothing_while_it_is_open(world: World, bridge: Json) -> None:
    for _ in range(2):
        body = {"request_token": await _token(world, bridge)}
        assert (await world.agent.post("/v1/network/path-requests", json=body)).status_code == 200
    (task,) = (await world.mate.get("/v1/tasks")).json()["items"]
    await world.mate.post(f"/v1/tasks/{task['id']}/complete")
    body = {"request_token": await _token(world, bridge)}
    assert (await world.agent.post("/v1/network/path-requests", json=body)).status_code == 200
    assert len((await world.mate.get("/v1/tasks", params={"state": "open"})).json()["items"]) == 1


async def test_token_is_its_readers_own_and_good_for_a_week(
    world: World, bridge: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await _token(world, bridge)
    flipped = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
    for client, text in (
        (world.stranger, token),
        (world.manager, token),
        (world.agent, flipped),
        (world.agent, "A" * 80),
    ):
        answer = await client.post("/v1/network/path-requests", json={"request_token": text})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "request_token_invalid"
    now = utc_now()
    monkeypatch.setattr(path_requests, "utc_now", lambda: now + timedelta(days=7, seconds=2))
    late = await world.agent.post("/v1/network/path-requests", json={"request_token": token})
    assert late.status_code == 422
    assert (await world.mate.get("/v1/tasks")).json()["items"] == []


async def test_what_is_no_longer_allowed_or_there_is_refused(world: World, bridge: Json) -> None:
    token = await _token(world, bridge)
    await _open(world, False)
    closed = await world.agent.post("/v1/network/path-requests", json={"request_token": token})
    assert (closed.status_code, closed.json()["code"]) == (409, "cross_agent_paths_closed")
    await _open(world, True)
    await world.mate.delete(f"/v1/customers/{bridge['id']}", headers=if_match(bridge))
    gone = await world.agent.post("/v1/network/path-requests", json={"request_token": token})
    assert gone.status_code == 422


async def test_token_does_not_tell_who_has_the_customer_next(world: World, bridge: Json) -> None:
    token = await _token(world, bridge)
    moved = await world.admin.post(
        f"/v1/customers/{bridge['id']}/transfer",
        json={"to_user_id": str(world.users["stranger"])},
        headers={"Idempotency-Key": "moved"},
    )
    assert moved.status_code == 200
    answer = await world.agent.post("/v1/network/path-requests", json={"request_token": token})
    assert answer.status_code == 422
    assert "stranger" not in answer.text
