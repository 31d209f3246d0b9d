"""From the answers of a completed response to the profile and the dossier. Nothing on record is replaced silently.

What is empty is filled at completion, what differs is told as a conflict, and only an explicit call replaces it. Values
stand in the answers; here and in the trail only places are named.
"""

import re
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, offline
from app.access import Actor, Scope
from app.domain import dossier, form_sources, lunar
from app.domain.dossier import FactKey
from app.domain.form_sources import Extracted
from app.domain.forms import FormDefinition
from app.errors import Invalid
from app.models.base import BLOCK, LINE, china_today, utc_now
from app.models.customers import Customer, Gender, PartyType
from app.models.dossiers import DossierFact, FactSource
from app.models.form_responses import ExtractionApply, ExtractionState, FormResponse
from app.services import dossiers, form_responses, form_responses_amend, forms

_PERSONAL = "dossier.personal."
_LINE, _BLOCK = 100, 2000  # code points of an occupation, of a fact


async def store(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse, form: FormDefinition
) -> list[dict[str, Any]]:
    """What became of each answer that goes somewhere; `response` is completed, `customer` locked."""
    found = form_sources.extractions(form, response.answers)
    return [await _settle(session, actor, customer, response, one, is_forced=False) for one in found]


async def apply(session: AsyncSession, actor: Actor, form_response_id: UUID, data: ExtractionApply) -> bytes:
    """Put answers on record in place of what stands there; what stands there already stays. As JSON.

    Of the profile nothing is kept that was replaced. Who says which version of it he saw replaces nothing that came
    later: neither what a colleague entered meanwhile, nor, by a late retry, what was corrected since.

    Raises:
        NotFound, Gone. Invalid: a link_id without an answer that goes anywhere.
        Conflict: `response_not_completed`, `response_retracted`, `response_amended`.
    """
    customer, response = await form_responses.locked(session, actor, form_response_id)
    await form_responses_amend.check_latest(session, actor, response)
    form = (await forms.stored(session, response.form_key, response.form_version)).definition
    known = {one.link_id: one for one in form_sources.extractions(form, response.answers)}
    for n, link_id in enumerate(data.link_ids):
        if link_id not in known:
            raise Invalid.at(f"/link_ids/{n}", "not_found")
    wanted = [known[link_id] for link_id in dict.fromkeys(data.link_ids)]
    is_seen = data.customer_version in (None, customer.version)
    items = [
        await _settle(
            session, actor, customer, response, one, is_forced=is_seen or not one.target.startswith("customer.")
        )
        for one in wanted
    ]
    await session.flush()
    return orjson.dumps({"items": items})


async def _settle(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse, one: Extracted, *, is_forced: bool
) -> dict[str, Any]:
    fact_id: UUID | None = None
    if one.target.startswith(_PERSONAL):
        state, fact_id = await _record(session, actor, customer, response, one, is_forced=is_forced)
    elif one.target.startswith("customer."):
        state = _profile(session, actor, customer, response, one, is_forced=is_forced)
    else:  # the dossiers of companies, competitors and projects have no facts of their own yet
        state = ExtractionState.no_target
    told = None if fact_id is None else str(fact_id)
    return {"link_id": one.link_id, "target": one.target, "state": state.value, "dossier_fact_id": told}


async def _record(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse, one: Extracted, *, is_forced: bool
) -> tuple[ExtractionState, UUID | None]:
    """An answer as a fact of the personal dossier, linked to where it was given."""
    name, value = one.target.removeprefix(_PERSONAL), _text(one.value, is_line=False)
    if name not in FactKey.__members__ or value is None or customer.party_type != PartyType.individual:
        return ExtractionState.no_target, None
    present = await dossiers.current(session, actor, customer.id, FactKey(name))
    if present is not None and present.value == value:
        return ExtractionState.same, present.id
    if (present is not None and not is_forced) or Scope.dossiers_write.value not in actor.scopes:
        return ExtractionState.conflict, None
    await dossiers.supersede(session, actor, customer, FactKey(name))
    source, observed_on = _circumstances(response)
    fact = DossierFact(
        org_id=actor.org_id,
        id=uuid7(),
        customer_id=customer.id,
        fact_key=FactKey(name),
        value=value,
        source=source,
        observed_on=observed_on,
        recorded_by=actor.id,
        form_response_id=response.id,
        link_id=one.link_id,
        created_digest=offline.digest(actor, response.id.bytes, one.link_id.encode()),
    )
    session.add(fact)
    dossiers.leave_trail(session, actor, customer, fact, "created", form_response_id=str(response.id))
    return ExtractionState.stored, fact.id


def _circumstances(response: FormResponse) -> tuple[FactSource, date]:
    """How and when a fact was learned: as the form's own items of these names say, else told on the day."""
    source, day = response.answers.get("source"), response.answers.get("observed_on")
    today = response.answered_on or china_today()
    is_day = isinstance(day, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day)
    observed_on = date.fromisoformat(str(day)) if is_day else today
    fitting = observed_on if dossier.observation_issue(observed_on, today) is None else today
    known = FactSource.__members__.get(source) if isinstance(source, str) else None
    return known or FactSource.customer, fitting


def _profile(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse, one: Extracted, *, is_forced: bool
) -> ExtractionState:
    """An answer as a member of the profile."""
    member = one.target.removeprefix("customer.")
    value = _member(customer, member, one.value)
    if value is None:
        return ExtractionState.no_target
    present = getattr(customer, member)
    if _is_same(member, present, value):
        return ExtractionState.same
    is_empty = present in (None, "", Gender.unknown)
    if (not is_empty and not is_forced) or Scope.customers_write.value not in actor.scopes:
        return ExtractionState.conflict
    setattr(customer, member, value)
    customer.updated_at = utc_now()
    db.mark(session, customer, access.holders(customer))
    told = {"fields": [member], "form_response_id": str(response.id)}
    access.record(session, actor, "customer.updated", "customer", customer.id, **told)
    return ExtractionState.stored


def _member(customer: Customer, member: str, value: Any) -> Any:
    """The value as the profile writes it; None where it cannot stand there."""
    if member == "occupation":
        return _text(value, is_line=True)
    if customer.party_type != PartyType.individual:
        return None
    if member == "gender":
        return Gender(value) if value in Gender.__members__ else None
    if isinstance(value, date) and value <= china_today():
        day = {"year": value.year, "month": value.month, "day": value.day}
        return {**day, "calendar": "solar", "leap_month": False}
    return None


def _is_same(member: str, present: Any, value: Any) -> bool:
    if member != "birthday" or present is None:
        return bool(present == value)
    days = [lunar.solar_date(lunar.PartialDate(**one)) for one in (present, value)]
    return days[0] is not None and days[0] == days[1]


def _text(value: Any, *, is_line: bool) -> str | None:
    """A text as the profile (a line) or the dossier (a block) takes it; None where it does not."""
    text = str(value).replace("\r\n", "\n").strip()
    fits = re.fullmatch(LINE, text) if is_line else re.fullmatch(BLOCK, text)
    return text if fits and 1 <= len(text) <= (_LINE if is_line else _BLOCK) else None
