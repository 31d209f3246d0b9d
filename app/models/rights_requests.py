"""Requests of persons to keep their rights (PIPL 44 to 50): what is asked, until when, and what became of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from app.models.base import CalendarDate, PageQuery, TenantRow, Version, Wire, absent


class RightsRequestKind(StrEnum):
    """What he asks.

    `access`, `copy`: to be told, to have a copy (PIPL 45 I, II). `portability`: to have it handed to another one (45
    III). `correction` (46). `erasure` (47). `restriction`, `objection`: to limit or refuse the use (44).
    """

    access = "access"
    copy = "copy"
    portability = "portability"
    correction = "correction"
    restriction = "restriction"
    erasure = "erasure"
    objection = "objection"


class RightsRequestStatus(StrEnum):
    """Received, identity checked, then done or refused; or withdrawn by the person."""

    received = "received"
    identity_checked = "identity_checked"
    done = "done"
    refused = "refused"
    withdrawn = "withdrawn"


class Objectionable(StrEnum):
    """A purpose he may object to; the others rest on a contract or on the law."""

    advice = "advice"
    proactive_contact = "proactive_contact"
    introductions = "introductions"
    partner_sharing = "partner_sharing"


class IdentityMethod(StrEnum):
    """How it was made sure that it is he, or somebody who may ask for him."""

    id_document = "id_document"
    known_in_person = "known_in_person"
    phone_callback = "phone_callback"
    video_call = "video_call"
    power_of_attorney = "power_of_attorney"
    guardian = "guardian"


class Refusal(StrEnum):
    """Why a request is refused (PIPL 50: with reasons)."""

    identity_not_proven = "identity_not_proven"
    law_requires_secrecy = "law_requires_secrecy"
    retention_required = "retention_required"
    rights_of_others = "rights_of_others"
    no_such_data = "no_such_data"
    conditions_not_met = "conditions_not_met"


class Outcome(StrEnum):
    """What was done. `restricted` also where erasure must wait for the end of a legal term."""

    provided = "provided"
    corrected = "corrected"
    restricted = "restricted"
    erased = "erased"
    stopped = "stopped"
    lifted = "lifted"


class RightsRequest(TenantRow, table=True):
    """A request. It holds codes and names of fields only, never what the person said."""

    __tablename__ = "rights_requests"

    customer_id: UUID
    kind: RightsRequestKind = Field(sa_column=Column(Text, nullable=False))
    purpose: Objectionable | None = Field(default=None, sa_column=Column(Text))
    fields: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    status: RightsRequestStatus = Field(sa_column=Column(Text, nullable=False))
    received_on: date
    due_on: date
    identity_method: IdentityMethod | None = Field(default=None, sa_column=Column(Text))
    identity_checked_at: datetime | None = None
    identity_checked_by: UUID | None = None
    refusal: Refusal | None = Field(default=None, sa_column=Column(Text))
    decided_at: datetime | None = None
    decided_by: UUID | None = None
    outcome: Outcome | None = Field(default=None, sa_column=Column(Text))
    outcome_until: date | None = None
    recorded_by: UUID


FieldName = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9_.]*$")]


class RightsRequestCreate(Wire):
    """What the person asks. An objection names the purpose; a correction names the fields, never their values."""

    kind: RightsRequestKind
    purpose: Objectionable = absent("The purpose objected to")
    fields: list[FieldName] = Bound(default_factory=list, max_length=50, description="Fields to be corrected")
    received_on: CalendarDate = absent("The day he asked; today when it is left out")


class RightsIdentityCheck(Wire):
    """How his identity was checked. No number of a document is written down."""

    method: IdentityMethod


class RightsRequestRefuse(Wire):
    """Why; he is told."""

    reason: Refusal


class RightsRequestQuery(PageQuery):
    """Filters of the list."""


class RightsRequestPublic(Wire):
    """A request. `due_on`: 15 calendar days after it was received, never later than 15 working days."""

    id: UUID
    customer_id: UUID
    kind: RightsRequestKind
    purpose: Objectionable | None
    fields: list[FieldName] = Bound(max_length=50)
    status: RightsRequestStatus
    received_on: date
    due_on: date
    identity_method: IdentityMethod | None
    identity_checked_at: datetime | None
    identity_checked_by: UUID | None
    refusal: Refusal | None
    decided_at: datetime | None
    decided_by: UUID | None
    outcome: Outcome | None
    outcome_until: date | None = Bound(description="Until when the law keeps what was to be erased; null: open")
    recorded_by: UUID
    version: Version
    created_at: datetime
    updated_at: datetime


class RightsRequestPage(Wire):
    """A page of requests, the latest first."""

    items: list[RightsRequestPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


PackageKind = Literal["access", "copy", "portability"]
