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

from app import access, db
from app.access import Actor, Scope
from app.domain import form_sources, lunar
from app.domain.form_sources import Extracted
from app.domain.forms import FormDefinition
from app.errors import Invalid
from app.models.base import LINE, china_today, utc_now
from app.models.customers import Customer, Gender, PartyType
from app.models.form_responses import ExtractionApply, ExtractionState, FormResponse
from app.services import dossiers_extract, form_responses, form_responses_amend, forms

_LINE = 100  # code points of an occupation


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
    if one.target.startswith(dossiers_extract.PREFIX):
        state, fact_id = await dossiers_extract.record(session, actor, customer, response, one, is_forced=is_forced)
    elif one.target.startswith("customer."):
        state = _profile(session, actor, customer, response, one, is_forced=is_forced)
    else:
        state = ExtractionState.no_target
    told = None if fact_id is None else str(fact_id)
    return {"link_id": one.link_id, "target": one.target, "state": state.value, "dossier_fact_id": told}


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
        return _line(value)
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


def _line(value: Any) -> str | None:
    """A text as the profile takes it; None where it does not."""
    text = str(value).replace("\r\n", "\n").strip()
    return text if re.fullmatch(LINE, text) and 1 <= len(text) <= _LINE else None
