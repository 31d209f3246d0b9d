"""Answers to a form: a draft that may change, then a completed record that may not."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints, TypeAdapter, WithJsonSchema
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import Id, Number, TenantRow, Version, Wire
from app.models.forms import FormKey, FormVersionNumber, Label, LinkId


class ResponseStatus(StrEnum):
    """From draft to final. A revision of a completed response is a row of its own and ends as `amended`."""

    draft = "draft"
    in_progress = "in_progress"
    completed = "completed"
    amended = "amended"
    entered_in_error = "entered_in_error"


OPEN = (ResponseStatus.draft, ResponseStatus.in_progress)
FINAL = (ResponseStatus.completed, ResponseStatus.amended)  # only from these is anything concluded


class FormResponse(TenantRow, table=True):
    """One customer's answers to one form version. The table refuses changes once it is completed."""

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
    answered_on: date | None = None
    client_at: datetime | None = None
    client_counter: int | None = Field(default=None, sa_column=Column(BigInteger))
    warnings: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    extracted: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    provenance: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    revision: int = 1
    amends_id: UUID | None = None
    migrated_from_id: UUID | None = None
    retracted_at: datetime | None = None
    retracted_by: UUID | None = None
    retraction_reason: str | None = None


_TEXT = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$"  # as `domain.forms` refuses controls
_Scalar = bool | Number | Annotated[str, StringConstraints(max_length=2000, pattern=_TEXT)]
_Codes = Annotated[list[LinkId | Annotated[dict[LinkId, _Scalar], Bound(max_length=1)]], Bound(max_length=50)]
_Parts = Annotated[dict[LinkId, _Scalar], Bound(max_length=10)]
_Cell = _Scalar | _Parts | _Codes
_Row = Annotated[dict[LinkId, _Cell], Bound(max_length=500)]
_RowGiven = Annotated[dict[LinkId, _Cell | None], Bound(max_length=500)]
_Given = dict[LinkId, _Cell | Annotated[list[_RowGiven], Bound(max_length=20)] | None]
_SAID = (
    "By link_id; a repeating group is a list of rows, several choices a list of codes, an address, an attachment or "
    "an answer in one's own words an object; money in fen, percent in basis points, rates and decimals as text"
)

Answers = Annotated[
    dict[LinkId, _Cell | Annotated[list[_Row], Bound(max_length=20)]], Bound(max_length=500, description=_SAID)
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


class AnswerWarning(Wire):
    """Something to look at that stops nothing; `key` names the constraint of the form that said it."""

    pointer: str = Bound(max_length=200)
    code: str = Bound(max_length=40)
    key: LinkId | None
    message: Label


class FormResponsePublic(Wire):
    """A response with all its answers."""

    id: UUID
    customer_id: UUID
    form_key: FormKey
    form_version: FormVersionNumber
    content_hash: str = Bound(max_length=80)
    status: ResponseStatus
    answers: Answers
    warnings: list[AnswerWarning] = Bound(max_length=100, description="As of the last change")
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
