"""The write road: one transaction per request, bound to one organisation.

The engine runs in driver autocommit and this module speaks BEGIN, COMMIT and ROLLBACK itself, because BEGIN and
`SET LOCAL app.org_id` must travel in one round trip and the binding must end with the transaction. Services flush;
only `transaction()` commits. Just before COMMIT it writes the trail of the transaction, the audit events and the
sync feed, in one statement: there is no other place that writes either.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

CONNECT_SETTINGS = {
    "timezone": "UTC",
    "application_name": "renmai",
    "statement_timeout": "8000",
    "lock_timeout": "4000",
    "idle_in_transaction_session_timeout": "20000",
}
# A database that answers nothing at all (a cut cable, a frozen host) must not hold a request for ever: the server's
# own timeouts cannot tell us. Longer than `statement_timeout`, so that a living server speaks first.
CONNECT_SECONDS = 2.0
COMMAND_SECONDS = 10.0
QUEUE_SECONDS = 10.0  # longest wait for a free connection, on either road; then 503
# What a statement raises when its connection is of no use; the last one before the driver notices that it was ended.
BROKEN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_TRAIL_SQL = """
WITH audited AS (
    INSERT INTO audit_events (org_id, id, actor_id, actor_kind, action, object_type, object_id, detail, request_id,
                              session_id, device_id, device_kind, person_id, other_person_id)
    SELECT $1, a.id, a.actor_id, a.actor_kind, a.action, a.object_type, a.object_id, a.detail, a.request_id,
           a.session_id, a.device_id, a.device_kind, a.person_id, a.other_person_id
    FROM unnest($6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::uuid[], $12::jsonb[], $13::text[],
                $14::uuid[], $15::text[], $16::text[], $17::uuid[], $18::uuid[])
         AS a (id, actor_id, actor_kind, action, object_type, object_id, detail, request_id, session_id, device_id,
               device_kind, person_id, other_person_id)
)
INSERT INTO feed (org_id, scope, collection, id, removed)
SELECT $1, f.scope, f.collection, f.id, f.removed
FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::bool[]) AS f (scope, collection, id, removed)
ON CONFLICT (org_id, scope, collection, id) DO UPDATE SET seq = excluded.seq, removed = excluded.removed
"""


class NotCommitted(RuntimeError):
    """A statement had failed and nobody raised: PostgreSQL turns such a COMMIT into a silent ROLLBACK."""


class TrailMissing(RuntimeError):
    """A service changed a synced row and forgot to say whose phones must hear of it."""


class Device(NamedTuple):
    """What a signed-in person used: the session, and what the phone calls itself and is."""

    session_id: UUID | None = None
    id: str | None = None
    kind: str | None = None


NO_DEVICE = Device()


@dataclass(slots=True)
class AuditEntry:
    """One append-only event. `detail` holds ids, field names and counts, never a person's data.

    Attributes:
        persons: the one it is about; two when it is about what is between them.
    """

    actor_id: UUID | None
    actor_kind: str
    action: str
    object_type: str
    object_id: UUID | None
    detail: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""
    device: Device = NO_DEVICE
    persons: tuple[UUID | None, UUID | None] = (None, None)


_engine: AsyncEngine | None = None
_gate: asyncio.Semaphore | None = None
_dsn = ""
_probe: asyncio.Task[bool] | None = None


async def connect(dsn: str, *, patience: float | None = None) -> asyncpg.Connection:
    """A driver connection with the settings every connection of the service has.

    Args:
        patience: seconds a statement may take, for a job nobody waits for.
    """
    longer = {} if patience is None else {"statement_timeout": f"{patience:.0f}s"}
    return await asyncpg.connect(
        dsn,
        server_settings=CONNECT_SETTINGS | longer,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS if patience is None else patience + COMMAND_SECONDS,
        statement_cache_size=200,
    )


def open_engine(dsn: str, *, pool_size: int) -> None:
    """Open the write pool. The gate in front of it is fair (first come, first served); the pool's queue is not."""
    global _engine, _gate, _dsn
    _dsn = dsn
    _engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(dsn),
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=2,
        pool_reset_on_return=None,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(_engine.sync_engine, "checkout", _refuse_closed)
    _gate = asyncio.Semaphore(pool_size)


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """After a restart of the database the pool replaces what it holds, instead of failing one request for each."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def _place(gate: asyncio.Semaphore) -> AsyncIterator[None]:
    async with asyncio.timeout(QUEUE_SECONDS):
        await gate.acquire()
    try:
        yield
    finally:
        gate.release()


async def close_engine() -> None:
    """Close every connection of the write pool."""
    global _engine, _gate
    if _engine is not None:
        await _engine.dispose()
    _engine = _gate = None


def raw(session: AsyncSession) -> asyncpg.Connection:
    """The driver connection of a running `transaction()`."""
    connection: asyncpg.Connection = session.info["raw"]
    return connection


@asynccontextmanager
async def transaction(org_id: UUID) -> AsyncIterator[AsyncSession]:
    """One transaction bound to `org_id`: committed at the end, rolled back on any exception.

    What is in `session.info["after_commit"]` is called when it is committed, and never otherwise.
    """
    if _engine is None or _gate is None:
        raise RuntimeError("the database is not open")
    after: list[Callable[[], None]] = []
    async with _place(_gate), _engine.connect() as connection:
        driver = _driver(connection)
        try:
            await driver.execute(f"BEGIN; SET LOCAL app.org_id = '{UUID(str(org_id))}'")
            async with _session(connection) as session:
                session.info.update(raw=driver, org_id=org_id, audit=[], feed={}, marked=set(), after_commit=after)
                yield session
                if session.new or session.dirty or session.deleted:
                    await session.flush()
                await _write_trail(session)
            if await driver.execute("COMMIT") != "COMMIT":
                raise NotCommitted
        except BaseException:
            await asyncio.shield(_undo(connection, driver))
            raise
    for tell in after:
        tell()


def _driver(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver connection below; asked without the detour through a greenlet, which costs as much as a statement."""
    below = connection.sync_connection
    driver = None if below is None else below.connection.driver_connection
    if driver is None:
        raise ConnectionError("no driver connection")
    return driver


@asynccontextmanager
async def _session(connection: AsyncConnection) -> AsyncIterator[AsyncSession]:
    session = AsyncSession(connection, expire_on_commit=False, autoflush=False)
    try:
        yield session
    finally:
        if session.in_transaction():
            await session.close()
        else:  # it never spoke to the database: closing it needs no I/O
            session.sync_session.close()


async def _undo(connection: AsyncConnection, driver: asyncpg.Connection) -> None:
    try:
        if not driver.is_closed():
            await driver.execute("ROLLBACK", timeout=2)
            return
    except (*BROKEN, TimeoutError):
        pass
    await connection.invalidate()


@asynccontextmanager
async def savepoint(session: AsyncSession) -> AsyncIterator[None]:
    """A part of the transaction that may fail by itself: what it wrote and its trail are undone, the rest goes on.

    Rows it has changed, and that were loaded before, must be loaded anew after a failure.
    """
    info = session.info
    audit, after = len(info["audit"]), len(info["after_commit"])
    feed, marked = dict(info["feed"]), set(info["marked"])
    try:
        async with session.begin_nested():
            yield
    except BaseException:
        del info["audit"][audit:], info["after_commit"][after:]
        info.update(feed=feed, marked=marked)
        raise


def mark(session: AsyncSession, row: Any, scopes: Iterable[UUID], *, left: Iterable[UUID] = ()) -> None:
    """Tell the sync feed who must hear of a change.

    Args:
        row: an instance of a synced model (it has `__collection__`).
        scopes: users who may hold the row; a tombstoned row reaches them as removed.
        left: users who may hold it no longer: they get `removed` without any data.
    """
    for scope in left:
        session.info["feed"][(scope, row.__collection__, row.id)] = True
    mark_id(session, row.__collection__, row.id, scopes, removed=row.deleted_at is not None)


def mark_id(
    session: AsyncSession, collection: str, row_id: UUID, scopes: Iterable[UUID], *, removed: bool = False
) -> None:
    """`mark`, for a row that never becomes an instance."""
    for scope in scopes:
        session.info["feed"][(scope, collection, row_id)] = removed
    session.info["marked"].add((collection, row_id))


def check_marked(session: AsyncSession, collection: str, row_id: UUID) -> None:
    """What the flush does for rows of the session, for a row that is written past it.

    Raises:
        TrailMissing: nobody has been told of the row.
    """
    if (collection, row_id) not in session.info["marked"]:
        raise TrailMissing(f"{collection}: changed without db.mark()")


@event.listens_for(Session, "before_flush")
def _raise_versions(session: Session, _context: object, _instances: object) -> None:
    for row in session.dirty:
        if session.is_modified(row) and hasattr(row, "version"):
            row.version += 1


@event.listens_for(Session, "after_flush")
def _refuse_silent_changes(session: Session, _context: object) -> None:
    """A change nobody is told of would be lost to every phone: fail here, not in the field."""
    marked = session.info.get("marked", ())
    for row in (*session.new, *session.dirty):
        collection = getattr(row, "__collection__", None)
        if collection is None or (collection, row.id) in marked or not session.is_modified(row):
            continue
        raise TrailMissing(f"{collection}: changed without db.mark()")


async def _write_trail(session: AsyncSession) -> None:
    audit: list[AuditEntry] = session.info["audit"]
    feed: dict[tuple[UUID, str, UUID], bool] = session.info["feed"]
    if not audit and not feed:
        return
    await raw(session).execute(
        _TRAIL_SQL,
        session.info["org_id"],
        [key[0] for key in feed],
        [key[1] for key in feed],
        [key[2] for key in feed],
        list(feed.values()),
        [uuid7() for _ in audit],
        [entry.actor_id for entry in audit],
        [entry.actor_kind for entry in audit],
        [entry.action for entry in audit],
        [entry.object_type for entry in audit],
        [entry.object_id for entry in audit],
        [orjson.dumps(entry.detail).decode() for entry in audit],
        [entry.request_id for entry in audit],
        [entry.device.session_id for entry in audit],
        [entry.device.id for entry in audit],
        [entry.device.kind for entry in audit],
        [entry.persons[0] for entry in audit],
        [entry.persons[1] for entry in audit],
    )


def constraint_of(error: IntegrityError) -> str | None:
    """The name of the constraint a flush has broken."""
    name: str | None = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)
    return name


async def is_reachable() -> bool:
    """True when the database answers within two seconds; on a connection of its own, a busy pool is no outage.

    Anybody may ask, so all who ask at the same time share one connection.
    """
    global _probe
    if _engine is None:
        return False
    if _probe is None or _probe.done():
        _probe = asyncio.create_task(_is_answering())
    return await asyncio.shield(_probe)


async def _is_answering() -> bool:
    try:
        async with asyncio.timeout(2):
            connection = await connect(_dsn)
            try:
                await connection.fetchval("SELECT 1")
            finally:
                connection.terminate()
    except BROKEN:
        return False
    return True
