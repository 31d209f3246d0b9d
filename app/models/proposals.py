"""Proposals 计划书: what is recommended on the ground of an analysis, the match opinion, the customer's signature."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.domain.product_catalogue import Category, Design, Peril
from app.domain.proposal_draft import Why
from app.domain.suitability import Band, Code, Severity
from app.envelopes import Sealed
from app.models.base import Block2000, Fen, Id, Line50, Line100, Line200, ResultFen, TenantRow, Version, Wire
from app.models.forms import Label
from app.models.needs_analyses import MemberKey
from app.models.products import Level, ProductCode, Strict
from app.models.sales_rules import PremiumBand, Years
from app.models.tolerance_assessments import ToleranceClass

Rank = Annotated[int, Bound(ge=1, le=100, json_schema_extra={"format": "int32"})]
_Text = Annotated[str, StringConstraints(max_length=400)]


class Proposal(TenantRow, table=True):
    """One proposal. All but the signature is immutable by grant."""

    __tablename__ = "proposals"

    customer_id: UUID
    needs_analysis_id: UUID
    number: str
    language: str
    verdict: str
    content_enc: bytes | None = None  # null: erased
    prepared_by: UUID
    assessed_at: datetime
    recommended_at: datetime
    signed_at: datetime | None = None
    signature_enc: bytes | None = None
    created_digest: bytes

    content: ClassVar[Sealed[dict[str, Any]]] = Sealed("content")
    signature: ClassVar[Sealed[dict[str, Any] | None]] = Sealed("signature")


# --- what is sent ----------------------------------------------------------------------------------------------


class RecommendationCreate(Wire):
    """Cover for one insured and peril: a category, or a product of the organisation's list, never both.

    Premiums are a band of what a year may cost; both ends or none.
    """

    insured: MemberKey
    peril: Peril
    category: Category | None = None
    design: Design | None = Bound(default=None, description="Of the category; left out: ordinary")
    product_id: Id | None = None
    sum_insured_fen: Fen | None = None
    premium_low_fen: Fen | None = None
    premium_high_fen: Fen | None = None
    payment_years: Years | None = Bound(default=None, description="1: paid at once, or a policy of one year")
    term: Line50 | None = Bound(default=None, description="How long it covers, in the language of the proposal")
    reason: Line200


class AlternativeCover(Wire):
    """A part of an alternative."""

    insured: MemberKey
    peril: Peril
    sum_insured_fen: Fen


class AlternativeCreate(Wire):
    """Another way to spend more or less. The gap it leaves is worked out from its covers."""

    title: Line50
    description: Line200
    premium_low_fen: Fen
    premium_high_fen: Fen
    covers: list[AlternativeCover] = Bound(default_factory=list, max_length=60)


class ProposalCreate(Wire):
    """What the agent recommends. The opinion is ours: it is formed from the analysis and refuses what the rules refuse.

    Where it advises to stop and the customer goes on at his own will, `customer_insists` and his `statement` say so.
    """

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    needs_analysis_id: Id
    language: Literal["zh", "en"] = "zh"
    recommendations: list[RecommendationCreate] = Bound(min_length=1, max_length=60)
    alternatives: list[AlternativeCreate] = Bound(default_factory=list, max_length=10)
    customer_insists: Strict = False
    statement: Block2000 | None = None
    has_representative_consent: Strict = Bound(
        default=False, description="The legal representative of a policyholder from 8 to 17 consents"
    )


class ProposalSign(Wire):
    """The customer's confirmation, which nobody gives for him."""

    signed_by: Line100
    is_customer_himself: Strict
    is_opinion_told: Strict = Bound(description="He was shown the match opinion and its reasons before he signed")
    kind: Literal["screen", "paper", "recording"]
    reference: Line100 | None = Bound(default=None, description="Where paper or recording is kept")
    is_online: Strict = False


class RecommendationsCalculate(Wire):
    """What cover costs, as the agent knows it; his bands go before those of the organisation."""

    premium_bands: list[PremiumBand] = Bound(default_factory=list, max_length=100)


# --- what is answered ------------------------------------------------------------------------------------------


class VerdictReason(Wire):
    """A reason of the opinion and the rule it comes from; `insured` and `peril` are empty where it is about all."""

    code: _Text
    severity: Severity
    zh: _Text
    en: _Text
    source: _Text
    insured: Annotated[str, StringConstraints(max_length=20)]
    peril: Annotated[str, StringConstraints(max_length=20)]


class ProposalVerdict(Wire):
    """The match opinion 匹配意见."""

    code: Code
    reasons: list[VerdictReason] = Bound(max_length=1000)


class ProposedProduct(Wire):
    """A product as it was when it was recommended."""

    id: UUID
    code: ProductCode
    name: Line100
    insurer: Line100


class ProposalRecommendation(Wire):
    """Recommended cover, with the level it was judged by."""

    insured: MemberKey
    peril: Peril
    category: Category
    design: Design
    level: Level
    product: ProposedProduct | None
    sum_insured_fen: Fen | None
    premium_low_fen: Fen | None
    premium_high_fen: Fen | None
    payment_years: Years | None
    term: Line50 | None
    reason: Line200


class ProposalAlternative(Wire):
    """An alternative, and the sum of the gaps it leaves."""

    title: Line50
    description: Line200
    premium_low_fen: Fen
    premium_high_fen: Fen
    covers: list[AlternativeCover] = Bound(max_length=60)
    remaining_gap_fen: ResultFen


class ProposalAffordability(Wire):
    """What the household pays and can pay a year; `band` judges it with the higher end of what is proposed."""

    band: Band | None
    income_fen: ResultFen
    expense_fen: ResultFen
    existing_premium_fen: ResultFen
    cap_fen: ResultFen | None
    room_fen: ResultFen | None
    proposed_low_fen: ResultFen
    proposed_high_fen: ResultFen


class ProposalTolerance(Wire):
    """The assessment the opinion rests on."""

    assessment_id: UUID
    tolerance_class: ToleranceClass
    level: Level
    assessed_on: date
    valid_until: date


class ProposalAgent(Wire):
    """Who recommended it, and what qualified him then."""

    id: UUID
    name: Line100
    licence_no: Annotated[str, StringConstraints(max_length=30)]
    qualification_level: Annotated[int, Bound(ge=1, le=4, json_schema_extra={"format": "int32"})] | None


class ProposalSignature(Wire):
    """How the customer confirmed it."""

    signed_by: Line100
    kind: Literal["screen", "paper", "recording"]
    reference: Line100 | None
    is_online: bool
    recorded_by: UUID


class ProposalSummary(Wire):
    """A line of the list of a customer's proposals."""

    id: UUID
    customer_id: UUID
    needs_analysis_id: UUID
    number: Annotated[str, StringConstraints(max_length=30)]
    language: Literal["zh", "en"]
    verdict_code: Code
    prepared_by: UUID
    assessed_at: datetime
    recommended_at: datetime
    signed_at: datetime | None
    version: Version
    created_at: datetime


class ProposalPublic(ProposalSummary):
    """The whole proposal. Assessed, recommended and signed follow each other."""

    verdict: ProposalVerdict
    recommendations: list[ProposalRecommendation] = Bound(max_length=60)
    alternatives: list[ProposalAlternative] = Bound(max_length=10)
    affordability: ProposalAffordability | None
    tolerance: ProposalTolerance | None
    agent: ProposalAgent
    customer_insists: bool
    statement: Block2000 | None
    signature: ProposalSignature | None


class ProposalPage(Wire):
    """A page of proposals, newest first."""

    items: list[ProposalSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class CalculatedRecommendation(Wire):
    """What closes one gap within the room that is left for it. `sum_insured_fen` 0: nothing, and `why`."""

    insured: MemberKey
    peril: Peril
    category: Category
    rank: Rank
    gap_fen: ResultFen
    sum_insured_fen: ResultFen
    premium_low_fen: ResultFen | None
    premium_high_fen: ResultFen | None
    payment_years: Years | None
    why: Why
    words: Label
    room_before_fen: ResultFen
    room_after_fen: ResultFen


class CalculatedRecommendations(Wire):
    """A draft: gaps in the order of their rank, each closed as far as the room for premiums allows."""

    needs_analysis_id: UUID
    room_fen: ResultFen
    room_left_fen: ResultFen
    items: list[CalculatedRecommendation] = Bound(max_length=100)
