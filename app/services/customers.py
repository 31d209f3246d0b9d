"""Customer profiles: create, read, change, delete, restore, list and search.

Names, phones and numbers are normalised here, and every change is audited and told to the phones that hold the
customer. What of him is sealed, and how it is found nevertheless, stands in `customers_private`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads
from app.access import Actor
from app.domain import identity, lunar, names
from app.errors import Conflict, Invalid, Issue
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import (
    Customer,
    CustomerUpdate,
    IndividualCreate,
    OrganizationCreate,
    PartyType,
    Stage,
)
from app.paging import Page, Position
from app.services import customers_phones, customers_private, relationships_detach, teams

# sort parameter → (column, type of the cursor key); a leading minus turns the order round.
_SORTS = {"name": ("name_key", "text"), "created_at": ("created_at", "timestamptz"),
          "updated_at": ("updated_at", "timestamptz")}  # fmt: skip
_FEW = 20


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """What a list asks for; None means no restriction."""

    stage: Sequence[Stage] | None = None
    tag: Sequence[str] | None = None
    party_type: PartyType | None = None
    q: str | None = None
    sort: str = "-created_at"
    limit: int = paging.DEFAULT_LIMIT
    cursor: str | None = None


async def read(actor: Actor, customer_id: UUID) -> Document:
    """One full profile.

    Raises:
        NotFound: absent or not visible.
        Gone: deleted in the last 30 days.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_customer", customer_id, actor.is_masked)
    return await customers_private.document(actor.org_id, found, customer_id)


async def search(actor: Actor, wanted: CustomerFilter, *, in_body: bool = False) -> Page:
    """A page of summaries, filtered, searched and sorted.

    Searched by name, pinyin and initials; unless the caller sees masks only, by the last three or four digits of a
    phone and by a whole phone or ID number.

    Args:
        in_body: it was asked in a body, where numbers may stand; addresses end in the logs of others.

    Raises:
        Malformed: the cursor is not one this query made.
        Invalid: nothing searchable in `q`; `number_in_address`.
    """
    column, kind = _SORTS[wanted.sort.lstrip("-")]
    down = wanted.sort.startswith("-")
    ring = keyring.current()
    bound = paging.binding(
        "customers", actor.org_id, actor.id, wanted.stage, wanted.tag, wanted.party_type, wanted.q, wanted.sort
    )
    position = paging.decode(ring.cursors, bound, wanted.cursor)
    searched = [] if wanted.q is None else await _searched(actor, wanted.q, in_body=in_body)
    variants = (
        ("key", column),
        ("type", kind),
        ("past", "<" if down else ">"),
        ("order", "DESC" if down else "ASC"),
        ("wide", "true" if wanted.q is not None or not _has_few_holders(actor) else "false"),
        ("match", "true" if wanted.q is None else "c.id IN (SELECT match_customers($1, $2, $9, $10, $11, $12))"),
    )
    args = _list_args(wanted, position) + searched
    return paging.page(
        ring.cursors,
        bound,
        await reads.row(actor.org_id, actor.owners, "list_customers", *args, variants=variants),
    )


async def _searched(actor: Actor, query: str, *, in_body: bool) -> list[Any]:
    """What `match_customers` takes: two patterns, or blind indexes of phones and of ID numbers; null is not looked for.

    Raises:
        Invalid: nothing searchable; a number in an address.
    """
    is_number = identity.holds_number(query)
    if is_number and not in_body:
        raise Invalid("number_in_address", issues=[Issue("number_in_address", parameter="q")])
    # A search by phone would tell what the mask hides.
    patterns: list[str | None] = [*names.search_patterns(query, phones=not actor.is_masked)]
    blind = None
    if is_number and not actor.is_masked:
        blind = await customers_private.blind_search(actor.org_id, query)
    if not patterns:
        raise Invalid(issues=[Issue("too_short", pointer="/q") if in_body else Issue("too_short", parameter="q")])
    if blind is not None:  # nobody is called so, and looking through the names costs five times as much
        return [None, None, *blind]
    return [*patterns, *[None] * (2 - len(patterns)), None, None]


def _has_few_holders(actor: Actor) -> bool:
    """More than one, and so few that looking at each of them costs less than looking through the organisation."""
    return actor.owners is not None and 2 <= len(actor.owners) <= _FEW


def _list_args(wanted: CustomerFilter, position: Position | None) -> list[Any]:
    return [
        None if wanted.stage is None else [stage.value for stage in wanted.stage],
        None if wanted.tag is None else list(wanted.tag),
        None if wanted.party_type is None else wanted.party_type.value,
        None if position is None else position.key,
        None if position is None else position.id,
        wanted.limit + 1,
    ]


async def create(
    session: AsyncSession, actor: Actor, data: IndividualCreate | OrganizationCreate
) -> tuple[Document, bool]:
    """A new customer of the caller; False when the phone sent the same one before.

    Raises:
        Invalid: a rule is broken; the issues say where.
        Conflict: `id_taken` (the id holds something else), `id_number_taken`.
        TooManyRequests: `too_many_guesses`: ID numbers that were taken.
    """
    digest = offline.digest(actor, data.model_dump_json(exclude={"id"}).encode())
    if data.id is not None:
        await offline.queue_up(session, actor)
        if await offline.is_sent_before(session, actor, Customer, data.id, digest):
            return await _sent_before(session, actor, data.id), False
    else:
        await access.stay(session, actor)
    now, customer_id, party = utc_now(), data.id or uuid7(), PartyType(data.party_type)
    changes = data.model_dump(exclude={"id", "party_type", "stage"})
    values = {
        "org_id": actor.org_id,
        "id": customer_id,
        "owner_id": actor.id,
        "is_shadow": False,
        "party_type": party,
        "stage": data.stage,
        "stage_changed_at": now,
        "created_at": now,
        "updated_at": now,
        "version": 1,
        "created_digest": digest,
    }
    async with customers_private.guarding_number(actor, data.id_number):
        values |= await _values(session, customer_id, party, changes, None)
        db.mark_id(session, "customers", customer_id, [actor.id])
        access.record(session, actor, "customer.created", "customer", customer_id, stage=data.stage.value)
        try:
            found = await reads.created(session, actor.owners, "get_customer", Customer, values, actor.is_masked)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error.constraint_name) from None
    return await customers_private.document(actor.org_id, found, customer_id, session), True


def _taken(constraint: str | None) -> Conflict:
    """Which of the two things that must be unique already exists."""
    if constraint == "customers_id_number":
        return Conflict("id_number_taken", issues=[Issue("id_number_taken", pointer="/id_number")])
    return offline.id_taken()


async def update(
    session: AsyncSession, actor: Actor, customer_id: UUID, version: int, data: CustomerUpdate
) -> Document:
    """Change the members that were sent.

    Raises:
        NotFound, Gone, PreconditionFailed, Invalid, Conflict (`id_number_taken`), TooManyRequests (as `create`).
        Forbidden: note and service team are not the business of who sees the customer with a service team only.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    etags.check(customer.version, version)
    changes = _changes(customer, data)
    if not changes.keys().isdisjoint(_OWNERS_ONLY):
        access.check_answers(actor, customer)
    left = await _regroup(session, actor, customer, changes)
    stage = changes.pop("stage", None)
    if stage is not None and stage != customer.stage:
        access.record(
            session, actor, "customer.stage_changed", "customer", customer.id, old=customer.stage, new=stage.value
        )
        customer.stage, customer.stage_changed_at = stage, utc_now()
    async with customers_private.guarding_number(actor, changes.get("id_number")):
        for member, value in (await _values(session, customer.id, customer.party_type, changes, customer)).items():
            setattr(customer, member, value)
        customer.updated_at = utc_now()
        db.mark(session, customer, access.holders(customer))
        access.record(session, actor, "customer.updated", "customer", customer.id, fields=sorted(data.model_fields_set))
        if left is not None:
            await customers_phones.tell(session, [customer.id], left=left)
        return await _stored(session, actor, customer)


async def _regroup(
    session: AsyncSession, actor: Actor, customer: Customer, changes: dict[str, Any]
) -> list[UUID] | None:
    """Give the customer to another service team: whose phones must forget him; None when nothing of it was asked."""
    before, after = customer.service_team_id, changes.pop("service_team_id", customer.service_team_id)
    if before == after:
        return None
    if after is not None:
        await teams.check_service_team(session, actor, after)
    customer.service_team_id = after
    return [] if before is None else [before]


async def delete(session: AsyncSession, actor: Actor, customer_id: UUID, version: int) -> None:
    """Turn the customer into a tombstone; it can be restored for 30 days.

    Raises:
        NotFound, Gone, PreconditionFailed.
        Forbidden: the caller sees the customer with a service team only.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    access.check_answers(actor, customer)
    etags.check(customer.version, version)
    customer.deleted_at = customer.updated_at = utc_now()
    db.mark(session, customer, access.holders(customer))
    access.record(session, actor, "customer.deleted", "customer", customer.id)
    await relationships_detach.detach(session, customer.id)


async def restore(session: AsyncSession, actor: Actor, customer_id: UUID) -> Document:
    """Bring a tombstone back; a living customer stays as it is.

    Raises:
        NotFound: absent, foreign, or deleted more than 30 days ago.
        Forbidden: the caller sees the customer with a service team only.
        Conflict: `id_number_taken`: another customer carries the ID number by now.
    """
    customer = await access.customer(session, actor, customer_id, lock=True, deleted=True)
    access.check_answers(actor, customer)
    if customer.deleted_at is not None:
        customer.deleted_at, customer.updated_at = None, utc_now()
        db.mark(session, customer, access.holders(customer))
        access.record(session, actor, "customer.restored", "customer", customer.id)
        try:
            await relationships_detach.detach(session, customer.id)
        except IntegrityError as error:  # it flushes what `_stored` would
            raise _taken(db.constraint_of(error)) from None
    return await _stored(session, actor, customer)


def _changes(customer: Customer, data: CustomerUpdate) -> dict[str, Any]:
    """What a merge patch (RFC 7396) sets: members of lists with their defaults, the birthday merged part by part."""
    whole = data.model_dump()
    changes = {member: whole[member] for member in data.model_fields_set}
    if data.birthday is not None and customer.birthday is not None:
        changes["birthday"] = {**customer.birthday, **data.birthday.model_dump(exclude_unset=True)}
    return changes


async def _sent_before(session: AsyncSession, actor: Actor, customer_id: UUID) -> Document:
    """What became of a customer this caller created; one he can see no more keeps the id."""
    found = await reads.row_in(session, actor.owners, "get_customer", customer_id, actor.is_masked)
    if found is None:
        raise offline.id_taken()
    return await customers_private.document(actor.org_id, found, customer_id, session)


async def _stored(session: AsyncSession, actor: Actor, customer: Customer) -> Document:
    """Flush, then answer exactly what a read would answer."""
    try:
        found = await reads.row_in(session, actor.owners, "get_customer", customer.id, actor.is_masked)
    except IntegrityError as error:
        raise _taken(db.constraint_of(error)) from None
    return await customers_private.document(actor.org_id, found, customer.id, session)


_OWNERS_ONLY = {"note", "service_team_id"}  # what a service team neither sees nor decides


async def _values(
    session: AsyncSession, customer_id: UUID, party: PartyType, changes: dict[str, Any], before: Customer | None
) -> dict[str, Any]:
    """The column values of what was sent: checked, normalised, sealed, and what is derived from them.

    Args:
        changes: members as they were sent; in lists, what was normalised is put in place.
        before: the row that changes; None for a new one.

    Raises:
        Invalid: every broken rule with its place.
    """
    is_new = before is None
    private: dict[str, Any] = {}
    if before is not None and not changes.keys().isdisjoint(customers_private.MEMBERS):
        private = await customers_private.opened(session, before)
    issues = _check(party, changes, customers_private.keep_masked(changes, private) if private else [])
    if issues:
        raise Invalid(issues=issues)
    values = await customers_private.columns(session, customer_id, party, changes, private, is_new=is_new)
    values |= changes
    if "name" in values or "masked" in values:
        name, masked = (values.get(member) or getattr(before, member) for member in ("name", "masked"))
        values |= {
            "name_key": names.name_sort_key(name),
            "search_text": customers_private.search_text(name, masked),
        }
    return values


def _check(party: PartyType, changes: dict[str, Any], issues: list[Issue]) -> list[Issue]:
    """Bring what was sent into its normal form, in place; all that breaks a rule, after what did before."""
    is_person = party == PartyType.individual
    masked = {issue.pointer for issue in issues}
    if "name" in changes:
        changes["name"] = _checked(issues, "/name", names.normalise_name, changes["name"])
    for index, phone in enumerate(changes.get("phones", ())):
        pointer = f"/phones/{index}/number"
        if pointer not in masked:
            phone["number"] = _checked(issues, pointer, identity.check_phone, phone["number"])
    for member in ("gender", "birthday"):
        if changes.get(member) is not None and not is_person:
            issues.append(Issue("unknown", pointer=f"/{member}"))
    if changes.get("birthday") is not None:
        _checked(issues, "/birthday", lunar.check_partial_date, lunar.PartialDate(**changes["birthday"]))
    if changes.get("id_number") is not None:
        rule = _resident_number if is_person else identity.check_uscc
        changes["id_number"] = _checked(issues, "/id_number", rule, changes["id_number"])
    return issues


def _resident_number(text: str) -> str:
    return identity.check_resident_id(text).number


def _checked(issues: list[Issue], pointer: str, rule: Any, value: Any) -> Any:
    """The value a domain rule makes of `value`; a refusal becomes an issue at `pointer`."""
    try:
        return rule(value)
    except (identity.IdentityError, names.InvalidName, lunar.InvalidDate) as error:
        issues.append(Issue(error.code, pointer=pointer))
        return value
