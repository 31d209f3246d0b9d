"""Asking a colleague for an introduction."""

from fastapi import APIRouter, Response

from app.deps import IntroductionsWrite, OnceDep, SessionDep
from app.models.path_requests import PathRequestCreate, PathRequestPublic
from app.openapi import ONCE, problems
from app.services import path_requests

router = APIRouter(prefix="/v1/network", tags=["network"])


@router.post(
    "/path-requests",
    response_model=PathRequestPublic,
    summary="Ask a colleague for an introduction",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_path_request(
    session: SessionDep, actor: IntroductionsWrite, once: OnceDep, data: PathRequestCreate
) -> Response:
    """For a path that leads through his customer: the colleague finds a task about that customer, and who asks.

    The caller learns no more than the path told him.
    """

    async def make() -> Response:
        return Response(await path_requests.create(session, actor, data), media_type="application/json")

    return await once(make)
