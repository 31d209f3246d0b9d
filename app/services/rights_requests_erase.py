"""Erasing persons: the keys, every row, the blind indexes; what stays is an id without a name, and the proof.

What goes is declared in the inventory (`domain/inventory.py`), from which the database function `erase_persons` is
written. The proofs are at the same time the erasure list: a backup from before an erasure brings the person back, so
the list is kept beside the backups (`renmai erasures export`) and replayed after a restore, before the service opens.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

_ERASE = "SELECT erase_persons($1, ARRAY[$2]::uuid[])"
# Whatever else he asked for, there is nothing left to show, correct or hand over.
_CLOSE = """
UPDATE rights_requests
SET status = 'refused', refusal = 'no_such_data', decided_at = now(), decided_by = $4, updated_at = now(),
    version = version + 1
WHERE org_id = $1 AND customer_id = $2 AND status IN ('received', 'identity_checked') AND id IS DISTINCT FROM $3
"""
_PROVE = """
INSERT INTO erasures (org_id, id, customer_id, basis, rights_request_id, decided_by, erased_at, counts, replayed_at)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, now()), $8::text::jsonb,
        CASE WHEN $7::timestamptz IS NOT NULL THEN now() END)
"""
_NOTE = """
INSERT INTO audit_events (org_id, id, actor_kind, action, object_type, object_id, detail, request_id)
VALUES ($1, $2, 'system', 'customer.erased', 'customer', $3, jsonb_build_object('basis', $4::text), '')
"""
_LIST = """
SELECT org_id, id, customer_id, basis, rights_request_id, decided_by, erased_at
FROM erasures WHERE org_id = $1 ORDER BY erased_at, id
"""
# There is something to do when the person is here again, or a key of his is.
_IS_BACK = """
SELECT EXISTS (SELECT FROM customers WHERE org_id = $1 AND id = $2 AND erased_at IS NULL)
    OR EXISTS (SELECT FROM person_keys WHERE org_id = $1 AND person_id = $2)
"""


async def erase(
    connection: asyncpg.Connection,
    org_id: UUID,
    customer_id: UUID,
    basis: str,
    *,
    request_id: UUID | None = None,
    decided_by: UUID | None = None,
) -> dict[str, int]:
    """Erase one, close what else he asked for, and keep the proof; how many rows of each table went.

    Args:
        connection: in a transaction bound to the organisation; the caller holds the customer.
        basis: request, hold_ended, deleted or consent_withdrawn.
    """
    counts = _counts(await connection.fetchval(_ERASE, org_id, customer_id))
    await connection.execute(_CLOSE, org_id, customer_id, request_id, decided_by)
    await _prove(connection, org_id, uuid7(), customer_id, basis, request_id, decided_by, None, counts)
    return counts


async def erase_by_rule(connection: asyncpg.Connection, org_id: UUID, customer_id: UUID, basis: str) -> None:
    """As `erase`, for a rule instead of a person, with the audit event.

    Args:
        connection: of the owner role, as above.
    """
    await erase(connection, org_id, customer_id, basis)
    await connection.execute(_NOTE, org_id, uuid7(), customer_id, basis)


async def listed(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    """The erasure list: ids, the ground and the moment of every erasure. Only the owner role sees all organisations."""
    names = ("org_id", "id", "customer_id", "basis", "rights_request_id", "decided_by")
    orgs = [row["id"] for row in await connection.fetch("SELECT id FROM orgs ORDER BY id")]
    return [
        {name: None if row[name] is None else str(row[name]) for name in names}
        | {"erased_at": row["erased_at"].isoformat()}
        for org_id in orgs
        for row in await connection.fetch(_LIST, org_id)
    ]


async def replay(connection: asyncpg.Connection, entries: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Erase again whom a restore has brought back: how many were, and how many the list has.

    Args:
        connection: of the owner role, outside a transaction; each person is a transaction of his own.
        entries: as `listed` gives them.
    """
    again = total = 0
    for entry in entries:
        total += 1
        again += await _replay_one(connection, entry)
    return again, total


async def _replay_one(connection: asyncpg.Connection, entry: dict[str, Any]) -> bool:
    org_id, customer_id = UUID(entry["org_id"]), UUID(entry["customer_id"])
    async with connection.transaction():
        await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
        if not await connection.fetchval(_IS_BACK, org_id, customer_id):
            return False
        lock = "SELECT FROM customers WHERE org_id = $1 AND id = $2 FOR UPDATE"
        await connection.execute(lock, org_id, customer_id)
        counts = _counts(await connection.fetchval(_ERASE, org_id, customer_id))
        proven = "SELECT true FROM erasures WHERE org_id = $1 AND id = $2"
        if not await connection.fetchval(proven, org_id, UUID(entry["id"])):
            request_id, decided_by = (
                None if entry[name] is None else UUID(entry[name]) for name in ("rights_request_id", "decided_by")
            )
            at, proof, basis = datetime.fromisoformat(entry["erased_at"]), UUID(entry["id"]), entry["basis"]
            await _prove(connection, org_id, proof, customer_id, basis, request_id, decided_by, at, counts)
    return True


async def _prove(
    connection: asyncpg.Connection,
    org_id: UUID,
    proof_id: UUID,
    customer_id: UUID,
    basis: str,
    request_id: UUID | None,
    decided_by: UUID | None,
    at: datetime | None,
    counts: dict[str, int],
) -> None:
    await connection.execute(
        _PROVE, org_id, proof_id, customer_id, basis, request_id, decided_by, at, orjson.dumps(counts).decode()
    )


def _counts(told: Any) -> dict[str, int]:
    """jsonb arrives as text, or read already, as the connection is set up."""
    counts: dict[str, int] = orjson.loads(told) if isinstance(told, str) else told
    return counts
