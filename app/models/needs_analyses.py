"""Needs analyses: what a household would need, what it has, and how every figure came about. Never changed."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.domain.needs_methods import Source, Standing
from app.domain.suitability import Code, Severity
from app.envelopes import Sealed
from app.models.base import Id, Instant, Line100, Number, ResultFen, TenantRow, Version, Wire, absent
from app.models.forms import Label, LinkId
from app.models.needs_assumptions import AssumptionsGiven
from app.models.needs_calculations import (
    CalculationAssumption,
    CalculationFigure,
    CalculationFinding,
    CalculationLine,
)

_Text = Annotated[str, StringConstraints(max_length=400)]
_Long = Annotated[str, StringConstraints(max_length=2000)]
_Ratio = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9]+(\.[0-9]+)?$")]
_Row = Annotated[int, Bound(ge=0, le=100, json_schema_extra={"format": "int32"})]
_Plain = bool | Number | _Text | None
_Parts = Annotated[dict[LinkId, _Plain], Bound(max_length=15)]
MemberKey = Annotated[str, StringConstraints(max_length=20, pattern=r"^(self|spouse|child\.[0-9]{1,2})$")]
Peril = Literal["life", "critical_illness", "medical", "accident", "education", "pension"]
LifeEvent = Literal["marriage", "birth", "mortgage", "income", "job", "death", "retirement", "other"]
MOST_RESULTS = 70


class NeedsAnalysis(TenantRow, table=True):
    """One analysis; immutable by grant and by trigger.

    `facts` and `overrides` are what it was calculated from and can be calculated again from; null facts: the form was
    `needs.life`, which describes no household. The three amounts are sums over `results`.
    """

    __tablename__ = "needs_analyses"
    __collection__: ClassVar[str | None] = "needs_analyses"

    customer_id: UUID
    form_response_id: UUID
    method_code: str
    method_version: str
    summary_enc: bytes | None = None  # null: erased
    analysis_enc: bytes | None = None  # null: erased
    facts_enc: bytes | None = None  # null: erased
    prepared_by: UUID
    as_of: date
    currency: str = "CNY"
    supersedes_id: UUID | None = None

    need_fen: ClassVar[Sealed[int]] = Sealed("summary")  # what a list shows
    existing_cover_fen: ClassVar[Sealed[int]] = Sealed("summary")
    gap_fen: ClassVar[Sealed[int]] = Sealed("summary")
    life_event: ClassVar[Sealed[str | None]] = Sealed("summary")
    household: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("analysis")
    results: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("analysis")
    affordability: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("analysis")
    tolerance: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("analysis")
    suitability: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("analysis")
    advice: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("analysis")
    missing: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("analysis")
    assumptions: ClassVar[Sealed[list[dict[str, Any]]]] = Sealed("analysis")
    diff: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("analysis")
    facts: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("facts")
    overrides: ClassVar[Sealed[dict[str, Any]]] = Sealed("facts")


class NeedsAnalysisConfirmation(TenantRow, table=True):
    """The customer's word on one analysis; added once, never changed."""

    __tablename__ = "needs_analysis_confirmations"

    customer_id: UUID
    needs_analysis_id: UUID
    kind: str
    reference_enc: bytes | None = None  # null: erased
    confirmed_at: datetime
    recorded_by: UUID

    reference: ClassVar[Sealed[str]] = Sealed("reference")


class NeedsAnalysisCreate(Wire):
    """From a completed response of form `needs.fact_find`."""

    form_response_id: Id
    overrides: AssumptionsGiven = Bound(default_factory=dict)


class NeedsAnalysisRevise(Wire):
    """What changed: other answers, other assumptions, or both, and why."""

    life_event: LifeEvent
    form_response_id: Id = absent("A newer completed response; then only the `overrides` sent with it count")
    overrides: AssumptionsGiven = Bound(
        default_factory=dict, description="Without a response: beside those of the former analysis, or instead"
    )


class NeedsAnalysisConfirm(Wire):
    """How the customer said that the analysis is right."""

    kind: Literal["signature", "recording"]
    reference: Line100 = Bound(description="Where the signature or the recording is kept")
    confirmed_at: Instant = Bound(description="When he said so; not in the future")


class HouseholdMember(Wire):
    """Somebody of the household; `key` is how results point at him."""

    key: MemberKey
    name: _Text
    birth_date: date
    age: Annotated[int, Bound(ge=0, le=150, json_schema_extra={"format": "int32"})] = Bound(
        description="Completed years"
    )
    role: Literal["self", "spouse", "child"]


class HouseholdPublic(Wire):
    """Who the analysis is about; `hash` is SHA-256 of everything that was known of them, in canonical JSON."""

    members: list[HouseholdMember] = Bound(max_length=12)
    hash: Annotated[str, StringConstraints(max_length=80)]


class CountedCover(Wire):
    """A policy as a result counts it; `row` of the form's policies, `weight`: the part of the sum, or years paid."""

    row: _Row
    sum_fen: ResultFen
    counted_fen: ResultFen
    weight: _Ratio
    until: date | None
    is_portable: bool = Bound(description="False: group cover, which usually ends with the job")


class NeedsResult(Wire):
    """One insured and peril. `need_fen` is net of the family's own means; gap = max(0, need - existing).

    The signed steps of the need add up to `gross_need_fen`, those of the resources to `resources_fen`.
    """

    insured: MemberKey
    peril: Peril
    method: _Text
    method_version: _Text
    title: Label
    standing: Standing
    rounding: _Text
    gross_need_fen: ResultFen
    resources_fen: ResultFen
    need_fen: ResultFen
    existing_fen: ResultFen
    gap_fen: ResultFen
    over_fen: ResultFen = Bound(description="Cover beyond the need; of a minor's death cover: beyond the legal limit")
    cover_ratio: _Ratio | None
    rank: _Row | None = Bound(description="1: the most urgent; null: no gap")
    priority: _Ratio = Bound(description="Peril weight × gap / household income")
    covers: list[CountedCover] = Bound(max_length=20)
    figures: list[CalculationFigure] = Bound(max_length=20)
    findings: list[CalculationFinding] = Bound(max_length=20)
    inputs: dict[LinkId, _Plain | _Parts | Annotated[list[_Parts], Bound(max_length=50)]] = Bound(max_length=100)
    assumptions: list[CalculationAssumption] = Bound(max_length=1000)
    steps: list[CalculationLine] = Bound(max_length=200)


class ReasonPublic(Wire):
    """A reason in words."""

    code: _Text
    words: Label


class NeedsAffordability(Wire):
    """What premiums the household can carry a year, in fen. `room_fen`: what can be added within `cap_fen`."""

    band: Literal["green", "amber", "red"]
    income_fen: ResultFen
    expense_fen: ResultFen
    existing_premium_fen: ResultFen
    cap_fen: ResultFen
    room_fen: ResultFen
    reasons: list[ReasonPublic] = Bound(max_length=20)
    method: _Text
    method_version: _Text
    steps: list[CalculationLine] = Bound(max_length=20)


class AdvicePublic(Wire):
    """What the adviser has to say, about one result or (null) the household, and the rule it comes from."""

    code: _Text
    insured: MemberKey | None
    peril: Peril | None
    severity: Literal["stop", "caution", "note"]
    legal_source: _Text
    words: Label


class OpenPoint(Wire):
    """What nobody said, or a policy (`row`) that does not count; `explain` has the words."""

    code: _Text
    insured: MemberKey | None
    peril: Peril | None
    row: _Row | None


class HouseholdAssumption(Wire):
    """A value all results share, and who set it; `method_default`: nobody did."""

    key: _Text
    label: Label
    value: Number | _Text
    unit: _Text
    source: Source


class TolerancePublic(Wire):
    """The customer's risk tolerance when the analysis was made."""

    class_: Annotated[str, StringConstraints(max_length=4)] = Bound(alias="class")
    level: Annotated[int, Bound(ge=1, le=5, json_schema_extra={"format": "int32"})]
    assessment_id: UUID
    valid_until: datetime


class OpinionReason(Wire):
    """One reason of the match opinion, with the rule and its article."""

    code: _Text
    severity: Severity
    zh: _Text
    en: _Text
    source: _Text
    insured: _Text
    peril: _Text


class OpinionPublic(Wire):
    """The match opinion on the household as it stands, without any product."""

    code: Code
    reasons: list[OpinionReason] = Bound(max_length=200)


class AmountChange(Wire):
    """A figure before and after; null where there was, or is, none."""

    before: ResultFen | None
    after: ResultFen | None


class ResultChange(Wire):
    """One insured and peril before and after, with the inputs of the method that moved (dotted paths)."""

    insured: MemberKey
    peril: Peril
    change: Literal["added", "removed", "changed", "same"]
    need_fen: AmountChange
    existing_fen: AmountChange
    gap_fen: AmountChange
    inputs: list[_Text] = Bound(max_length=50)


class AssumptionChange(Wire):
    """An assumption before and after."""

    key: _Text
    before: Number | _Text | None
    after: Number | _Text | None


class NeedsDiff(Wire):
    """What changed since the analysis this one supersedes. `answers`: those that differ, by link_id."""

    results: list[ResultChange] = Bound(max_length=2 * MOST_RESULTS)
    assumptions: list[AssumptionChange] = Bound(max_length=100)
    answers: list[LinkId] = Bound(max_length=500)


class ConfirmationPublic(Wire):
    """The customer's word on the analysis."""

    kind: Literal["signature", "recording"]
    reference: _Text
    confirmed_at: datetime
    recorded_by: UUID


class NeedsAnalysisSummary(Wire):
    """A line of the list of a customer's analyses. Amounts in fen, summed up over all results."""

    id: UUID
    customer_id: UUID
    form_response_id: UUID
    method_code: _Text
    method_version: _Text
    need_fen: ResultFen
    existing_cover_fen: ResultFen
    gap_fen: ResultFen
    currency: Literal["CNY"]
    as_of: date
    supersedes_id: UUID | None
    superseded_by_id: UUID | None
    life_event: LifeEvent | None
    confirmed_at: datetime | None
    prepared_by: UUID
    version: Version
    created_at: datetime


class NeedsAnalysisPublic(NeedsAnalysisSummary):
    """The whole analysis. Of form `needs.life` it has one result and no household."""

    household: HouseholdPublic | None
    results: list[NeedsResult] = Bound(max_length=MOST_RESULTS)
    affordability: NeedsAffordability | None
    tolerance: TolerancePublic | None
    suitability: OpinionPublic | None
    advice: list[AdvicePublic] = Bound(max_length=200)
    missing: list[OpenPoint] = Bound(max_length=100)
    assumptions: list[HouseholdAssumption] = Bound(max_length=100)
    diff: NeedsDiff | None
    is_retracted: bool = Bound(description="The answers it rests on were entered in error: nothing follows from it")
    confirmation: ConfirmationPublic | None


class NeedsAnalysisPage(Wire):
    """A page of analyses, newest first."""

    items: list[NeedsAnalysisSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class NeedsSection(Wire):
    """One matter in plain words; the first is about the whole family."""

    insured: MemberKey | None
    peril: Peril | None
    title: _Text
    assumed: list[_Long] = Bound(max_length=40)
    follows: list[_Long] = Bound(max_length=40)
    missing: list[_Long] = Bound(max_length=60)


class NeedsExplanation(Wire):
    """An analysis as one would tell it to the customer."""

    language: Literal["zh-CN", "en"]
    sections: list[NeedsSection] = Bound(max_length=MOST_RESULTS + 1)
