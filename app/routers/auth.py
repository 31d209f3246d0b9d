"""Signing in and staying signed in."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import OwnSession, SessionDep
from app.models.sessions import Login, Refresh, SessionList, Tokens
from app.models.users import Me
from app.openapi import problems
from app.services import sessions, users

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/login", response_model=Tokens, summary="Sign in", responses=problems(401))
async def login(request: Request, data: Login) -> Tokens:
    """Opens a session on this device. Wrong organisation, user or password give one and the same answer."""
    deps.refuse_unknown_query(request)
    return await sessions.login(data, request.state.request_id)


@router.post("/v1/auth/refresh", response_model=Tokens, summary="Exchange the refresh token", responses=problems(401))
async def refresh_tokens(request: Request, data: Refresh) -> Tokens:
    """Each refresh token is good once; a retry within 30 seconds gets the same answer, later use ends the session."""
    deps.refuse_unknown_query(request)
    return await sessions.refresh(data.refresh_token, request.state.request_id)


@router.post("/v1/auth/logout", status_code=204, response_class=Response, summary="Sign out", responses=problems(404))
async def logout(session: SessionDep, actor: OwnSession) -> None:
    """Ends the caller's session."""
    if actor.session_id is not None:
        await sessions.end(session, actor, actor.session_id, reason="logout")
        deps.forget_session(actor.session_id)


@router.get("/v1/auth/sessions", response_model=SessionList, summary="List own sessions")
async def list_sessions(session: SessionDep, actor: OwnSession) -> SessionList:
    """Every device the caller is signed in on."""
    return await sessions.read_all(session, actor)


@router.delete(
    "/v1/auth/sessions/{session_id}", status_code=204, response_class=Response, summary="End one of one's own sessions"
)
async def delete_session(session: SessionDep, actor: OwnSession, session_id: UUID) -> None:
    """The device is out within a second, on every worker."""
    await sessions.end(session, actor, session_id, reason="ended_by_user")
    deps.forget_session(session_id)


@router.get("/v1/me", response_model=Me, summary="Who am I")
async def get_me(actor: OwnSession) -> Response:
    """The caller, his organisation, role and scopes."""
    return Response(await users.me(actor), media_type="application/json")
