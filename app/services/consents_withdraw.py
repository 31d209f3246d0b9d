"""Withdrawing: one call, effective for the next statement of every process; the record stays."""

from uuid import UUID

import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db
from app.access import Actor
from app.domain.consents import Decision, FieldGroup, Purpose
from app.errors import Conflict, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.consents import Consent, ConsentWithdraw
from app.models.customers import Customer
from app.services import consents, consents_create, consents_read

_MOST = 500
# What rests on consents of the customer to this purpose and recipient, of groups nothing carries any more; of what was
# deleted since nothing is told.
_UNFOUNDED = """
SELECT u.object_type, u.object_id, array_agg(DISTINCT u.field_group ORDER BY u.field_group) AS groups,
       count(*) OVER () AS total
FROM consent_uses u
JOIN consents c ON c.org_id = $1 AND c.id = u.consent_id
WHERE u.org_id = $1 AND c.customer_id = $2 AND c.purpose = $3 AND c.recipient = $4 AND u.field_group = ANY($5)
  AND CASE u.object_type
      WHEN 'dossier_fact' THEN EXISTS (
          SELECT FROM dossier_facts d WHERE d.org_id = $1 AND d.id = u.object_id AND d.deleted_at IS NULL)
      WHEN 'form_response' THEN EXISTS (
          SELECT FROM form_responses f WHERE f.org_id = $1 AND f.id = u.object_id AND f.deleted_at IS NULL)
      WHEN 'needs_analysis' THEN EXISTS (
          SELECT FROM needs_analyses n WHERE n.org_id = $1 AND n.id = u.object_id AND n.deleted_at IS NULL)
      ELSE true END
GROUP BY u.object_type, u.object_id ORDER BY u.object_type, u.object_id LIMIT $6
"""


async def withdraw(
    session: AsyncSession, actor: Actor, customer_id: UUID, consent_id: UUID, data: ConsentWithdraw
) -> Document:
    """End a consent now. What has been done until now stays lawful (PIPL 15); what rests on it is told.

    Doing it twice is doing it once.

    Raises:
        NotFound, Gone: the customer, or he has no such consent. Conflict: `consent_refused`: none was given.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    statement = select(Consent).where(
        col(Consent.org_id) == actor.org_id, col(Consent.customer_id) == customer.id, col(Consent.id) == consent_id
    )
    row = (await session.exec(statement.with_for_update())).first()
    if row is None:
        raise NotFound
    if row.decision == Decision.refused:
        raise Conflict("consent_refused")
    if row.withdrawn_at is None:
        at = row.withdrawn_at = row.updated_at = utc_now()
        await consents_create.tell(session, actor, customer, row, "withdrawn", at, data.channel)
    shown = await consents_read.stored(session, actor, customer.id, row.id)
    uncovered = await _uncovered(session, actor, customer, row)
    unfounded, total = await _unfounded(session, actor, row, uncovered)
    told = {"uncovered": uncovered, "unfounded": unfounded, "unfounded_total": total}
    return Document(b'{"consent":' + shown.body + b"," + orjson.dumps(told)[1:], row.version, row.id)


async def _uncovered(session: AsyncSession, actor: Actor, customer: Customer, row: Consent) -> list[FieldGroup]:
    """The groups of the consent that no other one carries."""
    carried = await consents.covering(session, actor, customer, Purpose(row.purpose), recipient=row.recipient or None)
    return [group for one in row.grounds if (group := FieldGroup(one["field_group"])) not in carried]


async def _unfounded(
    session: AsyncSession, actor: Actor, row: Consent, groups: list[FieldGroup]
) -> tuple[list[dict[str, object]], int]:
    found = await db.raw(session).fetch(
        _UNFOUNDED, actor.org_id, row.customer_id, row.purpose, row.recipient, [group.value for group in groups], _MOST
    )
    items = [
        {"object_type": one["object_type"], "object_id": str(one["object_id"]), "field_groups": one["groups"]}
        for one in found
    ]
    return items, found[0]["total"] if found else 0
