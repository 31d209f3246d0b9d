"""The benchmark's network: its graph is the promised one, and its rows are what the service would have written."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from app import keyring
from bench import network_copy as copy
from bench import network_world
from bench.network_graph import COMPANIES, KINDS, NEVER, SHADOWS, Graph, build
from bench.sealing import make_keys
from tests.factories import World

TODAY = date(2026, 11, 20).toordinal() - date(1970, 1, 1).toordinal()
NODES, TIES = 500, 2500


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build(NODES, TIES, seed=1, today=TODAY)


def test_same_seed_gives_the_same_graph(graph: Graph) -> None:
    again, other = build(NODES, TIES, seed=1, today=TODAY), build(NODES, TIES, seed=2, today=TODAY)
    for name in Graph.__dataclass_fields__:
        assert np.array_equal(getattr(graph, name), getattr(again, name)), name
    assert not np.array_equal(graph.left, other.left)


def test_graph_is_as_big_and_as_mixed_as_asked(graph: Graph) -> None:
    assert (len(graph.owner), len(graph.left)) == (NODES, TIES)
    assert (graph.is_company.sum(), graph.is_shadow.sum()) == (NODES * COMPANIES, NODES * SHADOWS)
    assert 0.02 < (graph.until != NEVER).mean() < 0.08
    assert 0.2 < (graph.last_on != NEVER).mean() < 0.4
    assert {KINDS[kind].direction for kind in graph.kind} == {"relative", "friend", "client", "partner", "ally"}


def test_every_fact_stands_once_and_in_its_one_form(graph: Graph) -> None:
    ends = np.sort(np.stack([graph.left, graph.right]), axis=0)
    assert len({*zip(*ends.tolist(), graph.kind.tolist(), strict=True)}) == TIES
    assert (graph.left != graph.right).all()
    is_symmetric = np.array([kind.code == kind.inverse_code for kind in KINDS])[graph.kind]
    assert (graph.left < graph.right)[is_symmetric].all()
    for left, right, number in zip(graph.left, graph.right, graph.kind, strict=True):
        for end, kind in ((left, KINDS[number].left), (right, KINDS[number].right)):
            assert kind is None or (kind == "organization") == graph.is_company[end], KINDS[number].code


def test_shadow_contacts_are_known_through_an_earlier_customer_of_the_same_agent(graph: Graph) -> None:
    shadows = np.flatnonzero(graph.is_shadow)
    through = graph.known_through[shadows]
    assert not graph.is_shadow[through].any()
    assert (graph.owner[through] == graph.owner[shadows]).all()
    assert (through < shadows).all()
    assert (graph.known_through[~graph.is_shadow] == -1).all()


def test_columns_survive_the_binary_stream(graph: Graph) -> None:
    ids = network_world._ids(np.random.default_rng(1), graph.made)
    texts = [row.tobytes() for row in ids]
    assert texts == sorted(set(texts))
    assert {(text[6] >> 4, text[8] >> 6) for text in texts} == {(7, 2)}
    row = copy._laid_out([copy.chosen(["甲", None], np.array([1, 0])), copy.dates(np.array([0, NEVER]))])
    assert row == (
        b"\0\2" b"\xff\xff\xff\xff" b"\0\0\0\4" + (-10957).to_bytes(4, "big", signed=True)
        + b"\0\2" b"\0\0\0\3" + "甲".encode() + b"\xff\xff\xff\xff"
    )  # fmt: skip


async def test_rows_satisfy_the_schema_and_the_formula_of_warmth(world: World, graph: Graph) -> None:
    """Through the checks and foreign keys that the benchmark's own filling skips."""
    dice, agents = np.random.default_rng(1), [world.users["agent"], world.users["mate"]] * graph.agents
    ids = network_world._ids(dice, graph.made)
    sealer = await make_keys(world.db, keyring.current(), world.org_id)
    await network_world._fill_customers(world.db, sealer, graph, agents, ids)
    await network_world._fill_ties(world.db, sealer, graph, agents, ids, dice)
    people = await world.db.fetchrow(
        "SELECT count(*), count(*) FILTER (WHERE is_shadow), count(*) FILTER (WHERE search_text LIKE '%#%') "
        "FROM customers WHERE org_id = $1",
        world.org_id,
    )
    assert tuple(people) == (NODES, NODES * SHADOWS, NODES * (1 - SHADOWS))
    ties = await world.db.fetch(
        "SELECT r.left_id < r.right_id AS is_ordered, t.code = t.inverse_code AS is_symmetric, "
        "r.direction = t.direction AS is_told, r.strength >= coalesce(r.computed_strength, 0) AS is_greatest, "
        "abs(r.warmth - r.strength * t.introduction_weight * CASE WHEN r.last_interaction_on IS NULL THEN 0.9 "
        "ELSE (0.8 + 0.2 * power(0.5::float8, ($2 - r.last_interaction_on)::float8 / 180))::numeric END) AS wrong "
        "FROM relationships r JOIN relation_types t ON t.org_id = $1 AND t.code = r.type WHERE r.org_id = $1",
        world.org_id,
        date.fromordinal(TODAY + date(1970, 1, 1).toordinal()),
    )
    assert len(ties) == TIES
    assert all(tie["is_told"] and tie["is_greatest"] and tie["wrong"] <= Decimal("0.0005") for tie in ties)
    assert all(tie["is_ordered"] for tie in ties if tie["is_symmetric"])
