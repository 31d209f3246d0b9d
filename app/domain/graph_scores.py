"""Scores of the parties of a network: who stands in the middle, who connects, what hangs together. Pure numbers.

Parties are 0 … n-1, ties are arrays. Only the job that computes the scores imports this module: numpy and scipy cost
a process 35 MiB, and the service answers from the table the job has written.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

Whole: TypeAlias = NDArray[np.int64]
Real: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Graph: TypeAlias = Any  # scipy.sparse.csr_array, symmetric; strengths in thousandths

DAMPING = 0.85
TOLERANCE = 1e-9
MOST_STEPS = 100
EXACT = 500  # parties up to which betweenness looks from everybody
SAMPLES = (16, 128)  # else from so many: the fewer, the more ties there are
SEED = 7_236_624
DEEPEST = 32  # hops; a network of people has eight or so, but one long chain would cost a step a link
MOST_TURNS = 30
_CELLS = 8_000_000  # of a dense matrix: 64 MB
_LOOKS = 100_000_000  # ties looked at from all samples together: at most half a minute


@dataclass(frozen=True, slots=True)
class Ties:
    """Ties between parties 0 … `parties`-1, in any order, each written once.

    Attributes:
        way: what right is to left: 0 relative, 1 friend, 2 client, 3 supplier, 4 partner, 5 ally.
        strength: thousandths, 0 … 1000; a tie of 0 counts as the weakest there is.
    """

    parties: int
    left: Whole
    right: Whole
    way: Whole
    strength: Whole


@dataclass(frozen=True, slots=True)
class Scores:
    """One element a party.

    Attributes:
        pagerank: sums to 1.
        betweenness: share of the shortest paths between others that lead through the party, 0 … 1.
        degree: parties it is tied to.
        value_degree: their values, each times the strength of the tie.
        community: the smallest party of its community, which is connected.
        is_bridge: its neighbours lie in two or more communities other than its own.
        participation: 1 - sum over communities of (strength into it / strength of all its ties)², 0 … 1
            (Guimerà & Amaral 2005); 0 without ties.
        influence: 0 … 100, see `influence`.
    """

    pagerank: Real
    betweenness: Real
    degree: Whole
    value_degree: Real
    community: Whole
    is_bridge: Flags
    participation: Real
    influence: Whole


def score(ties: Ties, value: Real, referrals: Whole, is_key: Flags) -> Scores:
    """All scores of a network of at least one party.

    Args:
        value: what each party is worth to its neighbours.
        referrals: introductions it has given.
        is_key: whether it is a key account.
    """
    graph = build(ties)
    found = communities(graph)
    others, participation = spread(graph, found)
    return Scores(
        pagerank=pagerank(graph),
        betweenness=betweenness(graph),
        degree=np.diff(graph.indptr).astype(np.int64),
        value_degree=(graph @ value) / 1000,
        community=found,
        is_bridge=others >= 2,
        participation=participation,
        influence=influence(referrals, reach(ties), is_key),
    )


def build(ties: Ties) -> Graph:
    """The symmetric matrix of strengths. Of several ties between two parties the strongest stands for all."""
    n = ties.parties
    both = np.concatenate([ties.left * n + ties.right, ties.right * n + ties.left])
    cells, strongest = _strongest(both, np.tile(ties.strength, 2))
    starts = np.searchsorted(cells, np.arange(n + 1) * n)
    return sparse.csr_array((strongest, cells % max(n, 1), starts), shape=(n, n))


def _strongest(cells: Whole, strength: Whole) -> tuple[Whole, Whole]:
    """The distinct cells in order, each with its greatest strength, at least 1."""
    if not len(cells):
        return cells, strength
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    first = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    return cells[first], np.maximum(np.maximum.reduceat(strength[order], first), 1)


def pagerank(graph: Graph) -> Real:
    """PageRank over strengths (Brin & Page 1998); who has no tie shares what he has with everybody.

    Until a step moves less than TOLERANCE in all, at most MOST_STEPS.
    """
    n = graph.shape[0]
    weights = graph.astype(np.float64)
    totals = np.asarray(weights.sum(axis=1)).ravel()
    is_lone = totals == 0
    rank = np.full(n, 1 / max(n, 1))
    for _ in range(MOST_STEPS):
        share = np.divide(rank, totals, out=np.zeros(n), where=~is_lone)
        fresh = DAMPING * (weights @ share + rank[is_lone].sum() / n) + (1 - DAMPING) / n
        moved = np.abs(fresh - rank).sum()
        rank = fresh
        if moved < TOLERANCE:
            break
    return rank


def betweenness(graph: Graph, *, exact: int = EXACT, samples: int | None = None) -> Real:
    """Betweenness by hops (Brandes 2001), normalised; above `exact` parties estimated from `samples` of them (unless
    told, as many as time allows).

    The sample is the same for the same number of parties (Brandes & Pich 2007: chosen uniformly); paths beyond DEEPEST
    hops do not count in it.
    """
    n = graph.shape[0]
    total = np.zeros(n)
    if n < 3:
        return total
    is_exact = n <= exact
    samples = samples or min(n, max(SAMPLES[0], min(SAMPLES[1], _LOOKS // max(graph.nnz, 1))))
    chosen = np.arange(n) if is_exact else np.sort(np.random.default_rng(SEED).choice(n, samples, replace=False))
    steps = sparse.csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
    width = max(1, _CELLS // n)
    for start in range(0, len(chosen), width):
        total += _dependencies(steps, chosen[start : start + width], n if is_exact else DEEPEST)
    scale: float = n / len(chosen) / ((n - 1) * (n - 2))
    return total * scale


def _dependencies(steps: Graph, sources: Whole, deepest: int) -> Real:
    """What each party contributes to the shortest paths from these sources, one column each; all at once by levels."""
    columns = np.arange(len(sources))
    paths = np.zeros((steps.shape[0], len(sources)))
    paths[sources, columns] = 1
    depth = np.full(paths.shape, -1, dtype=np.int16)
    depth[sources, columns] = 0
    front, level = paths.copy(), 0
    while level < deepest:
        front = steps @ front
        front[depth >= 0] = 0
        is_new = front > 0
        if not is_new.any():
            break
        level += 1
        depth[is_new] = level
        paths += front
    leaning = np.zeros_like(paths)
    for at in range(level, 1, -1):
        share = np.divide(1 + leaning, paths, out=np.zeros_like(paths), where=depth == at)
        leaning += np.where(depth == at - 1, paths * (steps @ share), 0)
    return np.asarray(leaning.sum(axis=1))


def communities(graph: Graph) -> Whole:
    """Communities by label propagation over strengths (Raghavan et al. 2007), always the same for the same graph.

    Everybody takes the label that most strength around him bears; on a tie he keeps his own, else a fixed order
    decides. Half of those who would move do so in a turn, another half each time, because two who swap labels would do
    so for ever. It ends when no more than one in a thousand would move, or after MOST_TURNS. A label may survive in two
    places that its middle has left: each connected part is a community of its own.
    """
    n = graph.shape[0]
    labels = np.arange(n)
    restless = np.arange(n)  # only these may want to move: somebody around them has moved
    for turn in range(MOST_TURNS):
        wanted = _wanted(graph[restless], labels, labels[restless])
        moves = wanted != labels[restless]
        if int(moves.sum()) <= n // 1000:
            break
        half = _rank(restless + turn) >> np.uint64(31) == 1
        going, waiting = restless[moves & half], restless[moves & ~half]
        labels[going] = wanted[moves & half]
        is_restless = np.zeros(n, dtype=bool)
        is_restless[graph[going].indices] = True
        is_restless[waiting] = True
        restless = np.flatnonzero(is_restless)
    return _connected(graph, labels)


# An odd factor permutes the numbers below 2^32: no label is preferred for being small, and a rank leads back to it.
_FACTOR = 2_654_435_761
_BACK = np.uint64(pow(_FACTOR, -1, 2**32))
_MASK = np.uint64(2**32 - 1)


def _rank(labels: Whole) -> NDArray[np.uint64]:
    return (labels.astype(np.uint64) * np.uint64(_FACTOR)) & _MASK


def _wanted(rows: Graph, labels: Whole, own: Whole) -> Whole:
    """The labels that some parties would take, who have these rows of the graph and bear their `own` labels."""
    votes = _votes(rows, labels)
    counts = np.diff(votes.indptr)
    voters = np.flatnonzero(counts)
    wanted = own.copy()
    if not len(voters):
        return wanted
    starts = votes.indptr[voters]
    most = np.repeat(np.maximum.reduceat(votes.data, starts), counts[voters])
    # The lowest rank wins, 0 stands for one's own label; who is beaten bids more than anybody can have.
    bids = np.where(votes.indices == np.repeat(own, counts), 0, _rank(votes.indices) + np.uint64(1))
    lowest = np.minimum.reduceat(np.where(votes.data == most, bids, np.uint64(2**33)), starts)
    chosen = ((lowest - np.uint64(1)) * _BACK & _MASK).astype(np.int64)
    wanted[voters] = np.where(lowest == 0, own[voters], chosen)
    return wanted


def _votes(graph: Graph, labels: Whole) -> Graph:
    """Strength from each party into each label."""
    n = len(labels)
    return graph @ sparse.csr_array((np.ones(n, dtype=np.int64), labels, np.arange(n + 1)), shape=(n, n))


def _connected(graph: Graph, labels: Whole) -> Whole:
    """The connected parts of each label, named after their smallest party."""
    n = len(labels)
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    inside = labels[rows] == labels[graph.indices]
    kept = sparse.csr_array((np.ones(int(inside.sum())), (rows[inside], graph.indices[inside])), shape=graph.shape)
    count, part = csgraph.connected_components(kept, directed=False)
    smallest = np.full(count, n)
    np.minimum.at(smallest, part, np.arange(n))
    found: Whole = smallest[part]
    return found


def spread(graph: Graph, community: Whole) -> tuple[Whole, Real]:
    """In how many other communities a party's neighbours lie, and its participation coefficient."""
    n = len(community)
    votes = _votes(graph, community)
    rows = np.repeat(np.arange(n), np.diff(votes.indptr))
    others = np.bincount(rows[votes.indices != community[rows]], minlength=n)
    into = np.bincount(rows, votes.data.astype(np.float64) ** 2, minlength=n)
    totals = np.bincount(rows, votes.data.astype(np.float64), minlength=n)
    share = np.divide(into, totals**2, out=np.ones(n), where=totals > 0)
    return others.astype(np.int64), np.clip(1 - share, 0, 1)


def reach(ties: Ties) -> Real:
    """Weighted out-degree over the six directions: the strengths of a party's ties, in each direction each neighbour
    once, with the strongest of his ties.
    """
    n = ties.parties
    back = np.select([ties.way == 2, ties.way == 3], [3, 2], ties.way)  # my client has me as a supplier
    cells = np.concatenate(
        [(ties.left * n + ties.right) * 6 + ties.way, (ties.right * n + ties.left) * 6 + back],
    )
    cells, strongest = _strongest(cells, np.tile(ties.strength, 2))
    return np.bincount(cells // (6 * max(n, 1)), strongest, minlength=n) / 1000


def influence(referrals: Whole, reaching: Real, is_key: Flags) -> Whole:
    """影响力 0 … 100: 100 x (1 - exp(-(referrals + 0.5 x weighted out-degree + 2 x key account) / 5)), rounded."""
    raised = referrals + 0.5 * reaching + 2.0 * is_key
    return np.floor(100 * (1 - np.exp(-raised / 5)) + 0.5).astype(np.int64)
