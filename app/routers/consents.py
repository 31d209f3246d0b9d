"""Consents: what people decided about their data."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from app import deps
from app.deps import ConsentsRead, ConsentsWrite, OnceDep, SessionDep
from app.looks import Look
from app.models.consents import (
    ConsentCoverage,
    ConsentCreate,
    ConsentList,
    ConsentPublic,
    ConsentWithdraw,
    ConsentWithdrawn,
)
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import consents_create, consents_read, consents_withdraw

router = APIRouter(tags=["consents"])

_CONSENTS = "/v1/customers/{customer_id}/consents"


@router.get(
    _CONSENTS,
    response_model=ConsentList,
    summary="List a customer's consents",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def list_consents(request: Request, actor: ConsentsRead, customer_id: UUID) -> Response:
    """Everything he decided, newest first, with its history: given, refused, withdrawn."""
    answer = deps.answer_listed(request, await consents_read.listed(actor, customer_id))
    return await deps.shown(request, actor, answer, Look("consent.listed", None, customer_id, ("consents",)))


@router.post(
    _CONSENTS,
    status_code=201,
    response_model=ConsentPublic,
    summary="Record a consent or a refusal",
    responses={200: {"model": ConsentPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_consent(
    session: SessionDep, actor: ConsentsWrite, once: OnceDep, customer_id: UUID, data: ConsentCreate
) -> Response:
    """Who decided, when, by which text, about which groups of data, for what. The same `id` and body answers 200.

    Sensitive groups are decided about one by one (`is_separate`). For somebody under fourteen, and for data of
    children, the guardian decides. 409 `consent_text_superseded`: show the text in force, and ask again.
    """

    async def make() -> Response:
        document, is_new = await consents_create.create(session, actor, customer_id, data)
        location = f"/v1/customers/{customer_id}/consents/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.get(
    _CONSENTS + "/{consent_id}",
    response_model=ConsentPublic,
    summary="Read one consent",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_consent(request: Request, actor: ConsentsRead, customer_id: UUID, consent_id: UUID) -> Response:
    """The decision with its history, how it stands today, and what it carries."""
    answer = deps.answer_composed(request, await consents_read.read(actor, customer_id, consent_id))
    return await deps.shown(request, actor, answer, Look("consent.viewed", consent_id, customer_id, ("consents",)))


@router.post(
    _CONSENTS + "/{consent_id}/withdraw",
    response_model=ConsentWithdrawn,
    summary="Withdraw a consent",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def withdraw_consent(
    session: SessionDep,
    actor: ConsentsWrite,
    once: OnceDep,
    customer_id: UUID,
    consent_id: UUID,
    data: Annotated[ConsentWithdraw, Body(default_factory=ConsentWithdraw)],
) -> Response:
    """One call, effective for the next request everywhere. Answers what is on record that now rests on nothing."""

    async def make() -> Response:
        return deps.answer_changed(await consents_withdraw.withdraw(session, actor, customer_id, consent_id, data))

    return await once(make)


@router.get(
    "/v1/customers/{customer_id}/consent-coverage",
    response_model=ConsentCoverage,
    summary="Read what a customer has consented to",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_consent_coverage(request: Request, actor: ConsentsRead, customer_id: UUID) -> Response:
    """Every purpose and group: given, open, refused and until when not to be asked, ending within 30 days."""
    answer = deps.answer_listed(request, await consents_read.coverage(actor, customer_id))
    return await deps.shown(request, actor, answer, Look("consent.listed", None, customer_id, ("consents",)))
