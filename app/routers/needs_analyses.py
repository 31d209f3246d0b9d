"""Needs analyses: the result of a completed form."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import NeedsAnalysesRead
from app.models.base import PageQuery
from app.models.needs_analyses import NeedsAnalysisPage, NeedsAnalysisPublic
from app.openapi import IF_NONE_MATCH, problems
from app.services import needs_analyses

router = APIRouter(tags=["needs-analyses"])


@router.get(
    "/v1/needs-analyses/{needs_analysis_id}",
    response_model=NeedsAnalysisPublic,
    summary="Read one needs analysis",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_needs_analysis(request: Request, actor: NeedsAnalysesRead, needs_analysis_id: UUID) -> Response:
    """Need, existing cover and gap in fen, with every input, assumption and step."""
    return deps.answer(request, await needs_analyses.read(actor, needs_analysis_id))


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
    return deps.answer_page(request, page)
