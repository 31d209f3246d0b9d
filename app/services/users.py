"""The people who work with Renmai: who the caller is; making and disabling users (command line)."""

from uuid import UUID

import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import audit, reads
from app import passwords as rules
from app.access import Actor
from app.errors import NotFound
from app.models.base import utc_now
from app.models.users import Role, User
from app.services import sessions


async def me(actor: Actor) -> bytes:
    """Who the caller is and what he may do, as JSON."""
    found = await reads.row(actor.org_id, None, "get_me", actor.id)
    if found is None:
        raise NotFound
    body = orjson.loads(found["body"])
    body["scopes"] = sorted(actor.scopes)
    body["session_id"] = actor.session_id
    return orjson.dumps(body, default=str)


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
) -> User:
    """A new user; the password is checked against the house rules and hashed.

    Raises:
        WeakPassword: too short, too common, or made of the user or organisation name.
        IntegrityError: the user name is taken.
    """
    rules.check_strength(password, (username, org_code))
    user = User(
        org_id=org_id,
        id=user_id or uuid7(),
        username=username.lower(),
        name=name,
        role=role,
        team_id=team_id,
        password_hash=await sessions.passwords().hash(password),
    )
    session.add(user)
    await session.flush()
    _note(session, "user.created", user.id)
    return user


async def disable(session: AsyncSession, org_id: UUID, username: str) -> User:
    """Shut a user out: his open sessions are refused within a second, new ones at once. His customers stay his.

    Raises:
        NotFound: no such user. One who is disabled already stays as he is.
    """
    statement = select(User).where(col(User.org_id) == org_id, col(User.username) == username.lower())
    user = (await session.exec(statement.with_for_update())).first()
    if user is None:
        raise NotFound
    if user.disabled_at is None:
        user.disabled_at = user.updated_at = utc_now()
        _note(session, "user.disabled", user.id)
    return user


def _note(session: AsyncSession, action: str, user_id: UUID) -> None:
    audit.record(
        session,
        actor_id=None,
        actor_kind="system",
        action=action,
        object_type="user",
        object_id=user_id,
        request_id=session.info.get("request_id", ""),
    )
