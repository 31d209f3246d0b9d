"""Introductions: a customer leads an agent to somebody; from the asking to the policy, with thanks and credit."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from app.domain.introductions import GENERATIONS
from app.models.base import Block2000, CalendarDate, Id, Line100, PageQuery, TenantRow, Version, Wire, absent, utc_now
from app.models.customers import PartyType, Stage
from app.models.relationships import OtherCustomer

MAX_NODES = 500
MAX_STEPS = 100


class IntroductionStatus(StrEnum):
    """Where it stands; `declined` may follow anything before the policy."""

    asked = "asked"
    agreed = "agreed"
    introduced = "introduced"
    met = "met"
    analysis = "analysis"
    policy = "policy"
    declined = "declined"


class NextStatus(StrEnum):
    """What it may become."""

    agreed = "agreed"
    introduced = "introduced"
    met = "met"
    analysis = "analysis"
    policy = "policy"
    declined = "declined"


class DeclineReason(StrEnum):
    """Why nothing came of it: of the introducer, of the party to be met, or because it asked not to be approached."""

    introducer_declined = "introducer_declined"
    target_declined = "target_declined"
    has_agent = "has_agent"
    no_need = "no_need"
    not_now = "not_now"
    no_contact = "no_contact"
    asked_not_to = "asked_not_to"


class IntroducerTier(StrEnum):
    """By credit: bronze from 0, silver from 1, gold from 3, platinum from 6, diamond from 12."""

    bronze = "bronze"
    silver = "silver"
    gold = "gold"
    platinum = "platinum"
    diamond = "diamond"


class Introduction(TenantRow, table=True):
    """One agent asks one introducer to lead him to one party.

    `reached` is the furthest step: the status itself unless that is `declined`. `status_on` is the day of the status.
    `agent_id` asks, and whoever answers for him writes; open ones go with the introducer to his next agent.
    """

    __tablename__ = "introductions"
    __collection__: ClassVar[str | None] = "introductions"

    introducer_id: UUID
    target_id: UUID
    agent_id: UUID
    relationship_id: UUID | None = None
    status: IntroductionStatus = Field(sa_column=Column(Text, nullable=False))
    reached: IntroductionStatus = Field(sa_column=Column(Text, nullable=False))
    reason: DeclineReason | None = Field(default=None, sa_column=Column(Text))
    asked_on: date
    status_on: date
    introduced_on: date | None = None
    note_enc: bytes | None = None
    created_digest: bytes


class IntroductionStep(SQLModel, table=True):
    """What happened to an introduction; written once."""

    __tablename__ = "introduction_steps"

    org_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuid7, primary_key=True)
    introduction_id: UUID
    status: IntroductionStatus = Field(sa_column=Column(Text, nullable=False))
    reason: DeclineReason | None = Field(default=None, sa_column=Column(Text))
    happened_on: date
    recorded_by: UUID
    recorded_at: datetime = Field(default_factory=utc_now)


class IntroductionCreate(Wire):
    """Whom the caller asks to introduce him to whom."""

    id: Id | None = Bound(default=None, description="Made by the phone when it is offline (UUIDv7)")
    introducer_id: Id = Bound(description="A customer")
    target_id: Id = Bound(description="The party to be met: a customer or a shadow contact")
    relationship_id: Id | None = Bound(default=None, description="The tie between the two that carries it")
    asked_on: CalendarDate = absent("From 1900, not after today; left out: today")
    note: Block2000 | None = Bound(default=None, description="For the agent and those above him")


class IntroductionUpdate(Wire):
    """A merge patch."""

    note: Block2000 | None = None


class IntroductionAdvance(Wire):
    """The next step. Steps may be skipped, and are never taken back."""

    status: NextStatus
    happened_on: CalendarDate = absent("From 1900, not after today, not before the last step; left out: today")
    reason: DeclineReason = absent("Why it was declined: with `declined`, and only then")


class IntroductionQuery(PageQuery):
    """Filters of the list."""

    status: (
        Annotated[
            str,
            StringConstraints(
                max_length=60,
                pattern=r"^(asked|agreed|introduced|met|analysis|policy|declined)"
                r"(,(asked|agreed|introduced|met|analysis|policy|declined)){0,6}$",
            ),
        ]
        | None
    ) = Bound(default=None, description="One or several, comma separated")
    introducer_id: UUID | None = None
    target_id: UUID | None = None


class IntroductionStepPublic(Wire):
    """What happened, and who wrote it down when."""

    status: IntroductionStatus
    reason: DeclineReason | None
    happened_on: date
    recorded_by: UUID
    recorded_at: datetime


class IntroductionSummary(Wire):
    """A line of the list. `note` is null but for the agent and those above him."""

    id: UUID
    introducer: OtherCustomer
    target: OtherCustomer
    agent_id: UUID = Bound(description="Who asks")
    relationship_id: UUID | None
    status: IntroductionStatus
    reached: IntroductionStatus = Bound(description="The furthest step: what a declined one goes back to")
    reason: DeclineReason | None = Bound(description="Why it was declined")
    asked_on: date
    status_on: date = Bound(description="The day of the status")
    introduced_on: date | None = Bound(description="The day it was introduced or further; null before")
    note: Block2000 | None
    version: Version
    created_at: datetime
    updated_at: datetime


class IntroductionPublic(IntroductionSummary):
    """An introduction with its history; `note` is null but for the agent and those above him."""

    steps: list[IntroductionStepPublic] = Bound(max_length=MAX_STEPS, description="The last hundred, in their order")


class IntroductionPage(Wire):
    """A page of introductions, newest first."""

    items: list[IntroductionSummary] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


# --- what they are worth ---------------------------------------------------------------------------------------

Points = Annotated[float, Bound(ge=0, le=1, json_schema_extra={"format": "double"})]
Credit = Annotated[float, Bound(ge=0, le=10**9, json_schema_extra={"format": "double"})]
Tally = Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]
Rate = Annotated[float | None, Bound(ge=0, le=1, json_schema_extra={"format": "double"})]
Generation = Annotated[int, Bound(ge=1, le=GENERATIONS, json_schema_extra={"format": "int32"})]


class ReferralQuery(Wire):
    """How far down."""

    depth: int = Bound(default=GENERATIONS, ge=1, le=GENERATIONS, json_schema_extra={"format": "int32"},
                       description="Generations below the customer")  # fmt: skip


class CreditPoints(Wire):
    """What an introduction is worth at each status; all others are worth nothing."""

    introduced: Points
    met: Points
    analysis: Points
    policy: Points


class CreditRule(Wire):
    """How credit is reckoned: points of the status × the share of the generation."""

    points: CreditPoints
    shares: list[Points] = Bound(max_length=GENERATIONS, description="Of an ancestor at distance 1, 2, …: ½^(d-1)")


class ReferralNode(Wire):
    """A party who came through the one above it."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    is_shadow: bool = Bound(description="A shadow contact: known only through a customer")
    parent_id: UUID = Bound(description="Who introduced it: the customer of the path, or a node before it")
    depth: Generation = Bound(description="Generations below the customer of the path")
    introduction_id: UUID
    status: IntroductionStatus
    asked_on: date
    introduced_on: date
    points: Points = Bound(description="What the introduction is worth")
    credit: Points = Bound(description="What the customer of the path gets of it")


class ReferralTree(Wire):
    """Who came through a customer, and through those again, generation by generation."""

    customer_id: UUID
    depth: Generation = Bound(description="As asked")
    nodes: list[ReferralNode] = Bound(
        max_length=MAX_NODES, description="By generation, those worth most first, then those asked for first"
    )
    credit: Credit = Bound(description="Sum over all nodes within the depth, those left out included")
    truncated: bool = Bound(description="More than 500 nodes: the last ones are left out")
    rule: CreditRule


class StatusCounts(Wire):
    """How many introductions stand where."""

    asked: Tally
    agreed: Tally
    introduced: Tally
    met: Tally
    analysis: Tally
    policy: Tally
    declined: Tally


class ConversionRates(Wire):
    """Shares of those that came so far, whether declined later or not; null where there is nothing to divide by."""

    introduced_of_asked: Rate
    met_of_introduced: Rate
    analysis_of_met: Rate
    policy_of_introduced: Rate
    policy_of_asked: Rate


class IntroducerPublic(Wire):
    """A customer as an introducer: what was asked of him, what became of it, what it is worth."""

    id: UUID = Bound(description="The customer")
    name: Line100
    party_type: PartyType
    stage: Stage
    counts: StatusCounts
    total: Tally
    rates: ConversionRates
    credit: Credit = Bound(description="As in the referral tree, over six generations")
    tier: IntroducerTier
    last_introduced_on: date | None = Bound(description="The last day he introduced somebody")


class IntroducerPage(Wire):
    """A page of introducers, the greatest credit first."""

    items: list[IntroducerPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
