"""How tests relate customers: one by one through the API, or a whole graph at once by SQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from app.domain.relation_catalogue import built_in
from tests.factories import World, create_customer

Json = dict[str, Any]
_PAIRED = {kind.code for kind in built_in() if kind.code != kind.inverse_code}


def url(customer: Json, *parts: object) -> str:
    return "/".join([f"/v1/customers/{customer['id']}/relationships", *(str(part) for part in parts)])


async def relate(client: httpx.AsyncClient, one: Json, other: Json, direction: str = "friend", **over: Any) -> Json:
    body = {"other_id": other["id"], "direction": direction, **over}
    answer = await client.post(url(one), json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def pair(world: World) -> tuple[Json, Json]:
    """Two customers of the agent; the first has the smaller id."""
    first, second = await create_customer(world.agent, name="王永庆"), await create_customer(world.agent, name="李雷")
    return (first, second) if UUID(first["id"]) < UUID(second["id"]) else (second, first)


@dataclass(frozen=True)
class Edge:
    """A row as stored; strength in thousandths, days as ISO text."""

    id: UUID
    left: UUID
    right: UUID
    kind: str
    strength: int
    since: str | None = None
    until: str | None = None


def tie(one: UUID, other: UUID, kind: str = "friend", strength: int = 500) -> Edge:
    """`other` is the `kind` (a `code`) of `one`."""
    left, right = (one, other) if kind in _PAIRED else (min(one, other), max(one, other))
    return Edge(uuid7(), left, right, kind, strength)


async def people(world: World, count: int, owner: str = "agent", party_type: str = "individual") -> list[UUID]:
    ids = [uuid7() for _ in range(count)]
    await world.db.execute(
        "INSERT INTO customers (org_id, id, owner_id, party_type, stage, name, name_key, search_text, created_digest, "
        "masked) SELECT $1, id, $2, $4, 'contact', '客户', 'k', 's', '', "
        """'{"phones": [], "emails": [], "addresses": []}' FROM unnest($3::uuid[]) AS c (id)""",
        world.org_id,
        world.users[owner],
        ids,
        party_type,
    )
    return ids


async def link(world: World, edges: Iterable[Edge], *, until: str | None = None) -> None:
    edges = list(edges)
    await world.db.execute(
        "INSERT INTO relationships (org_id, id, left_id, right_id, type, direction, strength, declared_strength, "
        "warmth, since, until, right_role, created_digest) "
        "SELECT $1, e.id, a, b, e.type, t.direction, s / 1000.0, s / 1000.0, "
        "round(s / 1000.0 * t.introduction_weight * 0.9, 3), e.since::date, coalesce(e.until, $2::text)::date, "
        "'角色', '' FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::int[], $8::text[], $9::text[]) "
        "AS e (id, a, b, type, s, since, until) "
        "JOIN relation_types t ON t.org_id = $1 AND t.code = e.type",
        world.org_id,
        until,
        [edge.id for edge in edges],
        [edge.left for edge in edges],
        [edge.right for edge in edges],
        [edge.kind for edge in edges],
        [edge.strength for edge in edges],
        [edge.since for edge in edges],
        [edge.until for edge in edges],
    )


async def network(client: httpx.AsyncClient, root: UUID, **params: Any) -> Json:
    answer = await client.get(f"/v1/customers/{root}/network", params=params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def ids(found: Json) -> list[UUID]:
    return [UUID(node["id"]) for node in found["nodes"]]


async def introduce(client: httpx.AsyncClient, introducer: Json, target: Json, *steps: str, **over: Any) -> Json:
    """An introduction that was asked for and has gone these steps since."""
    body = {"introducer_id": introducer["id"], "target_id": target["id"], **over}
    answer = await client.post("/v1/introductions", json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    for step in steps:
        answer = await go_on(client, made, step)
        assert answer.status_code == 200, answer.text
        made = answer.json()
    return made


async def go_on(client: httpx.AsyncClient, introduction: Json, step: str, **over: Any) -> httpx.Response:
    reason = {"reason": "no_need"} if step == "declined" else {}
    return await client.post(
        f"/v1/introductions/{introduction['id']}/advance",
        json={"status": step, **reason, **over},
        headers={"If-Match": f'"{introduction["version"]}"'},
    )


async def recommended(client: httpx.AsyncClient, **params: Any) -> list[Json]:
    answer = await client.get("/v1/network/recommendations", params=params)
    assert answer.status_code == 200, answer.text
    items: list[Json] = answer.json()["items"]
    return items
