"""The network around a customer: what is left out when there is too much of it, and what may not be seen."""

from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from tests.factories import World
from tests.ties import ids, link, network, people, tie

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


async def test_tie_left_out_by_the_fan_is_drawn_to_whom_another_path_leads(world: World) -> None:
    root, hub, *others = await people(world, 145)
    siblings, arms, friend, far = others[:39], others[39:141], others[141], others[142]  # a fan of 100 for the hub
    paths = [tie(root, one, strength=1000) for one in (hub, *siblings)]
    paths += [tie(siblings[0], friend, strength=900), tie(friend, far, strength=900)]
    weak = tie(hub, far, strength=1)
    await link(world, [*paths, *(tie(hub, arm, strength=500) for arm in arms), weak])
    found = await network(world.agent, root, depth=3, limit=300)
    assert [node["depth"] for node in found["nodes"] if node["id"] == str(far)] == [3]
    assert str(weak.id) in {edge["id"] for edge in found["edges"]}
    assert found["truncated"] is True


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
    gone = await world.agent.delete(f"/v1/customers/{chain[1]}", headers={"If-Match": '"1"'})
    assert gone.status_code == 204
    for end in (chain[0], chain[2]):
        found = await network(world.agent, end, depth=3)
        assert (ids(found), found["edges"], found["truncated"]) == ([end], [], False)
    back = await world.agent.post(f"/v1/customers/{chain[1]}/restore")
    assert back.status_code == 200
    assert ids(await network(world.agent, chain[0], depth=3)) == chain


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
    call = "SELECT ego_network($1, NULL, $2, $2, 2, 100, NULL, NULL, NULL, NULL, false, false)"
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
