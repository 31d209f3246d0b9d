"""Answers to forms, from draft to completed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field as Bound

from app import deps
from app.deps import IfMatch, NeedsAnalysesRead, NeedsAnalysesWrite, OnceDep, OnceRequired, SessionDep
from app.models.base import PageQuery
from app.models.form_responses import (
    FormResponseCreate,
    FormResponsePage,
    FormResponsePublic,
    FormResponseUpdate,
    ResponseStatus,
)
from app.models.forms import FormKey
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, ONCE_REQUIRED, problems
from app.services import form_responses, form_responses_complete

router = APIRouter(tags=["form-responses"])


class FormResponseQuery(PageQuery):
    """Filters of the list."""

    form_key: FormKey | None = Bound(default=None, description="Responses to this form only")
    status: ResponseStatus | None = Bound(default=None, description="Drafts or completed ones only")


@router.get(
    "/v1/form-responses/{form_response_id}",
    response_model=FormResponsePublic,
    summary="Read one form response",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_form_response(request: Request, actor: NeedsAnalysesRead, form_response_id: UUID) -> Response:
    """The answers as they stand."""
    return deps.answer(request, await form_responses.read(actor, form_response_id))


@router.get(
    "/v1/customers/{customer_id}/form-responses",
    response_model=FormResponsePage,
    summary="List a customer's form responses",
    responses=problems(410),
)
async def list_form_responses(
    request: Request, actor: NeedsAnalysesRead, customer_id: UUID, query: Annotated[FormResponseQuery, Query()]
) -> Response:
    """Newest first, without the answers."""
    page = await form_responses.search(
        actor,
        customer_id,
        form_key=query.form_key,
        status=query.status,
        limit=query.limit,
        cursor=query.cursor,
    )
    return deps.answer_page(request, page)


@router.post(
    "/v1/form-responses",
    status_code=201,
    response_model=FormResponsePublic,
    summary="Start a form response",
    responses={200: {"model": FormResponsePublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_form_response(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, data: FormResponseCreate
) -> Response:
    """A draft for one customer, pinned to one version of the form; it may be incomplete, not wrong."""

    async def make() -> Response:
        document, is_new = await form_responses.create(session, actor, data)
        location = f"/v1/form-responses/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.patch(
    "/v1/form-responses/{form_response_id}",
    response_model=FormResponsePublic,
    summary="Save answers of a draft",
    responses=problems(409, 410),
    openapi_extra=IF_MATCH,
)
async def update_form_response(
    session: SessionDep,
    actor: NeedsAnalysesWrite,
    form_response_id: UUID,
    if_match: IfMatch,
    data: FormResponseUpdate,
) -> Response:
    """Answers that are sent replace stored ones; null removes one; what is missing may stay missing.

    A repetition that would change nothing answers the stored state, even under an older If-Match.
    """
    return deps.answer_changed(await form_responses.update(session, actor, form_response_id, if_match, data))


@router.post(
    "/v1/form-responses/{form_response_id}/complete",
    status_code=201,
    response_model=FormResponsePublic,
    summary="Complete a form response",
    responses=problems(409, 410),
    openapi_extra={"parameters": [*IF_MATCH["parameters"], *ONCE_REQUIRED["parameters"]]},
)
async def complete_form_response(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceRequired, form_response_id: UUID, if_match: IfMatch
) -> Response:
    """Freezes the answers; where the form has a method its needs analysis is computed in the same act.

    Location names the analysis (`needs_analysis_id`), or the response where there is none.
    """

    async def make() -> Response:
        return deps.answer_created(*await form_responses_complete.complete(session, actor, form_response_id, if_match))

    return await once(make)
