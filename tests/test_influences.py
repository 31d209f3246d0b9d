"""Influence and communities: what was computed is right, and everybody sees his part of it only."""

from collections.abc import Iterable
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import networkx as nx
import pytest

from app import deps, network_scores
from app.config import Settings
from tests.factories import World, create_service_team, if_match
from tests.ties import Edge, Json, introduce, link, people, tie

INFLUENCE, COMMUNITIES = "/v1/network/influence", "/v1/network/communities"


async def compute(world: World, settings: Settings) -> dict[str, int]:
    """What the job does, in this process and as the service's role."""
    assert settings.database_url is not None
    connection = await asyncpg.connect(settings.database_url)
    try:
        return await network_scores.compute(connection, world.org_id)
    finally:
        await connection.close()


async def influence(client: httpx.AsyncClient, scope: str = "organization", limit: int = 200) -> list[Json]:
    """All pages."""
    found: list[Json] = []
    params: dict[str, Any] = {"scope": scope, "limit": limit}
    while True:
        answer = await client.get(INFLUENCE, params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        params["cursor"] = answer.json()["next_cursor"]


async def communities(client: httpx.AsyncClient, scope: str = "organization") -> Json:
    answer = await client.get(COMMUNITIES, params={"scope": scope})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def clique(ids: Iterable[UUID], strength: int = 900) -> list[Edge]:
    ids = list(ids)
    return [tie(one, other, strength=strength) for n, one in enumerate(ids) for other in ids[:n]]


async def change(world: World, assignment: str, ids: Iterable[UUID]) -> None:
    await world.db.execute(
        f"UPDATE customers SET {assignment} WHERE org_id = $1 AND id = ANY($2)", world.org_id, list(ids)
    )


# --- what is computed ------------------------------------------------------------------------------------------


async def test_before_the_first_computation_there_is_nothing(world: World) -> None:
    ids = await people(world, 2)
    await link(world, [tie(ids[0], ids[1])])
    for scope in ("me", "organization"):
        answer = await world.agent.get(INFLUENCE, params={"scope": scope})
        assert answer.json() == {"items": [], "next_cursor": None, "computed_at": None}
        assert await communities(world.agent, scope) == {"items": [], "bridges": [], "computed_at": None}


async def test_organization_without_parties_is_computed_too(world: World, settings: Settings) -> None:
    assert await compute(world, settings) == {"parties": 0, "ties": 0, "written": 0, "deleted": 0}
    found = (await world.admin.get(INFLUENCE)).json()
    assert (found["items"], found["computed_at"] is None) == ([], False)


async def test_scores_are_those_of_the_whole_network_and_of_ones_own(world: World, settings: Settings) -> None:
    mine, theirs = await people(world, 4), await people(world, 3, "mate")
    await change(world, "tier = 'mvc'", [mine[0]])
    await change(world, "tier = 'bz', stage = 'customer'", [theirs[0]])
    await change(world, "stage = 'investor'", [mine[1]])
    edges = [
        tie(mine[0], mine[1], strength=800), tie(mine[0], mine[2], "client", 500), tie(mine[2], mine[3], strength=0),
        tie(mine[0], theirs[0], strength=600), tie(theirs[0], theirs[1]), tie(mine[0], theirs[1], strength=300),
        tie(mine[0], mine[1], "partner", 400),
    ]  # fmt: skip
    await link(world, edges)
    await compute(world, settings)
    whole = {row["id"]: row for row in await influence(world.admin)}
    assert set(whole) == {str(one) for one in [*mine, *theirs[:2]]}  # nobody knows the last one
    graph: nx.Graph[Any] = nx.Graph()
    for edge in edges:
        graph.add_edge(str(edge.left), str(edge.right))
    weights = {
        (a, b): max((e.strength for e in edges if {str(e.left), str(e.right)} == {a, b}), default=0)
        for a, b in graph.edges
    }
    nx.set_edge_attributes(graph, {pair: max(weight, 1) for pair, weight in weights.items()}, "weight")
    graph.add_node("unknown")  # he counts as one of those among whom attention is shared
    between, pagerank = nx.betweenness_centrality(graph), nx.pagerank(graph, tol=1e-12, max_iter=500)
    for name, row in whole.items():
        assert abs(row["betweenness"] - between[name]) < 1e-9
        assert abs(row["pagerank"] - pagerank[name]) < 1e-6
        assert row["degree"] == graph.degree[name]
    hub = whole[str(mine[0])]
    # Strengths 0.8 + 0.4 (a second direction) + 0.5 + 0.6 + 0.3, and a key account.
    assert hub["influence"] == round(100 * (1 - 2.718281828459045 ** -((0.5 * 2.6 + 2) / 5)))
    # 0.8 x investor 3 + 0.5 x contact 0.5 + 0.6 x BZ 0 + 0.3 x contact 0.5
    assert abs(hub["value_degree"] - (2.4 + 0.25 + 0.15)) < 1e-9
    own = {row["id"]: row for row in await influence(world.agent, "me")}
    assert set(own) == {str(one) for one in mine}
    assert own[str(mine[0])]["degree"] == 2
    assert own[str(mine[0])]["influence"] < hub["influence"]
    assert {row["id"] for row in await influence(world.mate, "me")} == {str(one) for one in theirs[:2]}
    assert await influence(world.manager, "me") == []


async def test_only_current_ties_between_the_living_count(world: World, settings: Settings) -> None:
    ids = await people(world, 6)
    await link(world, [tie(ids[0], ids[1]), tie(ids[2], ids[3])])
    await link(world, [tie(ids[0], ids[4])], until="2026-01-01")
    gone = tie(ids[0], ids[5])
    await link(world, [gone])
    await world.db.execute("UPDATE relationships SET deleted_at = now() WHERE id = $1", gone.id)
    await change(world, "deleted_at = now()", [ids[3]])
    await world.db.execute("UPDATE relationships SET is_dangling = true WHERE $1 IN (left_id, right_id)", ids[3])
    await compute(world, settings)
    assert {row["id"] for row in await influence(world.agent)} == {str(ids[0]), str(ids[1])}


async def test_shadow_contacts_are_part_of_the_network(world: World, settings: Settings) -> None:
    ids = await people(world, 3)
    shadow = "is_shadow = true, known_through_id = '{}', keep_until = '2099-01-01'"
    await change(world, shadow.format(ids[0]), [ids[1]])
    await link(world, [tie(ids[0], ids[1]), tie(ids[1], ids[2])])
    await compute(world, settings)
    for scope in ("me", "organization"):
        assert {row["id"]: row["is_shadow"] for row in await influence(world.agent, scope)} == {
            str(one): one == ids[1] for one in ids
        }


async def given(client: httpx.AsyncClient, scope: str = "organization") -> dict[str, int]:
    """Influence of parties without ties: that of the introductions they gave."""
    return {row["id"]: row["influence"] for row in await influence(client, scope)}


async def test_introductions_given_make_influence(world: World, other_world: World, settings: Settings) -> None:
    introducer, *targets = [{"id": str(one)} for one in await people(world, 8)]
    ways = ((), ("agreed",), ("declined",), ("introduced",), ("met",), ("introduced", "analysis"), ("policy",))
    for target, steps in zip(targets, ways, strict=True):
        await introduce(world.agent, introducer, target, *steps)
    one, other = [{"id": str(one)} for one in await people(other_world, 2)]
    await introduce(other_world.agent, one, other, "met")
    await compute(world, settings)
    for scope in ("me", "organization"):
        assert await given(world.agent, scope) == {introducer["id"]: 55}  # 100 x (1 - exp(-4 / 5))
    assert await given(other_world.admin) == {}


async def test_deleted_introductions_make_no_influence(world: World, settings: Settings) -> None:
    introducer, *targets = [{"id": str(one)} for one in await people(world, 3)]
    made = [await introduce(world.agent, introducer, target, "met") for target in targets]
    await compute(world, settings)
    assert await given(world.agent) == {introducer["id"]: 33}
    answer = await world.agent.delete(f"/v1/introductions/{made[0]['id']}", headers=if_match(made[0]))
    assert answer.status_code == 204, answer.text
    await compute(world, settings)
    for scope in ("me", "organization"):
        assert await given(world.agent, scope) == {introducer["id"]: 18}


async def test_introductions_of_the_deleted_make_no_influence(world: World, settings: Settings) -> None:
    introducer, target, gone = [{"id": str(one)} for one in await people(world, 3)]
    await introduce(world.agent, introducer, target, "met")
    await introduce(world.agent, introducer, gone, "met")
    await introduce(world.agent, gone, target, "met")
    customer = await world.agent.get(f"/v1/customers/{gone['id']}")
    answer = await world.agent.delete(f"/v1/customers/{gone['id']}", headers=if_match(customer.json()))
    assert answer.status_code == 204, answer.text
    await compute(world, settings)
    for scope in ("me", "organization"):
        assert await given(world.agent, scope) == {introducer["id"]: 18}


async def test_introductions_an_agent_may_not_see_make_no_influence_in_his_own_network(
    world: World, settings: Settings
) -> None:
    """The manager led a customer of the agent's to one of the mate's, and the other way round."""
    one, two, third = [{"id": str(one)} for one in await people(world, 3)]
    theirs = {"id": str((await people(world, 1, "mate"))[0])}
    await introduce(world.manager, one, theirs, "policy")
    await introduce(world.manager, theirs, two, "policy")
    await introduce(world.agent, one, third, "met")
    assert len((await world.agent.get("/v1/introductions")).json()["items"]) == 1
    await compute(world, settings)
    assert await given(world.agent, "me") == {one["id"]: 18}
    assert await given(world.mate, "me") == {}
    assert await given(world.admin) == {one["id"]: 33, theirs["id"]: 18}


# --- what is written -------------------------------------------------------------------------------------------


async def test_only_rows_that_moved_are_written_and_rows_of_the_gone_deleted(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_scores, "BATCH", 3)
    ids = await people(world, 8)
    away = await people(world, 2, "stranger")
    await link(world, [*clique(ids[:4]), *clique(ids[4:]), tie(away[0], away[1])])
    first = await compute(world, settings)
    assert (first["written"], first["deleted"]) == (20, 0)
    assert (await compute(world, settings))["written"] == 0
    await world.db.execute("UPDATE relationships SET until = '2026-01-01' WHERE $1 IN (left_id, right_id)", away[0])
    again = await compute(world, settings)
    assert (again["written"], again["deleted"]) == (8, 4)  # the others share the attention of the two who left
    await world.db.execute("UPDATE relationships SET strength = 0.898 WHERE $1 IN (left_id, right_id)", ids[0])
    assert (await compute(world, settings))["written"] == 0
    await change(world, f"owner_id = '{world.users['mate']}'", [ids[0]])
    moved = await compute(world, settings)
    assert moved["deleted"] == 1
    assert {row["id"] for row in await influence(world.agent, "me")} == {str(one) for one in ids[1:]}
    assert await influence(world.mate, "me") == []  # he knows none of his own


async def test_communities_keep_their_names_and_each_scope_has_its_own(world: World, settings: Settings) -> None:
    ids = await people(world, 8)
    await link(world, [*clique(ids[:4]), *clique(ids[4:]), tie(ids[0], ids[7], strength=50)])
    await compute(world, settings)
    names = {row["id"]: row["community"] for row in await influence(world.agent)}
    assert len({names[str(one)] for one in ids[:4]}) == len({names[str(one)] for one in ids[4:]}) == 1
    assert len(set(names.values())) == 2
    later = await people(world, 1)
    await link(world, clique([*ids[4:], *later])[-4:])
    await compute(world, settings)
    again = {row["id"]: row["community"] for row in await influence(world.agent)}
    assert names.items() <= again.items()
    own = {row["community"] for row in await influence(world.agent, "me")}
    assert own.isdisjoint(again.values())


# --- what is seen ----------------------------------------------------------------------------------------------


async def _random_world(world: World, chance: Random) -> tuple[dict[UUID, str], list[Edge], set[UUID]]:
    """Parties with owners, ties among them, and those a service team of the mate shares."""
    owner: dict[UUID, str] = {}
    for name in ("agent", "mate", "stranger"):
        owner |= dict.fromkeys(await people(world, 8, name), name)
    ids = list(owner)
    team = await create_service_team(world, "mate")
    shared = set(chance.sample(ids, 6))
    await change(world, f"service_team_id = '{team}'", shared)
    deps.forget_actors()
    edges: dict[frozenset[UUID], Edge] = {}
    for _ in range(45):
        pair = chance.sample(ids, 2)
        edges[frozenset(pair)] = tie(pair[0], pair[1], strength=chance.randrange(1, 1000))
    await link(world, edges.values())
    for one in ids:
        await world.db.execute("UPDATE customers SET name = $2 WHERE id = $1", one, f"名{one.hex[-8:]}")
    return owner, list(edges.values()), shared


@pytest.mark.parametrize("seed", range(3))
async def test_everybody_sees_his_part_and_no_trace_of_the_rest(world: World, settings: Settings, seed: int) -> None:
    chance = Random(seed)
    owner, edges, shared = await _random_world(world, chance)
    await compute(world, settings)
    rows = await world.db.fetch("SELECT * FROM network_scores WHERE org_id = $1", world.org_id)
    team = {"agent", "mate"}
    sees = {
        "agent": {one for one, name in owner.items() if name == "agent"},
        "mate": {one for one, name in owner.items() if name == "mate"} | shared,
        "stranger": {one for one, name in owner.items() if name == "stranger"},
        "manager": {one for one, name in owner.items() if name in team},
        "admin": set(owner),
        "auditor": set(owner),
    }
    for viewer, visible in sees.items():
        client = getattr(world, viewer)
        for scope, scope_id in (("organization", world.org_id), ("me", world.users[viewer])):
            stored = {row["customer_id"]: row for row in rows if row["scope_id"] == scope_id}
            seen = {one: stored[one] for one in stored if one in visible}
            items = await influence(client, scope, limit=chance.choice([1, 3, 200]))
            wanted = sorted(seen.values(), key=lambda row: (row["influence"], row["customer_id"]), reverse=True)
            assert [item["id"] for item in items] == [str(row["customer_id"]) for row in wanted], (viewer, scope)
            is_partial = scope == "organization" and visible != set(owner)
            assert all((item["degree"] is None) is is_partial for item in items)
            found = await communities(client, scope)
            _check_communities(found, seen, edges)
            hidden = [one for one in owner if one not in visible]
            assert not any(str(one) in str(found) + str(items) or f"名{one.hex[-8:]}" in str(found) + str(items)
                           for one in hidden)  # fmt: skip


def _check_communities(found: Json, seen: dict[UUID, asyncpg.Record], edges: list[Edge]) -> None:
    members: dict[int, set[UUID]] = {}
    for one, row in seen.items():
        members.setdefault(row["community"], set()).add(one)
    sizes = {name: len(group) for name, group in members.items() if len(group) > 1}
    assert {item["community"]: item["size"] for item in found["items"]} == sizes
    for item in found["items"]:
        best = sorted(members[item["community"]], key=lambda one: (seen[one]["influence"], one), reverse=True)[:5]
        assert [member["id"] for member in item["members"]] == [str(one) for one in best]
    wanted = {}
    for one, row in seen.items():
        ends = {edge.right if edge.left == one else edge.left for edge in edges if one in (edge.left, edge.right)}
        others = {seen[end]["community"] for end in ends if end in seen} - {row["community"]}
        if row["is_bridge"] and len(others) >= 2:
            wanted[str(one)] = (row["community"], sorted(others))
    assert {b["id"]: (b["community"], b["connects"]) for b in found["bridges"]} == wanted


async def test_party_that_leaves_is_gone_at_once(world: World, settings: Settings) -> None:
    ids = await people(world, 4)
    await link(world, clique(ids))
    await compute(world, settings)
    await change(world, "deleted_at = now()", [ids[0]])
    await change(world, f"owner_id = '{world.users['stranger']}'", [ids[1]])
    for scope in ("me", "organization"):
        assert {row["id"] for row in await influence(world.agent, scope)} == {str(ids[2]), str(ids[3])}
        assert [item["size"] for item in (await communities(world.agent, scope))["items"]] == [2]
    assert {row["id"] for row in await influence(world.stranger)} == {str(ids[1])}
    assert (await communities(world.stranger))["items"] == []  # whom he knows there he does not see


async def test_other_organization_sees_nothing(world: World, other_world: World, settings: Settings) -> None:
    await link(world, clique(await people(world, 3)))
    await compute(world, settings)
    assert await influence(other_world.admin) == []
    assert await communities(other_world.admin) == {"items": [], "bridges": [], "computed_at": None}
    assert len(await influence(world.admin)) == 3


async def test_bank_and_agent_may_not_ask_for_new_scores(world: World) -> None:
    bank = world.client(world.partner_key)
    assert [(await bank.get(url)).status_code for url in (INFLUENCE, COMMUNITIES)] == [403, 403]
    for name in ("agent", "manager", "auditor"):
        assert (await getattr(world, name).post(f"{INFLUENCE}/refresh")).status_code == 403
