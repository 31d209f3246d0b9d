"""Influence 影响力 and communities: scores of the network, computed at night and on request."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound

from app.models.base import Line100, PageQuery, Wire
from app.models.customers import PartyType, Stage, Tier
from app.models.relationships import PartOfOne

MAX_COMMUNITIES, MAX_MEMBERS, MAX_BRIDGES = 100, 5, 50

Count = Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]
Community = Annotated[
    int,
    Bound(
        ge=0,
        le=2_147_483_647,
        json_schema_extra={"format": "int32"},
        description="A name of the community in this scope, not a rank; it may change when the network does",
    ),
]
Percent = Annotated[int, Bound(ge=0, le=100, json_schema_extra={"format": "int32"})]


class NetworkScope(StrEnum):
    """Which network was scored: that of the caller's own customers and shadow contacts, or everybody's."""

    me = "me"
    organization = "organization"


class JobStatus(StrEnum):
    """Where a job stands: it waits for a worker, or one is at it."""

    queued = "queued"
    running = "running"


class InfluenceQuery(PageQuery):
    """A page of the most influential."""

    scope: NetworkScope = NetworkScope.me


class CommunityQuery(Wire):
    """The communities of which network."""

    scope: NetworkScope = NetworkScope.me


class InfluencePublic(Wire):
    """A party with its scores. They were taken over the whole network of the scope."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    tier: Tier | None
    is_shadow: bool
    influence: Percent = Bound(
        description="100 × (1 - exp(-(introductions given + 0.5 × strengths of its ties in the six directions "
        "+ 2 when MVC) / 5))"
    )
    pagerank: PartOfOne | None = Bound(
        description="Its share of the attention in the network; all of them make 1. Null like `degree`"
    )
    betweenness: PartOfOne | None = Bound(
        description="Share of the shortest paths between others that lead through it; an estimate above 500 parties. "
        "Null like `degree`"
    )
    degree: Count | None = Bound(
        description="Parties it is tied to; null where some of them may be unknown to the caller"
    )
    value_degree: float | None = Bound(
        ge=0,
        json_schema_extra={"format": "double"},
        description="Value of those parties (MVC 4, MGC 3, LVC 1, BZ 0; without a tier investor 3, customer 2, "
        "prospect 1, contact 0.5), each times the strength of the tie; null like `degree`",
    )
    community: Community
    is_bridge: bool | None = Bound(description="Its ties lead into two or more other communities; null like `degree`")
    participation: PartOfOne | None = Bound(
        description="How evenly its ties are spread over communities: 0 all in one, towards 1 in many; null like "
        "`degree`"
    )


class InfluencePage(Wire):
    """The most influential parties the caller sees."""

    items: list[InfluencePublic] = Bound(max_length=200)
    next_cursor: Annotated[str, Bound(max_length=600)] | None
    computed_at: datetime | None = Bound(description="When the scores were last computed; null: never yet")


class CommunityMember(Wire):
    """One of the strongest members of a community."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    tier: Tier | None
    is_shadow: bool
    influence: Percent


class CommunityPublic(Wire):
    """Parties that stand closer to each other than to others."""

    community: Community
    size: Count = Bound(description="Members the caller sees")
    members: list[CommunityMember] = Bound(max_length=MAX_MEMBERS, description="The most influential of them")


class BridgePublic(CommunityMember):
    """A party through which communities know of each other."""

    community: Community
    connects: list[Community] = Bound(
        max_length=200, description="Other communities in which it is tied to somebody the caller sees"
    )


class CommunityList(Wire):
    """The largest communities of two or more, and the bridges among all."""

    items: list[CommunityPublic] = Bound(max_length=MAX_COMMUNITIES)
    bridges: list[BridgePublic] = Bound(max_length=MAX_BRIDGES, description="Who lies on most paths comes first")
    computed_at: datetime | None = Bound(description="When the scores were last computed; null: never yet")


class RefreshJob(Wire):
    """A job in the queue."""

    name: Annotated[str, Bound(max_length=60)]
    status: JobStatus
    queued_at: datetime = Bound(description="When it was first asked for")


class InfluenceRefresh(Wire):
    """The job that will bring new scores, and from when the present ones are."""

    job: RefreshJob
    computed_at: datetime | None = Bound(
        description="When the scores were last computed, as in the lists; null: never yet. Later than `queued_at` when "
        "the job is done"
    )
