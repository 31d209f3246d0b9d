"""The network around a customer: what is reached, and in which order.

Graphs are written by SQL, because most of them are too big to be entered one relationship at a time. The rules are
written down a second time below (`walk`), as plainly as can be, and both must agree.
"""

import random
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.factories import World
from tests.network_rules import only, same, walk
from tests.ties import Edge, ids, link, network, people, tie

KINDS = ("relative", "friend", "client", "partner", "ally")  # as stored: a supplier is the left end of a client row


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
    assert list(found) == ["root_id", "depth", "nodes", "edges", "truncated", "omitted", "hidden"]
    assert found["nodes"] == [
        {
            "id": str(root), "name": "客户", "party_type": "individual", "stage": "contact", "tier": None,
            "gender": None, "is_shadow": False, "ownership": "mine", "depth": 0, "parent_id": None, "strength": 1,
            "via": None, "via_type": None, "degree": 0, "hidden": 0,
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
        "direction": "client", "type": "client", "strength": 0.15, "role": "角色",
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


async def test_ties_between_two_of_the_last_hop_are_shown_when_asked_for(world: World) -> None:
    root, near, mate, one, other = await people(world, 5)
    paths = [tie(root, near), tie(root, mate), tie(near, one), tie(mate, other)]
    within, outer = tie(near, mate), tie(one, other)
    await link(world, [*paths, within, outer])

    async def drawn(**query: Any) -> set[UUID]:
        return {UUID(edge["id"]) for edge in (await network(world.agent, root, **query))["edges"]}

    assert await drawn(depth=1) == {paths[0].id, paths[1].id, within.id}
    assert await drawn(depth=2) == {*(edge.id for edge in paths), within.id}
    assert (
        await drawn(depth=2, outer_ties="true")
        == await drawn(depth=3)
        == {*(edge.id for edge in paths), within.id, outer.id}
    )
    graphml = await world.admin.get(f"/v1/customers/{root}/network.graphml", params={"depth": 2})
    assert graphml.text.count("<edge ") == 6


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
    "query",
    ["depth=0", "depth=4", "limit=0", "limit=301", "direction=enemy", "direction=friend,", "outer_ties=1", "cursor=x"],
)
async def test_parameter_out_of_bounds_is_422(world: World, query: str) -> None:
    (root,) = await people(world, 1)
    answer = await world.agent.get(f"/v1/customers/{root}/network?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.split("=")[0]]


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
            same(asked, walk(root, edges, depth, 300, only(allowed)))
            asked = await network(world.agent, root, depth=depth, limit=limit, outer_ties="true")
            same(asked, walk(root, edges, depth, limit), outer=True)


@pytest.mark.parametrize("seed", range(4))
async def test_wide_hop_is_gone_on_from_where_it_can_matter(world: World, seed: int) -> None:
    """Whoever is kept is the same as if the walk had gone on from everybody."""
    nodes, chance = await people(world, 130), random.Random(seed)
    arms = nodes[1:100]
    edges = [tie(nodes[0], arm, chance.choice(KINDS), chance.randint(1, 10) * 100) for arm in arms]
    for one, other in (chance.sample(nodes[1:], 2) for _ in range(300)):
        edges.append(tie(one, other, "friend", chance.randint(1, 10) * 100))
    edges = list({(edge.left, edge.right, edge.kind): edge for edge in edges}.values())
    await link(world, edges)
    partial = 0
    for depth, limit in ((2, 101), (2, 104), (2, 110), (2, 125), (3, 103), (3, 130)):
        expected = walk(nodes[0], edges, depth, limit)
        partial += expected["partial"]
        same(await network(world.agent, nodes[0], depth=depth, limit=limit), expected)
        outer = await network(world.agent, nodes[0], depth=depth, limit=limit, outer_ties="true")
        same(outer, expected, outer=True)
        allowed = set(chance.sample(KINDS, 3))
        asked = await network(world.agent, nodes[1], depth=3, limit=limit // 2, direction=",".join(allowed))
        filtered = walk(nodes[1], edges, 3, limit // 2, only(allowed))
        partial += filtered["partial"]
        same(asked, filtered)
    assert partial > 2


async def test_tie_against_the_filter_is_drawn_to_whom_the_walk_did_not_go_on_from(world: World) -> None:
    root, vendor, *more = await people(world, 50)
    second, third = more[:40], more[40:]  # with room for two, the walk goes on from 18 of the 40
    edges = [tie(vendor, root, "client", 1000)]
    edges += [tie(one, vendor, "client", 1000 - index) for index, one in enumerate(second)]
    edges += [tie(one, second[0], "client", 1000) for one in third]
    against = tie(root, second[-1], "client", 500)  # a supplier from that end only
    await link(world, [*edges, against])
    expected = walk(root, [*edges, against], 3, 44, only({"supplier"}))
    assert (expected["partial"], against.id in expected["edges"]) == (True, True)
    same(await network(world.agent, root, depth=3, limit=44, direction="supplier"), expected)


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
