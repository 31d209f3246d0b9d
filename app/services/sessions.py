"""Staying signed in: sessions, access tokens, rotating refresh tokens. Signing in is `sessions_login`.

A refresh token is good for one exchange. A second use within 30 seconds, while its successor is unused, is the
phone that never got the answer: it receives the same successor. Any later use is theft: the session ends.
"""

import base64
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, audit, crypto, db, dpop, keyring, reads
from app.access import Actor
from app.errors import NotFound, ProofRefused, Unauthenticated
from app.models.base import utc_now
from app.models.organizations import OrganizationSettings
from app.models.sessions import LoginSession, RefreshToken, SessionList, SessionPublic, Tokens, TokenType
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


async def know_signing_keys() -> None:
    """A key retired from the command line signs nothing more after a minute."""
    await keyring.look_again(keyring.current(), at_most_every=keyring.SIGNER_SECONDS)


async def settings_of(session: AsyncSession, org_id: UUID) -> OrganizationSettings:
    """What the organisation decided about sessions and passwords."""
    statement = select(OrganizationSettings).where(col(OrganizationSettings.org_id) == org_id)
    return (await session.exec(statement)).first() or OrganizationSettings(org_id=org_id, id=org_id)


def new_link(row: LoginSession) -> tuple[str, RefreshToken]:
    """A fresh refresh token of a session: its text, and the row that remembers its hash."""
    text = _new_refresh(row.org_id)
    return text, RefreshToken(org_id=row.org_id, token_hash=_hash(text), session_id=row.id)


def _hash(text: str) -> bytes:
    return crypto.keyed_hash(keyring.current().refresh, text.encode())


def access_token(row: LoginSession) -> tuple[str, TokenType, int]:
    """A new access token of a session, its type, and how many seconds it lives."""
    table = keyring.current().table
    if table is None:
        raise Unauthenticated
    claims = table.new_claims(
        org=row.org_id, sub=row.user_id, sid=row.id, auth_time=int(row.auth_at.timestamp()), jkt=row.dpop_jkt
    )
    return table.sign(claims), "Bearer" if row.dpop_jkt is None else "DPoP", table.ttl


def tokens(row: LoginSession, refresh: str, device_token: str | None = None) -> Tokens:
    """What a device gets when it signs in or exchanges a refresh token."""
    text, kind, seconds = access_token(row)
    return Tokens(
        access_token=text,
        token_type=kind,
        expires_in=seconds,
        refresh_token=refresh,
        device_token=device_token,
        session_id=row.id,
    )


async def refresh(text: str, request_id: str, proof: dpop.Proof | None) -> Tokens:
    """Exchange a refresh token for new tokens.

    Args:
        proof: of the device's key; a session bound to a key is kept alive only with it.

    Raises:
        Unauthenticated: `refresh_invalid`: unknown, expired, ended, or used a second time (the session ends);
            `dpop_proof_invalid`: not the key of the device, or a proof seen before.
    """
    opened = open_refresh(text)
    await know_signing_keys()
    async with db.transaction(opened.org_id) as session:
        session.info["request_id"] = request_id
        made = await _rotate(session, opened, proof)
    if made is None:
        raise Unauthenticated("refresh_invalid")
    return made


async def refuse_replay(org_id: UUID, proof: dpop.Proof | None) -> None:
    """A proof is good once.

    Raises:
        Unauthenticated: `dpop_proof_invalid`: it was seen before.
    """
    if proof is not None and not await reads.with_connection(lambda c: dpop.remember(c, org_id, proof, time.time())):
        raise ProofRefused


async def _rotate(session: AsyncSession, opened: _Opened, proof: dpop.Proof | None) -> Tokens | None:
    """New tokens, or None; what it noted (a theft, an end) is committed either way."""
    statement = select(RefreshToken).where(
        RefreshToken.org_id == opened.org_id, RefreshToken.token_hash == _hash(opened.text)
    )
    token = (await session.exec(statement.with_for_update())).first()
    if token is None:
        return None
    row = await _session(session, opened.org_id, token.session_id)
    now = utc_now()
    if row is None or row.revoked_at is not None or now >= await _ends_at(session, row):
        return None
    owner = (await session.exec(select(User).where(User.org_id == opened.org_id, User.id == row.user_id))).first()
    if owner is None or owner.disabled_at is not None or owner.deleted_at is not None:
        return None
    if row.dpop_jkt is not None:
        if proof is None or row.dpop_jkt != proof.jkt:
            # A stolen refresh token on another device: the owner's session must not suffer for it.
            note(session, row.user_id, "session.proof_refused", "session", row.id)
            return None
        await refuse_replay(row.org_id, proof)  # only now: nobody fills the memory with proofs for nothing
    if token.used_at is None:
        return await _advance(session, row, token, opened.text)
    successor = await _unused_successor(session, token)
    if successor and token.successor_sealed is not None and now - token.used_at <= RETRY_GRACE:
        text = crypto.open_text(_retry_key(opened.text), row.id.bytes, token.successor_sealed)
        return tokens(row, text)
    row.revoked_at, row.revoked_reason = now, "refresh_reused"
    note(session, row.user_id, "session.refresh_reused", "session", row.id)
    return None


async def _session(session: AsyncSession, org_id: UUID, session_id: UUID) -> LoginSession | None:
    statement = select(LoginSession).where(LoginSession.org_id == org_id, LoginSession.id == session_id)
    return (await session.exec(statement.with_for_update())).first()


async def _ends_at(session: AsyncSession, row: LoginSession) -> datetime:
    """When the session ends, by what was said when it was opened and by what the organisation says today."""
    settings = await settings_of(session, row.org_id)
    return min(
        row.idle_expires_at,
        row.absolute_expires_at,
        row.last_used_at + timedelta(days=settings.session_idle_days),
        row.created_at + timedelta(days=settings.session_absolute_days),
    )


async def _advance(session: AsyncSession, row: LoginSession, token: RefreshToken, presented: str) -> Tokens:
    now, settings = utc_now(), await settings_of(session, row.org_id)
    text, link = new_link(row)
    session.add(link)
    token.used_at, token.successor_hash = now, link.token_hash
    token.successor_sealed = crypto.seal_text(_retry_key(presented), row.id.bytes, text, keyring.current().algorithm)
    row.last_used_at = now
    row.idle_expires_at = now + timedelta(days=settings.session_idle_days)
    return tokens(row, text)


def _retry_key(presented: str) -> bytes:
    """Only who holds the token that was presented can open the stored successor."""
    return crypto.derive_key(crypto.keyed_hash(keyring.current().refresh, presented.encode()), "renmai/retry")


async def _unused_successor(session: AsyncSession, token: RefreshToken) -> bool:
    statement = select(RefreshToken.used_at).where(
        RefreshToken.org_id == token.org_id, RefreshToken.token_hash == token.successor_hash
    )
    found = (await session.exec(statement)).all()
    return bool(found) and found[0] is None


async def read_all(session: AsyncSession, actor: Actor, user_id: UUID | None = None) -> SessionList:
    """The live sessions of the caller, or of a user he answers for, the last used first.

    Raises:
        NotFound: the user is not the caller's business.
    """
    if user_id is not None:
        await access.user(session, actor, user_id)
    rows = await living(session, actor.org_id, user_id or actor.id)
    return SessionList(items=[_public(row, actor) for row in rows])


async def living(session: AsyncSession, org_id: UUID, user_id: UUID) -> Sequence[LoginSession]:
    """The live sessions of a user, the last used first; 200 at most."""
    now = utc_now()
    statement = (
        select(LoginSession)
        .where(
            LoginSession.org_id == org_id,
            LoginSession.user_id == user_id,
            col(LoginSession.revoked_at).is_(None),
            col(LoginSession.idle_expires_at) > now,
            col(LoginSession.absolute_expires_at) > now,
        )
        .order_by(col(LoginSession.last_used_at).desc(), col(LoginSession.id))
        .limit(200)
    )
    return (await session.exec(statement)).all()


def _public(row: LoginSession, actor: Actor) -> SessionPublic:
    known = {"is_current": row.id == actor.session_id, "is_bound": row.dpop_jkt is not None}
    return SessionPublic.model_validate(row, from_attributes=True, update=known)


async def end(
    session: AsyncSession, actor: Actor, session_id: UUID, *, reason: str, user_id: UUID | None = None
) -> None:
    """End a session of the caller, or of a user he answers for; its access tokens are refused within a second.

    Raises:
        NotFound: unknown, somebody else's, or already ended.
    """
    if user_id is not None:
        await access.user(session, actor, user_id)
    if await _revoke(session, actor.org_id, user_id or actor.id, reason, only=[session_id]) == 0:
        raise NotFound
    access.record(session, actor, "session.ended", "session", session_id, reason=reason)


async def end_all(session: AsyncSession, org_id: UUID, user_id: UUID, *, reason: str, keep: UUID | None = None) -> int:
    """End every live session of a user but `keep`; how many there were. The caller audits why."""
    return await _revoke(session, org_id, user_id, reason, keep=keep)


async def _revoke(
    session: AsyncSession,
    org_id: UUID,
    user_id: UUID,
    reason: str,
    *,
    only: Iterable[UUID] = (),
    keep: UUID | None = None,
) -> int:
    statement = update(LoginSession).where(
        col(LoginSession.org_id) == org_id,
        col(LoginSession.user_id) == user_id,
        col(LoginSession.revoked_at).is_(None),
    )
    if only:
        statement = statement.where(col(LoginSession.id).in_(only))
    if keep is not None:
        statement = statement.where(col(LoginSession.id) != keep)
    values = {"revoked_at": utc_now(), "revoked_reason": reason, "version": LoginSession.version + 1}
    return (await session.exec(statement.values(**values))).rowcount


def note(
    session: AsyncSession, user_id: UUID | None, action: str, kind: str, object_id: UUID | None, **detail: str
) -> None:
    """An audit event of somebody who proves, or fails to prove, who he is."""
    actor_kind = "anonymous" if user_id is None else "user"
    audit.record(session, action, kind, object_id, actor_id=user_id, actor_kind=actor_kind, **detail)
