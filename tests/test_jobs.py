"""Background jobs: asked for once, carried out, tried again, and stopped; the night's work of every organisation."""

import asyncio
import hashlib
import importlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import procrastinate
import procrastinate.schema
import pytest
from procrastinate.periodic import PeriodicDeferrer
from uuid_utils.compat import uuid7

from app import access, db, jobs
from app.config import Settings
from app.models.base import china_today
from app.services import relationships_strengths, shadow_contacts_clock, shadow_contacts_erase
from tests import shadows
from tests.factories import World, if_match
from tests.queued import ASKED, carry_out, defer, empty_queue, job_events, waiting
from tests.test_races import wait_for_one
from tests.ties import Json, link, pair, people, relate, tie, url

__all__ = ["empty_queue", "job_events"]
pytestmark = pytest.mark.usefixtures("queue")


async def scored(world: World) -> int:
    found: int = await world.db.fetchval("SELECT count(*) FROM network_scores WHERE org_id = $1", world.org_id)
    return found


# --- asking ----------------------------------------------------------------------------------------------------


async def test_job_waits_once_however_often_it_is_asked_for(world: World) -> None:
    answers = [await world.admin.post(ASKED) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    bodies = [answer.json() for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["computed_at"] is None
    assert (bodies[0]["job"]["name"], bodies[0]["job"]["status"]) == ("refresh_network_scores", "queued")
    assert await waiting(world.db) == [("refresh_network_scores", {"org_id": str(world.org_id)})]


async def test_where_the_answer_points_tells_when_the_job_is_done(world: World, settings: Settings) -> None:
    await people(world, 2)
    key = {"Idempotency-Key": "new-scores"}
    asked, again = [await world.admin.post(ASKED, headers=key) for _ in range(2)]
    assert (asked.headers["location"], again.headers["location"]) == ("/v1/network/influence",) * 2
    assert (await world.admin.get(asked.headers["location"])).json()["computed_at"] is None
    await carry_out(settings)
    computed_at = (await world.admin.get(asked.headers["location"])).json()["computed_at"]
    assert datetime.fromisoformat(computed_at) > datetime.fromisoformat(asked.json()["job"]["queued_at"])
    later = (await world.admin.post(ASKED)).json()
    assert later["computed_at"] == computed_at
    assert datetime.fromisoformat(later["job"]["queued_at"]) > datetime.fromisoformat(computed_at)


async def test_asking_again_brings_what_waits_forward(world: World, settings: Settings) -> None:
    """A job that failed an hour ago, and one of the night, behind everything else."""
    state = "UPDATE procrastinate.procrastinate_jobs SET scheduled_at = now() + interval '1 hour', priority = $1"
    read = "SELECT scheduled_at, priority, attempts FROM procrastinate.procrastinate_jobs"
    first = (await world.admin.post(ASKED)).json()
    for priority, wanted in ((0, 5), (9, 9)):
        await world.db.execute(state, priority)
        answer = await world.admin.post(ASKED)
        assert (answer.status_code, answer.json()) == (202, first)
        assert tuple(await world.db.fetchrow(read)) == (None, wanted, 0)
    await carry_out(settings)
    assert await waiting(world.db) == []


async def test_two_who_ask_at_once_ask_for_one_job(world: World) -> None:
    answers = await asyncio.gather(*(world.admin.post(ASKED) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len(await waiting(world.db)) == 1


async def test_while_one_runs_another_one_may_wait(world: World) -> None:
    await world.admin.post(ASKED)
    await world.db.execute("UPDATE procrastinate.procrastinate_jobs SET status = 'doing'")
    assert (await world.admin.post(ASKED)).json()["job"]["status"] == "queued"
    assert len(await waiting(world.db)) == 1


async def test_nothing_is_asked_for_when_the_request_fails(world: World) -> None:
    assert (await world.agent.post(ASKED)).status_code == 403
    answer = await world.admin.post(ASKED, params={"colour": "red"})
    assert answer.status_code == 422
    assert await waiting(world.db) == []


# --- carrying out ----------------------------------------------------------------------------------------------


async def test_each_organisation_gets_the_scores_of_its_own_network(
    world: World, other_world: World, settings: Settings, events: list[dict[str, Any]]
) -> None:
    ours, theirs = await people(world, 3), await people(other_world, 4)
    await link(world, [tie(ours[0], ours[1]), tie(ours[1], ours[2])])
    await link(other_world, [tie(theirs[0], theirs[n]) for n in (1, 2, 3)])
    await world.admin.post(ASKED)
    await carry_out(settings)
    assert (await scored(world), await scored(other_world)) == (6, 0)  # in the organisation's and the agent's network
    await other_world.admin.post(ASKED)
    await carry_out(settings)
    assert (await scored(world), await scored(other_world)) == (6, 8)
    for place, ids in ((world, ours), (other_world, theirs)):
        rows = await place.db.fetch("SELECT customer_id FROM network_scores WHERE org_id = $1", place.org_id)
        assert {row["customer_id"] for row in rows} == set(ids)
    done = [event for event in events if event["event"] == "job_done"]
    assert [(event["parties"], event["ties"], event["written"], event["deleted"]) for event in done] == [
        (3, 2, 6, 0),
        (4, 3, 8, 0),
    ]
    assert await waiting(world.db) == []
    assert (await world.admin.post(ASKED)).json()["computed_at"] is not None


async def test_failed_job_is_tried_again_later_and_says_nothing_of_anybody(
    world: World,
    settings: Settings,
    events: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await people(world, 2)
    await world.admin.post(ASKED)

    async def crash(dsn: str, org_id: str) -> dict[str, int]:
        raise asyncpg.DataError("invalid input: 王永庆")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_in_a_process", crash)
        for attempt, wait in enumerate((8, 64, 512, 4096), start=1):
            await carry_out(settings)
            job = await world.db.fetchrow(
                "SELECT attempts, scheduled_at - clock_timestamp() AS after, status::text, args "
                "FROM procrastinate.procrastinate_jobs"
            )
            assert (job["attempts"], job["status"]) == (attempt, "todo")
            assert timedelta(seconds=wait - 30) < job["after"] <= timedelta(seconds=wait)
            await world.db.execute("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = NULL")
        await carry_out(settings)
    assert await waiting(world.db) == []
    assert len(await waiting(world.db, "failed")) == 1
    assert [event["event"] for event in events] == ["job_failed"] * 5
    assert events[0]["error"] == "asyncpg.exceptions.DataError"
    assert "王永庆" not in str(events) + caplog.text
    assert caplog.records == []


async def test_job_succeeds_after_a_failure(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await people(world, 2)
    await link(world, [tie(ids[0], ids[1])])
    await world.admin.post(ASKED)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_in_a_process", lambda dsn, org_id: None)  # cannot be awaited
        await carry_out(settings)
    await world.db.execute("UPDATE procrastinate.procrastinate_jobs SET scheduled_at = NULL")
    await carry_out(settings)
    assert await scored(world) == 4
    assert await waiting(world.db) + await waiting(world.db, "failed") == []


async def test_job_of_a_killed_worker_is_tried_again(
    world: World, settings: Settings, events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(dsn: str, org_id: str) -> dict[str, int]:
        return {}

    monkeypatch.setattr(jobs, "_in_a_process", nothing)
    await world.admin.post(ASKED)
    dead = await world.db.fetchval(
        "INSERT INTO procrastinate.procrastinate_workers (last_heartbeat) "
        "VALUES (now() - interval '1 day') RETURNING id"
    )
    stuck = "UPDATE procrastinate.procrastinate_jobs SET status = 'doing', worker_id = $1"
    await world.db.execute(stuck, dead)
    await defer(settings, "rescue", timestamp=0)
    await carry_out(settings)
    assert [event["event"] for event in events] == ["job_rescued", "job_done"]
    assert await waiting(world.db) == []
    # With a successor that waits already, it is only taken away.
    await world.admin.post(ASKED)
    await world.db.execute(stuck, None)
    await world.admin.post(ASKED)
    await defer(settings, "rescue", timestamp=0)
    await carry_out(settings)
    assert [event["event"] for event in events[2:]] == ["job_rescued", "job_done"]
    assert await waiting(world.db, "doing") == []


# --- the night -------------------------------------------------------------------------------------------------


async def test_night_asks_for_the_work_of_every_organisation_once(
    world: World, other_world: World, settings: Settings
) -> None:
    await world.admin.post(ASKED)
    app = jobs.make(settings, is_periodic=False)
    night = app.tasks["night"]
    async with app.open_async():
        for _ in range(2):
            await night.func(_context(app), timestamp=0)
    ours = {str(world.org_id), str(other_world.org_id)}
    found = [(name, args["org_id"]) for name, args in await waiting(world.db) if args["org_id"] in ours]
    assert sorted(found) == sorted(
        (name, org) for name in ("refresh_strengths", "refresh_network_scores") for org in ours
    )
    orgs = {args["org_id"] for _, args in await waiting(world.db)}
    assert orgs == {str(row["id"]) for row in await world.db.fetch("SELECT id FROM orgs")}
    assert all(set(args) == {"org_id"} for _, args in await waiting(world.db)), "ids only"


def _context(app: procrastinate.App) -> Any:
    return type("Context", (), {"app": app, "additional_context": {}})()


async def test_periodic_jobs_are_deferred_once_however_many_workers(world: World, settings: Settings) -> None:
    apps = [jobs.make(settings) for _ in range(3)]
    for app in apps:
        await app.open_async()
    try:
        for at in (1_800_000_000, 1_800_000_000 + 24 * 3600):
            deferrers = [PeriodicDeferrer(app.periodic_registry, max_delay=24 * 3600) for app in apps]
            ticks = [list(deferrer.get_previous_tasks(at)) for deferrer in deferrers]
            assert {task.task.name for task, _ in ticks[0]} == {"night", "rescue"}
            await asyncio.gather(*(deferrer.defer_jobs(tick) for deferrer, tick in zip(deferrers, ticks, strict=True)))
            assert sorted(name for name, _ in await waiting(world.db)) == ["night", "rescue"]
            await world.db.execute("UPDATE procrastinate.procrastinate_jobs SET status = 'succeeded' ")
    finally:
        for app in apps:
            await app.close_async()


async def test_night_falls_at_half_past_two_in_china(settings: Settings) -> None:
    app = jobs.make(settings)
    (night,) = (task for task in app.periodic_registry.periodic_tasks.values() if task.task.name == "night")
    at = night.croniter.get_next(ret_type=float, start_time=1_800_000_000.0)
    assert (at + 8 * 3600) % (24 * 3600) == 2.5 * 3600


# --- strengths -------------------------------------------------------------------------------------------------


async def _met(world: World, relationship: UUID, days_ago: int) -> None:
    """A meeting so long ago, from a time when the tie was as strong as if it had been today."""
    on = china_today() - timedelta(days=days_ago)
    await world.db.execute(
        "INSERT INTO relationship_interactions (org_id, id, relationship_id, kind, occurred_on, recorded_by, "
        "created_digest) VALUES ($1, $2, $3, 'meeting', $4, $5, '')",
        world.org_id, uuid7(), relationship, on, world.users["agent"],
    )  # fmt: skip
    await world.db.execute(
        "UPDATE relationships SET last_interaction_on = $3, computed_strength = 0.9, strength = 0.9, "
        "declared_strength = 0.1, warmth = 0.8 WHERE org_id = $1 AND id = $2",
        world.org_id, relationship, on,
    )  # fmt: skip


async def test_strengths_fade_and_both_holders_hear_of_it(
    world: World, other_world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(relationships_strengths, "BATCH", 2)
    mine, theirs = await people(world, 6), await people(world, 2, "mate")
    edges = [tie(mine[n], mine[n + 1]) for n in range(5)] + [tie(mine[0], theirs[0]), tie(mine[0], theirs[1])]
    await link(world, edges)
    for edge in edges[:5]:
        await _met(world, edge.id, 360)
    await _met(world, edges[5].id, 360)  # edges[6] has no contact
    await world.db.execute("UPDATE relationships SET until = '2026-01-01' WHERE id = $1", edges[4].id)
    await defer(settings, "refresh_strengths", org_id=str(other_world.org_id))
    await carry_out(settings)
    assert {"looked_at": 0, "written": 0}.items() <= events[-1].items()
    await defer(settings, "refresh_strengths", org_id=str(world.org_id))
    await carry_out(settings)
    assert {"looked_at": 5, "written": 5}.items() <= events[-1].items()
    rows = await world.db.fetch("SELECT id, strength, version FROM relationships WHERE org_id = $1", world.org_id)
    stored = {row["id"]: (float(row["strength"]), row["version"]) for row in rows}
    assert [stored[edge.id] for edge in edges[:4]] == [(0.118, 2)] * 4  # 1 - exp(-0.5 / 4)
    assert stored[edges[4].id] == (0.9, 1)
    assert stored[edges[6].id] == (0.5, 1)
    told = await world.db.fetch(
        "SELECT scope, id, removed FROM feed WHERE org_id = $1 AND collection = 'relationships'", world.org_id
    )
    agent, mate = world.users["agent"], world.users["mate"]
    wanted = {(agent, edge.id, False) for edge in edges[:4]} | {(who, edges[5].id, False) for who in (agent, mate)}
    assert {tuple(row) for row in told} == wanted
    await defer(settings, "refresh_strengths", org_id=str(world.org_id))
    await carry_out(settings)
    assert {"looked_at": 5, "written": 0}.items() <= events[-1].items()


# --- the database ----------------------------------------------------------------------------------------------


async def test_app_role_learns_ids_of_organisations_and_nothing_else(world: World, settings: Settings) -> None:
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url)
    try:
        assert world.org_id in [row[0] for row in await connection.fetch("SELECT org_ids()")]
        assert await connection.fetch("SELECT * FROM orgs") == []
    finally:
        await connection.close()


def test_queue_brings_the_schema_its_migration_was_written_for() -> None:
    """When this fails the package was raised to a version with another schema: the docstring of step 0008 says how."""
    step = importlib.import_module("migrations.versions.2026_11_27_0008_jobs")
    shipped = procrastinate.schema.SchemaManager.get_schema()
    assert hashlib.sha256(shipped.encode()).hexdigest() == step.SCHEMA_SHA256


async def test_queue_finds_its_tables_from_anywhere_and_serves_only_the_app_role(owner_db: asyncpg.Connection) -> None:
    rows = await owner_db.fetch(
        "SELECT p.proname, p.proconfig, p.prosecdef, has_function_privilege('public', p.oid, 'EXECUTE') AS is_public "
        "FROM pg_proc p WHERE p.pronamespace = 'procrastinate'::regnamespace"
    )
    assert len(rows) >= 10
    for row in rows:
        assert row["proconfig"] == ["search_path=procrastinate, pg_temp"], row["proname"]
        assert not row["prosecdef"], row["proname"]
        assert not row["is_public"], row["proname"]


async def aged_tie_of_a_contact(world: World) -> tuple[Json, UUID]:
    """A shadow contact, and the tie to it, whose strength has faded since it was reckoned."""
    _, contact = await shadows.known(world)
    (found,) = (await world.agent.get(url(contact))).json()["items"]
    await _met(world, UUID(found["id"]), 360)
    return (await world.agent.get(shadows.place(contact))).json(), UUID(found["id"])


async def test_night_says_nothing_of_what_was_erased_after_it_was_found(world: World) -> None:
    contact, tie_id = await aged_tie_of_a_contact(world)
    async with db.transaction(world.org_id) as session:
        found = await relationships_strengths.batch(session, UUID(int=0))
        assert found == [tie_id]
        assert (await world.agent.delete(shadows.place(contact), headers=if_match(contact))).status_code == 204
        version = await world.db.fetchval("SELECT version FROM relationships WHERE id = $1", tie_id)
        assert await relationships_strengths.refresh(session, found, shadow_contacts_clock.today()) == 0
    rows = await world.db.fetch("SELECT removed FROM feed WHERE id = $1", tie_id)
    assert all(row["removed"] for row in rows)
    assert await world.db.fetchval("SELECT version FROM relationships WHERE id = $1", tie_id) == version


async def test_night_waits_for_what_is_being_erased_and_says_nothing_of_it(world: World) -> None:
    contact, tie_id = await aged_tie_of_a_contact(world)
    async with db.transaction(world.org_id) as night:
        me = await access.user_actor(world.org_id, world.users["agent"], world.sessions["agent"])
        assert me is not None
        async with db.transaction(world.org_id) as session:
            await shadow_contacts_erase.erase(session, me, UUID(contact["id"]), contact["version"])
            refreshing = asyncio.create_task(
                relationships_strengths.refresh(night, [tie_id], shadow_contacts_clock.today())
            )
            await wait_for_one(world, db.raw(session).get_server_pid())
        assert await refreshing == 0
    rows = await world.db.fetch("SELECT removed FROM feed WHERE id = $1", tie_id)
    assert all(row["removed"] for row in rows)


async def test_night_leaves_what_hangs_on_a_deleted_customer(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    await _met(world, UUID(made["id"]), 360)
    async with db.transaction(world.org_id) as session:
        found = await relationships_strengths.batch(session, UUID(int=0))
        assert (await world.agent.delete(f"/v1/customers/{one['id']}", headers=if_match(one))).status_code == 204
        assert await relationships_strengths.refresh(session, found, shadow_contacts_clock.today()) == 0
