"""Envelopes: members of a row that stand together in one sealed column, as one JSON object.

What is said of a customer in answers, analyses and proposals is asked for whole or not at all. So a row has one sealed
column (two or three where lists show a part) instead of one for every member, sealed under the key of the customer.

A table class names its members with `Sealed`. On the write road they are set with `put` and read as attributes after
`opened`; on the read road a statement answers the sealed columns, the person they speak of and his wrapped keys
(`person_id`, `keys`) beside the clear members as JSON, and what was sealed is put into that text as it is, unparsed.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, Self, TypeVar, overload
from uuid import UUID

import asyncpg
import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import vault
from app.crypto import FieldCipher

_T = TypeVar("_T")
_OPEN = "_opened"  # where an instance keeps what was in its envelopes


class Sealed(Generic[_T]):
    """A member of a table class without a column of its own: it stands in `<column>_enc`.

    Reading one of a row nobody has opened is a mistake of the program, and so is assigning one: both raise.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, row: None, owner: type) -> Self: ...
    @overload
    def __get__(self, row: Any, owner: type) -> _T: ...
    def __get__(self, row: Any, owner: type) -> Self | _T:
        if row is None:
            return self
        try:
            found: _T = row.__dict__[_OPEN][self.name]
        except KeyError:
            raise LookupError(f"{owner.__name__}.{self.name} is sealed") from None
        return found


@cache
def _columns(table: Any) -> dict[str, tuple[str, ...]]:
    """Column → the members that stand in it."""
    members = [one for one in vars(table).values() if isinstance(one, Sealed)]
    return {one.column: tuple(other.name for other in members if other.column == one.column) for one in members}


async def put(session: AsyncSession, row: Any, **members: Any) -> None:
    """Set sealed members of a row that has `customer_id`, under his key; the others of the column stay.

    A column whose members are all null is null. Sealing twice gives two texts: put only what has changed.

    Raises:
        KeyError: the row is new or not opened, and members of a column are missing.
        CryptoError: a stored key does not open, or the text is too long.
    """
    table: Any = type(row)
    key = await vault.of_person(session, row.org_id, row.customer_id)
    clear = row.__dict__.setdefault(_OPEN, {})
    clear.update(members)
    for column, names in _columns(table).items():
        if members.keys().isdisjoint(names):
            continue
        content = {name: clear[name] for name in names}
        is_empty = all(value is None for value in content.values())
        sealed = None if is_empty else vault.seal_json(key, table.__tablename__, column, row.id, content)
        setattr(row, f"{column}_enc", sealed)


async def opened(session: AsyncSession, rows: Sequence[Any]) -> None:
    """Open rows of one customer, as they were loaded last.

    Raises:
        CryptoError: a key or a column does not open.
    """
    if not rows:
        return
    table: Any = type(rows[0])
    key = await vault.of_person(session, rows[0].org_id, rows[0].customer_id)
    for row in rows:
        found = {f"{column}_enc": getattr(row, f"{column}_enc") for column in _columns(table)}
        row.__dict__[_OPEN] = merged(texts(key, table, row.id, found, *_columns(table)))


async def cipher(found: asyncpg.Record, org_id: UUID, session: AsyncSession | None) -> FieldCipher:
    """The cipher of the person a row speaks of.

    Args:
        found: with `person_id` and `keys`, his wrapped keys.
        session: the running transaction, if the row was read in one: keys it has made itself are seen only there.

    Raises:
        CryptoError: no key, or one that does not open.
    """
    if session is None:
        return await vault.opener(org_id, found["person_id"], found["keys"])
    return await vault.of_person(session, org_id, found["person_id"])


def texts(key: FieldCipher, table: Any, row_id: UUID, found: Mapping[str, Any], *columns: str) -> list[str]:
    """What is in envelopes of a row of a table class, as JSON objects; of a column that is null, nulls.

    Raises:
        CryptoError: a column does not open.
    """
    made = []
    for column in columns:
        blob = found[f"{column}_enc"]
        made.append(
            orjson.dumps(dict.fromkeys(_columns(table)[column])).decode()
            if blob is None
            else key.open(table.__tablename__, column, row_id, blob)
        )
    return made


def spliced(objects: Iterable[str]) -> str:
    """One JSON object with the members of several, which share no name."""
    return "{" + ",".join(one[1:-1] for one in objects if len(one) > 2) + "}"


def merged(objects: Iterable[str]) -> dict[str, Any]:
    """The same, parsed."""
    found: dict[str, Any] = {}
    for one in objects:
        found |= orjson.loads(one)
    return found
