"""Whose phones hear when customers change hands, and what a service team may do with a customer it shares."""

from typing import Any
from uuid import UUID

import pytest

from app import deps
from tests.factories import World, add_user, create_customer, create_service_team, if_match

EVERYTHING = {"customers", "relationships", "dossier_facts"}


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def rich(world: World) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A customer of `agent` with a fact and a noted relationship; the other end of it; the relationship."""
    customer, other = await create_customer(world.agent), await create_customer(world.agent, name="李小萌")
    url = f"/v1/customers/{customer['id']}"
    tie = {"other_id": other["id"], "direction": "friend", "note": "借过钱"}
    made = await world.agent.post(f"{url}/relationships", json=tie)
    fact = {"fact_key": "family_hometown", "value": "襄阳", "source": "customer", "observed_on": "2026-01-05"}
    assert (await world.agent.post(f"{url}/dossier-facts", json=fact)).status_code == 201
    return customer, other, made.json()


async def share(world: World, customer: dict[str, Any], team: str | None) -> dict[str, Any]:
    url = f"/v1/customers/{customer['id']}"
    version = (await world.agent.get(url)).headers["etag"]
    answer = await world.agent.patch(url, json={"service_team_id": team}, headers={"If-Match": version})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def told(world: World, scope: UUID) -> set[tuple[str, bool]]:
    rows = await world.db.fetch(
        "SELECT collection, removed FROM feed WHERE org_id = $1 AND scope = $2", world.org_id, scope
    )
    return {(row["collection"], row["removed"]) for row in rows}


async def test_service_team_hears_of_everything_that_comes_and_goes(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    customer, _, _ = await rich(world)
    await share(world, customer, team)
    assert await told(world, UUID(team)) == {(collection, False) for collection in EVERYTHING}
    await share(world, customer, None)
    assert await told(world, UUID(team)) == {(collection, True) for collection in EVERYTHING}
    assert await told(world, world.users["agent"]) == {(collection, False) for collection in EVERYTHING}


async def test_handed_over_customer_is_told_to_all_who_hold_a_part_of_him(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    customer, other, tie = await rich(world)
    await share(world, customer, team)
    move = "UPDATE customers SET owner_id = $1 WHERE id = $2"
    await world.db.execute(move, world.users["stranger"], UUID(other["id"]))
    await world.db.execute("DELETE FROM feed WHERE org_id = $1", world.org_id)
    url = f"/v1/customers/{customer['id']}/transfer"
    assert (await world.admin.post(url, json={"to_user_id": str(world.users["mate"])})).status_code == 200
    assert await world.db.fetchval("SELECT note_enc FROM relationships WHERE id = $1", UUID(tie["id"])) is None
    assert await told(world, world.users["stranger"]) == {("relationships", False)}  # he holds the other end
    for scope in (UUID(team), world.users["mate"]):
        assert await told(world, scope) == {(collection, False) for collection in EVERYTHING}
    assert await told(world, world.users["agent"]) == {(collection, True) for collection in EVERYTHING}


async def test_deleted_customer_who_is_handed_over_stays_deleted_for_his_new_owner(world: World) -> None:
    customer = await create_customer(world.agent)
    await world.agent.delete(f"/v1/customers/{customer['id']}", headers=if_match(customer))
    body = {"left_on": "2026-01-01", "to_user_id": str(world.users["mate"])}
    url = f"/v1/users/{world.users['agent']}/departure"
    assert (await world.manager.post(url, json=body, headers={"Idempotency-Key": "k"})).status_code == 201
    assert await told(world, world.users["mate"]) == {("customers", True)}


# --- what a service team may do --------------------------------------------------------------------------------


async def test_member_serves_the_customer_but_neither_reads_notes_nor_gives_him_away(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    other = await create_service_team(world, "stranger", "mate")
    deps.forget_actors()
    customer = await create_customer(world.agent, note="nur für mich")
    shared = await share(world, customer, team)
    url = f"/v1/customers/{customer['id']}"
    assert (await world.stranger.get(url)).json()["note"] is None
    assert [(await client.get(url)).json()["note"] for client in (world.agent, world.manager)] == ["nur für mich"] * 2
    version = if_match(shared)
    for body in ({"note": "x"}, {"note": None}, {"service_team_id": other}, {"service_team_id": None}):
        answer = await world.stranger.patch(url, json=body, headers=version)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), body
    assert (await world.stranger.delete(url, headers=version)).status_code == 403
    served = await world.stranger.patch(url, json={"tags": ["vip"]}, headers=version)
    assert (served.status_code, served.json()["note"]) == (200, None)
    assert (await world.agent.get(url)).json()["note"] == "nur für mich"


async def test_managers_of_one_team_do_not_answer_for_each_other(world: World) -> None:
    await add_user(world, "peer", "manager", "one")
    body = {"left_on": "2026-01-01", "to_user_id": str(world.users["manager"])}
    url = f"/v1/users/{world.users['peer']}"
    departed = await world.manager.post(f"{url}/departure", json=body, headers={"Idempotency-Key": "k"})
    assert departed.status_code == 404
    assert (await world.manager.get(url)).status_code == 404
    assert (await world.manager.delete(f"{url}/sessions/{world.sessions['peer']}")).status_code == 404


async def test_manager_of_a_very_large_tree_is_served(world: World) -> None:
    customer = await create_customer(world.agent)
    await world.db.execute(
        "INSERT INTO users (org_id, id, username, name, role, team_id, password_hash) "
        "SELECT $1, gen_random_uuid(), 'u' || n, 'u', 'agent', $2, '-' FROM generate_series(1, 16500) n",
        world.org_id,
        world.teams["one"],
    )
    deps.forget_actors()
    url = f"/v1/customers/{customer['id']}"
    assert (await world.manager.patch(url, json={"tags": ["vip"]}, headers=if_match(customer))).status_code == 200
    assert (await world.manager.get("/v1/users?limit=1")).status_code == 200
    assert (await world.manager.get("/v1/customers")).json()["items"][0]["id"] == customer["id"]


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "name", "-updated_at"])
async def test_page_of_several_holders_is_the_page_of_all_they_have(world: World, sort: str) -> None:
    """A few holders are looked at one by one, many through the organisation: the pages must be the same."""
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    made = [await create_customer(world.agent, name=f"王{number}", tags=["vip"]) for number in "一二三四五六"]
    made += [await create_customer(world.stranger, name=f"李{number}") for number in "一二三"]
    for customer in made[:3]:
        await share(world, customer, team)
    found: dict[str, list[str]] = {}
    for who in ("stranger", "manager", "admin"):
        client, cursor, ids = getattr(world, who), "", list[str]()
        while True:
            page = (await client.get(f"/v1/customers?sort={sort}&limit=2{cursor}")).json()
            ids += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        found[who] = ids
    visible = {"stranger": made[:3] + made[6:], "manager": made[:6], "admin": made}
    for who, customers in visible.items():
        wanted = {customer["id"] for customer in customers}
        assert found[who] == [one for one in found["admin"] if one in wanted], who
        assert len(found[who]) == len(customers)
    tagged = (await world.stranger.get("/v1/customers?tag=vip&limit=2")).json()
    assert len(tagged["items"]) == 2
