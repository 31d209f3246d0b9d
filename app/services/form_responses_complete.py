"""Completing a response: one act that freezes the answers and draws the conclusions the form has a method for."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, envelopes, etags
from app.access import Actor
from app.domain import forms as rules
from app.domain import needs
from app.errors import Conflict, Invalid
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.form_responses import FormResponse, FormResponseComplete, ResponseStatus
from app.models.needs_analyses import NeedsAnalysis
from app.models.rights_requests import Objectionable
from app.services import (
    consents,
    form_responses,
    form_responses_extract,
    forms,
    needs_analyses_create,
    rights_requests_objections,
    tolerance_assessments,
)

LATEST = timedelta(days=90)  # how long after the visit a phone may come with its answers

Method = Callable[[rules.EffectiveAnswers], needs.LifeNeedResult]
# Form → how its answers become an analysis at once. Of the others a completed response is all there is.
METHODS: dict[str, Method] = {"needs.life": lambda answers: needs.life_need(needs.life_input_from_answers(answers))}


async def complete(
    session: AsyncSession, actor: Actor, form_response_id: UUID, version: int, data: FormResponseComplete
) -> tuple[Document, str]:
    """Freeze the answers, compute the analysis where the form has a method; the response, and where to look on.

    Raises:
        NotFound, Gone, PreconditionFailed. Conflict: `response_completed`, `response_retracted`, `form_withdrawn`,
            `purpose_objected` where completing means analysing, and as `tolerance_assessments.record`.
        Invalid: answers missing or out of bounds, a result past 2^53 - 1 fen, a day out of range.
        ConsentMissing: the customer does not agree (any more) to what sensitive answers say.
    """
    customer, response = await form_responses.open_response(session, actor, form_response_id)
    etags.check(response.version, version)
    form = await forms.stored(session, response.form_key, response.form_version)
    if form.is_over:
        raise Conflict("form_withdrawn")
    day = _day(data.answered_on)
    judged = rules.judge(
        form.definition, response.answers, complete=True, context=form_responses.context(customer, day)
    )
    warnings = form_responses.judged(judged.issues)
    carried = await consents.check_answers(session, actor, customer, form.definition, judged.record)
    await consents.note_use(session, actor, carried, "form_response", response.id)
    linked = {}
    if response.form_key in METHODS:
        analysis = await _analyse(session, actor, customer, response, judged.effective)
        await consents.note_use(session, actor, carried, "needs_analysis", analysis.id)
        response.needs_analysis_id = analysis.id
        linked = {"needs_analysis_id": str(analysis.id)}
    # A revision ends as what it is; what it follows stays as it was.
    response.status = ResponseStatus.completed if response.amends_id is None else ResponseStatus.amended
    # Answers to what was asked in the end; a draft keeps the others, so that going back and forth loses no input.
    await envelopes.put(session, response, answers=dict(judged.record), warnings=warnings)
    response.answered_on = day
    response.completed_at = response.updated_at = utc_now()
    form_responses.note_clock(response, data)
    extracted = await form_responses_extract.store(session, actor, customer, response, form.definition)
    await envelopes.put(session, response, extracted=extracted)
    db.mark(session, response, access.holders(customer))
    if response.form_key == tolerance_assessments.FORM:
        await tolerance_assessments.record(session, actor, customer, response)
    access.record(session, actor, "form_response.completed", "form_response", response.id, person=customer.id, **linked)
    made = response.needs_analysis_id
    location = f"/v1/form-responses/{response.id}" if made is None else f"/v1/needs-analyses/{made}"
    return await form_responses.stored(session, actor, response.id), location


def _day(answered_on: date | None) -> date:
    """The day the answers were given.

    Raises:
        Invalid: it is to come, or more than `LATEST` past.
    """
    today = china_today()
    if answered_on is not None and not today - LATEST <= answered_on <= today:
        raise Invalid.at("/answered_on", "in_future" if answered_on > today else "out_of_range")
    return answered_on or today


async def _analyse(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse, answers: rules.EffectiveAnswers
) -> NeedsAnalysis:
    """The needs analysis of these answers, written in the same transaction.

    Raises:
        Invalid: a result past 2^53 - 1 fen. Conflict: `purpose_objected`: the customer wants no advice.
    """
    await rights_requests_objections.check(session, actor.org_id, [customer.id], Objectionable.advice)
    try:
        result = METHODS[response.form_key](answers)
    except needs.NeedsError as error:
        raise Invalid.at("/answers", error.code) from None
    return await needs_analyses_create.of_life(session, actor, customer, response, result)
