"""What is not told any more: of who was erased nothing, of who is restricted only that he is."""

import re
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import db, reads
from app.access import Actor
from app.errors import AppError, CustomerRestricted, NotFound

# Where the rights of a restricted customer are kept, he is seen: what is not found there is not there.
_OPEN = re.compile(r"/(rights-requests|legal-holds)(/|$)")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ERASED = """
SELECT true FROM customers c
WHERE c.org_id = $1 AND c.id = ANY($2::uuid[])
  AND (c.is_shadow AND c.deleted_at IS NOT NULL OR c.erased_at IS NOT NULL)
UNION ALL SELECT true FROM restriction_of($1, NULL, $2::uuid[]) LIMIT 1
"""


def ids_in(*texts: bytes) -> list[UUID]:
    """The ids these texts name, at most a thousand."""
    found = {one for text in texts for one in _UUID.findall(text)}
    return [UUID(one.decode()) for one in sorted(found)[:1000]]


async def check_replay(session: AsyncSession, actor: Actor, body: bytes) -> None:
    """Refuse to repeat an answer, kept for retries, that speaks of somebody who has been erased or restricted since.

    Raises:
        NotFound: what a fresh request would be told.
    """
    named = ids_in(body)
    if named and await db.raw(session).fetchval(_ERASED, actor.org_id, named):
        raise NotFound


async def restricted(actor: Actor, path: str) -> AppError | None:
    """Why something below `path` is not found, when a customer the caller would see is restricted."""
    if _OPEN.search(path) is not None:
        return None
    named = ids_in(path.encode())
    row = await reads.row(actor.org_id, actor.owners, "get_restriction", named) if named else None
    return None if row is None else CustomerRestricted(restriction=row["restriction"], until=row["restricted_until"])
