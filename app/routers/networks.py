"""The penetration network 渗透网 around a customer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from app.deps import CustomersExport, NetworksRead, SessionDep
from app.errors import Language, pick_language
from app.models.networks import NetworkDrawingQuery, NetworkExportQuery, NetworkJsonGraph, NetworkPublic, NetworkQuery
from app.openapi import GRAPHML, SVG, problems
from app.services import networks, networks_drawing, networks_export

router = APIRouter(prefix="/v1/customers/{customer_id}", tags=["network"])

# A picture that could not run anything even if somebody's name were a script.
_PICTURE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


class JsonGraphResponse(JSONResponse):
    """JSON Graph Format under its own media type: what the document says of the finished bytes."""

    media_type = "application/vnd.jgf+json"


def _spoken(language: Language, **more: str) -> dict[str, str]:
    return {"Content-Language": language, "Vary": "Accept-Language", **more}


def _file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@router.get(
    "/network", response_model=NetworkPublic, summary="Read the network around a customer", responses=problems(410)
)
async def get_network(actor: NetworksRead, customer_id: UUID, query: Annotated[NetworkQuery, Query()]) -> Response:
    """Breadth first along the relationships, the strongest ties first; only parties the caller sees.

    The root may be a shadow contact. `hidden` says how many neighbours the caller's access leaves out.
    """
    return Response(await networks.walk(actor, customer_id, query), media_type="application/json")


@router.get(
    "/network.svg",
    response_class=Response,
    summary="Draw the network around a customer",
    responses={200: SVG, **problems(410)},
)
async def get_network_drawing(
    request: Request, actor: NetworksRead, customer_id: UUID, query: Annotated[NetworkDrawingQuery, Query()]
) -> Response:
    """The same network as a picture for a phone: SVG, 390 px wide, as high as it needs; words follow Accept-Language.

    The root stands in the middle of six sectors, one a direction; one of which nothing is known says so. Everybody
    stands behind the one who leads to him, with what he is to that one. No label covers another.
    """
    language = pick_language(request.headers.get("accept-language"))
    body = await networks_drawing.draw(actor, customer_id, query, language)
    headers = _spoken(language, **{"Content-Security-Policy": _PICTURE_POLICY})
    return Response(body, 200, headers, "image/svg+xml")


@router.get(
    "/network.graphml",
    response_class=Response,
    summary="Export the network around a customer as GraphML",
    responses={200: GRAPHML, **problems(410)},
)
async def export_network_graphml(
    request: Request,
    session: SessionDep,
    actor: CustomersExport,
    customer_id: UUID,
    query: Annotated[NetworkExportQuery, Query()],
) -> Response:
    """The same network for yEd, Gephi and their like: GraphML 1.0 with typed keys. Every export is on record.

    An edge leads to the one who is its `type`: to the employee, the daughter, the client.
    """
    language = pick_language(request.headers.get("accept-language"))
    body = await networks_export.graphml(session, actor, customer_id, query, language)
    return Response(body, 200, _spoken(language, **_file("network.graphml")), "application/graphml+xml")


@router.get(
    "/network.jgf",
    response_model=NetworkJsonGraph,
    response_class=JsonGraphResponse,
    summary="Export the network around a customer as JSON Graph",
    responses=problems(410),
)
async def export_network_json_graph(
    request: Request,
    session: SessionDep,
    actor: CustomersExport,
    customer_id: UUID,
    query: Annotated[NetworkExportQuery, Query()],
) -> Response:
    """The same network in JSON Graph Format 2 (jsongraphformat.info). Every export is on record.

    An edge leads to the one who is its `relation`: to the employee, the daughter, the client.
    """
    language = pick_language(request.headers.get("accept-language"))
    body = await networks_export.json_graph(session, actor, customer_id, query, language)
    return Response(body, 200, _spoken(language, **_file("network.jgf")), JsonGraphResponse.media_type)
