"""Answers to forms: drafts are saved as they come, completing one computes its needs analysis.

A response pins the form version it was given to and is never judged by a newer one. Completing it is one act: the
answers are frozen and the analysis is written in the same transaction.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, crypto, db, etags, keyring, paging, reads
from app.access import Actor
from app.domain import forms as rules
from app.domain import needs
from app.errors import Conflict, Gone, Invalid, Issue, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.form_responses import FormResponse, FormResponseCreate, FormResponseUpdate, ResponseStatus
from app.models.forms import FormStatus
from app.models.needs_analyses import NeedsAnalysis
from app.paging import Page
from app.services import forms

LIFE_FORM = "needs.life"


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
        Invalid: unknown customer or form version, or an answer breaks a rule of the form.
        Conflict: `id_taken`, `form_withdrawn`.
    """
    digest = crypto.keyed_hash(
        keyring.current().digests, actor.id.bytes + data.model_dump_json(exclude={"id"}).encode()
    )
    if data.id is not None:
        known = await _sent_before(session, actor, data.id, digest)
        if known is not None:
            return known, False
    try:
        customer = await access.customer(session, actor, data.customer_id)
    except (NotFound, Gone):
        raise Invalid.at("/customer_id", "not_found") from None
    try:
        row, definition = await forms.definition(session, data.form_key, data.form_version)
    except NotFound:
        raise Invalid.at("/form_version", "not_found") from None
    if row.status == FormStatus.withdrawn:
        raise Conflict("form_withdrawn")
    _refuse(rules.check_answers(definition, data.answers, complete=False))
    response = FormResponse(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        customer_id=customer.id,
        form_key=row.form_key,
        form_version=row.version,
        content_hash=row.content_hash,
        answers=dict(data.answers),
        recorded_by=actor.id,
        created_digest=digest,
    )
    session.add(response)
    db.mark(session, response, [customer.owner_id])
    access.record(session, actor, "form_response.created", "form_response", response.id, form=row.form_key)
    return await _stored(session, actor, response), True


async def update(
    session: AsyncSession, actor: Actor, form_response_id: UUID, version: int, data: FormResponseUpdate
) -> Document:
    """Merge answers into a draft; null removes one.

    Raises:
        NotFound, Gone, PreconditionFailed, Invalid. Conflict: `response_completed`.
    """
    response, owner = await _draft(session, actor, form_response_id, version)
    merged = {**response.answers, **data.answers}
    merged = {key: value for key, value in merged.items() if value is not None}
    _, definition = await forms.definition(session, response.form_key, response.form_version)
    _refuse(rules.check_answers(definition, merged, complete=False))
    response.answers, response.updated_at = merged, utc_now()
    db.mark(session, response, [owner])
    access.record(session, actor, "form_response.updated", "form_response", response.id, fields=sorted(data.answers))
    return await _stored(session, actor, response)


async def complete(session: AsyncSession, actor: Actor, form_response_id: UUID, version: int) -> Document:
    """Freeze the answers and compute the analysis; the analysis is the answer.

    Raises:
        NotFound, Gone, PreconditionFailed. Invalid: answers missing or out of bounds. Conflict: `response_completed`.
    """
    response, owner = await _draft(session, actor, form_response_id, version)
    _, definition = await forms.definition(session, response.form_key, response.form_version)
    _refuse(rules.check_answers(definition, response.answers, complete=True))
    effective = rules.effective_answers(definition, response.answers)
    try:
        result = needs.life_need(needs.life_input_from_answers(effective)).to_json()
    except needs.NeedsError as error:
        raise Invalid.at("/answers", error.code) from None
    analysis = NeedsAnalysis(
        org_id=actor.org_id,
        customer_id=response.customer_id,
        form_response_id=response.id,
        method_code=str(result["method_code"]),
        method_version=str(result["method_version"]),
        need_fen=_fen(result, "need_fen"),
        existing_cover_fen=_fen(result, "existing_cover_fen"),
        gap_fen=_fen(result, "gap_fen"),
        result=result,
        prepared_by=actor.id,
    )
    session.add(analysis)
    response.status, response.completed_at = ResponseStatus.completed, utc_now()
    response.needs_analysis_id, response.updated_at = analysis.id, utc_now()
    for row in (response, analysis):
        db.mark(session, row, [owner])
    access.record(session, actor, "form_response.completed", "form_response", response.id, analysis=str(analysis.id))
    found = await reads.row_in(session, actor.owners, "get_needs_analysis", analysis.id)
    return paging.document(found, analysis.id)


def _fen(result: Mapping[str, object], key: str) -> int:
    value = result[key]
    if not isinstance(value, int):
        raise TypeError(key)
    return value


async def _draft(
    session: AsyncSession, actor: Actor, form_response_id: UUID, version: int
) -> tuple[FormResponse, UUID]:
    """The visible draft, locked, and the owner of its customer."""
    statement = select(FormResponse).where(
        FormResponse.org_id == actor.org_id,
        FormResponse.id == form_response_id,
        col(FormResponse.deleted_at).is_(None),
    )
    response = (await session.exec(statement.with_for_update())).first()
    if response is None:
        raise NotFound
    customer = await access.customer(session, actor, response.customer_id)
    if response.status == ResponseStatus.completed:
        raise Conflict("response_completed")
    etags.check(response.version, version)
    return response, customer.owner_id


def _refuse(found: list[rules.AnswerIssue]) -> None:
    issues = [
        Issue(issue.code, pointer=issue.pointer, message=(issue.message["zh"], issue.message["en"]))
        for issue in found
        if issue.severity == "error"
    ]
    if issues:
        raise Invalid(issues=issues)


async def _sent_before(session: AsyncSession, actor: Actor, response_id: UUID, digest: bytes) -> Document | None:
    statement = select(FormResponse.created_digest).where(
        FormResponse.org_id == actor.org_id, FormResponse.id == response_id
    )
    stored = (await session.exec(statement)).first()
    if stored is None:
        return None
    if stored != digest:
        raise Conflict("id_taken", issues=[Issue("invalid", pointer="/id")])
    found = await reads.row_in(session, actor.owners, "get_form_response", response_id)
    return paging.document(found, response_id)


async def _stored(session: AsyncSession, actor: Actor, response: FormResponse) -> Document:
    found = await reads.row_in(session, actor.owners, "get_form_response", response.id)
    return paging.document(found, response.id)
