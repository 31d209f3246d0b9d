"""Handing customers over to another agent: one of them, or all of somebody who leaves.

What an agent wrote for himself, the notes on customers and on their relationships, is not handed over. The phones of
both sides hear of everything that hangs on the customer: it leaves the one and reaches the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, paging, reads
from app.access import Actor
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.etags import Document
from app.models.customers import CustomerTransfer
from app.models.users import Role, User

# A customer's own row, and what hangs on him: collection → the ids of its rows. All of them go the same way.
_PARTS = {
    "relationships": "SELECT id FROM relationships WHERE org_id = $1 AND (left_id = ANY($2) OR right_id = ANY($2))",
    "form_responses": "SELECT id FROM form_responses WHERE org_id = $1 AND customer_id = ANY($2)",
    "needs_analyses": "SELECT id FROM needs_analyses WHERE org_id = $1 AND customer_id = ANY($2)",
    "dossier_facts": "SELECT id FROM dossier_facts WHERE org_id = $1 AND customer_id = ANY($2)",
}
_MOVE = """
UPDATE customers SET owner_id = $3, note = NULL, version = version + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY($2)
"""
_COUNT_NOTES = "SELECT count(*) FROM customers WHERE org_id = $1 AND id = ANY($2) AND note IS NOT NULL"
_REDACT = """
UPDATE relationships SET note = NULL, version = version + 1, updated_at = now()
WHERE org_id = $1 AND (left_id = ANY($2) OR right_id = ANY($2)) AND note IS NOT NULL
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """A customer's id, his service team, and whether he is a tombstone: what the phones must be told."""

    id: UUID
    service_team_id: UUID | None
    is_deleted: bool


async def transfer(session: AsyncSession, actor: Actor, customer_id: UUID, data: CustomerTransfer) -> Document:
    """Give one customer to another agent; the former one sees him no more, from the next request on.

    Raises:
        NotFound, Gone: the customer.
        Forbidden: he sees the customer with a service team only, and does not answer for the agent whose he is.
        Invalid: nobody the caller answers for (or he himself) can take him over.
        Conflict: `conflict`: he has him already.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    if actor.managed is not None and customer.owner_id not in (actor.id, *actor.managed):
        raise Forbidden
    await receiver(session, actor, data.to_user_id, pointer="/to_user_id")
    if customer.owner_id == data.to_user_id:
        raise Conflict
    await move(
        session,
        actor,
        customer.owner_id,
        {data.to_user_id: [Moved(customer.id, customer.service_team_id, is_deleted=False)]},
    )
    return paging.document(
        await reads.row_in(session, actor.owners, "get_customer", customer.id, actor.is_masked), customer.id
    )


async def receiver(session: AsyncSession, actor: Actor, user_id: UUID, *, pointer: str) -> User:
    """Somebody who can take customers over: at work, and an agent or manager the caller answers for, or he himself.

    Raises:
        Invalid: anybody else, at `pointer`.
    """
    try:
        found = await (_self(session, actor) if user_id == actor.id else access.user(session, actor, user_id))
    except NotFound:
        raise Invalid.at(pointer, "not_found") from None
    if found.disabled_at is not None or found.role not in (Role.agent, Role.manager):
        raise Invalid.at(pointer, "not_found")
    return found


async def _self(session: AsyncSession, actor: Actor) -> User:
    statement = select(User).where(col(User.org_id) == actor.org_id, col(User.id) == actor.id)
    return (await session.exec(statement)).one()


async def move(session: AsyncSession, actor: Actor, from_user_id: UUID, to: Mapping[UUID, Sequence[Moved]]) -> int:
    """Move customers to their new owners; how many notes were redacted.

    Args:
        to: new owner → the customers he takes over, locked by the caller.
    """
    driver, notes = db.raw(session), 0
    await session.flush()
    for user_id, moved in to.items():
        ids = [one.id for one in moved]
        notes += await driver.fetchval(_COUNT_NOTES, actor.org_id, ids)
        await driver.execute(_MOVE, actor.org_id, ids, user_id)
        notes += len(await driver.fetch(_REDACT, actor.org_id, ids))
        for one in moved:
            scopes = [user_id] if one.service_team_id is None else [user_id, one.service_team_id]
            db.mark_id(session, "customers", one.id, [from_user_id], removed=True)
            db.mark_id(session, "customers", one.id, scopes, removed=one.is_deleted)
            access.record(
                session, actor, "customer.transferred", "customer", one.id,
                from_user_id=str(from_user_id), to_user_id=str(user_id),
            )  # fmt: skip
        for collection, statement in _PARTS.items():
            for row in await driver.fetch(statement, actor.org_id, ids):
                db.mark_id(session, collection, row["id"], [from_user_id], removed=True)
                db.mark_id(session, collection, row["id"], [user_id])
    return notes
