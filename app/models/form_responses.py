"""Answers to a form: a draft that may change, then a completed record that may not."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints, TypeAdapter, WithJsonSchema
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import Id, Number, TenantRow, Version, Wire
from app.models.forms import FormKey, FormVersionNumber, LinkId


class ResponseStatus(StrEnum):
    """Completed responses never change."""

    draft = "draft"
    completed = "completed"


class FormResponse(TenantRow, table=True):
    """One customer's answers to one form version."""

    __tablename__ = "form_responses"
    __collection__: ClassVar[str | None] = "form_responses"

    customer_id: UUID
    form_key: str
    form_version: str
    content_hash: str
    status: ResponseStatus = Field(default=ResponseStatus.draft, sa_column=Column(Text, nullable=False))
    answers: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    recorded_by: UUID
    completed_at: datetime | None = None
    needs_analysis_id: UUID | None = None
    created_digest: bytes


_TEXT = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$"  # as `domain.forms` refuses controls
_Scalar = bool | Number | Annotated[str, StringConstraints(max_length=2000, pattern=_TEXT)]
_Row = Annotated[dict[LinkId, _Scalar], Bound(max_length=50)]
_RowGiven = Annotated[dict[LinkId, _Scalar | None], Bound(max_length=50)]
_Given = dict[LinkId, _Scalar | Annotated[list[_RowGiven], Bound(max_length=20)] | None]
_SAID = "By link_id; a repeating group is a list of rows; money in fen, percent in basis points, rates as text"

Answers = Annotated[
    dict[LinkId, _Scalar | Annotated[list[_Row], Bound(max_length=20)]], Bound(max_length=500, description=_SAID)
]
# Documented as it should be, taken as it comes: a union would turn 1.0 into 1 and point at its own members instead of
# at the answer. The form decides what is right (`domain.forms.check_answers`), with one pointer for each answer.
AnswersGiven = Annotated[
    dict[str, Any],
    Bound(max_length=500),
    WithJsonSchema({**TypeAdapter(_Given).json_schema(), "maxProperties": 500, "description": _SAID}),
]


class FormResponseCreate(Wire):
    """A new draft."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    customer_id: Id
    form_key: FormKey
    form_version: FormVersionNumber = Bound(description="The version the answers were given to; it stays pinned")
    answers: AnswersGiven = Bound(default_factory=dict)


class FormResponseUpdate(Wire):
    """A merge patch of the answers (RFC 7396): null removes one, lists are replaced whole."""

    answers: AnswersGiven = Bound(default_factory=dict)


class FormResponsePublic(Wire):
    """A response with all its answers."""

    id: UUID
    customer_id: UUID
    form_key: FormKey
    form_version: FormVersionNumber
    content_hash: str = Bound(max_length=80)
    status: ResponseStatus
    answers: Answers
    recorded_by: UUID
    completed_at: datetime | None
    needs_analysis_id: UUID | None
    version: Version
    created_at: datetime
    updated_at: datetime


class FormResponseSummary(Wire):
    """A line of the list of a customer's responses."""

    id: UUID
    customer_id: UUID
    form_key: FormKey
    form_version: FormVersionNumber
    status: ResponseStatus
    completed_at: datetime | None
    needs_analysis_id: UUID | None
    version: Version
    created_at: datetime
    updated_at: datetime


class FormResponsePage(Wire):
    """A page of responses, newest first."""

    items: list[FormResponseSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
