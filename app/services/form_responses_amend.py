"""After completion: a revision of a response, and the word that one was entered in error. The row itself stays."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, envelopes, offline
from app.access import Actor
from app.errors import Conflict
from app.etags import Document
from app.models.base import utc_now
from app.models.form_responses import FINAL, FormResponse, FormResponseAmend, FormResponseRetract, ResponseStatus
from app.models.needs_analyses import NeedsAnalysis
from app.services import consents, form_responses, forms


async def amend(
    session: AsyncSession, actor: Actor, form_response_id: UUID, data: FormResponseAmend
) -> tuple[Document, bool]:
    """A new draft with the answers of a completed response, its next revision; False when it was sent before.

    Raises:
        NotFound, Gone. Conflict: `response_not_completed`, `response_retracted`, `response_amended`: another revision
            follows it already; `form_withdrawn`: none could be completed; `id_taken`.
        ConsentMissing: the answers would be written anew, and the customer does not agree any more.
    """
    customer, old = await form_responses.locked(session, actor, form_response_id)
    digest = form_responses.digest_of(actor, data, b"amend", old.id.bytes)
    if data.id is not None and await offline.is_sent_before(session, actor, FormResponse, data.id, digest):
        return await form_responses.stored(session, actor, data.id), False
    await check_latest(session, actor, old)
    form = await forms.stored(session, old.form_key, old.form_version)
    if form.is_over:
        raise Conflict("form_withdrawn")
    carried = await consents.check_answers(session, actor, customer, form.definition, old.answers)
    response = FormResponse(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        customer_id=old.customer_id,
        form_key=old.form_key,
        form_version=old.form_version,
        content_hash=old.content_hash,
        revision=old.revision + 1,
        amends_id=old.id,
        migrated_from_id=old.migrated_from_id,
        recorded_by=actor.id,
        created_digest=digest,
    )
    await envelopes.put(session, response, **form_responses.said(old.answers, old.warnings, old.provenance))
    session.add(response)
    db.mark(session, response, access.holders(customer))
    told = {"form": old.form_key, "amends_id": str(old.id)}
    access.record(session, actor, "form_response.created", "form_response", response.id, person=customer.id, **told)
    await consents.note_use(session, actor, carried, "form_response", response.id)
    try:
        return await form_responses.stored(session, actor, response.id), True
    except IntegrityError:  # the id was taken between the look and the insert, under another customer
        raise offline.id_taken() from None


async def retract(session: AsyncSession, actor: Actor, form_response_id: UUID, data: FormResponseRetract) -> Document:
    """Mark a response, draft or completed, as entered in error; its answers stay readable.

    What was concluded from it stays, too: the facts; the analyses, which say so from then on. A repetition changes
    nothing.

    Raises:
        NotFound, Gone. Conflict: `response_retracted`, for another reason; `response_amended`: a later revision stands.
    """
    customer, response = await form_responses.locked(session, actor, form_response_id)
    if response.status == ResponseStatus.entered_in_error:
        if response.retraction_reason != data.reason:
            raise Conflict("response_retracted")
        return await form_responses.stored(session, actor, response.id)
    await _refuse_followed(session, actor, response)
    response.status = ResponseStatus.entered_in_error
    response.retracted_at = response.updated_at = utc_now()
    response.retracted_by = actor.id
    await envelopes.put(session, response, retraction_reason=data.reason)
    rests = select(NeedsAnalysis).where(
        col(NeedsAnalysis.org_id) == actor.org_id, col(NeedsAnalysis.form_response_id) == response.id
    )
    for row in (response, *(await session.exec(rests)).all()):
        db.mark(session, row, access.holders(customer))
    access.record(session, actor, "form_response.retracted", "form_response", response.id, person=customer.id)
    return await form_responses.stored(session, actor, response.id)


async def check_latest(session: AsyncSession, actor: Actor, response: FormResponse) -> None:
    """Refuse to go on from a response nothing may be concluded from.

    Raises:
        Conflict: `response_not_completed`, `response_retracted`, `response_amended`.
    """
    if response.status == ResponseStatus.entered_in_error:
        raise Conflict("response_retracted")
    if response.status not in FINAL:
        raise Conflict("response_not_completed")
    await _refuse_followed(session, actor, response)


async def _refuse_followed(session: AsyncSession, actor: Actor, response: FormResponse) -> None:
    statement = select(FormResponse.id).where(
        col(FormResponse.org_id) == actor.org_id,
        col(FormResponse.amends_id) == response.id,
        col(FormResponse.status) != ResponseStatus.entered_in_error,
    )
    if (await session.exec(statement)).first() is not None:
        raise Conflict("response_amended")
