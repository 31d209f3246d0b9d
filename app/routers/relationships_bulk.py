"""Many relationships in one call."""

from fastapi import APIRouter, Request, Response

from app.deps import OnceDep, RelationshipsWrite, SessionDep
from app.errors import pick_language
from app.models.relationships_bulk import BulkResults, RelationshipBulk
from app.openapi import ONCE
from app.services import relationships_bulk

router = APIRouter(prefix="/v1/relationships/bulk", tags=["relationships"])


@router.post("", response_model=BulkResults, summary="Record many relationships", openapi_extra=ONCE)
async def create_relationships(
    request: Request, session: SessionDep, actor: RelationshipsWrite, once: OnceDep, data: RelationshipBulk
) -> Response:
    """A whole family or the board of a company, people who are only known of included; up to 100 items.

    Each item has its own outcome. Items with an `id` (and, where there is one, an id of the `new_contact`) can be sent
    again: what is recorded answers 200. Titles follow Accept-Language.
    """
    language = pick_language(request.headers.get("accept-language"))

    async def make() -> Response:
        body = await relationships_bulk.create(session, actor, data, language)
        return Response(body, media_type="application/json", headers={"Content-Language": language})

    return await once(make)
