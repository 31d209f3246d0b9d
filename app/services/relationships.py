"""Relationships: one row a fact, entered, read and changed from either end.

A caller needs to see both ends, which may be customers or shadow contacts. Whether the other end is unknown, foreign or
deleted is never told apart. Who sees the ends with a service team only records ties and changes them; to delete one,
and to decide on its note, is for its author and for those who answer for either end. How strong a relationship is, is
reckoned in the database (`refresh_relationships.sql`) at every write of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads, unsealing
from app.access import Actor
from app.errors import Conflict, Forbidden, Gone, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.relationships import (
    NoteVisibility,
    Relationship,
    RelationshipCreate,
    RelationshipQuery,
    RelationshipUpdate,
)
from app.paging import Page
from app.services import relation_types, shadow_contacts_clock
from app.services.relation_types import Tie

_REFRESH = "SELECT count(*) FROM refresh_relationships($1, $2, $3, $4, $5)"
_CURRENT = {None: "true", True: "r.until IS NULL", False: "r.until IS NOT NULL"}


@dataclass(frozen=True, slots=True)
class Found:
    """A locked row with both its ends; `here` is the customer of the path."""

    row: Relationship
    here: Customer
    other: Customer


async def read(actor: Actor, customer_id: UUID, relationship_id: UUID) -> Document:
    """One relationship, read from the customer's side.

    Raises:
        NotFound: absent, not of this customer, or one of its ends is not visible.
        Gone: it or the customer was deleted in the last 30 days.
    """
    found = await reads.row(
        actor.org_id, actor.owners, "get_relationship", customer_id, relationship_id, actor.is_masked, actor.id
    )
    return await unsealing.document("relationships", actor.org_id, found, relationship_id)


async def search(actor: Actor, customer_id: UUID, query: RelationshipQuery) -> Page:
    """A page of a customer's relationships, the strongest first, among equals the newest.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    key = keyring.current().cursors
    bound = paging.binding(
        "relationships", actor.org_id, actor.id, customer_id, query.direction, query.type, query.current
    )
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_relationships",
        customer_id,
        None if query.direction is None else query.direction.split(","),
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
        actor.is_masked,
        actor.id,
        None if query.type is None else query.type.split(","),
        variants=(("current", _CURRENT[query.current]),),
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    return await unsealing.page("relationships", actor.org_id, key, bound, found)


async def create(
    session: AsyncSession, actor: Actor, customer_id: UUID, data: RelationshipCreate
) -> tuple[Document, bool]:
    """Record what `data.other_id` is to the customer; False when the phone sent the same before.

    Raises:
        NotFound, Gone: the customer; Gone also when it was sent before and is deleted.
        Invalid: `same_customer`, `not_found` (the other one), `in_future`, `until_before_since`.
        Conflict: `relationship_exists` (same pair, direction and since, from whichever end), `id_taken`.
    """
    if data.id is not None:
        await offline.queue_up(session, actor)
    else:
        await access.stay(session, actor)
    here = await access.customer(session, actor, customer_id, shadows=None)
    digest = _digest(actor, customer_id, data)
    if data.id is not None and await offline.is_sent_before(session, actor, Relationship, data.id, digest):
        return await stored(session, actor, customer_id, data.id), False
    if data.other_id == customer_id:
        raise Invalid.at("/other_id", "same_customer")
    held = await hold(session, actor, [customer_id, data.other_id])
    if customer_id not in held:
        raise Gone  # deleted since it was looked at
    other = held.get(data.other_id)
    if other is None:
        raise Invalid.at("/other_id", "not_found")
    tie = await relation_types.resolve(session, actor, data.direction, data.type, here, other)
    row = await add(session, actor, here, other, tie, data)
    return await _reckoned(session, actor, customer_id, row.id), True


async def add(
    session: AsyncSession,
    actor: Actor,
    here: Customer,
    other: Customer,
    tie: Tie,
    data: RelationshipCreate,
    *,
    sent: bytes | None = None,
) -> Relationship:
    """Put what was checked already on the session, with its trail; the next flush writes it, `refresh` reckons it.

    For callers that record many at once; `create` is the one for everybody else. A shadow contact at an end, which the
    caller has locked (`hold`), is confirmed by it.

    Args:
        sent: the digest of the request, where that is not `data`.

    Raises:
        Invalid: what `check_period` refuses.
    """
    check_period(data.since, data.until)
    left_id, right_id = tie.ends(here.id, other.id)
    declared = None if data.strength is None else _exact(data.strength)
    strength = tie.type.default_strength if declared is None else declared
    row = Relationship(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        left_id=left_id,
        right_id=right_id,
        type=tie.type.code,
        direction=tie.type.direction,
        declared_strength=declared,
        strength=strength,
        warmth=strength,
        source=data.source,
        confidence=Decimal(f"{data.confidence:.2f}"),
        note_visibility=data.note_visibility,
        author_id=actor.id,
        since=data.since,
        until=data.until,
        created_digest=_digest(actor, here.id, data) if sent is None else sent,
    )
    row.note_enc = await _sealed(session, row.id, data.note)
    _set_roles(row, here.id, {"role": data.role, "inverse_role": data.inverse_role})
    session.add(row)
    for end in (here, other):
        shadow_contacts_clock.restart(session, end)
    _leave_trail(session, actor, Found(row, here, other), "created")
    return row


async def refresh(session: AsyncSession, ids: Sequence[UUID], *, bump: int = 0) -> None:
    """Reckon strength and warmth anew, after the rows are flushed. With `bump` 1 it counts as a change of the row."""
    await db.raw(session).execute(_REFRESH, session.info["org_id"], list(ids), china_today(), Decimal(0), bump)


async def update(
    session: AsyncSession,
    actor: Actor,
    customer_id: UUID,
    relationship_id: UUID,
    version: int,
    data: RelationshipUpdate,
) -> Document:
    """Change the members that were sent.

    Raises:
        NotFound, Gone, PreconditionFailed.
        Invalid: `in_future`, `until_before_since`.
        Conflict: `relationship_exists`: another one has this `since` already.
        Forbidden: `note_private`: the note is somebody else's own; `relationship_of_others`: nor is any without a note,
            to who is neither its author nor answers for either end.
    """
    found = await find(session, actor, customer_id, relationship_id)
    etags.check(found.row.version, version)
    changes = data.model_dump(exclude_unset=True)
    if not changes.keys().isdisjoint(("note", "note_visibility")):
        _check_note(actor, found)
    if found.row.note_enc is None and changes.get("note") is not None:
        changes.setdefault("note_visibility", NoteVisibility.owners)  # whatever was meant for one that is gone
    _set_roles(found.row, customer_id, changes)
    if "strength" in changes:
        found.row.declared_strength = None if changes["strength"] is None else _exact(changes["strength"])
    if "confidence" in changes:
        found.row.confidence = Decimal(f"{changes['confidence']:.2f}")
    if changes.get("note") is not None:
        found.row.author_id = actor.id
    if "note" in changes:
        found.row.note_enc = await _sealed(session, relationship_id, changes["note"])
    for member in ("since", "until", "note_visibility", "source"):
        if member in changes:
            setattr(found.row, member, changes[member])
    check_period(found.row.since, found.row.until)
    found.row.updated_at = utc_now()
    _leave_trail(session, actor, found, "updated", fields=sorted(data.model_fields_set))
    return await _reckoned(session, actor, customer_id, relationship_id)


async def delete(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID, version: int) -> None:
    """Turn it into a tombstone for 30 days. (One that is over gets an `until` instead.)

    Raises:
        NotFound, Gone, PreconditionFailed.
        Forbidden: `note_private`, `relationship_of_others`: as `update`, unless the caller answers for both ends.
    """
    found = await find(session, actor, customer_id, relationship_id)
    _check_removal(actor, found)
    etags.check(found.row.version, version)
    found.row.deleted_at = found.row.updated_at = utc_now()
    _leave_trail(session, actor, found, "deleted")


async def restore(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID) -> Document:
    """Bring a tombstone back; a living relationship stays as it is.

    Raises:
        NotFound: absent, an end not visible, or deleted more than 30 days ago. Gone: the customer is deleted.
        Conflict: `relationship_exists`: it was recorded anew meanwhile. Forbidden: as `delete`.
    """
    found = await find(session, actor, customer_id, relationship_id, deleted=True)
    _check_removal(actor, found)
    if found.row.deleted_at is not None:
        found.row.deleted_at, found.row.updated_at = None, utc_now()
        _leave_trail(session, actor, found, "restored")
    return await _reckoned(session, actor, customer_id, relationship_id)


def _digest(actor: Actor, customer_id: UUID, data: RelationshipCreate) -> bytes:
    return offline.digest(actor, customer_id.bytes, data.model_dump_json(exclude={"id"}).encode())


async def _sealed(session: AsyncSession, relationship_id: UUID, note: str | None) -> bytes | None:
    """It speaks of two persons: under the key of the organisation."""
    if note is None:
        return None
    cipher = await keyring.field_cipher(session, session.info["org_id"])
    return cipher.seal("relationships", "note", relationship_id, note)


def _exact(strength: float) -> Decimal:
    """The three decimals that were meant: 0.3 is 0.300, not 0.299999999999999988897…"""
    return Decimal(f"{strength:.3f}")


def _set_roles(row: Relationship, customer_id: UUID, changes: dict[str, Any]) -> None:
    """`role` belongs to the other end, `inverse_role` to the end of the path."""
    here, other = ("left_role", "right_role") if row.left_id == customer_id else ("right_role", "left_role")
    for member, column in (("role", other), ("inverse_role", here)):
        if member in changes:
            setattr(row, column, changes[member])


def check_period(since: date | None, until: date | None) -> None:
    """Refuse what begins after today in China (`in_future`), or ends before it begins (`until_before_since`)."""
    if since is not None and since > china_today():
        raise Invalid.at("/since", "in_future")
    if since is not None and until is not None and until < since:
        raise Invalid.at("/until", "until_before_since")


def _check_note(actor: Actor, found: Found) -> None:
    """Refuse to decide on the note what is another's own, and to who sees the tie with a service team only."""
    if not _may_note(actor, found):
        raise Forbidden("note_private")
    if found.row.author_id != actor.id and not any(_answers(actor, found)):
        raise Forbidden("relationship_of_others")


def _check_removal(actor: Actor, found: Found) -> None:
    """Refuse to take away what one does not answer for: with the tie goes its note."""
    if not all(_answers(actor, found)):
        _check_note(actor, found)


def _answers(actor: Actor, found: Found) -> list[bool]:
    return [access.answers_for(actor, end.owner_id) for end in (found.here, found.other)]


def _may_note(actor: Actor, found: Found) -> bool:
    """Whether the actor reads the note, as the read statements say it; what he cannot read he does not overwrite."""
    row = found.row
    if row.author_id == actor.id or row.note_visibility == NoteVisibility.everyone or row.note_enc is None:
        return True
    owners = (found.here.owner_id, found.other.owner_id)
    is_theirs = actor.owners is None or not set(actor.owners).isdisjoint(owners)
    return row.note_visibility == NoteVisibility.owners and is_theirs


async def hold(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID], *, deleted: bool = False
) -> dict[UUID, Customer]:
    """Those of these customers and shadow contacts the actor sees alive, locked: a tie to them is being written.

    None of them can be deleted, erased or handed over meanwhile. Everybody locks in the order of ids, ends before
    relationships, and users before ends.

    Args:
        deleted: tombstones are wanted too.
    """
    statement = access.visible_customers(actor, shadows=None).where(col(Customer.id).in_(ids))
    if not deleted:
        statement = statement.where(col(Customer.deleted_at).is_(None))
    locked = statement.order_by(col(Customer.id)).with_for_update(key_share=True)
    rows = await session.exec(locked, execution_options={"populate_existing": True})
    return {row.id: row for row in rows}


async def find(
    session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID, *, deleted: bool = False
) -> Found:
    """The relationship, locked, if the actor sees both ends, which are held; `deleted`: a tombstone is wanted too.

    Raises:
        NotFound: absent, not of this customer, or an end not visible. Gone: it or the customer was deleted.
        Unauthenticated: the caller was shut out meanwhile.
    """
    await access.stay(session, actor)
    this = (col(Relationship.org_id) == actor.org_id, col(Relationship.id) == relationship_id)
    pair = (await session.exec(select(Relationship.left_id, Relationship.right_id).where(*this))).first()
    if pair is None or customer_id not in pair:
        raise NotFound
    held = await hold(session, actor, pair, deleted=True)  # which they are never changes
    here = held.get(customer_id)
    other = held.get(pair[0] if pair[1] == customer_id else pair[1])
    if here is None or other is None or other.deleted_at is not None:
        raise NotFound
    access.check_alive(here)
    row = (await session.exec(select(Relationship).where(*this).with_for_update())).one()
    access.check_alive(row, deleted=deleted)
    return Found(row, here, other)


async def _reckoned(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID) -> Document:
    """Flush, reckon the strength, then answer exactly what a read would answer."""
    try:
        await session.flush()
    except IntegrityError as error:
        raise taken(error) from None
    await refresh(session, [relationship_id])
    return await stored(session, actor, customer_id, relationship_id)


def taken(error: IntegrityError) -> Conflict:
    """Which of the two things that must be unique exists already: the fact, or the id."""
    is_fact = db.constraint_of(error) == "relationships_fact"
    return Conflict("relationship_exists") if is_fact else offline.id_taken()


async def stored(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID) -> Document:
    """What a read would answer within this transaction."""
    found = await reads.row_in(
        session, actor.owners, "get_relationship", customer_id, relationship_id, actor.is_masked, actor.id
    )
    return await unsealing.document("relationships", actor.org_id, found, relationship_id, session)


def _leave_trail(session: AsyncSession, actor: Actor, found: Found, verb: str, **detail: Any) -> None:
    """Tell the phones of both owners, and the audit."""
    db.mark(session, found.row, {*access.holders(found.here), *access.holders(found.other)})
    access.record(
        session,
        actor,
        f"relationship.{verb}",
        "relationship",
        found.row.id,
        customer_id=str(found.here.id),
        other_id=str(found.other.id),
        **detail,
    )
