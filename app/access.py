"""The one door: who the caller is, what he may do, which rows he may see.

Scopes follow from the role, visibility from the role, the team tree and the service teams. Both roads to the database
take the same answer: the ORM through `visible_customers`, the read SQL through `Actor.owners`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from app import audit, db, reads
from app.db import NO_DEVICE, Device
from app.errors import CustomerRestricted, Forbidden, Gone, NotFound, Unauthenticated
from app.models.base import TenantRow, utc_now
from app.models.customers import Customer
from app.models.users import Role, User


class Scope(StrEnum):
    """What an operation needs; `noun:verb`."""

    customers_read = "customers:read"
    customers_write = "customers:write"
    customers_reveal = "customers:reveal"
    customers_export = "customers:export"
    transfers_write = "transfers:write"
    relationships_read = "relationships:read"
    relationships_write = "relationships:write"
    relation_types_read = "relation_types:read"
    relation_types_write = "relation_types:write"
    networks_read = "networks:read"
    shadow_contacts_read = "shadow_contacts:read"
    shadow_contacts_write = "shadow_contacts:write"
    introductions_read = "introductions:read"
    introductions_write = "introductions:write"
    tasks_read = "tasks:read"
    tasks_write = "tasks:write"
    jobs_write = "jobs:write"
    forms_read = "forms:read"
    forms_publish = "forms:publish"
    needs_analyses_read = "needs_analyses:read"
    needs_analyses_write = "needs_analyses:write"
    dossiers_read = "dossiers:read"
    dossiers_write = "dossiers:write"
    teams_read = "teams:read"
    teams_write = "teams:write"
    users_read = "users:read"
    users_write = "users:write"
    sessions_read = "sessions:read"
    sessions_write = "sessions:write"
    departures_read = "departures:read"
    departures_write = "departures:write"
    invitations_read = "invitations:read"
    invitations_write = "invitations:write"
    organizations_read = "organizations:read"
    organizations_write = "organizations:write"
    audit_events_read = "audit_events:read"
    session_own = "session:own"
    partner_self = "partner:self"
    products_read = "products:read"
    products_write = "products:write"
    proposals_read = "proposals:read"
    proposals_write = "proposals:write"
    consents_read = "consents:read"
    consents_write = "consents:write"
    consent_texts_write = "consent_texts:write"
    fact_definitions_write = "fact_definitions:write"
    access_log_read = "access_log:read"
    rights_read = "rights:read"
    rights_write = "rights:write"
    rights_decisions_write = "rights_decisions:write"
    rights_export = "rights:export"
    legal_holds_write = "legal_holds:write"


_AGENT = frozenset(
    {
        Scope.customers_read,
        Scope.customers_write,
        Scope.customers_reveal,
        Scope.relationships_read,
        Scope.relationships_write,
        Scope.relation_types_read,
        Scope.networks_read,
        Scope.shadow_contacts_read,
        Scope.shadow_contacts_write,
        Scope.introductions_read,
        Scope.introductions_write,
        Scope.tasks_read,
        Scope.tasks_write,
        Scope.forms_read,
        Scope.needs_analyses_read,
        Scope.needs_analyses_write,
        Scope.dossiers_read,
        Scope.dossiers_write,
        Scope.teams_read,
        Scope.organizations_read,
        Scope.session_own,
        Scope.products_read,
        Scope.proposals_read,
        Scope.proposals_write,
        Scope.consents_read,
        Scope.consents_write,
        Scope.access_log_read,
        Scope.rights_read,
        Scope.rights_write,
    }
)
_MANAGER = _AGENT | {
    Scope.customers_export,
    Scope.transfers_write,
    Scope.users_read,
    Scope.sessions_read,
    Scope.sessions_write,
    Scope.departures_read,
    Scope.departures_write,
    Scope.rights_decisions_write,
    Scope.rights_export,
}
SCOPES: dict[Role, frozenset[Scope]] = {
    Role.agent: _AGENT,
    Role.manager: _MANAGER,
    Role.admin: frozenset(Scope) - {Scope.partner_self},
    # An auditor sees events and masked data; a dossier or an analysis cannot be masked, so he sees none.
    Role.auditor: frozenset(
        {
            Scope.customers_read,
            Scope.relationships_read,
            Scope.relation_types_read,
            Scope.networks_read,
            Scope.forms_read,
            Scope.teams_read,
            Scope.users_read,
            Scope.departures_read,
            Scope.organizations_read,
            Scope.audit_events_read,
            Scope.session_own,
            Scope.products_read,
            Scope.consents_read,
            Scope.access_log_read,
            Scope.rights_read,
        }
    ),
}
PARTNER_SCOPES = frozenset({Scope.partner_self})
# What reveals, takes out, or decides about other people's access wants a person who was there just now.
FRESH_SCOPES = frozenset(
    {
        Scope.customers_reveal,
        Scope.customers_export,
        Scope.transfers_write,
        Scope.teams_write,
        Scope.users_write,
        Scope.departures_write,
        Scope.invitations_write,
        Scope.organizations_write,
        Scope.rights_decisions_write,
        Scope.rights_export,
        Scope.legal_holds_write,
    }
)
FRESH_SECONDS = 300
# What is left to somebody who must change his password or enrol a second factor first.
PENDING_SCOPES = frozenset({Scope.session_own.value})
RESTORABLE = timedelta(days=30)  # the read statements say it too


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of one request.

    Attributes:
        id: the user, or the API key of a partner.
        owners: users and service teams whose customers the caller sees; None for the whole organisation.
        managed: users whose sessions and departures are his business; None for all of the organisation.
        pending: what he must do before anything else: change_password, enrol_second_factor.
        is_masked: personal contact data is answered masked.
        device: what he is signed in with; nothing for a partner.
    """

    org_id: UUID
    id: UUID
    kind: str
    role: Role | None
    scopes: frozenset[str]
    owners: tuple[UUID, ...] | None
    managed: tuple[UUID, ...] | None = ()
    session_id: UUID | None = None
    pending: tuple[str, ...] = ()
    is_masked: bool = False
    device: Device = NO_DEVICE


async def user_actor(org_id: UUID, user_id: UUID, session_id: UUID) -> Actor | None:
    """The user behind a live session, with what he may see right now; None when it ended or he was disabled."""
    found = await reads.row(org_id, None, "actor_state", user_id, session_id)
    if found is None:
        return None
    role = Role(found["role"])
    owners, managed = found["owners"], found["managed"]
    duties = (("is_password_expired", "change_password"), ("is_second_factor_missing", "enrol_second_factor"))
    pending = tuple(duty for column, duty in duties if found[column])
    return Actor(
        org_id=org_id,
        id=user_id,
        kind="user",
        role=role,
        scopes=PENDING_SCOPES if pending else frozenset(scope.value for scope in SCOPES[role]),
        owners=None if owners is None else tuple(owners),
        managed=None if managed is None else tuple(managed),
        session_id=session_id,
        pending=pending,
        is_masked=role is Role.auditor,
        device=Device(session_id, found["device_id"], found["platform"]),
    )


def visible_customers(actor: Actor, *, shadows: bool | None = False) -> SelectOfScalar[Customer]:
    """All customers the actor may see, tombstones included; every ORM statement on customers starts here.

    Args:
        shadows: shadow contacts instead (True), or both (None): what a relationship may end at.
    """
    statement = select(Customer).where(Customer.org_id == actor.org_id)
    if shadows is not None:
        statement = statement.where(col(Customer.is_shadow).is_(shadows))
    if actor.owners is not None:
        owners = _any_of(actor.owners)
        statement = statement.where(or_(col(Customer.owner_id) == owners, col(Customer.service_team_id) == owners))
    return statement


def _any_of(ids: tuple[UUID, ...]) -> Any:
    """One parameter, however many people a tree has."""
    return any_(literal(list(ids), ARRAY(Uuid())))


def holders(customer: Customer) -> list[UUID]:
    """Who may hold the customer on a phone: his owner, and the service team that looks after him."""
    found = [customer.owner_id]
    return found if customer.service_team_id is None else [*found, customer.service_team_id]


def managed_users(actor: Actor) -> SelectOfScalar[User]:
    """The users the actor answers for; every ORM statement on other people's accounts starts here."""
    statement = select(User).where(User.org_id == actor.org_id, col(User.deleted_at).is_(None))
    if actor.managed is not None:
        statement = statement.where(col(User.id) == _any_of(actor.managed))
    return statement


async def user(session: AsyncSession, actor: Actor, user_id: UUID, *, lock: bool = False) -> User:
    """The user with this id, if the actor answers for him.

    Raises:
        NotFound: absent, or not his business.
    """
    statement = managed_users(actor).where(User.id == user_id)
    found = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if found is None:
        raise NotFound
    return found


async def customer(
    session: AsyncSession,
    actor: Actor,
    customer_id: UUID,
    *,
    lock: bool = False,
    deleted: bool = False,
    shadows: bool | None = False,
) -> Customer:
    """The visible customer with this id.

    Args:
        lock: read it FOR UPDATE, because it is about to change.
        deleted: a tombstone is wanted too (restore).
        shadows: as `visible_customers`.

    Raises:
        NotFound: absent, foreign, and deleted more than 30 days ago are the same; so is one who was erased.
        Gone: deleted since, and `deleted` is false.
        CustomerRestricted: nobody reads or changes anything of him.
    """
    statement = visible_customers(actor, shadows=shadows).where(Customer.id == customer_id)
    found = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if found is None:
        row = await reads.row_in(session, actor.owners, "get_restriction", [customer_id])
        if row is None:
            raise NotFound
        raise CustomerRestricted(restriction=row["restriction"], until=row["restricted_until"])
    check_alive(found, deleted=deleted)
    return found


async def held(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> Sequence[Customer]:
    """Those of these customers and shadow contacts the actor sees, tombstones included, in the order of their ids.

    They are held as they are: nobody deletes them or gives them away before this transaction ends.
    """
    statement = visible_customers(actor, shadows=None).where(col(Customer.id) == _any_of(tuple(ids)))
    return (await session.exec(statement.order_by(col(Customer.id)).with_for_update(read=True))).all()


def check_alive(row: TenantRow, *, deleted: bool = False) -> None:
    """What a tombstone is to its owner: Gone for 30 days (none of that if `deleted` ones are wanted), then NotFound."""
    if row.deleted_at is None:
        return
    # Shadow contacts are erased, never only deleted.
    is_erased = isinstance(row, Customer) and (row.is_shadow or row.erased_at is not None)
    if is_erased or row.deleted_at < utc_now() - RESTORABLE:
        raise NotFound
    if not deleted:
        raise Gone


async def stay(session: AsyncSession, actor: Actor) -> None:
    """Keep the caller from leaving before this transaction ends: what it gives him would be with nobody.

    Raises:
        Unauthenticated: he was shut out meanwhile.
    """
    statement = "SELECT true FROM users WHERE org_id = $1 AND id = $2 AND disabled_at IS NULL FOR KEY SHARE"
    if not await db.raw(session).fetchval(statement, actor.org_id, actor.id):
        raise Unauthenticated


def check_answers(actor: Actor, customer: Customer) -> None:
    """Refuse what a service team may not do with a customer it shares: only his owner, and who answers for that one.

    Raises:
        Forbidden: the actor sees the customer with a service team only.
    """
    check_answers_for(actor, customer.owner_id)


def check_answers_for(actor: Actor, user_id: UUID) -> None:
    """Refuse what is only for a user himself and those above him, to others who see his work.

    Raises:
        Forbidden: the actor is neither.
    """
    if not answers_for(actor, user_id):
        raise Forbidden


def answers_for(actor: Actor, user_id: UUID) -> bool:
    """Whether the actor is this user, or stands above him."""
    return actor.managed is None or user_id in (actor.id, *actor.managed)


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
    """An audit event of this actor in this transaction; `person` and `other_person` as `audit.record`."""
    told: dict[str, Any] = {"actor_id": actor.id, "actor_kind": actor.kind, "device": actor.device}
    audit.record(session, action, object_type, object_id, **told, **detail)
