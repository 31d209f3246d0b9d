"""Somebody leaves: he is out at once, his customers are served on, his notes stay with nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app import deps
from tests.factories import World, create_customer, create_service_team, if_match
from tests.rights import carried_out
from tests.test_sessions import give_password, me, refresh, sign_in
from tests.ties import relate, url

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def depart(world: World, name: str = "agent", by: str = "manager", **over: Any) -> httpx.Response:
    body = {"left_on": TODAY, "to_user_id": str(world.users["mate"]), **over}
    headers = {"Idempotency-Key": uuid4().hex}
    client: httpx.AsyncClient = getattr(world, by)
    return await client.post(f"/v1/users/{world.users[name]}/departure", json=body, headers=headers)


async def owners(world: World) -> dict[str, str]:
    rows = await world.db.fetch("SELECT id, owner_id FROM customers WHERE org_id = $1", world.org_id)
    return {str(row["id"]): str(row["owner_id"]) for row in rows}


async def test_customers_move_by_area_and_the_rest_to_one_colleague(world: World) -> None:
    there = {"province": "湖北省", "city": "武汉市", "county": "江汉区"}
    near = await create_customer(world.agent, addresses=[there])
    far = await create_customer(world.agent, name="李小萌", addresses=[{**there, "county": "青山区"}])
    nowhere = await create_customer(world.agent, name="赵无址")
    other = await create_customer(world.mate, name="钱别人", addresses=[there])
    rule = {"city": "武汉市", "county": "江汉区", "to_user_id": str(world.users["manager"])}
    empty = {"to_user_id": str(world.users["manager"])}  # names no area: fits nobody
    answer = await depart(world, by_area=[empty, rule])
    assert answer.status_code == 201, answer.text
    mate, manager = str(world.users["mate"]), str(world.users["manager"])
    expected = {near["id"]: manager, far["id"]: mate, nowhere["id"]: mate, other["id"]: mate}
    assert await owners(world) == expected
    moved = {one["to_user_id"]: set(one["customer_ids"]) for one in answer.json()["handed_over"]}
    assert moved == {mate: {far["id"], nowhere["id"]}, manager: {near["id"]}}
    assert (await world.manager.get(f"/v1/users/{world.users['agent']}/departure")).json() == answer.json()


async def test_notice_of_thirty_days_is_a_task_for_each_who_took_over(world: World) -> None:
    customer = await create_customer(world.agent)
    left_on = (datetime.now(UTC) - timedelta(days=3)).date()
    body = (await depart(world, left_on=left_on.isoformat())).json()
    (task,) = body["tasks"]
    assert (task["kind"], task["assignee_id"]) == ("notify_customers", str(world.users["mate"]))
    assert task["due_on"] == (left_on + timedelta(days=30)).isoformat()
    assert (task["customer_count"], task["customer_ids"]) == (1, [customer["id"]])
    assert "第三十六条" in task["legal_basis"]
    assert set(task["title"]) == {"zh", "en"}


async def test_private_notes_are_redacted_and_nothing_else_changes(world: World) -> None:
    customer = await create_customer(world.agent, note="怕老婆,别提他弟弟", tags=["vip"])
    other = await create_customer(world.agent, name="李小萌")
    url = f"/v1/customers/{customer['id']}"
    tie = await world.agent.post(
        f"{url}/relationships", json={"other_id": other["id"], "direction": "friend", "note": "借过钱"}
    )
    answer = await depart(world)
    assert answer.json()["notes_redacted"] == 2
    after = (await world.mate.get(url)).json()
    changed = {"note": None, "owner_id": str(world.users["mate"]), "version": 2, "updated_at": after["updated_at"]}
    assert after == {**customer, **changed}
    assert (await world.mate.get(f"{url}/relationships/{tie.json()['id']}")).json()["note"] is None
    assert "借过钱" not in str(await world.db.fetch("SELECT detail FROM audit_events WHERE org_id = $1", world.org_id))


async def test_who_left_is_out_on_every_device_and_cannot_come_back(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    reset = await world.admin.post(f"/v1/users/{world.users['agent']}/password-resets")
    answer = await depart(world)
    assert answer.json()["sessions_ended"] == 2
    assert await me(world, tokens) == 401
    assert (await refresh(world, tokens["refresh_token"])).status_code == 401
    link = {"token": reset.json()["token"], "password": "Sieben-Weiden-im-Wind"}
    assert (await world.client().post("/v1/auth/invitations/accept", json=link)).status_code == 401
    assert (await world.admin.post(f"/v1/users/{world.users['agent']}/enable")).json()["code"] == "user_departed"
    assert (await depart(world)).json()["code"] == "user_departed"


async def test_deleted_customers_go_along_and_are_restored_by_the_new_owner(world: World) -> None:
    customer = await create_customer(world.agent)
    await world.agent.delete(f"/v1/customers/{customer['id']}", headers=if_match(customer))
    answer = await depart(world)
    assert answer.json()["tasks"] == []
    assert (await world.mate.post(f"/v1/customers/{customer['id']}/restore")).status_code == 200


async def test_phones_hear_of_everything_that_moved(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent, name="李小萌")
    tie = {"other_id": other["id"], "direction": "friend"}
    await world.agent.post(f"/v1/customers/{customer['id']}/relationships", json=tie)
    fact = {"fact_key": "family_hometown", "value": "襄阳", "source": "customer", "observed_on": "2026-01-05"}
    await world.agent.post(f"/v1/customers/{customer['id']}/dossier-facts", json=fact)
    await depart(world)
    rows = await world.db.fetch("SELECT scope, collection, removed FROM feed WHERE org_id = $1", world.org_id)
    told = {(row["scope"], row["collection"], row["removed"]) for row in rows}
    collections = ("customers", "relationships", "dossier_facts")
    assert told == {
        *((world.users["agent"], collection, True) for collection in collections),
        *((world.users["mate"], collection, False) for collection in collections),
    }


async def test_nobody_takes_over_who_cannot(world: World, other_world: World) -> None:
    await world.db.execute("UPDATE users SET disabled_at = now() WHERE id = $1", world.users["mate"])
    for name in ("mate", "agent", "stranger", "auditor"):  # shut out, himself, not below the manager, no agent
        answer = await depart(world, to_user_id=str(world.users[name]))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/to_user_id"), name
    rules = [{"city": "武汉市", "to_user_id": str(other_world.users["mate"])}]
    answer = await depart(world, to_user_id=str(world.users["manager"]), by_area=rules)
    assert answer.json()["errors"][0]["pointer"] == "/by_area/0/to_user_id"
    future = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    answer = await depart(world, to_user_id=str(world.users["manager"]), left_on=future)
    assert answer.json()["errors"][0]["code"] == "in_future"


async def test_nobody_sends_away_himself_or_the_last_administrator(world: World) -> None:
    answer = await depart(world, "admin", by="admin")
    assert (answer.status_code, answer.json()["code"]) == (409, "own_account")
    await world.db.execute("UPDATE users SET role = 'admin' WHERE id = $1", world.users["auditor"])
    deps.forget_actors()
    assert (await depart(world, "auditor", by="admin")).status_code == 201


async def test_departure_needs_somebody_who_is_there(world: World) -> None:
    client = world.client(world.token("manager", proven_ago=301))
    body = {"left_on": TODAY, "to_user_id": str(world.users["mate"])}
    url, headers = f"/v1/users/{world.users['agent']}/departure", {"Idempotency-Key": "k"}
    assert (await client.post(url, json=body, headers=headers)).json()["code"] == "step_up_required"


async def test_lost_answer_of_a_departure_is_answered_again(world: World) -> None:
    await create_customer(world.agent)
    url, headers = f"/v1/users/{world.users['agent']}/departure", {"Idempotency-Key": "einmal"}
    body = {"left_on": TODAY, "to_user_id": str(world.users["mate"])}
    first = await world.manager.post(url, json=body, headers=headers)
    again = await world.manager.post(url, json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


# --- one customer ----------------------------------------------------------------------------------------------


async def test_transferred_customer_is_gone_from_his_former_agent_at_the_next_request(world: World) -> None:
    customer = await create_customer(world.agent, note="nur für mich")
    url = f"/v1/customers/{customer['id']}"
    assert (await world.agent.get(url)).status_code == 200
    answer = await world.manager.post(f"{url}/transfer", json={"to_user_id": str(world.users["mate"])})
    assert (answer.status_code, answer.json()["owner_id"]) == (200, str(world.users["mate"]))
    assert answer.json()["note"] is None
    assert (await world.agent.get(url)).status_code == 404
    assert (await world.mate.get(url)).status_code == 200
    actions = await world.db.fetch(
        "SELECT action, detail FROM audit_events WHERE object_id = $1 AND action <> 'customer.viewed' ORDER BY id",
        UUID(customer["id"]),
    )
    told = [row for row in actions if row["action"] != "customer.viewed"]
    assert [row["action"] for row in told] == ["customer.created", "customer.transferred"]


async def test_agent_transfers_nobody_and_a_manager_only_within_his_teams(world: World) -> None:
    customer = await create_customer(world.agent)
    url = f"/v1/customers/{customer['id']}/transfer"
    assert (await world.agent.post(url, json={"to_user_id": str(world.users["mate"])})).status_code == 403
    outside = await world.manager.post(url, json={"to_user_id": str(world.users["stranger"])})
    assert (outside.status_code, outside.json()["errors"][0]["pointer"]) == (422, "/to_user_id")
    same = await world.manager.post(url, json={"to_user_id": str(world.users["agent"])})
    assert same.status_code == 409
    assert (await world.manager.post(url, json={"to_user_id": str(world.users["manager"])})).status_code == 200


async def test_service_team_is_no_way_to_take_customers_from_another_team(world: World) -> None:
    """A manager who serves with an agent of another team sees what they share; giving it away is not his to do."""
    team = await create_service_team(world, "stranger", "manager")
    deps.forget_actors()
    customer = await create_customer(world.stranger)
    url = f"/v1/customers/{customer['id']}"
    await world.stranger.patch(url, json={"service_team_id": team}, headers=if_match(customer))
    assert (await world.manager.get(url)).status_code == 200
    for taker in ("manager", "agent"):
        answer = await world.manager.post(f"{url}/transfer", json={"to_user_id": str(world.users[taker])})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), taker
    assert await owners(world) == {customer["id"]: str(world.users["stranger"])}
    assert (await world.admin.post(f"{url}/transfer", json={"to_user_id": str(world.users["mate"])})).status_code == 200


async def test_notes_of_who_left_on_ties_between_customers_of_others_are_redacted(world: World) -> None:
    team = await create_service_team(world, "agent", "mate")
    deps.forget_actors()
    one, other = [await create_customer(world.mate, name=name) for name in ("王永庆", "李雷")]
    for customer in (one, other):
        place = f"/v1/customers/{customer['id']}"
        await world.mate.patch(place, json={"service_team_id": team}, headers=if_match(customer))
    private, kept, gone = [
        await relate(getattr(world, author), one, other, direction, note="欠钱", note_visibility="private")
        for author, direction in (("agent", "friend"), ("mate", "ally"), ("agent", "partner"))
    ]
    await world.agent.delete(url(one, gone["id"]), headers=if_match(gone))
    before = await world.db.fetchval("SELECT max(seq) FROM feed WHERE org_id = $1", world.org_id)
    assert (await depart(world)).json()["notes_redacted"] == 2
    left = "SELECT id, note_enc IS NOT NULL AS is_noted, version FROM relationships WHERE org_id = $1"
    assert {str(row["id"]): (row["is_noted"], row["version"]) for row in await world.db.fetch(left, world.org_id)} == {
        private["id"]: (False, 2), kept["id"]: (True, 1), gone["id"]: (False, 3),
    }  # fmt: skip
    told = await world.db.fetch(
        "SELECT scope, removed FROM feed WHERE id = $1 AND seq > $2", UUID(private["id"]), before
    )
    assert {(row["scope"], row["removed"]) for row in told} == {(world.users["mate"], False), (UUID(team), False)}


async def test_restricted_customer_goes_along_and_nobody_hears_of_him(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent)
    restricted = await carried_out(world, customer, "restriction")
    gone = await depart(world)
    assert gone.status_code == 201, gone.text
    assert [one["customer_ids"] for one in gone.json()["handed_over"]] == [[other["id"]]]
    assert customer["id"] not in gone.text
    told = "SELECT bool_and(removed) FROM feed WHERE org_id = $1 AND id = $2"
    assert await world.db.fetchval(told, world.org_id, UUID(customer["id"])) is True
    place = f"/v1/customers/{customer['id']}"
    assert (await world.mate.get(place)).json()["code"] == "customer_restricted"
    assert (await world.mate.get(f"{place}/rights-requests")).json()["items"][0]["id"] == restricted["id"]
    lifted = await world.manager.post(
        f"{place}/rights-requests/{restricted['id']}/reopen", headers=if_match(restricted)
    )
    assert lifted.status_code == 200
    assert (await world.mate.get(place)).json()["owner_id"] == str(world.users["mate"])
