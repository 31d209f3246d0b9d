"""Recorded contacts between the two ends of a relationship. With each of them its strength is reckoned anew.

Whoever sees both ends sees and records them. Recording one confirms a shadow contact at an end.
"""

from datetime import date
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, keyring, offline, paging, reads
from app.access import Actor
from app.domain.dossier import observation_issue
from app.errors import Gone, Invalid, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.relationship_interactions import (
    RelationshipInteraction,
    RelationshipInteractionCreate,
    RelationshipInteractionQuery,
)
from app.paging import Page
from app.services import relationships, shadow_contacts_clock


async def read(actor: Actor, customer_id: UUID, relationship_id: UUID, interaction_id: UUID) -> Document:
    """One recorded contact.

    Raises:
        NotFound: absent, not of this relationship, or one of its ends is not visible.
        Gone: it, the relationship or the customer was deleted in the last 30 days.
    """
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "get_relationship_interaction",
        customer_id,
        relationship_id,
        interaction_id,
    )
    return paging.document(found, interaction_id)


async def search(actor: Actor, customer_id: UUID, relationship_id: UUID, query: RelationshipInteractionQuery) -> Page:
    """A page of them, the latest first.

    Raises:
        NotFound, Gone: the relationship. Malformed: the cursor.
    """
    key = keyring.current().cursors
    bound = paging.binding("relationship_interactions", actor.org_id, actor.id, customer_id, relationship_id)
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_relationship_interactions",
        customer_id,
        relationship_id,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    return paging.page(key, bound, found)


async def create(
    session: AsyncSession,
    actor: Actor,
    customer_id: UUID,
    relationship_id: UUID,
    data: RelationshipInteractionCreate,
) -> tuple[Document, bool]:
    """Record one; False when the phone sent the same before.

    Raises:
        NotFound, Gone: the relationship; Gone also when it was sent before and is deleted.
        Invalid: `in_future`, `out_of_range` (the day). Conflict: `id_taken`.
    """
    found = await relationships.find(session, actor, customer_id, relationship_id)
    digest = offline.digest(actor, relationship_id.bytes, data.model_dump_json(exclude={"id"}).encode())
    if data.id is not None and await offline.is_sent_before(session, actor, RelationshipInteraction, data.id, digest):
        return await _stored(session, actor, customer_id, relationship_id, data.id), False
    _check_day(data.occurred_on)
    row = RelationshipInteraction(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        relationship_id=relationship_id,
        kind=data.kind,
        occurred_on=data.occurred_on,
        recorded_by=actor.id,
        created_digest=digest,
    )
    session.add(row)
    for end in (found.here, found.other):
        shadow_contacts_clock.restart(session, end)
    await _reckon(session, actor, found, row, "created", kind=data.kind.value)
    return await _stored(session, actor, customer_id, relationship_id, row.id), True


async def delete(
    session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID, interaction_id: UUID
) -> None:
    """Take back one that was recorded by mistake; it does not count any more.

    Raises:
        NotFound, Gone.
    """
    found = await relationships.find(session, actor, customer_id, relationship_id)
    statement = select(RelationshipInteraction).where(
        col(RelationshipInteraction.org_id) == actor.org_id,
        col(RelationshipInteraction.relationship_id) == relationship_id,
        col(RelationshipInteraction.id) == interaction_id,
    )
    row = (await session.exec(statement)).first()  # the lock on the relationship holds it
    if row is None:
        raise NotFound
    access.check_alive(row)
    row.deleted_at = row.updated_at = utc_now()
    await _reckon(session, actor, found, row, "deleted")


def _check_day(occurred_on: date) -> None:
    issue = observation_issue(occurred_on, shadow_contacts_clock.today())
    if issue is not None:
        raise Invalid.at("/occurred_on", issue)


async def _reckon(
    session: AsyncSession,
    actor: Actor,
    found: relationships.Found,
    row: RelationshipInteraction,
    verb: str,
    **detail: str,
) -> None:
    """Flush, reckon the strength, tell the phones of both ends of the relationship, and the audit."""
    try:
        await session.flush()
    except IntegrityError:  # the id was taken between the look and the insert, under another relationship
        raise offline.id_taken() from None
    await relationships.refresh(session, [found.row.id], bump=1)
    db.mark(session, found.row, {*access.holders(found.here), *access.holders(found.other)})
    access.record(
        session,
        actor,
        f"relationship_interaction.{verb}",
        "relationship_interaction",
        row.id,
        person=found.here.id,
        other_person=found.other.id,
        relationship_id=str(found.row.id),
        **detail,
    )


async def _stored(
    session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID, interaction_id: UUID
) -> Document:
    """Exactly what a read would answer."""
    found = await reads.row_in(
        session, actor.owners, "get_relationship_interaction", customer_id, relationship_id, interaction_id
    )
    return paging.document(found, interaction_id)
