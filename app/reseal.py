"""Moving rows from one version of a key to the next, in batches, while requests read and write them.

Each row by compare and swap: what a request has changed meanwhile is left alone and found by the next pass. The
statements name the organisation themselves: the owner role sees all of them.
"""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg

from app.crypto import BlindKeys, CryptoError, FieldCipher, Place
from app.key_rows import NEWEST, VERSION, filled
from app.keyring import KeyLayer
from app.sealed import WRAPPED, BlindColumn, SealedColumn, WrappedColumn
from app.wrapping import KeyWrapper

BATCH = 500

_KEYS = "ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = t.{person}) AS keys"
_NO_KEYS = "NULL::uuid AS person, NULL::bytea[] AS keys"
_OF = "t.{person} AS person, " + _KEYS
_SELECT = (
    "SELECT t.{row} AS id, t.{column} AS before, {of} FROM {table} t "
    "WHERE t.org_id = $1 AND t.{row} > $2 AND t.{column} IS NOT NULL AND {left} ORDER BY t.{row} LIMIT $3"
)
_UPDATE = (
    "UPDATE {table} t SET {column} = n.anew FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS n (id, before, anew) "
    "WHERE t.org_id = $1 AND t.{row} = n.id AND t.{column} = n.before"
)
_OLD_OF_ORG = "substring(t.{column} FROM 1 FOR 6) <> $4"
_OLD_OF_PERSON = VERSION.replace("{at}", "3") + " < " + NEWEST

_SELECT_INDEXED = (
    "SELECT t.{row} AS id, t.{column} AS before, t.{version_column} AS version, t.{source} AS source, {of} "
    "FROM {table} t "
    "WHERE t.org_id = $1 AND t.{row} > $2 AND t.{column} IS NOT NULL AND {left} ORDER BY t.{row} LIMIT $3"
)
_UPDATE_INDEX = (
    "UPDATE {table} SET {column} = $4, {version_column} = $5 "
    "WHERE org_id = $1 AND {row} = $2 AND {column} = $3 AND {source} = $6"
)
_OLD_INDEX = "t.{version_column} IS DISTINCT FROM $4"

_SELECT_PERSON_KEYS = (
    "SELECT person_id AS id, array_agg(version) AS versions, array_agg(wrapped) AS wrapped FROM person_keys "
    "WHERE org_id = $1 AND person_id > $2 GROUP BY person_id "
    "HAVING bool_or(substring(wrapped FROM 7 FOR 6) <> $4) ORDER BY person_id LIMIT $3"
)
_UPDATE_PERSON_KEYS = (
    "UPDATE person_keys k SET wrapped = n.anew "
    "FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS n (id, before, anew) "
    "WHERE k.org_id = $1 AND k.person_id = n.id AND k.wrapped = n.before"
)
_SELECT_WRAPPED = "SELECT * FROM {table} t WHERE t.kek_version <> $1 AND t.{column} <> ''"
_UPDATE_WRAPPED = (
    "UPDATE {table} t SET {column} = n.anew, kek_version = n.version "
    "FROM unnest($1::bytea[], $2::bytea[], $3::int[]) AS n (before, anew, version) WHERE t.{column} = n.before"
)


async def wrap_anew(connection: asyncpg.Connection, wrapper: KeyWrapper) -> int:
    """Wrap everything that lies under another key-encryption key than the current one; answers how many."""
    current, moved = await wrapper.current(), 0
    for one in WRAPPED:
        select = filled(_SELECT_WRAPPED, table=one.table, column=one.column)
        before, anew, versions = [], [], []
        for row in await connection.fetch(select, current):
            place = place_of(one, row)
            version, blob = await wrapper.wrap(place, await wrapper.unwrap(row["kek_version"], place, row[one.column]))
            before.append(row[one.column])
            anew.append(blob)
            versions.append(version)
        update = filled(_UPDATE_WRAPPED, table=one.table, column=one.column)
        moved += _rows(await connection.execute(update, before, anew, versions))
    return moved


def place_of(one: WrappedColumn, row: asyncpg.Record) -> Place:
    """Where the secret in a row belongs."""
    if one.layer == "text":
        return Place.text(f"{one.prefix}{row[one.key[0]]}".encode())
    return Place.key(one.layer, row["org_id"], row["version"])


async def open_keys(
    connection: asyncpg.Connection, wrapper: KeyWrapper, layer: KeyLayer, org_id: UUID
) -> tuple[dict[int, bytes], int]:
    """All keys of an organisation that are not destroyed, by version, and the version that is active.

    Raises:
        CryptoError: there is none.
    """
    select = filled("SELECT * FROM {table} WHERE org_id = $1 AND state <> 'destroyed'", table=f"{layer}_keys")
    rows, keys = await connection.fetch(select, org_id), {}
    for row in rows:
        place = Place.key(layer, org_id, row["version"])
        keys[row["version"]] = await wrapper.unwrap(row["kek_version"], place, row["wrapped"])
    active = [row["version"] for row in rows if row["state"] == "active"]
    if not active:
        raise CryptoError("the organisation has no key")
    return keys, active[0]


async def person_keys(connection: asyncpg.Connection, org_id: UUID, cipher: FieldCipher) -> int:
    """Wrap the keys of all persons under the current key of the organisation."""
    moved = 0
    async for rows in walk(connection, _SELECT_PERSON_KEYS, org_id, cipher.head):
        swaps = [
            (row["id"], blob, cipher.rewrap_person_key(row["id"], blob)) for row in rows for blob in row["wrapped"]
        ]
        moved += _rows(await connection.execute(_UPDATE_PERSON_KEYS, org_id, *_columns(swaps)))
    return moved


async def fields(connection: asyncpg.Connection, org_id: UUID, cipher: FieldCipher, column: SealedColumn) -> int:
    """Seal anew what lies under an old version: of the organisation's key, or of the person's for his own columns."""
    names = {"table": column.table, "column": column.column, "row": column.row_column}
    if column.person_column is None:
        select, more = _SELECT.replace("{of}", _NO_KEYS).replace("{left}", _OLD_OF_ORG), [cipher.head]
    else:
        select, more = _SELECT.replace("{of}", _OF).replace("{left}", _OLD_OF_PERSON), []
        names["person"] = column.person_column
    moved = 0
    async for rows in walk(connection, filled(select, **names), org_id, *more):
        swaps = [(row["id"], row["before"], _sealed(cipher, column, row)) for row in rows]
        update = filled(_UPDATE, **names)
        moved += await _store(connection, update, org_id, *_columns(swaps))
    return moved


def _sealed(organisation: FieldCipher, column: SealedColumn, row: asyncpg.Record) -> bytes:
    try:
        cipher = organisation if column.person_column is None else organisation.person(row["person"], row["keys"])
        text = cipher.open(*column.place, row["id"], row["before"])
    except CryptoError as error:
        raise CryptoError(f"{column.table}.{column.column} of {row['id']}: {error}") from None
    return cipher.seal(*column.place, row["id"], text)


async def _store(connection: asyncpg.Connection, update: str, *args: object) -> int:
    """Run an update past the guards of rows that never change: they let the owner of the table through, who says that
    he seals, as long as nothing but sealed columns differs (`is_sealing` in the database).

    Only the rows are locked: whoever reads or writes others does not wait.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL app.sealing = 'on'")
        return _rows(await connection.execute(update, *args))


async def indexes(
    connection: asyncpg.Connection,
    org_id: UUID,
    keys: BlindKeys,
    organisation: FieldCipher | None,
    index: BlindColumn,
    source: SealedColumn,
) -> tuple[int, int]:
    """Index anew what lies under another version: how many rows, and how many an equal one hinders.

    Two rows with the same value can meet when a process that did not know the new version yet wrote one of them: the
    unique index finds it now, and a human must say which one is right.
    """
    names = {"table": index.table, "column": index.column, "row": source.row_column}
    names |= {"version_column": index.version_column, "source": index.source}
    select = _SELECT_INDEXED.replace("{of}", _NO_KEYS if source.person_column is None else _OF)
    select = filled(select.replace("{left}", _OLD_INDEX), **names, person=source.person_column or "id")
    update, moved, hindered = filled(_UPDATE_INDEX, **names), 0, 0
    async for rows in walk(connection, select, org_id, keys.current):
        for row in rows:
            anew = _indexed(keys, organisation, index, source, row)
            try:
                moved += _rows(
                    await connection.execute(
                        update, org_id, row["id"], row["before"], anew, keys.current, row["source"]
                    )
                )
            except asyncpg.UniqueViolationError:
                hindered += 1
    return moved, hindered


def _indexed(
    keys: BlindKeys, organisation: FieldCipher | None, index: BlindColumn, source: SealedColumn, row: asyncpg.Record
) -> bytes | list[bytes]:
    if organisation is None:
        raise CryptoError("the organisation has no key")
    cipher = organisation if source.person_column is None else organisation.person(row["person"], row["keys"])
    values = index.values(cipher.open(*source.place, row["id"], row["source"]))
    if isinstance(values, str):
        return keys.index(*index.names, values)
    return [keys.index(*index.names, value) for value in values]


async def walk(
    connection: asyncpg.Connection, select: str, org_id: UUID, *args: object
) -> AsyncIterator[list[asyncpg.Record]]:
    """Batches in the order of their ids, so that a row that cannot be moved is met once."""
    after = UUID(int=0)
    while rows := await connection.fetch(select, org_id, after, BATCH, *args):
        yield rows
        after = rows[-1]["id"]


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _rows(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])
