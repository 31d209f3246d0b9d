"""Facts are recorded, superseded, deleted and restored. Reading them is `dossiers_read` and `dossiers_view`.

Every write locks the customer first. Two phones that record the same fact at once therefore queue up, and each sees
what the other one did. Nothing is replaced silently: a source takes back its own older word, and what several sources
say stands side by side until an agent decides (`dossiers_amend`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app import access, db, etags, offline, vault
from app.access import Actor
from app.crypto import FieldCipher
from app.domain import dossier, opportunity
from app.domain.consents import FieldGroup
from app.domain.dossier import Told
from app.domain.fact_definitions import DossierName, FactDefinition, ThirdPartyBasis
from app.errors import Conflict, Invalid, Issue, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer
from app.models.dossiers import DossierFact, DossierFactCreate, FactSource
from app.services import consents, dossiers_check, dossiers_read, fact_definitions
from app.services.dossiers_read import TABLE, TELLER, VALUE, Reader
from app.services.fact_definitions import Known

MISFIT = {DossierName.personal: "customer_not_individual", DossierName.corporate: "customer_not_organization"}


def today() -> date:
    """The day it is in China, where the agents are."""
    return dossier.china_date(utc_now())


@dataclass(frozen=True, slots=True)
class Place:
    """The dossiers of one customer inside a transaction: he is locked, his cipher is at hand."""

    actor: Actor
    customer: Customer
    cipher: FieldCipher
    known: Known

    @property
    def eye(self) -> Reader:
        """What reads the answer of a write."""
        return Reader(self.known, self.cipher)

    def value(self, fact: DossierFact) -> Any:
        """A stored value in clear; None where it is gone."""
        if fact.value_enc is None:
            return None
        return vault.open_json(self.cipher, TABLE, VALUE, fact.id, fact.value_enc)

    def teller(self, fact: DossierFact) -> dossier.Teller:
        """Who told a stored fact."""
        label = None if fact.teller_enc is None else self.cipher.open(TABLE, TELLER, fact.id, fact.teller_enc)
        return dossier.Teller(fact.source, fact.teller_id, label, fact.recorded_by)

    def seal(self, fact: DossierFact, value: Any, label: str | None) -> None:
        """Put value and label of the teller into the row, for this row only."""
        fact.value_enc = vault.seal_json(self.cipher, TABLE, VALUE, fact.id, value)
        fact.teller_enc = None if label is None else self.cipher.seal(TABLE, TELLER, fact.id, label)


@dataclass(frozen=True, slots=True)
class News:
    """What is to be recorded, already checked.

    Attributes:
        superseded: current facts of the key it takes the place of, whoever told them.
    """

    definition: FactDefinition
    value: Any
    source: FactSource
    observed_on: date
    digest: bytes
    id: UUID = field(default_factory=uuid7)
    teller_id: UUID | None = None
    teller_label: str | None = None
    basis: ThirdPartyBasis | None = None
    confidence: Decimal | None = None
    review_by: date | None = None
    superseded: Collection[UUID] = ()
    form_response_id: UUID | None = None
    link_id: str | None = None


async def place(session: AsyncSession, actor: Actor, customer: Customer) -> Place:
    """The dossiers of a customer whom the caller has locked."""
    cipher = await vault.of_person(session, actor.org_id, customer.id)
    return Place(actor, customer, cipher, await fact_definitions.of_session(session))


async def create(
    session: AsyncSession, actor: Actor, customer_id: UUID, data: DossierFactCreate
) -> tuple[Document, bool]:
    """Record a fact. False when the phone sent the same before.

    Raises:
        NotFound, Gone: as for the customer; Gone also when the fact was sent before and is deleted.
        Conflict: `customer_not_individual`, `customer_not_organization`: he has no such dossier; `stage_not_reachable`;
            `id_taken`.
        Invalid: an unknown key, another dossier or purpose than the key's, a value that is not of its shape, a day out
            of range, somebody the caller does not see, third-party data without a basis.
        ConsentMissing: the fact is sensitive, and nothing he said carries it.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    digest = offline.digest(actor, customer_id.bytes, data.model_dump_json(exclude={"id"}).encode())
    here = await place(session, actor, customer)
    if data.id is not None and await offline.is_sent_before(session, actor, DossierFact, data.id, digest):
        return await dossiers_read.stored(session, actor, customer_id, here.eye, data.id), False
    definition = _definition(here, data)
    dossiers_check.check_value(definition, data.value)
    dossiers_check.check_days(data.observed_on, data.review_by, today())
    dossiers_check.check_basis(definition, data.basis)
    dossiers_check.check_teller(data.source, data.teller)
    await dossiers_check.check_parties(session, actor, definition, data.value, data.teller)
    news = News(
        definition=definition,
        value=data.value,
        source=data.source,
        observed_on=data.observed_on,
        digest=digest,
        id=data.id or uuid7(),
        teller_id=data.teller.customer_id if data.teller else None,
        teller_label=data.teller.label if data.teller else None,
        basis=data.basis,
        confidence=None if data.confidence is None else Decimal(data.confidence),
        review_by=data.review_by,
        superseded=data.supersedes,
    )
    try:
        await put(session, here, news)
        return await dossiers_read.stored(session, actor, customer_id, here.eye, news.id), True
    except IntegrityError:  # the id was taken between the look and the insert, under another customer
        raise offline.id_taken() from None


async def put(session: AsyncSession, here: Place, news: News, **detail: Any) -> DossierFact:
    """Record what has been checked, and settle it with what is current.

    Raises:
        ConsentMissing. Invalid: `supersedes` names what is not current. Conflict: `stage_not_reachable`.
    """
    actor, customer, definition = here.actor, here.customer, news.definition
    present = await currents(session, actor, customer.id, definition.key)
    _check_named(present, news.superseded)
    carried = await consented(session, here, definition)
    if is_stage := definition.key == opportunity.STAGE:
        _check_stage(here, present, news)
    now = utc_now()
    fact = _made(here, news, now)
    fact.consent_ids = sorted(set(carried.values()))
    here.seal(fact, news.value, news.teller_label)
    told = [Told(one.id, here.teller(one), one.observed_on) for one in present]
    end = dossier.settle(told, here.teller(fact), fact.observed_on, named=news.superseded, is_single=is_stage)
    if end.superseded_by is not None:
        fact.superseded_at, fact.superseded_by = now, end.superseded_by
    session.add(fact)
    await consents.note_use(session, actor, carried, "dossier_fact", fact.id)
    leave_trail(session, here, fact, "created", **detail)
    if end.superseded:
        await session.flush()  # it must be there before anything says that it is superseded by it
    for one in present:
        if one.id in end.superseded:
            supersede(session, here, one, fact.id)
    return fact


def _made(here: Place, news: News, now: datetime) -> DossierFact:
    """The row, its value not yet sealed into it."""
    definition = news.definition
    return DossierFact(
        org_id=here.actor.org_id,
        id=news.id,
        created_at=now,
        customer_id=here.customer.id,
        dossier=definition.dossier,
        fact_key=definition.key,
        definition_version=definition.version,
        value_enc=None,
        source=news.source,
        teller_id=news.teller_id,
        basis=news.basis,
        observed_on=news.observed_on,
        confidence=news.confidence,
        review_by=news.review_by,
        expires_on=definition.expires_on(news.observed_on),
        recorded_by=here.actor.id,
        recorded_at=now,
        created_digest=news.digest,
        form_response_id=news.form_response_id,
        link_id=news.link_id,
    )


def supersede(session: AsyncSession, here: Place, fact: DossierFact, by: UUID) -> None:
    """Make a current fact history."""
    fact.superseded_at = fact.updated_at = utc_now()
    fact.superseded_by = by
    leave_trail(session, here, fact, "superseded")


async def delete(session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, version: int) -> None:
    """Turn a fact, current or superseded, into a tombstone for 30 days, its former wordings with it.

    Deleting the current fact leaves the question open again: the one it superseded stays history, because it was
    replaced for a reason.
    """
    here, fact = await find(session, actor, customer_id, fact_id)
    etags.check(fact.version, version)
    now = utc_now()
    for one in (fact, *await _wordings(session, actor, fact)):
        one.deleted_at = one.updated_at = now
        leave_trail(session, here, one, "deleted")


async def restore(session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID) -> Document:
    """Bring a tombstone back as what it was, current or superseded; a living fact stays as it is.

    Raises:
        NotFound: absent, foreign, or deleted more than 30 days ago.
        Conflict: `fact_superseded`: the same source has said something newer by now.
    """
    here, fact = await find(session, actor, customer_id, fact_id, deleted=True)
    if fact.deleted_at is not None:
        if fact.superseded_at is None:
            present = await currents(session, actor, customer_id, fact.fact_key)
            is_single = fact.fact_key == opportunity.STAGE
            if any(is_single or here.teller(one).is_same(here.teller(fact)) for one in present):
                raise Conflict("fact_superseded")
        gone_at, now = fact.deleted_at, utc_now()
        for one in (fact, *(one for one in await _wordings(session, actor, fact) if one.deleted_at == gone_at)):
            one.deleted_at, one.updated_at = None, now
            leave_trail(session, here, one, "restored")
    return await dossiers_read.stored(session, actor, customer_id, here.eye, fact_id)


async def find(
    session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, *, deleted: bool = False
) -> tuple[Place, DossierFact]:
    """The customer's dossiers and one fact of them, both locked."""
    customer = await access.customer(session, actor, customer_id, lock=True)
    fact = (await session.exec(_facts(actor, customer_id).where(DossierFact.id == fact_id).with_for_update())).first()
    if fact is None:
        raise NotFound
    access.check_alive(fact, deleted=deleted)
    return await place(session, actor, customer), fact


async def currents(session: AsyncSession, actor: Actor, customer_id: UUID, key: str) -> Sequence[DossierFact]:
    """The current facts of a key, locked, in the order they were recorded."""
    statement = _facts(actor, customer_id).where(
        col(DossierFact.fact_key) == key,
        col(DossierFact.deleted_at).is_(None),
        col(DossierFact.superseded_at).is_(None),
    )
    ordered = statement.order_by(col(DossierFact.recorded_at), col(DossierFact.id))
    return (await session.exec(ordered.with_for_update())).all()


async def _wordings(session: AsyncSession, actor: Actor, fact: DossierFact) -> Sequence[DossierFact]:
    statement = _facts(actor, fact.customer_id).where(col(DossierFact.wording_of) == fact.id)
    return (await session.exec(statement.order_by(col(DossierFact.id)).with_for_update())).all()


def _facts(actor: Actor, customer_id: UUID) -> SelectOfScalar[DossierFact]:
    return select(DossierFact).where(
        col(DossierFact.org_id) == actor.org_id, col(DossierFact.customer_id) == customer_id
    )


def _definition(here: Place, data: DossierFactCreate) -> FactDefinition:
    """The definition of the key, if it is what the caller takes it for (promise 61: least data)."""
    found = here.known.catalogue.current(data.fact_key)
    if found is None or found.is_withdrawn:
        raise Invalid.at("/fact_key", "choice")
    issues = []
    if data.dossier not in (None, found.dossier):
        issues.append(Issue("other_dossier", pointer="/fact_key"))
    if data.purpose not in (None, found.purpose):
        issues.append(Issue("other_purpose", pointer="/purpose"))
    if issues:
        raise Invalid(issues=issues)
    if not found.fits(here.customer.party_type):
        raise Conflict(MISFIT[found.dossier])
    return found


async def consented(session: AsyncSession, here: Place, definition: FactDefinition) -> dict[FieldGroup, UUID]:
    """The consent a fact rests on; none is asked for unless it is sensitive.

    Raises:
        ConsentMissing.
    """
    if not definition.needs_consent:
        return {}
    return await consents.check(session, here.actor, here.customer, definition.purpose, [definition.group])


def _check_named(present: Sequence[DossierFact], named: Collection[UUID]) -> None:
    known = {one.id for one in present}
    issues = [Issue("not_found", pointer=f"/supersedes/{n}") for n, one in enumerate(named) if one not in known]
    if issues:
        raise Invalid(issues=issues)


def _check_stage(here: Place, present: Sequence[DossierFact], news: News) -> None:
    """A late word about the past moves nothing; anything else must be reachable from where the project stands."""
    before = present[-1] if present else None
    if before is not None and before.observed_on > news.observed_on:
        return
    at = None if before is None else here.value(before)["stage"]
    if not opportunity.may_follow(at, news.value["stage"]):
        raise Conflict("stage_not_reachable")


def leave_trail(session: AsyncSession, here: Place, fact: DossierFact, verb: str, **detail: Any) -> None:
    """Tell the holders' phones, unless they may not keep it, and the audit: the key of the fact, never its value."""
    holders = access.holders(here.customer)
    definition = here.known.catalogue.current(fact.fact_key)
    if definition is not None and definition.is_offline_allowed:
        db.mark(session, fact, holders)
    else:
        db.mark_id(session, TABLE, fact.id, holders, removed=True)
    access.record(
        session,
        here.actor,
        f"dossier_fact.{verb}",
        "dossier_fact",
        fact.id,
        customer_id=str(here.customer.id),
        fact_key=fact.fact_key,
        **detail,
    )
