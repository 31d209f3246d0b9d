"""The write road: all of a transaction or nothing of it, trail included, and one end for every connection."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import audit, db, keyring
from app.models.customers import Customer, PartyType, Stage
from app.models.users import User
from tests.factories import World, create_customer, if_match


def person(world: World, **over: Any) -> Customer:
    return Customer(
        **{
            "org_id": world.org_id,
            "owner_id": world.users["agent"],
            "party_type": PartyType.individual,
            "stage": Stage.contact,
            "name": "王永庆",
            "name_key": "wang yongqing",
            "search_text": "|王永庆",
            "created_digest": b"\x00",
            **over,
        }
    )


def note(session: AsyncSession, world: World, **over: Any) -> None:
    told = {"actor_kind": "user", "action": "customer.created", "object_id": None, **over}
    session.info["request_id"] = "r"
    audit.record(session, object_type="customer", actor_id=world.users["agent"], **told)


async def trail(world: World) -> tuple[int, int, int]:
    """How many customers, audit events and feed rows the organisation has."""
    counts = [
        await world.db.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", world.org_id)
        for table in ("customers", "audit_events", "feed")
    ]
    return counts[0], counts[1], counts[2]


# --- all or nothing --------------------------------------------------------------------------------------------


async def test_commit_keeps_row_event_and_feed(world: World) -> None:
    async with db.transaction(world.org_id) as session:
        row = person(world)
        session.add(row)
        db.mark(session, row, [row.owner_id])
        note(session, world, object_id=row.id)
    assert await trail(world) == (1, 1, 1)
    feed = await world.db.fetchrow("SELECT * FROM feed WHERE org_id = $1", world.org_id)
    event = await world.db.fetchrow("SELECT * FROM audit_events WHERE org_id = $1", world.org_id)
    assert (feed["id"], feed["scope"], feed["removed"]) == (row.id, row.owner_id, False)
    assert feed["xid"] == event["xid"], "both belong to the same transaction"


async def test_savepoint_undoes_its_own_part_and_its_trail_only(world: World) -> None:
    """A statement of the database fails inside one, a rule of the service inside another; the rest is committed."""

    async def fail(session: AsyncSession, **over: Any) -> None:
        async with db.savepoint(session):
            row = person(world, **over)
            session.add(row)
            db.mark(session, row, [world.users["mate"], world.users["agent"]])
            note(session, world, object_id=row.id, action="organization.updated")
            await session.flush()
            raise ValueError("refused")

    async with db.transaction(world.org_id) as session:
        first = person(world)
        session.add(first)
        db.mark(session, first, [first.owner_id])
        note(session, world, object_id=first.id)
        with pytest.raises(IntegrityError):
            await fail(session, owner_id=uuid7())  # nobody
        with pytest.raises(ValueError, match="refused"):
            await fail(session)
        async with db.savepoint(session):
            last = person(world)
            session.add(last)
            db.mark(session, last, [last.owner_id])
            note(session, world, object_id=last.id)
        assert session.info["after_commit"] == []  # organization.updated would be told to whoever watches
    assert await trail(world) == (2, 2, 2)
    scopes = "SELECT array_agg(DISTINCT scope) FROM feed WHERE org_id = $1"
    assert await world.db.fetchval(scopes, world.org_id) == [world.users["agent"]]


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
async def test_any_exception_leaves_nothing(world: World, error: type[BaseException]) -> None:
    async def fail() -> None:
        async with db.transaction(world.org_id) as session:
            row = person(world)
            session.add(row)
            db.mark(session, row, [row.owner_id])
            note(session, world)
            await session.flush()
            raise error

    with pytest.raises(error):
        await fail()
    assert await trail(world) == (0, 0, 0)


async def test_event_that_cannot_be_written_takes_the_row_with_it(world: World) -> None:
    async def fail() -> None:
        async with db.transaction(world.org_id) as session:
            row = person(world)
            session.add(row)
            db.mark(session, row, [row.owner_id])
            note(session, world, actor_kind="nobody")

    with pytest.raises(asyncpg.CheckViolationError):
        await fail()
    assert await trail(world) == (0, 0, 0)


async def test_swallowed_database_error_cannot_look_like_success(world: World) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with a ROLLBACK and no error."""

    async def fail() -> None:
        async with db.transaction(world.org_id) as session:
            await db.raw(session).execute("UPDATE users SET name = 'x' WHERE org_id = $1", world.org_id)
            with pytest.raises(asyncpg.DivisionByZeroError):
                await db.raw(session).execute("SELECT 1/0")

    with pytest.raises(db.NotCommitted):
        await fail()
    assert await world.db.fetchval("SELECT count(*) FROM users WHERE name = 'x' AND org_id = $1", world.org_id) == 0


DEFERRED = """
CREATE TEMP TABLE doubled (n int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP;
INSERT INTO doubled VALUES (1), (1)
"""


async def test_commit_that_fails_is_no_success_over_http(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer leaves after the COMMIT: nobody may hear 201 of what was not stored."""
    written = db._write_trail

    async def then_break(session: AsyncSession) -> None:
        await written(session)
        await db.raw(session).execute(DEFERRED)

    monkeypatch.setattr(db, "_write_trail", then_break)
    answer = await world.agent.post("/v1/customers", json={"party_type": "individual", "name": "某"})
    assert answer.status_code == 409
    monkeypatch.undo()
    assert await trail(world) == (0, 0, 0)
    await create_customer(world.agent)


async def test_commit_that_became_a_rollback_is_500_over_http(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_silently(session: AsyncSession) -> None:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await db.raw(session).execute("SELECT 1/0")

    monkeypatch.setattr(db, "_write_trail", break_silently)
    answer = await world.agent.post("/v1/customers", json={"party_type": "individual", "name": "某"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert await trail(world) == (0, 0, 0)


# --- who must hear of a change ---------------------------------------------------------------------------------


async def test_new_row_nobody_is_told_of_is_refused(world: World) -> None:
    async def forget() -> None:
        async with db.transaction(world.org_id) as session:
            session.add(person(world))

    with pytest.raises(db.TrailMissing, match="customers"):
        await forget()
    assert await trail(world) == (0, 0, 0)


async def test_changed_row_nobody_is_told_of_is_refused(world: World) -> None:
    made = await create_customer(world.agent)

    async def forget() -> None:
        async with db.transaction(world.org_id) as session:
            statement = select(Customer).where(col(Customer.org_id) == world.org_id)
            (await session.exec(statement.with_for_update())).one().note = "x"

    with pytest.raises(db.TrailMissing):
        await forget()
    assert (await world.agent.get(f"/v1/customers/{made['id']}")).json() == made


async def test_marking_another_row_is_not_enough(world: World) -> None:
    async def forget() -> None:
        async with db.transaction(world.org_id) as session:
            row = person(world)
            session.add(row)
            db.mark(session, person(world), [row.owner_id])

    with pytest.raises(db.TrailMissing):
        await forget()


async def test_rows_no_phone_holds_need_no_mark(world: World) -> None:
    async with db.transaction(world.org_id) as session:
        statement = select(User).where(col(User.org_id) == world.org_id, col(User.id) == world.users["agent"])
        (await session.exec(statement.with_for_update())).one().name = "新名"
    stored = await world.db.fetchrow("SELECT name, version FROM users WHERE id = $1", world.users["agent"])
    assert tuple(stored) == ("新名", 2)


async def test_leaving_scope_is_told_to_drop_and_the_new_one_to_fetch(world: World) -> None:
    made = await create_customer(world.agent)
    old, new = world.users["agent"], world.users["mate"]
    async with db.transaction(world.org_id) as session:
        row = (await session.exec(select(Customer).where(col(Customer.org_id) == world.org_id))).one()
        row.owner_id = new
        db.mark(session, row, [new], left=[old])
    feed = await world.db.fetch("SELECT scope, removed FROM feed WHERE id = $1", UUID(made["id"]))
    assert {tuple(entry) for entry in feed} == {(old, True), (new, False)}


async def test_feed_holds_one_row_per_scope_and_its_order_moves_on(world: World) -> None:
    made = await create_customer(world.agent)
    seen = [await world.db.fetchrow("SELECT xid, seq FROM feed WHERE id = $1", UUID(made["id"]))]
    for version in (1, 2):
        await world.agent.patch(f"/v1/customers/{made['id']}", json={}, headers={"If-Match": f'"{version}"'})
        rows = await world.db.fetch("SELECT xid, seq FROM feed WHERE id = $1", UUID(made["id"]))
        assert len(rows) == 1
        seen.append(rows[0])
    assert [tuple(row) for row in seen] == sorted({tuple(row) for row in seen})


async def test_version_goes_up_by_one_for_each_change(world: World) -> None:
    made = await create_customer(world.agent)
    url = f"/v1/customers/{made['id']}"
    for version in (2, 3, 4):
        made = (await world.agent.patch(url, json={"note": str(version)}, headers=if_match(made))).json()
        assert made["version"] == version


# --- connections -----------------------------------------------------------------------------------------------


async def test_more_writers_than_connections_all_get_their_turn(world: World) -> None:
    assert db._gate is not None
    answers = await asyncio.gather(*(create_customer(world.agent, name=f"客户{n}") for n in range(40)))
    assert len({answer["id"] for answer in answers}) == 40
    assert (await trail(world)) == (40, 40, 40)
    assert not db._gate.locked()


async def test_cancelled_writer_gives_his_connection_back_clean(world: World) -> None:
    async def hang() -> None:
        async with db.transaction(world.org_id) as session:
            session.add(person(world, id=uuid7()))
            await db.raw(session).execute("SELECT pg_sleep(30)")

    answers = await asyncio.gather(*(asyncio.wait_for(hang(), 0.1) for _ in range(12)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {TimeoutError}
    for _ in range(12):
        async with db.transaction(world.org_id) as session:
            assert await db.raw(session).fetchval("SELECT count(*) FROM customers") == 0
    assert db._gate is not None
    assert not db._gate.locked()


async def test_organisation_key_of_a_failed_transaction_is_not_kept(world: World) -> None:
    async def fail() -> None:
        async with db.transaction(world.org_id) as session:
            for _ in range(2):  # the second time it is there to be read, but not yet for anybody else
                await keyring.field_cipher(session, world.org_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert world.org_id not in keyring.current().organisations
    async with db.transaction(world.org_id) as session:
        made = await keyring.field_cipher(session, world.org_id)
    async with db.transaction(world.org_id) as session:
        blob = made.seal("t", "c", world.org_id, "x")
        assert (await keyring.field_cipher(session, world.org_id)).open("t", "c", world.org_id, blob) == "x"
    assert world.org_id in keyring.current().organisations


async def test_waiting_for_a_connection_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "QUEUE_SECONDS", 0.01)
    monkeypatch.setattr(db, "_gate", asyncio.Semaphore(0))
    answer = await world.agent.post("/v1/customers", json={"party_type": "individual", "name": "某"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_transaction_sees_only_the_organisation_it_is_bound_to(world: World, other_world: World) -> None:
    async with db.transaction(other_world.org_id) as session:
        statement = select(User).where(col(User.org_id) == world.org_id)
        assert (await session.exec(statement)).all() == []
        assert await db.raw(session).fetchval("SELECT count(*) FROM users") == 6


async def test_organisation_must_be_an_id() -> None:
    with pytest.raises(ValueError, match="UUID"):
        async with db.transaction("x'; DROP TABLE users; --"):  # type: ignore[arg-type]  # what a hole would pass
            pass


async def test_closed_database_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "_engine", None)
    assert await db.is_reachable() is False
    with pytest.raises(RuntimeError, match="not open"):
        async with db.transaction(uuid7()):
            pass
