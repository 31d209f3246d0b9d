"""Next best introductions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.deps import IntroductionsWrite, NetworksRead, SessionDep
from app.models.recommendations import DismissalPublic, DismissalPut, RecommendationList, RecommendationQuery
from app.openapi import problems
from app.services import recommendations

router = APIRouter(prefix="/v1/network", tags=["network"])

_DISMISSAL = "/recommendation-dismissals/{customer_id}"


@router.get(
    "/recommendations", response_model=RecommendationList, summary="List the people most worth being introduced to"
)
async def list_recommendations(actor: NetworksRead, query: Annotated[RecommendationQuery, Query()]) -> Response:
    """People the caller keeps as contacts only and whom a customer of his could introduce, the best first, and why.

    Everybody named is the caller's own customer or shadow contact, whatever else he may see.
    """
    return Response(await recommendations.search(actor, query), media_type="application/json")


@router.put(
    _DISMISSAL,
    response_model=DismissalPublic,
    summary="Recommend somebody no more",
    responses=problems(410),
)
async def put_recommendation_dismissal(
    session: SessionDep, actor: IntroductionsWrite, customer_id: UUID, data: DismissalPut
) -> Response:
    """For the caller only. `not_now` holds for 90 days from today; the other reasons hold until they are taken back."""
    body = await recommendations.put_dismissal(session, actor, customer_id, data)
    return Response(body, media_type="application/json")


@router.delete(
    _DISMISSAL,
    status_code=204,
    response_class=Response,
    summary="Let somebody be recommended again",
    responses=problems(410),
)
async def delete_recommendation_dismissal(session: SessionDep, actor: IntroductionsWrite, customer_id: UUID) -> None:
    """Takes the caller's dismissal back; without one nothing happens."""
    await recommendations.delete_dismissal(session, actor, customer_id)
