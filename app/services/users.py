"""The people who work with Renmai: who the caller is, and administering accounts."""

from typing import Any
from uuid import UUID

import orjson
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app import access, audit, etags, keyring, paging, reads
from app import passwords as rules
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.invitations import Invitation
from app.models.organizations import PasswordForm
from app.models.second_factors import SecondFactor
from app.models.teams import Team, TeamKind
from app.models.users import Role, User, UserPublic, UserQuery, UserUpdate
from app.paging import Page, Position
from app.services import second_factors, sessions


async def me(actor: Actor) -> bytes:
    """Who the caller is and what he may do, as JSON."""
    found = await reads.row(actor.org_id, None, "get_me", actor.id)
    if found is None:
        raise NotFound
    body = orjson.loads(found["body"])
    body["pending"] = list(actor.pending)
    body["scopes"] = sorted(actor.scopes)
    body["session_id"] = actor.session_id
    return orjson.dumps(body, default=str)


# --- reading ---------------------------------------------------------------------------------------------------


async def read(session: AsyncSession, actor: Actor, user_id: UUID) -> Document:
    """One user the caller answers for.

    Raises:
        NotFound: absent, or not his business.
    """
    return await _document(session, await access.user(session, actor, user_id))


async def search(session: AsyncSession, actor: Actor, query: UserQuery) -> Page:
    """A page of users, by user name.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    key = keyring.current().cursors
    bound = paging.binding("users", actor.org_id, actor.id, query.role, query.team_id, query.is_disabled)
    position = paging.decode(key, bound, query.cursor)
    statement = access.managed_users(actor)
    if query.role is not None:
        statement = statement.where(User.role == query.role)
    if query.team_id is not None:
        statement = statement.where(User.team_id == query.team_id)
    if query.is_disabled is not None:
        statement = statement.where(col(User.disabled_at).is_not(None) == query.is_disabled)
    if position is not None:
        statement = statement.where(User.username > position.key)
    rows = (await session.exec(statement.order_by(User.username).limit(query.limit + 1))).all()
    with_factor = await _with_second_factor(session, actor.org_id, [row.id for row in rows])
    items = [_public(row, has_second_factor=row.id in with_factor) for row in rows]
    return paging.listed(key, bound, items, query.limit, lambda item: Position(item.username, item.id))


async def _document(session: AsyncSession, user: User) -> Document:
    await session.flush()
    with_factor = await _with_second_factor(session, user.org_id, [user.id])
    body = _public(user, has_second_factor=user.id in with_factor).model_dump_json().encode()
    return Document(body, user.version, user.id)


async def _with_second_factor(session: AsyncSession, org_id: UUID, user_ids: list[UUID]) -> set[UUID]:
    statement = select(SecondFactor.user_id).where(
        SecondFactor.org_id == org_id,
        col(SecondFactor.user_id).in_(user_ids),
        col(SecondFactor.confirmed_at).is_not(None),
        col(SecondFactor.deleted_at).is_(None),
    )
    return set((await session.exec(statement)).all())


def _public(user: User, *, has_second_factor: bool) -> UserPublic:
    known = {"is_disabled": user.disabled_at is not None, "has_second_factor": has_second_factor}
    return UserPublic.model_validate(user, from_attributes=True, update=known)


# --- changing --------------------------------------------------------------------------------------------------


async def update(session: AsyncSession, actor: Actor, user_id: UUID, version: int, data: UserUpdate) -> Document:
    """Change name, role or sales team; a new role or team counts within a second on every worker.

    Raises:
        NotFound, PreconditionFailed.
        Invalid: there is no such sales team.
        Conflict: `own_account`: nobody changes his own role; `last_admin`; `user_departed`.
    """
    if "role" in data.model_fields_set:
        await lock_admins(session, actor.org_id)
    user = await access.user(session, actor, user_id, lock=True)
    etags.check(user.version, version)
    changes: dict[str, Any] = {member: getattr(data, member) for member in data.model_fields_set}
    if "role" in changes and changes["role"] != user.role:
        _refuse_own(actor, user)
        if user.departed_on is not None:
            raise Conflict("user_departed")
        await _keep_an_admin(session, user)
        if user.role == Role.admin:
            await close_links(session, user)
    if changes.get("team_id") is not None:
        await check_sales_team(session, actor.org_id, changes["team_id"])
    for member, value in changes.items():
        setattr(user, member, value)
    user.updated_at = utc_now()
    access.record(session, actor, "user.updated", "user", user.id, fields=sorted(changes))
    return await _document(session, user)


async def check_sales_team(session: AsyncSession, org_id: UUID, team_id: UUID) -> None:
    """Refuse a team nobody can belong to.

    Raises:
        Invalid: no living sales team has this id.
    """
    statement = select(Team.id).where(
        Team.org_id == org_id, Team.id == team_id, Team.kind == TeamKind.sales, col(Team.deleted_at).is_(None)
    )
    if (await session.exec(statement.with_for_update(key_share=True, read=True))).first() is None:
        raise Invalid.at("/team_id", "not_found")


def _refuse_own(actor: Actor, user: User) -> None:
    if actor.id == user.id:
        raise Conflict("own_account")


async def locked(session: AsyncSession, actor: Actor, user_id: UUID) -> User:
    """A user about to be shut out, locked; all administrators before him, if he is one.

    Raises:
        NotFound: unknown, or not the caller's business.
    """
    role = select(User.role).where(User.org_id == actor.org_id, User.id == user_id)
    if (await session.exec(role)).first() == Role.admin:
        await lock_admins(session, actor.org_id)
    return await access.user(session, actor, user_id, lock=True)


async def lock_admins(session: AsyncSession, org_id: UUID) -> None:
    """Before an account is locked that may be an administrator's: two who remove each other must not form a ring.

    All administrators are locked in one order, whoever of them is meant.
    """
    await session.exec(_admins(org_id).order_by(col(User.id)).with_for_update(key_share=True))


def _admins(org_id: UUID) -> SelectOfScalar[UUID]:
    return select(User.id).where(
        User.org_id == org_id,
        User.role == Role.admin,
        col(User.disabled_at).is_(None),
        col(User.deleted_at).is_(None),
    )


async def _keep_an_admin(session: AsyncSession, user: User) -> None:
    """Refuse to take away the last administrator; they are locked, as two may be taken away at once."""
    if user.role != Role.admin or user.disabled_at is not None:
        return
    if not set((await session.exec(_admins(user.org_id))).all()) - {user.id}:
        raise Conflict("last_admin")


async def disable(session: AsyncSession, actor: Actor, user_id: UUID) -> Document:
    """Shut a user out: his sessions are refused within a second, new ones at once. His customers stay his.

    Raises:
        NotFound: unknown, or not the caller's business. One who is disabled already stays as he is.
        Conflict: `own_account`, `last_admin`.
    """
    user = await locked(session, actor, user_id)
    await check_removable(session, actor, user)
    await shut_out(session, user)
    access.record(session, actor, "user.disabled", "user", user.id)
    return await _document(session, user)


async def check_removable(session: AsyncSession, actor: Actor, user: User) -> None:
    """Refuse to shut out oneself, or the last administrator. The caller has locked them (`lock_admins`).

    Raises:
        Conflict: `own_account`, `last_admin`.
    """
    _refuse_own(actor, user)
    await _keep_an_admin(session, user)


async def shut_out(session: AsyncSession, user: User) -> int:
    """Disable a locked user, close what he opened and end his sessions; how many there were. The caller audits it."""
    if user.disabled_at is None:
        user.disabled_at = user.updated_at = utc_now()
    await close_links(session, user)
    return await sessions.end_all(session, user.org_id, user.id, reason="user_disabled")


async def close_links(session: AsyncSession, user: User) -> None:
    """Take back the open invitations a user issued, and those that are for him: doors nobody answers for any more."""
    statement = select(Invitation).where(
        Invitation.org_id == user.org_id,
        or_(Invitation.invited_by == user.id, Invitation.user_id == user.id),
        col(Invitation.accepted_at).is_(None),
        col(Invitation.deleted_at).is_(None),
    )
    for row in (await session.exec(statement.order_by(col(Invitation.id)).with_for_update())).all():
        row.deleted_at = row.updated_at = utc_now()
        note(session, "invitation.withdrawn", row.id, object_type="invitation")


async def enable(session: AsyncSession, actor: Actor, user_id: UUID) -> Document:
    """Let a user in again; he signs in anew.

    Raises:
        NotFound: unknown, or not the caller's business.
        Conflict: `user_departed`: who has left stays out; he is invited under another name.
    """
    user = await access.user(session, actor, user_id, lock=True)
    if user.departed_on is not None:
        raise Conflict("user_departed")
    if user.disabled_at is not None:
        user.disabled_at, user.updated_at = None, utc_now()
        access.record(session, actor, "user.enabled", "user", user.id)
    return await _document(session, user)


async def remove_second_factor(session: AsyncSession, actor: Actor, user_id: UUID) -> None:
    """Help somebody who lost his authenticator and his recovery codes; his sessions end.

    Raises:
        NotFound: the user, or he has none.
        Conflict: `own_account`.
    """
    user = await access.user(session, actor, user_id, lock=True)
    _refuse_own(actor, user)
    await second_factors.remove(session, actor, user)
    await sessions.end_all(session, user.org_id, user.id, reason="second_factor_removed")


# --- made by the operator --------------------------------------------------------------------------------------


async def create(
    session: AsyncSession,
    org_id: UUID,
    *,
    org_code: str,
    username: str,
    name: str,
    role: Role,
    team_id: UUID | None,
    password: str,
    user_id: UUID | None = None,
    form: PasswordForm = PasswordForm.length,
) -> User:
    """A new user; the password is checked against the rules of the organisation and hashed.

    Raises:
        WeakPassword: too short, too common, or made of the user or organisation name.
        IntegrityError: the user name is taken.
    """
    rules.check_strength(password, (username, org_code), form.value)
    hashed = await sessions.passwords().hash(password)
    return await insert(
        session, org_id, username=username, name=name, role=role, team_id=team_id, password_hash=hashed, user_id=user_id
    )


async def insert(
    session: AsyncSession,
    org_id: UUID,
    *,
    username: str,
    name: str,
    role: Role,
    team_id: UUID | None,
    password_hash: str,
    user_id: UUID | None = None,
    invited_by: UUID | None = None,
) -> User:
    """A new user whose password was checked and hashed already.

    Raises:
        IntegrityError: the user name is taken.
    """
    user = User(
        org_id=org_id,
        id=user_id or uuid7(),
        username=username.lower(),
        name=name,
        role=role,
        team_id=team_id,
        password_hash=password_hash,
    )
    session.add(user)
    await session.flush()
    note(session, "user.created", user.id, invited_by=None if invited_by is None else str(invited_by))
    return user


async def named(session: AsyncSession, org_id: UUID, username: str) -> User:
    """The user with this name, locked.

    Raises:
        NotFound: there is none.
    """
    statement = select(User).where(col(User.org_id) == org_id, col(User.username) == username.lower())
    user = (await session.exec(statement.with_for_update())).first()
    if user is None:
        raise NotFound
    return user


def note(session: AsyncSession, action: str, object_id: UUID, *, object_type: str = "user", **detail: Any) -> None:
    """An audit event of the operator, or of somebody who has no session yet."""
    audit.record(session, action, object_type, object_id, **detail)
