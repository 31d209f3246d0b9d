"""Signing in, staying signed in, proving once more that one is there."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import OwnSession, OwnSessionFresh, ProofDep, SessionDep
from app.models.invitations import InvitationAccept
from app.models.second_factors import RecoveryCodes, SecondFactorConfirm, SecondFactorNew
from app.models.sessions import FreshToken, Login, PasswordChange, Refresh, SessionList, StepUp, Tokens
from app.models.users import Me
from app.openapi import DPOP, problems
from app.services import invitations, second_factors, sessions, sessions_login, users, users_password

router = APIRouter(tags=["auth"])


@router.post("/v1/auth/login", response_model=Tokens, summary="Sign in", responses=problems(401), openapi_extra=DPOP)
async def login(request: Request, response: Response, data: Login, proof: ProofDep) -> Tokens:
    """Opens a session on this device. Wrong organisation, user or password give one and the same answer.

    A device with a key of its own sends a proof (RFC 9449); its tokens are then good only with that key.
    """
    deps.refuse_unknown_query(request)
    tokens = await sessions_login.login(data, request.state.request_id, deps.source_of(request), proof)
    deps.offer_nonce(response, proof)
    return tokens


@router.post(
    "/v1/auth/refresh",
    response_model=Tokens,
    summary="Exchange the refresh token",
    responses=problems(401),
    openapi_extra=DPOP,
)
async def refresh_tokens(request: Request, response: Response, data: Refresh, proof: ProofDep) -> Tokens:
    """Each refresh token is good once; a retry within 30 seconds gets the same answer, later use ends the session."""
    deps.refuse_unknown_query(request)
    tokens = await sessions.refresh(data.refresh_token, request.state.request_id, proof)
    deps.offer_nonce(response, proof)
    return tokens


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


@router.post("/v1/auth/step-up", response_model=FreshToken, summary="Prove again that it is you")
async def step_up(request: Request, actor: OwnSession, data: StepUp) -> FreshToken:
    """A token that opens, for five minutes, what reveals, exports or decides about others (RFC 9470)."""
    return await sessions_login.step_up(actor, data, request.state.request_id)


@router.post("/v1/auth/password", status_code=204, response_class=Response, summary="Change one's password")
async def change_password(request: Request, actor: OwnSession, data: PasswordChange) -> None:
    """Every other session of the caller ends."""
    await users_password.change(actor, data, request.state.request_id)
    deps.forget_actors()


@router.post(
    "/v1/auth/second-factor",
    response_model=SecondFactorNew,
    summary="Enrol a second factor",
    responses=problems(409),
)
async def create_second_factor(session: SessionDep, actor: OwnSessionFresh) -> SecondFactorNew:
    """The secret for an authenticator app (TOTP, RFC 6238), shown once; it counts after it was confirmed."""
    return await second_factors.enrol(session, actor)


@router.post(
    "/v1/auth/second-factor/confirm",
    response_model=RecoveryCodes,
    summary="Confirm the second factor",
    responses=problems(409),
)
async def confirm_second_factor(session: SessionDep, actor: OwnSession, data: SecondFactorConfirm) -> RecoveryCodes:
    """From now on signing in and stepping up ask for a code. Keep the recovery codes: they are shown here only."""
    made = await second_factors.confirm(session, actor, data.code)
    deps.forget_actors()
    return made


@router.delete(
    "/v1/auth/second-factor",
    status_code=204,
    response_class=Response,
    summary="Remove one's second factor",
    responses=problems(404),
)
async def delete_second_factor(session: SessionDep, actor: OwnSessionFresh) -> None:
    """Signing in asks for the password only again."""
    await second_factors.remove_own(session, actor)


@router.post(
    "/v1/auth/invitations/accept",
    status_code=204,
    response_class=Response,
    summary="Accept an invitation",
    responses=problems(401, 409),
)
async def accept_invitation(request: Request, data: InvitationAccept) -> None:
    """Choose the password of a new account, or a new one for an old account; then sign in with it."""
    deps.refuse_unknown_query(request)
    await invitations.accept(data, request.state.request_id)
    deps.forget_actors()


@router.get("/v1/me", response_model=Me, summary="Who am I")
async def get_me(actor: OwnSession) -> Response:
    """The caller, his organisation, role and scopes."""
    return Response(await users.me(actor), media_type="application/json")
