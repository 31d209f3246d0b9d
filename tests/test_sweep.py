"""What is past its time goes, what is in use stays: every row beside its twin on the other side of the boundary."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from app import sweep
from app.config import Settings
from tests import test_invitations, test_second_factors
from tests.commands import Run, fails, runner
from tests.factories import World, create_customer
from tests.test_sessions import give_password, me, refresh, sign_in

LATE, IN_TIME = "late", "in time"


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(settings, capsys)


def ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


async def add_session(world: World, *, created: datetime, **over: Any) -> UUID:
    """A session of the agent whose ends lie far ahead unless told otherwise."""
    far = datetime.now(UTC) + timedelta(days=7)
    ends = {"idle_expires_at": far, "absolute_expires_at": far, "revoked_at": None, **over}
    made = uuid7()
    await world.db.execute(
        "INSERT INTO sessions (org_id, id, user_id, device_id, device_name, platform, created_at, idle_expires_at, "
        "absolute_expires_at, revoked_at) VALUES ($1, $2, $3, 'd', '旧手机', 'ios', $4, $5, $6, $7)",
        world.org_id,
        made,
        world.users["agent"],
        created,
        ends["idle_expires_at"],
        ends["absolute_expires_at"],
        ends["revoked_at"],
    )
    return made


async def add_token(world: World, name: str, session_id: UUID, created: datetime, used: datetime | None = None) -> None:
    await world.db.execute(
        "INSERT INTO refresh_tokens (org_id, token_hash, session_id, created_at, used_at) VALUES ($1, $2, $3, $4, $5)",
        world.org_id,
        name.encode(),
        session_id,
        created,
        used,
    )


async def tokens_of(world: World) -> set[str]:
    rows = await world.db.fetch("SELECT token_hash FROM refresh_tokens WHERE org_id = $1", world.org_id)
    return {row["token_hash"].decode(errors="replace") for row in rows}


async def kept(world: World, table: str) -> int:
    count: int = await world.db.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", world.org_id)
    return count


@pytest.fixture
async def aged(world: World) -> AsyncIterator[World]:
    """Of every table one row that is just late and one that is just in time."""
    db, org = world.db, world.org_id
    for name, hours in ((LATE, 24.1), (IN_TIME, 23.9)):
        await db.execute(
            "INSERT INTO idempotency_keys (org_id, principal_id, key, request_hash, created_at) "
            "VALUES ($1, $2, $3, '', $4)",
            org, world.users["agent"], name, ago(hours=hours),
        )  # fmt: skip
    for name, minutes in ((LATE, 61), (IN_TIME, 59)):
        bucket = org.bytes + name.encode()
        await db.execute(
            "INSERT INTO guess_counts (bucket, used, until) VALUES ($1, 1, $2)", bucket, ago(minutes=minutes)
        )
    for name, seconds in ((LATE, 1), (IN_TIME, -60)):
        await db.execute(
            "INSERT INTO dpop_proofs (org_id, jkt, jti_hash, expires_at) VALUES ($1, $2, '', $3)",
            org,
            name,
            ago(seconds=seconds),
        )
    for name, days in ((LATE, 90.1), (IN_TIME, 89.9)):
        for column in ("expires_at", "accepted_at", "deleted_at"):
            await add_invitation(world, f"{name} {column}", **{column: ago(days=days)})
        factor = uuid7()
        await db.execute(
            "INSERT INTO second_factors (org_id, id, user_id, secret_enc, deleted_at) VALUES ($1, $2, $3, '', $4)",
            org, factor, world.users["agent"], ago(days=days),
        )  # fmt: skip
        await db.execute("INSERT INTO recovery_codes VALUES ($1, $2, $3, NULL)", org, factor, name.encode())
    for name, hours in ((LATE, 24.1), (IN_TIME, 23.9)):
        await db.execute(
            "INSERT INTO signing_keys (kid, sealed_pem, kek_version, created_at, retired_at) "
            "VALUES ($1, '', 1, $2, $3)",
            f"{org} {name}", ago(days=40), ago(hours=hours),
        )  # fmt: skip
    yield world
    await db.execute("DELETE FROM signing_keys WHERE kid LIKE $1", f"{org} %")
    await db.execute("DELETE FROM guess_counts WHERE substr(bucket, 1, 16) = $1", org.bytes)


async def add_invitation(world: World, name: str, **over: datetime) -> None:
    times: dict[str, Any] = {"expires_at": datetime.now(UTC), "accepted_at": None, "deleted_at": None, **over}
    await world.db.execute(
        "INSERT INTO invitations (org_id, id, purpose, username, name, role, token_hash, expires_at, accepted_at, "
        "deleted_at) VALUES ($1, $2, 'new_account', $3, '某', 'agent', $4, $5, $6, $7)",
        world.org_id,
        uuid7(),
        name,
        name.encode(),
        times["expires_at"],
        times["accepted_at"],
        times["deleted_at"],
    )


async def left(world: World) -> dict[str, list[str]]:
    """The names of the rows `aged` made that are there still."""
    db, org = world.db, world.org_id
    asked = {
        "idempotency_keys": "SELECT key FROM idempotency_keys WHERE org_id = $1",
        "guess_counts": "SELECT convert_from(substr(bucket, 17), 'UTF8') FROM guess_counts "
        "WHERE substr(bucket, 1, 16) = uuid_send($1)",
        "dpop_proofs": "SELECT jkt FROM dpop_proofs WHERE org_id = $1",
        "invitations": "SELECT split_part(username, ' expires_at', 1) FROM invitations WHERE org_id = $1 "
        "AND username LIKE '% expires_at'",
        "invitations used": "SELECT split_part(username, ' accepted_at', 1) FROM invitations WHERE org_id = $1 "
        "AND username LIKE '% accepted_at'",
        "invitations withdrawn": "SELECT split_part(username, ' deleted_at', 1) FROM invitations WHERE org_id = $1 "
        "AND username LIKE '% deleted_at'",
        "recovery_codes": "SELECT convert_from(code_hash, 'UTF8') FROM recovery_codes WHERE org_id = $1",
        "signing_keys": "SELECT substr(kid, 38) FROM signing_keys WHERE kid LIKE $1::uuid::text || ' %'",
    }
    found = {what: sorted(row[0] for row in await db.fetch(sql, org)) for what, sql in asked.items()}
    return {**found, "second_factors": ["one"] * await kept(world, "second_factors")}


async def test_only_what_is_late_goes_and_a_dry_run_says_so_first(run: Run, aged: World) -> None:
    before = await left(aged)
    assert all(len(names) == 2 for names in before.values()), before
    dry = await run("sweep", "--dry-run")
    assert await left(aged) == before
    real = await run("sweep")
    assert (dry.status, real.status, dry.err, real.err) == (0, 0, "", "")
    assert dry.out.replace(" would be deleted", "") == real.out
    assert await left(aged) == {**{what: [IN_TIME] for what in before}, "second_factors": ["one"]}
    again = await run("sweep")
    assert {line.split(": ")[1] for line in again.out.splitlines()} == {"0"}
    assert len(again.out.splitlines()) == 10


@pytest.mark.parametrize("end", ["idle_expires_at", "absolute_expires_at", "revoked_at"])
async def test_session_and_its_tokens_go_long_after_it_ended(world: World, end: str) -> None:
    created, ends = ago(days=420), {"401": 401.0, "399": 399.0, "31": 31.0, "29": 29.0}
    sessions = {name: await add_session(world, created=created, **{end: ago(days=days)}) for name, days in ends.items()}
    for name, session_id in sessions.items():
        await add_token(world, name, session_id, created)
    await sweep.sweep(world.db)
    assert await tokens_of(world) == {"29"}
    rows = await world.db.fetch("SELECT id FROM sessions WHERE org_id = $1", world.org_id)
    ids = {row["id"] for row in rows}
    assert {name for name, session_id in sessions.items() if session_id in ids} == {"399", "31", "29"}
    assert set(world.sessions.values()) <= ids


async def test_used_token_goes_and_the_unused_one_of_a_living_session_stays(world: World) -> None:
    session_id = await add_session(world, created=ago(days=60))
    await add_token(world, "unused", session_id, ago(days=50))
    await add_token(world, "used 31", session_id, ago(days=50), ago(days=31))
    await add_token(world, "used 29", session_id, ago(days=50), ago(days=29))
    await sweep.sweep(world.db)
    assert await tokens_of(world) == {"unused", "used 29"}


async def test_what_people_work_with_stays(run: Run, world: World) -> None:
    await give_password(world)
    signed_in = await sign_in(world)
    rotated = (await refresh(world, signed_in["refresh_token"])).json()
    invitation = await test_invitations.invite(world)
    secret, _ = await test_second_factors.enrolled(world, world.mate)
    key = {"Idempotency-Key": "once"}
    body = {"party_type": "individual", "name": "王永庆", "stage": "prospect"}
    first = await world.agent.post("/v1/customers", json=body, headers=key)
    assert (await run("sweep")).status == 0
    assert (await world.agent.post("/v1/customers", json=body, headers=key)).json() == first.json()
    assert await me(world, rotated) == 200
    assert (await refresh(world, rotated["refresh_token"])).status_code == 200
    assert (await refresh(world, signed_in["refresh_token"])).status_code == 401, "theft is still noticed"
    assert (await test_invitations.accept(world, invitation["token"])).status_code == 204
    await give_password(world, "mate")
    await test_second_factors.forget_steps(world)
    code = test_second_factors.code_of(secret)
    assert (await test_second_factors.attempt(world, username="mate", code=code)).status_code == 200
    assert await kept(world, "recovery_codes") == 10


async def test_audit_events_of_a_deleted_session_stay(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    old = "UPDATE sessions SET created_at = $2, revoked_at = $2 WHERE id = $1"
    await world.db.execute(old, UUID(tokens["session_id"]), ago(days=401))
    await world.db.execute(
        "UPDATE refresh_tokens SET created_at = $2 WHERE session_id = $1", UUID(tokens["session_id"]), ago(days=401)
    )
    await sweep.sweep(world.db)
    events = "SELECT count(*) FROM audit_events WHERE org_id = $1 AND object_id = $2"
    assert await world.db.fetchval(events, world.org_id, UUID(tokens["session_id"])) == 1
    assert await kept(world, "refresh_tokens") == 0
    assert await kept(world, "sessions") == len(world.sessions)


async def test_batches_are_small_and_end(world: World) -> None:
    for n in range(7):
        await add_invitation(world, str(n), expires_at=ago(days=91))
    before = await sweep.count(world.db)
    assert before["invitations"] >= 7
    assert await sweep.sweep(world.db, batch=3) == before
    assert await kept(world, "invitations") == 0


async def test_row_in_somebodys_hands_is_left_and_its_parent_with_it(world: World, settings: Settings) -> None:
    created = ago(days=420)
    session_id = await add_session(world, created=created, revoked_at=ago(days=401))
    await add_token(world, "held", session_id, created)
    await add_token(world, "free", session_id, created)
    assert settings.owner_database_url is not None
    other = await asyncpg.connect(settings.owner_database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM refresh_tokens WHERE token_hash = 'held' FOR UPDATE")
            async with asyncio.timeout(5):
                await sweep.sweep(world.db)
            assert await tokens_of(world) == {"held"}
    finally:
        await other.close()
    await sweep.sweep(world.db)
    assert await tokens_of(world) == set()
    assert await kept(world, "sessions") == len(world.sessions)


async def test_two_sweeps_share_the_work_while_people_write(world: World, settings: Settings) -> None:
    for n in range(60):
        await add_invitation(world, str(n), expires_at=ago(days=91))
    assert settings.owner_database_url is not None
    other = await asyncpg.connect(settings.owner_database_url)
    try:
        one, two, *made = await asyncio.gather(
            sweep.sweep(world.db, batch=5),
            sweep.sweep(other, batch=5),
            *(create_customer(world.agent, name=f"王{n}") for n in "一二三四五六"),
        )
    finally:
        await other.close()
    assert (one["invitations"] + two["invitations"], len(made)) == (60, 6)
    assert await kept(world, "invitations") == 0


async def test_sweep_needs_the_owner_role(run: Run, settings: Settings) -> None:
    app_only = {"RENMAI_OWNER_DATABASE_URL": settings.database_url or ""}
    fails(await run("sweep", **app_only), "owns the tables")
