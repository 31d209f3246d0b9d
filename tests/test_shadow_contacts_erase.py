"""What a shadow contact may ask for himself: to be erased, and to be told what is known of him. And the sweep."""

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app import deps, sweep
from app.config import Settings
from app.services.shadow_contacts_erase import NEUTRAL
from tests.factories import World, create_customer, if_match
from tests.shadows import CONTACTS, age, know, known, place, stored
from tests.ties import Json, introduce, relate, url
from tests.traces import unknown

SECRET = ("陈建国", "chenjianguo", "大哥", "欠钱")


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


# --- erasing -------------------------------------------------------------------------------------------------------


async def rich(world: World) -> tuple[Json, Json, Json, Json]:
    """A contact with two ties and a deleted one, notes, roles, a meal; his customer, the other one, the second tie."""
    through, made = await known(world, relation={"role": "大哥"})
    other = await create_customer(world.agent, name="李雷")
    tie = await relate(world.agent, made, other, "friend", role="大哥", inverse_role="大哥", note="欠钱")
    meal = {"kind": "meal", "occurred_on": "2026-01-05"}
    assert (await world.agent.post(url(made, tie["id"], "interactions"), json=meal)).status_code == 201
    deleted = await relate(world.agent, made, other, "ally", note="欠钱", role="大哥")
    await world.agent.delete(url(made, deleted["id"]), headers=if_match(deleted))
    return through, made, other, tie


async def held_of(world: World) -> str:
    """Everything the database holds of the organisation, as text: what is erased may stand nowhere."""
    tables = await world.db.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'org_id'")
    parts = []
    for (table,) in tables:
        found = f"SELECT string_agg(t::text, '|') FROM {table} t WHERE org_id = $1"
        parts.append(await world.db.fetchval(found, world.org_id) or "")
    return "\n".join(parts)


async def test_erasing_leaves_no_name_note_or_role_anywhere(world: World) -> None:
    through, made, _, _ = await rich(world)
    again = {"Idempotency-Key": "kept"}
    body = {
        "name": "陈建国",
        "party_type": "individual",
        "known_through_id": through["id"],
        "relation": {"type": "friend"},
    }
    twin = (await world.agent.post(CONTACTS, json=body, headers=again)).json()
    await world.db.execute(
        "INSERT INTO coverage_answers (org_id, id, customer_id, direction, asked_on, recorded_by) "
        "VALUES ($1, $2, $2, 'friend', '2026-01-05', $3)",
        world.org_id, UUID(made["id"]), world.users["agent"],
    )  # fmt: skip
    await world.db.execute(
        "INSERT INTO recommendation_dismissals (org_id, user_id, customer_id, reason) VALUES ($1, $2, $3, 'not_now')",
        world.org_id, world.users["agent"], UUID(made["id"]),
    )  # fmt: skip
    before = await held_of(world)
    assert [word for word in SECRET if word not in before] == ["欠钱"]  # what is noted is sealed
    for contact in (made, twin):
        version = (await world.agent.get(place(contact))).headers["etag"]
        answer = await world.agent.delete(place(contact), headers={"If-Match": version})
        assert answer.status_code == 204
    for left in ("coverage_answers WHERE deleted_at IS NULL AND", "recommendation_dismissals WHERE"):
        assert await world.db.fetchval(f"SELECT count(*) FROM {left} org_id = $1", world.org_id) == 0
    kept = "SELECT count(*) FROM idempotency_keys WHERE org_id = $1"
    assert await world.db.fetchval(kept, world.org_id) == 0  # sealed, and yet
    text = await held_of(world)
    assert [word for word in SECRET if word in text] == []
    row = await stored(world, made)
    assert (row["name"], row["search_text"], row["name_key"], row["gender"]) == (NEUTRAL, "", "", None)
    ties = await world.db.fetch(
        "SELECT * FROM relationships WHERE org_id = $1 AND $2 IN (left_id, right_id)", world.org_id, UUID(made["id"])
    )
    assert len(ties) == 3
    for one in ties:
        assert (one["note_enc"], one["left_role"], one["right_role"], one["author_id"]) == (None, None, None, None)
        assert one["deleted_at"] is not None
        assert one["is_dangling"]
    interactions = "SELECT bool_and(deleted_at IS NOT NULL) FROM relationship_interactions WHERE org_id = $1"
    assert await world.db.fetchval(interactions, world.org_id)


async def test_nothing_of_an_erased_contact_can_be_read_or_restored(world: World) -> None:
    through, made, other, tie = await rich(world)
    await world.agent.delete(place(made), headers={"If-Match": (await world.agent.get(place(made))).headers["etag"]})
    for path in (place(made), place(made, "export"), url(made), url(made, tie["id"]), url(other, tie["id"]),
                 f"/v1/customers/{made['id']}", f"/v1/customers/{made['id']}/network",
                 url(made, tie["id"], "interactions")):  # fmt: skip
        assert (await world.agent.get(path)).status_code == 404, path
    for path in (f"/v1/customers/{made['id']}/restore", url(made, tie["id"], "restore"),
                 url(other, tie["id"], "restore"), place(made, "promote")):  # fmt: skip
        answer = await world.agent.post(path, json={} if path.endswith("promote") else None)
        assert answer.status_code == 404, path
    assert (await world.agent.delete(place(made), headers=if_match(made))).status_code == 404
    assert (await world.agent.patch(place(made), json={}, headers=if_match(made))).status_code == 404
    assert made["id"] not in (await world.agent.get(f"/v1/customers/{through['id']}/network")).text
    assert (await world.agent.get(url(through))).json()["items"] == []
    refused = await world.agent.post(url(through), json={"other_id": made["id"], "direction": "friend"})
    assert refused.status_code == 422


async def test_erased_contact_is_told_to_the_phones_and_to_the_audit_without_his_name(world: World) -> None:
    _, made, _, tie = await rich(world)
    await world.agent.delete(place(made), headers={"If-Match": (await world.agent.get(place(made))).headers["etag"]})
    for collection, row_id in (("customers", made["id"]), ("relationships", tie["id"])):
        told = "SELECT removed FROM feed WHERE collection = $1 AND id = $2 AND scope = $3"
        assert await world.db.fetchval(told, collection, UUID(row_id), world.users["agent"]), collection
    event = await world.db.fetchrow(
        "SELECT * FROM audit_events WHERE action = 'shadow_contact.erased' AND object_id = $1", UUID(made["id"])
    )
    assert (event["actor_id"], json.loads(event["detail"])) == (world.users["agent"], {"reason": "asked", "ties": 3})


async def test_retry_of_the_creation_does_not_bring_him_back(world: World) -> None:
    through = await create_customer(world.agent)
    body = {
        "id": unknown("x")["x"], "name": "陈建国", "party_type": "individual", "known_through_id": through["id"],
        "relation": {"type": "sibling"},
    }  # fmt: skip
    key = {"Idempotency-Key": "kept"}
    made = (await world.agent.post(CONTACTS, json=body, headers=key)).json()
    await world.agent.delete(place(made), headers=if_match(made))
    for headers in (key, {}):
        answer = await world.agent.post(CONTACTS, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")


async def test_erasing_needs_the_version(world: World) -> None:
    _, made = await known(world)
    assert (await world.agent.delete(place(made))).status_code == 428
    assert (await world.agent.delete(place(made), headers={"If-Match": '"7"'})).status_code == 412


async def test_name_of_another_stays_when_one_is_erased(world: World) -> None:
    through, made = await known(world)
    second = await know(world.agent, through, "陈小妹")
    between = await relate(world.agent, made, second, "friend", note="一起长大")
    await world.agent.delete(place(made), headers={"If-Match": (await world.agent.get(place(made))).headers["etag"]})
    seen = (await world.agent.get(place(second))).json()
    assert (seen["name"], [tie["other"]["id"] for tie in seen["relations"]]) == ("陈小妹", [through["id"]])
    assert (await world.agent.get(url(second, between["id"]))).status_code == 404


# --- the sweep -----------------------------------------------------------------------------------------------------


async def test_sweep_erases_whose_time_is_up_and_nobody_else(world: World) -> None:
    through, late = await known(world, name="过期的")
    last_day, promoted = await know(world.agent, through, "最后一天"), await know(world.agent, through, "转正的")
    await world.agent.post(place(promoted, "promote"), json={})
    await age(world, late, 1)
    await age(world, last_day, 0)
    assert (await sweep.count(world.db))["shadow_contacts"] >= 1
    assert (await world.agent.get(place(late))).status_code == 200  # counting is not erasing
    assert (await sweep.sweep(world.db))["shadow_contacts"] >= 1
    assert (await world.agent.get(place(late))).status_code == 404
    assert (await world.agent.get(place(last_day))).status_code == 200
    assert (await world.agent.get(f"/v1/customers/{promoted['id']}")).status_code == 200
    assert "过期的" not in await held_of(world)
    ties = (await world.agent.get(url(through))).json()["items"]
    assert {tie["other"]["id"] for tie in ties} == {last_day["id"], promoted["id"]}
    event = await world.db.fetchrow(
        "SELECT * FROM audit_events WHERE action = 'shadow_contact.erased' AND object_id = $1", UUID(late["id"])
    )
    assert (event["actor_id"], event["actor_kind"], json.loads(event["detail"])) == (
        None, "system", {"reason": "expired"},
    )  # fmt: skip
    feed = "SELECT count(*) FROM feed WHERE org_id = $1 AND scope = $2 AND removed"
    assert await world.db.fetchval(feed, world.org_id, world.users["agent"]) == 2  # he, and his tie


async def test_sweep_works_in_small_bites_and_ends(world: World) -> None:
    through = await create_customer(world.agent)
    for n in "一二三四五六七":
        await age(world, await know(world.agent, through, f"陈{n}"), 5)
    before = (await sweep.count(world.db))["shadow_contacts"]
    assert before >= 7
    assert (await sweep.sweep(world.db, batch=3))["shadow_contacts"] == before
    assert (await world.agent.get(CONTACTS)).json()["items"] == []


async def test_contact_in_somebodys_hands_is_left_for_the_next_sweep(world: World, settings: Settings) -> None:
    through, held = await known(world)
    free = await know(world.agent, through, "另一个")
    for contact in (held, free):
        await age(world, contact, 5)
    assert settings.owner_database_url is not None
    other = await asyncpg.connect(settings.owner_database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM customers WHERE id = $1 FOR UPDATE", UUID(held["id"]))
            async with asyncio.timeout(5):
                await sweep.sweep(world.db)
            assert (await world.agent.get(place(held))).status_code == 200
            assert (await world.agent.get(place(free))).status_code == 404
    finally:
        await other.close()
    await sweep.sweep(world.db)
    assert (await world.agent.get(place(held))).status_code == 404


async def test_tie_and_erasure_at_once_leave_no_tie_to_an_erased_contact(world: World) -> None:
    for turn in range(6):
        _, made = await known(world, name=f"陈{'一二三四五六'[turn]}")
        other = await create_customer(world.agent)
        tied, erased = await asyncio.gather(
            world.agent.post(url(other), json={"other_id": made["id"], "direction": "friend"}),
            world.agent.delete(place(made), headers=if_match(made)),
        )
        assert erased.status_code == 204
        assert tied.status_code in (201, 422)
        living = "SELECT count(*) FROM relationships WHERE $1 IN (left_id, right_id) AND deleted_at IS NULL"
        assert await world.db.fetchval(living, UUID(made["id"])) == 0


# --- what is known of him ------------------------------------------------------------------------------------------


async def test_export_tells_everything_but_the_names_of_others(world: World) -> None:
    through, made, other, _ = await rich(world)
    found = (await world.agent.get(place(made, "export"))).json()
    assert (found["name"], found["known_through"], found["keep_until"]) == ("陈建国", "王永庆", made["keep_until"])
    first, second = found["relationships"]
    assert (first["is_to_known_through"], first["other_name"], first["type"]) == (True, "王永庆", "sibling")
    assert (first["inverse_role"], first["source"], first["confidence"], first["is_noted"]) == (
        "大哥", "observed", 1, False,
    )  # fmt: skip
    assert (second["is_to_known_through"], second["other_name"], second["is_noted"]) == (False, None, True)
    assert (second["recorded_by"], second["role"]) == ("agent", "大哥")
    assert [(one["kind"], one["occurred_on"], one["recorded_by"]) for one in second["interactions"]] == [
        ("meal", "2026-01-05", "agent")
    ]
    assert [event["action"] for event in found["history"]] == ["shadow_contact.created"]
    assert found["withheld"] == 0
    text = json.dumps(found, ensure_ascii=False)
    assert not any(word in text for word in ("李雷", "欠钱", other["id"], through["id"]))


async def test_export_counts_what_the_caller_does_not_see(world: World) -> None:
    _, made = await known(world)
    theirs = await create_customer(world.mate, name="同事的客户")
    await relate(world.manager, made, theirs, "friend", role="密友")
    own, whole = [(await client.get(place(made, "export"))).json() for client in (world.agent, world.manager)]
    assert (len(own["relationships"]), own["withheld"]) == (1, 1)
    assert (len(whole["relationships"]), whole["withheld"]) == (2, 0)
    assert "密友" not in json.dumps(own, ensure_ascii=False)
    assert "同事的客户" not in json.dumps(whole, ensure_ascii=False)


async def test_export_is_on_record(world: World) -> None:
    _, made = await known(world)
    await world.agent.get(place(made, "export"))
    found: Any = (await world.agent.get(place(made, "export"))).json()
    assert [event["action"] for event in found["history"]] == ["shadow_contact.exported", "shadow_contact.created"]
    assert {event["by"] for event in found["history"]} == {"agent"}
    for name, status in (("mate", 404), ("auditor", 403)):
        assert (await getattr(world, name).get(place(made, "export"))).status_code == status


async def test_introductions_to_an_erased_contact_and_their_tasks_go_with_it(world: World) -> None:
    through, made = await known(world)
    asked = await introduce(world.agent, through, made, "introduced", note="欠钱的那位")
    (task,) = (await world.agent.get("/v1/tasks")).json()["items"]
    current = (await world.agent.get(f"/v1/shadow-contacts/{made['id']}")).headers["etag"]
    gone = await world.agent.delete(f"/v1/shadow-contacts/{made['id']}", headers={"If-Match": current})
    assert gone.status_code == 204
    assert "欠钱的那位" not in await held_of(world)
    assert (await world.agent.get(f"/v1/introductions/{asked['id']}")).status_code == 404
    assert (await world.agent.post(f"/v1/introductions/{asked['id']}/restore")).status_code == 404
    assert (await world.agent.get(f"/v1/tasks/{task['id']}")).status_code == 410
    assert (await world.agent.get("/v1/introductions")).json()["items"] == []
    told = await world.db.fetch(
        "SELECT collection FROM feed WHERE org_id = $1 AND id = ANY($2::uuid[]) AND removed",
        world.org_id, [UUID(asked["id"]), UUID(task["id"])],
    )  # fmt: skip
    assert {row["collection"] for row in told} == {"introductions", "tasks"}
