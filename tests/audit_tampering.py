"""What somebody with every right on the database may do to the trail: as data, with what the check must say of it.

Each statement is of a superuser with all triggers off. `$1` is the organisation, whose chain has 60 positions in three
bites with an anchor each; PICK is the event at a position. Who can compute hashes and has a key of his own does more:
those are functions.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from uuid_utils.compat import uuid7

from app import audit_seals, crypto
from app.audit_seals import EVENT
from app.domain import audit_chain

Act = Callable[[asyncpg.Connection, UUID], Awaitable[None]]


@dataclass(frozen=True)
class Tampering:
    """One way to change history.

    Attributes:
        codes: findings one of which must be among those the check reports.
        needs_anchor: only anchors kept elsewhere can tell.
    """

    name: str
    act: tuple[str, ...] | Act
    codes: frozenset[str]
    needs_anchor: bool = False


def _sql(name: str, codes: str, *statements: str, needs_anchor: bool = False) -> Tampering:
    return Tampering(name, statements, frozenset(codes.split()), needs_anchor)


PICK = "(SELECT event_id FROM audit_seals WHERE org_id = $1 AND pos = {})"


def _event(name: str, change: str, codes: str = "altered") -> Tampering:
    return _sql(name, codes, f"UPDATE audit_events SET {change} WHERE org_id = $1 AND id = " + PICK.format(25))


async def rehash(db: asyncpg.Connection, org_id: UUID, start: int) -> None:
    """Every `h` from a position on, calculated as the sealer would."""
    before = await db.fetchval("SELECT h FROM audit_seals WHERE org_id = $1 AND pos = $2", org_id, start - 1)
    h = before or audit_chain.GENESIS
    rows = await db.fetch(
        f"SELECT s.pos, {EVENT} FROM audit_seals s JOIN audit_events e ON e.org_id = $1 AND e.id = s.event_id "
        "WHERE s.org_id = $1 AND s.pos >= $2 ORDER BY s.pos",
        org_id,
        start,
    )
    for pos, *event in rows:
        h = audit_chain.link(h, pos, event)
        await db.execute("UPDATE audit_seals SET h = $3 WHERE org_id = $1 AND pos = $2", org_id, pos, h)


async def _alter_and_rehash(db: asyncpg.Connection, org_id: UUID) -> None:
    await db.execute("UPDATE audit_events SET actor_id = NULL WHERE org_id = $1 AND id = " + PICK.format(25), org_id)
    await rehash(db, org_id, 25)


async def _anchors_follow(db: asyncpg.Connection, org_id: UUID) -> None:
    await _alter_and_rehash(db, org_id)
    await db.execute(
        "UPDATE audit_anchors a SET h = s.h FROM audit_seals s WHERE a.org_id = $1 AND s.org_id = $1 AND s.pos = a.pos",
        org_id,
    )


async def _sign(db: asyncpg.Connection, org_id: UUID, kid: str, key: Ed25519PrivateKey) -> None:
    for row in await db.fetch("SELECT org_id, number, pos, h FROM audit_anchors WHERE org_id = $1", org_id):
        at = datetime(2026, 1, 1, tzinfo=UTC)
        anchor = audit_seals.Anchor(**dict(row), made_at=at, kid=kid, signature=b"")
        signature = key.sign(audit_seals._statement(anchor))
        await db.execute(
            "UPDATE audit_anchors SET made_at = $3, kid = $4, signature = $5 WHERE org_id = $1 AND number = $2",
            org_id, row["number"], at, kid, signature,
        )  # fmt: skip


async def _key_of_his_own(db: asyncpg.Connection, org_id: UUID) -> None:
    await _anchors_follow(db, org_id)
    key, kek = Ed25519PrivateKey.generate(), bytes(range(32))
    sealed = crypto.seal_text(kek, b"audit-key/mine", key.private_bytes_raw().hex())
    public = key.public_key().public_bytes_raw()
    await db.execute(
        "INSERT INTO audit_keys (kid, public_key, sealed_key, kek_version) VALUES ('mine', $1, $2, 1)", public, sealed
    )
    await _sign(db, org_id, "mine", key)


async def _key_in_the_place_of_ours(db: asyncpg.Connection, org_id: UUID) -> None:
    await _anchors_follow(db, org_id)
    key = Ed25519PrivateKey.generate()
    await db.execute("UPDATE audit_keys SET public_key = $1", key.public_key().public_bytes_raw())
    await _sign(db, org_id, await db.fetchval("SELECT kid FROM audit_keys"), key)


async def _insert(db: asyncpg.Connection, org_id: UUID, xid: str) -> UUID:
    made = uuid7()
    await db.execute(
        "INSERT INTO audit_events (org_id, id, xid, actor_kind, action, object_type, detail, request_id) "
        "VALUES ($1, $2, $3::text::xid8, 'system', 'customer.viewed', 'customer', '{}', '')",
        org_id, made, xid,
    )  # fmt: skip
    return made


async def _xid_at(db: asyncpg.Connection, org_id: UUID, pos: int) -> Any:
    return await db.fetchval(
        "SELECT xid::text FROM audit_events WHERE org_id = $1 AND id = " + PICK.format(pos), org_id
    )


async def _insert_into_the_past(db: asyncpg.Connection, org_id: UUID) -> None:
    await _insert(db, org_id, await _xid_at(db, org_id, 30))


async def _insert_from_the_future(db: asyncpg.Connection, org_id: UUID) -> None:
    await _insert(db, org_id, "9000000000000")


async def _insert_and_rehash(db: asyncpg.Connection, org_id: UUID) -> None:
    made = await _insert(db, org_id, await _xid_at(db, org_id, 30))
    await db.execute("UPDATE audit_seals SET pos = pos + 1000 WHERE org_id = $1 AND pos > 30", org_id)
    await db.execute("UPDATE audit_seals SET pos = pos - 999 WHERE org_id = $1 AND pos > 1000", org_id)
    await db.execute("INSERT INTO audit_seals (org_id, pos, event_id, h) VALUES ($1, 31, $2, '')", org_id, made)
    await rehash(db, org_id, 31)


async def _delete_and_close_the_gap(db: asyncpg.Connection, org_id: UUID) -> None:
    await db.execute("DELETE FROM audit_events WHERE org_id = $1 AND id = " + PICK.format(25), org_id)
    await db.execute("DELETE FROM audit_seals WHERE org_id = $1 AND pos = 25", org_id)
    await db.execute("UPDATE audit_seals SET pos = pos + 1000 WHERE org_id = $1 AND pos > 25", org_id)
    await db.execute("UPDATE audit_seals SET pos = pos - 1001 WHERE org_id = $1 AND pos > 1000", org_id)
    await rehash(db, org_id, 25)


async def _swap_and_rehash(db: asyncpg.Connection, org_id: UUID) -> None:
    for statement in _SWAP_SEALS:
        await db.execute(statement, org_id)
    await rehash(db, org_id, 20)


_SWAP_SEALS = (
    "CREATE TEMP TABLE swapped ON COMMIT DROP AS SELECT pos, event_id FROM audit_seals WHERE org_id = $1::uuid "
    "AND pos IN (20, 40)",
    "DELETE FROM audit_seals s USING swapped w WHERE s.org_id = $1 AND s.pos = w.pos",
    "INSERT INTO audit_seals (org_id, pos, event_id, h) SELECT $1, 60 - pos, event_id, sha256('') FROM swapped",
)
_TAIL = "DELETE FROM audit_events WHERE org_id = $1 AND id IN (SELECT event_id FROM audit_seals WHERE org_id = $1 AND "
_ALL = tuple(f"DELETE FROM {table} WHERE org_id = $1" for table in ("audit_events", "audit_seals", "audit_anchors"))

TAMPERINGS = (
    _event("actor", "actor_id = gen_random_uuid()"),
    _event("actor taken out", "actor_id = NULL"),
    _event("kind of actor", "actor_kind = 'system'"),
    _event("session", "session_id = gen_random_uuid()"),
    _event("device", "device_id = 'another'"),
    _event("kind of device", "device_kind = NULL"),
    _event("action", "action = 'customer.listed'"),
    _event("type of object", "object_type = 'company'"),
    _event("object", "object_id = gen_random_uuid()"),
    _event("person", "person_id = gen_random_uuid()"),
    _event("person taken out", "person_id = NULL"),
    _event("other person", "other_person_id = gen_random_uuid()"),
    _event("fields", "detail = jsonb_set(detail, '{fields}', '[]')"),
    _event("member added", "detail = detail || '{\"x\": 1}'"),
    _event("request", "request_id = request_id || 'x'"),
    _event("a microsecond", "at = at + interval '1 microsecond'"),
    _event("transaction", "xid = ((xid::text)::bigint + 100000)::text::xid8"),
    _event("id", "id = gen_random_uuid()", "deleted"),
    _event("organisation", "org_id = (SELECT id FROM orgs WHERE id <> $1 LIMIT 1)", "deleted"),
    _sql("column to column", "altered",
         "UPDATE audit_events SET device_id = '', device_kind = device_id || device_kind WHERE org_id = $1 AND id = "
         + PICK.format(25)),
    _sql("seal", "seal_altered altered", "UPDATE audit_seals SET h = sha256(h) WHERE org_id = $1 AND pos = 25"),
    _sql("last seal", "seal_altered altered", "UPDATE audit_seals SET h = sha256(h) WHERE org_id = $1 AND pos = 60"),
    _sql("seal of another event", "deleted",
         "UPDATE audit_seals SET event_id = gen_random_uuid() WHERE org_id = $1 AND pos = 25"),
    _sql("seal moved", "seal_deleted", "UPDATE audit_seals SET pos = 1000 WHERE org_id = $1 AND pos = 25"),
    _sql("seal deleted", "seal_deleted", "DELETE FROM audit_seals WHERE org_id = $1 AND pos = 25"),
    _sql("first seal deleted", "seal_deleted", "DELETE FROM audit_seals WHERE org_id = $1 AND pos = 1"),
    _sql("last seal deleted", "truncated", "DELETE FROM audit_seals WHERE org_id = $1 AND pos = 60"),
    _sql("all seals deleted", "truncated", "DELETE FROM audit_seals WHERE org_id = $1"),
    _sql("event deleted", "deleted", "DELETE FROM audit_events WHERE org_id = $1 AND id = " + PICK.format(25)),
    _sql("first event deleted", "deleted", "DELETE FROM audit_events WHERE org_id = $1 AND id = " + PICK.format(1)),
    _sql("last event deleted", "deleted", "DELETE FROM audit_events WHERE org_id = $1 AND id = " + PICK.format(60)),
    _sql("all events deleted", "deleted", "DELETE FROM audit_events WHERE org_id = $1"),
    _sql("event and seal deleted", "seal_deleted",
         "DELETE FROM audit_events WHERE org_id = $1 AND id = " + PICK.format(25),
         "DELETE FROM audit_seals WHERE org_id = $1 AND pos = 25"),
    Tampering("deleted, gap closed, hashed again", _delete_and_close_the_gap, frozenset({"altered", "truncated"})),
    _sql("end cut off, anchor left", "truncated",
         _TAIL + "pos > 40)", "DELETE FROM audit_seals WHERE org_id = $1 AND pos > 40"),
    _sql("end cut off, in the middle of a bite", "truncated anchor_deleted",
         _TAIL + "pos > 50)", "DELETE FROM audit_seals WHERE org_id = $1 AND pos > 50",
         "DELETE FROM audit_anchors WHERE org_id = $1 AND pos > 50"),
    _sql("end cut off with its anchor", "truncated",
         _TAIL + "pos > 40)", "DELETE FROM audit_seals WHERE org_id = $1 AND pos > 40",
         "DELETE FROM audit_anchors WHERE org_id = $1 AND pos > 40", needs_anchor=True),
    _sql("everything deleted", "truncated", *_ALL, needs_anchor=True),
    _sql("everything and the organisation deleted", "truncated", *_ALL,
         "DELETE FROM orgs WHERE id = $1", needs_anchor=True),
    _sql("all seals and anchors deleted", "truncated", *_ALL[1:], needs_anchor=True),
    _sql("two seals exchanged", "reordered altered", *_SWAP_SEALS),
    Tampering("two exchanged, hashed again", _swap_and_rehash, frozenset({"reordered", "altered"})),
    _sql("two events exchanged what they say", "altered reordered",
         "UPDATE audit_events e SET person_id = o.person_id, object_id = o.object_id FROM audit_events o "
         "WHERE e.org_id = $1 AND o.org_id = $1 "
         f"AND (e.id, o.id) IN (({PICK.format(20)}, {PICK.format(41)}), ({PICK.format(41)}, {PICK.format(20)}))"),
    Tampering("inserted into the past", _insert_into_the_past, frozenset({"inserted"})),
    Tampering("inserted from the future", _insert_from_the_future, frozenset({"inserted"})),
    Tampering("inserted, sealed, hashed again", _insert_and_rehash, frozenset({"altered", "reordered"})),
    Tampering("altered, hashed again", _alter_and_rehash, frozenset({"altered"})),
    Tampering("altered, hashed again, anchors too", _anchors_follow, frozenset({"anchor_altered"})),
    Tampering("altered, signed with another key", _key_of_his_own, frozenset({"key_replaced"})),
    Tampering("altered, our key replaced", _key_in_the_place_of_ours, frozenset({"key_replaced"})),
    _sql("sealed half of the key", "key_replaced",
         "UPDATE audit_keys SET sealed_key = sha256(sealed_key) WHERE $1::uuid IS NOT NULL"),
    _sql("key deleted", "anchor_altered", "DELETE FROM audit_keys WHERE $1::uuid IS NOT NULL"),
    *(_sql(f"anchor: {column}", "anchor_altered", f"UPDATE audit_anchors SET {column} = {value} "
           "WHERE org_id = $1 AND number = 2")
      for column, value in (
          ("h", "sha256(h)"), ("pos", "pos - 1"), ("made_at", "made_at + interval '1 day'"), ("kid", "'none'"),
          ("signature", "set_byte(signature, 5, 255 - get_byte(signature, 5))"))),
    _sql("anchor: number", "anchor_altered", "UPDATE audit_anchors SET number = 9 WHERE org_id = $1 AND number = 3"),
    _sql("anchor deleted", "anchor_deleted", "DELETE FROM audit_anchors WHERE org_id = $1 AND number = 2"),
    _sql("first anchor deleted", "anchor_deleted", "DELETE FROM audit_anchors WHERE org_id = $1 AND number = 1"),
    _sql("last anchor deleted", "anchor_deleted", "DELETE FROM audit_anchors WHERE org_id = $1 AND number = 3"),
)  # fmt: skip
