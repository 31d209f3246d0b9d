"""Relation types: what two parties can be to each other, as data of the organisation."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import WHOLE, Id, Line50, TenantRow, Version, Wire, absent, decimals
from app.models.customers import PartyType


class Direction(StrEnum):
    """What the other one is to the customer it is read from: 亲属, 朋友, 客户, 供应商, 合作伙伴, 战略盟友."""

    relative = "relative"
    friend = "friend"
    client = "client"
    supplier = "supplier"
    partner = "partner"
    ally = "ally"


class RelationSensitivity(StrEnum):
    """Whether the tie itself says something delicate (a doctor and his patient, former spouses)."""

    normal = "normal"
    sensitive = "sensitive"


class RelationType(TenantRow, table=True):
    """One fact read from both ends: the right one is `code` of the left one, the left one `inverse_code` of the right
    one; a symmetric type has one code. `direction` is never supplier, which is the inverse of client.
    """

    __tablename__ = "relation_types"

    code: str
    inverse_code: str
    direction: Direction = Field(sa_column=Column(Text, nullable=False))
    label: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    inverse_label: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    left_kind: PartyType | None = Field(default=None, sa_column=Column(Text))
    right_kind: PartyType | None = Field(default=None, sa_column=Column(Text))
    family_degree: int | None = None
    gb_code: str | None = None
    inverse_gb_code: str | None = None
    default_strength: Any = Field(sa_column=Column(Numeric(4, 3), nullable=False))
    introduction_weight: Any = Field(sa_column=Column(Numeric(4, 3), nullable=False))
    sensitivity: RelationSensitivity = Field(default=RelationSensitivity.normal, sa_column=Column(Text, nullable=False))
    is_builtin: bool = False
    is_active: bool = True


RelationCode = Annotated[
    str,
    StringConstraints(min_length=2, max_length=40, pattern=r"^[a-z][a-z0-9_]{1,39}$"),
    Bound(examples=["schoolmate"]),
]
Share = Annotated[
    float,
    Bound(
        strict=True,
        ge=0,
        le=1,
        description="0 to 1, at most three decimals",
        json_schema_extra={"format": "double", "multipleOf": 0.001},
    ),
    decimals(3),
]
Degree = Annotated[int, Bound(ge=0, le=9, json_schema_extra={"format": "int32"}), WHOLE]


class RelationLabel(Wire):
    """What the other one is called, in both languages; where gender makes another word, that one too."""

    zh: Line50
    en: Line50
    zh_male: Line50 | None = None
    zh_female: Line50 | None = None
    en_male: Line50 | None = None
    en_female: Line50 | None = None


class RelationTypeCreate(Wire):
    """A type of the organisation's own: the other one is `code` of the customer, he is `inverse_code` of the other.

    A symmetric type leaves the inverse out: it has one code and one label.
    """

    id: Id | None = Bound(default=None, description="Made by the client (UUIDv7)")
    code: RelationCode
    inverse_code: RelationCode | None = None
    direction: Direction = Bound(description="What the other one is to the customer")
    label: RelationLabel
    inverse_label: RelationLabel | None = None
    customer_kind: PartyType | None = Bound(default=None, description="Who the customer may be; null: anybody")
    other_kind: PartyType | None = Bound(default=None, description="Who the other one may be; null: anybody")
    family_degree: Degree | None = None
    default_strength: Share = 0.5
    introduction_weight: Share = Bound(default=0.8, description="How well such a tie carries an introduction")
    sensitivity: RelationSensitivity = RelationSensitivity.normal


class RelationTypeUpdate(Wire):
    """A merge patch. What a type means (code, direction, kinds) does not change under the ties that have it."""

    label: RelationLabel = absent("Of a symmetric type: what either end is called")
    inverse_label: RelationLabel = absent("Of a symmetric type it is `label`, and follows it: another one is refused")
    default_strength: Share = absent()
    introduction_weight: Share = absent()
    sensitivity: RelationSensitivity = absent()
    is_active: Annotated[bool, Bound(strict=True)] = absent(
        "The types a direction alone stands for (relative, friend, client, partner, ally) cannot be retired"
    )


class RelationTypePublic(Wire):
    """One type. Retired ones (`is_active` false) stay readable, because ties may have them."""

    id: UUID
    code: RelationCode
    inverse_code: RelationCode
    direction: Direction
    inverse_direction: Direction
    label: RelationLabel
    inverse_label: RelationLabel
    customer_kind: PartyType | None
    other_kind: PartyType | None
    is_symmetric: bool
    family_degree: Degree | None
    gb_code: str | None = Bound(max_length=10, description="GB/T 4761-2008 of `code`, male/female")
    inverse_gb_code: str | None = Bound(max_length=10)
    default_strength: Share
    introduction_weight: Share
    sensitivity: RelationSensitivity
    is_builtin: bool
    is_active: bool
    version: Version


class RelationTypeList(Wire):
    """All types of the organisation, the built-in ones first, in the order of directions and codes."""

    items: list[RelationTypePublic] = Bound(max_length=500)
