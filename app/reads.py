"""The read road: SQL that returns finished JSON, run on a private pool, passed on as bytes.

Statements live in `app/sql/<name>.sql`. `$1` is always the organisation and `$2` the owners (users and service teams)
whose customers the caller may see (null: the whole organisation). Two slots are filled when a file is loaded, never
with input:

* `{visible:alias}` becomes a test of `alias.owner_id` against `$2`: with `=` for a single owner, because only then
  an index on (owner, sort key) delivers the page in order (a service team never stands alone: its member does, too);
  with ANY for several, who may be service teams; nothing for the whole organisation;
* `{name}` takes the text of a closed variant table (`variants`).

Every read runs in a transaction bound to the organisation, so row-level security applies as on the write road. The
transaction (READ COMMITTED: each statement sees what is committed) stays open for the next read of the same
organisation on that connection, which saves two of three round trips under load: it is used for at most
`STAY_SECONDS`, and a sweeper ends it within as long again. The pool hands out connections strictly in order of
arrival (no starvation) and sends no reset query: no statement that leaves session state may run here.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, ClassVar, Protocol, TypeVar, cast
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db

STAY_SECONDS = 0.05

_T = TypeVar("_T")


class Synced(Protocol):
    """A table class whose rows phones hold; models live above this module."""

    __tablename__: ClassVar[Any]
    __collection__: ClassVar[str | None]


_SLOT = re.compile(r"\{visible:(\w+)\}")


class _Pool:
    """A fair pool: a free connection goes to the caller who waited longest."""

    def __init__(self, dsn: str, size: int) -> None:
        self._dsn = dsn
        self._room = size
        self._idle: list[asyncpg.Connection] = []
        self._waiting: deque[asyncio.Future[asyncpg.Connection | None]] = deque()
        # Connections inside a transaction: whose it is, and until when it may be used.
        self._bound: dict[asyncpg.Connection, tuple[UUID, float]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweeping: set[asyncio.Task[None]] = set()

    async def acquire(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._bound.pop(connection, None)
            self._room += 1
        if self._room > 0:
            self._room -= 1
            return await self._open()
        waiter: asyncio.Future[asyncpg.Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(db.QUEUE_SECONDS):
                handed = await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self._pass_on(waiter.result())
            raise
        if handed is not None:
            if not handed.is_closed():
                return handed
            self._bound.pop(handed, None)
        return await self._open()

    async def _open(self) -> asyncpg.Connection:
        """A new connection for a place already taken from the room; on failure the place goes to the next."""
        try:
            return await _connect(self._dsn)
        except BaseException:
            self._pass_on(None)
            raise

    def release(self, connection: asyncpg.Connection) -> None:
        if connection.is_closed():
            self._bound.pop(connection, None)
            self._pass_on(None)
        else:
            self._pass_on(connection)

    async def bind(self, connection: asyncpg.Connection, org_id: UUID) -> None:
        """Put the connection into a transaction of this organisation, unless it is in one that is still fresh."""
        now = asyncio.get_running_loop().time()
        known = self._bound.pop(connection, None)
        if known is None or known[0] != org_id or known[1] <= now:
            end = "" if known is None else "COMMIT; "
            await connection.execute(f"{end}BEGIN READ ONLY; SET LOCAL app.org_id = '{UUID(str(org_id))}'")
            known = (org_id, now + STAY_SECONDS)
        self._bound[connection] = known
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(STAY_SECONDS, self._sweep)

    async def unbind(self, connection: asyncpg.Connection) -> None:
        """End the transaction the connection is in, if any."""
        if self._bound.pop(connection, None) is not None:
            await connection.execute("COMMIT")

    async def abandon(self, connection: asyncpg.Connection) -> None:
        """After a failure the state of the connection is unknown: end the transaction or the connection."""
        self._bound.pop(connection, None)
        if connection.is_closed():
            return
        try:
            # Harmless outside a transaction; after a cancelled BEGIN nobody knows.
            await connection.execute("ROLLBACK", timeout=1)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, db.BROKEN):
                raise

    def _sweep(self) -> None:
        """No transaction outlives its time because nobody asks any more: vacuum and migrations wait for them."""
        loop, self._sweeper = asyncio.get_running_loop(), None
        for connection in [
            idle for idle in self._idle if self._bound.get(idle, (None, loop.time() + 1))[1] <= loop.time()
        ]:
            self._idle.remove(connection)
            task = loop.create_task(self._end(connection))
            self._sweeping.add(task)
            task.add_done_callback(self._sweeping.discard)
        if self._bound:
            self._sweeper = loop.call_later(STAY_SECONDS, self._sweep)

    async def _end(self, connection: asyncpg.Connection) -> None:
        try:
            await self.unbind(connection)
        except db.BROKEN:
            connection.terminate()
        finally:
            self.release(connection)

    def _pass_on(self, connection: asyncpg.Connection | None) -> None:
        """Hand a connection, or the right to open one, to the caller who waited longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self._room += 1
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*self._sweeping)
        for connection in self._idle:
            await connection.close()
        self._idle.clear()


_pool: _Pool | None = None


async def _connect(dsn: str) -> asyncpg.Connection:
    connection = await db.connect(dsn)
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    return connection


def open_pool(dsn: str, *, size: int) -> None:
    """Open the read pool; connections are made when first needed."""
    global _pool
    _pool = _Pool(dsn, size)


async def close_pool() -> None:
    """Close the read pool."""
    global _pool
    if _pool is not None:
        await _pool.close()
    _pool = None


_VISIBLE = {
    None: r"($2::uuid[] IS NULL)",
    1: r"\1.owner_id = ($2::uuid[])[1]",
    2: r"(\1.owner_id = ANY($2::uuid[]) OR \1.service_team_id = ANY($2::uuid[]))",
}


def _kind(owners: Sequence[UUID] | None) -> int | None:
    return None if owners is None else 1 if len(owners) == 1 else 2


@cache
def statement(name: str, owners: int | None, variants: tuple[tuple[str, str], ...] = ()) -> str:
    """The text of `app/sql/<name>.sql` for a caller who sees one owner (1), several (2) or everybody's (None)."""
    text = resources.files("app").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    text = _SLOT.sub(_VISIBLE[owners], text)
    for slot, value in variants:
        text = text.replace("{" + slot + "}", value)
    return text


async def row(
    org_id: UUID,
    owners: Sequence[UUID] | None,
    name: str,
    *args: object,
    variants: tuple[tuple[str, str], ...] = (),
) -> asyncpg.Record | None:
    """Run one hot read and return its single row."""
    sql = statement(name, _kind(owners), variants)
    pool = _pool
    if pool is None:
        raise RuntimeError("the read pool is not open")
    connection = await pool.acquire()
    try:
        await pool.bind(connection, org_id)
        return await connection.fetchrow(sql, org_id, owners, *args)
    except BaseException:
        await pool.abandon(connection)
        raise
    finally:
        pool.release(connection)


async def with_connection(ask: Callable[[asyncpg.Connection], Awaitable[_T]]) -> _T:
    """Ask something that belongs to no organisation (signing keys, the organisation of a key or code)."""
    pool = _pool
    if pool is None:
        raise RuntimeError("the read pool is not open")
    connection = await pool.acquire()
    try:
        await pool.unbind(connection)
        return await ask(connection)
    except BaseException:
        await pool.abandon(connection)
        raise
    finally:
        pool.release(connection)


async def touch_api_key(org_id: UUID, key_row: UUID) -> None:
    """Remember that a key was used, to the minute."""

    async def touch(connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
            await connection.execute(
                "UPDATE api_keys SET last_used_at = now() WHERE org_id = $1 AND id = $2 "
                "AND (last_used_at IS NULL OR last_used_at < now() - interval '30 seconds')",
                org_id,
                key_row,
            )

    await with_connection(touch)


async def row_in(
    session: AsyncSession,
    owners: Sequence[UUID] | None,
    name: str,
    *args: object,
    variants: tuple[tuple[str, str], ...] = (),
) -> asyncpg.Record | None:
    """The same read inside a running write transaction: what a write answers is what a read would."""
    await session.flush()
    sql = statement(name, _kind(owners), variants)
    return await db.raw(session).fetchrow(sql, session.info["org_id"], owners, *args)


async def created(
    session: AsyncSession,
    owners: Sequence[UUID] | None,
    name: str,
    model: type[Synced],
    values: Mapping[str, object],
    *args: object,
) -> asyncpg.Record | None:
    """Insert a row and read it as `name` would, in one statement of the running transaction.

    The instance, the unit of work and the second statement of the ordinary way (`session.add`, then `row_in`) are
    most of what a new customer costs.

    Args:
        name: a statement that reads `FROM <table> …` and takes the id as `$3`.
        values: by column; what is missing is null.

    Raises:
        TrailMissing: nobody has been told of the row.
        asyncpg.IntegrityConstraintViolationError: as it comes from the database.
    """
    row_id = values["id"]
    db.check_marked(session, model.__collection__ or "", cast("UUID", row_id))
    columns = _columns(model)
    sql = _insert_and_read(model, name, _kind(owners), 3 + len(args))
    bound = [
        orjson.dumps(value).decode() if is_json and value is not None else value
        for value, is_json in ((values.get(column), is_json) for column, is_json in columns)
    ]
    return await db.raw(session).fetchrow(sql, session.info["org_id"], owners, row_id, *args, *bound)


@cache
def _columns(model: type[Synced]) -> list[tuple[str, bool]]:
    table: Table = model.__table__  # type: ignore[attr-defined]  # every table class has one
    return [(column.name, isinstance(column.type, JSONB)) for column in table.columns]


@cache
def _insert_and_read(model: type[Synced], name: str, owners: int | None, before: int) -> str:
    table = model.__tablename__
    names = ", ".join(column for column, _ in _columns(model))
    values = ", ".join(f"${before + number}" for number in range(1, len(_columns(model)) + 1))
    read, found = re.subn(rf"\bFROM {table}\b", "FROM inserted", statement(name, owners), count=1)
    if found != 1:
        raise ValueError(f"{name}.sql does not read from {table}")
    # Names come from the table class, values are numbered parameters.
    insert = f"INSERT INTO {table} ({names}) VALUES ({values}) RETURNING *"  # noqa: S608
    return f"WITH inserted AS ({insert})\n{read}"
