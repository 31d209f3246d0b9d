"""Who looked at a customer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import AccessLogRead
from app.errors import pick_language
from app.models.access_logs import AccessLogPage, AccessLogQuery
from app.openapi import problems
from app.services import access_logs

router = APIRouter(tags=["access-log"])


@router.get(
    "/v1/customers/{customer_id}/access-log",
    response_model=AccessLogPage,
    summary="List who looked at a customer",
    responses=problems(410),
)
async def list_access_log(
    request: Request, actor: AccessLogRead, customer_id: UUID, query: Annotated[AccessLogQuery, Query()]
) -> Response:
    """Every look, export and change, newest first, in words the customer may be handed; they follow Accept-Language."""
    language = pick_language(request.headers.get("accept-language"))
    response = deps.answer_page(request, await access_logs.search(actor, customer_id, query, language))
    response.headers["Content-Language"], response.headers["Vary"] = language, "Accept-Language"
    return response
