"""Fact definitions: what the product asks about customers, and what an organisation adds and changes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.domain.consents import FieldGroup, Purpose
from app.domain.fact_definitions import DossierName, LegalBasis, Sensitivity, ThirdPartyBasis
from app.domain.fact_types import MAX_LIST, MAX_TEXT, ValueKind
from app.models.base import WHOLE, Number, TenantRow, Version, Wire, absent
from app.models.forms import Label, LinkId

FactKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^(org\.)?[a-z][a-z0-9_]*$"),
    Bound(description="Stable name of a kind of fact; an organisation's own begin with `org.`"),
]
OwnFactKey = Annotated[str, StringConstraints(min_length=5, max_length=64, pattern=r"^org\.[a-z][a-z0-9_]*$")]
FACT_FIELD = r"dossier\.(personal|corporate|competitor|project)\.(org\.)?[a-z][a-z0-9_]{0,63}"
FactField = Annotated[str, StringConstraints(max_length=90, pattern=f"^{FACT_FIELD}$")]
Days = Annotated[int, Bound(ge=1, le=36_500, json_schema_extra={"format": "int32"}), WHOLE]
Order = Annotated[int, Bound(ge=1, le=10_000, json_schema_extra={"format": "int32"}), WHOLE]
_Flag = Annotated[bool, Bound(strict=True)]
Retention = Annotated[
    str,
    StringConstraints(max_length=20, pattern=r"^(consent|relation\+[1-9][0-9]?y|observed\+[1-9][0-9]{0,4}d)$"),
    Bound(description="Until consent is withdrawn, years after the relation ends, or days after the observation"),
]


class FactDefinitionRow(TenantRow, table=True):
    """What an organisation has of its own about one key: an own definition, or changes of one of the product's."""

    __tablename__ = "fact_definitions"

    fact_key: str
    is_own: bool
    definition_version: int
    review_days: int | None = None
    is_offline_allowed: bool | None = None
    asking_order: int | None = None
    is_asked: bool | None = None
    withdrawn_at: datetime | None = None


class FactDefinitionVersion(TenantRow, table=True):
    """One version of an own definition. The table takes no changes."""

    __tablename__ = "fact_definition_versions"

    fact_key: str
    definition_version: int
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    recorded_by: UUID


class FactOption(Wire):
    """One choice; the code is free of language."""

    code: LinkId
    label: Label


class _Shape(Wire):
    max_length: Annotated[int, Bound(ge=1, le=MAX_TEXT, json_schema_extra={"format": "int32"}), WHOLE] = absent(
        "Of a text, in characters"
    )
    options: Annotated[list[FactOption], Bound(min_length=1, max_length=100)] = absent("Of a choice")
    min: Number = absent("Of a number")
    max: Number = absent("Of a number")


class FactShapeSimple(_Shape):
    """What a single value looks like: a text, the code of a choice, fen, a whole number, a day, the id of a customer;
    a partial date is {year, month?, day?}.
    """

    kind: Literal["text", "choice", "money", "number", "partial_date", "date", "party"]


_Items = Annotated[int, Bound(ge=1, le=MAX_LIST, json_schema_extra={"format": "int32"}), WHOLE]


class FactShapeGiven(_Shape):
    """What a value looks like; `item` and `max_items` of a list, the others of the kind that needs them."""

    kind: Literal["text", "choice", "money", "number", "partial_date", "date", "party", "list"]
    item: FactShapeSimple = absent("Of a list: what it is a list of")
    max_items: _Items = absent("Of a list")


class FactMember(Wire):
    """One part of a record."""

    name: LinkId
    label: Label
    is_required: bool
    shape: "FactShape"


class FactShape(_Shape):
    """What a value looks like. Records are made by the product only."""

    kind: ValueKind
    item: "FactShape" = absent("Of a list: what it is a list of")
    max_items: _Items = absent("Of a list")
    members: Annotated[list[FactMember], Bound(max_length=20)] = absent("Of a record")


class FactDefinitionReplace(Wire):
    """A whole new version of an own definition. What was recorded under the older ones keeps their meaning."""

    label: Label
    question: Label
    shape: FactShapeGiven
    sensitivity: Sensitivity
    group: FieldGroup
    purpose: Purpose
    legal_basis: LegalBasis
    retention: Retention
    review_days: Days
    order: Order | None = Bound(description="Place in the order of asking; null: never asked for by itself")
    is_offline_allowed: _Flag
    bases: Annotated[list[ThirdPartyBasis], Bound(max_length=4)] = Bound(
        default_factory=list, description="Of data about third persons: what may be stated as their basis"
    )


class FactDefinitionCreate(FactDefinitionReplace):
    """A definition of the organisation's own."""

    fact_key: OwnFactKey
    dossier: DossierName


class FactDefinitionUpdate(Wire):
    """What an organisation may change of any definition; null goes back to what the definition says."""

    review_days: Days | None = None
    is_offline_allowed: _Flag | None = None
    order: Order | None = None
    is_asked: _Flag | None = None


class FactDefinitionPublic(Wire):
    """A definition as the organisation has it now; `version` is what If-Match takes."""

    fact_key: FactKey
    dossier: DossierName
    definition_version: Version
    label: Label
    question: Label
    shape: FactShape
    sensitivity: Sensitivity
    group: FieldGroup
    purpose: Purpose
    legal_basis: LegalBasis
    retention: Retention
    review_days: Days
    order: Order | None
    is_offline_allowed: bool
    bases: list[ThirdPartyBasis] = Bound(max_length=4)
    is_masked: bool = Bound(description="The value is shown only when it is revealed")
    is_own: bool
    is_changed: bool = Bound(description="The organisation has changed review, order or what phones may keep")
    is_withdrawn: bool
    version: Version


class FactDefinitionList(Wire):
    """All definitions, dossier by dossier, in the order of asking."""

    items: list[FactDefinitionPublic] = Bound(max_length=400)


class FactDefinitionQuery(Wire):
    """Filters of the list."""

    dossier: DossierName | None = Bound(default=None, description="The definitions of this dossier only")


class FactDefinitionVersionQuery(Wire):
    """Which version."""

    definition_version: Annotated[int, Bound(ge=1, le=10_000, json_schema_extra={"format": "int32"})] | None = Bound(
        default=None, description="An older version, as facts name it; without it the current one"
    )
