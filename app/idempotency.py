"""Idempotency-Key: a retried POST answers what the first one answered, and acts once.

Answers may hold what is shown once (a revealed number, the token of an invitation), so they are kept sealed. The row
is written in the transaction of the write itself. A twin that arrives while the first is running waits at
the primary key until that transaction ends, then gets the stored answer.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import crypto, db, keyring
from app.errors import Conflict, Invalid, Issue, Malformed

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

# A key that is past its time is claimed anew; a living one is left alone, and nothing comes back.
_CLAIM = """
INSERT INTO idempotency_keys AS k (org_id, principal_id, key, request_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, principal_id, key) DO UPDATE
SET request_hash = excluded.request_hash, created_at = excluded.created_at, status = NULL, headers = NULL, body = NULL
WHERE k.created_at < excluded.created_at - $5::interval
RETURNING true
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it was given the first time."""

    status: int
    headers: dict[str, str]
    body: bytes


def check_key(key: str | None, *, required: bool) -> str | None:
    """The key, or None when it is absent and may be.

    Raises:
        Malformed: absent where it is required, or not 1 to 255 visible ASCII characters.
    """
    if key is None:
        if required:
            raise Malformed("idempotency_key_missing")
        return None
    if not _KEY.fullmatch(key):
        raise Malformed(issues=[Issue("pattern", header="Idempotency-Key")])
    return key


def request_hash(method: str, path: str, body: bytes) -> bytes:
    """What must be equal for a repeated key to be a retry. Never stored: of few bodies one is soon tried out."""
    return hashlib.sha256(b"\x00".join((method.encode(), path.encode(), body))).digest()


async def begin(session: AsyncSession, principal_id: UUID, key: str, sent: bytes) -> Stored | None:
    """Claim the key; the stored answer when the request was already carried out.

    Args:
        sent: the `request_hash` of the present request.

    Raises:
        Invalid: the key belongs to another request.
        Conflict: the first request is still running.
    """
    driver, org_id = db.raw(session), session.info["org_id"]
    place = _place(org_id, principal_id, key)
    digest = crypto.keyed_hash(keyring.current().digests, b"renmai/request" + sent + place)
    try:
        claimed = await driver.fetchval(_CLAIM, org_id, principal_id, key, digest, KEPT)
    except asyncpg.LockNotAvailableError:
        raise Conflict("retry", headers={"Retry-After": "1"}) from None
    if claimed:
        return None
    row = await driver.fetchrow(
        "SELECT request_hash, status, headers, body FROM idempotency_keys "
        "WHERE org_id = $1 AND principal_id = $2 AND key = $3",
        org_id,
        principal_id,
        key,
    )
    if row is None or row["status"] is None:
        raise Conflict("retry", headers={"Retry-After": "1"})
    # The release before kept what was sent without a key; such a row lives a day.
    if row["request_hash"] not in (digest, sent):
        raise Invalid("idempotency_key_reused", issues=[Issue("repeated", header="Idempotency-Key")])
    return Stored(row["status"], row["headers"], _opened(row["body"], place))


def _opened(kept: bytes, place: bytes) -> bytes:
    if kept[:1] != b"\x01":  # kept before answers were sealed; such a row lives a day
        return kept
    return crypto.open_text(keyring.current().answers, place, kept).encode()


def _place(org_id: UUID, principal_id: UUID, key: str) -> bytes:
    return org_id.bytes + principal_id.bytes + key.encode()


async def finish(session: AsyncSession, principal_id: UUID, key: str, answer: Stored, about: list[UUID]) -> None:
    """Keep the answer with the write it belongs to.

    Args:
        about: ids of what it speaks of: it is forgotten when one of them is erased.
    """
    await session.flush()
    org_id = session.info["org_id"]
    ring, place = keyring.current(), _place(org_id, principal_id, key)
    sealed = crypto.seal_text(ring.answers, place, answer.body.decode(), ring.algorithm)
    await db.raw(session).execute(
        "UPDATE idempotency_keys SET status = $4, headers = $5::jsonb, body = $6, about = $7 "
        "WHERE org_id = $1 AND principal_id = $2 AND key = $3",
        org_id,
        principal_id,
        key,
        answer.status,
        orjson.dumps(answer.headers).decode(),
        sealed,
        about,
    )
