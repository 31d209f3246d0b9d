"""Strengths of many relationships: brought to today at night, and reckoned anew when what they are reckoned by changes.

At night what fades with time fades also when nobody looks. What moved by less than LEAST_MOVE is left, a row that is
written gets a version, and the phones of its holders hear of it.

After a change of the organisation's settings or of a relation type everything is written, and it is no change of
anybody's: versions stay, so that what a phone is about to send is not stale, and phones see the new strength when they
next read the row. It is done at once for up to MAX_AT_ONCE relationships; more are left to a job, which does the same.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import db
from app.services import influences

BATCH = 3_000
# A strength that moved by less stays: every write costs the index-only scans of the network their visibility map.
LEAST_MOVE = "0.05"
MAX_AT_ONCE = 20_000  # two seconds for which the administrator waits, and whoever records a contact does, too
_FIRST = 10  # before scores, which are computed from strengths

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


# --- after a change of what they are reckoned by ---------------------------------------------------------------

_EVERY = "SELECT r.id FROM relationships r WHERE r.org_id = $1 AND r.id > $2 ORDER BY r.id LIMIT $3"
_WITH_CONTACTS = """
SELECT DISTINCT i.relationship_id AS id FROM relationship_interactions i
WHERE i.org_id = $1 AND i.deleted_at IS NULL LIMIT $2
"""
_OF_TYPE = "SELECT r.id FROM relationships r WHERE r.org_id = $1 AND r.type = $3 LIMIT $2"
_RECKON = "SELECT count(*) FROM refresh_relationships($1, $2, $3, 0, 0)"


async def reckon_with_contacts(session: AsyncSession, today: date) -> None:
    """After a change of the organisation's settings; ties without a contact do not depend on them."""
    await _reckon_found(session, today, _WITH_CONTACTS)


async def reckon_type(session: AsyncSession, code: str, today: date) -> None:
    """After a change of a relation type's default or weight, on which all its ties depend."""
    await _reckon_found(session, today, _OF_TYPE, code)


async def every(session: AsyncSession, after: UUID) -> list[UUID]:
    """The next relationships of all there are, in the order of their ids."""
    return [row["id"] for row in await db.raw(session).fetch(_EVERY, session.info["org_id"], after, BATCH)]


async def reckon(session: AsyncSession, ids: Sequence[UUID], today: date) -> int:
    """Reckon these anew and write whatever moved; how many."""
    written: int = await db.raw(session).fetchval(_RECKON, session.info["org_id"], list(ids), today)
    return written


async def _reckon_found(session: AsyncSession, today: date, statement: str, *args: object) -> None:
    found = await db.raw(session).fetch(statement, session.info["org_id"], MAX_AT_ONCE + 1, *args)
    if len(found) <= MAX_AT_ONCE:
        await reckon(session, [row["id"] for row in found], today)
    else:
        await influences.defer(session, influences.RECKON_STRENGTHS, _FIRST, beside=influences.REFRESH_STRENGTHS)
