"""What is kept no longer goes, what a law keeps stays; and the commands about personal data."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from uuid_utils.compat import uuid7

from app import retention
from app.config import Settings
from tests.commands import Run, fails, runner
from tests.factories import World, create_customer, if_match
from tests.rights import carried_out, url
from tests.ties import Json, relate


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(settings, capsys)


async def deleted(world: World, days: int, **over: Any) -> Json:
    customer = await create_customer(world.agent, **over)
    await world.agent.delete(f"/v1/customers/{customer['id']}", headers=if_match(customer))
    await world.db.execute(
        "UPDATE customers SET deleted_at = now() - make_interval(days => $2) WHERE id = $1", UUID(customer["id"]), days
    )
    return customer


async def hold(world: World, customer: Json, until: str | None = None) -> None:
    await world.db.execute(
        "INSERT INTO legal_holds (org_id, id, customer_id, law, reason, until) "
        "VALUES ($1, $2, $3, 'dispute', 'claim', $4::text::date)",
        world.org_id, uuid7(), UUID(customer["id"]), until,
    )  # fmt: skip


async def row(world: World, customer: Json) -> dict[str, Any]:
    return dict(await world.db.fetchrow("SELECT * FROM customers WHERE id = $1", UUID(customer["id"])))


async def test_customer_deleted_a_month_ago_is_erased_unless_a_law_keeps_him(world: World) -> None:
    late, in_time = await deleted(world, 31), await deleted(world, 29)
    kept = await deleted(world, 31)
    await hold(world, kept)
    await retention.run(world.db, is_dry=True, only=[world.org_id])
    assert (await row(world, late))["name"] == "王永庆"
    await retention.run(world.db, only=[world.org_id])
    assert (await row(world, late))["erased_at"] is not None
    assert (await row(world, late))["name"] == "已删除"
    assert (await row(world, in_time))["name"] == "王永庆"
    held = await row(world, kept)
    assert (held["name"], held["restriction"], held["restricted_until"]) == ("王永庆", "legal_hold", None)
    proof = await world.db.fetchrow("SELECT * FROM erasures WHERE customer_id = $1", UUID(late["id"]))
    assert (proof["basis"], proof["decided_by"]) == ("deleted", None)
    events = (await world.admin.get("/v1/audit-events", params={"object_id": late["id"]})).json()["items"]
    assert "customer.erased" in {event["action"] for event in events}


async def test_hold_that_ended_erases_and_a_longer_one_moves_the_day(world: World) -> None:
    over, longer = await create_customer(world.agent), await create_customer(world.agent)
    for customer in (over, longer):
        await hold(world, customer, "2090-01-01")
        assert (await carried_out(world, customer, "erasure"))["outcome_until"] == "2090-01-01"
    await hold(world, longer, "2095-05-05")
    await world.db.execute("UPDATE legal_holds SET until = '2020-01-01' WHERE customer_id = $1", UUID(over["id"]))
    await retention.run(world.db, only=[world.org_id])
    assert (await row(world, over))["erased_at"] is not None
    assert str((await row(world, longer))["restricted_until"]) == "2095-05-05"


async def test_old_tombstones_drafts_and_short_forms_go(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent)
    kept = await create_customer(world.agent)
    await hold(world, kept)
    gone, stays = await relate(world.agent, customer, other), await relate(world.agent, customer, kept)
    for tie in (gone, stays):
        await world.db.execute(
            "UPDATE relationships SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(tie["id"])
        )
        await world.db.execute(
            "INSERT INTO relationship_interactions (org_id, id, relationship_id, kind, occurred_on, recorded_by, "
            "created_digest) VALUES ($1, $2, $3, 'call', '2026-01-01', $4, '\\x00')",
            world.org_id, uuid7(), UUID(tie["id"]), world.users["agent"],
        )  # fmt: skip
    made = {}
    for name, form, status, age in (
        ("old draft", "needs.fact_find", "draft", 400),
        ("new draft", "needs.fact_find", "draft", 300),
        ("old visit", "service.satisfaction", "completed", 400),
        ("new visit", "service.satisfaction", "completed", 300),
        ("old facts", "needs.fact_find", "completed", 400),
    ):
        made[name] = uuid7()
        await world.db.execute(
            "INSERT INTO form_responses (org_id, id, customer_id, form_key, form_version, content_hash, status, "
            "recorded_by, created_digest, updated_at, completed_at, answered_on) "
            "VALUES ($1, $2, $3, $4, '1.0.0', '', $5, "
            "$6, '\\x00', now() - make_interval(days => $7), CASE WHEN $5 = 'completed' THEN now() END, "
            "(now() - make_interval(days => $7))::date)",
            world.org_id, made[name], UUID(customer["id"]), form, status, world.users["agent"], age,
        )  # fmt: skip
    found = await retention.run(world.db, only=[world.org_id])
    left = {row["id"] for row in await world.db.fetch("SELECT id FROM form_responses WHERE org_id = $1", world.org_id)}
    assert {name for name, one in made.items() if one in left} == {"new draft", "new visit", "old facts"}
    ties = {row["id"] for row in await world.db.fetch("SELECT id FROM relationships WHERE org_id = $1", world.org_id)}
    assert ties == {UUID(stays["id"])}
    meetings = "SELECT count(*) FROM relationship_interactions WHERE org_id = $1"
    assert await world.db.fetchval(meetings, world.org_id) == 1
    held = ("relationship_interactions", "tombstones")
    assert next(one.held for one in found if (one.table, one.name) == held) >= 1


async def test_dry_run_prints_table_and_rule_and_changes_nothing(run: Run, world: World) -> None:
    late = await deleted(world, 31)
    said = await run("retention", "--dry-run", "--org", world.code)
    assert said.status == 0, said.err
    assert "customers | deleted: " in said.out
    assert "would go" in said.out
    assert (await row(world, late))["erased_at"] is None
    assert (await run("retention", "--org", world.code)).status == 0
    assert (await row(world, late))["erased_at"] is not None


async def test_erasure_list_is_written_and_replayed(run: Run, world: World, tmp_path: Path) -> None:
    customer = await create_customer(world.agent)
    await carried_out(world, customer, "erasure")
    path = tmp_path / "erasures.jsonl"
    said = await run("erasures", "export", str(path))
    assert said.status == 0, said.err
    entry = next(
        one for line in path.read_bytes().splitlines() if (one := orjson.loads(line))["customer_id"] == customer["id"]
    )
    assert set(entry) == {"org_id", "id", "customer_id", "basis", "rights_request_id", "decided_by", "erased_at"}
    again = await run("erasures", "replay", str(path))
    assert (again.status, again.out[:5]) == (0, "0 of ")
    path.write_text('{"org_id": "x"}\n')
    fails(await run("erasures", "replay", str(path)), "erasure list")
    fails(await run("erasures", "replay", str(tmp_path / uuid4().hex)), "erasure list")


async def test_inventory_is_what_the_committed_files_say(run: Run) -> None:
    assert (await run("inventory", "--check")).status == 0


async def test_what_is_still_in_force_outlives_the_three_years_of_its_request(world: World) -> None:
    customer, restricted = await create_customer(world.agent), await create_customer(world.agent)
    objection = await carried_out(world, customer, "objection", purpose="proactive_contact")
    restriction = await carried_out(world, restricted, "restriction")
    told = await carried_out(world, customer, "access")
    await world.db.execute(
        "UPDATE rights_requests SET decided_at = now() - interval '4 years' WHERE org_id = $1", world.org_id
    )
    await retention.run(world.db, only=[world.org_id])
    left = await world.db.fetch("SELECT id FROM rights_requests WHERE org_id = $1", world.org_id)
    assert {str(one["id"]) for one in left} == {objection["id"], restriction["id"]}
    assert told["id"] not in {str(one["id"]) for one in left}
    answer = await world.manager.post(url(restricted, restriction, "reopen"), headers=if_match(restriction))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "lifted")
