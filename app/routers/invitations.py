"""Inviting people: the administrator's side."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import IfMatch, InvitationsRead, InvitationsWrite, OnceDep, SessionDep
from app.models.invitations import (
    InvitationCreate,
    InvitationNew,
    InvitationPage,
    InvitationPublic,
    InvitationQuery,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import invitations

router = APIRouter(prefix="/v1/invitations", tags=["users"])


@router.get("", response_model=InvitationPage, summary="List invitations")
async def list_invitations(
    request: Request, session: SessionDep, actor: InvitationsRead, query: Annotated[InvitationQuery, Query()]
) -> Response:
    """The newest first; those taken back are missing. No token is ever shown again."""
    return deps.answer_page(request, await invitations.search(session, actor, query))


@router.post(
    "",
    status_code=201,
    response_model=InvitationNew,
    summary="Invite a user",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_invitation(
    session: SessionDep, actor: InvitationsWrite, once: OnceDep, data: InvitationCreate
) -> Response:
    """The answer holds the token of a link that is good once, for three days; it is shown here only."""

    async def make() -> Response:
        document = await invitations.create(session, actor, data)
        return deps.answer_created(document, f"/v1/invitations/{document.id}")

    return await once(make)


@router.get(
    "/{invitation_id}",
    response_model=InvitationPublic,
    summary="Read one invitation",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_invitation(
    request: Request, session: SessionDep, actor: InvitationsRead, invitation_id: UUID
) -> Response:
    """Whether it was accepted, and by whom."""
    return deps.answer(request, await invitations.read(session, actor, invitation_id))


@router.delete(
    "/{invitation_id}",
    status_code=204,
    response_class=Response,
    summary="Take an invitation back",
    responses=problems(410),
    openapi_extra=IF_MATCH,
)
async def delete_invitation(
    session: SessionDep, actor: InvitationsWrite, invitation_id: UUID, if_match: IfMatch
) -> None:
    """Its link opens nothing any more."""
    await invitations.withdraw(session, actor, invitation_id, if_match)
