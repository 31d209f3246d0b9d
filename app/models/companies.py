"""A company as an agent looks at it before he goes there: its people, who decides, its chains, its alliances."""

from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound

from app.models.base import Line50, Line100, Wire
from app.models.customers import Gender, PartyType, Stage, Tier
from app.models.forms import Label
from app.models.networks import Count, NetworkParty, Ownership
from app.models.relation_types import Direction, RelationCode
from app.models.relationships import PartOfOne

Level = Annotated[int, Bound(ge=1, le=3, json_schema_extra={"format": "int32"})]


class CompanyQuery(Wire):
    """How far to follow suppliers and clients."""

    levels: int = Bound(
        default=2, ge=1, le=3, json_schema_extra={"format": "int32"}, description="Levels of suppliers and clients"
    )


class CompanyParty(NetworkParty):
    """A person or company around it."""


class CompanyPerson(Wire):
    """Somebody at the company; of several ties of the same type the strongest."""

    party: CompanyParty
    label: Label
    role: Line50 | None = Bound(description="What he is there, in the recorder's own words")
    strength: PartOfOne = Bound(description="Of his tie with the company")


class CompanyPeople(Wire):
    """The people of one type: employees, directors …"""

    type: RelationCode = Bound(description="What they are to the company")
    label: Label
    total: Count
    items: list[CompanyPerson] = Bound(max_length=100, description="The strongest ties first")


class WayIn(Wire):
    """The caller's customer who knows somebody best: the strongest current tie, the company's own left aside."""

    customer_id: UUID
    name: Line100
    party_type: PartyType
    direction: Direction = Bound(description="What the one to be reached is to this customer")
    type: RelationCode
    label: Label
    strength: PartOfOne


class DecisionMember(Wire):
    """Somebody who decides, influences or screens what the company does."""

    party: CompanyParty
    roles: list[RelationCode] = Bound(max_length=5, description="The weightiest first")
    strength: PartOfOne = Bound(description="Of his strongest such tie with the company")
    way_in: WayIn | None = Bound(description="Null: none of the caller's customers knows him")


class DecisionUnit(Wire):
    """Controller, legal representative, decision makers, influencers and gatekeepers, in that order."""

    total: Count
    items: list[DecisionMember] = Bound(max_length=50)


class ChainParty(Wire):
    """A supplier or client of the one before it."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    tier: Tier | None
    gender: Gender | None
    is_shadow: bool
    ownership: Ownership
    direction: Direction = Bound(description="What it is to its parent: supplier or client")
    type: RelationCode
    label: Label
    role: Line50 | None
    strength: PartOfOne = Bound(description="Of the tie with its parent")
    level: Level
    parent_id: UUID = Bound(description="Of the party before it, or of the company itself")


class Chain(Wire):
    """Level by level, the strongest ties first; nobody twice."""

    items: list[ChainParty] = Bound(max_length=50)
    omitted: Count = Bound(description="Left out of the level at which the limit was reached")


class Alliance(Wire):
    """An ally, or a company that is a partner, parent, subsidiary, branch, shareholder …"""

    party: CompanyParty
    direction: Direction
    type: RelationCode = Bound(description="What it is to the company")
    label: Label
    role: Line50 | None
    strength: PartOfOne


class Alliances(Wire):
    """The strongest first."""

    total: Count
    items: list[Alliance] = Bound(max_length=100)


class CompanyPublic(Wire):
    """What is known of a company and of whom the caller sees around it.

    Auditors read the direction's own type in place of a sensitive one.
    """

    company: CompanyParty
    people: list[CompanyPeople] = Bound(max_length=1000, description="By type, those who decide first")
    decision_unit: DecisionUnit
    suppliers: Chain
    clients: Chain
    alliances: Alliances
