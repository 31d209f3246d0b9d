"""The network filtered, as of a day, and with parties in it whom the caller does not see: against the plain rules."""

import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.factories import World
from tests.network_rules import only, same, walk
from tests.ties import Edge, link, network, people, tie

KINDS = ("relative", "friend", "client", "partner", "godparent", "distributor", "shareholder", "paternal_cousin")
DIRECTIONS = ("relative", "friend", "client", "supplier", "partner", "ally")
TYPES = ("godparent", "godchild", "distributor", "manufacturer", "shareholder", "shareholding", "friend", "client")
DAYS = ("2019-12-31", "2020-01-01", "2022-06-15", "2024-12-31", "2026-01-01")


def dated(seed: int, nodes: list[UUID]) -> list[Edge]:
    """A random graph; some ties began on a day, some ended on one, some will."""
    chance, facts = random.Random(seed), set[tuple[UUID, UUID, str]]()
    for _ in range(len(nodes) * 3):
        one, other = nodes[int(len(nodes) * chance.random() ** 2)], chance.choice(nodes)
        if one != other:
            made = tie(one, other, chance.choice(KINDS))
            facts.add((made.left, made.right, made.kind))
    edges = []
    for left, right, kind in sorted(facts):
        since, until = chance.choice((None, None, *DAYS)), chance.choice((None, None, None, *DAYS, "2999-01-01"))
        if since is not None and until is not None and until < since:
            since, until = until, since
        strength = chance.choice((0, 250, 500, 500, 837, 1000))
        edges.append(replace(tie(left, right, kind, strength), left=left, right=right, since=since, until=until))
    return edges


def valid(edge: Edge, day: str | None) -> bool:
    if day is None:
        return edge.until is None
    return (edge.since is None or edge.since <= day) and (edge.until is None or edge.until >= day)


def question(chance: random.Random) -> dict[str, Any]:
    """Some filters, or none."""
    asked: dict[str, Any] = {"depth": chance.randint(1, 3), "limit": chance.choice((3, 8, 20, 300))}
    if chance.random() < 0.4:
        asked["direction"] = ",".join(chance.sample(DIRECTIONS, chance.randint(1, 4)))
    if chance.random() < 0.4:
        asked["type"] = ",".join(chance.sample(TYPES, chance.randint(1, 5)))
    if chance.random() < 0.4:
        asked["min_strength"] = chance.choice(("0.25", "0.5", "0.9"))
    if chance.random() < 0.6:
        asked["on"] = chance.choice((*DAYS, "2023-03-03"))
    if chance.random() < 0.3:
        asked["outer_ties"] = "true"
    return asked


@pytest.mark.parametrize("seed", range(6))
async def test_any_question_agrees_with_the_plain_rules(world: World, seed: int) -> None:
    own, hidden = await people(world, 45), await people(world, 20, "mate")
    edges = dated(seed, random.Random(seed).sample(own + hidden, 65))
    await link(world, edges)
    chance, visible = random.Random(seed), set(own)
    for _ in range(24):
        asked = question(chance)
        root, is_agent = chance.choice(own), chance.random() < 0.6
        of_day = [edge for edge in edges if valid(edge, asked.get("on"))]
        seen = [edge for edge in of_day if {edge.left, edge.right} <= visible] if is_agent else of_day
        lets = only(
            set(asked["direction"].split(",")) if "direction" in asked else None,
            set(asked["type"].split(",")) if "type" in asked else None,
            int(float(asked.get("min_strength", 0)) * 1000),
        )
        expected = walk(root, seen, asked["depth"], asked["limit"], lets)
        found = await network(world.agent if is_agent else world.admin, root, **asked)
        same(found, expected, outer="outer_ties" in asked)
        # Behind whom the walk went on from: whatever the filters and the day.
        behind = {
            str(node): len({
                other for edge in edges if edge.until is None
                for one, other in ((edge.left, edge.right), (edge.right, edge.left))
                if is_agent and one == node and other not in visible
            }) if node in expected["gone_on"] else 0
            for node in expected["paths"]
        }  # fmt: skip
        assert {node["id"]: node["hidden"] for node in found["nodes"]} == behind
        assert found["hidden"] == sum(behind.values())
