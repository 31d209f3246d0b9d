"""The teams of an organisation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import IfMatch, OnceDep, SessionDep, TeamsRead, TeamsWrite
from app.models.teams import TeamCreate, TeamPage, TeamPublic, TeamQuery, TeamUpdate
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import teams

router = APIRouter(prefix="/v1/teams", tags=["teams"])


@router.get("", response_model=TeamPage, summary="List teams")
async def list_teams(
    request: Request, session: SessionDep, actor: TeamsRead, query: Annotated[TeamQuery, Query()]
) -> Response:
    """All teams of the organisation, the oldest first."""
    return deps.answer_page(request, await teams.search(session, actor, query))


@router.post("", status_code=201, response_model=TeamPublic, summary="Create a team", openapi_extra=ONCE)
async def create_team(session: SessionDep, actor: TeamsWrite, once: OnceDep, data: TeamCreate) -> Response:
    """A sales team, at the top or below another one; or a service team."""

    async def make() -> Response:
        document = await teams.create(session, actor, data)
        return deps.answer_created(document, f"/v1/teams/{document.id}")

    return await once(make)


@router.get(
    "/{team_id}",
    response_model=TeamPublic,
    summary="Read one team",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_team(request: Request, session: SessionDep, actor: TeamsRead, team_id: UUID) -> Response:
    """A team of the organisation, with those who serve in it."""
    return deps.answer(request, await teams.read(session, actor, team_id))


@router.patch(
    "/{team_id}",
    response_model=TeamPublic,
    summary="Change a team",
    responses=problems(410),
    openapi_extra=IF_MATCH,
)
async def update_team(
    session: SessionDep, actor: TeamsWrite, team_id: UUID, if_match: IfMatch, data: TeamUpdate
) -> Response:
    """Rename it, or move it in the tree: what managers see follows within a second."""
    document = await teams.update(session, actor, team_id, if_match, data)
    deps.forget_actors()
    return deps.answer_changed(document)


@router.delete(
    "/{team_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a team",
    responses=problems(409, 410),
    openapi_extra=IF_MATCH,
)
async def delete_team(session: SessionDep, actor: TeamsWrite, team_id: UUID, if_match: IfMatch) -> None:
    """Only one that nobody and nothing belongs to any more."""
    await teams.delete(session, actor, team_id, if_match)
    deps.forget_actors()


@router.put(
    "/{team_id}/members/{user_id}",
    response_model=TeamPublic,
    summary="Let a user serve in a service team",
    responses=problems(409, 410),
)
async def put_team_member(session: SessionDep, actor: TeamsWrite, team_id: UUID, user_id: UUID) -> Response:
    """He sees the customers of the team within a second."""
    document = await teams.add_member(session, actor, team_id, user_id)
    deps.forget_actors()
    return deps.answer_changed(document)


@router.delete(
    "/{team_id}/members/{user_id}",
    status_code=204,
    response_class=Response,
    summary="Take a user out of a service team",
    responses=problems(410),
)
async def delete_team_member(session: SessionDep, actor: TeamsWrite, team_id: UUID, user_id: UUID) -> None:
    """The customers of the team are out of his sight within a second."""
    await teams.remove_member(session, actor, team_id, user_id)
    deps.forget_actors()
