"""Answers to forms: drafts are saved as they come, completing one computes its needs analysis.

A response pins the form version it was given to and is never judged by a newer one. Completing it is one act: the
answers are frozen and the analysis is written in the same transaction. A version that is withdrawn meanwhile stops new
drafts only: what a phone filled in without a network is not lost.

Every write locks the customer first. A retry that overtakes its first attempt therefore waits and sees it done, and
nobody can give the customer away between the look at his owner and the news to the owner's phones.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads
from app.access import Actor
from app.domain import forms as rules
from app.domain import needs
from app.errors import Conflict, Invalid, Issue, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer, PartyType
from app.models.form_responses import FormResponse, FormResponseCreate, FormResponseUpdate, ResponseStatus
from app.models.needs_analyses import NeedsAnalysis
from app.paging import Page
from app.services import forms

Method = Callable[[rules.EffectiveAnswers], needs.LifeNeedResult]
# Form → how its answers become an analysis. A form without a method cannot be answered yet.
METHODS: dict[str, Method] = {"needs.life": lambda answers: needs.life_need(needs.life_input_from_answers(answers))}


async def read(actor: Actor, form_response_id: UUID) -> Document:
    """One response with its answers.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_form_response", form_response_id)
    return paging.document(found, form_response_id)


async def search(
    actor: Actor,
    customer_id: UUID,
    *,
    form_key: str | None,
    status: ResponseStatus | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """A customer's responses, newest first.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    await access.check_customer(actor, customer_id)
    key = keyring.current().cursors
    bound = paging.binding("form_responses", actor.org_id, actor.id, customer_id, form_key, status)
    position = paging.decode(key, bound, cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_form_responses",
        customer_id,
        form_key,
        None if status is None else status.value,
        None if position is None else position.key,
        None if position is None else position.id,
        limit + 1,
    )
    return paging.page(key, bound, found)


async def create(session: AsyncSession, actor: Actor, data: FormResponseCreate) -> tuple[Document, bool]:
    """A new draft; False when the phone sent the same one before.

    Raises:
        Invalid: unknown customer, form or version, or an answer breaks a rule of the form.
        Gone: the customer is deleted.
        Conflict: `id_taken`, `customer_not_individual`, `form_withdrawn`.
    """
    try:
        customer = await access.customer(session, actor, data.customer_id, lock=True)
    except NotFound:
        raise Invalid.at("/customer_id", "not_found") from None
    digest = _digest(actor, data)
    if data.id is not None and await offline.is_sent_before(session, actor, FormResponse, data.id, digest):
        return await _stored(session, actor, data.id), False
    if data.form_key not in METHODS:
        raise Invalid.at("/form_key", "not_found")
    try:
        form = await forms.stored(session, data.form_key, data.form_version)
    except NotFound:
        raise Invalid.at("/form_version", "not_found") from None
    if customer.party_type != PartyType.individual:  # every method asks what the family of one person would need
        raise Conflict("customer_not_individual")
    if form.is_withdrawn:
        raise Conflict("form_withdrawn")
    _refuse(rules.check_answers(form.definition, data.answers, complete=False))
    response = FormResponse(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        customer_id=customer.id,
        form_key=data.form_key,
        form_version=data.form_version,
        content_hash=form.content_hash,
        answers=_given(data.answers),
        recorded_by=actor.id,
        created_digest=digest,
    )
    session.add(response)
    db.mark(session, response, access.holders(customer))
    access.record(session, actor, "form_response.created", "form_response", response.id, form=data.form_key)
    try:
        return await _stored(session, actor, response.id), True
    except IntegrityError:  # the id was taken between the look and the insert, under another customer
        raise offline.id_taken() from None


async def update(
    session: AsyncSession, actor: Actor, form_response_id: UUID, version: int, data: FormResponseUpdate
) -> Document:
    """Merge answers into a draft (RFC 7396); null removes one.

    A patch that would change nothing is answered with the stored state whatever version it names: it is most likely
    the retry of one whose answer was lost (RFC 9110 13.1.1 permits it).

    Raises:
        NotFound, Gone, PreconditionFailed, Invalid. Conflict: `response_completed`.
    """
    customer, response = await _draft(session, actor, form_response_id)
    patched = {**response.answers, **data.answers}
    merged = _given(patched)
    is_changed = merged != response.answers
    if is_changed:
        etags.check(response.version, version)
    form = await forms.stored(session, response.form_key, response.form_version)
    _refuse(rules.check_answers(form.definition, patched, complete=False))
    if is_changed:
        response.answers, response.updated_at = merged, utc_now()
        db.mark(session, response, access.holders(customer))
        fields = sorted(data.answers)
        access.record(session, actor, "form_response.updated", "form_response", response.id, fields=fields)
    return await _stored(session, actor, response.id)


async def complete(session: AsyncSession, actor: Actor, form_response_id: UUID, version: int) -> Document:
    """Freeze the answers and compute the analysis; the analysis is the answer.

    Raises:
        NotFound, Gone, PreconditionFailed. Conflict: `response_completed`.
        Invalid: answers missing or out of bounds, or a result past 2^53 - 1 fen.
    """
    customer, response = await _draft(session, actor, form_response_id)
    etags.check(response.version, version)
    form = await forms.stored(session, response.form_key, response.form_version)
    judged = rules.judge(form.definition, response.answers, complete=True)
    _refuse(judged.issues)
    try:
        result = METHODS[response.form_key](judged.effective)
    except needs.NeedsError as error:
        raise Invalid.at("/answers", error.code) from None
    analysis = NeedsAnalysis(
        org_id=actor.org_id,
        customer_id=response.customer_id,
        form_response_id=response.id,
        method_code=result.method_code,
        method_version=result.method_version,
        need_fen=result.need_fen,
        existing_cover_fen=result.existing_cover_fen,
        gap_fen=result.gap_fen,
        result=result.to_json(),
        prepared_by=actor.id,
    )
    session.add(analysis)
    response.status, response.needs_analysis_id = ResponseStatus.completed, analysis.id
    # Answers to what was asked in the end; a draft keeps the others, so that going back and forth loses no input.
    response.answers = dict(judged.record)
    response.completed_at = response.updated_at = utc_now()
    for row in (response, analysis):
        db.mark(session, row, access.holders(customer))
    linked = {"needs_analysis_id": str(analysis.id)}
    access.record(session, actor, "form_response.completed", "form_response", response.id, **linked)
    linked = {"form_response_id": str(response.id)}
    access.record(session, actor, "needs_analysis.created", "needs_analysis", analysis.id, **linked)
    found = await reads.row_in(session, actor.owners, "get_needs_analysis", analysis.id)
    return paging.document(found, analysis.id)


async def _draft(session: AsyncSession, actor: Actor, form_response_id: UUID) -> tuple[Customer, FormResponse]:
    """The visible draft and its customer, both locked.

    Whether it is completed is told before its version: no version could make the change succeed.
    """
    wanted = (
        col(FormResponse.org_id) == actor.org_id,
        col(FormResponse.id) == form_response_id,
        col(FormResponse.deleted_at).is_(None),
    )
    its_own = select(FormResponse.customer_id).where(*wanted).scalar_subquery()
    statement = access.visible_customers(actor).where(col(Customer.id) == its_own)
    customer = (await session.exec(statement.with_for_update())).first()
    if customer is None:
        raise NotFound
    access.check_alive(customer)
    held = select(FormResponse).where(*wanted, col(FormResponse.customer_id) == customer.id)
    response = (await session.exec(held.with_for_update())).first()
    if response is None:
        raise NotFound
    if response.status == ResponseStatus.completed:
        raise Conflict("response_completed")
    return customer, response


def _given(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers without nulls, in rows too: an unanswered item is stored in one way only."""
    return {
        link_id: [_given(row) if isinstance(row, dict) else row for row in value] if isinstance(value, list) else value
        for link_id, value in answers.items()
        if value is not None
    }


def _refuse(found: list[rules.AnswerIssue]) -> None:
    issues = [
        Issue(issue.code, pointer=issue.pointer, message=(issue.message["zh"], issue.message["en"]))
        for issue in found
        if issue.severity == "error"
    ]
    if issues:
        raise Invalid(issues=issues)


def _digest(actor: Actor, data: FormResponseCreate) -> bytes:
    """A keyed digest of what was sent, whatever order its members came in: many phones keep maps without one."""
    sent = orjson.dumps(data.model_dump(mode="json", exclude={"id"}), option=orjson.OPT_SORT_KEYS)
    return offline.digest(actor, sent)


async def _stored(session: AsyncSession, actor: Actor, response_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    return paging.document(await reads.row_in(session, actor.owners, "get_form_response", response_id), response_id)
