"""Recording many relationships in one call: each with an outcome of its own, all in one transaction.

An item that is refused leaves nothing behind, and the others do not notice. What all of them need is looked up once
(types, ends, what was sent before), so an item costs two statements more than the rows it writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, errors, offline
from app.access import Actor
from app.errors import AppError, Conflict, Invalid, Language, NotFound
from app.models.customers import Customer
from app.models.relationships import Relationship, RelationshipCreate
from app.models.relationships_bulk import RelationshipBulk, RelationshipItem
from app.services import relation_types, relationships, shadow_contacts
from app.services.relation_types import Tie

_NOT_OF_THE_TIE = {"id", "customer_id", "other_id", "new_contact"}


@dataclass(slots=True)
class _Call:
    """What the items of one call share.

    Attributes:
        held: the living ends the caller sees, locked; contacts made by items come to them.
        before: relationships that have one of the ids sent.
    """

    session: AsyncSession
    actor: Actor
    ties: dict[str, Tie]
    held: dict[UUID, Customer]
    before: dict[UUID, Relationship]


async def create(session: AsyncSession, actor: Actor, data: RelationshipBulk, language: Language) -> bytes:
    """Record the items one after the other; the results as JSON.

    Raises:
        Unauthenticated: the caller was shut out meanwhile. Whatever is wrong with an item is in its result.
    """
    if any(item.id is not None or item.new_contact is not None for item in data.items):
        await offline.queue_up(session, actor)
    else:
        await access.stay(session, actor)
    call = await _prepared(session, actor, data.items)
    results: list[dict[str, Any]] = []
    made: list[UUID] = []
    for index, item in enumerate(data.items):
        try:
            row, status = await _one(call, item)
        except AppError as error:
            results.append(_refused(error, index, language, session.info.get("request_id", "")))
            continue
        if status == 201:
            made.append(row.id)
        other_id = row.right_id if row.left_id == item.customer_id else row.left_id
        told = {"id": str(row.id), "other_id": str(other_id), "problem": None}
        results.append({"index": index, "status": status, **told})
    await relationships.refresh(session, made)
    return orjson.dumps({"results": results})


async def _prepared(session: AsyncSession, actor: Actor, items: Sequence[RelationshipItem]) -> _Call:
    wanted = [item.id for item in items if item.id is not None]
    statement = select(Relationship).where(col(Relationship.org_id) == actor.org_id, col(Relationship.id).in_(wanted))
    before = {row.id: row for row in (await session.exec(statement)).all()} if wanted else {}
    ends = {item.customer_id for item in items} | {item.other_id for item in items if item.other_id is not None}
    ends |= {end for row in before.values() for end in (row.left_id, row.right_id)}
    held = await relationships.hold(session, actor, list(ends))
    through = {end.known_through_id for end in held.values() if end.is_shadow} - held.keys()
    if any(item.new_contact is not None for item in items):
        held |= await relationships.hold(session, actor, [one for one in through if one is not None])
    return _Call(session, actor, await relation_types.active(session, actor), held, before)


async def _one(call: _Call, item: RelationshipItem) -> tuple[Relationship, int]:
    """The relationship of an item, and 201 or, when it was sent before, 200.

    Raises:
        AppError: it was refused; nothing of it is left.
    """
    sent = offline.digest(call.actor, item.model_dump_json(exclude={"id"}).encode())
    if item.id is not None and item.id in call.before:
        return _sent_before(call, call.before[item.id], sent), 200
    try:
        async with db.savepoint(call.session):
            row = await _recorded(call, item, sent)
    except AppError:
        # What the savepoint undid is to be read anew; contacts it made are not there any more.
        call.held = await relationships.hold(call.session, call.actor, list(call.held))
        raise
    call.before[row.id] = row
    return row, 201


def _sent_before(call: _Call, row: Relationship, sent: bytes) -> Relationship:
    if row.created_digest != sent:
        raise offline.id_taken()
    access.check_alive(row)
    if not {row.left_id, row.right_id} <= call.held.keys():
        raise NotFound
    return row


async def _recorded(call: _Call, item: RelationshipItem, sent: bytes) -> Relationship:
    here = call.held.get(item.customer_id)
    if here is None:
        raise Invalid.at("/customer_id", "not_found")
    if (item.other_id is None) == (item.new_contact is None):
        raise Invalid.at("/other_id", "one_of")
    if item.other_id == item.customer_id:
        raise Invalid.at("/other_id", "same_customer")
    relationships.check_period(item.since, item.until)
    other = await _new_contact(call, here, item, sent) if item.other_id is None else call.held.get(item.other_id)
    if other is None:
        raise Invalid.at("/other_id", "not_found")
    tie = relation_types.choose(call.ties, item.direction, item.type, here, other)
    data = RelationshipCreate(
        id=item.id or uuid7(),
        other_id=other.id,
        **item.model_dump(mode="json", exclude=_NOT_OF_THE_TIE, exclude_unset=True),
    )
    row = await relationships.add(call.session, call.actor, here, other, tie, data, sent=sent)
    try:
        await call.session.flush()
    except IntegrityError as error:
        raise relationships.taken(error) from None
    call.held[other.id] = other
    return row


async def _new_contact(call: _Call, here: Customer, item: RelationshipItem, sent: bytes) -> Customer:
    through = here
    if here.is_shadow:
        found = None if here.known_through_id is None else call.held.get(here.known_through_id)
        if found is None:
            raise Invalid.at("/customer_id", "not_found")
        through = found
    try:
        if item.new_contact.id in call.held:
            raise offline.id_taken()
        return await shadow_contacts.add(call.session, call.actor, through, item.new_contact, sent)
    except (Invalid, Conflict) as error:
        raise error.below("/new_contact") from None


def _refused(error: AppError, index: int, language: Language, request_id: str) -> dict[str, Any]:
    body, _ = errors.problem(error.below(f"/items/{index}"), language=language, request_id=request_id)
    problem = {"errors": [], **orjson.loads(body)}
    return {"index": index, "status": error.status, "id": None, "other_id": None, "problem": problem}
