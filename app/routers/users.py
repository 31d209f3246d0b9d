"""Administering the people of an organisation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import IfMatch, OnceDep, SessionDep, SessionsRead, SessionsWrite, UsersRead, UsersWrite
from app.models.invitations import InvitationNew
from app.models.sessions import SessionList
from app.models.users import UserPage, UserPublic, UserQuery, UserUpdate
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import invitations, sessions, users

router = APIRouter(prefix="/v1/users", tags=["users"])


@router.get("", response_model=UserPage, summary="List the users one answers for")
async def list_users(
    request: Request, session: SessionDep, actor: UsersRead, query: Annotated[UserQuery, Query()]
) -> Response:
    """A manager sees the agents and managers below him, an administrator and an auditor everybody."""
    return deps.answer_page(request, await users.search(session, actor, query))


@router.get("/{user_id}", response_model=UserPublic, summary="Read one user", openapi_extra=IF_NONE_MATCH)
async def get_user(request: Request, session: SessionDep, actor: UsersRead, user_id: UUID) -> Response:
    """One of the users the caller answers for."""
    return deps.answer_composed(request, await users.read(session, actor, user_id))


@router.patch(
    "/{user_id}",
    response_model=UserPublic,
    summary="Change a user",
    responses=problems(409),
    openapi_extra=IF_MATCH,
)
async def update_user(
    session: SessionDep, actor: UsersWrite, user_id: UUID, if_match: IfMatch, data: UserUpdate
) -> Response:
    """Name, role and sales team. A new role or team counts within a second on every worker."""
    document = await users.update(session, actor, user_id, if_match, data)
    deps.forget_actors()
    return deps.answer_changed(document)


@router.post(
    "/{user_id}/disable",
    response_model=UserPublic,
    summary="Shut a user out",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def disable_user(session: SessionDep, actor: UsersWrite, once: OnceDep, user_id: UUID) -> Response:
    """All his sessions end; his customers stay his."""

    async def make() -> Response:
        return deps.answer_changed(await users.disable(session, actor, user_id))

    answer = await once(make)
    deps.forget_actors()
    return answer


@router.post(
    "/{user_id}/enable",
    response_model=UserPublic,
    summary="Let a user in again",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def enable_user(session: SessionDep, actor: UsersWrite, once: OnceDep, user_id: UUID) -> Response:
    """He signs in anew; the sessions he had stay ended."""

    async def make() -> Response:
        return deps.answer_changed(await users.enable(session, actor, user_id))

    return await once(make)


@router.post(
    "/{user_id}/password-resets",
    status_code=201,
    response_model=InvitationNew,
    summary="Invite a user to choose a new password",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_password_reset(session: SessionDep, actor: UsersWrite, once: OnceDep, user_id: UUID) -> Response:
    """A link that is good once, for three days. Until it is used the old password stays good."""

    async def make() -> Response:
        document = await invitations.reset_password(session, actor, user_id)
        return deps.answer_created(document, f"/v1/invitations/{document.id}")

    return await once(make)


@router.delete(
    "/{user_id}/second-factor",
    status_code=204,
    response_class=Response,
    summary="Remove a user's second factor",
    responses=problems(404, 409),
)
async def delete_user_second_factor(session: SessionDep, actor: UsersWrite, user_id: UUID) -> None:
    """For somebody who lost his authenticator and his recovery codes; his sessions end."""
    await users.remove_second_factor(session, actor, user_id)
    deps.forget_actors()


@router.get("/{user_id}/sessions", response_model=SessionList, summary="List a user's sessions")
async def list_user_sessions(session: SessionDep, actor: SessionsRead, user_id: UUID) -> SessionList:
    """Every device a user below the caller is signed in on."""
    return await sessions.read_all(session, actor, user_id)


@router.delete(
    "/{user_id}/sessions/{session_id}", status_code=204, response_class=Response, summary="End a user's session"
)
async def delete_user_session(session: SessionDep, actor: SessionsWrite, user_id: UUID, session_id: UUID) -> None:
    """A lost phone is out within a second, on every worker."""
    await sessions.end(session, actor, session_id, reason="ended_by_manager", user_id=user_id)
    deps.forget_session(session_id)
