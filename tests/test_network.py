"""The network around a customer: what is reached, in which order, what is left out, and what may not be seen.

Graphs are written by SQL, because most of them are too big to be entered one relationship at a time. The rules are
written down a second time below (`walk`), as plainly as can be, and both must agree.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from tests.factories import World

Json = dict[str, Any]
KINDS = ("relative", "friend", "client", "partner", "ally")  # as stored: a supplier is the left end of a client row


@dataclass(frozen=True)
class Edge:
    """A row as stored; strength in thousandths."""

    id: UUID
    left: UUID
    right: UUID
    kind: str
    strength: int


def tie(one: UUID, other: UUID, kind: str = "friend", strength: int = 500) -> Edge:
    left, right = (one, other) if kind == "client" else (min(one, other), max(one, other))
    return Edge(uuid7(), left, right, kind, strength)


async def people(world: World, count: int, owner: str = "agent") -> list[UUID]:
    ids = [uuid7() for _ in range(count)]
    await world.db.execute(
        "INSERT INTO customers (org_id, id, owner_id, party_type, stage, name, name_key, search_text, created_digest) "
        "SELECT $1, id, $2, 'individual', 'contact', '客户', 'k', 's', '' FROM unnest($3::uuid[]) AS c (id)",
        world.org_id,
        world.users[owner],
        ids,
    )
    return ids


async def link(world: World, edges: Iterable[Edge], *, until: str | None = None) -> None:
    edges = list(edges)
    await world.db.execute(
        "INSERT INTO relationships (org_id, id, left_id, right_id, type, strength, until, right_role, created_digest) "
        "SELECT $1, id, a, b, type, s / 1000.0, $2::text::date, '角色', '' "
        "FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::int[]) AS e (id, a, b, type, s)",
        world.org_id,
        until,
        [edge.id for edge in edges],
        [edge.left for edge in edges],
        [edge.right for edge in edges],
        [edge.kind for edge in edges],
        [edge.strength for edge in edges],
    )


async def network(client: httpx.AsyncClient, root: UUID, **params: Any) -> Json:
    answer = await client.get(f"/v1/customers/{root}/network", params=params)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def ids(found: Json) -> list[UUID]:
    return [UUID(node["id"]) for node in found["nodes"]]


def walk(root: UUID, edges: list[Edge], depth: int, limit: int, allowed: set[str] | None = None) -> Json:
    """The rules without their database: breadth first, best product, limit; no fan."""
    paths: dict[UUID, tuple[int, UUID | None, Decimal, str | None]] = {root: (0, None, Decimal(1), None)}
    front, omitted = [root], 0
    for hop in range(1, depth + 1):
        best: dict[UUID, tuple[Decimal, UUID, UUID, str]] = {}
        for node in front:
            for edge in edges:
                if node not in (edge.left, edge.right):
                    continue
                other = edge.right if edge.left == node else edge.left
                via = "supplier" if edge.kind == "client" and edge.right == node else edge.kind
                if other in paths or (allowed is not None and via not in allowed):
                    continue
                product = paths[node][2] * edge.strength / 1000
                if other not in best or (product, edge.id) > best[other][:2]:
                    best[other] = (product, edge.id, node, via)
        order = sorted(best, key=lambda node: (-best[node][0], node))
        front, omitted = order[: limit - len(paths)], len(order) - len(order[: limit - len(paths)])
        paths.update({node: (hop, best[node][2], best[node][0], best[node][3]) for node in front})
        if omitted or not front:
            break
    kinds = None if allowed is None else {"client" if kind == "supplier" else kind for kind in allowed}
    inner = {edge.id for edge in edges if {edge.left, edge.right} <= paths.keys() and (not kinds or edge.kind in kinds)}
    return {"paths": paths, "edges": inner, "omitted": omitted}


def same(found: Json, expected: Json) -> None:
    nodes = {
        UUID(node["id"]): (
            node["depth"], node["parent_id"] and UUID(node["parent_id"]), Decimal(str(node["strength"])), node["via"],
        )
        for node in found["nodes"]
    }  # fmt: skip
    assert nodes == expected["paths"]
    assert ids(found) == list(expected["paths"])
    assert {UUID(edge["id"]) for edge in found["edges"]} == expected["edges"]
    assert (found["truncated"], found["omitted"]) == (expected["omitted"] > 0, expected["omitted"])


def graph(seed: int, nodes: list[UUID]) -> list[Edge]:
    """A random graph with hubs, equal strengths and several relationships between the same two."""
    chance = random.Random(seed)
    facts = set()
    for _ in range(len(nodes) * 2):
        one, other = nodes[int(len(nodes) * chance.random() ** 2)], chance.choice(nodes)
        if one != other:
            kind = chance.choice(KINDS)
            facts.add((one, other, kind) if kind == "client" else (min(one, other), max(one, other), kind))
    return [tie(*fact, chance.choice((0, 250, 500, 500, 837, 1000))) for fact in sorted(facts)]


# --- shape -----------------------------------------------------------------------------------------------------------


async def test_lonely_customer_is_his_whole_network(world: World) -> None:
    (root,) = await people(world, 1)
    found = await network(world.agent, root)
    assert list(found) == ["root_id", "depth", "nodes", "edges", "truncated", "omitted"]
    assert found["nodes"] == [
        {
            "id": str(root), "name": "客户", "party_type": "individual", "stage": "contact",
            "depth": 0, "parent_id": None, "strength": 1, "via": None,
        }
    ]  # fmt: skip
    assert (found["root_id"], found["depth"], found["edges"]) == (str(root), 2, [])
    assert (found["truncated"], found["omitted"]) == (False, 0)


async def test_node_carries_parent_product_and_direction(world: World) -> None:
    root, uncle, factory = await people(world, 3)
    first, second = tie(root, uncle, "relative", 900), tie(factory, uncle, "client", 150)
    await link(world, [first, second])
    found = await network(world.agent, root)
    shown = [(node["id"], node["depth"], node["parent_id"], node["strength"], node["via"]) for node in found["nodes"]]
    assert shown[1:] == [
        (str(uncle), 1, str(root), 0.9, "relative"),
        (str(factory), 2, str(uncle), 0.135, "supplier"),
    ]
    assert [edge["id"] for edge in found["edges"]] == [str(first.id), str(second.id)]
    assert found["edges"][1] == {
        "id": str(second.id), "from_id": str(factory), "to_id": str(uncle),
        "direction": "client", "strength": 0.15, "role": "角色",
    }  # fmt: skip


async def test_stronger_of_two_paths_is_kept_and_both_are_drawn(world: World) -> None:
    root, weak, strong, end = await people(world, 4)
    await link(world, [tie(root, weak, "friend", 900), tie(root, strong, "ally", 600)])
    await link(world, [tie(weak, end, "friend", 500), tie(strong, end, "partner", 800)])
    found = await network(world.agent, root)
    last = found["nodes"][-1]
    assert (last["id"], last["parent_id"], last["strength"], last["via"]) == (str(end), str(strong), 0.48, "partner")
    assert len(found["edges"]) == 4


async def test_shorter_path_wins_over_a_stronger_longer_one(world: World) -> None:
    root, middle, end = await people(world, 3)
    await link(world, [tie(root, end, strength=10), tie(root, middle, strength=1000), tie(middle, end, strength=1000)])
    found = await network(world.agent, root, depth=3)
    assert {node["id"]: node["depth"] for node in found["nodes"]}[str(end)] == 1


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_depth_is_the_number_of_hops(world: World, depth: int) -> None:
    chain = await people(world, 6)
    await link(world, [tie(one, other) for one, other in pairwise(chain)])
    found = await network(world.agent, chain[0], depth=depth)
    assert ids(found) == chain[: depth + 1]
    assert (found["depth"], found["truncated"], len(found["edges"])) == (depth, False, depth)


async def test_circle_ends(world: World) -> None:
    circle = await people(world, 3)
    await link(world, [tie(one, other) for one, other in zip(circle, circle[1:] + circle[:1], strict=True)])
    found = await network(world.agent, circle[0], depth=3)
    assert (sorted(ids(found)), len(found["edges"])) == (sorted(circle), 3)


async def test_ended_and_deleted_relationships_lead_nowhere(world: World) -> None:
    root, before, later, removed, kept = await people(world, 5)
    gone, alive = tie(root, removed), tie(root, kept)
    await link(world, [tie(root, before), tie(before, kept)], until="2020-01-01")
    await link(world, [tie(root, later)], until="2999-12-31")
    await link(world, [gone, alive])
    await world.db.execute("UPDATE relationships SET deleted_at = now() WHERE id = $1", gone.id)
    found = await network(world.agent, root, depth=3)
    assert ids(found) == [root, kept]
    assert [edge["id"] for edge in found["edges"]] == [str(alive.id)]
    for end in (before, later, removed):
        assert ids(await network(world.agent, end, depth=3)) == [end]


# --- filter ----------------------------------------------------------------------------------------------------------


async def test_direction_is_seen_from_the_one_already_reached(world: World) -> None:
    root, buyer, vendor, buyers_buyer, buyers_vendor = await people(world, 5)
    await link(world, [tie(root, buyer, "client"), tie(vendor, root, "client")])
    await link(world, [tie(buyer, buyers_buyer, "client"), tie(buyers_vendor, buyer, "client")])
    downstream = await network(world.agent, root, direction="client")
    assert set(ids(downstream)) == {root, buyer, buyers_buyer}
    assert {node["via"] for node in downstream["nodes"][1:]} == {"client"}
    upstream = await network(world.agent, root, direction="supplier")
    assert set(ids(upstream)) == {root, vendor}
    both = await network(world.agent, root, direction="supplier,client")
    assert set(ids(both)) == {root, buyer, vendor, buyers_buyer, buyers_vendor}
    assert set(ids(await network(world.agent, buyer, direction="supplier"))) == {buyer, root, vendor, buyers_vendor}
    assert ids(await network(world.agent, root, direction="ally")) == [root]


async def test_edges_keep_to_the_directions_asked(world: World) -> None:
    root, other, third = await people(world, 3)
    kept = [tie(root, other, "friend"), tie(other, third, "friend")]
    await link(world, [*kept, tie(root, third, "partner"), tie(root, other, "client")])
    found = await network(world.agent, root, direction="friend")
    assert {edge["id"] for edge in found["edges"]} == {str(edge.id) for edge in kept}
    assert len((await network(world.agent, root))["edges"]) == 4


@pytest.mark.parametrize(
    "query", ["depth=0", "depth=4", "limit=0", "limit=301", "direction=enemy", "direction=friend,", "cursor=x"]
)
async def test_parameter_out_of_bounds_is_422(world: World, query: str) -> None:
    (root,) = await people(world, 1)
    answer = await world.agent.get(f"/v1/customers/{root}/network?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.split("=")[0]]


# --- limit -----------------------------------------------------------------------------------------------------------


async def test_limit_keeps_the_strongest_and_counts_the_rest(world: World) -> None:
    root, *arms = await people(world, 9)
    await link(world, [tie(root, arm, strength=100 * index) for index, arm in enumerate(arms, start=1)])
    found = await network(world.agent, root, limit=4)
    assert ids(found) == [root, arms[7], arms[6], arms[5]]
    assert (found["truncated"], found["omitted"], len(found["edges"])) == (True, 5, 3)
    whole = await network(world.agent, root, limit=9)
    assert (len(whole["nodes"]), whole["truncated"], whole["omitted"]) == (9, False, 0)


async def test_limit_reached_at_the_end_of_a_hop_still_tells_of_the_next(world: World) -> None:
    chain = await people(world, 4)
    await link(world, [tie(one, other) for one, other in pairwise(chain)])
    found = await network(world.agent, chain[0], depth=3, limit=3)
    assert (ids(found), found["truncated"], found["omitted"]) == (chain[:3], True, 1)
    alone = await network(world.agent, chain[0], depth=3, limit=1)
    assert (ids(alone), alone["edges"], alone["omitted"]) == (chain[:1], [], 1)
    exact = await network(world.agent, chain[0], depth=2, limit=3)
    assert (exact["truncated"], exact["omitted"]) == (False, 0)


async def test_near_ones_come_before_far_ones_when_it_is_tight(world: World) -> None:
    root, near, far, other = await people(world, 4)
    await link(world, [tie(root, near, strength=900), tie(near, far, strength=1000), tie(root, other, strength=10)])
    assert ids(await network(world.agent, root, limit=3)) == [root, near, other]


async def test_hub_at_the_root_is_counted_whole(world: World) -> None:
    root, *arms = await people(world, 501)
    await link(world, [tie(root, arm, strength=index) for index, arm in enumerate(arms)])
    found = await network(world.agent, root, depth=3, limit=300)
    assert ids(found) == [root, *reversed(arms[-299:])]
    assert (found["truncated"], found["omitted"]) == (True, 201)


async def test_hub_among_many_gives_only_its_strongest(world: World) -> None:
    root, hub, *others = await people(world, 540)
    siblings, arms = others[:39], others[39:]  # 40 customers share the budget of 4,000: 100 relationships each
    await link(world, [tie(root, one, strength=1000) for one in (hub, *siblings)])
    await link(world, [tie(hub, arm, strength=1 + index) for index, arm in enumerate(arms)])
    leaf = (await people(world, 1))[0]
    await link(world, [tie(siblings[0], leaf, strength=0)])
    found = await network(world.agent, root, limit=300)
    second = {UUID(node["id"]) for node in found["nodes"] if node["depth"] == 2}
    assert second == {*arms[-100:], leaf}  # the weakest tie of a small customer is not crowded out
    assert (found["truncated"], found["omitted"]) == (True, 0)


async def test_edges_are_capped_and_the_paths_survive(world: World) -> None:
    nodes = await people(world, 70)
    root, last = nodes[0], nodes[-1]
    crowd = [tie(one, other, strength=900) for index, one in enumerate(nodes[1:-1]) for other in nodes[index + 2 : -1]]
    spokes = [tie(root, node, strength=1) for node in nodes[1:-1]]
    thin = tie(nodes[1], last, strength=0)
    await link(world, [*crowd, *spokes, thin])
    found = await network(world.agent, root, limit=300)
    drawn = {UUID(edge["id"]) for edge in found["edges"]}
    assert (len(nodes), len(crowd) + len(spokes) + 1) == (len(found["nodes"]), 2347)
    assert (len(drawn), found["truncated"], found["omitted"]) == (2000, True, 0)
    assert {edge.id for edge in spokes} | {thin.id} <= drawn


# --- who sees what ---------------------------------------------------------------------------------------------------


async def test_hidden_customers_are_neither_shown_nor_passed_through_nor_counted(world: World) -> None:
    root, own = await people(world, 2)
    hidden = await people(world, 30, "mate")
    behind = (await people(world, 1))[0]
    await link(world, [tie(root, own, strength=1)])
    await link(world, [tie(root, node, strength=900) for node in hidden])
    await link(world, [tie(hidden[0], behind)])
    seen = await network(world.agent, root, depth=3, limit=2)
    assert ids(seen) == [root, own]
    assert (seen["truncated"], seen["omitted"], len(seen["edges"])) == (False, 0, 1)
    for name in ("manager", "admin", "auditor"):
        assert len(ids(await network(getattr(world, name), root, depth=3, limit=300))) == 33, name


async def test_hidden_ties_do_not_use_up_the_fan(world: World) -> None:
    root, *siblings = await people(world, 41)  # 40 in the first hop: 100 relationships each
    hidden, own = await people(world, 150, "mate"), await people(world, 3)
    await link(world, [tie(root, node, strength=1000) for node in siblings])
    await link(world, [tie(siblings[0], node, strength=900) for node in hidden])
    await link(world, [tie(siblings[0], node, strength=1) for node in own])
    found = await network(world.agent, root, limit=300)
    assert set(own) <= set(ids(found))
    assert (len(found["nodes"]), found["truncated"], found["omitted"]) == (44, False, 0)


async def test_deleted_customer_cuts_the_path(world: World) -> None:
    chain = await people(world, 3)
    await link(world, [tie(one, other) for one, other in pairwise(chain)])
    await world.db.execute("UPDATE customers SET deleted_at = now() WHERE id = $1", chain[1])
    for end in (chain[0], chain[2]):
        found = await network(world.agent, end, depth=3)
        assert (ids(found), found["edges"], found["truncated"]) == ([end], [], False)


async def test_root_is_404_or_410_as_a_profile(world: World, other_world: World) -> None:
    root, gone, long_gone = await people(world, 3)
    await world.db.execute("UPDATE customers SET deleted_at = now() WHERE id = $1", gone)
    await world.db.execute("UPDATE customers SET deleted_at = now() - interval '31 days' WHERE id = $1", long_gone)
    for client, customer, expected in (
        (world.agent, root, 200), (world.agent, gone, 410), (world.agent, long_gone, 404),
        (world.agent, uuid7(), 404), (world.mate, root, 404), (other_world.admin, root, 404),
    ):  # fmt: skip
        answer = await client.get(f"/v1/customers/{customer}/network")
        assert answer.status_code == expected
    assert (await world.client().get(f"/v1/customers/{root}/network")).status_code == 401


async def test_function_refuses_another_organisation(world: World, other_world: World) -> None:
    (root,) = await people(world, 1)
    call = "SELECT ego_network($1, NULL, $2, 2, 100, NULL)"
    for bound in (None, other_world.org_id):
        async with world.db.transaction():
            if bound is not None:
                await world.db.execute(f"SET LOCAL app.org_id = '{bound}'")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with world.db.transaction():
                    await world.db.fetchval(call, world.org_id, root)


async def test_function_is_for_the_application_only_and_runs_with_its_rights(world: World) -> None:
    row = await world.db.fetchrow(
        "SELECT prosecdef, proacl::text[] AS acl FROM pg_proc WHERE proname = 'ego_network'",
    )
    assert row["prosecdef"] is False
    assert sorted(entry.split("=")[0] for entry in row["acl"]) == ["renmai_app", "renmai_owner"]


# --- against the rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_random_graph_agrees_with_the_plain_rules(world: World, seed: int) -> None:
    nodes = await people(world, 60)
    edges = graph(seed, nodes)
    await link(world, edges)
    chance = random.Random(seed)
    for root in chance.sample(nodes, 6):
        for depth in (1, 2, 3):
            same(await network(world.agent, root, depth=depth, limit=300), walk(root, edges, depth, 300))
            limit = chance.randint(1, 20)
            same(await network(world.agent, root, depth=depth, limit=limit), walk(root, edges, depth, limit))
            allowed = set(chance.sample([*KINDS, "supplier"], chance.randint(1, 4)))
            asked = await network(world.agent, root, depth=depth, limit=300, direction=",".join(allowed))
            same(asked, walk(root, edges, depth, 300, allowed))


@pytest.mark.parametrize("seed", range(3))
async def test_random_graph_of_two_owners_is_the_graph_without_the_hidden_ones(world: World, seed: int) -> None:
    own, hidden = await people(world, 40), await people(world, 25, "mate")
    edges = graph(seed, random.Random(seed).sample(own + hidden, 65))
    await link(world, edges)
    seen = [edge for edge in edges if {edge.left, edge.right} <= set(own)]
    for root in own[:8]:
        same(await network(world.agent, root, depth=3, limit=12), walk(root, seen, 3, 12))
        same(await network(world.manager, root, depth=3, limit=300), walk(root, edges, 3, 300))


async def test_network_is_one_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = await people(world, 40)
    await link(world, graph(1, nodes))
    await network(world.agent, nodes[0])  # signs in
    asked: list[str] = []
    original = asyncpg.Connection.fetchrow

    async def counted(self: asyncpg.Connection, query: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(query)
        return await original(self, query, *args, **kwargs)

    monkeypatch.setattr(asyncpg.Connection, "fetchrow", counted)
    found = await network(world.agent, nodes[0], depth=3, limit=300)
    assert len(found["nodes"]) > 20
    assert ["ego_network(" in query for query in asked if "sessions" not in query] == [True]
