"""Whose business shadow contacts are, with whom they go, and what never reaches one."""

from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI

from app import deps
from tests import matrix_makers as make
from tests.factories import World, add_user, create_customer, create_service_team, if_match
from tests.matrix import BODIES, POINTERS, ROWS, called
from tests.operations import by_id
from tests.rights import carried_out
from tests.shadows import CONTACTS, know, known, place, stored
from tests.ties import network, relate, url
from tests.traces import filled, put, said, unknown


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


# --- who sees one --------------------------------------------------------------------------------------------------


async def test_contact_is_seen_by_the_agent_and_those_above_him(world: World) -> None:
    _, made = await known(world)
    got = {
        name: (await getattr(world, name).get(place(made))).status_code
        for name in ("agent", "mate", "stranger", "manager", "admin", "auditor")
    }
    assert got == {"agent": 200, "mate": 404, "stranger": 404, "manager": 200, "admin": 200, "auditor": 403}
    assert (await world.client(world.partner_key).get(place(made))).status_code == 403
    for name, count in (("agent", 1), ("mate", 0), ("manager", 1)):
        assert len((await getattr(world, name).get(CONTACTS)).json()["items"]) == count, name


async def test_manager_records_for_the_agent_of_the_customer(world: World) -> None:
    through = await create_customer(world.agent)
    made = await know(world.manager, through)
    assert made["owner_id"] == str(world.users["agent"])
    assert (await world.agent.get(place(made))).status_code == 200


async def test_service_team_neither_sees_nor_records_contacts_of_the_customer_it_shares(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    through, made = await known(world)
    shared = {"service_team_id": team}
    answer = await world.agent.patch(f"/v1/customers/{through['id']}", json=shared, headers=if_match(through))
    assert answer.status_code == 200
    assert (await world.stranger.get(f"/v1/customers/{through['id']}")).status_code == 200
    assert (await world.stranger.get(place(made))).status_code == 404
    assert (await world.stranger.get(url(through))).json()["items"] == []
    assert made["id"] not in (await world.stranger.get(f"/v1/customers/{through['id']}/network")).text
    body = {"name": "某", "party_type": "individual", "known_through_id": through["id"], "relation": {"type": "friend"}}
    refused = await world.stranger.post(CONTACTS, json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await world.db.fetchval("SELECT count(*) FROM customers WHERE org_id = $1 AND is_shadow", world.org_id) == 1


async def test_auditor_meets_contacts_as_names_in_the_network_only(world: World) -> None:
    through, made = await known(world)
    seen = await network(world.auditor, UUID(through["id"]))
    assert made["id"] in {node["id"] for node in seen["nodes"]}
    for path in (CONTACTS, place(made), place(made, "export")):
        assert (await world.auditor.get(path)).status_code == 403


# --- what never reaches one ----------------------------------------------------------------------------------------

# Operations of customers that are meant for contacts, too: whatever speaks of ties between parties.
MEANT = {
    "get_network": "a contact is a node of the network",
    "get_network_drawing": "a contact is a node of the network",
    "export_network_graphml": "a contact is a node of the network",
    "export_network_json_graph": "a contact is a node of the network",
    "get_kin": "families are made of contacts more than of customers",
    "get_company": "a company may be a contact; a person is told so with 409",
    "put_recommendation_dismissal": "whom one is recommended to be introduced to is a contact more often than not",
    "delete_recommendation_dismissal": "whom one is recommended to be introduced to is a contact more often than not",
    "list_relationships": "its ties are relationships",
    "create_relationship": "a new tie confirms it",
    "get_relationship": "its ties are relationships",
    "update_relationship": "its ties are relationships",
    "delete_relationship": "its ties are relationships",
    "restore_relationship": "its ties are relationships",
    "list_relationship_interactions": "its ties are relationships",
    "create_relationship_interaction": "a recorded contact confirms it",
    "get_relationship_interaction": "its ties are relationships",
    "delete_relationship_interaction": "its ties are relationships",
}
MEANT_IN_BODIES = {
    ("create_relationship", "other_id"): "ties end at contacts",
    ("create_introduction", "target_id"): "whom one is introduced to is a contact more often than not",
}


async def test_no_operation_on_customers_reaches_a_contact(api: FastAPI, world: World) -> None:
    """Every operation of the document with a customer in its path, as everybody who may, with a valid body."""
    _, contact = await known(world)
    tried = 0
    for name, operation in by_id(api.openapi()).items():
        if "customer_id" not in operation.ids or name in MEANT:
            continue
        row = ROWS[name]
        ids = await row.make(world, "agent")
        body = filled(row.body, ids)
        for principal in ("owner", "manager", "admin", "auditor"):
            if row.kind[principal] == 403:
                continue
            client = getattr(world, called(principal))
            answer = await operation.call(client, {**ids, "customer_id": contact["id"]}, body)
            nobody = await operation.call(client, {**ids, **unknown("customer_id")}, body)
            assert answer.status_code == 404, (name, principal, answer.text)  # or `MEANT` says why it may
            assert said(answer) == said(nobody), (name, principal)
            tried += 1
    assert tried >= 20
    before = await stored(world, contact)
    assert (before["version"], before["name"], before["deleted_at"]) == (1, "陈建国", None)


async def test_no_body_that_names_a_customer_may_name_a_contact(api: FastAPI, world: World) -> None:
    _, contact = await known(world)
    found = by_id(api.openapi())
    tried = set()
    for (name, path), pointer in POINTERS.items():
        if pointer.which != "customer_id" or (name, path) in MEANT_IN_BODIES:
            continue
        row = ROWS.get(name)
        ids = await (row.make if row else make.two_customers)(world, "agent")
        body = put(filled(row.body if row else BODIES[name], ids), path, contact["id"])
        answer = await found[name].call(world.agent, ids, body)
        assert answer.status_code in (404, 422), (name, path, answer.text)
        tried.add((name, path))
    assert tried >= {("create_form_response", "customer_id"), ("create_shadow_contact", "known_through_id")}


def test_what_is_meant_for_contacts_is_about_customers(api: FastAPI) -> None:
    found = by_id(api.openapi())
    assert len(MEANT.keys() & found.keys()) >= 11
    assert all("customer_id" in found[name].ids for name in MEANT.keys() & found.keys())
    assert ("create_relationship", "other_id") in POINTERS


async def test_lists_search_and_export_of_customers_show_none(world: World) -> None:
    through, made = await known(world)
    for client in (world.agent, world.manager, world.admin, world.auditor):
        for params in ({}, {"q": "陈建国"}, {"q": "chenjianguo"}, {"q": "cjg"}, {"stage": "contact"}, {"sort": "name"}):
            answer = await client.get("/v1/customers", params=params)
            assert made["id"] not in answer.text, params
    exported = await world.manager.get("/v1/customer-exports")
    assert through["id"] in exported.text
    assert made["id"] not in exported.text
    matched = "SELECT match_customers($1, NULL, '%chenjianguo%', NULL, NULL, NULL)"
    async with world.db.transaction():
        await world.db.execute(f"SET LOCAL app.org_id = '{world.org_id}'")
        assert await world.db.fetch(matched, world.org_id) == []


async def test_table_itself_keeps_more_from_being_written(world: World) -> None:
    _, made = await known(world)
    for column, value in (("private_enc", "'x'"), ("occupation", "'x'"), ("birthday", "'{}'"), ("tier", "'mvc'"),
                          ("masked", "'{\"phones\": [{}]}'"), ("tags", "'{x}'"), ("stage", "'prospect'"),
                          ("keep_until", "NULL"),
                          ("known_through_id", "NULL"), ("id_number_enc", "'x'")):  # fmt: skip
        with pytest.raises(asyncpg.CheckViolationError):
            await world.db.execute(f"UPDATE customers SET {column} = {value} WHERE id = $1", UUID(made["id"]))


# --- handing over --------------------------------------------------------------------------------------------------


async def test_contacts_follow_the_customer_they_are_known_through(world: World) -> None:
    through, made = await known(world)
    other, stays = await known(world, name="不走的")
    answer = await world.manager.post(
        f"/v1/customers/{through['id']}/transfer", json={"to_user_id": str(world.users["mate"])},
        headers={"Idempotency-Key": "x"},
    )  # fmt: skip
    assert answer.status_code == 200
    assert (await world.agent.get(place(made))).status_code == 404
    moved = (await world.mate.get(place(made))).json()
    assert (moved["owner_id"], len(moved["relations"])) == (str(world.users["mate"]), 1)
    assert (await world.agent.get(place(stays))).status_code == 200
    assert other["id"]
    feed = {
        row["scope"]: row["removed"]
        for row in await world.db.fetch("SELECT scope, removed FROM feed WHERE id = $1", UUID(made["id"]))
    }
    assert feed == {world.users["agent"]: True, world.users["mate"]: False}
    actions = "SELECT array_agg(action ORDER BY at) FROM audit_events WHERE object_id = $1"
    assert await world.db.fetchval(actions, UUID(made["id"])) == [
        "shadow_contact.created", "shadow_contact.transferred", "shadow_contact.viewed",
    ]  # fmt: skip


async def test_notes_between_contacts_are_not_handed_over(world: World) -> None:
    through, made = await known(world)
    second = await know(world.agent, through, "陈小妹")
    tie = await relate(world.agent, made, second, "friend", note="欠钱", note_visibility="everyone")
    await world.manager.post(
        f"/v1/customers/{through['id']}/transfer", json={"to_user_id": str(world.users["mate"])},
        headers={"Idempotency-Key": "x"},
    )  # fmt: skip
    assert (await world.mate.get(url(made, tie["id"]))).json()["note"] is None


async def test_contacts_of_a_leaver_go_where_their_customers_go(world: World) -> None:
    await add_user(world, "leaver", "agent", "one")
    deps.forget_actors()
    far = await create_customer(world.leaver, name="外地", addresses=[{"province": "湖北省", "city": "荆州市"}])
    near = await create_customer(world.leaver, name="本地")
    with_far, with_near = await know(world.leaver, far, "远亲"), await know(world.leaver, near, "近邻")
    rule = {"city": "荆州市", "to_user_id": str(world.users["mate"])}
    body = {"left_on": "2026-01-05", "to_user_id": str(world.users["agent"]), "by_area": [rule]}
    answer = await world.admin.post(
        f"/v1/users/{world.users['leaver']}/departure", json=body, headers={"Idempotency-Key": "x"}
    )
    assert answer.status_code == 201
    # Contacts are no customers: nobody is told to call them.
    assert sum(part["customer_count"] for part in answer.json()["handed_over"]) == 2
    assert (await world.mate.get(place(with_far))).status_code == 200
    assert (await world.agent.get(place(with_near))).status_code == 200
    left = "SELECT count(*) FROM customers WHERE org_id = $1 AND owner_id = $2"
    assert await world.db.fetchval(left, world.org_id, world.users["leaver"]) == 0


async def test_contact_is_told_what_is_held_of_him_while_the_other_one_is_restricted(world: World) -> None:
    customer = await create_customer(world.agent)
    contact = await know(world.agent, customer)
    await carried_out(world, customer, "restriction")
    answer = await world.agent.get(place(contact, "export"))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["known_through"]) == ("陈建国", None)
    assert customer["name"] not in answer.text
