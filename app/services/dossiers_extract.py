"""An answer of a completed form as a fact of one of the four dossiers, linked to where it was given."""

import re
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import offline
from app.access import Actor, Scope
from app.domain import dossier, fact_types, opportunity
from app.domain.fact_definitions import FactDefinition, ThirdPartyBasis
from app.domain.fact_types import ValueKind
from app.domain.form_sources import Extracted
from app.errors import Conflict, ConsentMissing
from app.models.base import china_today
from app.models.customers import Customer
from app.models.dossiers import FactSource
from app.models.form_responses import ExtractionState, FormResponse
from app.services import dossiers
from app.services.dossiers import News, Place

PREFIX: Final = "dossier."
_LAWFUL = "rep_lawful"  # the item of the competitor form by which the agent states that he may record a third person


async def record(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse, one: Extracted, *, is_forced: bool
) -> tuple[ExtractionState, UUID | None]:
    """What became of one answer; `customer` is locked. Nothing takes a place that is taken, unless it is forced to."""
    here = await dossiers.place(session, actor, customer)
    definition = here.known.catalogue.current(one.target.split(".", 2)[2])
    if definition is None or definition.field != one.target or definition.is_withdrawn:
        return ExtractionState.no_target, None
    value = _value(definition, one)
    if value is None or not definition.fits(customer.party_type):
        return ExtractionState.no_target, None
    basis = _basis(definition, response)
    if definition.bases and basis is None:
        return ExtractionState.no_consent, None
    present = await dossiers.currents(session, actor, customer.id, definition.key)
    same = next((fact.id for fact in present if here.value(fact) == value), None)
    if same is not None and len(present) == 1:
        return ExtractionState.same, same
    if (present and not is_forced) or Scope.dossiers_write.value not in actor.scopes:
        return ExtractionState.conflict, None
    source, observed_on = _circumstances(response)
    news = News(
        definition=definition,
        value=value,
        source=source,
        observed_on=observed_on,
        digest=offline.digest(actor, response.id.bytes, one.link_id.encode()),
        basis=basis,
        superseded=[fact.id for fact in present],
        form_response_id=response.id,
        link_id=one.link_id,
    )
    return await _put(session, here, news, response)


async def _put(
    session: AsyncSession, here: Place, news: News, response: FormResponse
) -> tuple[ExtractionState, UUID | None]:
    try:
        fact = await dossiers.put(session, here, news, form_response_id=str(response.id))
    except ConsentMissing:
        return ExtractionState.no_consent, None
    except Conflict:  # a stage the project cannot reach from where it stands
        return ExtractionState.conflict, None
    return ExtractionState.stored, fact.id


def _value(definition: FactDefinition, one: Extracted) -> Any:
    """The answer as the definition writes it; None where it cannot: words for a text, anything else as it was said."""
    if definition.shape.kind is ValueKind.text:
        value: Any = str(one.value).replace("\r\n", "\n").strip()
    else:
        value = one.raw
    is_fit = not any(fact_types.check(definition.shape, value))
    if is_fit and definition.key == opportunity.STAGE:
        is_fit = opportunity.stage_problem(value) is None
    # A party is linked to by who sees him; an answer does not say who that was.
    return value if is_fit and not any(fact_types.parties(definition.shape, value)) else None


def _basis(definition: FactDefinition, response: FormResponse) -> ThirdPartyBasis | None:
    """Why something about a third person may be kept: as the form states it, or as the customer's own affair."""
    if not definition.bases:
        return None
    if ThirdPartyBasis.agreed_or_public in definition.bases and response.answers.get(_LAWFUL) is True:
        return ThirdPartyBasis.agreed_or_public
    told = ThirdPartyBasis.told_by_customer
    return told if told in definition.bases else None


def _circumstances(response: FormResponse) -> tuple[FactSource, date]:
    """How and when a fact was learned: as the form's own items of these names say, else told on the day."""
    source, day = response.answers.get("source"), response.answers.get("observed_on")
    today = response.answered_on or china_today()
    is_day = isinstance(day, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day)
    observed_on = date.fromisoformat(str(day)) if is_day else today
    fitting = observed_on if dossier.observation_issue(observed_on, today) is None else today
    known = FactSource.__members__.get(source) if isinstance(source, str) else None
    return known or FactSource.customer, fitting
