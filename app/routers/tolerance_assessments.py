"""Risk tolerance assessments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import NeedsAnalysesRead, NeedsAnalysesWrite, OnceDep, SessionDep
from app.looks import Look, customer_of
from app.models.base import PageQuery
from app.models.tolerance_assessments import (
    ToleranceAssessmentCreate,
    ToleranceAssessmentPage,
    ToleranceAssessmentPublic,
)
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import tolerance_assessments

router = APIRouter(tags=["proposals"])


@router.get(
    "/v1/tolerance-assessments/{tolerance_assessment_id}",
    response_model=ToleranceAssessmentPublic,
    summary="Read one tolerance assessment",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_tolerance_assessment(
    request: Request, session: SessionDep, actor: NeedsAnalysesRead, tolerance_assessment_id: UUID
) -> Response:
    """Class, level, and until when it holds."""
    document = await tolerance_assessments.read(session, actor, tolerance_assessment_id)
    look = Look("tolerance_assessment.viewed", document.id, customer_of(document), ("tolerance",))
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.get(
    "/v1/customers/{customer_id}/tolerance",
    response_model=ToleranceAssessmentPublic,
    summary="Read a customer's present risk tolerance",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_tolerance(request: Request, session: SessionDep, actor: NeedsAnalysesRead, customer_id: UUID) -> Response:
    """The newest confirmed assessment, while it holds; 404 when there is none."""
    document = await tolerance_assessments.read_current(session, actor, customer_id)
    look = Look("tolerance_assessment.viewed", document.id, customer_id, ("tolerance",))
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.get(
    "/v1/customers/{customer_id}/tolerance-assessments",
    response_model=ToleranceAssessmentPage,
    summary="List a customer's tolerance assessments",
    responses=problems(410),
)
async def list_tolerance_assessments(
    request: Request, session: SessionDep, actor: NeedsAnalysesRead, customer_id: UUID,
    query: Annotated[PageQuery, Query()],
) -> Response:  # fmt: skip
    """Newest first; the expired ones and those nobody confirmed too."""
    page = await tolerance_assessments.search(session, actor, customer_id, limit=query.limit, cursor=query.cursor)
    look = Look("tolerance_assessment.listed", None, customer_id, ("tolerance",))
    return await deps.shown(request, actor, deps.answer_page(request, page), look)


@router.post(
    "/v1/customers/{customer_id}/tolerance-assessments",
    status_code=201,
    response_model=ToleranceAssessmentPublic,
    summary="Record a tolerance assessment",
    responses={200: {"model": ToleranceAssessmentPublic, "description": "Recorded before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_tolerance_assessment(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, customer_id: UUID, data: ToleranceAssessmentCreate
) -> Response:
    """From a completed response to `risk.tolerance`; completing one records it already.

    At most 2 a day and 8 in 12 months, counted in China's days: 409 `assessments_today`, `assessments_this_year`.
    """

    async def make() -> Response:
        document, is_new = await tolerance_assessments.create(session, actor, customer_id, data.form_response_id)
        location = f"/v1/tolerance-assessments/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.post(
    "/v1/tolerance-assessments/{tolerance_assessment_id}/confirm",
    response_model=ToleranceAssessmentPublic,
    summary="Confirm a changed risk tolerance",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def confirm_tolerance_assessment(
    session: SessionDep, actor: NeedsAnalysesWrite, once: OnceDep, tolerance_assessment_id: UUID
) -> Response:
    """The customer was shown that his class differs from the last one that held, and confirms the new one."""

    async def make() -> Response:
        return deps.answer_changed(await tolerance_assessments.confirm(session, actor, tolerance_assessment_id))

    return await once(make)
