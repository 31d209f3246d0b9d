"""The settings of one's own organisation."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import IfMatch, OrganizationsRead, OrganizationsWrite, SessionDep
from app.models.organizations import OrganizationPublic, OrganizationUpdate
from app.openapi import IF_MATCH, IF_NONE_MATCH, problems
from app.services import organizations

router = APIRouter(prefix="/v1/organizations/{organization_id}", tags=["organizations"])


@router.get("", response_model=OrganizationPublic, summary="Read one's organisation", openapi_extra=IF_NONE_MATCH)
async def get_organization(
    request: Request, session: SessionDep, actor: OrganizationsRead, organization_id: UUID
) -> Response:
    """Its name and what its administrator decided; its id is `org_id` of `/v1/me`."""
    return deps.answer(request, await organizations.read(session, actor, organization_id))


@router.patch(
    "",
    response_model=OrganizationPublic,
    summary="Change the settings",
    responses=problems(409),
    openapi_extra=IF_MATCH,
)
async def update_organization(
    session: SessionDep, actor: OrganizationsWrite, organization_id: UUID, if_match: IfMatch, data: OrganizationUpdate
) -> Response:
    """They count within a second, for sessions that are open already as well.

    Device keys can be demanded only by somebody who signed in with one.
    """
    document = await organizations.update(session, actor, organization_id, if_match, data)
    deps.forget_actors()
    return deps.answer_changed(document)
