"""Organisations and teams: made by the operator on the command line, never through the API."""

from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import audit
from app.models.organizations import Organization, Team


async def create(session: AsyncSession, code: str, name: str) -> Organization:
    """A new organisation, with the id the session is bound to. Only the owner role may insert it.

    Raises:
        IntegrityError: the code is taken, or is not a lower-case word of 2 to 32 letters, digits and hyphens.
    """
    made = Organization(id=session.info["org_id"], code=code, name=name)
    session.add(made)
    await session.flush()
    _note(session, "organization.created", "organization", made.id)
    return made


async def create_team(
    session: AsyncSession, org_id: UUID, name: str, parent_id: UUID | None = None, *, team_id: UUID | None = None
) -> Team:
    """A new team, below `parent_id` or at the top."""
    made = Team(org_id=org_id, id=team_id or uuid7(), name=name, parent_id=parent_id)
    session.add(made)
    await session.flush()
    _note(session, "team.created", "team", made.id)
    return made


async def teams_named(session: AsyncSession, org_id: UUID, name: str) -> list[UUID]:
    """The ids of the living teams with this name; two branches may each have a 一部."""
    statement = select(Team.id).where(
        col(Team.org_id) == org_id, col(Team.name) == name, col(Team.deleted_at).is_(None)
    )
    return list((await session.exec(statement)).all())


def _note(session: AsyncSession, action: str, kind: str, object_id: UUID) -> None:
    audit.record(
        session,
        actor_id=None,
        actor_kind="system",
        action=action,
        object_type=kind,
        object_id=object_id,
        request_id=session.info.get("request_id", ""),
    )
