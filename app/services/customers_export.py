"""Taking customers out as a table: what the caller sees, masked, once he has proven that he is there."""

import asyncio
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, reads
from app.access import Actor
from app.domain import spreadsheet
from app.errors import Conflict
from app.services.customers import CustomerFilter

MAX_ROWS = 20_000
COLUMNS = (
    "id", "party_type", "stage", "name", "gender", "occupation", "phone_masked", "email_masked", "city", "county",
    "tags", "owner", "created_at", "updated_at",
)  # fmt: skip


async def export(session: AsyncSession, actor: Actor, wanted: CustomerFilter) -> bytes:
    """The customers the caller sees as a CSV file, newest first; how many, and by which filters, is on record.

    Args:
        wanted: `stage` and `tag` count; there are no pages.

    Raises:
        Conflict: `too_many_rows`: more than 20,000.
    """
    stages = None if wanted.stage is None else [stage.value for stage in wanted.stage]
    tags = None if wanted.tag is None else list(wanted.tag)
    found = await reads.row_in(session, actor.owners, "export_customers", stages, tags, MAX_ROWS + 1)
    count = 0 if found is None else found["total"]
    if count > MAX_ROWS:
        raise Conflict("too_many_rows")
    filters = [name for name, value in (("stage", stages), ("tag", tags)) if value is not None]
    access.record(session, actor, "customers.exported", "customer", None, count=count, filters=filters)
    # Each of them was taken out, and each may ask who did it.
    rows = orjson.loads("[]" if found is None else found["rows"])
    for row in rows:
        access.record(
            session, actor, "customer.exported", "customer", UUID(row[0]), fields=["profile", "contact_masked"]
        )
    # Most of a second for the largest table; the transaction it belongs to limits how many there are at once.
    return await asyncio.to_thread(spreadsheet.table, COLUMNS, rows)
