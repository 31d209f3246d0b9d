"""The one door: who the caller is, what he may do, which rows he may see.

Scopes follow from the role, visibility from the role and the team tree. Both roads to the database take the same
answer: the ORM through `visible_customers`, the read SQL through `Actor.owners`.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from app import audit, reads
from app.errors import Gone, NotFound
from app.models.base import TenantRow, utc_now
from app.models.customers import Customer
from app.models.users import Role


class Scope(StrEnum):
    """What an operation needs; `noun:verb`."""

    customers_read = "customers:read"
    customers_write = "customers:write"
    relationships_read = "relationships:read"
    relationships_write = "relationships:write"
    forms_read = "forms:read"
    needs_analyses_read = "needs_analyses:read"
    needs_analyses_write = "needs_analyses:write"
    dossiers_read = "dossiers:read"
    dossiers_write = "dossiers:write"
    session_own = "session:own"
    partner_self = "partner:self"


_ALL = frozenset(Scope) - {Scope.partner_self}
SCOPES: dict[Role, frozenset[Scope]] = {
    Role.agent: _ALL,
    Role.manager: _ALL,
    Role.admin: _ALL,
    # An auditor sees events and masked data; a dossier or an analysis cannot be masked, so he sees none.
    Role.auditor: frozenset({Scope.customers_read, Scope.relationships_read, Scope.forms_read, Scope.session_own}),
}
PARTNER_SCOPES = frozenset({Scope.partner_self})
RESTORABLE = timedelta(days=30)  # the read statements say it too


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of one request.

    Attributes:
        id: the user, or the API key of a partner.
        owners: users whose customers the caller sees; None for the whole organisation.
        is_masked: personal contact data is answered masked.
    """

    org_id: UUID
    id: UUID
    kind: str
    role: Role | None
    scopes: frozenset[str]
    owners: tuple[UUID, ...] | None
    session_id: UUID | None = None
    is_masked: bool = False


async def user_actor(org_id: UUID, user_id: UUID, session_id: UUID) -> Actor | None:
    """The user behind a live session, with what he may see right now; None when it ended or he was disabled."""
    found = await reads.row(org_id, None, "actor_state", user_id, session_id)
    if found is None:
        return None
    role = Role(found["role"])
    owners = found["owners"]
    return Actor(
        org_id=org_id,
        id=user_id,
        kind="user",
        role=role,
        scopes=frozenset(scope.value for scope in SCOPES[role]),
        owners=None if owners is None else tuple(owners),
        session_id=session_id,
        is_masked=role is Role.auditor,
    )


def visible_customers(actor: Actor) -> SelectOfScalar[Customer]:
    """All customers the actor may see, tombstones included; every ORM statement on customers starts here."""
    statement = select(Customer).where(Customer.org_id == actor.org_id)
    if actor.owners is not None:
        statement = statement.where(col(Customer.owner_id).in_(actor.owners))
    return statement


async def customer(
    session: AsyncSession, actor: Actor, customer_id: UUID, *, lock: bool = False, deleted: bool = False
) -> Customer:
    """The visible customer with this id.

    Args:
        lock: read it FOR UPDATE, because it is about to change.
        deleted: a tombstone is wanted too (restore).

    Raises:
        NotFound: absent, foreign, and deleted more than 30 days ago are the same.
        Gone: deleted since, and `deleted` is false.
    """
    statement = visible_customers(actor).where(Customer.id == customer_id)
    found = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if found is None:
        raise NotFound
    check_alive(found, deleted=deleted)
    return found


def check_alive(row: TenantRow, *, deleted: bool = False) -> None:
    """What a tombstone is to its owner: Gone for 30 days (none of that if `deleted` ones are wanted), then NotFound."""
    if row.deleted_at is None:
        return
    if row.deleted_at < utc_now() - RESTORABLE:
        raise NotFound
    if not deleted:
        raise Gone


async def check_customer(actor: Actor, customer_id: UUID) -> None:
    """Refuse a sub-collection of a customer the actor does not see.

    Raises:
        NotFound, Gone: as `customer`.
    """
    found = await reads.row(actor.org_id, actor.owners, "check_customer", customer_id)
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone


def record(
    session: AsyncSession, actor: Actor, action: str, object_type: str, object_id: UUID | None, **detail: Any
) -> None:
    """An audit event of this actor in this transaction."""
    audit.record(
        session,
        actor_id=actor.id,
        actor_kind=actor.kind,
        action=action,
        object_type=object_type,
        object_id=object_id,
        request_id=session.info.get("request_id", ""),
        **detail,
    )
