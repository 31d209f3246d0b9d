"""Shadow contacts: recorded with their first tie, confirmed, listed, exported, and made customers.

A shadow contact belongs to the agent of the customer it is known through, and follows that customer when he is handed
over (`customers_transfer`). It has no service team. When the customer is deleted, it stays until its clock has run out:
it may be known through others as well. What ends it is `shadow_contacts_erase`.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads
from app.access import Actor
from app.domain import names
from app.errors import Conflict, Invalid, Issue, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer, PartyType, Stage
from app.models.relationships import RelationshipCreate
from app.models.shadow_contacts import (
    NewContact,
    ShadowContactCreate,
    ShadowContactPromote,
    ShadowContactQuery,
    ShadowContactUpdate,
)
from app.paging import Page
from app.services import customers_private, relation_types, relationships, shadow_contacts_clock

_FEW = 20
_POOLS = {
    "organisation": "customers",
    "holders": """(
        SELECT f.* FROM unnest($2::uuid[]) AS h (id) CROSS JOIN LATERAL (
            SELECT o.* FROM customers o WHERE o.org_id = $1 AND o.owner_id = h.id AND o.is_shadow OFFSET 0) f)""",
    "customer": """(
        SELECT k.* FROM customers k WHERE k.org_id = $1 AND k.known_through_id = $3 AND k.is_shadow OFFSET 0)""",
}
_OWNER = "SELECT owner_id FROM customers WHERE org_id = $1 AND id = $2"
_KEEP = "SELECT 1 FROM users WHERE org_id = $1 AND id = $2 FOR KEY SHARE"


async def read(actor: Actor, contact_id: UUID) -> Document:
    """One contact with its strongest ties.

    Raises:
        NotFound: absent, not visible, erased, or a customer by now.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_shadow_contact", contact_id)
    return paging.document(found, contact_id)


async def search(actor: Actor, query: ShadowContactQuery) -> Page:
    """A page of contacts, those whose time is up first.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    key = keyring.current().cursors
    bound = paging.binding("shadow_contacts", actor.org_id, actor.id, query.known_through_id, query.expiring_to)
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_shadow_contacts",
        query.known_through_id,
        query.expiring_to,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
        variants=(("pool", _POOLS[_pool(actor, query)]),),
    )
    return paging.page(key, bound, found)


def _pool(actor: Actor, query: ShadowContactQuery) -> str:
    """Where the list looks: the smallest place that holds all it can show."""
    if query.known_through_id is not None:
        return "customer"
    return "holders" if actor.owners is not None and len(actor.owners) <= _FEW else "organisation"


async def create(session: AsyncSession, actor: Actor, data: ShadowContactCreate) -> tuple[Document, bool]:
    """A contact and what it is to the customer it is known through; False when the phone sent the same before.

    Raises:
        Invalid: the name; `not_found` (no living customer the caller sees); what `relation_types.resolve` refuses.
        Forbidden: he sees that customer with a service team only.
        Conflict: `id_taken`, with the place of the id.
    """
    sent = data.model_dump_json(exclude={"id": True, "relation": {"id"}}).encode()
    digest = offline.digest(actor, sent)
    if data.id is not None:
        await offline.queue_up(session, actor)
        if await offline.is_sent_before(session, actor, Customer, data.id, digest):
            return await _stored(session, actor, data.id), False
    else:
        await access.stay(session, actor)
    held = await relationships.hold(session, actor, [data.known_through_id])
    through = held.get(data.known_through_id)
    if through is None or through.is_shadow:
        raise Invalid.at("/known_through_id", "not_found")
    row = await add(session, actor, through, data, digest)
    relation = RelationshipCreate(other_id=row.id, **data.relation.model_dump(mode="json", exclude_unset=True))
    try:
        tie = await relation_types.resolve(session, actor, relation.direction, relation.type, through, row)
        made = await relationships.add(session, actor, through, row, tie, relation)
    except Invalid as error:
        raise error.below("/relation") from None
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict("id_taken", issues=[Issue("invalid", pointer="/relation/id")]) from None
    await relationships.refresh(session, [made.id])
    return await _stored(session, actor, row.id), True


async def add(session: AsyncSession, actor: Actor, through: Customer, data: NewContact, digest: bytes) -> Customer:
    """Write a contact without any tie yet, with its trail.

    Args:
        through: a customer, locked by the caller.
        digest: of the request it came with.

    Raises:
        Invalid: the name; a gender of a company. Forbidden: the caller sees the customer with a service team only.
        Conflict: `id_taken`.
    """
    access.check_answers(actor, through)
    if data.gender is not None and data.party_type != PartyType.individual:
        raise Invalid.at("/gender", "unknown")
    row = Customer(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        owner_id=through.owner_id,
        is_shadow=True,
        known_through_id=through.id,
        keep_until=shadow_contacts_clock.latest(),
        party_type=data.party_type,
        stage=Stage.contact,
        gender=data.gender,
        created_digest=digest,
        **_named(data.name),
    )
    session.add(row)
    _leave_trail(session, actor, row, "created", known_through_id=str(through.id))
    try:
        await session.flush()
    except IntegrityError:
        raise offline.id_taken() from None
    return row


async def update(
    session: AsyncSession, actor: Actor, contact_id: UUID, version: int, data: ShadowContactUpdate
) -> Document:
    """Change what was sent, and confirm the contact.

    Raises:
        NotFound, PreconditionFailed. Invalid: the name; a gender of a company; a day that is past, or too far away.
    """
    await access.stay(session, actor)
    row = await access.customer(session, actor, contact_id, lock=True, shadows=True)
    etags.check(row.version, version)
    changes = data.model_dump(exclude_unset=True)
    until = changes.get("keep_until", shadow_contacts_clock.latest())
    if not shadow_contacts_clock.today() <= until <= shadow_contacts_clock.latest():
        raise Invalid.at("/keep_until", "out_of_range")
    if changes.get("gender") is not None and row.party_type != PartyType.individual:
        raise Invalid.at("/gender", "unknown")
    if "name" in changes:
        for member, value in _named(changes["name"]).items():
            setattr(row, member, value)
    if "gender" in changes:
        row.gender = changes["gender"]
    row.keep_until, row.updated_at = until, utc_now()
    _leave_trail(session, actor, row, "updated", fields=sorted(changes))
    return await _stored(session, actor, contact_id)


async def promote(session: AsyncSession, actor: Actor, contact_id: UUID, data: ShadowContactPromote) -> Document:
    """Make him a customer: the id, the ties and through whom he was known stay, the clock stops.

    Returns:
        The customer.

    Raises:
        NotFound: absent, not visible, erased, or a customer already.
        Unauthenticated: the caller was shut out meanwhile.
    """
    await access.stay(session, actor)
    row = await _held_with_owner(session, actor, contact_id)
    row.is_shadow, row.keep_until = False, None
    row.stage = Stage(data.stage)
    row.stage_changed_at = row.updated_at = utc_now()
    _leave_trail(session, actor, row, "promoted", stage=data.stage)
    found = await reads.row_in(session, actor.owners, "get_customer", contact_id, actor.is_masked)
    return await customers_private.document(actor.org_id, found, contact_id, session)


async def _held_with_owner(session: AsyncSession, actor: Actor, contact_id: UUID) -> Customer:
    """The contact, locked, and its agent kept from leaving before this transaction ends.

    A departure hands over the customers of an agent, then the contacts behind them: what changes from the one to the
    other in between would be left with nobody. The agent is locked first, as everywhere; where the contact has gone to
    another one meanwhile, that one is locked too.
    """
    driver = db.raw(session)
    while True:
        seen = await driver.fetchval(_OWNER, actor.org_id, contact_id)
        await driver.execute(_KEEP, actor.org_id, seen)
        row = await access.customer(session, actor, contact_id, lock=True, shadows=True)
        if row.owner_id == seen:
            return row


async def export(session: AsyncSession, actor: Actor, contact_id: UUID) -> bytes:
    """Everything that is held about the contact, as JSON; that it was taken out is on record.

    Raises:
        NotFound: absent, not visible, erased, or a customer by now.
    """
    found = await reads.row_in(session, actor.owners, "export_shadow_contact", contact_id)
    if found is None:
        raise NotFound
    access.record(session, actor, "shadow_contact.exported", "shadow_contact", contact_id)
    body: str = found["body"]
    return body.encode()


def _named(name: str) -> dict[str, Any]:
    """The name and what follows from it."""
    try:
        name = names.normalise_name(name)
    except names.InvalidName as error:
        raise Invalid.at("/name", error.code) from None
    return {
        "name": name,
        "name_key": names.name_sort_key(name),
        "search_text": names.search_words(name),
        "masked": {"phones": [], "emails": [], "addresses": []},
    }


async def _stored(session: AsyncSession, actor: Actor, contact_id: UUID) -> Document:
    """What a read would answer within this transaction; of what is no shadow contact any more, the id is taken."""
    found = await reads.row_in(session, actor.owners, "get_shadow_contact", contact_id)
    if found is None:
        raise offline.id_taken()
    return paging.document(found, contact_id)


def _leave_trail(session: AsyncSession, actor: Actor, row: Customer, verb: str, **detail: Any) -> None:
    db.mark(session, row, access.holders(row))
    access.record(session, actor, f"shadow_contact.{verb}", "shadow_contact", row.id, **detail)
