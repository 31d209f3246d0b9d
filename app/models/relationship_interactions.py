"""Recorded contacts between the two ends of a relationship: what its computed strength is reckoned from."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.models.base import CalendarDate, Id, PageQuery, TenantRow, Version, Wire


class InteractionKind(StrEnum):
    """How the two were in contact. What each is worth is a setting of the organisation (`interaction_weights`)."""

    meeting = "meeting"
    meal = "meal"
    call = "call"
    message = "message"
    event = "event"
    gift = "gift"
    business = "business"
    introduction = "introduction"


class RelationshipInteraction(TenantRow, table=True):
    """One contact. It does not change; one that was recorded by mistake is deleted."""

    __tablename__ = "relationship_interactions"

    relationship_id: UUID
    kind: InteractionKind = Field(sa_column=Column(Text, nullable=False))
    occurred_on: date
    recorded_by: UUID
    created_digest: bytes


class RelationshipInteractionCreate(Wire):
    """That, how and when the two were in contact."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    kind: InteractionKind
    occurred_on: CalendarDate = Bound(description="In China; not in the future, not before 1900")


class RelationshipInteractionQuery(PageQuery):
    """Nothing but pages."""


class RelationshipInteractionPublic(Wire):
    """A recorded contact."""

    id: UUID
    relationship_id: UUID
    kind: InteractionKind
    occurred_on: date
    recorded_by: UUID
    version: Version
    created_at: datetime


class RelationshipInteractionPage(Wire):
    """A page of contacts, the latest first; `next_cursor` is null on the last one."""

    items: list[RelationshipInteractionPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
