"""Warm introductions: paths from the caller, or from one party, to somebody he wants to meet."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import Id, Line20, Line100, Wire
from app.models.customers import PartyType, Stage, Tier
from app.models.forms import Label
from app.models.relation_types import RelationCode
from app.models.relationships import PartOfOne

_Start = Annotated[
    str,
    StringConstraints(max_length=36, pattern=r"^(me|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$"),
]


class PathQuery(Wire):
    """Whom to reach (exactly one of `to`, `at_company`, `to_tag`, `to_tier`), from where, how many paths, how long."""

    to: Id | None = Bound(default=None, description="A party the caller sees: person, company or shadow contact")
    at_company: Id | None = Bound(
        default=None, description="Anyone who works at, leads or owns this company; a person is answered 409"
    )
    to_tag: Line20 | None = Bound(default=None, description="Any customer with this tag")
    to_tier: Tier | None = Bound(default=None, description="Any customer of this tier")
    start: _Start = Bound(
        default="me", alias="from", description="`me`: whoever the caller knows himself; or the id of one party"
    )
    k: int = Bound(default=3, ge=1, le=5, json_schema_extra={"format": "int32"}, description="Most paths")
    max_hops: int = Bound(
        default=4, ge=1, le=4, json_schema_extra={"format": "int32"}, description="Most ties of a path"
    )


class Colleague(Wire):
    """The agent whose customer somebody is."""

    id: UUID
    name: Line100


class PathParty(Wire):
    """Somebody on a path. Without id and name: a customer of `colleague`, whom the caller does not see."""

    id: UUID | None
    name: Line100 | None
    party_type: PartyType | None
    stage: Stage | None
    is_shadow: bool | None
    colleague: Colleague | None = Bound(description="Whose customer it is; null for the caller's own")
    request_token: str | None = Bound(
        max_length=400, description="Of an unseen one: asks `colleague` for help, with `POST /v1/network/path-requests`"
    )


class PathHop(Wire):
    """One tie, from one party to the next. Of a tie that ends at somebody unseen only `warmth` is told."""

    relationship_id: UUID | None
    type: RelationCode | None
    label: Label | None = Bound(description="What the next one is to this one")
    strength: PartOfOne | None
    warmth: PartOfOne = Bound(description="Strength × weight of the type × recency of the last contact")
    last_interaction_on: date | None
    explanation: Label


class NetworkPath(Wire):
    """One way: its parties, and the ties between them."""

    score: PartOfOne = Bound(
        description="Chance that the introduction works: the product of the warmth of the ties, times how well the "
        "caller knows the first party (prospect 0.6, customer 0.9, investor 1)"
    )
    parties: list[PathParty] = Bound(min_length=2, max_length=5)
    hops: list[PathHop] = Bound(min_length=1, max_length=4)
    explanation: Label


class NetworkPaths(Wire):
    """The warmest first, each beginning with another person; empty when there is none worth at least 0.001."""

    items: list[NetworkPath] = Bound(max_length=5)
