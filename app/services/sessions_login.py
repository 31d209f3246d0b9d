"""Proving who one is: signing in, and stepping up within a session.

Guesses are counted before anything is compared. Somebody who guesses from anywhere shares ten tries in a quarter of
an hour for each account and a hundred failures for each address; a device that signed in before brings a token that
proves it and has ten tries of its own, so no stranger can lock its owner out.
"""

import hashlib
from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import crypto, db, dpop, guesses, keyring, security
from app.access import Actor
from app.errors import AppError, Invalid, TooManyRequests, Unauthenticated
from app.guesses import Bucket
from app.models.base import utc_now
from app.models.sessions import FreshToken, Login, LoginSession, StepUp, Tokens
from app.models.users import User
from app.services import second_factors, sessions

WINDOW = timedelta(minutes=15)
PER_ACCOUNT = 10
PER_SOURCE = 100
PER_DEVICE = 10
PER_OWNER = 50  # all his devices together: who knew the password once may have told us of a thousand
_MAX_DEVICE_TOKEN = 200


async def login(data: Login, request_id: str, source: str, proof: dpop.Proof | None) -> Tokens:
    """Check the password, and the second factor if there is one, and open a session.

    Unknown organisation, unknown user, disabled user and wrong password give the same answer after the same work.

    Args:
        source: the network address the request came from.
        proof: of the device's key, when it has one; the session is then bound to it.

    Raises:
        Unauthenticated: `login_failed`, `second_factor_required`, `dpop_required`; `dpop_proof_invalid` when the proof
            was seen before.
        TooManyRequests: `too_many_guesses`.
    """
    await sessions.know_signing_keys()
    org_id = await sessions.org_by_code(data.org)
    user = None if org_id is None else await _user(org_id, data.username)
    buckets = _buckets(data, source, user)
    await _spend(buckets, request_id)
    is_usable = user is not None and user.disabled_at is None and user.deleted_at is None
    stored = user.password_hash if user is not None and is_usable else None
    is_right = await sessions.passwords().verify(stored, data.password)
    if org_id is None:
        security.note("session.login_refused", request_id=request_id)
        raise Unauthenticated("login_failed")
    if is_right:  # not before: whether a proof was seen would tell which organisations exist
        await sessions.refuse_replay(org_id, proof)
    async with db.transaction(org_id) as session:
        session.info["request_id"] = request_id
        outcome = await _decide(session, user, data, proof, is_right=is_right)
    if is_right:  # the password was right; only what else was guessed counts
        await _settle(buckets, outcome)
    if isinstance(outcome, AppError):
        raise outcome
    return outcome


async def _user(org_id: UUID, username: str) -> User | None:
    async with db.transaction(org_id) as session:
        statement = select(User).where(User.org_id == org_id, User.username == username.lower())
        return (await session.exec(statement)).first()


def _buckets(data: Login, source: str, user: User | None) -> list[Bucket]:
    if user is not None and _knows_device(data, user):
        who = (str(user.org_id), str(user.id))
        return [guesses.bucket("device", PER_DEVICE, *who, data.device.id), guesses.bucket("devices", PER_OWNER, *who)]
    account = guesses.bucket("account", PER_ACCOUNT, data.org.lower(), data.username.lower())
    return [account, guesses.bucket("source", PER_SOURCE, source)]


async def _spend(buckets: list[Bucket], request_id: str, **ids: UUID) -> None:
    try:
        await guesses.spend(buckets, WINDOW)
    except TooManyRequests:
        security.note("session.guesses_exhausted", request_id=request_id, **ids)
        raise


async def _settle(buckets: list[Bucket], outcome: Tokens | AppError) -> None:
    """Give the try back unless a code was guessed: a right password alone is no guess."""
    if not isinstance(outcome, AppError) or outcome.code != "login_failed":
        await guesses.give_back(buckets)


async def _decide(
    session: AsyncSession, user: User | None, data: Login, proof: dpop.Proof | None, *, is_right: bool
) -> Tokens | AppError:
    """New tokens, or the refusal; what it noted is committed either way."""
    if user is None or not is_right or not await _is_unchanged(session, user):
        sessions.note(session, None, "session.login_refused", "user", None if user is None else user.id)
        return Unauthenticated("login_failed")
    settings = await sessions.settings_of(session, user.org_id)
    if settings.is_dpop_required and proof is None:
        return Unauthenticated("dpop_required")
    factor = await second_factors.of(session, user.org_id, user.id)
    if factor is not None:
        if data.code is None:
            sessions.note(session, None, "session.second_factor_asked", "user", user.id)
            return Unauthenticated("second_factor_required")
        if not await second_factors.take(session, factor, data.code):
            sessions.note(session, None, "session.login_refused", "user", user.id, factor="second")
            return Unauthenticated("login_failed")
    now = utc_now()
    row = LoginSession(
        org_id=user.org_id,
        user_id=user.id,
        device_id=data.device.id,
        device_name=data.device.name,
        platform=data.device.platform.value,
        idle_expires_at=now + timedelta(days=settings.session_idle_days),
        absolute_expires_at=now + timedelta(days=settings.session_absolute_days),
        dpop_jkt=None if proof is None else proof.jkt,
    )
    session.add(row)
    await session.flush()
    sessions.note(session, user.id, "session.opened", "session", row.id)
    text, link = sessions.new_link(row)
    session.add(link)
    return sessions.tokens(row, text, _device_token(user, data.device.id))


async def _is_unchanged(session: AsyncSession, user: User) -> bool:
    """Whether the account is what it was before the password was compared, which took its time.

    From here on nobody shuts the user out or changes his password until the session is there to be ended.
    """
    statement = select(User.id).where(
        User.org_id == user.org_id,
        User.id == user.id,
        User.password_hash == user.password_hash,
        col(User.disabled_at).is_(None),
        col(User.deleted_at).is_(None),
    )
    return (await session.exec(statement.with_for_update(read=True))).first() is not None


# --- devices that signed in before ------------------------------------------------------------------------------


def _device_payload(user: User, device_id: str) -> bytes:
    # A new password ends what the old one had opened.
    since = int(user.password_changed_at.timestamp() * 1_000_000).to_bytes(8, "big")
    return user.org_id.bytes + user.id.bytes + since + hashlib.sha256(device_id.encode()).digest()[:16]


def _device_token(user: User, device_id: str) -> str:
    return crypto.sign_blob(keyring.current().devices, _device_payload(user, device_id))


def _knows_device(data: Login, user: User) -> bool:
    if data.device.token is None:
        return False
    try:
        payload = crypto.open_blob(keyring.current().devices, data.device.token, _MAX_DEVICE_TOKEN)
    except crypto.CryptoError:
        return False
    return payload == _device_payload(user, data.device.id)


# --- step-up ---------------------------------------------------------------------------------------------------


async def step_up(actor: Actor, data: StepUp, request_id: str) -> FreshToken:
    """Prove again that one is there; what the fresh token proves is good for five minutes.

    Raises:
        Invalid: the password is missing; or the code, when a second factor is enrolled.
        Unauthenticated: `step_up_failed`.
        TooManyRequests: `too_many_guesses`.
    """
    await sessions.know_signing_keys()
    buckets = await spend_own(actor, request_id)
    is_right = data.password is not None and await right_hash(actor, data.password) is not None
    async with db.transaction(actor.org_id) as session:
        session.info["request_id"] = request_id
        factor = await second_factors.of(session, actor.org_id, actor.id)
        if factor is not None:
            is_right = data.code is not None and await second_factors.take(session, factor, data.code)
        missing = data.password is None if factor is None else data.code is None
        if not missing:
            action = "session.stepped_up" if is_right else "session.step_up_refused"
            sessions.note(session, actor.id, action, "session", actor.session_id)
        fresh = await _freshened(session, actor) if is_right else None
    if is_right or missing:
        await guesses.give_back(buckets)
    if missing:
        raise Invalid.at("/password" if factor is None else "/code", "missing")
    if fresh is None:
        raise Unauthenticated("step_up_failed")
    return fresh


async def spend_own(actor: Actor, request_id: str) -> list[Bucket]:
    """Count a guess at one's own password or code within a session.

    Raises:
        TooManyRequests: `too_many_guesses`.
    """
    buckets = [guesses.bucket("own", PER_DEVICE, str(actor.org_id), str(actor.id))]
    await _spend(buckets, request_id, org_id=actor.org_id, actor_id=actor.id)
    return buckets


async def right_hash(actor: Actor, password: str) -> str | None:
    """The stored hash, if this is the caller's password; who acts upon that later compares it again."""
    async with db.transaction(actor.org_id) as session:
        statement = select(User.password_hash).where(User.org_id == actor.org_id, User.id == actor.id)
        stored = (await session.exec(statement)).first()
    return stored if await sessions.passwords().verify(stored, password) else None


async def _freshened(session: AsyncSession, actor: Actor) -> FreshToken:
    statement = select(LoginSession).where(
        col(LoginSession.org_id) == actor.org_id, col(LoginSession.id) == actor.session_id
    )
    row = (await session.exec(statement.with_for_update())).one()
    row.auth_at = utc_now()
    text, kind, seconds = sessions.access_token(row)
    return FreshToken(access_token=text, token_type=kind, expires_in=seconds, auth_time=int(row.auth_at.timestamp()))
