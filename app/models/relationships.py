"""Relationships between customers in the six directions of the penetration network 渗透网, and the network itself."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic import Field as Bound
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, Numeric, Text
from sqlmodel import Field

from app.models.base import Block2000, CalendarDate, Id, Line50, Line100, PageQuery, TenantRow, Version, Wire, absent
from app.models.customers import PartyType, Stage


class Direction(StrEnum):
    """What the other one is to the customer it is read from: 亲属, 朋友, 客户, 供应商, 合作伙伴, 战略盟友."""

    relative = "relative"
    friend = "friend"
    client = "client"
    supplier = "supplier"
    partner = "partner"
    ally = "ally"


class Relationship(TenantRow, table=True):
    """One fact about two customers, stored once and read from both ends.

    "A is B's client" and "B is A's supplier" are one row of type `client` with B left; every other type is
    symmetric and has the smaller id left. `left_role` is what the left one is to the right one.
    """

    __tablename__ = "relationships"
    __collection__: ClassVar[str | None] = "relationships"

    left_id: UUID
    right_id: UUID
    type: Direction = Field(sa_column=Column(Text, nullable=False))
    left_role: str | None = None
    right_role: str | None = None
    strength: Decimal = Field(sa_column=Column(Numeric(4, 3), nullable=False))
    since: date | None = None
    until: date | None = None
    note: str | None = None
    created_digest: bytes


def _only_word(value: Any) -> Any:
    """A flag in a query is true or false; pydantic alone would also take 1, on, y and their like."""
    if value not in ("true", "false"):
        raise PydanticCustomError("literal_error", "neither true nor false")
    return value


def _three_decimals(value: float) -> float:
    """Beyond the noise of binary fractions, a fourth decimal is refused: rounding it would change what was sent."""
    if abs(value - round(value, 3)) > 1e-12:
        raise PydanticCustomError("string_pattern_mismatch", "more than three decimals")
    return value


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
    AfterValidator(_three_decimals),
]
Directions = Annotated[
    str | None,
    StringConstraints(
        max_length=53,
        pattern=r"^(relative|friend|client|supplier|partner|ally)(,(relative|friend|client|supplier|partner|ally)){0,5}$",
    ),
]
_UNTIL = "Its last day. A relationship with any day here counts as ended, a day to come included; null while it lasts"


class RelationshipCreate(Wire):
    """What `other_id` is to the customer of the path."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    other_id: Id
    direction: Direction
    role: Line50 | None = Bound(default=None, description="What the other one is to this customer", examples=["母亲"])
    inverse_role: Line50 | None = Bound(
        default=None, description="What this customer is to the other one", examples=["儿子"]
    )
    strength: Strength = 0.5
    since: CalendarDate | None = None
    until: CalendarDate | None = Bound(default=None, description=_UNTIL)
    note: Block2000 | None = None


class RelationshipUpdate(Wire):
    """A merge patch. Who and in which direction does not change: that is another relationship."""

    role: Line50 | None = None
    inverse_role: Line50 | None = None
    strength: Strength = absent()
    since: CalendarDate | None = None
    until: CalendarDate | None = Bound(default=None, description=_UNTIL)
    note: Block2000 | None = None


class RelationshipQuery(PageQuery):
    """Filters of the list."""

    direction: Directions = Bound(default=None, description="One or several directions, comma separated")
    current: Annotated[bool, BeforeValidator(_only_word)] | None = Bound(
        default=None, description="true: only those without `until`; false: only ended ones"
    )


class NetworkQuery(Wire):
    """How far to go, in which directions, and how much to answer."""

    depth: int = Bound(default=2, ge=1, le=3, json_schema_extra={"format": "int32"}, description="Hops from the root")
    direction: Directions = Bound(
        default=None,
        description="Follow only these directions, comma separated; each as seen from the customer already reached",
    )
    limit: int = Bound(
        default=100, ge=1, le=300, json_schema_extra={"format": "int32"}, description="Most nodes, the root included"
    )


class OtherCustomer(Wire):
    """The customer at the other end."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage


class RelationshipPublic(Wire):
    """A relationship, read from the side of `customer_id`. `note` is null for auditors."""

    id: UUID
    customer_id: UUID
    other: OtherCustomer
    direction: Direction
    role: Line50 | None
    inverse_role: Line50 | None
    strength: PartOfOne
    since: date | None
    until: date | None = Bound(description=_UNTIL)
    note: Block2000 | None
    version: Version
    created_at: datetime
    updated_at: datetime


class RelationshipPage(Wire):
    """A page of relationships, the strongest first; `next_cursor` is null on the last one."""

    items: list[RelationshipPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class NetworkNode(Wire):
    """A customer in the network. Parent, strength and direction belong to the strongest path kept."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    depth: int = Bound(ge=0, le=3, json_schema_extra={"format": "int32"}, description="Hops from the root")
    parent_id: UUID | None = Bound(description="The node before it on the path; null for the root")
    strength: PartOfOne = Bound(description="Product of the strengths along the path; root: 1")
    via: Direction | None = Bound(description="What it is to its parent; null for the root")


class NetworkEdge(Wire):
    """A current relationship between two nodes: `to_id` is the `direction` (and `role`) of `from_id`."""

    id: UUID
    from_id: UUID
    to_id: UUID
    direction: Direction
    strength: PartOfOne
    role: Line50 | None


class NetworkPublic(Wire):
    """The customers around one, breadth first, with the relationships among them."""

    root_id: UUID
    depth: int = Bound(ge=1, le=3, json_schema_extra={"format": "int32"}, description="As asked")
    nodes: list[NetworkNode] = Bound(max_length=300, description="The root first, then hop by hop, strongest first")
    edges: list[NetworkEdge] = Bound(max_length=2000)
    truncated: bool = Bound(
        description="There is more: the limit was reached, or a customer with very many relationships was followed "
        "only along the strongest"
    )
    omitted: int = Bound(
        ge=0,
        le=2_147_483_647,
        json_schema_extra={"format": "int32"},
        description="Customers left out of the hop at which the limit was reached; those behind them are not counted",
    )
