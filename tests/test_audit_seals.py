"""The log cannot be rewritten: roles may not, a superuser is found out, and the sealer waits for writers."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from app import audit_check, audit_seals, crypto, key_rows, keyring, migrate, rotation, sealing
from app.audit_check import Report
from app.config import Settings
from app.embedded import SEALER, EmbeddedPostgres, prepare
from tests.audit_tampering import TAMPERINGS, Tampering
from tests.commands import runner
from tests.private_server import FAST
from tests.private_server import common as common

TABLES = ("audit_events", "audit_seals", "audit_anchors", "audit_keys")
POSITIONS, BITE = 60, 20


@dataclass
class Trail:
    """A database of its own with two sealed organisations."""

    settings: Settings
    ring: keyring.Keyring
    root: asyncpg.Connection
    orgs: list[UUID]
    kept: bytes

    @property
    def org_id(self) -> UUID:
        return self.orgs[0]

    @asynccontextmanager
    async def role(self, dsn: str | None) -> AsyncIterator[asyncpg.Connection]:
        assert dsn is not None
        connection = await asyncpg.connect(dsn)
        try:
            yield connection
        finally:
            await connection.close()

    async def verify(self, kept: bytes | None = None) -> Report:
        async with self.role(self.settings.sealer_database_url) as connection:
            return await audit_check.verify(connection, self.ring, None if kept is None else audit_check.load(kept))


async def add_events(db: asyncpg.Connection, org_id: UUID, count: int) -> None:
    """One look in one transaction each, with every column filled."""
    for _ in range(count):
        await db.execute(
            "INSERT INTO audit_events (org_id, id, actor_id, actor_kind, session_id, device_id, device_kind, action, "
            "object_type, object_id, person_id, other_person_id, detail, request_id) VALUES ($1, $2, $3, 'user', $3, "
            "'phone-1', 'ios', 'customer.viewed', 'customer', $4, $4, $3, '{\"fields\": [\"profile\"]}', 'r-1')",
            org_id, uuid7(), uuid4(), uuid4(),
        )  # fmt: skip


async def open_trail(settings: Settings, server: EmbeddedPostgres) -> Trail:
    name = "trail"
    await prepare(server, name, owner="renmai_owner", app="renmai_app")
    own = settings.model_copy(
        update={
            "database_url": server.dsn("renmai_app", name),
            "owner_database_url": server.dsn("renmai_owner", name),
            "sealer_database_url": server.dsn(SEALER, name),
        }
    )
    ring = keyring.derive(own)
    await migrate.upgrade(server.dsn("renmai_owner", name), app_role="renmai_app", keys=ring)
    root = await asyncpg.connect(server.dsn("postgres", name))
    trail = Trail(own, ring, root, [uuid7(), uuid7()], b"")
    for number, org_id in enumerate(trail.orgs):
        await root.execute("INSERT INTO orgs (id, code, name) VALUES ($1, $2, '测试机构')", org_id, f"org-{number}")
    async with trail.role(own.sealer_database_url) as connection:
        for _ in range(POSITIONS // BITE):
            for org_id in trail.orgs:
                await add_events(root, org_id, BITE)
            assert await audit_seals.seal(connection, ring, bite=BITE) == 2 * BITE
        trail.kept = orjson.dumps(await audit_check.export(connection))
    for table in (*TABLES, "orgs"):
        await root.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
    return trail


@pytest.fixture(scope="module")
async def sealed(settings: Settings, common: Path) -> AsyncIterator[Trail]:
    """On a server of its own: the sealer waits for every transaction of a server, other tests' and autovacuum's too."""
    with EmbeddedPostgres(common / "var", settings=FAST | {"autovacuum": "off"}) as server:
        trail = await open_trail(settings, server)
        yield trail
        await trail.root.close()


@pytest.fixture
async def trail(sealed: Trail) -> AsyncIterator[Trail]:
    """The sealed database, and as it was again afterwards."""
    yield sealed
    async with sealed.root.transaction():
        await sealed.root.execute("SET LOCAL session_replication_role = replica")
        for table in TABLES:
            await sealed.root.execute(f"DELETE FROM {table}")
            await sealed.root.execute(f"INSERT INTO {table} TABLE kept_{table}")
        await sealed.root.execute("INSERT INTO orgs TABLE kept_orgs ON CONFLICT DO NOTHING")


async def tamper(trail: Trail, one: Tampering) -> None:
    async with trail.root.transaction():
        await trail.root.execute("SET LOCAL session_replication_role = replica")
        if callable(one.act):
            await one.act(trail.root, trail.org_id)
        else:
            for statement in one.act:
                await trail.root.execute(statement, trail.org_id)


async def test_untouched_trail_has_no_findings(trail: Trail) -> None:
    report = await trail.verify(trail.kept)
    assert (report.findings, report.events, report.anchors, report.unsealed) == ([], 2 * POSITIONS, 6, 0)
    await add_events(trail.root, trail.org_id, 3)
    assert (await trail.verify(trail.kept)).unsealed == 3
    assert await sealing.once(trail.settings.sealer_database_url or "", trail.ring) == 3
    report = await trail.verify(trail.kept)
    assert (report.findings, report.events, report.unsealed) == ([], 2 * POSITIONS + 3, 0)


def test_row_63_there_are_forty_ways_and_more() -> None:
    assert len({one.name for one in TAMPERINGS}) == len(TAMPERINGS) >= 40


@pytest.mark.parametrize("one", TAMPERINGS, ids=lambda one: one.name.replace(" ", "_"))
async def test_row_63_every_tampering_is_detected(trail: Trail, one: Tampering) -> None:
    await tamper(trail, one)
    found = await trail.verify(trail.kept if one.needs_anchor else None)
    assert one.codes & {finding.code for finding in found.findings}, found.findings
    assert {finding.org for finding in found.findings} <= {"org-0", "org-1", "-", str(trail.org_id)}


async def test_row_63_finding_names_the_event_and_what_became_of_it(trail: Trail) -> None:
    event_id = await trail.root.fetchval(
        "SELECT event_id FROM audit_seals WHERE org_id = $1 AND pos = 25", trail.org_id
    )
    said = {}
    for name in ("actor", "seal", "event deleted"):
        async with trail.root.transaction():
            await trail.root.execute("SET LOCAL session_replication_role = replica")
            for table in TABLES:
                await trail.root.execute(f"DELETE FROM {table}")
                await trail.root.execute(f"INSERT INTO {table} TABLE kept_{table}")
        await tamper(trail, next(one for one in TAMPERINGS if one.name == name))
        said[name] = [(finding.org, finding.text) for finding in (await trail.verify()).findings]
    assert said == {
        "actor": [("org-0", f"event {event_id} at position 25 was altered")],
        "seal": [("org-0", f"the seal of position 25 was altered; its event {event_id} was not")],
        "event deleted": [("org-0", f"event {event_id} at position 25 was deleted")],
    }


@pytest.mark.parametrize("verb", ["UPDATE {} SET org_id = org_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("role", ["app", "sealer", "owner"])
async def test_row_63_no_role_of_the_service_changes_history(trail: Trail, role: str, verb: str) -> None:
    urls = {
        "app": trail.settings.database_url,
        "sealer": trail.settings.sealer_database_url,
        "owner": trail.settings.owner_database_url,
    }
    tables = TABLES[:3] if role == "owner" else TABLES
    for table in tables:
        statement = verb.format(table).replace("org_id", "kid" if table == "audit_keys" else "org_id")
        async with trail.role(urls[role]) as connection, connection.transaction():
            await audit_seals.bind(connection, trail.org_id)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_row_63_service_cannot_seal_and_sealer_cannot_report(trail: Trail) -> None:
    for table in TABLES[1:]:
        async with trail.role(trail.settings.database_url) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"INSERT INTO {table} TABLE kept_{table}")
    async with trail.role(trail.settings.sealer_database_url) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await add_events(connection, trail.org_id, 1)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM customers")


async def _write(trail: Trail, number: int, committed: list[int]) -> None:
    """Transactions of one to four events with a pause in the middle; a fifth of them is rolled back."""
    dice = random.Random(number)
    async with trail.role(trail.settings.database_url) as connection:
        for _ in range(40):
            events, is_good = dice.randint(1, 4), dice.random() >= 0.2
            transaction = connection.transaction()
            await transaction.start()
            await audit_seals.bind(connection, trail.org_id)
            for _ in range(events):
                await add_events(connection, trail.org_id, 1)
                await asyncio.sleep(0)
            await (transaction.commit() if is_good else transaction.rollback())
            committed.append(events if is_good else 0)


async def test_row_63_sealed_is_committed_while_eight_write_and_roll_back(trail: Trail) -> None:
    committed = list[int]()
    writers = asyncio.gather(*(_write(trail, number, committed) for number in range(8)))
    sealed_now = 0
    async with trail.role(trail.settings.sealer_database_url) as connection:
        while not writers.done():
            sealed_now += await audit_seals.seal(connection, trail.ring, bite=37) or 0
            await asyncio.sleep(0)
        await writers
        sealed_now += await audit_seals.seal(connection, trail.ring) or 0
    assert committed.count(0) > 20
    assert sealed_now == sum(committed)
    report = await trail.verify(trail.kept)
    assert (report.findings, report.unsealed, report.events) == ([], 0, 2 * POSITIONS + sum(committed))
    assert report.anchors > 6 + 3  # bite by bite, while they wrote


async def test_second_sealer_leaves_the_work_to_the_first(trail: Trail) -> None:
    async with trail.role(trail.settings.sealer_database_url) as one:
        await one.fetchval("SELECT pg_advisory_lock($1)", audit_seals._LOCK)
        assert await sealing.once(trail.settings.sealer_database_url or "", trail.ring) is None


async def test_sealer_does_not_sign_with_a_key_that_is_not_ours(trail: Trail) -> None:
    await tamper(trail, next(one for one in TAMPERINGS if one.name == "sealed half of the key"))
    async with trail.role(trail.settings.sealer_database_url) as connection:
        with pytest.raises(audit_seals.SealError):
            await audit_seals.seal(connection, trail.ring)
    assert await sealing.once(trail.settings.sealer_database_url or "", trail.ring) is None


async def test_commands_seal_keep_and_check(trail: Trail, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run, kept = runner(trail.settings, capsys), tmp_path / "anchors.json"
    await add_events(trail.root, trail.org_id, 2)
    assert (await run("audit", "seal")).out == "events: 2 sealed\n"
    assert (await run("audit", "anchors", "--out", str(kept))).status == 0
    good = await run("audit", "verify", "--anchor", str(kept))
    assert (good.status, good.out) == (0, "Unchanged: 122 sealed events, 7 anchors, 0 events not sealed yet\n")
    await tamper(trail, next(one for one in TAMPERINGS if one.name == "everything deleted"))
    assert (await run("audit", "verify")).status == 0, "nothing is left to tell it"
    bad = await run("audit", "verify", "--anchor", str(kept))
    assert (bad.status, bad.out.splitlines()[0]) == (
        1,
        "org-0: truncated: sealed up to position 62 when the anchor was kept, now to 0",
    )
    kept.write_text("{}")
    refused = await run("audit", "verify", "--anchor", str(kept))
    assert (refused.status, refused.err) == (1, "renmai: this file does not hold anchors of the audit trail\n")


async def test_key_of_the_trail_moves_under_a_new_key_encryption_key(trail: Trail, tmp_path: Path) -> None:
    async def no_pause(_: float) -> None:
        return

    file = tmp_path / "kek"
    file.write_text(f"2 {base64.b64encode(crypto.new_key()).decode()}\n")
    ring = keyring.derive(trail.settings.model_copy(update={"kek_file": file}))
    async with trail.role(trail.settings.owner_database_url) as connection:
        work = rotation.Work(connection, ring, no_pause)
        assert await rotation.rotate_kek(work) == 1
        assert await connection.fetchval("SELECT kek_version FROM audit_keys") == 2
        places = {one.place: one.is_current for one in await key_rows.count_wrapped(connection, 2)}
        assert places["audit_keys.sealed_key"]
        await rotation.retire(work, "kek")
        await add_events(trail.root, trail.org_id, 2)
        assert await audit_seals.seal(connection, ring) == 2
        report = await audit_check.verify(connection, ring, audit_check.load(trail.kept))
        assert report.findings == []
        with pytest.raises(audit_seals.SealError):  # who has the old key only signs nothing
            await audit_seals.seal(connection, trail.ring)


async def test_sealing_and_rotating_and_migrating_do_not_wait_for_each_other(trail: Trail) -> None:
    assert len({audit_seals._LOCK, rotation._LOCK, migrate._LOCK}) == 3
    async with trail.role(trail.settings.owner_database_url) as one:
        await one.fetchval("SELECT pg_advisory_lock($1)", rotation._LOCK)
        assert await sealing.once(trail.settings.sealer_database_url or "", trail.ring) is not None
