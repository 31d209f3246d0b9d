"""Coverage of the six directions 六个方向."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import NetworksRead, RelationshipsWrite, SessionDep
from app.looks import Look
from app.models.coverages import AgentCoveragePage, AgentCoverageQuery, CoverageAnswerPut, CoveragePublic
from app.models.relation_types import Direction
from app.openapi import problems
from app.services import coverages

router = APIRouter(tags=["network"])

_ANSWER = "/v1/customers/{customer_id}/coverage-answers/{direction}"


@router.get(
    "/v1/customers/{customer_id}/coverage",
    response_model=CoveragePublic,
    summary="Read which directions around a customer are known",
    responses=problems(410),
)
async def get_coverage(request: Request, actor: NetworksRead, customer_id: UUID) -> Response:
    """The six directions with their state, a score of 0 to 100, and what to ask next."""
    answer = Response(await coverages.read(actor, customer_id), media_type="application/json")
    return await deps.shown(request, actor, answer, Look("coverage.viewed", customer_id, customer_id, ("coverage",)))


@router.put(
    _ANSWER,
    response_model=CoveragePublic,
    summary="Record that there is nobody in a direction",
    responses=problems(410),
)
async def put_coverage_answer(
    session: SessionDep, actor: RelationshipsWrite, customer_id: UUID, direction: Direction, data: CoverageAnswerPut
) -> Response:
    """The customer was asked and knows nobody. Sent again it changes nothing; a relationship outweighs it."""
    body = await coverages.put_answer(session, actor, customer_id, direction, data)
    return Response(body, media_type="application/json")


@router.delete(
    _ANSWER,
    status_code=204,
    response_class=Response,
    summary="Take back that there is nobody in a direction",
    responses=problems(410),
)
async def delete_coverage_answer(
    session: SessionDep, actor: RelationshipsWrite, customer_id: UUID, direction: Direction
) -> None:
    """The direction is unknown again, unless there is a relationship in it; without an answer nothing happens."""
    await coverages.delete_answer(session, actor, customer_id, direction)


@router.get(
    "/v1/network/coverage",
    response_model=AgentCoveragePage,
    summary="Read how well an agent's customers are covered",
)
async def get_agent_coverage(
    request: Request, actor: NetworksRead, query: Annotated[AgentCoverageQuery, Query()]
) -> Response:
    """A summary per direction and the customers, the lowest score first; the caller's own, unless `agent_id` says.

    Only customers the caller sees; of an agent of whom he sees none, nothing is told.
    """
    return deps.answer_page(request, await coverages.search(actor, query))
