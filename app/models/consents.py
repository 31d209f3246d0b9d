"""Consents: what a person decided about which of his data, for which purpose; the record stays, whatever follows."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.domain.consent_texts import TextLanguage
from app.domain.consents import Channel, ConsentStatus, Decision, FieldGroup, GivenBy, Purpose, Relation
from app.models.base import CalendarDate, Id, Instant, Line100, Line200, TenantRow, Version, Wire, absent
from app.models.consent_texts import TextHash, TextVersion

_Strict = Annotated[bool, Bound(strict=True)]
_Count = Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]


class Consent(TenantRow, table=True):
    """One decision. Its row refuses every change but a withdrawal; evidence and guardian are sealed."""

    __tablename__ = "consents"
    __collection__: ClassVar[str | None] = "consents"

    customer_id: UUID
    decision: Decision = Field(sa_column=Column(Text, nullable=False))
    purpose: Purpose = Field(sa_column=Column(Text, nullable=False))
    recipient: str = ""
    grounds: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    is_separate: bool
    language: str
    channel: Channel = Field(sa_column=Column(Text, nullable=False))
    given_by: GivenBy = Field(sa_column=Column(Text, nullable=False))
    is_own_guardian: bool = False
    details_enc: bytes | None = None
    decided_at: datetime
    valid_from: date
    valid_until: date | None = None
    do_not_ask_before: date | None = None
    recorded_by: UUID
    withdrawn_at: datetime | None = None
    created_digest: bytes


class Evidence(Wire):
    """Where the proof is kept: a signature, a scan, a recording. Nothing of it is stored here."""

    reference: Line200 = Bound(description="How it is found where it is kept")
    sha256: Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9a-f]{64}$")] = absent(
        "Digest of the file, in hex"
    )


class EvidenceOut(Wire):
    """Where the proof is kept."""

    reference: Line200
    sha256: Annotated[str, StringConstraints(max_length=64)] | None


class Guardian(Wire):
    """Who decides for a child. The customer himself about his own children, or another person with his own proof."""

    is_customer: _Strict
    relation: Relation = Bound(description="What he is to the child")
    name: Line100 = absent("Needed where he is not the customer")
    evidence: Evidence = absent("Needed where he is not the customer: that he is the guardian, and agreed")


class GuardianOut(Wire):
    """Who decided for a child."""

    is_customer: bool
    relation: Relation
    name: Line100 | None
    evidence: EvidenceOut | None


class Ground(Wire):
    """One group of data, and the text the person saw for it: version and hash as the service told them."""

    field_group: FieldGroup
    text_version: TextVersion
    text_hash: TextHash


class GroundOut(Wire):
    """One group of data and the text that was shown."""

    field_group: FieldGroup
    text_version: TextVersion
    text_hash: TextHash
    consent_text_id: UUID


class ConsentCreate(Wire):
    """What was decided. Nothing is agreed to by default: every group is named with the text the person saw."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    decision: Decision
    purpose: Purpose
    recipient: Line100 = absent("To whom data are handed on, as the text names him; us when left out")
    grounds: Annotated[list[Ground], Bound(min_length=1, max_length=10)]
    is_separate: _Strict = Bound(
        default=False,
        description="The person decided about every group by itself; needed where a sensitive one is not alone",
    )
    language: TextLanguage
    channel: Channel
    evidence: Evidence = absent("Needed for a signature, paper and a recording")
    given_by: GivenBy
    guardian: Guardian = absent("With `given_by: guardian`")
    decided_at: Instant = absent("By the phone's clock, up to 90 days back; left out: now")
    valid_from: CalendarDate = absent("First day it holds; left out: the day of the decision")
    valid_until: CalendarDate = absent("Last day it holds; left out: until it is withdrawn")
    do_not_ask_before: CalendarDate = absent("Of a refusal; left out: 180 days later")


class ConsentWithdraw(Wire):
    """How the person withdrew; nothing has to be said."""

    channel: Channel = absent()


class ConsentEvent(Wire):
    """One thing that happened to a consent."""

    kind: Literal["given", "refused", "withdrawn"]
    at: datetime
    channel: Channel | None
    recorded_by: UUID


class ConsentRecorder(Wire):
    """The user who recorded it."""

    id: UUID
    name: Line100


class ConsentPublic(Wire):
    """A decision with its history; evidence and guardian's name are null where they are masked or erased.

    `carries`: the groups for which new data may rest on it now. A later no, a text that changed in substance, or a
    child's missing guardian leave it without.
    """

    id: UUID
    customer_id: UUID
    decision: Decision
    purpose: Purpose
    recipient: Line100 | None
    grounds: list[GroundOut] = Bound(max_length=10)
    is_separate: bool
    language: TextLanguage
    channel: Channel
    evidence: EvidenceOut | None
    given_by: GivenBy
    guardian: GuardianOut | None
    decided_at: datetime
    recorded_at: datetime
    recorded_by: ConsentRecorder
    valid_from: date
    valid_until: date | None
    do_not_ask_before: date | None
    withdrawn_at: datetime | None
    status: ConsentStatus
    carries: list[FieldGroup] = Bound(max_length=10)
    events: list[ConsentEvent] = Bound(max_length=10)
    version: Version


class ConsentList(Wire):
    """All decisions of a customer, newest first."""

    items: list[ConsentPublic] = Bound(max_length=1000)


class Unfounded(Wire):
    """Something on record that rests on no consent any more."""

    object_type: Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z_]+$")]
    object_id: UUID
    field_groups: list[FieldGroup] = Bound(max_length=10)


class ConsentWithdrawn(Wire):
    """The withdrawn consent, and what follows: groups nothing carries now, and what is on record of them."""

    consent: ConsentPublic
    uncovered: list[FieldGroup] = Bound(max_length=10)
    unfounded: list[Unfounded] = Bound(max_length=500, description="The first 500")
    unfounded_total: _Count


CoverageState = Literal["open", "given", "expiring", "not_yet_valid", "expired", "withdrawn", "refused", "outdated"]


class ConsentCoverageItem(Wire):
    """How one purpose and group stand; `expiring` ends within 30 days, `outdated` was given to an earlier text."""

    purpose: Purpose
    recipient: Line100 | None
    field_group: FieldGroup
    state: CoverageState
    consent_id: UUID | None = Bound(description="The decision that says so")
    valid_until: date | None
    do_not_ask_before: date | None = Bound(description="Nobody is asked before this day")


class ConsentCoverage(Wire):
    """Every purpose and group: what is given, what is open, what ends soon."""

    customer_id: UUID
    items: list[ConsentCoverageItem] = Bound(max_length=1100)
