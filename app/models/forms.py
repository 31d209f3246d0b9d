"""Published forms: versioned, immutable; those shipped are the same for everybody, others an organisation's own."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints, WithJsonSchema
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.models.base import WHOLE, Line50, Line200, Number, TenantRow, Wire, absent, utc_now

FormKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")]
FormVersionNumber = Annotated[str, StringConstraints(max_length=20, pattern=r"^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$")]
LinkId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
TEXT = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$"  # as `domain.forms` refuses controls
Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=TEXT)]


# Trees of arrays whose leaves are scalars (openapi/FORM-EXPRESSIONS.md); no schema says more than the evaluator.
Expression = Annotated[
    Any, WithJsonSchema({"title": "Expression", "description": "A call [operator, argument, …] or a literal"})
]


class FormStatus(StrEnum):
    """A withdrawn version takes no new drafts; those begun before may still be completed."""

    published = "published"
    withdrawn = "withdrawn"


class FormVersion(SQLModel, table=True):
    """One shipped version."""

    __tablename__ = "form_versions"

    form_key: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    status: FormStatus = Field(sa_column=Column(Text, nullable=False))
    content_hash: str
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    published_at: datetime = Field(default_factory=utc_now)
    migrations: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))


OWN = "org."
"""What the keys of an organisation's own forms begin with; no shipped form's key does."""


class OrgFormVersion(TenantRow, table=True):
    """One version an organisation published. The table refuses every change but its withdrawal."""

    __tablename__ = "org_form_versions"

    form_key: str
    form_version: str
    content_hash: str
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    migrations: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    change_level: str
    published_by: UUID
    withdrawn_at: datetime | None = None
    withdrawn_by: UUID | None = None
    withdrawal_reason: str | None = None
    grace_until: datetime | None = None


class Label(Wire):
    """A text in both languages."""

    zh: Words
    en: Words


class FormMessage(Wire):
    """What the service says, in both languages."""

    zh: str = Bound(max_length=2500)
    en: str = Bound(max_length=2500)


class FormOption(Wire):
    """One choice; the code is free of language."""

    code: LinkId
    label: Label
    weight: Annotated[str, StringConstraints(max_length=40)] = absent("What it counts in a score: a decimal number")


class FormCondition(Wire):
    """When an item is asked, depending on another answer."""

    question: LinkId
    op: Literal["exists", "=", "!=", ">", "<", ">=", "<="]
    value: bool | Number | Annotated[str, StringConstraints(max_length=200)]


class FormCalculation(Wire):
    """What the service computes for an item nobody answers."""

    expr: Expression
    round: Literal["fen", "integer", "2", "4", "none"] = absent()


class FormConstraint(Wire):
    """A rule between answers: it must hold for completing (error), or is told (warning)."""

    key: LinkId
    severity: Literal["error", "warning"]
    expr: Expression
    message: Label


class FormItem(Wire):
    """A question or a group of questions."""

    link_id: LinkId
    type: Annotated[str, StringConstraints(max_length=20)]
    label: Label
    help: Label = absent()
    required: bool = absent()
    repeats: bool = absent()
    min: Number | Annotated[str, StringConstraints(max_length=40)] = absent()
    max: Number | Annotated[str, StringConstraints(max_length=40)] = absent()
    default: bool | Number | Annotated[str, StringConstraints(max_length=2000)] = absent()
    options: Annotated[list[FormOption], Bound(max_length=200)] = absent()
    multiple: bool = absent()
    enable_when: Annotated[list[FormCondition], Bound(max_length=20)] = absent()
    enable_behavior: Literal["all", "any"] = absent()
    calculated: FormCalculation = absent()
    constraints: Annotated[list[FormConstraint], Bound(max_length=20)] = absent()
    sensitivity: Literal["none", "personal", "sensitive"] = absent()
    retention: Literal["none", "visit+1y", "policy+10y", "relation+10y", "consent"] = absent()
    prefill: Annotated[str, StringConstraints(max_length=100)] = absent()
    extract: Annotated[str, StringConstraints(max_length=100)] = absent()
    items: Annotated[list["FormItem"], Bound(max_length=500)] = absent()


class FormDefinition(Wire):
    """What a phone needs to show the form without a network."""

    form_key: FormKey
    version: FormVersionNumber
    title: Label
    subject: Literal["individual", "company", "any"] = absent()
    derived_from: FormVersionNumber = absent()
    semantic_change: bool = absent()
    items: list[FormItem] = Bound(max_length=500)


class FormOrigin(StrEnum):
    """Who published it."""

    shipped = "shipped"
    organization = "organization"


class FormSummary(Wire):
    """A line of the list of forms."""

    form_key: FormKey
    version: FormVersionNumber
    status: FormStatus
    origin: FormOrigin
    title: Label
    content_hash: str = Bound(max_length=80)
    published_at: datetime


class FormMigration(Wire):
    """A map by which responses to an older version can be carried over."""

    name: Line50
    from_version: FormVersionNumber


class FormPublic(FormSummary):
    """One version with its definition."""

    withdrawn_at: datetime | None = Bound(description="Null also where a withdrawn version was shipped")
    withdrawal_reason: str | None = Bound(max_length=200)
    grace_until: datetime | None = Bound(description="Until when what was begun before may be completed")
    migrations: list[FormMigration] = Bound(max_length=20)
    definition: FormDefinition


class FormList(Wire):
    """The newest published version of every form: shipped ones and the organisation's own."""

    items: list[FormSummary] = Bound(max_length=1000)


# Read as sent: the rules of forms say what is wrong, and where, better than a schema could.
_Member = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
_Definition = Annotated[
    dict[_Member, Any],
    Bound(max_length=20),
    WithJsonSchema(
        {
            "type": "object",
            "title": "Form definition",
            "description": "form_key, version, title, subject, derived_from, semantic_change, items: as read",
            "maxProperties": 20,
            "patternProperties": {"^[a-z_]{1,40}$": {}},
            "additionalProperties": False,
        }
    ),
]
_Map = Annotated[
    dict[_Member, Any],
    Bound(max_length=10),
    WithJsonSchema(
        {
            "type": "object",
            "title": "Migration map",
            "description": "name, from, to, moves, converters, drops: how answers to an older version are carried over",
            "maxProperties": 10,
            "patternProperties": {"^[a-z_]{1,40}$": {}},
            "additionalProperties": False,
        }
    ),
]


class FormCheck(Wire):
    """A version as it would be published."""

    definition: _Definition
    migrations: Annotated[list[_Map], Bound(max_length=20)] = Bound(default_factory=list)


class FormPublish(FormCheck):
    """A version to publish, for good."""


class FormWithdraw(Wire):
    """Why a version is recalled, and how long what was begun may still be completed."""

    reason: Line200
    grace_days: Annotated[int, Bound(ge=0, le=365, json_schema_extra={"format": "int32"}), WHOLE] = 0


class FormProblem(Wire):
    """Something that keeps a version from being published; `detail` names link_ids, a level or an operator."""

    pointer: str = Bound(max_length=300)
    code: str = Bound(max_length=40)
    detail: str = Bound(max_length=2000)
    message: FormMessage


class FormChange(Wire):
    """One difference to the version before; an empty `link_id` is the form itself."""

    level: Literal["patch", "minor", "major"]
    code: str = Bound(max_length=40)
    link_id: str = Bound(max_length=64)
    detail: str = Bound(max_length=64)


class FormChanges(Wire):
    """How much a version changes: the number it must raise at least."""

    predecessor: FormVersionNumber
    level: Literal["patch", "minor", "major"]
    changes: list[FormChange] = Bound(max_length=5000)


class FormReport(Wire):
    """What publishing would say; nothing is stored."""

    is_publishable: bool
    content_hash: str | None = Bound(max_length=80, description="Null while the definition cannot be read")
    problems: list[FormProblem] = Bound(max_length=200)
    change: FormChanges | None = Bound(description="Null for a first version, and while the definition is broken")
