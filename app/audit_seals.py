"""Sealing the audit trail: a hash chain over the events of each organisation, with signed anchors.

The sealer takes only events whose transactions are all behind the oldest one still running: whatever commits later has
a higher transaction number, so nothing can come to stand before what is sealed. It runs as a role of its own where
there is one; the service's role can neither write seals nor change events. Every bite of events ends with an anchor,
written in the same transaction. Between two runs an event lies unsealed: run it every minute.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app import crypto, keyring
from app.domain import audit_chain
from app.keyring import Keyring

BITE = 5_000  # events a transaction, and at most between two anchors
_LOCK = 7_236_626  # an arbitrary number: one sealer at a time per database
EVENT = ", ".join(f"{send}(e.{column})" for column, send in audit_chain.COLUMNS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_HEAD = "SELECT pos, h FROM audit_seals WHERE org_id = $1 ORDER BY pos DESC LIMIT 1"
_LAST = """
SELECT e.xid::text AS xid, e.id FROM audit_seals s
JOIN audit_events e ON e.org_id = $1 AND e.id = s.event_id
WHERE s.org_id = $1 ORDER BY s.pos DESC LIMIT 1
"""
# What is sealed already stays out, wherever somebody may have moved it.
_OPEN = """
SELECT e.id, {event} FROM audit_events e
WHERE e.org_id = $1 AND (e.xid, e.id) > ($2::text::xid8, $3) AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
  AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.org_id = $1 AND s.event_id = e.id)
ORDER BY e.xid, e.id LIMIT $4
""".replace("{event}", EVENT)
_ADD = """
INSERT INTO audit_seals (org_id, pos, event_id, h)
SELECT $1, s.pos, s.event_id, s.h FROM unnest($2::bigint[], $3::uuid[], $4::bytea[]) AS s (pos, event_id, h)
"""
_ANCHOR = """
INSERT INTO audit_anchors (org_id, number, pos, h, made_at, kid, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


class SealError(RuntimeError):
    """The trail cannot be sealed; the text tells the operator why."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed head of a chain."""

    org_id: UUID
    number: int
    pos: int
    h: bytes
    made_at: datetime
    kid: str
    signature: bytes

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the signature is of this key and of exactly this."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(self.signature, _statement(self))
        except (InvalidSignature, ValueError, OverflowError):
            return False
        return True


def _statement(anchor: Anchor) -> bytes:
    at = (anchor.made_at - _EPOCH) // timedelta(microseconds=1)
    return audit_chain.statement(anchor.org_id, anchor.number, anchor.pos, anchor.h, at, anchor.kid)


async def open_key(ring: Keyring, row: asyncpg.Record) -> Ed25519PrivateKey:
    """The private key of a row of `audit_keys`.

    Raises:
        CryptoError: it was sealed under another key-encryption key or id: it is none of ours.
    """
    text = await keyring.open_text(ring, row["kek_version"], _place(row["kid"]), row["sealed_key"])
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))


async def seal(connection: asyncpg.Connection, ring: Keyring, *, bite: int = BITE) -> int | None:
    """Seal what can be sealed, of all organisations; how many events that were, None when another sealer is at work.

    Args:
        connection: of the sealer's role or the owner, outside a transaction.

    Raises:
        SealError: the signing key is not ours.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return None
    try:
        kid, key = await _signing_key(connection, ring)
        sealed = 0
        for row in await connection.fetch("SELECT org_id FROM org_ids() AS org_id ORDER BY 1"):
            done = bite
            while done >= bite:
                async with connection.transaction():
                    await bind(connection, row["org_id"])
                    done = await _seal_bite(connection, row["org_id"], kid, key, bite)
                sealed += done
        return sealed
    finally:
        await connection.fetchval("SELECT pg_advisory_unlock($1)", _LOCK)


async def bind(connection: asyncpg.Connection, org_id: UUID) -> None:
    """See this organisation in the running transaction."""
    await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")


async def _seal_bite(connection: asyncpg.Connection, org_id: UUID, kid: str, key: Ed25519PrivateKey, bite: int) -> int:
    head = await connection.fetchrow(_HEAD, org_id)
    pos, h = (0, audit_chain.GENESIS) if head is None else (head["pos"], head["h"])
    last = await connection.fetchrow(_LAST, org_id)
    after = ("0", UUID(int=0)) if last is None else (last["xid"], last["id"])
    ids, links = list[UUID](), list[bytes]()
    for row in await connection.fetch(_OPEN, org_id, *after, bite):
        event_id, *event = row
        h = audit_chain.link(h, pos + len(ids) + 1, event)
        ids.append(event_id)
        links.append(h)
    if not ids:
        return 0
    await connection.execute(_ADD, org_id, list(range(pos + 1, pos + len(ids) + 1)), ids, links)
    number = await connection.fetchval(
        "SELECT coalesce(max(number), 0) + 1 FROM audit_anchors WHERE org_id = $1", org_id
    )
    unsigned = Anchor(org_id, number, pos + len(ids), h, datetime.now(UTC), kid, b"")
    signature = key.sign(_statement(unsigned))
    await connection.execute(_ANCHOR, org_id, number, unsigned.pos, h, unsigned.made_at, kid, signature)
    return len(ids)


async def _signing_key(connection: asyncpg.Connection, ring: Keyring) -> tuple[str, Ed25519PrivateKey]:
    """The newest key; the first one is made here."""
    newest = "SELECT kid, sealed_key, kek_version FROM audit_keys ORDER BY created_at DESC, kid LIMIT 1"
    row = await connection.fetchrow(newest)
    if row is None:
        await _make_key(connection, ring)
        row = await connection.fetchrow(newest)
    try:
        return row["kid"], await open_key(ring, row)
    except crypto.CryptoError:
        raise SealError(
            "the signing key of the audit trail does not open: another key-encryption key, or it was replaced"
        ) from None


async def _make_key(connection: asyncpg.Connection, ring: Keyring) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    kid = crypto.keyed_hash(public, b"renmai/audit-key")[:8].hex()
    version, sealed = await keyring.seal_text(ring, _place(kid), key.private_bytes_raw().hex())
    insert = "INSERT INTO audit_keys (kid, public_key, sealed_key, kek_version) VALUES ($1, $2, $3, $4)"
    await connection.execute(insert, kid, public, sealed, version)


def _place(kid: str) -> bytes:
    """As `app/sealed.py` says it: apart from the keys that sign tokens."""
    return b"audit-key/" + kid.encode()
