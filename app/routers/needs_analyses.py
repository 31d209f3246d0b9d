"""Needs analyses: made from completed forms, explained, confirmed, revised; never changed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import NeedsAnalysesRead, NeedsAnalysesWrite, OnceDep, SessionDep
from app.errors import pick_language
from app.looks import Look, customer_of
from app.models.base import PageQuery
from app.models.needs_analyses import (
    NeedsAnalysisConfirm,
    NeedsAnalysisCreate,
    NeedsAnalysisPage,
    NeedsAnalysisPublic,
    NeedsAnalysisRevise,
    NeedsExplanation,
)
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import needs_analyses, needs_analyses_create

router = APIRouter(tags=["needs-analyses"])


@router.get(
    "/v1/needs-analyses/{needs_analysis_id}",
    response_model=NeedsAnalysisPublic,
    summary="Read one needs analysis",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_needs_analysis(request: Request, actor: NeedsAnalysesRead, needs_analysis_id: UUID) -> Response:
    """Need, existing cover and gap of every insured and peril in fen, with every input, assumption and step.

    The analysis never changes; what is told with it may: its confirmation, and the analysis that took its place.
    """
    document = await needs_analyses.read(actor, needs_analysis_id)
    look = Look("needs_analysis.viewed", needs_analysis_id, customer_of(document), ("household", "results"))
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.get(
    "/v1/customers/{customer_id}/needs-analyses",
    response_model=NeedsAnalysisPage,
    summary="List a customer's needs analyses",
    responses=problems(410),
)
async def list_needs_analyses(
    request: Request, actor: NeedsAnalysesRead, customer_id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Newest first."""
    page = await needs_analyses.search(actor, customer_id, limit=query.limit, cursor=query.cursor)
    look = Look("needs_analysis.listed", None, customer_id, ("results",))
    return await deps.shown(request, actor, deps.answer_page(request, page), look)


@router.post(
    "/v1/needs-analyses",
    status_code=201,
    response_model=NeedsAnalysisPublic,
    summary="Analyse the needs of a household",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def create_needs_analysis(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, data: NeedsAnalysisCreate
) -> Response:
    """From a completed response of form `needs.fact_find`, as of today in China.

    One result for each insured and peril; then their order, what premiums the household can carry, what has to be
    advised, and what nobody said. `overrides` set assumptions by name, each with who set it.
    """

    async def make() -> Response:
        document = await needs_analyses_create.create(session, actor, data)
        return deps.answer_created(document, f"/v1/needs-analyses/{document.id}")

    return await once(make)


@router.get(
    "/v1/needs-analyses/{needs_analysis_id}/explain",
    response_model=NeedsExplanation,
    summary="Explain a needs analysis in plain words",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_needs_explanation(request: Request, actor: NeedsAnalysesRead, needs_analysis_id: UUID) -> Response:
    """What was assumed, what follows and what is missing, result by result, in the language of Accept-Language."""
    language = pick_language(request.headers.get("accept-language"))
    document, customer_id = await needs_analyses.told(actor, needs_analysis_id, language)
    response = deps.answer_composed(request, document)
    response.headers["Content-Language"], response.headers["Vary"] = language, "Accept-Language"
    look = Look("needs_analysis.explained", needs_analysis_id, customer_id, ("household", "results"))
    return await deps.shown(request, actor, response, look)


@router.post(
    "/v1/needs-analyses/{needs_analysis_id}/confirm",
    status_code=201,
    response_model=NeedsAnalysisPublic,
    summary="Record the customer's confirmation",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def confirm_needs_analysis(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, needs_analysis_id: UUID, data: NeedsAnalysisConfirm
) -> Response:
    """The customer says that the analysis is right, once; a signature or a recording shows it. Only the newest analysis
    of its line can be confirmed, and the analysis itself stays as it is."""

    async def make() -> Response:
        document = await needs_analyses_create.confirm(session, actor, needs_analysis_id, data)
        return deps.answer_created(document, f"/v1/needs-analyses/{document.id}")

    return await once(make)


@router.post(
    "/v1/needs-analyses/{needs_analysis_id}/revise",
    status_code=201,
    response_model=NeedsAnalysisPublic,
    summary="Revise a needs analysis",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def revise_needs_analysis(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, needs_analysis_id: UUID, data: NeedsAnalysisRevise
) -> Response:
    """A new analysis after a life event, as of today, with its `diff` to the one it supersedes.

    From a newer response, or from the same answers with other assumptions. Each analysis is superseded once.
    """

    async def make() -> Response:
        document = await needs_analyses_create.revise(session, actor, needs_analysis_id, data)
        return deps.answer_created(document, f"/v1/needs-analyses/{document.id}")

    return await once(make)
