"""Risk tolerance assessments: what class a customer's own answers put him in, and how long that holds."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlmodel import Field

from app.envelopes import Sealed
from app.models.base import Id, TenantRow, Version, Wire
from app.models.products import Level

ToleranceClass = Literal["c1", "c2", "c3", "c4", "c5"]


class ToleranceAssessment(TenantRow, table=True):
    """The result of one completed response; only its confirmation comes later."""

    __tablename__ = "tolerance_assessments"

    customer_id: UUID
    form_response_id: UUID
    result_enc: bytes | None = None  # null: erased
    answered_by: str
    recorded_by: UUID
    assessed_at: datetime
    assessed_on: date
    valid_until: date
    differs_from: UUID | None = None
    confirmed_at: datetime | None = Field(default=None)

    tolerance_class: ClassVar[Sealed[str]] = Sealed("result")
    level: ClassVar[Sealed[int]] = Sealed("result")
    score: ClassVar[Sealed[str]] = Sealed("result")


class ToleranceAssessmentCreate(Wire):
    """A completed response to `risk.tolerance`."""

    form_response_id: Id


class ToleranceAssessmentPublic(Wire):
    """An assessment. It counts from `confirmed_at` on, to the end of `valid_until` in China."""

    id: UUID
    customer_id: UUID
    form_response_id: UUID
    tolerance_class: ToleranceClass
    level: Level
    score: Annotated[str, StringConstraints(max_length=10, pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$")] = Bound(
        description="0 to 100"
    )
    answered_by: Literal["customer"]
    recorded_by: UUID
    assessed_at: datetime
    valid_until: date
    differs_from: UUID | None = Bound(description="The assessment that held before and had another class")
    confirmed_at: datetime | None = Bound(description="Null: it differs, and the customer has not confirmed it yet")
    is_current: bool
    version: Version


class ToleranceAssessmentPage(Wire):
    """A page of assessments, newest first."""

    items: list[ToleranceAssessmentPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
