"""Shadow contacts: people and companies known only through a customer. Rows of `customers` that are kept minimal.

They never gave the agent anything themselves: a name, a gender, what they are to whom, and for a year.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound

from app.models.base import CalendarDate, Id, Line50, Line100, PageQuery, Version, Wire, absent
from app.models.customers import Gender, PartyType, PersonName
from app.models.dossiers import FactSource
from app.models.forms import Label
from app.models.introductions import IntroductionStatus
from app.models.relation_types import Direction, RelationCode
from app.models.relationship_interactions import InteractionKind
from app.models.relationships import NewTie, OtherCustomer, PartOfOne

_KEEP = "The day after which it is erased. It moves to a year from today with every update, new tie or recorded contact"


class NewContact(Wire):
    """Somebody who is only known of."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    name: PersonName
    party_type: PartyType
    gender: Gender | None = Bound(default=None, description="Of a person")


class ShadowRelation(NewTie):
    """What the contact is to the customer it is known through."""

    id: Id | None = Bound(default=None, description="Of the relationship; made by the phone when it is offline")


class ShadowContactCreate(NewContact):
    """A contact, through whom it is known, and what it is to that customer."""

    known_through_id: Id = Bound(description="A customer whose agent the caller is, or answers for")
    relation: ShadowRelation


class ShadowContactUpdate(Wire):
    """A merge patch. Whatever is sent, an empty object too, confirms the contact; `keep_until` can end it earlier."""

    name: PersonName = absent()
    gender: Gender | None = None
    keep_until: CalendarDate = absent("From today to a year from today")


class ShadowContactPromote(Wire):
    """What he is as a customer."""

    stage: Literal["contact", "prospect"] = "contact"


class ShadowContactQuery(PageQuery):
    """Filters of the list."""

    known_through_id: Id | None = Bound(default=None, description="Those known through this customer")
    expiring_to: CalendarDate | None = Bound(default=None, description="Those erased unless confirmed before this day")


class ShadowContactTie(Wire):
    """What somebody is to the contact."""

    relationship_id: UUID
    other: OtherCustomer
    direction: Direction
    type: RelationCode
    label: Label
    role: Line50 | None
    strength: PartOfOne


class ShadowContactPublic(Wire):
    """A contact and its strongest present ties; all of them are listed as relationships of a customer with its id."""

    id: UUID
    name: Line100
    party_type: PartyType
    gender: Gender | None
    owner_id: UUID
    known_through_id: UUID
    keep_until: date = Bound(description=_KEEP)
    relations: list[ShadowContactTie] = Bound(max_length=20)
    version: Version
    created_at: datetime
    updated_at: datetime


class ShadowContactSummary(Wire):
    """A line of a list."""

    id: UUID
    name: Line100
    party_type: PartyType
    gender: Gender | None
    owner_id: UUID
    known_through_id: UUID
    keep_until: date
    version: Version
    created_at: datetime
    updated_at: datetime


class ShadowContactPage(Wire):
    """A page of contacts, those whose time is up first; `next_cursor` is null on the last one."""

    items: list[ShadowContactSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class ExportedContact(Wire):
    """That a contact between the two was recorded."""

    kind: InteractionKind
    occurred_on: date
    recorded_by: Line100
    recorded_at: datetime


class ExportedTie(Wire):
    """One relationship. Only the customer the contact is known through is named: the others have a right of their own.

    `is_noted`: there is a note, which is somebody's own text and may speak of others; who reads it decides what of it
    concerns the contact.
    """

    is_to_known_through: bool
    other_name: Line100 | None
    direction: Direction
    type: RelationCode
    label: Label = Bound(description="What the other one is to the contact")
    role: Line50 | None = Bound(description="What the other one is to the contact")
    inverse_role: Line50 | None = Bound(description="What the contact is to the other one")
    source: FactSource
    confidence: PartOfOne
    strength: PartOfOne
    since: date | None
    until: date | None
    is_noted: bool
    recorded_by: Line100 | None
    recorded_at: datetime
    interactions: list[ExportedContact] = Bound(max_length=500, description="The latest ones")


class ExportedEvent(Wire):
    """Something that was done with the record."""

    action: Annotated[str, Bound(max_length=60)]
    by: Line100 | None = Bound(description="Null: the service itself")
    at: datetime


class ExportedIntroduction(Wire):
    """That somebody was asked to introduce the agent to him, and how far it came."""

    status: IntroductionStatus
    asked_on: date
    status_on: date
    is_noted: bool = Bound(description="The agent noted something about it")


class ShadowContactExport(Wire):
    """Everything that is held about somebody, for him who asks what is known of him.

    `withheld` counts relationships with customers the caller does not see: somebody above him can tell them.
    """

    id: UUID
    name: Line100
    party_type: PartyType
    gender: Gender | None
    known_through: Line100 | None = Bound(description="Null when that customer is gone")
    keep_until: date
    recorded_at: datetime
    changed_at: datetime
    relationships: list[ExportedTie] = Bound(max_length=500)
    introductions: list[ExportedIntroduction] = Bound(max_length=200)
    withheld: Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]
    history: list[ExportedEvent] = Bound(max_length=200, description="The latest ones first")
