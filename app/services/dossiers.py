"""The personal dossier: facts are recorded, corrected, superseded and deleted; the view says what to ask next.

The rows come from SQL as JSON; labels, staleness, completeness and the next question are added here and not in the
statement: they are rules of `domain.dossier`, depend on the day and the language, and at most twelve facts make
their cost smaller than that of a second copy of the rules.

Every write locks the customer first. Two phones that record the same fact at once therefore queue up: one fact
supersedes the other, and the unique index on the current fact is never hit.
"""

from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads
from app.access import Actor
from app.domain import dossier
from app.domain.dossier import FactKey
from app.errors import Conflict, Gone, Invalid, Issue, Language, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer, PartyType
from app.models.dossiers import DossierFact, DossierFactCreate, DossierFactQuery, DossierFactUpdate
from app.paging import Page


def today() -> date:
    """The day it is in China, where the agents are."""
    return dossier.china_date(utc_now())


def kinds(language: Language) -> bytes:
    """The twelve kinds of facts with labels and questions, in the order of asking, as JSON."""
    items = [{**_ask(kind, language), "freshness_days": kind.freshness_days} for kind in dossier.KINDS]
    return orjson.dumps({"items": items})


async def read(actor: Actor, customer_id: UUID, language: Language) -> bytes:
    """The dossier as JSON: current facts in the order of asking, completeness, next question.

    Raises:
        NotFound, Gone: as for the customer.
        Conflict: `customer_not_individual`.
    """
    found = _of_individual(await reads.row(actor.org_id, actor.owners, "get_dossier", customer_id))
    day = today()
    recorded = {FactKey(fact["fact_key"]): fact for fact in orjson.loads(found["facts"])}
    observed = {key: date.fromisoformat(fact["observed_on"]) for key, fact in recorded.items()}
    standing = dossier.assess(observed, day)
    facts = [
        {
            **recorded[kind.key],
            "label": kind.label_in(language),
            "is_stale": dossier.is_stale(kind.key, observed[kind.key], day),
        }
        for kind in dossier.KINDS
        if kind.key in recorded
    ]
    return orjson.dumps(
        {
            "customer_id": customer_id,
            "facts": facts,
            "completeness": {
                "known": standing.known,
                "total": standing.total,
                "percent": standing.percent,
                "stale": standing.stale,
            },
            "next_question": None if standing.ask_next is None else _ask(standing.ask_next, language),
            "version": found["version"],
        }
    )


async def read_fact(actor: Actor, customer_id: UUID, fact_id: UUID) -> Document:
    """One fact, current or superseded.

    Raises:
        NotFound, Gone: the fact or its customer is absent or deleted.
        Conflict: `customer_not_individual`.
    """
    return _document(await reads.row(actor.org_id, actor.owners, "get_dossier_fact", customer_id, fact_id), fact_id)


async def search(actor: Actor, customer_id: UUID, query: DossierFactQuery) -> Page:
    """A page of the history, newest first, superseded facts included, deleted ones not.

    Raises:
        NotFound, Gone, Conflict: as `read`.
        Malformed: the cursor is not one this query made.
    """
    ring = keyring.current()
    bound = paging.binding("dossier_facts", actor.org_id, actor.id, customer_id, query.fact_key)
    position = paging.decode(ring.cursors, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_dossier_facts",
        customer_id,
        None if query.fact_key is None else query.fact_key.value,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
    )
    return paging.page(ring.cursors, bound, _of_individual(found))


async def create(
    session: AsyncSession, actor: Actor, customer_id: UUID, data: DossierFactCreate
) -> tuple[Document, bool]:
    """Record a fact; a current one of the same key becomes history. False when the phone sent the same before.

    Raises:
        NotFound, Gone: as for the customer; Gone also when the fact was sent before and is deleted.
        Conflict: `customer_not_individual`, `id_taken`.
        Invalid: a blank value, or a day of observation out of range.
    """
    customer = await _individual(session, actor, customer_id)
    digest = offline.digest(actor, customer_id.bytes, data.model_dump_json(exclude={"id"}).encode())
    if data.id is not None and await offline.is_sent_before(session, actor, DossierFact, data.id, digest):
        return await _stored(session, actor, customer_id, data.id), False
    _check(data.value, data.observed_on)
    await supersede(session, actor, customer, data.fact_key)
    fact = DossierFact(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        customer_id=customer_id,
        fact_key=data.fact_key,
        value=data.value,
        source=data.source,
        observed_on=data.observed_on,
        recorded_by=actor.id,
        created_digest=digest,
    )
    session.add(fact)
    leave_trail(session, actor, customer, fact, "created")
    try:
        return await _stored(session, actor, customer_id, fact.id), True
    except IntegrityError:  # the id was taken between the look and the insert, under another customer
        raise offline.id_taken() from None


async def update(
    session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, version: int, data: DossierFactUpdate
) -> Document:
    """Correct value, source or day of the current fact.

    Raises:
        NotFound, Gone, PreconditionFailed, Invalid.
        Conflict: `fact_superseded`: history does not change; `customer_not_individual`.
    """
    customer, fact = await _fact(session, actor, customer_id, fact_id)
    # Before the version: no version could make it succeed, so 412 would send the phone round in circles.
    if fact.superseded_at is not None:
        raise Conflict("fact_superseded")
    etags.check(fact.version, version)
    changes = data.model_dump(exclude_unset=True)
    _check(changes.get("value"), changes.get("observed_on"))
    for member, value in changes.items():
        setattr(fact, member, value)
    fact.updated_at = utc_now()
    leave_trail(session, actor, customer, fact, "updated", fields=sorted(changes))
    return await _stored(session, actor, customer_id, fact_id)


async def delete(session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, version: int) -> None:
    """Turn a fact, current or superseded, into a tombstone for 30 days.

    Deleting the current fact leaves the question open again: the one it superseded stays history, because it was
    replaced for a reason.
    """
    customer, fact = await _fact(session, actor, customer_id, fact_id)
    etags.check(fact.version, version)
    fact.deleted_at = fact.updated_at = utc_now()
    leave_trail(session, actor, customer, fact, "deleted")


async def restore(session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID) -> Document:
    """Bring a tombstone back as what it was, current or superseded; a living fact stays as it is.

    Raises:
        NotFound: absent, foreign, or deleted more than 30 days ago.
        Conflict: `fact_superseded`: another fact of the key is current by now; `customer_not_individual`.
    """
    customer, fact = await _fact(session, actor, customer_id, fact_id, deleted=True)
    if fact.deleted_at is not None:
        if fact.superseded_at is None and await current(session, actor, customer_id, fact.fact_key) is not None:
            raise Conflict("fact_superseded")
        fact.deleted_at, fact.updated_at = None, utc_now()
        leave_trail(session, actor, customer, fact, "restored")
    return await _stored(session, actor, customer_id, fact_id)


def _ask(kind: dossier.FactKind, language: Language) -> dict[str, Any]:
    return {"fact_key": kind.key, "label": kind.label_in(language), "question": kind.question_in(language)}


def _of_individual(found: asyncpg.Record | None) -> asyncpg.Record:
    """The row of a read, if its customer is one that has a dossier and it is there."""
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    if found["party_type"] != PartyType.individual:
        raise Conflict("customer_not_individual")
    return found


def _document(found: asyncpg.Record | None, fact_id: UUID) -> Document:
    row = _of_individual(found)
    if row["body"] is None:
        raise NotFound
    return Document(row["body"].encode(), row["version"], fact_id)


async def _stored(session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    return _document(await reads.row_in(session, actor.owners, "get_dossier_fact", customer_id, fact_id), fact_id)


async def _individual(session: AsyncSession, actor: Actor, customer_id: UUID) -> Customer:
    """The customer, locked."""
    customer = await access.customer(session, actor, customer_id, lock=True)
    if customer.party_type != PartyType.individual:
        raise Conflict("customer_not_individual")
    return customer


async def _fact(
    session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, *, deleted: bool = False
) -> tuple[Customer, DossierFact]:
    """The customer and his fact, both locked."""
    customer = await _individual(session, actor, customer_id)
    statement = select(DossierFact).where(
        col(DossierFact.org_id) == actor.org_id,
        col(DossierFact.customer_id) == customer_id,
        col(DossierFact.id) == fact_id,
    )
    fact = (await session.exec(statement.with_for_update())).first()
    if fact is None:
        raise NotFound
    access.check_alive(fact, deleted=deleted)
    return customer, fact


async def current(session: AsyncSession, actor: Actor, customer_id: UUID, key: FactKey) -> DossierFact | None:
    statement = select(DossierFact).where(
        col(DossierFact.org_id) == actor.org_id,
        col(DossierFact.customer_id) == customer_id,
        col(DossierFact.fact_key) == key,
        col(DossierFact.deleted_at).is_(None),
        col(DossierFact.superseded_at).is_(None),
    )
    return (await session.exec(statement.with_for_update())).first()


async def supersede(session: AsyncSession, actor: Actor, customer: Customer, key: FactKey) -> None:
    fact = await current(session, actor, customer.id, key)
    if fact is None:
        return
    fact.superseded_at = fact.updated_at = utc_now()
    leave_trail(session, actor, customer, fact, "superseded")
    # The place must be free before the newcomer takes it, and the order inside one flush is not promised.
    await session.flush()


def _check(value: str | None, observed_on: date | None) -> None:
    """What the wire classes cannot say; None was not sent."""
    issues = []
    if value is not None and not value.strip():
        issues.append(Issue("too_short", pointer="/value"))
    code = None if observed_on is None else dossier.observation_issue(observed_on, today())
    if code is not None:
        issues.append(Issue(code, pointer="/observed_on"))
    if issues:
        raise Invalid(issues=issues)


def leave_trail(
    session: AsyncSession, actor: Actor, customer: Customer, fact: DossierFact, verb: str, **detail: Any
) -> None:
    """Tell the owner's phones and the audit; the key of the fact is told, never its value."""
    db.mark(session, fact, access.holders(customer))
    access.record(
        session,
        actor,
        f"dossier_fact.{verb}",
        "dossier_fact",
        fact.id,
        customer_id=str(customer.id),
        fact_key=FactKey(fact.fact_key).value,
        **detail,
    )
