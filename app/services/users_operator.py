"""Administering accounts from the command line: what the operator may do without being anybody's user.

He stands above the organisation: he may shut out its last administrator, and make the first one, which nothing over
HTTP can. Every change is an audit event of the system.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.errors import Conflict
from app.models.base import utc_now
from app.models.invitations import Invitation, InvitationCreate
from app.models.sessions import LoginSession
from app.models.users import Role, User
from app.services import invitations, second_factors, sessions, users, users_password


async def create(
    session: AsyncSession, org_id: UUID, *, username: str, name: str, role: Role, team_id: UUID | None, password: str
) -> User:
    """A new user whose password has the form the organisation asks for.

    Raises:
        Invalid: the password is weak (`password_…`), or there is no such sales team.
        IntegrityError: the user name is taken.
    """
    code, form = await users_password.rules_of(session, org_id)
    users_password.check(password, (username, name, code), form, pointer="/password")
    if team_id is not None:
        await users.check_sales_team(session, org_id, team_id)
    return await users.create(
        session,
        org_id,
        org_code=code,
        username=username,
        name=name,
        role=role,
        team_id=team_id,
        password=password,
        form=form,
    )


async def everybody(session: AsyncSession, org_id: UUID) -> Sequence[User]:
    """All users of the organisation by user name, those who are shut out or have left as well."""
    statement = select(User).where(col(User.org_id) == org_id, col(User.deleted_at).is_(None))
    return (await session.exec(statement.order_by(User.username))).all()


async def disable(session: AsyncSession, org_id: UUID, username: str) -> User:
    """Shut a user out: his open sessions are refused within a second, new ones at once. His customers stay his.

    Raises:
        NotFound: no such user. One who is disabled already stays as he is.
    """
    user = await users.named(session, org_id, username)
    if user.disabled_at is None:
        await users.shut_out(session, user)
        users.note(session, "user.disabled", user.id)
    return user


async def enable(session: AsyncSession, org_id: UUID, username: str) -> User:
    """Let a user in again; he signs in anew. One who is not shut out stays as he is.

    Raises:
        NotFound: no such user.
        Conflict: `user_departed`: who has left stays out.
    """
    user = await _present(session, org_id, username)
    if user.disabled_at is not None:
        user.disabled_at, user.updated_at = None, utc_now()
        users.note(session, "user.enabled", user.id)
    return user


async def _present(session: AsyncSession, org_id: UUID, username: str) -> User:
    """A locked user who has not left."""
    user = await users.named(session, org_id, username)
    if user.departed_on is not None:
        raise Conflict("user_departed")
    return user


async def give_role(session: AsyncSession, org_id: UUID, username: str, role: Role) -> User:
    """Make a user something else, the last administrator too; it counts within a second, on every device.

    Raises:
        NotFound: no such user.
        Conflict: `user_departed`.
    """
    user = await _present(session, org_id, username)
    if user.role != role:
        if user.role == Role.admin:
            await users.close_links(session, user)
        user.role, user.updated_at = role, utc_now()
        users.note(session, "user.updated", user.id, fields=["role"])
    return user


async def move(session: AsyncSession, org_id: UUID, username: str, team_id: UUID) -> User:
    """Put a user into another sales team; what he and his managers see changes within a second.

    Raises:
        NotFound: no such user.
        Invalid: there is no such sales team.
        Conflict: `user_departed`.
    """
    user = await _present(session, org_id, username)
    await users.check_sales_team(session, org_id, team_id)
    if user.team_id != team_id:
        user.team_id, user.updated_at = team_id, utc_now()
        users.note(session, "user.updated", user.id, fields=["team_id"])
    return user


async def set_password(session: AsyncSession, org_id: UUID, username: str, password: str) -> int:
    """Give a user another password and end all his sessions; how many there were.

    Raises:
        NotFound: no such user.
        Invalid: the password is weak (`password_…`): then nothing ends.
        Conflict: `user_departed`.
    """
    user = await _present(session, org_id, username)
    code, form = await users_password.rules_of(session, org_id)
    users_password.check(password, (user.username, user.name, code), form, pointer="/password")
    users_password.use(user, await sessions.passwords().hash(password))
    ended = await sessions.end_all(session, org_id, user.id, reason="password_changed")
    users.note(session, "user.password_changed", user.id, sessions_ended=ended)
    return ended


async def invite(session: AsyncSession, org_id: UUID, data: InvitationCreate) -> tuple[Invitation, str]:
    """Invite somebody new; the token is never shown again.

    Raises:
        Invalid: there is no such sales team.
        Conflict: `username_taken`.
    """
    row, token = await invitations.open_account(session, org_id, data, invited_by=None)
    _note_invitation(session, row)
    return row, token


async def reset_password(session: AsyncSession, org_id: UUID, username: str) -> tuple[Invitation, str]:
    """Let a user choose a new password with a token, which is never shown again; the old one stays good until then.

    Raises:
        NotFound: no such user.
        Conflict: `user_departed`.
    """
    user = await users.named(session, org_id, username)
    row, token = await invitations.open_password(session, user, invited_by=None)
    _note_invitation(session, row)
    return row, token


def _note_invitation(session: AsyncSession, row: Invitation) -> None:
    users.note(session, "invitation.created", row.id, object_type="invitation", purpose=row.purpose.value)


async def reset_second_factor(session: AsyncSession, org_id: UUID, username: str) -> bool:
    """Take away the second factor of somebody who lost it; his sessions end. False when he has none.

    Raises:
        NotFound: no such user.
    """
    user = await users.named(session, org_id, username)
    factor = await second_factors.discard(session, user)
    if factor is None:
        return False
    users.note(session, "second_factor.removed", factor.id, object_type="second_factor", user_id=str(user.id))
    await sessions.end_all(session, org_id, user.id, reason="second_factor_removed")
    return True


async def living_sessions(session: AsyncSession, org_id: UUID, username: str) -> Sequence[LoginSession]:
    """The live sessions of a user, the last used first; 200 at most.

    Raises:
        NotFound: no such user.
    """
    user = await users.named(session, org_id, username)
    return await sessions.living(session, org_id, user.id)


async def end_sessions(session: AsyncSession, org_id: UUID, username: str) -> int:
    """End every session of a user; how many there were. Their tokens are refused within a second.

    Raises:
        NotFound: no such user.
    """
    user = await users.named(session, org_id, username)
    ended = await sessions.end_all(session, org_id, user.id, reason="ended_by_operator")
    if ended:
        users.note(session, "user.sessions_ended", user.id, sessions_ended=ended)
    return ended
