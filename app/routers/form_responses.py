"""Answers to forms, from draft to completed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import Field as Bound

from app import deps
from app.deps import IfMatch, NeedsAnalysesRead, NeedsAnalysesWrite, OnceDep, OnceRequired, SessionDep
from app.etags import Document
from app.looks import Look, customer_of
from app.models.base import PageQuery
from app.models.form_responses import (
    ExtractionApply,
    ExtractionList,
    FormResponseAmend,
    FormResponseComplete,
    FormResponseCreate,
    FormResponseMigrate,
    FormResponseMigration,
    FormResponsePage,
    FormResponsePublic,
    FormResponseRetract,
    FormResponseUpdate,
    ResponseStatus,
)
from app.models.forms import FormKey
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, ONCE_REQUIRED, problems
from app.services import (
    form_responses,
    form_responses_amend,
    form_responses_complete,
    form_responses_extract,
    form_responses_migrate,
)

router = APIRouter(tags=["form-responses"])


class FormResponseQuery(PageQuery):
    """Filters of the list."""

    form_key: FormKey | None = Bound(default=None, description="Responses to this form only")
    status: ResponseStatus | None = Bound(default=None, description="Those of one status only")


@router.get(
    "/v1/form-responses/{form_response_id}",
    response_model=FormResponsePublic,
    summary="Read one form response",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_form_response(request: Request, actor: NeedsAnalysesRead, form_response_id: UUID) -> Response:
    """The answers as they stand."""
    document = await form_responses.read(actor, form_response_id)
    look = Look("form_response.viewed", form_response_id, customer_of(document), ("answers",))
    return await deps.shown(request, actor, deps.answer(request, document), look)


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
    look = Look("form_response.listed", None, customer_id, ("forms",))
    return await deps.shown(request, actor, deps.answer_page(request, page), look)


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
    session: SessionDep,
    actor: NeedsAnalysesWrite,
    once: OnceRequired,
    form_response_id: UUID,
    if_match: IfMatch,
    data: Annotated[FormResponseComplete, Body(default_factory=FormResponseComplete)],
) -> Response:
    """Freezes the answers; where the form has a method its needs analysis is computed in the same act.

    Location names the analysis (`needs_analysis_id`), or the response where there is none.
    """

    async def make() -> Response:
        done = await form_responses_complete.complete(session, actor, form_response_id, if_match, data)
        return deps.answer_created(*done)

    return await once(make)


@router.post(
    "/v1/form-responses/{form_response_id}/amend",
    status_code=201,
    response_model=FormResponsePublic,
    summary="Amend a completed form response",
    responses={200: {"model": FormResponsePublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def amend_form_response(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, form_response_id: UUID, data: FormResponseAmend
) -> Response:
    """A new draft with the same answers, the next revision; the completed one stays as it is and readable."""

    async def make() -> Response:
        document, is_new = await form_responses_amend.amend(session, actor, form_response_id, data)
        return deps.answer_created(document, f"/v1/form-responses/{document.id}", status=201 if is_new else 200)

    return await once(make)


@router.post(
    "/v1/form-responses/{form_response_id}/retract",
    response_model=FormResponsePublic,
    summary="Mark a form response as entered in error",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def retract_form_response(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, form_response_id: UUID, data: FormResponseRetract
) -> Response:
    """For good, with a reason; the answers stay readable, and so does what was concluded from them."""

    async def make() -> Response:
        return deps.answer_changed(await form_responses_amend.retract(session, actor, form_response_id, data))

    return await once(make)


@router.post(
    "/v1/form-responses/{form_response_id}/migrate",
    status_code=201,
    response_model=FormResponseMigration,
    summary="Carry answers over to another version",
    responses={200: {"model": FormResponseMigration, "description": "A dry run"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def migrate_form_response(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, form_response_id: UUID, data: FormResponseMigrate
) -> Response:
    """By a map published with that version, into a new draft; every answer says where it came from.

    What the map has no place for is listed, and the former response never changes.
    """

    async def make() -> Response:
        draft, report = await form_responses_migrate.migrate(session, actor, form_response_id, data)
        if draft is None:
            return Response(report, 200, media_type="application/json")
        told = Document(report, draft.version, draft.id)
        return deps.answer_created(told, f"/v1/form-responses/{draft.id}")

    return await once(make)


@router.post(
    "/v1/form-responses/{form_response_id}/apply-extraction",
    response_model=ExtractionList,
    summary="Put answers on record in place of others",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def apply_extraction(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, form_response_id: UUID, data: ExtractionApply
) -> Response:
    """Answers of a completed response that differ from the profile or dossier replace what stands there."""

    async def make() -> Response:
        body = await form_responses_extract.apply(session, actor, form_response_id, data)
        return Response(body, 200, media_type="application/json")

    return await once(make)
