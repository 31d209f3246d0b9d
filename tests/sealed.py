"""Behind the API: what is in the sealed columns of a row, and rows that time or an operator has changed."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from app import db, envelopes
from tests.factories import World


async def opened(world: World, model: Any, row_id: UUID | str) -> Any:
    """A stored row of a table class with sealed members, opened."""
    async with db.transaction(world.org_id) as session:
        row = (await session.exec(select(model).where(col(model.id) == UUID(str(row_id))))).one()
        await envelopes.opened(session, [row])
        return row


async def put(world: World, model: Any, row_id: UUID | str, column: str, **members: Any) -> None:
    """Change sealed members of a stored row as its owner could; its guards must be off."""
    async with db.transaction(world.org_id) as session:
        row = (await session.exec(select(model).where(col(model.id) == UUID(str(row_id))))).one()
        await envelopes.opened(session, [row])
        session.expunge(row)
        await envelopes.put(session, row, **members)
        sealed = getattr(row, f"{column}_enc")
    # Names come from the table class.
    statement = f"UPDATE {model.__tablename__} SET {column}_enc = $2 WHERE id = $1"
    await world.db.execute(statement, row.id, sealed)
