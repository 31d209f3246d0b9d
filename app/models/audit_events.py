"""Audit events as they are read. There is no table class: `db` writes them with the change, and nobody alters them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import Instant, Number, PageQuery, Wire
from app.models.sessions import Platform

Action = Annotated[str, StringConstraints(max_length=60, pattern=r"^[a-z_]+\.[a-z_]+$")]
Prefix = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[a-z_]+\.?[a-z_]*$")]
Noun = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z_]+$")]
# Ids, codes, names of members: no room for a name in hanzi, an address or a sentence.
Word = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_.:-]*$")]


class ActorKind(StrEnum):
    """Who did it: a user, a partner's key, the operator or the service itself, somebody not known (yet)."""

    user = "user"
    partner = "partner"
    system = "system"
    anonymous = "anonymous"


Detail = Annotated[
    dict[Noun, bool | Number | Word | Annotated[list[Word], Bound(max_length=500)] | None],
    Bound(max_length=20, description="Ids, names of members, codes and counts; never a value of a person"),
]


class AuditEventPublic(Wire):
    """Who did what to which object."""

    id: UUID
    at: datetime
    actor_id: UUID | None = Bound(description="The user or the partner's key; null for the operator and for nobody")
    actor_kind: ActorKind
    session_id: UUID | None = Bound(description="Of a signed-in user; null for events of before this was kept")
    device_id: str | None = Bound(max_length=64, description="What his device calls itself")
    device_kind: Platform | None
    action: Action = Bound(examples=["customer.updated"])
    object_type: Noun
    object_id: UUID | None
    person_id: UUID | None = Bound(description="The customer or contact it is about")
    other_person_id: UUID | None = Bound(description="The other one, of a tie or an introduction between two")
    detail: Detail
    request_id: str = Bound(max_length=64)


class AuditEventPage(Wire):
    """A page of audit events, newest first."""

    items: list[AuditEventPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class AuditEventQuery(PageQuery):
    """Filters of the list."""

    action: Action | None = Bound(default=None, description="Events of exactly this action")
    action_prefix: Prefix | None = Bound(
        default=None, description="Events whose action begins so", examples=["customer."]
    )
    actor_id: UUID | None = Bound(default=None, description="What this user or key did")
    object_id: UUID | None = Bound(default=None, description="What happened to this object")
    person_id: UUID | None = Bound(default=None, description="What is about this customer or contact")
    at_from: Instant | None = Bound(default=None, description="Not before this moment")
    at_to: Instant | None = Bound(default=None, description="Before this moment")
