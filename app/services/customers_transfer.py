"""Handing customers over to another agent: one of them, or all of somebody who leaves.

What an agent wrote for himself, the notes on customers, their relationships and introductions, is not handed over. What
he still had to do for a customer goes along: open tasks, and the introductions the customer was asked for. The phones
of both sides hear of everything that hangs on the customer: it leaves the one and reaches the other. Shadow
contacts follow the customer they are known through.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, reads
from app.access import Actor
from app.errors import Conflict, Invalid
from app.etags import Document
from app.models.customers import CustomerTransfer
from app.models.users import Role, User
from app.services import customers_phones, customers_private

_MOVE = """
UPDATE customers SET owner_id = $3, version = version + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY($2)
"""
# Whoever is known only through them goes along.
_FOLLOWING = """
SELECT id FROM customers
WHERE org_id = $1 AND known_through_id = ANY($2) AND owner_id = $3 AND is_shadow AND deleted_at IS NULL
ORDER BY id FOR UPDATE
"""
# The living and the deleted apart: each has indexes of its own. A deleted relationship can still be restored.
_REDACT = """
UPDATE relationships SET note_enc = NULL, version = version + 1, updated_at = now()
WHERE org_id = $1 AND (left_id = ANY($2) OR right_id = ANY($2)) AND note_enc IS NOT NULL AND deleted_at IS NULL
RETURNING id
"""
_REDACT_DELETED = """
UPDATE relationships SET note_enc = NULL, version = version + 1, updated_at = now()
WHERE org_id = $1 AND (left_id = ANY($2) OR right_id = ANY($2)) AND note_enc IS NOT NULL AND deleted_at IS NOT NULL
RETURNING id
"""
# What he wrote on ties between the customers of others, when he leaves. Locked in the order of ids.
_REDACT_WRITTEN = """
UPDATE relationships SET note_enc = NULL, version = version + 1, updated_at = now()
WHERE org_id = $1 AND id = ANY(ARRAY(
      SELECT r.id FROM relationships r WHERE r.org_id = $1 AND r.author_id = $2 AND r.note_enc IS NOT NULL
      ORDER BY r.id FOR NO KEY UPDATE))
RETURNING left_id, right_id
"""
# $2 the former agent, $3 the customers; null: whatever he did for the customers of others, when he leaves. A policy was
# his, and stays so. Who asked the same for himself already goes on with his own. Tombstones can still be restored.
_REDACT_INTRODUCTIONS = """
UPDATE introductions SET note_enc = NULL, version = version + 1, updated_at = now()
WHERE org_id = $1 AND agent_id = $2 AND ($3::uuid[] IS NULL OR introducer_id = ANY($3)) AND note_enc IS NOT NULL
RETURNING id
"""
_HAND_ON_INTRODUCTIONS = """
UPDATE introductions i SET agent_id = c.owner_id, version = i.version + 1, updated_at = now()
FROM customers c
WHERE i.org_id = $1 AND i.agent_id = $2 AND ($3::uuid[] IS NULL OR i.introducer_id = ANY($3)) AND i.status <> 'policy'
  AND c.org_id = $1 AND c.id = i.introducer_id AND c.owner_id <> $2
  AND NOT EXISTS (
      SELECT 1 FROM introductions o
      WHERE o.org_id = $1 AND o.introducer_id = i.introducer_id AND o.target_id = i.target_id
        AND o.agent_id = c.owner_id AND o.deleted_at IS NULL AND o.status NOT IN ('policy', 'declined'))
RETURNING i.introducer_id AS customer_id
"""
_HAND_ON_TASKS = """
UPDATE tasks t SET owner_id = c.owner_id, version = t.version + 1, updated_at = now()
FROM customers c
WHERE t.org_id = $1 AND t.owner_id = $2 AND ($3::uuid[] IS NULL OR t.customer_id = ANY($3)) AND t.done_at IS NULL
  AND c.org_id = $1 AND c.id = t.customer_id AND c.owner_id <> $2
RETURNING t.customer_id
"""


async def transfer(session: AsyncSession, actor: Actor, customer_id: UUID, data: CustomerTransfer) -> Document:
    """Give one customer to another agent; the former one sees him no more, from the next request on.

    Raises:
        NotFound, Gone: the customer.
        Forbidden: he sees the customer with a service team only, and does not answer for the agent whose he is.
        Invalid: nobody the caller answers for (or he himself) can take him over.
        Conflict: `conflict`: he has him already.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    access.check_answers(actor, customer)
    await receiver(session, actor, data.to_user_id, pointer="/to_user_id")
    if customer.owner_id == data.to_user_id:
        raise Conflict
    await move(session, actor, customer.owner_id, {data.to_user_id: [customer.id]})
    found = await reads.row_in(session, actor.owners, "get_customer", customer.id, actor.is_masked)
    return await customers_private.document(actor.org_id, found, customer.id, session)


async def receiver(session: AsyncSession, actor: Actor, user_id: UUID, *, pointer: str) -> User:
    """Somebody who can take customers over: at work, and an agent or manager the caller answers for, or he himself.

    He cannot leave before this transaction ends, or the customers would be with nobody.

    Raises:
        Invalid: anybody else, at `pointer`.
    """
    statement = access.managed_users(actor) if user_id != actor.id else select(User)
    statement = statement.where(
        User.org_id == actor.org_id,
        User.id == user_id,
        col(User.role).in_((Role.agent, Role.manager)),
        col(User.disabled_at).is_(None),
    )
    found = (await session.exec(statement.with_for_update(read=True, key_share=True))).first()
    if found is None:
        raise Invalid.at(pointer, "not_found")
    return found


async def move(session: AsyncSession, actor: Actor, from_user_id: UUID, to: Mapping[UUID, Sequence[UUID]]) -> int:
    """Move customers to their new owners; how many notes were redacted.

    Args:
        to: new owner → the customers he takes over, locked by the caller.
    """
    driver, notes = db.raw(session), 0
    moved: list[UUID] = []
    await session.flush()
    for user_id, customer_ids in to.items():
        shadows = [row["id"] for row in await driver.fetch(_FOLLOWING, actor.org_id, customer_ids, from_user_id)]
        ids = [*customer_ids, *shadows]
        moved += ids
        notes += await customers_private.forget_notes(session, ids)
        await driver.execute(_MOVE, actor.org_id, ids, user_id)
        for statement in (_REDACT, _REDACT_DELETED):
            notes += len(await driver.fetch(statement, actor.org_id, ids))
        detail = {"from_user_id": str(from_user_id), "to_user_id": str(user_id)}
        for customer_id in customer_ids:
            access.record(session, actor, "customer.transferred", "customer", customer_id, **detail)
        for contact_id in shadows:
            access.record(session, actor, "shadow_contact.transferred", "shadow_contact", contact_id, **detail)
    notes += len(await driver.fetch(_REDACT_INTRODUCTIONS, actor.org_id, from_user_id, moved))
    await _hand_on(session, from_user_id, moved)
    await customers_phones.tell(session, moved, left=[from_user_id])
    return notes


async def leave(session: AsyncSession, from_user_id: UUID) -> int:
    """Whoever leaves leaves nothing undone with the customers of others, and no notes; how many were redacted.

    To be called when his own customers are moved.
    """
    await session.flush()
    driver, org_id = db.raw(session), session.info["org_id"]
    written = await driver.fetch(_REDACT_WRITTEN, org_id, from_user_id)
    notes = len(written) + len(await driver.fetch(_REDACT_INTRODUCTIONS, org_id, from_user_id, None))
    ends = {end for row in written for end in row}
    await customers_phones.tell(session, sorted({*await _hand_on(session, from_user_id, None), *ends}), left=[])
    return notes


async def _hand_on(session: AsyncSession, from_user_id: UUID, moved: Sequence[UUID] | None) -> list[UUID]:
    """Give what is not done to the present owners of the customers; the customers it was done for."""
    found: set[UUID] = set()
    for statement in (_HAND_ON_INTRODUCTIONS, _HAND_ON_TASKS):
        rows = await db.raw(session).fetch(statement, session.info["org_id"], from_user_id, moved)
        found.update(row["customer_id"] for row in rows)
    return sorted(found)
