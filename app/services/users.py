"""The people who work with Renmai: who the caller is; making organisations, teams and users (command line)."""

from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import passwords as rules
from app import reads
from app.access import Actor
from app.errors import NotFound
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
) -> User:
    """A new user; the password is checked against the house rules and hashed.

    Raises:
        WeakPassword: too short, too common, or made of the user or organisation name.
    """
    rules.check_strength(password, (username, org_code))
    user = User(
        org_id=org_id,
        username=username.lower(),
        name=name,
        role=role,
        team_id=team_id,
        password_hash=await sessions.passwords().hash(password),
    )
    session.add(user)
    await session.flush()
    return user
