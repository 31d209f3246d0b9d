"""Recorded contacts of a relationship, and the settings by which they make it strong."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app import db, deps
from app.config import Settings
from app.models.organizations import WEIGHTS
from app.services import influences, relationships_strengths, shadow_contacts_clock
from tests.factories import World, create_customer, create_service_team, if_match
from tests.queued import carry_out, empty_queue, waiting
from tests.shadows import age, known, place
from tests.test_strength import ROUNDED, computed
from tests.ties import Json, pair, relate, url

__all__ = ["empty_queue"]


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


def ago(days: int) -> str:
    return (shadow_contacts_clock.today() - timedelta(days=days)).isoformat()


async def meet(world: World, one: Json, made: Json, kind: str = "meal", days: int = 0, **over: Any) -> Json:
    body = {"kind": kind, "occurred_on": ago(days), **over}
    answer = await world.agent.post(url(one, made["id"], "interactions"), json=body)
    assert answer.status_code == 201, answer.text
    recorded: Json = answer.json()
    return recorded


async def change(world: World, **members: Any) -> None:
    path = f"/v1/organizations/{world.org_id}"
    version = (await world.admin.get(path)).headers["etag"]
    answer = await world.admin.patch(path, json=members, headers={"If-Match": version})
    assert answer.status_code == 200, answer.text


# --- through the API -----------------------------------------------------------------------------------------------


async def test_recorded_contacts_strengthen_at_once(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, "friend", strength=0.2)
    recorded = await meet(world, one, made, "meal", 3)
    assert (recorded["kind"], recorded["occurred_on"]) == ("meal", ago(3))
    assert (recorded["relationship_id"], recorded["recorded_by"]) == (made["id"], str(world.users["agent"]))
    place = url(one, made["id"], "interactions", recorded["id"])
    assert (await world.agent.get(place)).json() == recorded
    await meet(world, other, made, "introduction", 0)  # from either end
    seen = (await world.agent.get(url(one, made["id"]))).json()
    expected = computed([("meal", 3), ("introduction", 0)])
    assert expected is not None
    assert abs(seen["computed_strength"] - expected) <= ROUNDED
    assert (seen["strength"], seen["declared_strength"]) == (seen["computed_strength"], 0.2)
    assert (seen["last_interaction_on"], seen["version"]) == (ago(0), 3)
    listed = (await world.agent.get(url(other, made["id"], "interactions"))).json()["items"]
    assert [item["kind"] for item in listed] == ["introduction", "meal"]


async def test_old_contact_moves_neither_the_last_day_nor_what_was_declared(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, "friend", strength=0.9)
    await meet(world, one, made, "call", 1)
    await meet(world, one, made, "call", 4000)
    seen = (await world.agent.get(url(one, made["id"]))).json()
    assert (seen["strength"], seen["last_interaction_on"]) == (0.9, ago(1))


async def test_contact_taken_back_does_not_count(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, "friend", strength=0.2)
    recorded = await meet(world, one, made)
    path = url(one, made["id"], "interactions", recorded["id"])
    assert (await world.agent.delete(path)).status_code == 204
    seen = (await world.agent.get(url(one, made["id"]))).json()
    assert (seen["strength"], seen["computed_strength"], seen["last_interaction_on"]) == (0.2, None, None)
    assert (await world.agent.get(path)).status_code == 410
    assert (await world.agent.delete(path)).status_code == 410
    assert (await world.agent.get(url(one, made["id"], "interactions"))).json()["items"] == []


async def test_phone_sends_twice_and_it_counts_once(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, "friend")
    path, body = url(one, made["id"], "interactions"), {"id": str(uuid7()), "kind": "call", "occurred_on": ago(2)}
    answers = [await world.agent.post(path, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["location"] == f"{path}/{body['id']}"
    taken = await world.agent.post(path, json={**body, "kind": "meal"})
    assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")
    again = await relate(world.agent, one, other, "ally")
    elsewhere = await world.agent.post(url(one, again["id"], "interactions"), json=body)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "id_taken")
    assert len((await world.agent.get(path)).json()["items"]) == 1
    await world.agent.delete(f"{path}/{body['id']}")
    assert (await world.agent.post(path, json=body)).status_code == 410


@pytest.mark.parametrize(
    ("change_of_body", "code"),
    [
        ({"occurred_on": (date(2999, 1, 1)).isoformat()}, "in_future"),
        ({"occurred_on": "1899-12-31"}, "out_of_range"),
        ({"kind": "letter"}, "choice"),
        ({"occurred_on": "yesterday"}, "pattern"),
        ({"note": "x"}, "unknown"),
    ],
)
async def test_create_refuses(world: World, change_of_body: Json, code: str) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    body = {"kind": "call", "occurred_on": ago(0), **change_of_body}
    answer = await world.agent.post(url(one, made["id"], "interactions"), json=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)


async def test_contact_is_seen_with_both_ends_only(world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(world.mate)
    made = await relate(world.manager, mine, theirs, "partner")
    path = url(mine, made["id"], "interactions")
    body = {"kind": "business", "occurred_on": ago(1)}
    recorded = (await world.manager.post(path, json=body)).json()
    for name, status in (("agent", 404), ("mate", 404), ("stranger", 404), ("manager", 200), ("auditor", 200)):
        client = getattr(world, name)
        assert (await client.get(path)).status_code == status, name
        assert (await client.get(f"{path}/{recorded['id']}")).status_code == status, name
    assert (await world.agent.post(path, json=body)).status_code == 404
    assert (await world.agent.delete(f"{path}/{recorded['id']}")).status_code == 404
    assert (await world.auditor.post(path, json=body)).status_code == 403


async def test_service_team_records_contacts_of_customers_it_shares(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    one, other = await pair(world)
    for customer in (one, other):
        await world.agent.patch(
            f"/v1/customers/{customer['id']}", json={"service_team_id": team}, headers=if_match(customer)
        )
    made = await relate(world.agent, one, other)
    path = url(one, made["id"], "interactions")
    assert (await world.stranger.post(path, json={"kind": "call", "occurred_on": ago(0)})).status_code == 201


async def test_deleted_relationship_or_customer_takes_its_contacts_out_of_sight(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    recorded = await meet(world, one, made)
    path = url(one, made["id"], "interactions")
    await world.agent.delete(f"/v1/customers/{other['id']}", headers=if_match(other))
    assert (await world.agent.get(path)).status_code == 404
    assert (await world.agent.get(url(other, made["id"], "interactions"))).status_code == 410
    await world.agent.post(f"/v1/customers/{other['id']}/restore")
    current = (await world.agent.get(url(one, made["id"]))).json()
    await world.agent.delete(url(one, made["id"]), headers=if_match(current))
    for answer in (await world.agent.get(path), await world.agent.get(f"{path}/{recorded['id']}")):
        assert answer.status_code == 410
    assert (await world.agent.post(path, json={"kind": "call", "occurred_on": ago(0)})).status_code == 410


async def test_contact_confirms_a_shadow(world: World) -> None:
    through, shadow = await known(world)
    await age(world, shadow, -10)
    made = (await world.agent.get(url(through))).json()["items"][0]
    await meet(world, through, made)
    assert (await world.agent.get(place(shadow))).json()["keep_until"] == shadow_contacts_clock.latest().isoformat()


async def test_both_phones_hear_and_the_audit_tells_no_person(world: World) -> None:
    mine, theirs = await create_customer(world.agent), await create_customer(world.mate)
    made = await relate(world.manager, mine, theirs, "partner")
    last = "SELECT max(seq) FROM feed WHERE collection = 'relationships' AND id = $1"
    before = await world.db.fetchval(last, UUID(made["id"]))
    path = url(mine, made["id"], "interactions")
    recorded = (await world.manager.post(path, json={"kind": "gift", "occurred_on": ago(1)})).json()
    told = await world.db.fetch("SELECT scope, seq FROM feed WHERE id = $1", UUID(made["id"]))
    assert {row["scope"] for row in told} == {world.users["agent"], world.users["mate"]}
    assert all(row["seq"] > before for row in told)
    await world.manager.delete(f"{path}/{recorded['id']}")
    events = await world.db.fetch(
        "SELECT action FROM audit_events WHERE object_id = $1 ORDER BY at", UUID(recorded["id"])
    )
    assert [row["action"] for row in events] == ["relationship_interaction.created", "relationship_interaction.deleted"]


# --- settings of the organisation ----------------------------------------------------------------------------------


async def test_settings_of_strength_are_told_and_checked(world: World) -> None:
    path = f"/v1/organizations/{world.org_id}"
    found = (await world.agent.get(path)).json()
    assert (found["strength_rule"], found["strength_half_life_days"]) == ("max", 180)
    assert found["interaction_weights"] == WEIGHTS
    for wrong in (
        {"strength_rule": "min"}, {"strength_half_life_days": 6}, {"strength_half_life_days": 3651},
        {"interaction_weights": {"meal": 1}}, {"interaction_weights": {**WEIGHTS, "meal": 3.01}},
        {"interaction_weights": {**WEIGHTS, "meal": 0.001}}, {"interaction_weights": {**WEIGHTS, "letter": 1}},
        {"interaction_weights": {**WEIGHTS, "meal": -0.01}}, {"interaction_weights": None},
    ):  # fmt: skip
        answer = await world.admin.patch(path, json=wrong, headers={"If-Match": '"1"'})
        assert answer.status_code == 422, wrong


async def test_changed_settings_count_at_once(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, "friend", strength=0.3)
    plain = await relate(world.agent, one, other, "ally", strength=0.3)
    history = [("meal", 10), ("call", 100)]
    for kind, days in history:
        await meet(world, one, made, kind, days)
    version = (await world.agent.get(url(one, made["id"]))).json()["version"]

    async def seen() -> Json:
        found: Json = (await world.agent.get(url(one, made["id"]))).json()
        return found

    weights = {**WEIGHTS, "meal": 2.5}
    await change(world, interaction_weights=weights, strength_half_life_days=30)
    expected = computed(history, half_life=30, weights=weights)
    assert expected is not None
    assert abs((await seen())["computed_strength"] - expected) <= ROUNDED
    await change(world, strength_rule="declared")
    assert (await seen())["strength"] == 0.3
    await change(world, strength_rule="computed")
    assert (await seen())["strength"] == (await seen())["computed_strength"]
    # It is no change of anybody's: what a phone is about to change is not stale.
    assert (await seen())["version"] == version
    assert (await world.agent.get(url(one, plain["id"]))).json()["strength"] == 0.3


@pytest.mark.usefixtures("queue")
async def test_too_many_ties_are_left_to_a_job_that_does_the_same(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relationships_strengths, "BATCH", 2)
    one, other = await pair(world)
    ties = [await relate(world.agent, one, other, way) for way in ("friend", "ally", "relative")]
    for made in ties:
        await meet(world, one, made, days=1)

    async def seen() -> list[Json]:
        return [(await world.agent.get(url(one, made["id"]))).json() for made in ties]

    async def told() -> list[Any]:
        feed = "SELECT * FROM feed WHERE org_id = $1 AND collection = 'relationships'"
        return [tuple(row) for row in await world.db.fetch(feed, world.org_id)]

    before, news = await seen(), await told()
    monkeypatch.setattr(relationships_strengths, "MAX_AT_ONCE", 2)
    # By less than the nightly job would write.
    await change(world, interaction_weights={**WEIGHTS, "meal": 0.63})
    assert (await seen(), before[0]["computed_strength"]) == (before, 0.45)
    await change(world, strength_half_life_days=181)
    assert await waiting(world.db) == [("reckon_strengths", {"org_id": str(world.org_id)})]
    await carry_out(settings)
    assert [tie["computed_strength"] for tie in await seen()] == [0.466] * 3
    assert [tie["version"] for tie in await seen()] == [tie["version"] for tie in before]
    assert await told() == news
    monkeypatch.setattr(relationships_strengths, "MAX_AT_ONCE", 3)
    await change(world, interaction_weights={**WEIGHTS, "meal": 3.0})
    assert [tie["computed_strength"] for tie in await seen()] == [0.95] * 3
    assert await waiting(world.db) == []


async def test_job_for_the_left_and_the_one_of_the_night_never_run_at_once(world: World, settings: Settings) -> None:
    async with db.transaction(world.org_id) as session:
        for task in ("reckon_strengths", "refresh_strengths"):
            await influences.defer(session, task, 10, beside="refresh_strengths")
        rows = await db.raw(session).fetch(
            "SELECT lock, queueing_lock FROM procrastinate.procrastinate_jobs WHERE args ->> 'org_id' = $1 ORDER BY id",
            str(world.org_id),
        )
        await session.rollback()
    assert [tuple(row) for row in rows] == [
        (f"refresh_strengths:{world.org_id}", f"{task}_strengths:{world.org_id}") for task in ("reckon", "refresh")
    ]
