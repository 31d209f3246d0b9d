"""What is on record is corrected, and contradictions are resolved. The former wording is kept: what was known on a
day in the past does not change because somebody corrects it today.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import etags
from app.access import Actor
from app.domain import opportunity
from app.domain.consents import FieldGroup
from app.domain.fact_definitions import FactDefinition
from app.errors import Conflict, Invalid
from app.etags import Document
from app.models.base import utc_now
from app.models.dossiers import Decision, DossierFact, DossierFactResolve, DossierFactUpdate, FactSource
from app.services import consents, dossiers, dossiers_check, dossiers_read
from app.services.dossiers import Place

_PLAIN = ("source", "basis", "observed_on", "review_by")


async def update(
    session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, version: int, data: DossierFactUpdate
) -> Document:
    """Correct the current fact; the former wording becomes history.

    Raises:
        NotFound, Gone, PreconditionFailed. Invalid: as for a new one.
        Conflict: `fact_superseded`: history does not change; `stage_not_reachable`: another stage is news.
        ConsentMissing: the fact is sensitive, and nothing carries it any more.
    """
    here, fact = await dossiers.find(session, actor, customer_id, fact_id)
    # Before the version: no version could make it succeed, so 412 would send the phone round in circles.
    if fact.superseded_at is not None:
        raise Conflict("fact_superseded")
    etags.check(fact.version, version)
    sent = data.model_fields_set
    definition = _definition(here, fact)
    await _check(session, here, fact, definition, data)
    if sent:
        carried = await _consented(session, here, definition)
        await consents.note_use(session, here.actor, carried, "dossier_fact", fact.id)
        _keep_wording(session, here, fact)
        _apply(here, fact, data)
        fact.consent_ids = sorted({*fact.consent_ids, *carried.values()})
        fact.expires_on = definition.expires_on(fact.observed_on)
        fact.recorded_at = utc_now()
        fact.settled_at = None
    fact.updated_at = utc_now()
    dossiers.leave_trail(session, here, fact, "updated", fields=sorted(sent))
    return await dossiers_read.stored(session, actor, customer_id, here.eye, fact_id)


async def resolve(
    session: AsyncSession, actor: Actor, customer_id: UUID, fact_id: UUID, data: DossierFactResolve
) -> Document:
    """Decide about current facts that contradict each other: this one is right, or all of them are kept.

    Raises:
        NotFound, Gone. Conflict: `fact_superseded`; `conflict_changed`: there is another one the agent has not seen.
    """
    here, fact = await dossiers.find(session, actor, customer_id, fact_id)
    if fact.superseded_at is not None:
        raise Conflict("fact_superseded")
    present = await dossiers.currents(session, actor, customer_id, fact.fact_key)
    if {one.id for one in present} != {fact.id, *data.fact_ids}:
        raise Conflict("conflict_changed")
    now = utc_now()
    for one in present:
        if data.decision is Decision.keep_all:
            one.settled_at = one.settled_at or now  # what was kept on an earlier day was kept then
            one.updated_at = now
            dossiers.leave_trail(session, here, one, "kept")
        elif one.id != fact.id:
            dossiers.supersede(session, here, one, fact.id)
    if data.decision is Decision.choose:
        dossiers.leave_trail(session, here, fact, "chosen")
    return await dossiers_read.stored(session, actor, customer_id, here.eye, fact_id)


def _definition(here: Place, fact: DossierFact) -> FactDefinition:
    """The definition the fact was recorded under: a correction does not change what is meant."""
    found = here.known.catalogue.as_written(fact.fact_key, fact.definition_version)
    if found is None:
        raise LookupError("a fact without its definition")
    return found


async def _consented(session: AsyncSession, here: Place, definition: FactDefinition) -> dict[FieldGroup, UUID]:
    """The consents a new wording rests on: it takes what was asked for then, and what is asked for today."""
    today = here.known.catalogue.current(definition.key) or definition
    return {**await dossiers.consented(session, here, definition), **await dossiers.consented(session, here, today)}


async def _check(
    session: AsyncSession, here: Place, fact: DossierFact, definition: FactDefinition, data: DossierFactUpdate
) -> None:
    sent = data.model_fields_set
    if "value" in sent:
        dossiers_check.check_value(definition, data.value)
        if definition.key == opportunity.STAGE and data.value["stage"] != here.value(fact)["stage"]:
            raise Conflict("stage_not_reachable")
    dossiers_check.check_days(data.observed_on if "observed_on" in sent else None, data.review_by, dossiers.today())
    if "basis" in sent or "source" in sent:
        basis = data.basis if "basis" in sent else fact.basis
        if definition.bases or basis is not None:
            dossiers_check.check_basis(definition, basis)
    source = data.source if "source" in sent else FactSource(fact.source)
    if "teller" in sent:
        dossiers_check.check_teller(source, data.teller)
    elif source is FactSource.customer and (fact.teller_id is not None or fact.teller_enc is not None):
        raise Invalid.at("/source", "teller_of_customer")
    value = data.value if "value" in sent else here.value(fact)
    await dossiers_check.check_parties(
        session, here.actor, definition, value, data.teller if "teller" in sent else None
    )


def _keep_wording(session: AsyncSession, here: Place, fact: DossierFact) -> None:
    """The fact as it stands, as a row of history. Values are sealed for one row: it is sealed anew."""
    now = utc_now()
    kept = ("id", "version", "updated_at", "value_enc", "teller_enc", "created_digest")
    columns = {name: getattr(fact, name) for name in DossierFact.model_fields if name not in kept}
    past = DossierFact(**columns, id=uuid7(), value_enc=None, teller_enc=None, created_digest=b"")
    here.seal(past, here.value(fact), here.teller(fact).label)
    past.superseded_at, past.superseded_by, past.wording_of = now, fact.id, fact.id
    session.add(past)
    dossiers.leave_trail(session, here, past, "superseded")


def _apply(here: Place, fact: DossierFact, data: DossierFactUpdate) -> None:
    sent = data.model_fields_set
    changes: dict[str, Any] = {name: getattr(data, name) for name in _PLAIN if name in sent}
    for name, value in changes.items():
        setattr(fact, name, value)
    if "confidence" in sent:
        fact.confidence = None if data.confidence is None else Decimal(data.confidence)
    label = here.teller(fact).label
    if "teller" in sent:
        fact.teller_id = data.teller.customer_id if data.teller else None
        label = data.teller.label if data.teller else None
    here.seal(fact, data.value if "value" in sent else here.value(fact), label)
