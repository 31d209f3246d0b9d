"""Administering accounts from the command line: what the operator may do without being anybody's user."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.models.users import User
from app.services import users


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
