"""Checking the sealed audit trail: does it say today what it said when it was sealed?

Everything is read in one snapshot and calculated here; nothing the database says about itself is believed. A signing
key counts only if it opens with a key-encryption key of ours, so a key somebody put in the place of ours signs nothing.
What the database alone cannot tell (the end of the chain cut off, together with its seals and anchors) the last anchors
tell that were taken elsewhere before (`renmai audit anchors`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app import audit_seals, crypto
from app.audit_seals import EVENT, Anchor
from app.domain import audit_chain
from app.keyring import Keyring

FORMAT = "renmai-audit-anchors/1"
_AT_ONCE = 10_000  # rows a statement
_SHOWN = 20  # events named of each kind and organisation; the rest is counted

_KEYS = "SELECT kid, public_key, sealed_key, kek_version FROM audit_keys ORDER BY created_at, kid"
_ANCHORS = "SELECT org_id, number, pos, h, made_at, kid, signature FROM audit_anchors WHERE org_id = $1 ORDER BY number"
_LAST_ANCHOR = _ANCHORS + " DESC LIMIT 1"
_SEALS = """
SELECT s.pos, s.event_id, s.h, e.xid::text AS order_xid, {event}
FROM (SELECT * FROM audit_seals WHERE org_id = $1 AND pos > $2 ORDER BY pos LIMIT $3) s
LEFT JOIN audit_events e ON e.org_id = $1 AND e.id = s.event_id
ORDER BY s.pos
""".replace("{event}", EVENT)
_UNSEALED = """
SELECT e.id, e.xid::text AS xid, e.xid >= pg_snapshot_xmax(pg_current_snapshot()) AS is_future
FROM audit_events e
WHERE e.org_id = $1 AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.org_id = $1 AND s.event_id = e.id)
ORDER BY e.xid, e.id
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was.

    Attributes:
        code: altered, deleted, inserted, reordered, truncated, seal_altered, seal_deleted, anchor_altered,
            anchor_deleted, key_replaced.
    """

    org: str
    code: str
    text: str


@dataclass(slots=True)
class Report:
    """What was checked and what was found."""

    events: int = 0
    anchors: int = 0
    unsealed: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Chain:
    """The walk along one organisation."""

    org: str
    org_id: UUID
    report: Report
    anchors: dict[int, Anchor]
    pos: int = 0
    h: bytes | None = audit_chain.GENESIS  # None: unknown behind a gap
    order: tuple[int, UUID] = (0, UUID(int=0))
    doubt: tuple[int, UUID, bytes] | None = None  # a position that does not fit, and what `h` it ought to have
    is_rewritten: bool = False

    def say(self, code: str, text: str) -> None:
        self.report.findings.append(Finding(self.org, code, text))


async def verify(connection: asyncpg.Connection, ring: Keyring, kept: Mapping[str, Any] | None = None) -> Report:
    """The whole trail, every organisation.

    Args:
        connection: of the sealer's role or the owner, outside a transaction.
        kept: what `export` once gave.
    """
    report = Report()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        public = await _trusted_keys(connection, ring, report, kept)
        heads = [_head(one) for one in ([] if kept is None else kept["heads"])]
        known = [row["org_id"] for row in await connection.fetch("SELECT org_id FROM org_ids() AS org_id ORDER BY 1")]
        for org_id in known:
            await audit_seals.bind(connection, org_id)
            code = await connection.fetchval("SELECT code FROM orgs WHERE id = $1", org_id)
            anchors = await _anchors(connection, code, org_id, public, report)
            chain = _Chain(code, org_id, report, anchors)
            await _walk(connection, chain)
            await _look_for_unsealed(connection, chain)
            await _compare(connection, chain, [one for one in heads if one.org_id == org_id], public)
        for lost in sorted({str(one.org_id) for one in heads if one.org_id not in known}):
            report.findings.append(Finding(lost, "truncated", "the organisation and its whole trail are gone"))
    return report


async def _trusted_keys(
    connection: asyncpg.Connection, ring: Keyring, report: Report, kept: Mapping[str, Any] | None
) -> dict[str, bytes]:
    """Public keys by id, of those private keys that open with our key-encryption keys."""
    public = dict[str, bytes]()
    for row in await connection.fetch(_KEYS):
        try:
            real = (await audit_seals.open_key(ring, row)).public_key().public_bytes_raw()
        except (crypto.CryptoError, ValueError):
            report.findings.append(Finding("-", "key_replaced", f"key {row['kid']} is none that this service made"))
            continue
        if real != row["public_key"]:
            report.findings.append(Finding("-", "key_replaced", f"key {row['kid']} has another public half"))
        public[row["kid"]] = real
    for one in [] if kept is None else kept["keys"]:
        if public.setdefault(one["kid"], bytes.fromhex(one["public_key"])) != bytes.fromhex(one["public_key"]):
            report.findings.append(Finding("-", "key_replaced", f"key {one['kid']} is not the one of the kept anchors"))
    return public


async def _anchors(
    connection: asyncpg.Connection, code: str, org_id: UUID, public: Mapping[str, bytes], report: Report
) -> dict[int, Anchor]:
    """The good anchors of an organisation by position."""
    found, expected = dict[int, Anchor](), 1
    async for row in connection.cursor(_ANCHORS, org_id, prefetch=_AT_ONCE):
        anchor = Anchor(**dict(row))
        if anchor.number != expected:
            gap = f"{expected} to {anchor.number - 1}" if anchor.number - expected > 1 else str(expected)
            report.findings.append(Finding(code, "anchor_deleted", f"anchor {gap} is missing"))
        expected = anchor.number + 1
        report.anchors += 1
        if anchor.kid not in public or not anchor.is_signed_by(public[anchor.kid]):
            report.findings.append(Finding(code, "anchor_altered", f"anchor {anchor.number} is not signed by our key"))
            continue
        found[anchor.pos] = anchor
    return found


async def _walk(connection: asyncpg.Connection, chain: _Chain) -> None:
    last = 0
    while True:
        rows = await connection.fetch(_SEALS, chain.org_id, last, _AT_ONCE)
        await asyncio.to_thread(_check_rows, chain, rows)
        if len(rows) < _AT_ONCE:
            break
        last = rows[-1]["pos"]
    _settle(chain, None)
    beyond = [pos for pos in chain.anchors if pos > chain.pos]
    if beyond:
        chain.say("truncated", f"sealed up to position {max(beyond)} once, now only to {chain.pos}")
    elif chain.pos and chain.pos not in chain.anchors:
        chain.say("anchor_deleted", f"position {chain.pos} is the last, and no good anchor holds it")


def _check_rows(chain: _Chain, rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        pos, event_id, h, xid, *event = row
        chain.report.events += 1
        _settle(chain, row)
        if pos != chain.pos + 1:
            gap = f"{chain.pos + 1} to {pos - 1}" if pos - chain.pos > 2 else str(chain.pos + 1)
            chain.say("seal_deleted", f"the seal of position {gap} is missing")
            chain.h = None
        before, chain.pos, chain.h = chain.h, pos, h
        if xid is None:
            chain.say("deleted", f"event {event_id} at position {pos} was deleted")
            continue
        made = None if before is None else audit_chain.link(before, pos, event)
        order = (int(xid), event_id)
        if made is None or made == h:
            _follow(chain, order)
        elif order <= chain.order:
            chain.say("reordered", f"event {event_id} at position {pos} does not belong there")
        else:
            chain.doubt = (pos, event_id, made)


def _follow(chain: _Chain, order: tuple[int, UUID]) -> None:
    """A position that fits: its place in the order of transactions, and the anchor that holds it."""
    if order <= chain.order:
        chain.say("reordered", f"event {order[1]} at position {chain.pos} is older than the one before it")
    chain.order = max(order, chain.order)
    anchor = chain.anchors.get(chain.pos)
    if anchor is not None and chain.h is not None and anchor.h != chain.h and not chain.is_rewritten:
        chain.is_rewritten = True
        chain.say(
            "altered", f"the chain was calculated anew before position {chain.pos}: anchor {anchor.number} differs"
        )


def _settle(chain: _Chain, following: asyncpg.Record | None) -> None:
    """Of a position that does not fit its seal: was it the event or the seal? An anchor or the next position tells."""
    if chain.doubt is None:
        return
    (pos, event_id, made), chain.doubt = chain.doubt, None
    anchor = chain.anchors.get(pos)
    is_event_good = anchor is not None and anchor.h == made
    if anchor is None and following is not None and following["order_xid"] is not None and following["pos"] == pos + 1:
        is_event_good = audit_chain.link(made, pos + 1, list(following)[4:]) == following["h"]
    if is_event_good:
        chain.say("seal_altered", f"the seal of position {pos} was altered; its event {event_id} was not")
        chain.h = made
    else:
        chain.say("altered", f"event {event_id} at position {pos} was altered")


async def _look_for_unsealed(connection: asyncpg.Connection, chain: _Chain) -> None:
    inserted = list[str]()
    async for row in connection.cursor(_UNSEALED, chain.org_id, prefetch=_AT_ONCE):
        chain.report.unsealed += 1
        if row["is_future"]:
            inserted.append(f"event {row['id']} claims a transaction that has not been yet")
        elif (int(row["xid"]), row["id"]) <= chain.order:
            inserted.append(f"event {row['id']} stands before what was sealed, without a seal")
    for text in inserted[:_SHOWN]:
        chain.say("inserted", text)
    if len(inserted) > _SHOWN:
        chain.say("inserted", f"and {len(inserted) - _SHOWN} more")


async def _compare(
    connection: asyncpg.Connection, chain: _Chain, heads: Iterable[Anchor], public: Mapping[str, bytes]
) -> None:
    """What the chain was when the anchors were taken away, against what it is."""
    for head in heads:
        if head.kid not in public or not head.is_signed_by(public[head.kid]):
            chain.say("key_replaced", f"the kept anchor {head.number} is not signed by a key of ours")
            continue
        h = await connection.fetchval(
            "SELECT h FROM audit_seals WHERE org_id = $1 AND pos = $2", chain.org_id, head.pos
        )
        if h is None:
            chain.say("truncated", f"sealed up to position {head.pos} when the anchor was kept, now to {chain.pos}")
        elif h != head.h:
            chain.say("altered", f"position {head.pos} is not what it was when the anchor was kept")


async def export(connection: asyncpg.Connection) -> dict[str, Any]:
    """The last anchor of every organisation and the public keys, to be kept where this database is not."""
    heads = list[dict[str, Any]]()
    for org in await connection.fetch("SELECT org_id FROM org_ids() AS org_id ORDER BY 1"):
        async with connection.transaction():
            await audit_seals.bind(connection, org["org_id"])
            row = await connection.fetchrow(_LAST_ANCHOR, org["org_id"])
        if row is not None:
            texts = {"h": row["h"].hex(), "signature": row["signature"].hex(), "made_at": row["made_at"].isoformat()}
            heads.append({**dict(row), "org_id": str(row["org_id"]), **texts})
    keys = [{"kid": row["kid"], "public_key": row["public_key"].hex()} for row in await connection.fetch(_KEYS)]
    return {"format": FORMAT, "keys": keys, "heads": heads}


def load(text: bytes) -> dict[str, Any]:
    """A file of kept anchors.

    Raises:
        SealError: it is none.
    """
    try:
        kept = orjson.loads(text)
        if kept["format"] != FORMAT:
            raise ValueError
        for one in kept["heads"]:
            _head(one)
        for key in kept["keys"]:
            bytes.fromhex(key["public_key"])
    except (KeyError, TypeError, ValueError):
        raise audit_seals.SealError("this file does not hold anchors of the audit trail") from None
    return dict(kept)


def _head(one: Mapping[str, Any]) -> Anchor:
    return Anchor(
        UUID(one["org_id"]),
        int(one["number"]),
        int(one["pos"]),
        bytes.fromhex(one["h"]),
        datetime.fromisoformat(one["made_at"]),
        one["kid"],
        bytes.fromhex(one["signature"]),
    )
