"""What lies under which version of which key: counted in the rows themselves, over the whole database.

A sealed value begins with `1 | algorithm | version u32`, a wrapped key of a person with two such heads: so the rows
say it, and no column beside them can be wrong. Only the owner role sees all organisations.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg

from app.crypto import Algorithm
from app.sealed import BLIND, SEALED, WRAPPED, BlindColumn, SealedColumn

Layer = Literal["kek", "org", "blind", "person"]

VERSION = "('x' || encode(substring(t.{column} FROM {at} FOR 4), 'hex'))::bit(32)::int"
NEWEST = "(SELECT max(k.version) FROM person_keys k WHERE k.org_id = t.org_id AND k.person_id = t.{person})"
_FIRST_HEAD, _SECOND_HEAD = "3", "9"  # where the versions stand, counted from 1
_NAME = re.compile(r"[a-z][a-z0-9_]*|[1-9]")

_WRAPPED_SQL = (
    "SELECT NULL::uuid AS org_id, t.kek_version AS version, NULL::int AS algorithm, true AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.{column} <> '' GROUP BY 2"
)
_SEALED_SQL = (
    "SELECT t.org_id, {version} AS version, get_byte(t.{column}, {at} - 2) AS algorithm, true AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.{column} IS NOT NULL GROUP BY 1, 2, 3"
)
_PERSON_SQL = (
    "SELECT t.org_id, {version} AS version, get_byte(t.{column}, {at} - 2) AS algorithm, "
    "coalesce({version} = {newest}, false) AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.{column} IS NOT NULL GROUP BY 1, 2, 3, 4"
)
_BLIND_SQL = (
    "SELECT t.org_id, coalesce(t.{version_column}, 0) AS version, NULL::int AS algorithm, true AS is_newest, "
    "count(*) AS rows FROM {table} t WHERE t.{column} IS NOT NULL GROUP BY 1, 2"
)


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
    return filled(text.replace("{version}", VERSION).replace("{newest}", NEWEST), **names)


async def count(
    connection: asyncpg.Connection,
    kek_version: int,
    sealed: Sequence[SealedColumn] = SEALED,
    blind: Sequence[BlindColumn] = BLIND,
) -> list[Lying]:
    """Everything that lies under a key, by layer, organisation, place and version.

    Args:
        connection: of the owner role.
        kek_version: the version of the key-encryption key that is current.
        sealed: the columns to look at, if not all.
        blind: as well.
    """
    asked: list[tuple[Layer, str, str]] = [
        ("kek", f"{one.table}.{one.column}", filled(_WRAPPED_SQL, table=one.table, column=one.column))
        for one in WRAPPED
    ]
    persons = _of_blob(_SEALED_SQL, table="person_keys", column="wrapped", at=_SECOND_HEAD)
    asked.append(("org", "person_keys.wrapped", persons))
    for one in sealed:
        names = {"table": one.table, "column": one.column, "at": _FIRST_HEAD}
        if one.person_column is None:
            asked.append(("org", f"{one.table}.{one.column}", _of_blob(_SEALED_SQL, **names)))
        else:
            statement = _of_blob(_PERSON_SQL, **names, person=one.person_column)
            asked.append(("person", f"{one.table}.{one.column}", statement))
    for index in blind:
        names = {"table": index.table, "column": index.column, "version_column": index.version_column}
        asked.append(("blind", f"{index.table}.{index.column}", filled(_BLIND_SQL, **names)))
    active = await _active(connection)
    found = []
    for layer, place, statement in asked:
        for row in await connection.fetch(statement):
            newest = kek_version if layer == "kek" else active.get((layer, row["org_id"]), row["version"])
            is_current = row["is_newest"] if layer == "person" else row["version"] == newest
            algorithm = None if row["algorithm"] is None else Algorithm(row["algorithm"])
            found.append(Lying(layer, row["org_id"], place, row["version"], algorithm, is_current, row["rows"]))
    return found


async def _active(connection: asyncpg.Connection) -> dict[tuple[str, UUID], int]:
    rows = await connection.fetch(
        "SELECT 'org' AS layer, org_id, version FROM org_keys WHERE state = 'active' "
        "UNION ALL SELECT 'blind', org_id, version FROM blind_keys WHERE state = 'active'"
    )
    return {(row["layer"], row["org_id"]): row["version"] for row in rows}
