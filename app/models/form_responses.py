"""Answers to a form: a draft that may change, then a completed record that may not."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints, TypeAdapter, WithJsonSchema
from sqlalchemy import BigInteger, Column, Text
from sqlmodel import Field

from app.envelopes import Sealed
from app.models.base import WHOLE, CalendarDate, Id, Instant, Line200, Number, TenantRow, Version, Wire, absent
from app.models.forms import TEXT, FormKey, FormVersionNumber, Label, LinkId


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
    answers_enc: bytes | None = None  # null: erased
    recorded_by: UUID
    completed_at: datetime | None = None
    needs_analysis_id: UUID | None = None
    created_digest: bytes
    answered_on: date | None = None
    client_at: datetime | None = None
    client_counter: int | None = Field(default=None, sa_column=Column(BigInteger))
    revision: int = 1
    amends_id: UUID | None = None
    migrated_from_id: UUID | None = None
    retracted_at: datetime | None = None
    retracted_by: UUID | None = None
    retraction_enc: bytes | None = None

    answers: ClassVar[Sealed[dict[str, Any]]] = Sealed("answers")
    warnings: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("answers")
    extracted: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("answers")
    provenance: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("answers")
    retraction_reason: ClassVar[Sealed[str | None]] = Sealed("retraction")


_Scalar = bool | Number | Annotated[str, StringConstraints(max_length=2000, pattern=TEXT)]
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


_Counter = Annotated[int, Bound(ge=0, le=2**53 - 1, json_schema_extra={"format": "int64"}), WHOLE]
_ClientAt = Annotated[Instant, Bound(description="The phone's own clock when this was done")]


class _FromPhone(Wire):
    client_at: _ClientAt = absent()
    client_counter: _Counter = absent("Counts what the phone did, always upwards: its clock may jump")


class FormResponseCreate(_FromPhone):
    """A new draft."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    customer_id: Id
    form_key: FormKey
    form_version: FormVersionNumber = Bound(description="The version the answers were given to; it stays pinned")
    answers: AnswersGiven = Bound(default_factory=dict)


class FormResponseUpdate(_FromPhone):
    """A merge patch of the answers (RFC 7396): null removes one, lists are replaced whole."""

    answers: AnswersGiven = Bound(default_factory=dict)
    status: Literal["in_progress"] = absent("The interview has begun; saving an answer says so too")


class FormResponseComplete(_FromPhone):
    """What a phone that was offline knows better than the service."""

    answered_on: CalendarDate = absent("The day the customer answered: up to 90 days back; today when left out")


class FormResponseAmend(Wire):
    """A revision of a completed response: a new draft with its answers."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")


class FormResponseRetract(Wire):
    """Why a response must not be relied on."""

    reason: Line200


class FormResponseMigrate(Wire):
    """Carry the answers over to another version of the form, into a new draft."""

    id: Id | None = Bound(default=None, description="Of the new draft, made by the phone when it is offline (UUIDv7)")
    to_version: FormVersionNumber
    is_dry_run: bool = Bound(default=False, strict=True, description="Report only; nothing is stored")


class ExtractionApply(Wire):
    """Which answers shall replace what is on record."""

    link_ids: Annotated[list[LinkId], Bound(min_length=1, max_length=50)]
    customer_version: Annotated[Version, WHOLE] = absent(
        "The version of the profile that was looked at: of another one nothing is replaced, and a conflict is told"
    )


class AnswerWarning(Wire):
    """Something to look at that stops nothing; `key` names the constraint of the form that said it."""

    pointer: str = Bound(max_length=200)
    code: str = Bound(max_length=40)
    key: LinkId | None
    message: Label


class ExtractionState(StrEnum):
    """What became of an answer the form wants on record elsewhere.

    `same`: it stood there. `conflict`: something else stands there, which only an explicit call replaces.
    `no_target`: there is no place for it, or it does not fit there. `no_consent`: it is sensitive or about a third
    person, and no consent or stated basis carries it.
    """

    stored = "stored"
    same = "same"
    conflict = "conflict"
    no_target = "no_target"
    no_consent = "no_consent"


class Extraction(Wire):
    """An answer and the place it goes to; the value itself stands in the answers."""

    link_id: LinkId
    target: str = Bound(max_length=200)
    state: ExtractionState
    dossier_fact_id: UUID | None


class ExtractionList(Wire):
    """What was done with each of the answers asked for."""

    items: list[Extraction] = Bound(max_length=50)


class AnswerOrigin(Wire):
    """Where an answer came from: the answer of the former response at `source`, and how it was carried over."""

    pointer: str = Bound(max_length=200)
    source: str = Bound(max_length=200)
    how: str = Bound(max_length=40)


class AnswerPlace(Wire):
    """An answer and what is to be said of it."""

    pointer: str = Bound(max_length=200)
    code: str = Bound(max_length=40)


_Pointers = Annotated[list[Annotated[str, StringConstraints(max_length=200)]], Bound(max_length=1000)]


class FormResponseMigration(Wire):
    """How the answers were, or would be, carried over. Nothing is lost silently."""

    form_response_id: UUID | None = Bound(description="The new draft; null after a dry run")
    from_version: FormVersionNumber
    to_version: FormVersionNumber
    map_name: str = Bound(max_length=50)
    answers: Answers
    provenance: list[AnswerOrigin] = Bound(max_length=10_500)
    unmapped: _Pointers = Bound(description="Answers the map has no place for")
    dropped: _Pointers = Bound(description="Answers the map leaves out")
    refused: list[AnswerPlace] = Bound(max_length=1000, description="Answers that could not be converted")
    open: list[AnswerPlace] = Bound(max_length=100, description="What completing the draft would still want")


_Counted = Annotated[int, Bound(ge=0, le=2**53 - 1, json_schema_extra={"format": "int64"})]
_Count = Annotated[int, Bound(ge=1, le=2_147_483_647, json_schema_extra={"format": "int32"})]


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
    extracted: list[Extraction] = Bound(max_length=500, description="As of the completion")
    provenance: list[AnswerOrigin] = Bound(max_length=10_500, description="Of a migrated response")
    revision: _Count
    amends_id: UUID | None
    migrated_from_id: UUID | None
    recorded_by: UUID
    client_at: datetime | None
    client_counter: _Counted | None
    answered_on: date | None = Bound(description="The day ages and terms were reckoned for; null before completion")
    completed_at: datetime | None
    retracted_at: datetime | None
    retraction_reason: str | None = Bound(max_length=200)
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
    revision: _Count
    amends_id: UUID | None
    migrated_from_id: UUID | None
    answered_on: date | None
    completed_at: datetime | None
    needs_analysis_id: UUID | None
    version: Version
    created_at: datetime
    updated_at: datetime


class FormResponsePage(Wire):
    """A page of responses, newest first."""

    items: list[FormResponseSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
