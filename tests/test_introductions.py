"""Introductions: asked for, gone on with step by step, declined, taken up again; seen by who sees both ends."""

import asyncio
from datetime import date, timedelta
from random import Random
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.domain.introductions import STEPS
from app.models.base import china_today
from tests.factories import World, create_customer, if_match
from tests.test_offline import assert_carried_out_once, sent_at_once
from tests.ties import Json, go_on, introduce, pair, relate

ALL = (*STEPS, "declined")


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


def day(ago: int) -> str:
    return (china_today() - timedelta(days=ago)).isoformat()


async def shadow(world: World, through: Json) -> Json:
    """Somebody the agent knows only through a customer."""
    made = uuid7()
    await world.db.execute(
        "INSERT INTO customers (org_id, id, owner_id, party_type, stage, name, name_key, search_text, created_digest, "
        "is_shadow, known_through_id, keep_until) "
        "VALUES ($1, $2, $3, 'individual', 'contact', '影子', 'k', 's', '', true, $4, current_date + 30)",
        world.org_id,
        made,
        world.users["agent"],
        UUID(through["id"]),
    )
    return {"id": str(made)}


async def read(world: World, introduction: Json, name: str = "agent") -> Json:
    answer = await getattr(world, name).get(f"/v1/introductions/{introduction['id']}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def tasks_of(world: World, introduction: Json) -> list[tuple[str, date]]:
    rows = await world.db.fetch(
        "SELECT milestone, due_on FROM tasks WHERE org_id = $1 AND subject_id = $2 AND deleted_at IS NULL ORDER BY id",
        world.org_id,
        UUID(introduction["id"]),
    )
    return [(row["milestone"], row["due_on"]) for row in rows]


def path(introduction: Json, *parts: str) -> str:
    return "/".join([f"/v1/introductions/{introduction['id']}", *parts])


# --- asking ----------------------------------------------------------------------------------------------------


async def test_introduction_begins_asked_today_with_its_first_step(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, note="饭后提起")
    assert (made["status"], made["reached"], made["reason"]) == ("asked", "asked", None)
    assert (made["asked_on"], made["status_on"], made["introduced_on"]) == (day(0), day(0), None)
    assert (made["introducer"]["id"], made["target"]["id"]) == (one["id"], other["id"])
    assert (made["agent_id"], made["note"]) == (str(world.users["agent"]), "饭后提起")
    (step,) = made["steps"]
    assert (step["status"], step["happened_on"], step["recorded_by"]) == ("asked", day(0), str(world.users["agent"]))
    assert await read(world, made) == made


async def test_tie_that_carries_it_must_be_one_between_the_two(world: World) -> None:
    one, other = await pair(world)
    third = await create_customer(world.agent, name="赵三")
    tie, elsewhere = await relate(world.agent, one, other), await relate(world.agent, one, third)
    body = {"introducer_id": other["id"], "target_id": one["id"]}
    for wrong in (elsewhere["id"], str(uuid7())):
        answer = await world.agent.post("/v1/introductions", json={**body, "relationship_id": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/relationship_id")
    assert (await introduce(world.agent, other, one, relationship_id=tie["id"]))["relationship_id"] == tie["id"]


async def test_nobody_introduces_himself_and_no_shadow_introduces(world: World) -> None:
    one, _ = await pair(world)
    known = await shadow(world, one)
    for introducer, target, pointer in (
        (one, one, "/target_id"),
        (known, one, "/introducer_id"),
        ({"id": str(uuid7())}, one, "/introducer_id"),
        (one, {"id": str(uuid7())}, "/target_id"),
    ):
        body = {"introducer_id": introducer["id"], "target_id": target["id"]}
        answer = await world.agent.post("/v1/introductions", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    body = {"introducer_id": one["id"], "target_id": known["id"], "asked_on": day(-1)}
    assert (await world.agent.post("/v1/introductions", json=body)).json()["errors"][0]["code"] == "in_future"


async def test_deleted_customer_is_no_end(world: World) -> None:
    one, other = await pair(world)
    await world.agent.delete(f"/v1/customers/{other['id']}", headers=if_match(other))
    for first, second in ((one, other), (other, one)):
        body = {"introducer_id": first["id"], "target_id": second["id"]}
        assert (await world.agent.post("/v1/introductions", json=body)).status_code == 422


async def test_one_open_introduction_of_the_same_by_the_same(world: World) -> None:
    one, other = await pair(world)
    first = await introduce(world.agent, one, other)
    body = {"introducer_id": one["id"], "target_id": other["id"]}
    again = await world.agent.post("/v1/introductions", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "introduction_exists")
    await introduce(world.manager, one, other)  # another agent asks
    await introduce(world.agent, other, one)  # the other way round
    declined = (await go_on(world.agent, first, "declined")).json()
    second = await introduce(world.agent, one, other)
    for conflicting in (await world.agent.post(path(declined, "reopen")),):
        assert (conflicting.status_code, conflicting.json()["code"]) == (409, "introduction_exists")
    await go_on(world.agent, second, "policy")
    assert (await world.agent.post(path(declined, "reopen"))).json()["status"] == "asked"
    third = await world.agent.post("/v1/introductions", json=body)
    assert third.status_code == 409


async def test_introduction_sent_many_times_at_once_is_stored_once(world: World) -> None:
    one, other = await pair(world)
    body = {"id": str(uuid7()), "introducer_id": one["id"], "target_id": other["id"]}
    assert_carried_out_once(await sent_at_once(world.agent, "/v1/introductions", body))
    steps = "SELECT count(*) FROM introduction_steps WHERE org_id = $1"
    assert await world.db.fetchval(steps, world.org_id) == 1
    other_body = await world.agent.post("/v1/introductions", json={**body, "note": "x"})
    assert (other_body.status_code, other_body.json()["code"]) == (409, "id_taken")


async def test_late_repeat_is_answered_with_what_became_of_it(world: World) -> None:
    one, other = await pair(world)
    body = {"id": str(uuid7()), "introducer_id": one["id"], "target_id": other["id"]}
    made = (await world.agent.post("/v1/introductions", json=body)).json()
    met = (await go_on(world.agent, made, "met")).json()
    repeated = await world.agent.post("/v1/introductions", json=body)
    assert (repeated.status_code, repeated.json()) == (200, met)
    await world.agent.delete(path(met), headers=if_match(met))
    assert (await world.agent.post("/v1/introductions", json=body)).status_code == 410


# --- going on --------------------------------------------------------------------------------------------------


async def test_history_is_kept_step_by_step(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, asked_on=day(9))
    for ago, step in ((8, "agreed"), (5, "met"), (5, "declined")):
        made = (await go_on(world.agent, made, step, happened_on=day(ago))).json()
    made = (await world.manager.post(path(made, "reopen"))).json()
    made = (await go_on(world.agent, made, "policy")).json()
    told = [(step["status"], step["happened_on"], step["reason"]) for step in made["steps"]]
    assert told == [
        ("asked", day(9), None), ("agreed", day(8), None), ("met", day(5), None), ("declined", day(5), "no_need"),
        ("met", day(0), None), ("policy", day(0), None),
    ]  # fmt: skip
    assert (made["introduced_on"], made["status_on"], made["version"]) == (day(5), day(0), 6)
    assert made["steps"][4]["recorded_by"] == str(world.users["manager"])


async def test_step_has_a_day_neither_to_come_nor_before_the_last(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, asked_on=day(3))
    for happened_on, code in ((day(-1), "in_future"), (day(4), "before_last_step")):
        answer = await go_on(world.agent, made, "agreed", happened_on=happened_on)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    assert (await read(world, made))["version"] == 1


async def test_days_before_1900_are_refused(world: World) -> None:
    """As those of observations and contacts: what lies before is a slip of the finger."""
    one, other = await pair(world)
    body = {"introducer_id": one["id"], "target_id": other["id"], "asked_on": "1899-12-31"}
    answer = await world.agent.post("/v1/introductions", json=body)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/asked_on", "out_of_range")]
    made = await introduce(world.agent, one, other, asked_on="1900-01-01")
    answer = await go_on(world.agent, made, "agreed", happened_on="1899-12-31")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/happened_on", "out_of_range")]
    assert (await go_on(world.agent, made, "agreed", happened_on="1900-01-01")).status_code == 200


async def test_reason_comes_with_a_decline_and_only_then(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    wrong: list[tuple[Json, str]] = [
        ({"status": "declined"}, "missing"),
        ({"status": "met", "reason": "not_now"}, "reason_without_decline"),
    ]
    for body, code in wrong:
        answer = await world.agent.post(path(made, "advance"), json=body, headers=if_match(made))
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    for member, value in (("status", "asked"), ("reason", "because"), ("happened_on", None)):
        body = {"status": "met", member: value}
        assert (await world.agent.post(path(made, "advance"), json=body, headers=if_match(made))).status_code == 422


async def test_shadow_contact_can_be_met_and_no_tie_is_made(world: World) -> None:
    one, _ = await pair(world)
    known = await shadow(world, one)
    made = await introduce(world.agent, one, known, "introduced", "met")
    assert made["target"]["is_shadow"]
    assert await world.db.fetchval("SELECT count(*) FROM relationships WHERE org_id = $1", world.org_id) == 0


class Model:
    """What an introduction must do, said once more and more slowly."""

    def __init__(self) -> None:
        self.status = self.reached = "asked"
        self.steps = ["asked"]
        self.thanks: list[str] = []

    def may(self, step: str) -> int:
        if self.status == "declined":
            return 409
        if self.status == "policy":
            return 409
        if step == "declined":
            return 200
        return 200 if ALL.index(step) > ALL.index(self.status) else 409

    def go(self, step: str) -> None:
        if step != "declined":
            was, now = ALL.index(self.reached), ALL.index(step)
            if step == "policy":
                self.thanks.append("policy")
            elif was < 2 <= now:
                self.thanks.append("introduced")
            self.reached = step
        self.status = step
        self.steps.append(step)

    def reopen(self) -> None:
        if self.status == "declined":
            self.status = self.reached
            self.steps.append(self.reached)


@pytest.mark.parametrize("seed", range(12))
async def test_random_walk_keeps_the_rules(world: World, seed: int) -> None:
    chance, model = Random(seed), Model()
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    for _ in range(14):
        act = chance.choice([*ALL[1:], "declined", "reopen", "reopen", "stale", "thank"])
        if act == "reopen":
            made = (await world.agent.post(path(made, "reopen"))).json()
            model.reopen()
        elif act == "stale":
            answer = await go_on(world.agent, {**made, "version": made["version"] + 1}, "met")
            assert answer.status_code == 412
        elif act == "thank":  # what is done is not asked for again
            for task in (await world.agent.get("/v1/tasks?state=open")).json()["items"]:
                await world.agent.post(f"/v1/tasks/{task['id']}/complete")
        else:
            answer = await go_on(world.agent, made, act)
            assert answer.status_code == model.may(act), (model.status, act)
            if answer.status_code == 200:
                made = answer.json()
                model.go(act)
        assert (made["status"], made["reached"]) == (model.status, model.reached)
    found = await read(world, made)
    assert [step["status"] for step in found["steps"]] == model.steps
    assert [milestone for milestone, _ in await tasks_of(world, made)] == model.thanks
    assert (found["introduced_on"] is None) == (model.reached in ("asked", "agreed"))


# --- thanks due ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "thanks"),
    [
        (("agreed",), []),
        (("agreed", "introduced"), [("introduced", 3)]),
        (("met",), [("introduced", 3)]),
        (("met", "analysis", "policy"), [("introduced", 3), ("policy", 7)]),
        (("policy",), [("policy", 7)]),
        (("declined",), []),
    ],
)
async def test_thanks_fall_due_at_the_milestones_that_are_passed(
    world: World, steps: tuple[str, ...], thanks: list[tuple[str, int]]
) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, *steps)
    assert await tasks_of(world, made) == [(name, china_today() + timedelta(days=days)) for name, days in thanks]


async def test_thanks_are_owed_from_the_day_it_happened(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, asked_on=day(20))
    await go_on(world.agent, made, "introduced", happened_on=day(2))
    assert await tasks_of(world, made) == [("introduced", china_today() + timedelta(days=1))]


async def test_two_advances_at_once_are_one_step_and_one_task(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    answers = await asyncio.gather(
        *(go_on(client, made, step) for client in (world.agent, world.manager) for step in ("introduced", "met") * 2)
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]
    assert len((await read(world, made))["steps"]) == 2
    assert len(await tasks_of(world, made)) == 1


async def test_repeated_advance_with_its_key_acts_once(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    headers = {**if_match(made), "Idempotency-Key": "k"}
    body = {"status": "introduced"}
    answers = [await world.agent.post(path(made, "advance"), json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(await tasks_of(world, made)) == 1


async def test_failed_advance_leaves_no_task(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other)
    await go_on(world.agent, made, "introduced", happened_on=day(-1))
    assert (await read(world, made))["status"] == "asked"
    assert await tasks_of(world, made) == []


async def test_tags_of_introduction_and_task_follow_the_parties_they_tell_of(world: World) -> None:
    one, other = await pair(world)
    made = await introduce(world.agent, one, other, "introduced")
    (task,) = (await world.agent.get("/v1/tasks")).json()["items"]
    places = (f"/v1/introductions/{made['id']}", f"/v1/tasks/{task['id']}")
    before = [await world.agent.get(place) for place in places]
    for place, answer in zip(places, before, strict=True):
        again = await world.agent.get(place, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304, place
    changed = await world.agent.patch(f"/v1/customers/{one['id']}", json={"name": "韩梅梅"}, headers=if_match(one))
    assert changed.status_code == 200
    for place, answer in zip(places, before, strict=True):
        again = await world.agent.get(place, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.json()["version"]) == (200, answer.json()["version"]), place
        assert "韩梅梅" in again.text, place
    held = {"If-Match": before[0].headers["etag"]}
    assert (await world.agent.patch(places[0], json={"note": "周末"}, headers=held)).status_code == 200
    assert (await world.agent.patch(places[0], json={"note": "周一"}, headers=held)).status_code == 412
