"""Influence 影响力 and communities in the network."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import JobsWrite, NetworksRead, OnceDep, SessionDep
from app.models.influences import CommunityList, CommunityQuery, InfluencePage, InfluenceQuery, InfluenceRefresh
from app.openapi import ONCE
from app.services import influences

router = APIRouter(prefix="/v1/network", tags=["network"])


@router.get("/influence", response_model=InfluencePage, summary="List the most influential parties")
async def list_influences(request: Request, actor: NetworksRead, query: Annotated[InfluenceQuery, Query()]) -> Response:
    """Parties the caller sees, the most influential first, with their scores in the network of the scope.

    Scores are computed at night and on request. A party without a tie is not listed, unless it is a key account or has
    given introductions.
    """
    return deps.answer_page(request, await influences.search(actor, query))


@router.get("/communities", response_model=CommunityList, summary="List the communities of the network")
async def list_communities(actor: NetworksRead, query: Annotated[CommunityQuery, Query()]) -> Response:
    """Who hangs together, and who connects those who do not; counted over the parties the caller sees."""
    return Response(await influences.communities(actor, query.scope), media_type="application/json")


@router.post(
    "/influence/refresh",
    status_code=202,
    response_model=InfluenceRefresh,
    summary="Ask for new scores of the network",
    openapi_extra=ONCE,
)
async def refresh_influences(session: SessionDep, actor: JobsWrite, once: OnceDep) -> Response:
    """Puts the computation for the whole organisation into the queue; while one waits there, asking again adds none.

    One that failed and waits to be tried again is tried next. `Location` is the list that will be new: the job is done
    when the list's `computed_at` is later than the job's `queued_at` (usually within a minute). One that fails is tried
    again for 78 minutes, then given up: the list stays as it was, and asking again puts a new job into the queue.
    """

    async def make() -> Response:
        asked = await influences.refresh(session, actor)
        return Response(asked.model_dump_json(), 202, {"Location": f"{router.prefix}/influence"}, "application/json")

    return await once(make)
