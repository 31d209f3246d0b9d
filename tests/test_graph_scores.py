"""Scores of a network against networkx, and against what can be counted by hand."""

import subprocess
import sys
from random import Random

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import graph_scores
from app.domain.graph_scores import Ties

Drawn = list[tuple[int, int, int, int]]


def ties(parties: int, drawn: Drawn) -> Ties:
    columns = np.array(drawn, dtype=np.int64).reshape(-1, 4).T
    return Ties(parties, *columns)


def oracle(given: Ties) -> "nx.Graph[int]":
    """The strongest of several ties between two."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(given.parties))
    for left, right, strength in zip(given.left, given.right, np.maximum(given.strength, 1), strict=True):
        known = graph.get_edge_data(int(left), int(right), {"weight": 0})["weight"]
        graph.add_edge(int(left), int(right), weight=max(known, int(strength)))
    return graph


@st.composite
def networks(draw: st.DrawFn, most: int = 40) -> Ties:
    parties = draw(st.integers(2, most))
    party = st.integers(0, parties - 1)
    tie = st.tuples(party, party, st.integers(0, 5), st.integers(0, 1000)).filter(lambda t: t[0] != t[1])
    return ties(parties, draw(st.lists(tie, max_size=4 * most)))


def random_network(seed: int, parties: int, count: int) -> Ties:
    chance = Random(seed)
    pairs = [chance.sample(range(parties), 2) for _ in range(count)]
    return ties(parties, [(one, other, chance.randrange(6), chance.randrange(1001)) for one, other in pairs])


def all_scores(given: Ties) -> graph_scores.Scores:
    n = given.parties
    return graph_scores.score(given, np.ones(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool))


# --- against networkx ------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(networks())
def test_scores_are_those_of_networkx(given: Ties) -> None:
    graph, found = oracle(given), all_scores(given)
    pagerank = nx.pagerank(graph, alpha=0.85, tol=1e-12, max_iter=1000)
    between = nx.betweenness_centrality(graph)
    strength = dict(graph.degree(weight="weight"))
    for party in range(given.parties):
        assert abs(found.pagerank[party] - pagerank[party]) < 1e-6
        assert abs(found.betweenness[party] - between[party]) < 1e-9
        assert found.degree[party] == graph.degree[party]
        assert abs(found.value_degree[party] - strength[party] / 1000) < 1e-9
    assert abs(found.pagerank.sum() - 1) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_five_hundred_parties_are_looked_at_from_everybody(seed: int) -> None:
    given = random_network(seed, 500, 1200)
    between = nx.betweenness_centrality(oracle(given))
    assert np.allclose(graph_scores.betweenness(graph_scores.build(given)), [between[n] for n in range(500)])


def test_sampled_betweenness_comes_near_and_is_repeatable() -> None:
    given = random_network(7, 1500, 5000)
    graph = graph_scores.build(given)
    exact = graph_scores.betweenness(graph, exact=2000)
    sampled = graph_scores.betweenness(graph)
    assert np.corrcoef(exact, sampled)[0, 1] > 0.8
    assert abs(sampled.sum() / exact.sum() - 1) < 0.05
    assert (sampled == graph_scores.betweenness(graph)).all()
    assert np.allclose(graph_scores.betweenness(graph, exact=0, samples=1500), exact)


# --- communities -----------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(networks(), st.randoms(use_true_random=False))
def test_communities_are_connected_and_always_the_same(given: Ties, chance: Random) -> None:
    graph = oracle(given)
    found = graph_scores.communities(graph_scores.build(given))
    for label in set(found.tolist()):
        members = np.flatnonzero(found == label).tolist()
        assert min(members) == label
        assert nx.is_connected(graph.subgraph(members))
    order = list(range(len(given.left)))
    chance.shuffle(order)
    turned = [bool(chance.getrandbits(1)) for _ in order]
    ends = zip(given.left[order], given.right[order], turned, strict=True)
    shuffled = [(b, a) if is_turned else (a, b) for a, b, is_turned in ends]
    again = ties(
        given.parties, [(int(a), int(b), 0, int(s)) for (a, b), s in zip(shuffled, given.strength[order], strict=True)]
    )
    assert (graph_scores.communities(graph_scores.build(again)) == found).all()


def test_groups_with_a_weak_link_are_two_communities() -> None:
    one = [(a, b, 1, 900) for a in range(6) for b in range(a)]
    other = [(a + 6, b + 6, way, strength) for a, b, way, strength in one]
    found = graph_scores.communities(graph_scores.build(ties(12, [*one, *other, (0, 11, 1, 100)])))
    assert found.tolist() == [0] * 6 + [6] * 6


@pytest.mark.parametrize("size", [2, 3, 10, 31])
def test_who_can_only_swap_labels_comes_to_rest(size: int) -> None:
    star = [(0, n, 1, 500) for n in range(1, size)]
    assert set(graph_scores.communities(graph_scores.build(ties(size, star))).tolist()) == {0}


def test_bridge_has_neighbours_in_two_other_communities() -> None:
    groups = [[(a + 5 * g, b + 5 * g, 1, 900) for a in range(5) for b in range(a)] for g in range(3)]
    links = [(15, 0, 1, 300), (15, 5, 1, 300), (15, 16, 1, 800), (4, 9, 1, 100)]
    given = ties(17, [tie for group in groups for tie in group] + links)
    found = all_scores(given)
    assert found.community.tolist() == [0] * 5 + [5] * 5 + [10] * 5 + [15] * 2
    assert np.flatnonzero(found.is_bridge).tolist() == [15]
    shares = np.array([300, 300, 800]) / 1400
    assert abs(found.participation[15] - (1 - (shares**2).sum())) < 1e-12
    assert found.participation[1] == 0


# --- influence -------------------------------------------------------------------------------------------------


def test_reach_takes_each_neighbour_once_a_direction() -> None:
    # 1 is client and friend of 0; being twice a friend counts once. 0 is client of 2, so 2 has 0 as a client.
    given = ties(3, [(0, 1, 2, 500), (0, 1, 1, 200), (1, 0, 1, 400), (2, 0, 2, 300)])
    assert np.allclose(graph_scores.reach(given), [0.5 + 0.4 + 0.3, 0.5 + 0.4, 0.3])
    same = ties(2, [(0, 1, 2, 500), (1, 0, 3, 300)])  # the same fact from both ends
    assert np.allclose(graph_scores.reach(same), [0.5, 0.5])


def test_influence_is_the_published_formula() -> None:
    referrals, reach = np.array([0, 1, 0, 3, 90]), np.array([0.0, 0, 2, 4, 80])
    is_key = np.array([False, False, True, False, True])
    wanted = [0, 18, 45, 63, 100]  # 100 x (1 - exp(-x / 5)) for x = 0, 1, 3, 5, 132
    assert graph_scores.influence(referrals, reach, is_key).tolist() == wanted


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50), st.floats(0, 100), st.booleans())
def test_influence_only_grows(referrals: int, reach: float, is_key: bool) -> None:
    more = [
        (referrals, reach, is_key),
        (referrals + 1, reach, is_key),
        (referrals, reach + 1, is_key),
        (referrals, reach, True),
    ]
    least, *others = graph_scores.influence(*(np.array(column) for column in zip(*more, strict=True))).tolist()
    assert all(0 <= least <= other <= 100 for other in others)


# --- edges of the matter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("parties", [1, 2, 3])
def test_network_without_ties_has_scores(parties: int) -> None:
    found = all_scores(ties(parties, []))
    assert found.pagerank.tolist() == [1 / parties] * parties
    assert found.community.tolist() == list(range(parties))
    for column in (found.betweenness, found.degree, found.value_degree, found.is_bridge, found.participation):
        assert column.tolist() == [0] * parties


def test_service_does_not_load_the_heavy_libraries() -> None:
    """35 MiB in every process of the service, for arrays it never makes."""
    said = "import sys, app.main, app.cli; print([m for m in ('numpy', 'scipy', 'procrastinate') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
