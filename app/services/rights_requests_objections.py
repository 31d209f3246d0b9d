"""Objections in force: a purpose a customer refused is over until he says otherwise.

Recommendations leave him out by themselves (`sql/list_recommendations.sql`).
"""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import db
from app.errors import Conflict
from app.models.rights_requests import Objectionable

_OBJECTS = """
SELECT true FROM rights_requests q
WHERE q.org_id = $1 AND q.customer_id = ANY($2::uuid[]) AND q.kind = 'objection' AND q.status = 'done'
  AND q.purpose = $3 LIMIT 1
"""


async def check(session: AsyncSession, org_id: UUID, customers: Sequence[UUID], purpose: Objectionable) -> None:
    """Refuse what serves a purpose one of these customers objects to.

    Raises:
        Conflict: `purpose_objected`.
    """
    if await db.raw(session).fetchval(_OBJECTS, org_id, list(customers), purpose.value):
        raise Conflict("purpose_objected")
