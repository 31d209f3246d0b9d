"""Warm introductions."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.deps import NetworksRead
from app.models.network_paths import NetworkPaths, PathQuery
from app.openapi import problems
from app.services import network_paths

router = APIRouter(prefix="/v1/network", tags=["network"])


@router.get("/paths", response_model=NetworkPaths, summary="Find who can introduce whom", responses=problems(404, 409))
async def list_network_paths(actor: NetworksRead, query: Annotated[PathQuery, Query()]) -> Response:
    """The warmest ways to somebody, over at most four ties, each beginning with another person.

    Only through parties the caller sees. Where the organisation allows paths through its other agents' customers, such
    a party is answered as a colleague's customer: no name, but the agent to ask.
    """
    return Response(await network_paths.find(actor, query), media_type="application/json")
