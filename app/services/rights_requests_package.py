"""The package a person is handed: everything of him, table by table, as the inventory says (PIPL 45, 网数条例 25).

It is made in bites of a thousand rows, each in a short transaction of its own, and sent as it is made: neither memory
nor an open transaction grows with the person. Sealed values are opened. What is of others is left out: with whom a tie
is, notes on two persons, who of the employees wrote a row; the inventory says so column by column.
"""

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, keyring
from app.access import Actor
from app.domain import inventory, spreadsheet
from app.domain.inventory import Column, Table
from app.errors import Conflict
from app.models.base import utc_now
from app.models.rights_requests import RightsRequestKind, RightsRequestStatus
from app.sealed import SEALED
from app.services import rights_requests, rights_requests_subject

FORMAT = "renmai-package/1"
BITE = 1_000
_KINDS = {RightsRequestKind.access, RightsRequestKind.copy, RightsRequestKind.portability}
_KEYS = "SELECT wrapped FROM person_keys WHERE org_id = $1 AND person_id = $2"
_READY = {RightsRequestStatus.identity_checked, RightsRequestStatus.done}


@dataclass(frozen=True, slots=True)
class Packing:
    """Whose package, for which request."""

    org_id: UUID
    customer_id: UUID
    request_id: UUID


async def prepare(session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, form: str) -> Packing:
    """Whether the package may be handed out; that it was is on record.

    Raises:
        NotFound. Forbidden: the caller does not answer for the customer's agent.
        Conflict: `identity_not_checked`; `rights_request_closed`: refused, withdrawn, or no request for data.
    """
    customer = await rights_requests_subject.find(session, actor, customer_id, lock=True)
    access.check_answers(actor, customer)
    row = await rights_requests.held(session, actor, customer_id, request_id)
    if row.status == RightsRequestStatus.received:
        raise Conflict("identity_not_checked")
    if row.status not in _READY or row.kind not in _KINDS:
        raise Conflict("rights_request_closed")
    access.record(
        session, actor, "rights_request.packaged", "rights_request", row.id, customer_id=str(customer_id), form=form
    )
    return Packing(actor.org_id, customer_id, row.id)


def tables() -> list[Table]:
    """The tables a package has a part of."""
    return [table for table in inventory.tables().values() if table.package]


async def as_json(what: Packing) -> AsyncIterator[bytes]:
    """One JSON document: for every table what its columns are, then its rows."""
    start = {
        "format": FORMAT,
        "customer_id": what.customer_id,
        "rights_request_id": what.request_id,
        "made_at": utc_now(),
    }
    yield orjson.dumps(start, default=_plain)[:-1] + b',"tables":{'
    for number, table in enumerate(tables()):
        told = orjson.dumps({one.name: _described(one) for one in table.package})
        yield b'%s%s:{"columns":%s,"rows":[' % (b"," if number else b"", orjson.dumps(table.name), told)
        is_first = True
        async for rows in _rows(what, table):
            body = orjson.dumps(rows, default=_plain)[1:-1]
            yield body if is_first else b"," + body
            is_first = False
        yield b"]}"
    yield b"}}"


async def as_zip(what: Packing) -> AsyncIterator[bytes]:
    """A ZIP archive of one CSV file a table, no cell a formula, and what the columns are."""
    out = _Stream()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for table in tables():
            names = [one.name for one in table.package]
            with archive.open(f"{table.name}.csv", "w") as file:
                file.write(spreadsheet.head(names))
                async for rows in _rows(what, table):
                    file.write(spreadsheet.lines([_cell(row[name]) for name in names] for row in rows))
                    yield out.taken()
        columns = {table.name: {one.name: _described(one) for one in table.package} for table in tables()}
        archive.writestr("columns.json", orjson.dumps(columns, option=orjson.OPT_INDENT_2))
    yield out.taken()


class _Stream(io.RawIOBase):
    """Where the archive is written; what is there is taken away as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _described(one: Column) -> dict[str, str]:
    return {"class": one.kind, "purpose": one.purpose, "legal_basis": one.basis, "retention": one.retention}


async def _rows(what: Packing, table: Table) -> AsyncIterator[list[dict[str, Any]]]:
    """The person's rows of a table, a thousand at a time. Names of tables and columns come from the inventory."""
    names = [one.name for one in table.package]
    has_id = "id" in table.columns
    selected = "SELECT " + ", ".join("t." + name for name in names)
    order = "AND t.id > $3 ORDER BY t.id LIMIT $4" if has_id else "AND $3::uuid IS NOT NULL LIMIT $4"
    who = inventory.of_person(table).replace("p_org", "$1").replace("p_ids", "$2::uuid[]")
    sql = selected + " FROM " + table.name + " t WHERE t.org_id = $1 AND (" + who + ") " + order
    last = UUID(int=0)
    while True:
        async with db.transaction(what.org_id) as session:
            await rights_requests_subject.see_restricted(db.raw(session))
            limit = BITE if has_id else 100_000
            found = await db.raw(session).fetch(sql, what.org_id, [what.customer_id], last, limit)
            rows = await _opened(session, what, table, [dict(row) for row in found])
        if rows:
            yield rows
        if len(found) < BITE or not has_id:
            return
        last = found[-1]["id"]


async def _opened(
    session: AsyncSession, what: Packing, table: Table, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows with their sealed values in clear.

    Raises:
        CryptoError: a key is missing. A package with a hole would be no answer.
    """
    places = {one.column: one for one in SEALED if one.table == table.name}
    sealed = [one.name for one in table.package if one.name in places]
    if not rows or not sealed:
        return rows
    ciphers = {"org": await keyring.field_cipher(session, what.org_id)}
    if any(places[name].owner == "person" for name in sealed):
        wrapped = await db.raw(session).fetch(_KEYS, what.org_id, what.customer_id)
        if wrapped:  # without a key nothing of his has been sealed yet
            ciphers["person"] = ciphers["org"].person(what.customer_id, [row["wrapped"] for row in wrapped])
    for row in rows:
        for name in sealed:
            if row[name] is not None:
                one = places[name]
                text = ciphers[one.owner].open(*one.place, row[one.row_column], row[name])
                row[name] = orjson.loads(text) if text[:1] in ("{", "[") else text
    return rows


def _plain(value: Any) -> Any:
    """What JSON has no type for."""
    if isinstance(value, Decimal | UUID):  # the driver's UUID is a class of its own
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | UUID | Decimal):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return orjson.dumps(value, default=_plain).decode().strip('"')
