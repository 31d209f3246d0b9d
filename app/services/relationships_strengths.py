"""Bringing the strengths of many relationships to today: what fades with time fades also when nobody looks."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import db

BATCH = 3_000
# A strength that moved by less stays: every write costs the index-only scans of the network their visibility map.
LEAST_MOVE = "0.05"

# Only these fade: a tie without a contact stands as it was declared.
_BATCH = """
SELECT r.id FROM relationships r
WHERE r.org_id = $1 AND r.id > $2 AND r.last_interaction_on IS NOT NULL AND r.until IS NULL AND r.deleted_at IS NULL
  AND NOT r.is_dangling
ORDER BY r.id LIMIT $3
"""
# What was written, and whose phones hear of it: the holders of both ends.
_REFRESH = """
WITH written AS MATERIALIZED (SELECT * FROM refresh_relationships($1, $2, $3, $4::text::numeric, 1)),
told AS (
    INSERT INTO feed AS f (org_id, scope, collection, id, removed)
    SELECT DISTINCT $1, h.scope, 'relationships', w.id, false
    FROM written w
    JOIN customers c ON c.org_id = $1 AND c.id IN (w.left_id, w.right_id)
    CROSS JOIN LATERAL (VALUES (c.owner_id), (c.service_team_id)) AS h (scope)
    WHERE h.scope IS NOT NULL
    ORDER BY 2, 4
    ON CONFLICT (org_id, scope, collection, id) DO UPDATE SET seq = excluded.seq, removed = excluded.removed
)
SELECT count(*) FROM written
"""


async def batch(session: AsyncSession, after: UUID) -> list[UUID]:
    """The next relationships whose strength may have faded, in the order of their ids."""
    return [row["id"] for row in await db.raw(session).fetch(_BATCH, session.info["org_id"], after, BATCH)]


async def refresh(session: AsyncSession, ids: Sequence[UUID], today: date) -> int:
    """Bring these to today and tell the sync feed of those that were written; how many."""
    written: int = await db.raw(session).fetchval(_REFRESH, session.info["org_id"], list(ids), today, LEAST_MOVE)
    return written
