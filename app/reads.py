"""The read road: SQL that returns finished JSON, run on a private pool, passed on as bytes.

Statements live in `app/sql/<name>.sql`. `$1` is always the organisation and `$2` the owners whose customers the
caller may see (null: the whole organisation). Two slots are filled when a file is loaded, never with input:

* `{visible:alias}` becomes `alias.owner_id = ANY($2)` or, for callers who see the organisation, `true`;
* `{name}` takes the text of a closed variant table (`variants`).

Each read is its own transaction bound to the organisation, so row-level security applies as on the write road.
The pool hands out connections strictly in order of arrival (no starvation) and sends no reset query: no statement
that leaves session state may run here.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib import resources
from typing import TypeVar
from uuid import UUID

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db

_T = TypeVar("_T")
_SLOT = re.compile(r"\{visible:(\w+)\}")


class _Pool:
    """A fair pool: a free connection goes to the caller who waited longest."""

    def __init__(self, dsn: str, size: int) -> None:
        self._dsn = dsn
        self._room = size
        self._idle: list[asyncpg.Connection] = []
        self._waiting: deque[asyncio.Future[asyncpg.Connection | None]] = deque()

    async def acquire(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
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
        if handed is not None and not handed.is_closed():
            return handed
        return await self._open()

    async def _open(self) -> asyncpg.Connection:
        """A new connection for a place already taken from the room; on failure the place goes to the next."""
        try:
            return await _connect(self._dsn)
        except BaseException:
            self._pass_on(None)
            raise

    def release(self, connection: asyncpg.Connection) -> None:
        self._pass_on(None if connection.is_closed() else connection)

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


@cache
def statement(name: str, org_wide: bool, variants: tuple[tuple[str, str], ...] = ()) -> str:
    """The text of `app/sql/<name>.sql` for one kind of caller."""
    text = resources.files("app").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    text = _SLOT.sub(r"($2::uuid[] IS NULL)" if org_wide else r"\1.owner_id = ANY($2::uuid[])", text)
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
    sql = statement(name, owners is None, variants)
    pool = _pool
    if pool is None:
        raise RuntimeError("the read pool is not open")
    connection = await pool.acquire()
    try:
        await connection.execute(f"BEGIN READ ONLY; SET LOCAL app.org_id = '{UUID(str(org_id))}'")
        found = await connection.fetchrow(sql, org_id, owners, *args)
        await connection.execute("COMMIT")
        return found
    except BaseException:
        await _abandon(connection)
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
        return await ask(connection)
    except BaseException:
        await _abandon(connection)
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


async def _abandon(connection: asyncpg.Connection) -> None:
    """After a failure the state of the connection is unknown: end the transaction or the connection."""
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK", timeout=1)  # harmless outside one; after a cancelled BEGIN nobody knows
    except BaseException as error:
        connection.terminate()
        if not isinstance(error, db.BROKEN):
            raise


async def row_in(
    session: AsyncSession, owners: Sequence[UUID] | None, name: str, *args: object
) -> asyncpg.Record | None:
    """The same read inside a running write transaction: what a write answers is what a read would."""
    await session.flush()
    sql = statement(name, owners is None)
    return await db.raw(session).fetchrow(sql, session.info["org_id"], owners, *args)
