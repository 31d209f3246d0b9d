"""Needs analyses: what a family would need, what it has, and how the figure came about. Never changed."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import Number, TenantRow, Version, Wire
from app.models.forms import Label, LinkId

# Results may be larger than what a person may enter: up to the last integer a phone reads exactly.
ResultFen = Annotated[int, Bound(ge=0, le=2**53 - 1, json_schema_extra={"format": "int64"})]
_Text = Annotated[str, StringConstraints(max_length=400)]
_Figure = Number | _Text
_Parts = Annotated[dict[LinkId, _Figure], Bound(max_length=10)]


class NeedsAnalysis(TenantRow, table=True):
    """The result of one completed form response; immutable by grant."""

    __tablename__ = "needs_analyses"
    __collection__: ClassVar[str | None] = "needs_analyses"

    customer_id: UUID
    form_response_id: UUID
    method_code: str
    method_version: str
    need_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    existing_cover_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    gap_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    result: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    prepared_by: UUID


class Assumption(Wire):
    """A value the result rests on, and who set it."""

    key: _Text
    value: _Figure
    unit: _Text
    source: Literal["customer", "agent", "form_default"]


class CalculationStep(Wire):
    """One line of the calculation, ready to be shown: formula, the numbers put in, the amount."""

    key: _Text
    label: Label
    formula: _Text
    substituted: Annotated[str, StringConstraints(max_length=2000)]
    numbers: dict[LinkId, _Figure] = Bound(max_length=30)
    amount_fen: Number
    sign: Literal["add", "subtract"]


class NeedsAnalysisSummary(Wire):
    """A line of the list of a customer's analyses. Amounts in fen."""

    id: UUID
    customer_id: UUID
    form_response_id: UUID
    method_code: _Text
    method_version: _Text
    need_fen: ResultFen
    existing_cover_fen: ResultFen
    gap_fen: ResultFen
    currency: Literal["CNY"]
    prepared_by: UUID
    version: Version
    created_at: datetime


class NeedsAnalysisPublic(NeedsAnalysisSummary):
    """The whole result: every input, assumption and step."""

    over_fen: ResultFen
    cover_ratio: _Text | None
    rounding: _Text
    inputs: dict[LinkId, _Figure | _Parts | Annotated[list[_Parts], Bound(max_length=50)] | None] = Bound(
        max_length=100, description="As the method read them: amounts, yearly streams, single costs; null: not given"
    )
    assumptions: list[Assumption] = Bound(
        max_length=100, description="What is no amount somebody named, and every default of the form, with its source"
    )
    steps: list[CalculationStep] = Bound(max_length=100)


class NeedsAnalysisPage(Wire):
    """A page of analyses, newest first."""

    items: list[NeedsAnalysisSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
