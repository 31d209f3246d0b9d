"""Counting guesses: so many tries for each bucket in a window, counted for all workers together.

A try is counted before it is carried out, so that a thousand at once are no way around the limit, and given back when
it was right: whoever knows the secret is never slowed down by having used it. Buckets are keyed hashes; the table holds
no name and no address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from app import crypto, keyring, reads
from app.errors import TooManyRequests

# The database's clock counts, and what it said travels in the row: `until` minus the window is the time of the try.
_SPEND = """
INSERT INTO guess_counts AS g (bucket, used, until)
SELECT b.bucket, 1, now() + $2::interval FROM unnest($1::bytea[]) AS b (bucket) ORDER BY b.bucket
ON CONFLICT (bucket) DO UPDATE
SET used = CASE WHEN g.until <= excluded.until - $2::interval THEN 1 ELSE g.used + 1 END,
    until = CASE WHEN g.until <= excluded.until - $2::interval THEN excluded.until ELSE g.until END
RETURNING bucket, used, until
"""
# In the order in which they are spent: two who give back while others spend must not wait for each other in a ring.
_GIVE_BACK = """
WITH mine AS (SELECT bucket FROM guess_counts WHERE bucket = ANY($1::bytea[]) ORDER BY bucket FOR UPDATE)
UPDATE guess_counts g SET used = g.used - 1 FROM mine WHERE g.bucket = mine.bucket AND g.used > 0
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What tries are counted for: at most `limit` of them in a window."""

    key: bytes
    limit: int


def bucket(kind: str, limit: int, *parts: str) -> Bucket:
    """The bucket of a kind of try, for these parts (an account, an address, a device)."""
    text = "\0".join((kind, *parts))
    return Bucket(crypto.keyed_hash(keyring.current().guesses, text.encode()), limit)


async def spend(buckets: Sequence[Bucket], window: timedelta, code: str = "too_many_guesses") -> None:
    """Count one try for every bucket.

    Raises:
        TooManyRequests: with this code: a bucket is empty; `Retry-After` says when it is full again.
    """
    limits = {one.key: one.limit for one in buckets}
    rows = await reads.with_connection(lambda connection: connection.fetch(_SPEND, list(limits), window))
    late = [row["until"] for row in rows if row["used"] > limits[row["bucket"]]]
    if late:
        seconds = max(1, ceil((max(late) - datetime.now(UTC)).total_seconds()))
        raise TooManyRequests(code, headers={"Retry-After": str(seconds)})


async def give_back(buckets: Sequence[Bucket]) -> None:
    """The try was right: it counts for nothing."""
    await reads.with_connection(lambda connection: connection.execute(_GIVE_BACK, [one.key for one in buckets]))
