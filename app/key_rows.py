"""What lies under which version of which key: counted in the rows themselves.

A sealed value begins with `1 | algorithm | version u32`, a wrapped key of a person with two such heads: so the rows
say it, and no column beside them can be wrong. Only the owner role sees all organisations.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg

from app.crypto import Algorithm
from app.sealed import BLIND, SEALED, WRAPPED, BlindColumn, SealedColumn

Layer = Literal["kek", "org", "blind", "person"]

VERSION = "('x' || encode(substring(t.{column} FROM {at} FOR 4), 'hex'))::bit(32)::int"
# Null where the value is shorter than its head: damaged, and under no key.
ALGORITHM = "CASE WHEN octet_length(t.{column}) > {at} THEN get_byte(t.{column}, {at} - 2) END"
NEWEST = "(SELECT max(k.version) FROM person_keys k WHERE k.org_id = $1 AND k.person_id = t.{person})"
_FIRST_HEAD, _SECOND_HEAD = "3", "9"  # where the versions stand, counted from 1
_NAME = re.compile(r"[a-z][a-z0-9_]*|[1-9]")

_WRAPPED_SQL = (
    "SELECT t.kek_version AS version, NULL::int AS algorithm, true AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.{column} <> '' GROUP BY 1"
)
_SEALED_SQL = (
    "SELECT {version} AS version, {algorithm} AS algorithm, true AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.org_id = $1 AND t.{column} IS NOT NULL GROUP BY 1, 2, 3"
)
_PERSON_SQL = (
    "SELECT {version} AS version, {algorithm} AS algorithm, "
    "coalesce({version} = {newest}, false) AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.org_id = $1 AND t.{column} IS NOT NULL GROUP BY 1, 2, 3"
)
_BLIND_SQL = (
    "SELECT coalesce(t.{version_column}, 0) AS version, NULL::int AS algorithm, true AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.org_id = $1 AND t.{column} IS NOT NULL GROUP BY 1, 2"
)
_ACTIVE_ORG = "SELECT version FROM org_keys WHERE org_id = $1 AND state = 'active'"
_ACTIVE_BLIND = "SELECT version FROM blind_keys WHERE org_id = $1 AND state = 'active'"


@dataclass(frozen=True, slots=True)
class Lying:
    """Rows of one place that lie under one version of one key."""

    layer: Layer
    org_id: UUID | None
    place: str
    version: int
    algorithm: Algorithm | None
    is_current: bool
    rows: int


def filled(text: str, **names: str) -> str:
    """A statement with the names of a table and its columns; they come from `app/sealed.py`, never from outside."""
    for slot, name in names.items():
        if not _NAME.fullmatch(name):
            raise ValueError("not the name of a table or column")
        text = text.replace("{" + slot + "}", name)
    return text


def _of_blob(text: str, **names: str) -> str:
    return filled(
        text.replace("{version}", VERSION).replace("{algorithm}", ALGORITHM).replace("{newest}", NEWEST), **names
    )


async def count_wrapped(connection: asyncpg.Connection, kek_version: int) -> list[Lying]:
    """What lies under which version of the key-encryption key.

    Args:
        connection: of the owner role.
        kek_version: the version that is current.
    """
    found = []
    for one in WRAPPED:
        statement = filled(_WRAPPED_SQL, table=one.table, column=one.column)
        found += [
            Lying(
                "kek",
                None,
                f"{one.table}.{one.column}",
                row["version"],
                None,
                row["version"] == kek_version,
                row["rows"],
            )
            for row in await connection.fetch(statement)
        ]
    return found


async def count(
    connection: asyncpg.Connection,
    org_id: UUID,
    sealed: Sequence[SealedColumn] = SEALED,
    blind: Sequence[BlindColumn] = BLIND,
) -> list[Lying]:
    """What of an organisation lies under which version of which key, by place.

    Args:
        connection: of the owner role.
        org_id: whose rows.
        sealed: the columns to look at, if not all.
        blind: as well.
    """
    active = {"org": _ACTIVE_ORG, "blind": _ACTIVE_BLIND}
    newest = {layer: await connection.fetchval(statement, org_id) for layer, statement in active.items()}
    found = []
    for layer, place, statement in _questions(sealed, blind):
        for row in await connection.fetch(statement, org_id):
            is_current = row["is_newest"] if layer == "person" else row["version"] == newest[layer]
            algorithm = Algorithm(row["algorithm"]) if row["algorithm"] in {*Algorithm} else None
            found.append(Lying(layer, org_id, place, row["version"], algorithm, is_current, row["rows"]))
    return found


def _questions(sealed: Sequence[SealedColumn], blind: Sequence[BlindColumn]) -> Iterator[tuple[Layer, str, str]]:
    yield "org", "person_keys.wrapped", _of_blob(_SEALED_SQL, table="person_keys", column="wrapped", at=_SECOND_HEAD)
    for one in sealed:
        names = {"table": one.table, "column": one.column, "at": _FIRST_HEAD}
        if one.person_column is None:
            yield "org", f"{one.table}.{one.column}", _of_blob(_SEALED_SQL, **names)
        else:
            yield "person", f"{one.table}.{one.column}", _of_blob(_PERSON_SQL, **names, person=one.person_column)
    for index in blind:
        names = {"table": index.table, "column": index.column, "version_column": index.version_column}
        yield "blind", f"{index.table}.{index.column}", filled(_BLIND_SQL, **names)
