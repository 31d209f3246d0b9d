"""Published forms: versioned, immutable, the same for every organisation."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field as Bound
from pydantic import StringConstraints, WithJsonSchema
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.models.base import Number, Wire, absent, utc_now

FormKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")]
FormVersionNumber = Annotated[str, StringConstraints(max_length=20, pattern=r"^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$")]
LinkId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]


# Trees of arrays whose leaves are scalars (openapi/FORM-EXPRESSIONS.md); no schema says more than the evaluator.
Expression = Annotated[
    Any, WithJsonSchema({"title": "Expression", "description": "A call [operator, argument, …] or a literal"})
]


class FormStatus(StrEnum):
    """A withdrawn version takes no new drafts; those begun before may still be completed."""

    published = "published"
    withdrawn = "withdrawn"


class FormVersion(SQLModel, table=True):
    """One published version."""

    __tablename__ = "form_versions"

    form_key: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    status: FormStatus = Field(sa_column=Column(Text, nullable=False))
    content_hash: str
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    published_at: datetime = Field(default_factory=utc_now)


class Label(Wire):
    """A text in both languages."""

    zh: Words
    en: Words


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


class FormSummary(Wire):
    """A line of the list of forms."""

    form_key: FormKey
    version: FormVersionNumber
    status: FormStatus
    title: Label
    content_hash: str = Bound(max_length=80)
    published_at: datetime


class FormPublic(FormSummary):
    """One version with its definition."""

    definition: FormDefinition


class FormList(Wire):
    """The newest published version of every form."""

    items: list[FormSummary] = Bound(max_length=200)
