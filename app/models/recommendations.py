"""Next best introductions: whom an agent does not know yet and why he is worth meeting; whom he dismissed."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from app.models.base import Id, Line100, Wire, utc_now
from app.models.customers import Gender, PartyType, Stage, Tier
from app.models.forms import Label
from app.models.networks import Count
from app.models.relation_types import Direction, RelationCode
from app.models.relationships import PartOfOne


class DismissalReason(StrEnum):
    """Why somebody is not to be recommended: he is known, does not fit, not just now, or asked to be left alone."""

    known_already = "known_already"
    not_suitable = "not_suitable"
    not_now = "not_now"
    asked_not_to = "asked_not_to"


class RecommendationDismissal(SQLModel, table=True):
    """A user's own decision; with a day in `dismissed_until` it lasts until then, else for good."""

    __tablename__ = "recommendation_dismissals"

    org_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    customer_id: UUID = Field(primary_key=True)
    reason: DismissalReason = Field(sa_column=Column(Text))
    dismissed_at: datetime = Field(default_factory=utc_now)
    dismissed_until: date | None = None


class DismissalPut(Wire):
    """Why somebody is not to be recommended any more."""

    reason: DismissalReason = Bound(description="`not_now` holds for 90 days, everything else until it is taken back")


class DismissalPublic(Wire):
    """A dismissal as it stands."""

    customer_id: UUID
    reason: DismissalReason
    dismissed_at: datetime
    dismissed_until: date | None = Bound(description="The day he may be recommended again; null: never")


class RecommendationQuery(Wire):
    """How many, and through whom."""

    limit: int = Bound(default=20, ge=1, le=50, json_schema_extra={"format": "int32"}, description="Most people")
    customer_id: Id | None = Bound(default=None, description="Only whom this customer can introduce")


class RecommendedPerson(Wire):
    """Somebody two steps away: a shadow contact, or a customer of stage `contact`, of the caller's own."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    tier: Tier | None
    gender: Gender | None
    is_shadow: bool


class RecommendationParts(Wire):
    """What the score is made of, each to three decimals."""

    closeness: PartOfOne = Bound(description="How likely the introduction works (Adamic-Adar over warm ties)")
    value: PartOfOne = Bound(description="Tier, kind of party, ties to valuable customers, ways to him")
    coverage: PartOfOne = Bound(
        description="How rarely anybody is known in his direction around the caller's customers"
    )
    novelty: PartOfOne = Bound(description="Moderately weak tie, few shared contacts, another community")


class Introducer(Wire):
    """A customer of the caller who can introduce; the person is `direction` and `type` of him."""

    id: UUID
    name: Line100
    direction: Direction
    type: RelationCode
    label: Label = Bound(description="What the person is to him")
    strength: PartOfOne
    last_interaction_on: date | None


class Reason(Wire):
    """A sentence for the agent."""

    code: Literal[
        "introduced_by", "several_introducers", "new_direction", "moderate_tie", "another_community", "knows_valuable",
        "valuable", "company",
    ]  # fmt: skip
    zh: Annotated[str, StringConstraints(max_length=300)]
    en: Annotated[str, StringConstraints(max_length=300)]


class Recommendation(Wire):
    """Somebody worth meeting. The score is 0.40 closeness + 0.25 value + 0.15 coverage + 0.20 novelty, exactly."""

    person: RecommendedPerson
    score: PartOfOne
    parts: RecommendationParts
    introducers: list[Introducer] = Bound(max_length=3, description="The best ways to him")
    introducer_count: Count = Bound(description="Customers of the caller who could introduce")
    reasons: list[Reason] = Bound(max_length=8, description="The way to him first")


class RecommendationList(Wire):
    """Whom to meet next, the best first."""

    items: list[Recommendation] = Bound(max_length=50)
