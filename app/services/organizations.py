"""Organisations: made by the operator on the command line; their settings belong to their administrator.

The operator can change the settings too: an administrator who asked for device keys before he had one is locked out.
"""

from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, audit, db, etags, migrate
from app.access import Actor
from app.errors import Conflict, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.organizations import Organization, OrganizationPublic, OrganizationSettings, OrganizationUpdate
from app.models.sessions import LoginSession
from app.services import relationships_strengths

_STRENGTH = {"strength_rule", "strength_half_life_days", "interaction_weights"}


async def create(session: AsyncSession, code: str, name: str) -> Organization:
    """A new organisation, with the id the session is bound to. Only the owner role may insert it.

    Raises:
        IntegrityError: the code is taken, or is not a lower-case word of 2 to 32 letters, digits and hyphens.
    """
    made = Organization(id=session.info["org_id"], code=code, name=name)
    session.add(made)
    await session.flush()
    session.add(OrganizationSettings(org_id=made.id, id=made.id))
    await session.flush()
    await migrate.seed_relation_types(db.raw(session), made.id)
    audit.record(session, "organization.created", "organization", made.id)
    return made


async def adjust(session: AsyncSession, org_id: UUID, data: OrganizationUpdate) -> OrganizationSettings:
    """The operator's `update`, of whatever version; when nothing was sent, nothing is changed.

    Returns:
        The settings as they are from now on.
    """
    row = await _settings(session, org_id, org_id)
    if data.model_fields_set:
        fields = await _apply(session, row, data)
        audit.record(session, "organization.updated", "organization", row.id, fields=fields)
    return row


async def read(session: AsyncSession, actor: Actor, organization_id: UUID) -> Document:
    """The caller's own organisation and its settings.

    Raises:
        NotFound: any other.
    """
    return await _document(session, await _settings(session, actor.org_id, organization_id))


async def update(
    session: AsyncSession, actor: Actor, organization_id: UUID, version: int, data: OrganizationUpdate
) -> Document:
    """Change the settings that were sent; they count within a second, for sessions that are open already as well.

    Raises:
        NotFound, PreconditionFailed.
        Conflict: `own_session_unbound`: who demands device keys without having one would shut himself out as well.
    """
    row = await _settings(session, actor.org_id, organization_id)
    etags.check(row.version, version)
    if data.is_dpop_required and not row.is_dpop_required and not await _is_bound(session, actor):
        raise Conflict("own_session_unbound")
    fields = await _apply(session, row, data)
    access.record(session, actor, "organization.updated", "organization", row.id, fields=fields)
    return await _document(session, row)


async def _apply(session: AsyncSession, row: OrganizationSettings, data: OrganizationUpdate) -> list[str]:
    """Set what was sent, and reckon relationships anew where that changes how; the names of what was sent."""
    changes = data.model_dump(exclude_unset=True)
    is_reckoned_otherwise = any(
        getattr(row, member) != value for member, value in changes.items() if member in _STRENGTH
    )
    for member, value in changes.items():
        setattr(row, member, value)
    row.updated_at = utc_now()
    await session.flush()
    if is_reckoned_otherwise:
        await relationships_strengths.reckon_with_contacts(session, china_today())
    return sorted(changes)


async def _settings(session: AsyncSession, org_id: UUID, organization_id: UUID) -> OrganizationSettings:
    statement = select(OrganizationSettings).where(
        OrganizationSettings.org_id == org_id, OrganizationSettings.id == organization_id
    )
    row = (await session.exec(statement.with_for_update())).first()
    if row is None:
        raise NotFound
    return row


async def _is_bound(session: AsyncSession, actor: Actor) -> bool:
    statement = select(LoginSession.dpop_jkt).where(
        LoginSession.org_id == actor.org_id, LoginSession.id == actor.session_id
    )
    return (await session.exec(statement)).first() is not None


async def _document(session: AsyncSession, row: OrganizationSettings) -> Document:
    await session.flush()
    made = (await session.exec(select(Organization).where(Organization.id == row.org_id))).one()
    body = OrganizationPublic.model_validate(row, from_attributes=True, update={"code": made.code, "name": made.name})
    return Document(body.model_dump_json().encode(), row.version, row.id)
