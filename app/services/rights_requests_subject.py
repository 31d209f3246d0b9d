"""Whose rights are kept: the customer, also while he is restricted and nobody else sees him.

Row-level security hides a restricted customer from every statement (`customers_restricted`). The transaction of a
rights request says that it must see him; no other one does.
"""

from uuid import UUID

import asyncpg
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db
from app.access import Actor
from app.errors import NotFound
from app.models.customers import Customer

# What phones may hold of him: rows of his own and ties to him.
_OF_HIM = """
SELECT $2::uuid AS id
UNION SELECT id FROM relationships WHERE org_id = $1 AND $2 IN (left_id, right_id)
UNION SELECT id FROM introductions WHERE org_id = $1 AND $2 IN (introducer_id, target_id)
UNION SELECT id FROM tasks WHERE org_id = $1 AND customer_id = $2
"""
# Both texts are constants of this file.
_HIDE = "UPDATE feed SET removed = true, seq = DEFAULT WHERE org_id = $1 AND id IN (" + _OF_HIM + ")"  # noqa: S608
_SHOW = (
    "UPDATE feed f SET removed = false, seq = DEFAULT WHERE f.org_id = $1 AND f.id IN ("  # noqa: S608  constants
    + _OF_HIM
    + """)
AND f.scope IN (SELECT unnest(ARRAY[c.owner_id, c.service_team_id]) FROM customers c WHERE c.org_id = $1 AND c.id = $2)
AND NOT EXISTS (SELECT FROM relationships r WHERE r.org_id = $1 AND r.id = f.id AND r.deleted_at IS NOT NULL)
"""
)


async def see_restricted(connection: asyncpg.Connection) -> None:
    """Let this transaction see who is restricted."""
    await connection.execute("SET LOCAL app.restricted = 'on'")


async def find(
    session: AsyncSession, actor: Actor, customer_id: UUID, *, lock: bool = False, erased: bool = False
) -> Customer:
    """The customer, living, deleted or restricted.

    Args:
        erased: one who was erased is wanted too, for what is left: his requests.

    Raises:
        NotFound: absent, foreign, or erased.
    """
    await see_restricted(db.raw(session))
    statement = access.visible_customers(actor).where(col(Customer.id) == customer_id)
    found = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if found is None or (found.erased_at is not None and not erased):
        raise NotFound
    return found


async def hide(session: AsyncSession, org_id: UUID, customer_id: UUID) -> None:
    """Tell every phone that was told of him that he is gone."""
    await session.flush()
    await db.raw(session).execute(_HIDE, org_id, customer_id)


async def show(session: AsyncSession, org_id: UUID, customer_id: UUID) -> None:
    """Tell those who have him now that he is there again."""
    await session.flush()
    await db.raw(session).execute(_SHOW, org_id, customer_id)
