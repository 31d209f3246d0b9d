"""Relationships: one row a fact, entered, read and changed from either end; and the network they make.

A caller needs to see both ends. Whether the other end is unknown, foreign or deleted is never told apart.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads
from app.access import Actor
from app.errors import Conflict, Gone, Invalid, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer
from app.models.relationships import (
    Direction,
    NetworkQuery,
    Relationship,
    RelationshipCreate,
    RelationshipQuery,
    RelationshipUpdate,
)
from app.paging import Page

_CURRENT = {None: "true", True: "r.until IS NULL", False: "r.until IS NOT NULL"}


@dataclass(frozen=True, slots=True)
class _Found:
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
        actor.org_id, actor.owners, "get_relationship", customer_id, relationship_id, actor.is_masked
    )
    return paging.document(found, relationship_id)


async def search(actor: Actor, customer_id: UUID, query: RelationshipQuery) -> Page:
    """A page of a customer's relationships, the strongest first, among equals the newest.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    key = keyring.current().cursors
    bound = paging.binding("relationships", actor.org_id, actor.id, customer_id, query.direction, query.current)
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
        variants=(("current", _CURRENT[query.current]),),
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    return paging.page(key, bound, found)


async def walk(actor: Actor, customer_id: UUID, query: NetworkQuery) -> bytes:
    """The penetration network 渗透网 around a customer as JSON, finished in the database (`ego_network.sql`).

    Whoever the actor sees within `query.depth` hops along current relationships.

    Raises:
        NotFound: the customer is absent or not visible. Gone: he was deleted in the last 30 days.
    """
    directions = None if query.direction is None else query.direction.split(",")
    found = await reads.row(
        actor.org_id, actor.owners, "get_network", customer_id, query.depth, query.limit, directions
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    body: str = found["body"]
    return body.encode()


async def create(
    session: AsyncSession, actor: Actor, customer_id: UUID, data: RelationshipCreate
) -> tuple[Document, bool]:
    """Record what `data.other_id` is to the customer; False when the phone sent the same before.

    Raises:
        NotFound, Gone: the customer; Gone also when it was sent before and is deleted.
        Invalid: `same_customer`, `not_found` (the other one), `until_before_since`.
        Conflict: `relationship_exists` (same pair, direction and since, from whichever end), `id_taken`.
    """
    here = await access.customer(session, actor, customer_id)
    digest = _digest(actor, customer_id, data)
    if data.id is not None:
        await offline.queue_up(session, actor)
        if await offline.is_sent_before(session, actor, Relationship, data.id, digest):
            return await _stored(session, actor, customer_id, data.id), False
    if data.other_id == customer_id:
        raise Invalid.at("/other_id", "same_customer")
    other = await _other(session, actor, data.other_id)
    if other is None:
        raise Invalid.at("/other_id", "not_found")
    _check_period(data.since, data.until)
    row = add(session, actor, here, other, data)
    return await _stored(session, actor, customer_id, row.id), True


def add(session: AsyncSession, actor: Actor, here: Customer, other: Customer, data: RelationshipCreate) -> Relationship:
    """Put what was checked already on the session, with its trail; the next flush writes it.

    For callers that record many at once; `create` is the one for everybody else.
    """
    left_id, right_id, kind = canonical(here.id, other.id, data.direction)
    row = Relationship(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        left_id=left_id,
        right_id=right_id,
        type=kind,
        strength=_exact(data.strength),
        since=data.since,
        until=data.until,
        note=data.note,
        created_digest=_digest(actor, here.id, data),
    )
    _set_roles(row, here.id, {"role": data.role, "inverse_role": data.inverse_role})
    session.add(row)
    _leave_trail(session, actor, _Found(row, here, other), "created")
    return row


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
        Invalid: `until_before_since`.
        Conflict: `relationship_exists`: another one has this `since` already.
    """
    found = await _find(session, actor, customer_id, relationship_id)
    etags.check(found.row.version, version)
    changes = data.model_dump(exclude_unset=True)
    _set_roles(found.row, customer_id, changes)
    if "strength" in changes:
        found.row.strength = _exact(changes["strength"])
    for member in ("since", "until", "note"):
        if member in changes:
            setattr(found.row, member, changes[member])
    _check_period(found.row.since, found.row.until)
    found.row.updated_at = utc_now()
    _leave_trail(session, actor, found, "updated", fields=sorted(changes))
    return await _stored(session, actor, customer_id, relationship_id)


async def delete(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID, version: int) -> None:
    """Turn it into a tombstone for 30 days. (One that is over gets an `until` instead.)

    Raises:
        NotFound, Gone, PreconditionFailed.
    """
    found = await _find(session, actor, customer_id, relationship_id)
    etags.check(found.row.version, version)
    found.row.deleted_at = found.row.updated_at = utc_now()
    _leave_trail(session, actor, found, "deleted")


async def restore(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID) -> Document:
    """Bring a tombstone back; a living relationship stays as it is.

    Raises:
        NotFound: absent, an end not visible, or deleted more than 30 days ago. Gone: the customer is deleted.
        Conflict: `relationship_exists`: it was recorded anew meanwhile.
    """
    found = await _find(session, actor, customer_id, relationship_id, deleted=True)
    if found.row.deleted_at is not None:
        found.row.deleted_at, found.row.updated_at = None, utc_now()
        _leave_trail(session, actor, found, "restored")
    return await _stored(session, actor, customer_id, relationship_id)


def canonical(customer_id: UUID, other_id: UUID, direction: Direction) -> tuple[UUID, UUID, Direction]:
    """The one form of a fact: left, right, type. See `Relationship`."""
    if direction is Direction.client:
        return customer_id, other_id, direction
    if direction is Direction.supplier:
        return other_id, customer_id, Direction.client
    return min(customer_id, other_id), max(customer_id, other_id), direction


def _digest(actor: Actor, customer_id: UUID, data: RelationshipCreate) -> bytes:
    return offline.digest(actor, customer_id.bytes, data.model_dump_json(exclude={"id"}).encode())


def _exact(strength: float) -> Decimal:
    """The three decimals that were meant: 0.3 is 0.300, not 0.299999999999999988897…"""
    return Decimal(f"{strength:.3f}")


def _set_roles(row: Relationship, customer_id: UUID, changes: dict[str, Any]) -> None:
    """`role` belongs to the other end, `inverse_role` to the end of the path."""
    here, other = ("left_role", "right_role") if row.left_id == customer_id else ("right_role", "left_role")
    for member, column in (("role", other), ("inverse_role", here)):
        if member in changes:
            setattr(row, column, changes[member])


def _check_period(since: date | None, until: date | None) -> None:
    if since is not None and until is not None and until < since:
        raise Invalid.at("/until", "until_before_since")


async def _other(session: AsyncSession, actor: Actor, customer_id: UUID) -> Customer | None:
    """The other end, if the actor sees it alive."""
    statement = access.visible_customers(actor).where(
        col(Customer.id) == customer_id, col(Customer.deleted_at).is_(None)
    )
    return (await session.exec(statement)).first()


async def _find(
    session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID, *, deleted: bool = False
) -> _Found:
    """The relationship, locked, if the actor sees both ends; `deleted`: a tombstone is wanted too."""
    here = await access.customer(session, actor, customer_id)
    statement = select(Relationship).where(
        col(Relationship.org_id) == actor.org_id, col(Relationship.id) == relationship_id
    )
    row = (await session.exec(statement.with_for_update())).first()
    if row is None or customer_id not in (row.left_id, row.right_id):
        raise NotFound
    other = await _other(session, actor, row.right_id if row.left_id == customer_id else row.left_id)
    if other is None:
        raise NotFound
    access.check_alive(row, deleted=deleted)
    return _Found(row, here, other)


async def _stored(session: AsyncSession, actor: Actor, customer_id: UUID, relationship_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    try:
        found = await reads.row_in(
            session, actor.owners, "get_relationship", customer_id, relationship_id, actor.is_masked
        )
    except IntegrityError as error:
        if db.constraint_of(error) == "relationships_fact":
            raise Conflict("relationship_exists") from None
        raise offline.id_taken() from None
    return paging.document(found, relationship_id)


def _leave_trail(session: AsyncSession, actor: Actor, found: _Found, verb: str, **detail: Any) -> None:
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
