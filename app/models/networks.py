"""The penetration network 渗透网 around a customer."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import CalendarDate, Flag, Line50, Line100, Wire
from app.models.customers import Gender, PartyType, Stage, Tier
from app.models.relation_types import Direction, RelationCode
from app.models.relationships import Directions, PartOfOne, Types


class Ownership(StrEnum):
    """Whose customer it is: the caller's, somebody's he answers for, or his service team's."""

    mine = "mine"
    colleague = "colleague"
    service_team = "service_team"


Hops = Annotated[int, Bound(ge=0, le=3, json_schema_extra={"format": "int32"})]
Count = Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]
NodeKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class NetworkQuery(Wire):
    """How far to go, along which ties, and how much to answer."""

    depth: int = Bound(default=2, ge=1, le=3, json_schema_extra={"format": "int32"}, description="Hops from the root")
    direction: Directions = Bound(
        default=None,
        description="Follow only these directions, comma separated; each as seen from the customer already reached",
    )
    type: Types = Bound(default=None, description="Follow only these types, likewise as seen from the one reached")
    min_strength: float = Bound(
        default=0, ge=0, le=1, json_schema_extra={"format": "double"}, description="Follow only ties at least as strong"
    )
    on: CalendarDate | None = Bound(
        default=None, description="The network as of this day; without it, of ties that have not ended"
    )
    outer_ties: Flag = Bound(
        default=False,
        description="Also the ties between two the walk did not go on from: of the last hop and, where the limit was "
        "reached, the weakest of the one before. They are as many as all others, and lead nowhere new; around a single "
        "hop they are always there",
    )
    limit: int = Bound(
        default=100, ge=1, le=300, json_schema_extra={"format": "int32"}, description="Most nodes, the root included"
    )


class NetworkDrawingQuery(NetworkQuery):
    """The same for a picture, which a phone can show of so many."""

    limit: int = Bound(
        default=60, ge=1, le=100, json_schema_extra={"format": "int32"}, description="Most nodes, the root included"
    )


class NetworkExportQuery(NetworkQuery):
    """The same for a file, which is to be whole."""

    outer_ties: Flag = Bound(default=True, description="Also the ties between two the walk did not go on from")


class NetworkParty(Wire):
    """A person or company, as it is drawn."""

    id: UUID
    name: Line100
    party_type: PartyType
    stage: Stage
    tier: Tier | None
    gender: Gender | None
    is_shadow: bool = Bound(description="A shadow contact: known only through a customer")
    ownership: Ownership


class NetworkNode(NetworkParty):
    """A party in the network. Parent, strength and direction belong to the strongest path kept."""

    depth: Hops = Bound(description="Hops from the root")
    parent_id: UUID | None = Bound(description="The node before it on the path; null for the root")
    strength: PartOfOne = Bound(description="Product of the strengths along the path; root: 1")
    via: Direction | None = Bound(description="What it is to its parent; null for the root")
    via_type: RelationCode | None = Bound(description="The type of that tie as read from the parent")
    degree: Count = Bound(description="Ties it has in this answer")
    hidden: int = Bound(
        ge=0,
        le=99,
        json_schema_extra={"format": "int32"},
        description="Neighbours by a current tie whom the caller may not see, whatever the filters; counted to 99, and "
        "0 where the walk went no further",
    )


class NetworkEdge(Wire):
    """A relationship between two nodes: `to_id` is the `direction` (and `type`, and `role`) of `from_id`."""

    id: UUID
    from_id: UUID
    to_id: UUID
    direction: Direction
    type: RelationCode
    strength: PartOfOne
    role: Line50 | None


class NetworkPublic(Wire):
    """The parties around one, breadth first, with the relationships among them."""

    root_id: UUID
    depth: int = Bound(ge=1, le=3, json_schema_extra={"format": "int32"}, description="As asked")
    nodes: list[NetworkNode] = Bound(max_length=300, description="The root first, then hop by hop, strongest first")
    edges: list[NetworkEdge] = Bound(max_length=2000)
    truncated: bool = Bound(
        description="There is more: the limit was reached, or a customer with very many relationships was followed "
        "only along the strongest"
    )
    omitted: Count = Bound(
        description="Parties met and left out at the hop at which the limit was reached; who stands behind them, or "
        "behind somebody too weak to lead to a better one, is not counted",
    )
    hidden: Count = Bound(description="Sum of `hidden` over the nodes")


class JsonGraphNodeFacts(Wire):
    """What else is known of a node, as in the network."""

    party_type: PartyType
    stage: Stage
    tier: Tier | None
    gender: Gender | None
    is_shadow: bool
    ownership: Ownership
    depth: Hops
    parent_id: UUID | None
    strength: PartOfOne
    via: Direction | None
    via_type: RelationCode | None
    via_label: Line50 | None
    degree: Count
    hidden: Count


class JsonGraphNode(Wire):
    """A party; its id is the key."""

    label: Line100
    facts: JsonGraphNodeFacts = Bound(alias="metadata")


class JsonGraphEdgeFacts(Wire):
    """What else is known of an edge, as in the network."""

    direction: Direction
    strength: PartOfOne
    role: Line50 | None


class JsonGraphEdge(Wire):
    """A relationship: `target` is the `relation` of `source`."""

    id: UUID
    source: UUID
    target: UUID
    relation: RelationCode
    directed: Literal[True]
    label: Line50
    facts: JsonGraphEdgeFacts = Bound(alias="metadata")


class JsonGraphFacts(Wire):
    """What was asked, and what the answer leaves out."""

    root_id: UUID
    depth: int = Bound(ge=1, le=3, json_schema_extra={"format": "int32"})
    truncated: bool
    omitted: Count
    hidden: Count


class JsonGraph(Wire):
    """One graph of JSON Graph Format 2."""

    id: UUID
    label: Line100
    type: Literal["penetration network"]
    directed: Literal[True]
    facts: JsonGraphFacts = Bound(alias="metadata")
    nodes: dict[NodeKey, JsonGraphNode] = Bound(max_length=300)
    edges: list[JsonGraphEdge] = Bound(max_length=2000)


class NetworkJsonGraph(Wire):
    """The network as a document of JSON Graph Format 2."""

    graph: JsonGraph
