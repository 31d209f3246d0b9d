"""Rotation of every layer of keys while the service runs: a new version, move what lies under the old, destroy it.

A new key of an organisation is published first, for as long as a process keeps what it knows (`key_seconds`), and used
only then: no running process meets a row that it cannot open or find. Keys of persons are never kept in memory, so
theirs are used at once. Interrupted at any point, the same command goes on from there. Nothing is destroyed before a
count of the rows says 0. Everything here needs the owner role.

States of a key: `pre_active` (published), `active` (seals what is new), `decrypt_only` (opens), `destroyed` (gone).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app import crypto, key_rows, reseal
from app.crypto import BlindKeys, FieldCipher, Place
from app.key_rows import Layer, Lying, filled
from app.keyring import KeyLayer, Keyring
from app.sealed import BLIND, SEALED, BlindColumn, SealedColumn
from app.wrapping import LocalKeys

SETTLE_SECONDS = 2.0  # between the row and its key a request may be this slow
_PATIENCE_SECONDS = 60.0
_LOCK = 7_236_625  # an arbitrary number: one command at a time per database

_NEW_PERSON_KEYS = (
    "INSERT INTO person_keys (org_id, person_id, version, wrapped) "
    "SELECT k.org_id, k.person_id, n.version, n.wrapped "
    "FROM unnest($2::uuid[], $3::int[], $4::bytea[]) AS n (id, version, wrapped) "
    "JOIN person_keys k ON k.org_id = $1 AND k.person_id = n.id AND k.version = n.version - 1 "  # not erased meanwhile
    "ON CONFLICT DO NOTHING"
)
_OLD_PERSON_KEYS = (
    "DELETE FROM person_keys k WHERE k.org_id = $1 AND k.version < "
    "(SELECT max(n.version) FROM person_keys n WHERE n.org_id = $1 AND n.person_id = k.person_id)"
)
# Every open transaction holds the lock on its own virtual id; anybody may read that list.
_OPEN = (
    "SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'virtualxid' AND a.datname = current_database() AND a.usesysid IS NOT NULL "
    "AND l.pid <> pg_backend_pid()"
)


class RotationError(RuntimeError):
    """It cannot go on now; the text tells the operator why, without a word about a person."""


@dataclass(frozen=True, slots=True)
class Work:
    """What every step needs.

    Args:
        connection: of the owner role.
        ring: the keys of this process.
        pause: how seconds pass.
        sealed: the columns to walk.
        blind: as well.
    """

    connection: asyncpg.Connection
    ring: Keyring
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    sealed: Sequence[SealedColumn] = SEALED
    blind: Sequence[BlindColumn] = BLIND

    @property
    def ahead_seconds(self) -> float:
        """How long a key is published before it is used, and known after it was last used."""
        return self.ring.settings.key_seconds + 1.0


async def rotate_kek(work: Work) -> int:
    """Wrap everything under the newest key-encryption key; answers how many secrets.

    Running processes read the file of the keys anew when they meet the new version.
    """
    async with _alone(work):
        return await reseal.wrap_anew(work.connection, work.ring.wrapper)


async def rotate_organisation(work: Work, layer: KeyLayer, org_id: UUID) -> int:
    """A new key of an organisation, and everything moved to it; answers how many rows.

    Args:
        layer: `org` for the key over its persons' keys and its own fields, `blind` for its blind indexes.

    Raises:
        RotationError: it has no such key yet, or rows cannot be moved.
    """
    async with _alone(work):
        if not await _publish(work, layer, org_id):
            raise RotationError("the organisation has no such key yet")
        await _wait(work, layer, org_id, "pre_active")
        await _activate(work, layer, org_id)
        moved = await _move(work, layer, org_id)
        await _wait(work, layer, org_id, "active")  # until then a process may have sealed under the old one
        await _others_gone(work)
        return moved + await _move(work, layer, org_id)


async def rotate_persons(work: Work, org_id: UUID) -> int:
    """A new key for every person of an organisation, and his fields sealed under it; answers how many rows.

    Persons whose last rotation was not ended by `retire` are brought to its end instead.
    """
    async with _alone(work):
        organisation = await _cipher(work, org_id)
        await _new_person_keys(work, org_id, organisation)
        await _others_gone(work)  # who has read that a person has one key may seal under it until its transaction ends
        columns = [one for one in work.sealed if one.person_column is not None]
        return sum([await reseal.fields(work.connection, org_id, organisation, one) for one in columns])


async def retire(work: Work, layer: Layer, org_id: UUID | None = None) -> int:
    """Destroy the versions of a key nothing lies under any more; answers how many there were.

    Args:
        org_id: whose; None for the key-encryption key.

    Raises:
        RotationError: rows are left, or a process may still use the old version.
    """
    async with _alone(work):
        if layer in ("org", "blind") and org_id is not None and await _may_be_used(work, layer, org_id):
            raise RotationError(f"running processes may still use the old key: try again in {work.ahead_seconds:.0f} s")
        await _others_gone(work)
        if left := await _left(work, layer, org_id):
            raise RotationError(f"{sum(one.rows for one in left)} rows are left: {', '.join(sorted(map(_told, left)))}")
        await work.pause(SETTLE_SECONDS)
        if layer == "kek":
            return await _retire_kek(work)
        if layer == "person":
            gone = await work.connection.execute(_OLD_PERSON_KEYS, org_id)
            await work.connection.execute("VACUUM person_keys")
        else:
            destroy, rewrite = (filled(text, table=f"{layer}_keys") for text in (_DESTROY, _REWRITE))
            gone = await work.connection.execute(destroy, org_id)
            await work.connection.execute(rewrite)
        return int(gone.rsplit(" ", 1)[1])


_REWRITE = "VACUUM (FULL) {table}"  # small ones: no dead row keeps the key on the disk
_DESTROY = (
    "UPDATE {table} SET state = 'destroyed', wrapped = '', destroyed_at = now() "
    "WHERE org_id = $1 AND state = 'decrypt_only'"
)


def _told(one: Lying) -> str:
    return f"{one.place} version {one.version}"


async def _left(work: Work, layer: Layer, org_id: UUID | None) -> list[Lying]:
    if org_id is None:
        found = await key_rows.count_wrapped(work.connection, await work.ring.wrapper.current())
    else:
        found = await key_rows.count(work.connection, org_id, work.sealed, work.blind)
    return [one for one in found if one.layer == layer and not one.is_current]


async def _retire_kek(work: Work) -> int:
    """The key leaves the file; one from elsewhere is destroyed where it is kept."""
    wrapper = work.ring.wrapper
    if not isinstance(wrapper, LocalKeys):
        return 0
    old = [version for version in wrapper.versions() if version != await wrapper.current()]
    return sum(wrapper.destroy(version) for version in old)


async def _publish(work: Work, layer: KeyLayer, org_id: UUID) -> bool:
    """Make a new version, unless one is under way; False without a first one."""
    states = filled("SELECT version, state FROM {table} WHERE org_id = $1", table=f"{layer}_keys")
    rows = await work.connection.fetch(states, org_id)
    if not rows:
        return False
    if {"pre_active", "decrypt_only"} & {row["state"] for row in rows}:
        return True
    version = max(row["version"] for row in rows) + 1
    kek_version, wrapped = await work.ring.wrapper.wrap(Place.key(layer, org_id, version), crypto.new_key())
    insert = filled(
        "INSERT INTO {table} (org_id, version, wrapped, kek_version, state) VALUES ($1, $2, $3, $4, 'pre_active')",
        table=f"{layer}_keys",
    )
    await work.connection.execute(insert, org_id, version, wrapped, kek_version)
    return True


async def _seconds_left(work: Work, layer: KeyLayer, org_id: UUID, state: str) -> float:
    since = "activated_at" if state == "active" else "created_at"
    ask = filled(
        "SELECT extract(epoch FROM {since} - clock_timestamp())::float8 FROM {table} WHERE org_id = $1 AND state = $2",
        table=f"{layer}_keys",
        since=since,
    )
    age = await work.connection.fetchval(ask, org_id, state)
    return 0.0 if age is None else float(age) + work.ahead_seconds


async def _may_be_used(work: Work, layer: KeyLayer, org_id: UUID) -> bool:
    old = filled("SELECT 1 FROM {table} WHERE org_id = $1 AND state = 'decrypt_only'", table=f"{layer}_keys")
    has_old = await work.connection.fetchval(old, org_id) is not None
    return has_old and await _seconds_left(work, layer, org_id, "active") > 0


async def _wait(work: Work, layer: KeyLayer, org_id: UUID, state: str) -> None:
    while (left := await _seconds_left(work, layer, org_id, state)) > 0:
        await work.pause(left)


async def _activate(work: Work, layer: KeyLayer, org_id: UUID) -> None:
    table = f"{layer}_keys"
    async with work.connection.transaction():
        new = filled("SELECT version FROM {table} WHERE org_id = $1 AND state = 'pre_active'", table=table)
        if await work.connection.fetchval(new, org_id) is None:
            return
        for statement in (
            "UPDATE {table} SET state = 'decrypt_only' WHERE org_id = $1 AND state = 'active'",
            "UPDATE {table} SET state = 'active', activated_at = now() WHERE org_id = $1 AND state = 'pre_active'",
        ):
            text = filled(statement, table=table)
            await work.connection.execute(text, org_id)


async def _move(work: Work, layer: KeyLayer, org_id: UUID) -> int:
    if layer == "org":
        cipher = await _cipher(work, org_id)
        moved = await reseal.person_keys(work.connection, org_id, cipher)
        columns = [one for one in work.sealed if one.person_column is None]
        return moved + sum([await reseal.fields(work.connection, org_id, cipher, one) for one in columns])
    keys = BlindKeys(org_id, *await reseal.open_keys(work.connection, work.ring.wrapper, "blind", org_id))
    cipher = await _cipher(work, org_id)
    sources, moved, hindered = {(one.table, one.column): one for one in work.sealed}, 0, 0
    for index in work.blind:
        source = sources[index.table, index.source]
        done, left = await reseal.indexes(work.connection, org_id, keys, cipher, index, source)
        moved, hindered = moved + done, hindered + left
    if hindered:
        raise RotationError(f"{hindered} rows have the same value as another one and must be merged first")
    return moved


async def _cipher(work: Work, org_id: UUID) -> FieldCipher:
    keys = await reseal.open_keys(work.connection, work.ring.wrapper, "org", org_id)
    return FieldCipher(org_id, *keys, work.ring.algorithm)


async def _new_person_keys(work: Work, org_id: UUID, organisation: FieldCipher) -> None:
    select = (
        "SELECT person_id AS id, max(version) AS version FROM person_keys WHERE org_id = $1 AND person_id > $2 "
        "GROUP BY person_id HAVING count(*) = 1 ORDER BY person_id LIMIT $3"
    )
    async for rows in reseal.walk(work.connection, select, org_id):
        versions = [row["version"] + 1 for row in rows]
        ids = [row["id"] for row in rows]
        wrapped = [
            organisation.wrap_person_key(person, version, crypto.new_key())
            for person, version in zip(ids, versions, strict=True)
        ]
        await work.connection.execute(_NEW_PERSON_KEYS, org_id, ids, versions, wrapped)


async def _others_gone(work: Work) -> None:
    """Wait until every transaction that is open now has ended."""
    before = {row[0] for row in await work.connection.fetch(_OPEN)}
    until = time.monotonic() + _PATIENCE_SECONDS
    while before := before & {row[0] for row in await work.connection.fetch(_OPEN)}:
        if time.monotonic() > until:
            raise RotationError("a transaction from before is still open; try again when it has ended")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _alone(work: Work) -> AsyncIterator[None]:
    if not await work.connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        raise RotationError("another command works on the keys; try again when it has ended")
    try:
        yield
    finally:
        await work.connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
