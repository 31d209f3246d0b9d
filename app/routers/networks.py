"""The penetration network 渗透网 around a customer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.deps import NetworksRead
from app.models.networks import NetworkPublic, NetworkQuery
from app.openapi import problems
from app.services import networks

router = APIRouter(prefix="/v1/customers/{customer_id}", tags=["network"])


@router.get(
    "/network", response_model=NetworkPublic, summary="Read the network around a customer", responses=problems(410)
)
async def get_network(actor: NetworksRead, customer_id: UUID, query: Annotated[NetworkQuery, Query()]) -> Response:
    """Breadth first along the relationships, the strongest ties first; only parties the caller sees.

    The root may be a shadow contact. `hidden` says how many neighbours the caller's access leaves out.
    """
    return Response(await networks.walk(actor, customer_id, query), media_type="application/json")
