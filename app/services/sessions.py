"""Signing in and staying signed in: sessions, access tokens, rotating refresh tokens.

A refresh token is good for one exchange. A second use within 30 seconds, while its successor is unused, is the
phone that never got the answer: it receives the same successor. Any later use is theft: the session ends.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, audit, crypto, db, keyring, reads
from app.access import Actor
from app.errors import NotFound, Unauthenticated
from app.models.base import utc_now
from app.models.sessions import Login, LoginSession, RefreshToken, SessionList, SessionPublic, Tokens
from app.models.users import User
from app.passwords import Passwords

RETRY_GRACE = timedelta(seconds=30)
_PREFIX = "rmr_"

_passwords: Passwords | None = None


def passwords() -> Passwords:
    """The password hasher of this process."""
    global _passwords
    if _passwords is None:
        _passwords = Passwords(keyring.current().passwords)
    return _passwords


def close_passwords() -> None:
    """Forget the hasher; its pepper belongs to the keyring that goes."""
    global _passwords
    _passwords = None


@dataclass(frozen=True, slots=True)
class _Opened:
    """A refresh token taken apart: it names its organisation, so that the transaction can be bound first."""

    org_id: UUID
    text: str


def _new_refresh(org_id: UUID) -> str:
    return _PREFIX + base64.urlsafe_b64encode(org_id.bytes + secrets.token_bytes(32)).decode()


def open_refresh(text: str) -> _Opened:
    """The organisation of a refresh token.

    Raises:
        Unauthenticated: `refresh_invalid`: not one of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(text.removeprefix(_PREFIX))
    except ValueError:
        raise Unauthenticated("refresh_invalid") from None
    if not text.startswith(_PREFIX) or len(raw) != 48:
        raise Unauthenticated("refresh_invalid")
    return _Opened(UUID(bytes=raw[:16]), text)


async def org_by_code(code: str) -> UUID | None:
    """The organisation behind a code, before anybody is bound to it."""
    found: UUID | None = await reads.with_connection(lambda c: c.fetchval("SELECT org_by_code($1)", code.lower()))
    return None if found is None else UUID(str(found))


async def login(data: Login, request_id: str) -> Tokens:
    """Check the password and open a session.

    Unknown organisation, unknown user, disabled user and wrong password give the same answer after the same work.

    Raises:
        Unauthenticated: `login_failed`.
    """
    await _know_signing_keys()
    org_id = await org_by_code(data.org)
    if org_id is None:
        await passwords().verify(None, data.password)
        raise Unauthenticated("login_failed")
    async with db.transaction(org_id) as session:
        statement = select(User).where(User.org_id == org_id, User.username == data.username.lower())
        user = (await session.exec(statement)).first()
    is_usable = user is not None and user.disabled_at is None and user.deleted_at is None
    is_right = await passwords().verify(user.password_hash if user is not None and is_usable else None, data.password)
    async with db.transaction(org_id) as session:
        session.info["request_id"] = request_id
        if user is None or not is_right:
            _note(session, None, "session.login_refused", "user", None if user is None else user.id)
            tokens = None
        else:
            tokens = await _open(session, user, data)
    if tokens is None:
        raise Unauthenticated("login_failed")
    return tokens


async def _know_signing_keys() -> None:
    """A key retired from the command line signs nothing more after a minute."""
    await keyring.look_again(keyring.current(), at_most_every=keyring.SIGNER_SECONDS)


async def _open(session: AsyncSession, user: User, data: Login) -> Tokens:
    now, settings = utc_now(), keyring.current().settings
    row = LoginSession(
        org_id=user.org_id,
        user_id=user.id,
        device_id=data.device.id,
        device_name=data.device.name,
        platform=data.device.platform.value,
        idle_expires_at=now + timedelta(days=settings.refresh_idle_days),
        absolute_expires_at=now + timedelta(days=settings.refresh_absolute_days),
    )
    session.add(row)
    await session.flush()
    _note(session, user.id, "session.opened", "session", row.id)
    text, link = _link(row)
    session.add(link)
    return _tokens(row, text)


def _link(row: LoginSession) -> tuple[str, RefreshToken]:
    text = _new_refresh(row.org_id)
    return text, RefreshToken(org_id=row.org_id, token_hash=_hash(text), session_id=row.id)


def _hash(text: str) -> bytes:
    return crypto.keyed_hash(keyring.current().refresh, text.encode())


def _tokens(row: LoginSession, refresh: str) -> Tokens:
    table = keyring.current().table
    if table is None:
        raise Unauthenticated
    claims = table.new_claims(org=row.org_id, sub=row.user_id, sid=row.id, auth_time=int(row.auth_at.timestamp()))
    return Tokens(access_token=table.sign(claims), expires_in=table.ttl, refresh_token=refresh, session_id=row.id)


async def refresh(text: str, request_id: str) -> Tokens:
    """Exchange a refresh token for new tokens.

    Raises:
        Unauthenticated: `refresh_invalid`: unknown, expired, ended, or used a second time (the session ends).
    """
    opened = open_refresh(text)
    await _know_signing_keys()
    async with db.transaction(opened.org_id) as session:
        session.info["request_id"] = request_id
        tokens = await _rotate(session, opened)
    if tokens is None:
        raise Unauthenticated("refresh_invalid")
    return tokens


async def _rotate(session: AsyncSession, opened: _Opened) -> Tokens | None:
    """New tokens, or None; what it noted (a theft, an end) is committed either way."""
    statement = select(RefreshToken).where(
        RefreshToken.org_id == opened.org_id, RefreshToken.token_hash == _hash(opened.text)
    )
    token = (await session.exec(statement.with_for_update())).first()
    if token is None:
        return None
    row = (
        await session.exec(
            select(LoginSession)
            .where(LoginSession.org_id == opened.org_id, LoginSession.id == token.session_id)
            .with_for_update()
        )
    ).first()
    now = utc_now()
    if row is None or row.revoked_at is not None or now >= min(row.idle_expires_at, row.absolute_expires_at):
        return None
    owner = (await session.exec(select(User).where(User.org_id == opened.org_id, User.id == row.user_id))).first()
    if owner is None or owner.disabled_at is not None or owner.deleted_at is not None:
        return None
    if token.used_at is None:
        return _advance(session, row, token, opened.text)
    successor = await _unused_successor(session, token)
    if successor and token.successor_sealed is not None and now - token.used_at <= RETRY_GRACE:
        text = crypto.open_text(_retry_key(opened.text), row.id.bytes, token.successor_sealed)
        return _tokens(row, text)
    row.revoked_at, row.revoked_reason = now, "refresh_reused"
    _note(session, row.user_id, "session.refresh_reused", "session", row.id)
    return None


def _advance(session: AsyncSession, row: LoginSession, token: RefreshToken, presented: str) -> Tokens:
    now, settings = utc_now(), keyring.current().settings
    text, link = _link(row)
    session.add(link)
    token.used_at, token.successor_hash = now, link.token_hash
    token.successor_sealed = crypto.seal_text(_retry_key(presented), row.id.bytes, text)
    row.last_used_at = now
    row.idle_expires_at = now + timedelta(days=settings.refresh_idle_days)
    return _tokens(row, text)


def _retry_key(presented: str) -> bytes:
    """Only who holds the token that was presented can open the stored successor."""
    return crypto.derive_key(crypto.keyed_hash(keyring.current().refresh, presented.encode()), "renmai/retry")


async def _unused_successor(session: AsyncSession, token: RefreshToken) -> bool:
    statement = select(RefreshToken.used_at).where(
        RefreshToken.org_id == token.org_id, RefreshToken.token_hash == token.successor_hash
    )
    found = (await session.exec(statement)).all()
    return bool(found) and found[0] is None


async def read_all(session: AsyncSession, actor: Actor) -> SessionList:
    """The caller's live sessions, the last used first."""
    now = utc_now()
    statement = (
        select(LoginSession)
        .where(
            LoginSession.org_id == actor.org_id,
            LoginSession.user_id == actor.id,
            col(LoginSession.revoked_at).is_(None),
            col(LoginSession.idle_expires_at) > now,
            col(LoginSession.absolute_expires_at) > now,
        )
        .order_by(col(LoginSession.last_used_at).desc(), col(LoginSession.id))
        .limit(200)
    )
    rows = (await session.exec(statement)).all()
    return SessionList(
        items=[
            SessionPublic.model_validate(row, from_attributes=True, update={"is_current": row.id == actor.session_id})
            for row in rows
        ]
    )


async def end(session: AsyncSession, actor: Actor, session_id: UUID, *, reason: str) -> None:
    """End one of the caller's own sessions; its access tokens are refused within a second.

    Raises:
        NotFound: unknown, somebody else's, or already ended.
    """
    result = await session.exec(
        update(LoginSession)
        .where(
            col(LoginSession.org_id) == actor.org_id,
            col(LoginSession.id) == session_id,
            col(LoginSession.user_id) == actor.id,
            col(LoginSession.revoked_at).is_(None),
        )
        .values(revoked_at=utc_now(), revoked_reason=reason, version=LoginSession.version + 1)
    )
    if result.rowcount != 1:
        raise NotFound
    access.record(session, actor, "session.ended", "session", session_id, reason=reason)


def _note(session: AsyncSession, user_id: UUID | None, action: str, kind: str, object_id: UUID | None) -> None:
    audit.record(
        session,
        actor_id=user_id,
        actor_kind="anonymous" if user_id is None else "user",
        action=action,
        object_type=kind,
        object_id=object_id,
        request_id=session.info.get("request_id", ""),
    )
