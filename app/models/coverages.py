"""Coverage of the six directions 六个方向 of a customer, and of all customers of an agent."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.domain.coverage import State
from app.models.base import CalendarDate, Id, Line100, Line200, PageQuery, TenantRow, Wire
from app.models.customers import PartyType, Stage
from app.models.networks import Count
from app.models.relation_types import Direction
from app.models.relationships import PartOfOne

Points = Annotated[int, Bound(ge=0, le=100, json_schema_extra={"format": "int32"})]


class CoverageAnswer(TenantRow, table=True):
    """ "Asked: none": the customer said that there is nobody in this direction. A tie outweighs it."""

    __tablename__ = "coverage_answers"
    __collection__: ClassVar[str | None] = "coverage_answers"

    customer_id: UUID
    direction: Direction = Field(sa_column=Column(Text, nullable=False))
    asked_on: date
    recorded_by: UUID


class CoverageAnswerPut(Wire):
    """When the customer said that there is nobody."""

    asked_on: CalendarDate = Bound(description="Not in the future, as the day is in China")


class DirectionCoverage(Wire):
    """What is known of one direction."""

    direction: Direction
    state: State = Bound(
        description="`filled`: a current tie to a living party the caller sees; `asked_none`: the customer was asked "
        "and there is nobody; `unknown`"
    )
    count: Count = Bound(description="Such ties, those to shadow contacts included")
    strength: PartOfOne | None = Bound(description="The strongest of them; null when there is none")
    asked_on: date | None = Bound(description="When he said that there is nobody, also when a tie outweighs it")


class CoverageQuestion(Wire):
    """What to ask next."""

    direction: Direction
    zh: Line200
    en: Line200


class CoveragePublic(Wire):
    """How much of a customer's surroundings is known, direction by direction, and what to ask next.

    The score weighs directions differently for persons (relative and friend 25, client and partner 15, supplier and
    ally 10) and companies (client and partner 25, supplier 20, ally 15, friend 10, relative 5).
    """

    customer_id: UUID
    score: Points = Bound(description="Points of the answered directions, filled or asked; 100 means all six")
    directions: list[DirectionCoverage] = Bound(max_length=6, description="All six, as seen from the customer")
    next: CoverageQuestion | None = Bound(
        description="The unknown direction that weighs most, with a question; null when all are answered"
    )


class AgentCoverageQuery(PageQuery):
    """Whose customers."""

    agent_id: Id | None = Bound(default=None, description="Another agent whose customers the caller sees")


class DirectionCounts(Wire):
    """Customers by what is known of a direction."""

    filled: Count
    asked_none: Count
    unknown: Count


class SixCounts(Wire):
    """The counts of all six directions."""

    relative: DirectionCounts
    friend: DirectionCounts
    client: DirectionCounts
    supplier: DirectionCounts
    partner: DirectionCounts
    ally: DirectionCounts


class SixStates(Wire):
    """The states of all six directions."""

    relative: State
    friend: State
    client: State
    supplier: State
    partner: State
    ally: State


class CustomerCoverage(Wire):
    """One customer of the agent."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    score: Points
    directions: SixStates
    next_direction: Direction | None = Bound(description="What to ask about next; null when all are answered")


class AgentCoveragePage(Wire):
    """A summary over all customers of an agent the caller sees, and a page of them, the lowest score first."""

    customers: Count
    average_score: Annotated[float, Bound(ge=0, le=100, json_schema_extra={"format": "double"})] | None = Bound(
        description="To one decimal; null without customers"
    )
    directions: SixCounts
    items: list[CustomerCoverage] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
