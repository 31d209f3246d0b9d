"""The personal dossier: facts with their source and day, and the view over the twelve of them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.domain.dossier import FactKey
from app.models.base import Block2000, CalendarDate, Id, Line100, Line200, PageQuery, TenantRow, Version, Wire, absent
from app.models.forms import LinkId


class FactSource(StrEnum):
    """How the agent came to know: told by the customer, seen, told by somebody else, published, or on paper."""

    customer = "customer"
    observed = "observed"
    third_party = "third_party"
    public = "public"
    document = "document"


class DossierFact(TenantRow, table=True):
    """One fact as it was recorded. A newer one of the same key supersedes it; both stay."""

    __tablename__ = "dossier_facts"
    __collection__: ClassVar[str | None] = "dossier_facts"

    customer_id: UUID
    fact_key: FactKey = Field(sa_column=Column(Text, nullable=False))
    value: str
    source: FactSource = Field(sa_column=Column(Text, nullable=False))
    observed_on: date
    recorded_by: UUID
    superseded_at: datetime | None = None
    created_digest: bytes
    form_response_id: UUID | None = None
    link_id: str | None = None


ObservedOn = Annotated[
    CalendarDate,
    Bound(description="Day of the observation: 1900-01-01 to today in China", examples=["2026-11-20"]),
]


class DossierFactCreate(Wire):
    """What was learned."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    fact_key: FactKey
    value: Block2000
    source: FactSource
    observed_on: ObservedOn


class DossierFactUpdate(Wire):
    """A correction of what was recorded; absent members stay. News is a new fact, not a correction."""

    value: Block2000 = absent()
    source: FactSource = absent()
    observed_on: ObservedOn = absent()


class DossierFactQuery(PageQuery):
    """Filters of the history."""

    fact_key: FactKey | None = Bound(default=None, description="The history of this fact only")


class Recorder(Wire):
    """The user who recorded a fact."""

    id: UUID
    name: str = Bound(max_length=100)


class DossierFactPublic(Wire):
    """One recorded fact, free of language; `superseded_at` tells history from the present."""

    id: UUID
    customer_id: UUID
    fact_key: FactKey
    value: Block2000
    source: FactSource
    observed_on: date
    recorded_by: Recorder
    recorded_at: datetime
    form_response_id: UUID | None = Bound(description="The completed response it comes from")
    link_id: LinkId | None = Bound(description="The answer of that response")
    superseded_at: datetime | None
    version: Version
    updated_at: datetime


class DossierFactPage(Wire):
    """A page of the history, newest first."""

    items: list[DossierFactPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class DossierFactKind(Wire):
    """One of the twelve facts, in the asked language."""

    fact_key: FactKey
    label: Line100
    question: Line200
    freshness_days: int = Bound(
        ge=1, le=36_500, json_schema_extra={"format": "int32"}, description="Ask again when more days have passed"
    )


class DossierFactKindList(Wire):
    """The twelve, in the order of asking."""

    items: list[DossierFactKind] = Bound(max_length=50)


class DossierEntry(Wire):
    """A current fact as the dossier shows it; `version` is what If-Match takes."""

    id: UUID
    fact_key: FactKey
    label: Line100
    value: Block2000
    source: FactSource
    observed_on: date
    recorded_by: Recorder
    recorded_at: datetime
    is_stale: bool
    version: Version


_Count = Annotated[int, Bound(ge=0, le=50, json_schema_extra={"format": "int32"})]


class Completeness(Wire):
    """How much is known; `stale` facts are known, but should be asked again."""

    known: _Count
    total: _Count
    percent: int = Bound(ge=0, le=100, json_schema_extra={"format": "int32"}, description="Rounded down")
    stale: _Count


class NextQuestion(Wire):
    """What to ask at the next occasion: the first unknown fact, then the first stale one."""

    fact_key: FactKey
    label: Line100
    question: Line200


class DossierPublic(Wire):
    """What is known about a person now, in the order of asking, and what to ask next (null: nothing)."""

    customer_id: UUID
    facts: list[DossierEntry] = Bound(max_length=50)
    completeness: Completeness
    next_question: NextQuestion | None
    version: int = Bound(
        ge=0,
        le=2_147_483_647,
        json_schema_extra={"format": "int32"},
        description="Grows with every change of any fact, in every language; 0 while nothing was ever recorded",
    )
