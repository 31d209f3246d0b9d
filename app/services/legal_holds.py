"""Legal holds: which law keeps a person's data, and until when.

Two laws are derived from what is on record, a signed proposal and an introduction that led to a policy: 保险法 87
(papers of a policy: five years from its end, ten where it runs longer than a year) and 反洗钱法 34 (ten years). When a
policy ends is not known here, so the longer term is taken, counted from the day of the signature; whoever knows the
end of a longer policy sets a hold of his own.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import asyncpg
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags
from app.access import Actor
from app.errors import Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.legal_holds import HoldReason, LegalHold, LegalHoldCreate, LegalHoldList, LegalHoldPublic
from app.services import rights_requests_subject

_SET_BY_PEOPLE = {HoldReason.claim, HoldReason.complaint, HoldReason.lawsuit, HoldReason.investigation}
# $1 org, $2 customers. Each event is a hold under both laws, once.
_EVENTS = """
SELECT p.customer_id, 'proposal' AS source_type, p.id AS source_id, 'policy_signed' AS reason,
       ((p.signed_at AT TIME ZONE 'Asia/Shanghai')::date + interval '10 years')::date AS until
FROM proposals p WHERE p.org_id = $1 AND ($2::uuid[] IS NULL OR p.customer_id = ANY($2)) AND p.signed_at IS NOT NULL
UNION ALL
SELECT i.target_id, 'introduction', i.id, 'policy_concluded', (i.status_on + interval '10 years')::date
FROM introductions i WHERE i.org_id = $1 AND ($2::uuid[] IS NULL OR i.target_id = ANY($2)) AND i.reached = 'policy'
"""
_DERIVED = (
    "SELECT e.*, l.law FROM ("  # noqa: S608  constants
    + _EVENTS
    + """) e CROSS JOIN (VALUES ('insurance_law_87'), ('anti_money_laundering')) l (law)
WHERE NOT EXISTS (SELECT FROM legal_holds h WHERE h.org_id = $1 AND h.customer_id = e.customer_id AND h.law = l.law
                                              AND h.source_id = e.source_id)
"""
)
_STORE = """
INSERT INTO legal_holds (org_id, id, customer_id, law, reason, until, source_type, source_id)
SELECT $1, h.* FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::date[], $7::text[], $8::uuid[]) AS h
ON CONFLICT (org_id, customer_id, law, source_id) DO NOTHING
"""
# Those in force on day $3; null says that one of them has no end.
_IN_FORCE = """
SELECT h.customer_id, CASE WHEN bool_or(h.until IS NULL) THEN NULL ELSE max(h.until) END AS until
FROM legal_holds h
WHERE h.org_id = $1 AND h.customer_id = ANY($2::uuid[]) AND h.lifted_at IS NULL AND (h.until IS NULL OR h.until >= $3)
GROUP BY h.customer_id
"""


async def search(session: AsyncSession, actor: Actor, customer_id: UUID) -> LegalHoldList:
    """All holds of a customer, derived ones brought up to date first.

    Raises:
        NotFound: the customer.
    """
    await rights_requests_subject.find(session, actor, customer_id)
    await _derive(db.raw(session), actor.org_id, [customer_id])
    statement = select(LegalHold).where(LegalHold.org_id == actor.org_id, LegalHold.customer_id == customer_id)
    rows = (await session.exec(statement.order_by(col(LegalHold.id).desc()).limit(2000))).all()
    return LegalHoldList(items=[_public(row) for row in rows])


async def create(session: AsyncSession, actor: Actor, customer_id: UUID, data: LegalHoldCreate) -> Document:
    """Set a hold.

    Raises:
        NotFound: the customer. Invalid: it ends before today; the reason is one that is only derived.
    """
    await rights_requests_subject.find(session, actor, customer_id, lock=True)
    if data.until is not None and data.until < china_today():
        raise Invalid.at("/until", "out_of_range")
    if data.reason not in _SET_BY_PEOPLE:
        raise Invalid.at("/reason", "choice")
    row = LegalHold(
        org_id=actor.org_id, customer_id=customer_id, law=data.law, reason=data.reason, until=data.until,
        set_by=actor.id,
    )  # fmt: skip
    session.add(row)
    access.record(session, actor, "legal_hold.set", "customer", customer_id, law=data.law.value, hold_id=str(row.id))
    await session.flush()
    return _document(row)


async def delete(session: AsyncSession, actor: Actor, customer_id: UUID, hold_id: UUID, version: int) -> None:
    """Lift a hold; one that was lifted stays as it is. Derived ones do not come back.

    Raises:
        NotFound: the customer or the hold. PreconditionFailed.
    """
    await rights_requests_subject.find(session, actor, customer_id, lock=True)
    statement = select(LegalHold).where(
        LegalHold.org_id == actor.org_id, LegalHold.id == hold_id, LegalHold.customer_id == customer_id
    )
    row = (await session.exec(statement.with_for_update())).first()
    if row is None:
        raise NotFound
    etags.check(row.version, version)
    if row.lifted_at is None:
        row.lifted_at, row.lifted_by, row.updated_at = utc_now(), actor.id, utc_now()
        access.record(session, actor, "legal_hold.lifted", "customer", customer_id, hold_id=str(hold_id))


async def in_force(
    connection: asyncpg.Connection, org_id: UUID, customers: Sequence[UUID], today: date
) -> dict[UUID, date | None]:
    """Which of these customers are held, and until when; None where one of the holds has no end."""
    await _derive(connection, org_id, customers)
    rows = await connection.fetch(_IN_FORCE, org_id, list(customers), today)
    return {row["customer_id"]: row["until"] for row in rows}


async def refresh(connection: asyncpg.Connection, org_id: UUID) -> None:
    """Bring the derived holds of a whole organisation up to date."""
    await _derive(connection, org_id, None)


async def _derive(connection: asyncpg.Connection, org_id: UUID, customers: Sequence[UUID] | None) -> None:
    found = await connection.fetch(_DERIVED, org_id, None if customers is None else list(customers))
    if found:
        names = ("customer_id", "law", "reason", "until", "source_type", "source_id")
        await connection.execute(
            _STORE, org_id, [uuid7() for _ in found], *([row[name] for row in found] for name in names)
        )


def _public(row: LegalHold) -> LegalHoldPublic:
    return LegalHoldPublic.model_validate({name: getattr(row, name) for name in LegalHoldPublic.model_fields})


def _document(row: LegalHold) -> Document:
    return Document(_public(row).model_dump_json().encode(), row.version, row.id)
