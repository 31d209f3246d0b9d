"""Invitations: a link that lets one person choose a password, once.

The administrator hands the link over as he likes; whoever opens it first has it, so it lives three days, is shown once
and can be taken back. The token names its organisation, so that the transaction can be bound first.
"""

import base64
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, crypto, db, etags, keyring, paging, security
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound, Unauthenticated
from app.etags import Document
from app.models.base import utc_now
from app.models.invitations import (
    Invitation,
    InvitationAccept,
    InvitationCreate,
    InvitationNew,
    InvitationPublic,
    InvitationQuery,
    Purpose,
)
from app.models.users import Role, User
from app.paging import Page, Position
from app.services import sessions, users, users_password

LIFE = timedelta(days=3)
_PREFIX = "rmi_"


def _new_token(org_id: UUID) -> str:
    return _PREFIX + base64.urlsafe_b64encode(org_id.bytes + secrets.token_bytes(32)).decode()


def _org_of(token: str) -> UUID | None:
    try:
        raw = base64.urlsafe_b64decode(token.removeprefix(_PREFIX))
    except ValueError:
        return None
    return UUID(bytes=raw[:16]) if token.startswith(_PREFIX) and len(raw) == 48 else None


def _hash(token: str) -> bytes:
    return crypto.keyed_hash(keyring.current().invitations, token.encode())


# --- the administrator's side ----------------------------------------------------------------------------------


async def create(session: AsyncSession, actor: Actor, data: InvitationCreate) -> Document:
    """Invite somebody new; the answer holds the token, which is never shown again.

    Raises:
        Invalid: there is no such sales team.
        Conflict: `username_taken`.
    """
    row, token = await open_account(session, actor.org_id, data, invited_by=actor.id)
    return _issued(session, actor, row, token)


async def reset_password(session: AsyncSession, actor: Actor, user_id: UUID) -> Document:
    """Let a user who forgot his password choose a new one; until he has, the old one stays good.

    Raises:
        NotFound: unknown, or not the caller's business.
        Conflict: `user_departed`.
    """
    user = await access.user(session, actor, user_id, lock=True)
    row, token = await open_password(session, user, invited_by=actor.id)
    return _issued(session, actor, row, token)


def _issued(session: AsyncSession, actor: Actor, row: Invitation, token: str) -> Document:
    access.record(session, actor, "invitation.created", "invitation", row.id, purpose=row.purpose.value)
    body = InvitationNew(**_public(row).model_dump(), token=token)
    return Document(body.model_dump_json().encode(), row.version, row.id)


def _public(row: Invitation) -> InvitationPublic:
    return InvitationPublic.model_validate(row, from_attributes=True)


async def search(session: AsyncSession, actor: Actor, query: InvitationQuery) -> Page:
    """A page of invitations, the newest first.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    key, now = keyring.current().cursors, utc_now()
    bound = paging.binding("invitations", actor.org_id, actor.id, query.state)
    position = paging.decode(key, bound, query.cursor)
    statement = select(Invitation).where(Invitation.org_id == actor.org_id, col(Invitation.deleted_at).is_(None))
    if query.state == "accepted":
        statement = statement.where(col(Invitation.accepted_at).is_not(None))
    elif query.state is not None:
        is_open = col(Invitation.expires_at) > now
        statement = statement.where(
            col(Invitation.accepted_at).is_(None), is_open if query.state == "open" else ~is_open
        )
    if position is not None:
        statement = statement.where(Invitation.id < position.id)
    rows = (await session.exec(statement.order_by(col(Invitation.id).desc()).limit(query.limit + 1))).all()
    return paging.listed(key, bound, [_public(row) for row in rows], query.limit, lambda item: Position("", item.id))


async def read(session: AsyncSession, actor: Actor, invitation_id: UUID) -> Document:
    """One invitation.

    Raises:
        NotFound: absent. Gone: taken back.
    """
    row = await _one(session, actor, invitation_id)
    return Document(_public(row).model_dump_json().encode(), row.version, row.id)


async def withdraw(session: AsyncSession, actor: Actor, invitation_id: UUID, version: int) -> None:
    """Take an invitation back: its link opens nothing any more.

    Raises:
        NotFound, Gone, PreconditionFailed.
    """
    row = await _one(session, actor, invitation_id)
    etags.check(row.version, version)
    row.deleted_at = row.updated_at = utc_now()
    access.record(session, actor, "invitation.withdrawn", "invitation", row.id)


async def _one(session: AsyncSession, actor: Actor, invitation_id: UUID) -> Invitation:
    statement = select(Invitation).where(Invitation.org_id == actor.org_id, Invitation.id == invitation_id)
    row = (await session.exec(statement.with_for_update())).first()
    if row is None:
        raise NotFound
    access.check_alive(row)
    return row


# --- whoever invites -------------------------------------------------------------------------------------------


async def open_account(
    session: AsyncSession, org_id: UUID, data: InvitationCreate, *, invited_by: UUID | None
) -> tuple[Invitation, str]:
    """An open door for somebody new, and its token. The caller audits it.

    Raises:
        Invalid: there is no such sales team.
        Conflict: `username_taken`.
    """
    if data.team_id is not None:
        await users.check_sales_team(session, org_id, data.team_id)
    statement = select(User.id).where(User.org_id == org_id, User.username == data.username)
    if (await session.exec(statement)).first() is not None:
        raise Conflict("username_taken")
    return await _opened(session, org_id, Purpose.new_account, invited_by=invited_by, **data.model_dump())


async def open_password(session: AsyncSession, user: User, *, invited_by: UUID | None) -> tuple[Invitation, str]:
    """An open door to a new password for a locked user, and its token. The caller audits it.

    Raises:
        Conflict: `user_departed`.
    """
    if user.departed_on is not None:
        raise Conflict("user_departed")
    return await _opened(
        session,
        user.org_id,
        Purpose.reset_password,
        invited_by=invited_by,
        username=user.username,
        name=user.name,
        role=Role(user.role),
        team_id=user.team_id,
        user_id=user.id,
    )


async def _opened(session: AsyncSession, org_id: UUID, purpose: Purpose, **who: Any) -> tuple[Invitation, str]:
    token = _new_token(org_id)
    row = Invitation(org_id=org_id, purpose=purpose, token_hash=_hash(token), expires_at=utc_now() + LIFE, **who)
    session.add(row)
    await session.flush()
    return row, token


# --- the invited person's side ---------------------------------------------------------------------------------


async def accept(data: InvitationAccept, request_id: str) -> None:
    """Choose the password; then one signs in with it.

    Raises:
        Unauthenticated: `invitation_invalid`: unknown, used, taken back or expired: the four are never told apart.
        Invalid: the password is weak; the invitation stays good.
        Conflict: `username_taken`: somebody else has the name by now.
    """
    org_id = _org_of(data.token)
    row = None if org_id is None else await _look(org_id, data.token, data.password)
    if row is not None:
        hashed = await sessions.passwords().hash(data.password)  # takes its time, so outside any transaction
        async with db.transaction(row.org_id) as session:
            session.info["request_id"] = request_id
            user = None if row.user_id is None else await _account(session, row)
            row = await _open_one(session, row.org_id, data.token, lock=True)
            if row is not None:
                await _take(session, row, user, hashed)
    if row is None:
        security.note("invitation.refused", request_id=request_id)
        raise Unauthenticated("invitation_invalid")


async def _look(org_id: UUID, token: str, password: str) -> Invitation | None:
    """The open invitation behind a token, if the password would do for it.

    Raises:
        Invalid: the password is weak.
    """
    async with db.transaction(org_id) as session:
        row = await _open_one(session, org_id, token)
        if row is not None:
            code, form = await users_password.rules_of(session, org_id)
            users_password.check(password, (row.username, row.name, code), form, pointer="/password")
        return row


async def _account(session: AsyncSession, row: Invitation) -> User:
    """Locked before the invitation, as whoever shuts the user out does."""
    statement = select(User).where(User.org_id == row.org_id, User.id == row.user_id)
    return (await session.exec(statement.with_for_update())).one()


async def _open_one(session: AsyncSession, org_id: UUID, token: str, *, lock: bool = False) -> Invitation | None:
    """The invitation of a token, while it is good and whoever issued it may still invite."""
    inviter = select(User.id).where(
        User.org_id == org_id,
        User.id == Invitation.invited_by,
        User.role == Role.admin,
        col(User.disabled_at).is_(None),
    )
    statement = select(Invitation).where(
        Invitation.org_id == org_id,
        Invitation.token_hash == _hash(token),
        col(Invitation.accepted_at).is_(None),
        col(Invitation.deleted_at).is_(None),
        col(Invitation.expires_at) > utc_now(),
        or_(col(Invitation.invited_by).is_(None), inviter.exists()),
    )
    return (await session.exec(statement.with_for_update() if lock else statement)).first()


async def _take(session: AsyncSession, row: Invitation, user: User | None, hashed: str) -> None:
    row.accepted_at = row.updated_at = utc_now()
    if user is None:
        try:
            user = await users.insert(
                session,
                row.org_id,
                username=row.username,
                name=row.name,
                role=Role(row.role),
                team_id=await _living_team(session, row),
                password_hash=hashed,
                invited_by=row.invited_by,
            )
        except IntegrityError:
            raise Conflict("username_taken") from None
        row.user_id = user.id
    else:
        users_password.use(user, hashed)
        await sessions.end_all(session, row.org_id, user.id, reason="password_changed")
        users.note(session, "user.password_changed", user.id)
    users.note(session, "invitation.accepted", user.id, invitation_id=str(row.id))


async def _living_team(session: AsyncSession, row: Invitation) -> UUID | None:
    """The sales team of the invitation; none, if it was deleted since: the administrator will find another."""
    if row.team_id is None:
        return None
    try:
        await users.check_sales_team(session, row.org_id, row.team_id)
    except Invalid:
        return None
    return row.team_id
