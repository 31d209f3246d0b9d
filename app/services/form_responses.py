"""Answers to forms: drafts are saved as they come.

A response pins the form version it was given to and is never judged by a newer one. Completing it is in
`form_responses_complete`. A version that is withdrawn meanwhile stops new drafts only: what a phone filled in without a
network is not lost.

Every write locks the customer first. A retry that overtakes its first attempt therefore waits and sees it done, and
nobody can give the customer away between the look at his owner and the news to the owner's phones.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, envelopes, etags, keyring, offline, paging, reads
from app.access import Actor
from app.domain import forms as rules
from app.domain import lunar
from app.errors import Conflict, Invalid, Issue, NotFound
from app.etags import Document
from app.models.base import Wire, china_today, utc_now
from app.models.customers import Customer, PartyType
from app.models.form_responses import (
    OPEN,
    FormResponse,
    FormResponseComplete,
    FormResponseCreate,
    FormResponseUpdate,
    ResponseStatus,
)
from app.paging import Page
from app.services import consents, forms

_INDIVIDUAL = {"needs.life"}  # published before a form said of whom it asks


async def read(actor: Actor, form_response_id: UUID) -> Document:
    """One response with its answers.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_form_response", form_response_id)
    return await _document(actor, form_response_id, found, None)


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
        ConsentMissing: the customer has not agreed to what sensitive answers say.
        Conflict: `id_taken`, `customer_not_individual`, `customer_not_organization`, `form_withdrawn`.
    """
    try:
        customer = await access.customer(session, actor, data.customer_id, lock=True)
    except NotFound:
        raise Invalid.at("/customer_id", "not_found") from None
    digest = digest_of(actor, data)
    if data.id is not None and await offline.is_sent_before(session, actor, FormResponse, data.id, digest):
        return await stored(session, actor, data.id), False
    try:
        form = await forms.stored(session, data.form_key, data.form_version)
    except NotFound:
        is_known = bool(await forms.versions(session, data.form_key))
        raise Invalid.at("/form_version" if is_known else "/form_key", "not_found") from None
    check_subject(form.definition, customer)
    if not form.takes(data.client_at):
        raise Conflict("form_withdrawn")
    warnings = judged(rules.check_answers(form.definition, data.answers, complete=False, context=context(customer)))
    carried = await consents.check_answers(session, actor, customer, form.definition, data.answers)
    response = FormResponse(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        customer_id=customer.id,
        form_key=data.form_key,
        form_version=data.form_version,
        content_hash=form.content_hash,
        recorded_by=actor.id,
        client_at=data.client_at,
        client_counter=data.client_counter,
        created_digest=digest,
    )
    await envelopes.put(session, response, **said(_given(data.answers), warnings))
    session.add(response)
    db.mark(session, response, access.holders(customer))
    access.record(
        session, actor, "form_response.created", "form_response", response.id, person=customer.id, form=data.form_key
    )
    await consents.note_use(session, actor, carried, "form_response", response.id)
    try:
        return await stored(session, actor, response.id), True
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
        ConsentMissing: as `create`, for the answers of this patch: what is there can be taken away without.
    """
    customer, response = await open_response(session, actor, form_response_id)
    patched = {**response.answers, **data.answers}
    merged = _given(patched)
    is_changed = merged != response.answers or (data.status is not None and response.status != data.status)
    if is_changed:
        etags.check(response.version, version)
    form = await forms.stored(session, response.form_key, response.form_version)
    warnings = judged(rules.check_answers(form.definition, patched, complete=False, context=context(customer)))
    if is_changed:
        carried = await consents.check_answers(session, actor, customer, form.definition, data.answers)
        await consents.note_use(session, actor, carried, "form_response", response.id)
        await envelopes.put(session, response, answers=merged, warnings=warnings)
        response.status, response.updated_at = ResponseStatus.in_progress, utc_now()
        note_clock(response, data)
        db.mark(session, response, access.holders(customer))
        fields = sorted(data.answers)
        access.record(
            session, actor, "form_response.updated", "form_response", response.id, person=customer.id, fields=fields
        )
    return await stored(session, actor, response.id)


async def open_response(session: AsyncSession, actor: Actor, form_response_id: UUID) -> tuple[Customer, FormResponse]:
    """The visible draft, opened, and its customer, both locked.

    Whether it is completed is told before its version: no version could make the change succeed.

    Raises:
        NotFound, Gone. Conflict: `response_completed`, `response_retracted`.
    """
    customer, response = await locked(session, actor, form_response_id)
    if response.status not in OPEN:
        is_error = response.status == ResponseStatus.entered_in_error
        raise Conflict("response_retracted" if is_error else "response_completed")
    return customer, response


async def locked(session: AsyncSession, actor: Actor, form_response_id: UUID) -> tuple[Customer, FormResponse]:
    """The visible response, whatever its status, opened, and its customer, both locked.

    Raises:
        NotFound, Gone.
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
    await envelopes.opened(session, [response])
    return customer, response


def said(
    answers: dict[str, Any], warnings: list[dict[str, Any]], provenance: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """What a new response says of its customer: the sealed members of the row."""
    return {"answers": answers, "warnings": warnings, "extracted": [], "provenance": list(provenance)}


def _given(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers without nulls, in rows too: an unanswered item is stored in one way only."""
    return {
        link_id: [_given(row) if isinstance(row, dict) else row for row in value] if isinstance(value, list) else value
        for link_id, value in answers.items()
        if value is not None
    }


def judged(found: list[rules.AnswerIssue]) -> list[dict[str, Any]]:
    """The warnings among what a form says of answers, as they are stored.

    Raises:
        Invalid: there are errors.
    """
    issues = [
        Issue(issue.code, pointer=issue.pointer, message=(issue.message["zh"], issue.message["en"]))
        for issue in found
        if issue.severity == "error"
    ]
    if issues:
        raise Invalid(issues=issues)
    return [
        {"pointer": issue.pointer, "code": issue.code, "key": issue.key, "message": dict(issue.message)}
        for issue in found
    ]


def note_clock(response: FormResponse, data: FormResponseUpdate | FormResponseComplete) -> None:
    """Keep what the phone's clock and counter said last."""
    response.client_at = data.client_at or response.client_at
    if data.client_counter is not None:
        response.client_counter = data.client_counter


def context(customer: Customer, on: date | None = None) -> rules.Context:
    """What the form's expressions know of the customer; `on` is China's present day unless told otherwise."""
    born = None if customer.birthday is None else lunar.solar_date(lunar.PartialDate(**customer.birthday))
    return rules.Context(as_of=on or china_today(), birth_date=born, gender=customer.gender)


def check_subject(form: rules.FormDefinition, customer: Customer) -> None:
    """Refuse questions to a family put to a company, and the other way round."""
    subject = "individual" if form.form_key in _INDIVIDUAL else form.subject
    if subject == "individual" and customer.party_type != PartyType.individual:
        raise Conflict("customer_not_individual")
    if subject == "company" and customer.party_type != PartyType.organization:
        raise Conflict("customer_not_organization")


def digest_of(actor: Actor, data: Wire, *place: bytes) -> bytes:
    """A keyed digest of what was sent, whatever order its members came in: many phones keep maps without one."""
    unsaid = {name for name in ("client_at", "client_counter") if getattr(data, name, None) is None}
    sent = orjson.dumps(data.model_dump(mode="json", exclude={"id", *unsaid}), option=orjson.OPT_SORT_KEYS)
    return offline.digest(actor, *place, sent)


async def stored(session: AsyncSession, actor: Actor, response_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    found = await reads.row_in(session, actor.owners, "get_form_response", response_id)
    return await _document(actor, response_id, found, session)


async def _document(
    actor: Actor, response_id: UUID, found: asyncpg.Record | None, session: AsyncSession | None
) -> Document:
    row = paging.alive(found)
    key = await envelopes.cipher(row, actor.org_id, session)
    sealed = envelopes.texts(key, FormResponse, response_id, row, "answers", "retraction")
    return Document(envelopes.spliced([row["body"], *sealed]).encode(), row["version"], response_id)
