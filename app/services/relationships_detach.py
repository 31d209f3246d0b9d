"""Ties that hang in the air: `is_dangling` follows the ends, so that a walk may trust the indexes alone."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import db

# Each end, and the living and the deleted apart: each has an index of its own.
_LOCK = """
SELECT r.id FROM relationships r
WHERE r.org_id = $1 AND r.id = ANY(ARRAY(
      SELECT o.id FROM relationships o WHERE o.org_id = $1 AND o.left_id = $2 AND o.deleted_at IS NULL
      UNION ALL
      SELECT o.id FROM relationships o WHERE o.org_id = $1 AND o.right_id = $2 AND o.deleted_at IS NULL
      UNION ALL
      SELECT o.id FROM relationships o WHERE o.org_id = $1 AND o.left_id = $2 AND o.deleted_at IS NOT NULL
      UNION ALL
      SELECT o.id FROM relationships o WHERE o.org_id = $1 AND o.right_id = $2 AND o.deleted_at IS NOT NULL))
ORDER BY r.id FOR NO KEY UPDATE
"""
_DETACH = """
UPDATE relationships r SET is_dangling = NOT r.is_dangling
WHERE r.org_id = $1 AND r.id = ANY($2::uuid[])
  AND r.is_dangling <> EXISTS (
      SELECT 1 FROM customers c
      WHERE c.org_id = $1 AND c.id IN (r.left_id, r.right_id) AND c.deleted_at IS NOT NULL)
"""


async def detach(session: AsyncSession, customer_id: UUID) -> None:
    """Keep `is_dangling` true to the ends, after one of them was deleted or restored.

    Whoever makes a tie holds both ends meanwhile (`relationships.hold`). What becomes of the other ends at the same
    time is told by the locks on the ties: each side writes its end first, and whoever gets a tie second looks at the
    ends in a statement of its own, which sees what the first has done. The other ends need no lock for it, which
    could not be had in the order of ids.
    """
    await session.flush()
    driver, org_id = db.raw(session), session.info["org_id"]
    ties = [row["id"] for row in await driver.fetch(_LOCK, org_id, customer_id)]
    await driver.execute(_DETACH, org_id, ties)
