"""Computing the scores of an organisation's network, in a process of its own: `python -m app.network_scores`.

The whole organisation is one network of current ties between living parties; every agent's own customers and shadow
contacts are one each. What is read is one moment of the database; what is written goes in bites, each a transaction:
a reader meets rows of this run beside rows of the former one for some seconds, each whole in itself.

Why a process: in a thread of the service the arrays of a million parties and 4.7 million ties (50 s of work, 1.1 GB)
held up its event loop for as much as 0.46 s at a time, because numpy and scipy give the interpreter's lock back in some
functions only; and the memory would stay with it. A child gives both back when it ends, and can be ended at any moment.

It is told what to do by one JSON line on its standard input, `{"dsn": …, "org_id": …}`, so that the address of the
database stands in no list of processes, and answers with one. It ends when that input is closed: with its starter.
"""

import asyncio
import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

from app import db
from app.domain import graph_scores
from app.domain.graph_scores import Scores, Ties, Whole
from app.logs import describe

BATCH = 5_000
PATIENCE_SECONDS = 600
_MOVE = 0.05  # a measure that moved by less than a twentieth is left as it is: every write costs

Rows: TypeAlias = NDArray[Any]

# What a party is worth to its neighbours: its tier; before it has one, how far the relation has come.
_PARTIES = """
SELECT c.id, c.owner_id,
       CASE c.tier WHEN 'mvc' THEN 4 WHEN 'mgc' THEN 3 WHEN 'lvc' THEN 1 WHEN 'bz' THEN 0
            ELSE CASE c.stage WHEN 'investor' THEN 3 WHEN 'customer' THEN 2 WHEN 'prospect' THEN 1 ELSE 0.5 END
            END::float8,
       coalesce(c.tier = 'mvc', false)::int::int2
FROM customers c WHERE c.org_id = $1 AND c.deleted_at IS NULL
"""
_TIES = """
SELECT r.left_id, r.right_id,
       (array_position('{relative,friend,client,supplier,partner,ally}'::text[], r.direction) - 1)::int2,
       round(r.strength * 1000)::int2
FROM relationships r
WHERE r.org_id = $1 AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
"""
_GIVEN = """
SELECT i.introducer_id, i.target_id FROM introductions i
WHERE i.org_id = $1 AND i.deleted_at IS NULL AND i.status IN ('introduced', 'met', 'analysis', 'policy')
"""
_STORED = "SELECT s.scope_id, s.customer_id FROM network_scores s WHERE s.org_id = $1"

_WRITE = """
INSERT INTO network_scores AS s (org_id, scope_id, customer_id, pagerank, betweenness, degree, value_degree, community,
                                 is_bridge, participation, influence, computed_at)
SELECT $1, n.*, $12
FROM unnest($2::uuid[], $3::uuid[], $4::float8[], $5::float8[], $6::int[], $7::float8[], $8::int[], $9::bool[],
            $10::float8[], $11::int[]) AS n
ON CONFLICT (org_id, scope_id, customer_id) DO UPDATE
SET pagerank = excluded.pagerank, betweenness = excluded.betweenness, degree = excluded.degree,
    value_degree = excluded.value_degree, community = excluded.community, is_bridge = excluded.is_bridge,
    participation = excluded.participation, influence = excluded.influence, computed_at = excluded.computed_at
WHERE (s.degree, s.community, s.is_bridge, s.influence)
      IS DISTINCT FROM (excluded.degree, excluded.community, excluded.is_bridge, excluded.influence)
   OR abs(s.pagerank - excluded.pagerank) > $13 * s.pagerank
   OR abs(s.betweenness - excluded.betweenness) > $13 * s.betweenness
   OR abs(s.value_degree - excluded.value_degree) > $13 * s.value_degree
   OR abs(s.participation - excluded.participation) > $13
"""
_FORGET = """
DELETE FROM network_scores s USING unnest($2::uuid[], $3::uuid[]) AS gone (scope_id, customer_id)
WHERE s.org_id = $1 AND s.scope_id = gone.scope_id AND s.customer_id = gone.customer_id
"""
_DONE = """
INSERT INTO network_score_runs (org_id, computed_at) VALUES ($1, $2)
ON CONFLICT (org_id) DO UPDATE SET computed_at = excluded.computed_at
"""


@dataclass(frozen=True, slots=True)
class Network:
    """Everybody of an organisation, by id, and the ties among them.

    Attributes:
        ids, owners: 16 bytes each.
        referrals: introductions given, to whomever.
        own_referrals: those whose both ends are one owner's. He may not learn of others: who sees an introduction sees
            both its ends.
    """

    ids: Rows
    owners: Rows
    value: graph_scores.Real
    is_key: graph_scores.Flags
    referrals: Whole
    own_referrals: Whole
    ties: Ties


@dataclass(frozen=True, slots=True)
class Part:
    """The scores of one scope.

    Attributes:
        members: their places in the network; the scores are in this order.
        shown: which of the members there is something to say of.
    """

    scope_id: UUID
    members: Whole
    scores: Scores
    shown: Whole


# --- reading ---------------------------------------------------------------------------------------------------


async def read(connection: asyncpg.Connection, org_id: UUID) -> Network:
    """The network as it is at one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
        parties = await _copied(connection, _PARTIES, org_id, id="S16", owner="S16", value=">f8", is_key=">i2")
        ties = await _copied(connection, _TIES, org_id, left="S16", right="S16", way=">i2", strength=">i2")
        given = await _copied(connection, _GIVEN, org_id, introducer="S16", target="S16")
    parties = parties[np.argsort(parties["id"])]
    ids = np.ascontiguousarray(parties["id"])
    left, is_left = _places(ids, ties["left"])
    right, is_right = _places(ids, ties["right"])
    kept = is_left & is_right & (left != right)
    owners = np.ascontiguousarray(parties["owner"])
    referrals, own_referrals = _given(ids, owners, given)
    return Network(
        ids=ids,
        owners=owners,
        value=parties["value"].astype(np.float64),
        is_key=parties["is_key"] != 0,
        referrals=referrals,
        own_referrals=own_referrals,
        ties=Ties(
            len(ids),
            left[kept],
            right[kept],
            ties["way"][kept].astype(np.int64),
            ties["strength"][kept].astype(np.int64),
        ),
    )


def _given(ids: Rows, owners: Rows, pairs: Rows) -> tuple[Whole, Whole]:
    """How many introductions each party gave, and how many of them between parties of one owner. Both ends live."""
    introducer, is_introducer = _places(ids, pairs["introducer"])
    target, is_target = _places(ids, pairs["target"])
    introducer, target = introducer[is_introducer & is_target], target[is_introducer & is_target]
    inner = introducer[owners[introducer] == owners[target]]
    return np.bincount(introducer, minlength=len(ids)), np.bincount(inner, minlength=len(ids))


async def _copied(connection: asyncpg.Connection, query: str, org_id: UUID, **fields: str) -> Rows:
    """The rows of a query as one array: COPY in the binary format, where rows without nulls all have one length."""
    text = bytearray()

    async def take(part: bytes) -> None:
        text.extend(part)

    await connection.copy_from_query(query, org_id, output=take, format="binary")
    # Each row: how many fields, then the length of each before its bytes. 19 bytes of heading, 2 at the end.
    columns = [
        ("", ">i2"),
        *(pair for name, kind in fields.items() for pair in ((f"{name} length", ">i4"), (name, kind))),
    ]
    layout = np.dtype([(name or "fields", kind) for name, kind in columns])
    return np.frombuffer(text, layout, count=(len(text) - 21) // layout.itemsize, offset=19)


def _places(ids: Rows, wanted: Rows) -> tuple[Whole, graph_scores.Flags]:
    """Where ids stand in a sorted array, and whether they do."""
    if not len(ids):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    found = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return found, ids[found] == wanted


# --- computing -------------------------------------------------------------------------------------------------


def parts(org_id: UUID, network: Network) -> Iterator[Part]:
    """The scores of the whole organisation, then those of each user's own parties."""
    everybody = np.arange(len(network.ids))
    if not len(everybody):
        return
    yield _part(org_id, network, everybody, network.ties, network.referrals)
    owner, owners = _groups(network.owners)
    inner = owner[network.ties.left] == owner[network.ties.right]
    of_tie = owner[network.ties.left][inner]
    by_tie = np.flatnonzero(inner)[np.argsort(of_tie, kind="stable")]
    tie_starts = np.searchsorted(np.sort(of_tie), np.arange(len(owners) + 1))
    by_owner = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[by_owner], np.arange(len(owners) + 1))
    place = np.empty(len(owner), dtype=np.int64)
    for number, owner_id in enumerate(owners):
        members = by_owner[starts[number] : starts[number + 1]]
        place[members] = np.arange(len(members))
        chosen = by_tie[tie_starts[number] : tie_starts[number + 1]]
        whole = network.ties
        own = Ties(
            len(members),
            place[whole.left[chosen]],
            place[whole.right[chosen]],
            whole.way[chosen],
            whole.strength[chosen],
        )
        yield _part(owner_id, network, members, own, network.own_referrals)


def _part(scope_id: UUID, network: Network, members: Whole, ties: Ties, referrals: Whole) -> Part:
    found = graph_scores.score(ties, network.value[members], referrals[members], network.is_key[members])
    # Who has no tie, gave no introduction and is no key account has nothing to be told of.
    return Part(scope_id, members, found, np.flatnonzero((found.degree > 0) | (found.influence > 0)))


def _groups(owners: Rows) -> tuple[Whole, list[UUID]]:
    """The number of each party's owner, and who he is."""
    distinct, number = np.unique(owners, return_inverse=True)
    return number, list(_uuids(distinct))


def _uuids(ids: Rows) -> Iterator[UUID]:
    text = ids.tobytes()
    return (UUID(bytes=text[at : at + 16]) for at in range(0, len(text), 16))


# --- writing ---------------------------------------------------------------------------------------------------


async def write(connection: asyncpg.Connection, org_id: UUID, network: Network, now: datetime) -> dict[str, int]:
    """Write the scores that moved, delete those of parties that are gone, note the time; how many of each."""
    written, kept = 0, []
    batch: list[tuple[Any, ...]] = []
    for part in parts(org_id, network):
        scope = np.frombuffer(part.scope_id.bytes, dtype="S16")[0]
        shown = network.ids[part.members[part.shown]]
        kept.append(_pairs(np.full(len(shown), scope, dtype="S16"), shown))
        for row in _rows(part, network):
            batch.append(row)
            if len(batch) == BATCH:
                written += await _write(connection, org_id, batch, now)
                batch = []
    if batch:
        written += await _write(connection, org_id, batch, now)
    async with connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
        stored = await _copied(connection, _STORED, org_id, scope="S16", customer="S16")
    gone = np.setdiff1d(
        _pairs(stored["scope"], stored["customer"]), np.concatenate(kept) if kept else np.empty(0, dtype="S32")
    )
    for start in range(0, len(gone), BATCH):
        both = list(_uuids(gone[start : start + BATCH]))
        await _bound(connection, org_id, _FORGET, both[::2], both[1::2])
    await _bound(connection, org_id, _DONE, now)
    return {"written": written, "deleted": len(gone)}


def _pairs(scopes: Rows, customers: Rows) -> Rows:
    """Two ids as one value of 32 bytes."""
    return np.ascontiguousarray(np.stack([scopes, customers], axis=1)).view("S32").ravel()


def _rows(part: Part, network: Network) -> Iterator[tuple[Any, ...]]:
    scores, at = part.scores, part.shown
    ids = list(_uuids(network.ids[part.members[at]]))
    columns = (
        scores.pagerank, scores.betweenness, scores.degree, scores.value_degree,
        _named(part, network), scores.is_bridge, scores.participation, scores.influence,
    )  # fmt: skip
    return zip([part.scope_id] * len(ids), ids, *(column[at].tolist() for column in columns), strict=True)


def _named(part: Part, network: Network) -> Whole:
    """A number below 2^31 for each community: it stays while its first member stays, and tells nothing about him.

    Counted from 1 they would tell how many communities there are, also of parties the reader does not see.
    """
    labels, number = np.unique(part.scores.community, return_inverse=True)
    names: dict[int, None] = {}
    for first in _uuids(network.ids[part.members[labels]]):
        digest = hashlib.blake2b(first.bytes, digest_size=4, key=part.scope_id.bytes).digest()
        name = int.from_bytes(digest, "big") >> 1
        while name in names:  # two of a hundred thousand may meet
            name = (name + 1) % 2**31
        names[name] = None
    return np.fromiter(names, dtype=np.int64, count=len(names))[number]


async def _write(connection: asyncpg.Connection, org_id: UUID, rows: list[tuple[Any, ...]], now: datetime) -> int:
    done = await _bound(connection, org_id, _WRITE, *(list(column) for column in zip(*rows, strict=True)), now, _MOVE)
    return int(done.rsplit(" ", 1)[-1])


async def _bound(connection: asyncpg.Connection, org_id: UUID, statement: str, *args: object) -> str:
    """One statement in a transaction of its own; what the database says of it."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
        done: str = await connection.execute(statement, org_id, *args)
    return done


async def compute(connection: asyncpg.Connection, org_id: UUID) -> dict[str, int]:
    """All of it for one organisation: parties and ties there are, rows written and deleted."""
    now = datetime.now(UTC)
    network = await read(connection, org_id)
    counts = {"parties": len(network.ids), "ties": len(network.ties.left)}
    return {**counts, **await write(connection, org_id, network, now)}


# --- the process -----------------------------------------------------------------------------------------------


async def _run(dsn: str, org_id: UUID) -> dict[str, int]:
    connection = await db.connect(dsn, patience=PATIENCE_SECONDS)
    try:
        return await compute(connection, org_id)
    finally:
        await connection.close()


def _end_with_starter() -> None:
    while os.read(0, 1000):  # not through sys.stdin: its lock may be held when the interpreter ends
        pass
    os._exit(1)


def main() -> int:
    """What is computed and why not, as one JSON line on standard output: counts, or the type of an error."""
    order = orjson.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_starter, daemon=True).start()
    os.nice(10)  # requests come first
    try:
        said: dict[str, Any] = asyncio.run(_run(order["dsn"], UUID(order["org_id"])))
        status = 0
    except Exception as error:  # a traceback could hold what a row holds
        said, status = describe(error), 1
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())
