"""Facts of the four dossiers: each with its source, day and basis, its value sealed; and the views over them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints, TypeAdapter, WithJsonSchema
from sqlalchemy import ARRAY, Column, Numeric, Text, Uuid
from sqlmodel import Field

from app.domain.consents import Purpose
from app.domain.fact_definitions import DossierName, ThirdPartyBasis
from app.models.base import (
    Block2000,
    CalendarDate,
    Id,
    Line100,
    Number,
    PageQuery,
    TenantRow,
    Version,
    Wire,
    absent,
)
from app.models.fact_definitions import FactField, FactKey
from app.models.forms import LinkId


class FactSource(StrEnum):
    """How the agent came to know: told by the customer, seen, told by somebody else, published, or on paper."""

    customer = "customer"
    observed = "observed"
    third_party = "third_party"
    public = "public"
    document = "document"


class DossierFact(TenantRow, table=True):
    """One fact as it was recorded. It may stand beside others of its key, and gives way to a later one; all stay.

    `recorded_at` is when this wording was put on record: a correction keeps the former one as a row of history
    (`wording_of` says whose). Value and label of the teller are sealed under the customer's key.
    """

    __tablename__ = "dossier_facts"
    __collection__: ClassVar[str | None] = "dossier_facts"

    customer_id: UUID
    dossier: DossierName = Field(sa_column=Column(Text, nullable=False))
    fact_key: str
    definition_version: int
    value_enc: bytes | None
    source: FactSource = Field(sa_column=Column(Text, nullable=False))
    teller_id: UUID | None = None
    teller_enc: bytes | None = None
    basis: ThirdPartyBasis | None = Field(default=None, sa_column=Column(Text))
    observed_on: date
    confidence: Decimal | None = Field(default=None, sa_column=Column(Numeric(3, 2)))
    consent_ids: list[UUID] = Field(default_factory=list, sa_column=Column(ARRAY(Uuid()), nullable=False))
    review_by: date | None = None
    expires_on: date | None = None
    recorded_by: UUID
    recorded_at: datetime
    superseded_at: datetime | None = None
    superseded_by: UUID | None = None
    settled_at: datetime | None = None
    wording_of: UUID | None = None
    created_digest: bytes
    form_response_id: UUID | None = None
    link_id: str | None = None


ObservedOn = Annotated[
    CalendarDate,
    Bound(description="Day of the observation: 1900-01-01 to today in China", examples=["2026-11-20"]),
]
Confidence = Annotated[
    str,
    StringConstraints(max_length=4, pattern=r"^(0(\.[0-9]{1,2})?|1(\.0{1,2})?)$"),
    Bound(description="How sure, 0 to 1 as decimal text; null where nobody said"),
]
_Scalar = Number | Block2000
_Part = _Scalar | Annotated[dict[LinkId, Number], Bound(max_length=3)] | Annotated[list[LinkId], Bound(max_length=50)]
_Record = Annotated[dict[LinkId, _Part], Bound(max_length=20)]
_Value = _Scalar | _Record | Annotated[list[_Scalar | _Record], Bound(max_length=50)]
_SAID = (
    "As the definition's shape says: a text, a code, fen, a whole number, a day, {year, month?, day?}, the id of a "
    "customer, a record, or a list"
)
# Documented as it should be, taken as it comes: the definition decides (`domain.fact_types`), and points at the place.
_SCHEMA = {**TypeAdapter(_Value).json_schema(), "description": _SAID}
FactValue = Annotated[Any, WithJsonSchema(_SCHEMA)]
FactValueShown = Annotated[Any, WithJsonSchema({"anyOf": [*_SCHEMA["anyOf"], {"type": "null"}], "description": _SAID})]


class Teller(Wire):
    """Who or what said it, where it was not the customer: one of the two."""

    customer_id: Id = absent("Somebody of the network the caller sees")
    label: Line100 = absent("In words: 邻居, 年报")


class DossierFactCreate(Wire):
    """What was learned."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    dossier: DossierName = absent("The dossier the key is meant for; another one is 422")
    purpose: Purpose = absent("What it was asked for; another purpose than the definition's is 422")
    fact_key: FactKey
    value: FactValue
    source: FactSource
    teller: Teller = absent()
    basis: ThirdPartyBasis = absent("Of data about third persons: why it may be kept")
    observed_on: ObservedOn
    confidence: Confidence | None = None
    review_by: CalendarDate | None = Bound(
        default=None, description="When to ask again; null: after the interval of the definition"
    )
    supersedes: Annotated[list[Id], Bound(max_length=20)] = Bound(
        default_factory=list, description="Current facts of the key it takes the place of, whoever told them"
    )


class DossierFactUpdate(Wire):
    """A correction; absent members stay, and the former wording becomes history. News is a new fact."""

    value: FactValue = absent()
    source: FactSource = absent()
    teller: Teller | None = Bound(default=None, description="Null: nobody is named")
    basis: ThirdPartyBasis = absent()
    observed_on: ObservedOn = absent()
    confidence: Confidence | None = None
    review_by: CalendarDate | None = None


class Decision(StrEnum):
    """What to do with facts that contradict each other."""

    choose = "choose"
    keep_all = "keep_all"


class DossierFactResolve(Wire):
    """A decision about facts that contradict each other."""

    decision: Decision
    fact_ids: Annotated[list[Id], Bound(min_length=1, max_length=50)] = Bound(
        description="The current facts of the key the agent has seen; 409 when there is another one by now"
    )


Audience = Literal["offline"]
OFFLINE = "What is to be kept on a phone: values that may not are withheld"


class DossierFactQuery(PageQuery):
    """Filters of the history."""

    dossier: DossierName | None = Bound(default=None, description="The history of this dossier only")
    fact_key: FactKey | None = Bound(default=None, description="The history of this fact only")
    for_: Audience | None = Bound(default=None, alias="for", description=OFFLINE)


class DossierFactView(Wire):
    """How one fact is looked at."""

    for_: Audience | None = Bound(default=None, alias="for", description=OFFLINE)


class Recorder(Wire):
    """The user who recorded a fact."""

    id: UUID
    name: str = Bound(max_length=100)


class TellerPublic(Wire):
    """Who said it, where it was not the customer; the label is shown with the value only."""

    customer_id: UUID | None
    label: Line100 | None


class FactShown(Wire):
    """What every answer about a fact tells."""

    id: UUID
    fact_key: FactKey
    definition_version: Version
    value: FactValueShown = Bound(description="Null while it is masked or withheld; `reveal` shows it")
    is_masked: bool
    is_withheld: bool = Bound(description="It may not be kept on a phone (`for=offline`)")
    source: FactSource
    teller: TellerPublic | None
    basis: ThirdPartyBasis | None
    observed_on: date
    confidence: Confidence | None
    consent_ids: list[UUID] = Bound(max_length=20, description="The consents it rests on")
    review_by: date
    recorded_by: Recorder
    recorded_at: datetime


class DossierFactPublic(FactShown):
    """One recorded fact, free of language; `superseded_at` tells history from the present."""

    customer_id: UUID
    dossier: DossierName
    expires_on: date | None = Bound(description="The last day it is kept")
    form_response_id: UUID | None = Bound(description="The completed response it comes from")
    link_id: LinkId | None = Bound(description="The answer of that response")
    superseded_at: datetime | None
    superseded_by: UUID | None
    supersedes: list[UUID] = Bound(max_length=1000, description="What it took the place of")
    settled_at: datetime | None = Bound(description="When an agent kept it beside others that say something else")
    version: Version
    updated_at: datetime


class DossierFactPage(Wire):
    """A page of the history, newest first."""

    items: list[DossierFactPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class FactRevealed(Wire):
    """One current fact in clear."""

    dossier_fact_id: UUID
    field: FactField
    value: FactValue
