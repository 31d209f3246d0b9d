"""Erasing shadow contacts: at once when a person asks for it, and when nobody has confirmed the contact for a year.

What is left is a row without a name, because other rows and phones point at it. Its ties are deleted with their notes,
roles and recorded contacts; what was asked about it and answers kept for retries go as well. Nothing can be restored.
Audit events name ids only.
"""

from uuid import UUID

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags
from app.access import Actor
from app.services import shadow_contacts_clock

NEUTRAL = "已删除"
# Its ties, each way by an index of its own, deleted ones as well: their notes and roles speak of the person too.
# Whoever may hold one of the rows is told that it is gone. $1 org, $2 ids.
_ERASE = """
WITH gone AS MATERIALIZED (
    SELECT c.id, c.owner_id FROM customers c WHERE c.org_id = $1 AND c.id = ANY($2::uuid[]) AND c.is_shadow
), ties AS MATERIALIZED (
    SELECT r.id, r.left_id, r.right_id FROM relationships r
    WHERE r.org_id = $1 AND r.left_id = ANY($2) AND r.deleted_at IS NULL
    UNION
    SELECT r.id, r.left_id, r.right_id FROM relationships r
    WHERE r.org_id = $1 AND r.right_id = ANY($2) AND r.deleted_at IS NULL
    UNION
    SELECT r.id, r.left_id, r.right_id FROM relationships r
    WHERE r.org_id = $1 AND r.left_id = ANY($2) AND r.deleted_at IS NOT NULL
    UNION
    SELECT r.id, r.left_id, r.right_id FROM relationships r
    WHERE r.org_id = $1 AND r.right_id = ANY($2) AND r.deleted_at IS NOT NULL
), nameless AS (
    UPDATE customers c
    SET name = $3, name_key = '', search_text = '', gender = NULL, created_digest = '', deleted_at = now(),
        updated_at = now(), version = c.version + 1
    WHERE c.org_id = $1 AND c.id = ANY(SELECT gone.id FROM gone)
), untied AS (
    UPDATE relationships r
    SET left_role = NULL, right_role = NULL, note_enc = NULL, author_id = NULL, created_digest = '', is_dangling = true,
        deleted_at = coalesce(r.deleted_at, now()), updated_at = now(), version = r.version + 1
    WHERE r.org_id = $1 AND r.id = ANY(SELECT ties.id FROM ties)
), forgotten AS (
    UPDATE relationship_interactions i SET deleted_at = coalesce(i.deleted_at, now()), updated_at = now()
    WHERE i.org_id = $1 AND i.relationship_id = ANY(SELECT ties.id FROM ties)
), unasked AS (
    UPDATE coverage_answers a SET deleted_at = coalesce(a.deleted_at, now()), updated_at = now()
    WHERE a.org_id = $1 AND a.customer_id = ANY(SELECT gone.id FROM gone)
), unintroduced AS (
    UPDATE introductions i SET note_enc = NULL, created_digest = '', deleted_at = coalesce(i.deleted_at, now()),
        updated_at = now(), version = i.version + 1
    WHERE i.org_id = $1
      AND (i.target_id = ANY(SELECT gone.id FROM gone) OR i.introducer_id = ANY(SELECT gone.id FROM gone))
    RETURNING i.id, i.introducer_id, i.target_id
), released AS (
    UPDATE tasks t SET deleted_at = coalesce(t.deleted_at, now()), updated_at = now(), version = t.version + 1
    WHERE t.org_id = $1 AND (t.customer_id = ANY(SELECT gone.id FROM gone)
                             OR t.subject_id = ANY(SELECT unintroduced.id FROM unintroduced))
    RETURNING t.id, t.owner_id
), unscored AS (
    DELETE FROM network_scores s WHERE s.org_id = $1 AND s.customer_id = ANY(SELECT gone.id FROM gone)
), undismissed AS (
    DELETE FROM recommendation_dismissals d WHERE d.org_id = $1 AND d.customer_id = ANY(SELECT gone.id FROM gone)
), told AS (
    SELECT gone.owner_id AS scope, 'customers' AS collection, gone.id FROM gone
    UNION
    SELECT h.scope, 'relationships', ties.id FROM ties
    JOIN customers c ON c.org_id = $1 AND c.id IN (ties.left_id, ties.right_id)
    CROSS JOIN LATERAL (VALUES (c.owner_id), (c.service_team_id)) AS h (scope)
    WHERE h.scope IS NOT NULL
    UNION
    SELECT h.scope, 'introductions', u.id FROM unintroduced u
    JOIN customers c ON c.org_id = $1 AND c.id IN (u.introducer_id, u.target_id)
    CROSS JOIN LATERAL (VALUES (c.owner_id), (c.service_team_id)) AS h (scope)
    WHERE h.scope IS NOT NULL
    UNION
    SELECT released.owner_id, 'tasks', released.id FROM released
), fed AS (
    INSERT INTO feed (org_id, scope, collection, id, removed)
    SELECT $1, t.scope, t.collection, t.id, true FROM told t ORDER BY 2, 3, 4
    ON CONFLICT (org_id, scope, collection, id) DO UPDATE SET seq = excluded.seq, removed = true
)
SELECT coalesce(array_agg(ties.id), '{}') FROM ties
"""
_DUE = "FROM customers WHERE org_id = $1 AND is_shadow AND deleted_at IS NULL AND keep_until < $2"
_COUNT_DUE = "SELECT count(*) " + _DUE
# One that somebody works with at this moment is left for the next time.
_TAKE_DUE = "SELECT id " + _DUE + " ORDER BY keep_until LIMIT $3 FOR UPDATE SKIP LOCKED"
_NOTE = """
INSERT INTO audit_events (org_id, id, actor_kind, action, object_type, object_id, person_id, detail, request_id)
SELECT $1, a.id, 'system', 'shadow_contact.erased', 'shadow_contact', a.object_id, a.object_id,
       '{"reason": "expired"}'::jsonb, ''
FROM unnest($2::uuid[], $3::uuid[]) AS a (id, object_id)
"""
# Answers kept for retries are sealed; where they say the thing is, tells which of them repeat the name.
_FORGET = """
DELETE FROM idempotency_keys WHERE org_id = $1 AND headers ->> 'location' LIKE ANY($2::text[])
"""


async def erase(session: AsyncSession, actor: Actor, contact_id: UUID, version: int) -> None:
    """Erase one at once, whatever his clock says; his own right.

    Raises:
        NotFound: absent, not visible, erased, or a customer by now. PreconditionFailed.
    """
    row = await access.customer(session, actor, contact_id, lock=True, shadows=True)
    etags.check(row.version, version)
    await session.flush()
    ties = await _erase(db.raw(session), actor.org_id, [contact_id])
    await db.raw(session).execute(_FORGET, actor.org_id, [f"%{one}%" for one in (contact_id, *ties)])
    access.record(session, actor, "shadow_contact.erased", "shadow_contact", contact_id, reason="asked", ties=len(ties))


async def count_expired(connection: asyncpg.Connection, org_id: UUID) -> int:
    """How many of an organisation nobody has confirmed in time."""
    found: int = await connection.fetchval(_COUNT_DUE, org_id, shadow_contacts_clock.today())
    return found


async def erase_expired(connection: asyncpg.Connection, org_id: UUID, batch: int) -> int:
    """Erase up to `batch` of those; how many that were.

    Args:
        connection: of the owner role, in a transaction.
    """
    due = await connection.fetch(_TAKE_DUE, org_id, shadow_contacts_clock.today(), batch)
    ids = [row["id"] for row in due]
    if ids:
        await _erase(connection, org_id, ids)
        await connection.execute(_NOTE, org_id, [uuid7() for _ in ids], ids)
    return len(ids)


async def _erase(connection: asyncpg.Connection, org_id: UUID, ids: list[UUID]) -> list[UUID]:
    """Of rows the caller holds; the ties they had."""
    ties: list[UUID] = await connection.fetchval(_ERASE, org_id, ids, NEUTRAL)
    return ties
