"""Relationships between customers: who knows whom, as what, how well, and how anybody came to know of it."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Numeric, Text
from sqlmodel import Field

from app.models.base import (
    Block2000,
    CalendarDate,
    Flag,
    Id,
    Line50,
    Line100,
    PageQuery,
    TenantRow,
    Version,
    Wire,
    absent,
    decimals,
)
from app.models.customers import PartyType, Stage
from app.models.dossiers import FactSource
from app.models.forms import Label
from app.models.relation_types import Direction, RelationCode


class NoteVisibility(StrEnum):
    """Who reads the note: its author; the agents of either end and those above them; all who see both ends."""

    private = "private"
    owners = "owners"
    everyone = "everyone"


class Relationship(TenantRow, table=True):
    """One fact about two parties, stored once and read from both ends.

    The right one is `type` of the left one; a symmetric type has the smaller id left. `direction` is the type's: "A is
    B's client" and "B is A's supplier" are one row with B left. `left_role` is what the left one is to the right one.
    `strength`, `computed_strength`, `warmth` and `last_interaction_on` are kept by `refresh_relationships.sql`.
    `is_dangling`: an end is deleted; whoever deletes or restores a customer keeps it.
    """

    __tablename__ = "relationships"
    __collection__: ClassVar[str | None] = "relationships"

    left_id: UUID
    right_id: UUID
    type: str
    direction: Direction = Field(sa_column=Column(Text, nullable=False))
    left_role: str | None = None
    right_role: str | None = None
    declared_strength: Decimal | None = Field(default=None, sa_column=Column(Numeric(4, 3)))
    computed_strength: Decimal | None = Field(default=None, sa_column=Column(Numeric(4, 3)))
    strength: Decimal = Field(sa_column=Column(Numeric(4, 3), nullable=False))
    warmth: Decimal = Field(sa_column=Column(Numeric(4, 3), nullable=False))
    last_interaction_on: date | None = None
    source: FactSource = Field(default=FactSource.observed, sa_column=Column(Text, nullable=False))
    confidence: Decimal = Field(default=Decimal(1), sa_column=Column(Numeric(3, 2), nullable=False))
    note_visibility: NoteVisibility = Field(default=NoteVisibility.owners, sa_column=Column(Text, nullable=False))
    author_id: UUID | None = None
    is_dangling: bool = False
    since: date | None = None
    until: date | None = None
    note_enc: bytes | None = None
    created_digest: bytes


PartOfOne = Annotated[float, Bound(ge=0, le=1, json_schema_extra={"format": "double"})]
Strength = Annotated[
    float,
    Bound(
        strict=True,
        ge=0,
        le=1,
        description="How close the tie is, 0 to 1, at most three decimals",
        examples=[0.8],
        json_schema_extra={"format": "double", "multipleOf": 0.001},
    ),
    decimals(3),
]
Directions = Annotated[
    str | None,
    StringConstraints(
        max_length=53,
        pattern=r"^(relative|friend|client|supplier|partner|ally)(,(relative|friend|client|supplier|partner|ally)){0,5}$",
    ),
]
Types = Annotated[
    str | None,
    StringConstraints(max_length=300, pattern=r"^[a-z][a-z0-9_]{1,39}(,[a-z][a-z0-9_]{1,39}){0,9}$"),
]
Confidence = Annotated[
    float,
    Bound(
        strict=True,
        ge=0,
        le=1,
        description="How sure it is, 0 to 1, at most two decimals",
        examples=[0.9],
        json_schema_extra={"format": "double", "multipleOf": 0.01},
    ),
    decimals(2),
]
_UNTIL = "Its last day. A relationship with any day here counts as ended, a day to come included; null while it lasts"


class NewTie(Wire):
    """What the other one is to the customer, and how anybody came to know of it."""

    direction: Direction = absent("Of the type; alone it stands for the type of its name")
    type: RelationCode = absent("`code` or `inverse_code` of a relation type: what the other one is to this customer")
    role: Line50 | None = Bound(default=None, description="What the other one is to this customer", examples=["母亲"])
    inverse_role: Line50 | None = Bound(
        default=None, description="What this customer is to the other one", examples=["儿子"]
    )
    strength: Strength = absent("Left out: the type's own")
    source: FactSource = Bound(default=FactSource.observed, description="How the agent came to know of it")
    confidence: Confidence = 1.0
    since: CalendarDate | None = None


class NotedTie(NewTie):
    """… until when it lasted, and what the agent notes of it."""

    until: CalendarDate | None = Bound(default=None, description=_UNTIL)
    note: Block2000 | None = None
    note_visibility: NoteVisibility = NoteVisibility.owners


class RelationshipCreate(NotedTie):
    """What `other_id` is to the customer of the path."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    other_id: Id


class RelationshipUpdate(Wire):
    """A merge patch. Who and in which direction does not change: that is another relationship."""

    role: Line50 | None = None
    inverse_role: Line50 | None = None
    strength: Strength | None = Bound(default=None, description="null: the type's own again")
    source: FactSource = absent()
    confidence: Confidence = absent()
    since: CalendarDate | None = None
    until: CalendarDate | None = Bound(default=None, description=_UNTIL)
    note: Block2000 | None = None
    note_visibility: NoteVisibility = absent()


class RelationshipQuery(PageQuery):
    """Filters of the list."""

    direction: Directions = Bound(default=None, description="One or several directions, comma separated")
    type: Types = Bound(default=None, description="One or several types as read from this customer, comma separated")
    current: Flag | None = Bound(default=None, description="true: only those without `until`; false: only ended ones")


class OtherCustomer(Wire):
    """The customer at the other end."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    is_shadow: bool = Bound(description="A shadow contact: known only through a customer")


class RelationshipPublic(Wire):
    """A relationship, read from the side of `customer_id`. `note` is null for whom `note_visibility` leaves out.

    `strength` is what counts: the greater of what was declared (or the type's own) and what recorded contacts make of
    it, unless the organisation prefers one of them. Auditors read the direction's own type instead of a sensitive one.
    """

    id: UUID
    customer_id: UUID
    other: OtherCustomer
    direction: Direction
    type: RelationCode
    label: Label
    role: Line50 | None
    inverse_role: Line50 | None
    strength: PartOfOne
    declared_strength: PartOfOne | None
    computed_strength: PartOfOne | None = Bound(description="Null while no contact between the two is recorded")
    last_interaction_on: date | None
    source: FactSource
    confidence: PartOfOne
    since: date | None
    until: date | None = Bound(description=_UNTIL)
    note: Block2000 | None
    note_visibility: NoteVisibility
    version: Version
    created_at: datetime
    updated_at: datetime


class RelationshipPage(Wire):
    """A page of relationships, the strongest first; `next_cursor` is null on the last one."""

    items: list[RelationshipPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
