"""Tasks: what is owed, by whom, until when; done, taken back, and handed over with the customer."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.models.base import china_today
from tests.factories import World, create_customer, create_service_team, if_match
from tests.test_introductions import day, read
from tests.ties import Json, go_on, introduce, pair


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def owed(world: World, name: str = "agent", **query: Any) -> list[Json]:
    answer = await getattr(world, name).get("/v1/tasks", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["items"]
    return found


async def transfer(world: World, customer: Json, to: str, by: str = "manager") -> None:
    url, body = f"/v1/customers/{customer['id']}/transfer", {"to_user_id": str(world.users[to])}
    answer = await getattr(world, by).post(url, json=body)
    assert answer.status_code == 200, answer.text


async def told(world: World, name: str) -> dict[UUID, tuple[str, bool]]:
    rows = await world.db.fetch(
        "SELECT id, collection, removed FROM feed WHERE org_id = $1 AND scope = $2 "
        "AND collection IN ('tasks', 'introductions')",
        world.org_id,
        world.users[name],
    )
    return {row["id"]: (row["collection"], row["removed"]) for row in rows}


async def test_task_says_who_owes_what_to_whom_until_when(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced")
    (task,) = await owed(world)
    assert (task["kind"], task["milestone"]) == ("thank_introducer", "introduced")
    assert (task["subject_type"], task["subject_id"]) == ("introduction", made["id"])
    assert (task["owner_id"], task["customer"]["id"]) == (str(world.users["agent"]), one["id"])
    assert (task["due_on"], task["done_at"], task["done_by"]) == (day(-3), None, None)
    answer = await world.agent.get(f"/v1/tasks/{task['id']}")
    assert answer.json() == task
    assert answer.headers["etag"].startswith('"1.')  # it tells of the customer too


async def test_manager_who_records_the_step_owes_nothing(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    assert (await go_on(world.manager, made, "introduced")).status_code == 200
    (task,) = await owed(world, "manager")
    assert task["owner_id"] == str(world.users["agent"])
    done = await world.manager.post(f"/v1/tasks/{task['id']}/complete")
    assert (done.status_code, done.json()["done_by"]) == (200, str(world.users["manager"]))


async def test_task_is_done_once_and_can_be_taken_back(world: World) -> None:
    one, other = await pair(world)
    await introduce(world.agent, one, other, "introduced")
    (task,) = await owed(world)
    url = f"/v1/tasks/{task['id']}"
    assert (await world.agent.post(f"{url}/reopen")).json() == task
    answers = await asyncio.gather(*(world.agent.post(f"{url}/complete") for _ in range(6)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    done = answers[0].json()
    assert (done["version"], done["done_by"]) == (2, str(world.users["agent"]))
    assert await owed(world, state="open") == []
    assert await owed(world, state="done") == [done]
    reopened = (await world.agent.post(f"{url}/reopen")).json()
    assert (reopened["version"], reopened["done_at"], reopened["done_by"]) == (3, None, None)
    assert await owed(world, state="open") == [reopened]
    rows = await world.db.fetch(
        "SELECT action FROM audit_events WHERE org_id = $1 AND object_id = $2 ORDER BY at, id",
        world.org_id,
        UUID(task["id"]),
    )
    assert [row["action"] for row in rows] == ["task.created", "task.completed", "task.reopened"]


async def test_tasks_come_most_urgent_first_and_are_filtered(world: World) -> None:
    people = [await create_customer(world.agent, name=f"第{n}位") for n in range(4)]
    for ago, one in ((1, people[0]), (6, people[1]), (3, people[2])):
        made = await introduce(world.agent, one, people[3], asked_on=day(9))
        await go_on(world.agent, made, "introduced", happened_on=day(ago))
    assert [task["customer"]["id"] for task in await owed(world)] == [people[n]["id"] for n in (1, 2, 0)]
    due = [task["due_on"] for task in await owed(world)]
    assert due == [day(3), day(0), day(-2)]
    assert [task["due_on"] for task in await owed(world, due_to=day(0))] == due[:1]  # half open, as ranges are
    assert [task["due_on"] for task in await owed(world, due_to=day(-1))] == due[:2]
    assert [task["due_on"] for task in await owed(world, customer_id=people[2]["id"])] == due[1:2]
    assert await owed(world, customer_id=people[3]["id"]) == []
    ids, cursor = [], ""
    for _ in range(3):
        page = (await world.agent.get(f"/v1/tasks?limit=1{cursor}")).json()
        ids += [task["due_on"] for task in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (ids, page["next_cursor"]) == (due, None)


async def test_nobody_else_sees_a_task_and_a_peer_with_the_customer_neither(world: World) -> None:
    team = await create_service_team(world, "stranger")
    deps.forget_actors()
    one, other = await pair(world)
    await introduce(world.agent, one, other, "introduced")
    (task,) = await owed(world)
    await world.db.execute("UPDATE customers SET service_team_id = $1 WHERE org_id = $2", UUID(team), world.org_id)
    assert (await world.stranger.get(f"/v1/customers/{one['id']}")).status_code == 200
    for name in ("mate", "stranger"):
        assert await owed(world, name) == []
        for verb in ("complete", "reopen"):
            assert (await getattr(world, name).post(f"/v1/tasks/{task['id']}/{verb}")).status_code == 404


async def test_task_of_a_manager_beside_one_is_seen_and_not_done_by_him(world: World) -> None:
    """Managers of one team see each other's customers, and do not answer for each other."""
    await world.db.execute("UPDATE users SET role = 'manager' WHERE id = $1", world.users["mate"])
    deps.forget_actors()
    one, other = await pair(world)
    await introduce(world.mate, one, other, "introduced")
    (task,) = await owed(world, "manager")
    answer = await world.manager.post(f"/v1/tasks/{task['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_task_of_a_deleted_customer_is_gone(world: World) -> None:
    one, other = await pair(world)
    await introduce(world.agent, one, other, "introduced")
    (task,) = await owed(world)
    await world.agent.delete(f"/v1/customers/{one['id']}", headers=if_match(one))
    assert await owed(world) == []
    assert (await world.agent.get(f"/v1/tasks/{task['id']}")).status_code == 410
    assert (await world.agent.post(f"/v1/tasks/{task['id']}/complete")).status_code == 410


async def test_tasks_go_and_come_back_with_their_introduction_open_or_done(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced")
    (thanks,) = await owed(world)
    done = (await world.agent.post(f"/v1/tasks/{thanks['id']}/complete")).json()
    made = (await go_on(world.agent, made, "policy")).json()
    before = {task["id"]: task for task in await owed(world)}
    assert sorted(task["done_at"] is None for task in before.values()) == [False, True]
    url = f"/v1/introductions/{made['id']}"
    assert (await world.agent.delete(url, headers=if_match(made))).status_code == 204
    assert await owed(world) == []
    for task_id in before:
        assert (await world.agent.get(f"/v1/tasks/{task_id}")).status_code == 410
        for verb in ("complete", "reopen"):
            assert (await world.agent.post(f"/v1/tasks/{task_id}/{verb}")).status_code == 410
    assert (await world.agent.post(f"{url}/restore")).status_code == 200
    after = {task["id"]: task for task in await owed(world)}
    moved = ("version", "updated_at")
    assert [{k: v for k, v in task.items() if k not in moved} for task in after.values()] == [
        {k: v for k, v in before[task_id].items() if k not in moved} for task_id in after
    ]
    assert after.keys() == before.keys()
    assert after[done["id"]]["done_by"] == str(world.users["agent"])


async def test_database_keeps_a_second_open_task_of_a_milestone_out(world: World) -> None:
    one, other = await pair(world)
    await introduce(world.agent, one, other, "introduced")
    again = (
        "INSERT INTO tasks (org_id, id, owner_id, customer_id, kind, subject_type, subject_id, milestone, due_on) "
        "SELECT org_id, $2, owner_id, customer_id, kind, subject_type, subject_id, milestone, due_on FROM tasks "
        "WHERE org_id = $1"
    )
    with pytest.raises(asyncpg.UniqueViolationError, match="tasks_open"):
        await world.db.execute(again, world.org_id, uuid7())


# --- handed over with the customer -----------------------------------------------------------------------------


async def test_open_tasks_and_introductions_go_with_the_customer(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced", note="只给自己看")
    (first,) = await owed(world)
    await world.agent.post(f"/v1/tasks/{first['id']}/complete")
    policy = await introduce(world.agent, other, one, "policy")
    third = await introduce(world.agent, one, await create_customer(world.agent, name="第三位"), "introduced")
    open_ones = {task["id"] for task in await owed(world, state="open", customer_id=one["id"])}
    await transfer(world, one, "mate")
    await transfer(world, other, "mate")
    assert open_ones <= {task["id"] for task in await owed(world, "mate", state="open")}
    assert {task["owner_id"] for task in await owed(world, "mate")} == {str(world.users["mate"])}
    assert await owed(world) == []
    for task in open_ones:
        assert (await world.agent.get(f"/v1/tasks/{task}")).status_code == 404
    found = await read(world, made, "mate")
    assert (found["agent_id"], found["note"]) == (str(world.users["mate"]), None)
    assert (await read(world, made, "manager"))["note"] is None
    assert (await go_on(world.mate, found, "met")).status_code == 200
    assert (await read(world, policy, "mate"))["agent_id"] == str(world.users["agent"])  # a policy was his
    for name in ("agent", "mate"):  # he has the party to be met still, the other one only the introducer
        assert (await getattr(world, name).get(f"/v1/introductions/{third['id']}")).status_code == 404


async def test_phones_hear_of_what_is_handed_over(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced")
    (task,) = await owed(world)
    both = {UUID(made["id"]): "introductions", UUID(task["id"]): "tasks"}
    assert await told(world, "agent") == {key: (name, False) for key, name in both.items()}
    await transfer(world, one, "mate")
    assert await told(world, "mate") == {key: (name, False) for key, name in both.items()}
    # He has the other end still, and sees neither without the first.
    assert await told(world, "agent") == {key: (name, True) for key, name in both.items()}
    await transfer(world, one, "agent")
    assert await told(world, "agent") == {key: (name, False) for key, name in both.items()}


async def test_whoever_asked_the_same_already_keeps_his_own(world: World) -> None:
    team = await create_service_team(world, "agent", "mate")
    deps.forget_actors()
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    await world.db.execute("UPDATE customers SET service_team_id = $1 WHERE org_id = $2", UUID(team), world.org_id)
    own = await introduce(world.mate, one, other)
    await transfer(world, one, "mate")
    assert (await read(world, made, "manager"))["agent_id"] == str(world.users["agent"])
    assert (await read(world, own, "manager"))["agent_id"] == str(world.users["mate"])


async def test_who_leaves_leaves_nothing_undone_with_the_customers_of_others(world: World) -> None:
    team = await create_service_team(world, "agent", "mate")
    deps.forget_actors()
    one, other = await create_customer(world.mate), await create_customer(world.mate, name="李雷")
    await world.db.execute("UPDATE customers SET service_team_id = $1 WHERE org_id = $2", UUID(team), world.org_id)
    made = await introduce(world.agent, one, other, "introduced", note="私")
    own, known = await pair(world)
    await introduce(world.agent, own, known, "introduced", "declined")
    body = {"left_on": (china_today() - timedelta(days=1)).isoformat(), "to_user_id": str(world.users["mate"])}
    url, headers = f"/v1/users/{world.users['agent']}/departure", {"Idempotency-Key": uuid4().hex}
    answer = await world.manager.post(url, json=body, headers=headers)
    assert (answer.status_code, answer.json()["notes_redacted"]) == (201, 1)
    assert (await read(world, made, "mate"))["agent_id"] == str(world.users["mate"])
    assert {task["customer"]["id"] for task in await owed(world, "mate")} == {one["id"], own["id"]}
    left = "SELECT count(*) FROM introductions WHERE org_id = $1 AND agent_id = $2"
    assert await world.db.fetchval(left, world.org_id, world.users["agent"]) == 0
    task = UUID(next(task["id"] for task in await owed(world, "mate") if task["customer"]["id"] == one["id"]))
    assert (await told(world, "mate"))[task] == ("tasks", False)
    assert (await told(world, "mate"))[UUID(made["id"])] == ("introductions", False)


async def test_transfer_and_thanks_at_once_leave_the_task_with_the_new_agent(world: World) -> None:
    for _ in range(5):
        one, other = await pair(world)
        made = await introduce(world.agent, one, other)
        body = {"to_user_id": str(world.users["mate"])}
        await asyncio.gather(
            go_on(world.manager, made, "introduced"),
            world.manager.post(f"/v1/customers/{one['id']}/transfer", json=body),
        )
        rows = await world.db.fetch(
            "SELECT t.owner_id FROM tasks t WHERE t.org_id = $1 AND t.subject_id = $2",
            world.org_id,
            UUID(made["id"]),
        )
        assert {row["owner_id"] for row in rows} <= {world.users["mate"]}
