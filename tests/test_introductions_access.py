"""Introductions: who sees them and who writes them; changing, deleting and listing them, and what is left of it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.config import Settings
from tests.factories import World, create_customer, create_service_team, if_match
from tests.test_introductions import path, read
from tests.test_races import leaving, until_it_waits
from tests.ties import go_on, introduce, pair


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


# --- who sees, who writes --------------------------------------------------------------------------------------


# --- who sees, who writes --------------------------------------------------------------------------------------


async def test_introduction_is_there_for_who_sees_both_ends(world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(world.mate, name="李雷")
    made = await introduce(world.manager, mine, theirs)
    for name in ("agent", "mate", "stranger"):
        client = getattr(world, name)
        assert (await client.get(path(made))).status_code == 404
        assert (await client.get("/v1/introductions")).json()["items"] == []
        assert (await go_on(client, made, "met")).status_code == 404
    for name in ("manager", "admin"):
        assert (await read(world, made, name))["id"] == made["id"]


async def test_service_team_reads_what_it_shares_without_the_note_and_does_not_write_it(world: World) -> None:
    team = await create_service_team(world, "stranger")
    deps.forget_actors()
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, note="私下")
    share = "UPDATE customers SET service_team_id = $1 WHERE id = $2"
    await world.db.execute(share, UUID(team), UUID(one["id"]))
    assert (await world.stranger.get(path(made))).status_code == 404
    await world.db.execute(share, UUID(team), UUID(other["id"]))
    assert (await read(world, made, "stranger"))["note"] is None
    assert (await world.stranger.get("/v1/introductions")).json()["items"][0]["note"] is None
    for name in ("agent", "manager", "admin"):
        assert (await read(world, made, name))["note"] == "私下"
        assert (await getattr(world, name).get("/v1/introductions")).json()["items"][0]["note"] == "私下"
    writes = [
        await go_on(world.stranger, made, "met"),
        await world.stranger.post(path(made, "reopen")),
        await world.stranger.post(path(made, "restore")),
        await world.stranger.patch(path(made), json={"note": None}, headers=if_match(made)),
        await world.stranger.delete(path(made), headers=if_match(made)),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in writes] == [(403, "forbidden")] * 5
    own = await introduce(world.stranger, one, other)  # he may ask himself
    assert (await world.agent.patch(path(own), json={"note": "x"}, headers=if_match(own))).status_code == 403


async def test_introduction_of_a_deleted_end_is_gone_until_it_comes_back(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced")
    await world.agent.delete(f"/v1/customers/{other['id']}", headers=if_match(other))
    assert (await world.agent.get(path(made))).status_code == 410
    assert (await go_on(world.agent, made, "met")).status_code == 410
    assert (await world.agent.get("/v1/introductions")).json()["items"] == []
    await world.agent.post(f"/v1/customers/{other['id']}/restore")
    assert (await go_on(world.agent, made, "met")).status_code == 200


# --- changing, deleting, listing -------------------------------------------------------------------------------


async def test_note_changes_and_nothing_else(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, note="一")
    for note in ("二", None):
        answer = await world.agent.patch(path(made), json={"note": note}, headers=if_match(made))
        made = answer.json()
        assert (answer.status_code, made["note"], made["status"]) == (200, note, "asked")
    assert (await world.agent.patch(path(made), json={"note": "x"}, headers={"If-Match": '"1"'})).status_code == 412
    assert (await world.agent.patch(path(made), json={"status": "met"}, headers=if_match(made))).status_code == 422


async def test_deleted_introduction_takes_its_tasks_along_and_brings_them_back(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced")
    done = (await world.agent.get("/v1/tasks")).json()["items"][0]
    await world.agent.post(f"/v1/tasks/{done['id']}/complete")
    made = (await go_on(world.agent, made, "policy")).json()
    (task,) = (await world.agent.get("/v1/tasks?state=open")).json()["items"]
    assert (await world.agent.delete(path(made), headers=if_match(made))).status_code == 204
    assert (await world.agent.get(path(made))).status_code == 410
    assert (await go_on(world.agent, made, "declined")).status_code == 410
    assert (await world.agent.get(f"/v1/tasks/{task['id']}")).status_code == 410
    assert (await world.agent.post(f"/v1/tasks/{task['id']}/complete")).status_code == 410
    assert (await world.agent.get("/v1/tasks")).json()["items"] == []
    back = await world.agent.post(path(made, "restore"))
    assert (back.status_code, back.json()["status"]) == (200, "policy")
    assert [one["id"] for one in (await world.agent.get("/v1/tasks?state=open")).json()["items"]] == [task["id"]]
    assert [one["id"] for one in (await world.agent.get("/v1/tasks?state=done")).json()["items"]] == [done["id"]]
    assert (await world.agent.post(path(made, "restore"))).json()["version"] == back.json()["version"]


async def test_restoring_gives_way_to_one_asked_for_anew(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    await world.agent.delete(path(made), headers=if_match(made))
    await introduce(world.agent, one, other)
    answer = await world.agent.post(path(made, "restore"))
    assert (answer.status_code, answer.json()["code"]) == (409, "introduction_exists")
    await world.db.execute("UPDATE introductions SET deleted_at = now() - interval '31 days' WHERE id = $1",
                           UUID(made["id"]))  # fmt: skip
    for answer in (await world.agent.post(path(made, "restore")), await world.agent.get(path(made))):
        assert answer.status_code == 404


async def test_list_filters_and_pages_newest_first(world: World) -> None:
    people = [await create_customer(world.agent, name=f"第{n}位") for n in range(4)]
    made = [await introduce(world.agent, people[0], one) for one in people[1:]]
    made.append(await introduce(world.agent, people[1], people[2], "declined"))
    wanted = [one["id"] for one in reversed(made)]

    async def listed(**params: Any) -> list[str]:
        ids, cursor = [], None
        while True:
            query = {"limit": 2, **params, **({"cursor": cursor} if cursor else {})}
            page = await world.agent.get("/v1/introductions", params=query)
            ids += [item["id"] for item in page.json()["items"]]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return ids

    assert await listed() == wanted
    assert await listed(introducer_id=people[0]["id"]) == wanted[1:]
    assert await listed(target_id=people[2]["id"]) == [wanted[0], made[1]["id"]]
    assert await listed(status="declined,met") == wanted[:1]
    assert await listed(status="asked", target_id=people[1]["id"]) == [made[0]["id"]]
    assert (await world.agent.get("/v1/introductions?status=lost")).status_code == 422


async def test_every_act_leaves_its_trail_without_a_word_about_people(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced", "declined", note="秘密")
    made = (await world.agent.post(path(made, "reopen"))).json()
    made = (await world.agent.patch(path(made), json={"note": "x"}, headers=if_match(made))).json()
    await world.agent.delete(path(made), headers=if_match(made))
    await world.agent.post(path(made, "restore"))
    rows = await world.db.fetch(
        "SELECT action, detail::text AS detail FROM audit_events WHERE org_id = $1 AND object_id = $2 ORDER BY at, id",
        world.org_id,
        UUID(made["id"]),
    )
    assert [row["action"].removeprefix("introduction.") for row in rows] == [
        "created", "advanced", "advanced", "reopened", "updated", "deleted", "restored",
    ]  # fmt: skip
    assert all(word not in row["detail"] for row in rows for word in ("秘密", one["name"], other["name"]))
    fed = "SELECT count(*) FROM feed WHERE org_id = $1 AND scope = $2 AND collection = ANY($3) AND NOT removed"
    both = ["introductions", "tasks"]
    assert await world.db.fetchval(fed, world.org_id, world.users["agent"], both) == 2


async def test_introduction_asked_for_while_the_agent_leaves_is_refused(world: World, settings: Settings) -> None:
    one, other = await pair(world)
    body = {"introducer_id": one["id"], "target_id": other["id"]}
    for more in ({}, {"id": str(uuid7())}):
        await world.db.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", world.users["agent"])
        deps.forget_actors()
        async with leaving(world, settings, "agent") as connection:
            task = asyncio.create_task(world.agent.post("/v1/introductions", json={**body, **more}))
            await until_it_waits(world, connection)
        assert (await task).status_code == 401
    assert await world.db.fetchval("SELECT count(*) FROM introductions WHERE org_id = $1", world.org_id) == 0


async def test_caller_with_many_holders_finds_what_one_with_few_finds(world: World) -> None:
    """Where a list looks is no matter of what it shows."""
    people = [await create_customer(getattr(world, name), name=name) for name in ("agent", "agent", "mate")]
    for one, other in ((0, 1), (1, 0), (0, 2), (2, 1)):
        await introduce(world.manager, people[one], people[other], "met")

    async def seen(path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await world.manager.get(path)).json()["items"]
        return items

    paths = ("/v1/introductions", "/v1/introductions?status=met", "/v1/introducers")
    few = [await seen(path) for path in paths]
    assert [len(items) for items in few] == [4, 4, 3]
    await world.db.execute(
        "INSERT INTO users (org_id, id, username, name, role, team_id, password_hash) "
        "SELECT $1, gen_random_uuid(), 'u' || n, 'u', 'agent', $2, '-' FROM generate_series(1, 30) n",
        world.org_id,
        world.teams["one"],
    )
    deps.forget_actors()
    assert [await seen(path) for path in paths] == few
