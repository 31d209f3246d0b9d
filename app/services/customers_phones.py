"""Whose phones must hear when the holders of customers change: everything that hangs on a customer goes with him.

The ordinary way (`db.mark`) tells of one row. Here it is all rows of many customers, so the database writes the feed
from what it has: a departure moves tens of thousands of rows.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import db
from app.services import fact_definitions

# $1 org, $2 customers, $3 who holds them no longer, $4 facts that phones may not keep. A relationship or introduction
# is held by the holders of both its ends. Whoever holds a thing through several customers forgets it only when none of
# them is left to him. A task is its owner's; he forgets it with the customer.
_TELL = """
WITH parts AS MATERIALIZED (
    SELECT 'customers' AS collection, c.id, c.id AS customer_id, false AS is_withheld FROM customers c
    WHERE c.org_id = $1 AND c.id = ANY($2::uuid[])
    UNION ALL
    SELECT 'relationships', r.id, e.customer_id, false
    FROM relationships r CROSS JOIN LATERAL (VALUES (r.left_id), (r.right_id)) AS e (customer_id)
    WHERE r.org_id = $1 AND r.deleted_at IS NULL AND (r.left_id = ANY($2) OR r.right_id = ANY($2))
    UNION ALL
    SELECT 'introductions', i.id, e.customer_id, false
    FROM introductions i CROSS JOIN LATERAL (VALUES (i.introducer_id), (i.target_id)) AS e (customer_id)
    WHERE i.org_id = $1 AND i.deleted_at IS NULL AND (i.introducer_id = ANY($2) OR i.target_id = ANY($2))
    UNION ALL
    SELECT 'form_responses', f.id, f.customer_id, false FROM form_responses f
    WHERE f.org_id = $1 AND f.customer_id = ANY($2) AND f.deleted_at IS NULL
    UNION ALL
    SELECT 'needs_analyses', n.id, n.customer_id, false FROM needs_analyses n
    WHERE n.org_id = $1 AND n.customer_id = ANY($2) AND n.deleted_at IS NULL
    UNION ALL
    SELECT 'dossier_facts', d.id, d.customer_id, d.fact_key = ANY($4::text[]) FROM dossier_facts d
    WHERE d.org_id = $1 AND d.customer_id = ANY($2) AND d.deleted_at IS NULL
    UNION ALL
    SELECT 'coverage_answers', a.id, a.customer_id, false FROM coverage_answers a
    WHERE a.org_id = $1 AND a.customer_id = ANY($2) AND a.deleted_at IS NULL
    UNION ALL
    SELECT 'consents', s.id, s.customer_id, false FROM consents s
    WHERE s.org_id = $1 AND s.customer_id = ANY($2) AND s.deleted_at IS NULL
), duties AS MATERIALIZED (
    SELECT t.id, t.owner_id, t.customer_id FROM tasks t
    WHERE t.org_id = $1 AND t.customer_id = ANY($2) AND t.deleted_at IS NULL
), told AS (
    SELECT h.scope, p.collection, p.id,
           c.deleted_at IS NOT NULL OR c.restricted_at IS NOT NULL OR p.is_withheld AS is_gone
    FROM parts p
    JOIN customers c ON c.org_id = $1 AND c.id = p.customer_id
    CROSS JOIN LATERAL (VALUES (c.owner_id), (c.service_team_id)) AS h (scope)
    WHERE h.scope IS NOT NULL AND h.scope <> ALL ($3::uuid[])
    UNION ALL
    SELECT l.scope, p.collection, p.id, true FROM parts p CROSS JOIN unnest($3::uuid[]) AS l (scope)
    UNION ALL
    SELECT d.owner_id, 'tasks', d.id, c.deleted_at IS NOT NULL OR c.restricted_at IS NOT NULL
    FROM duties d JOIN customers c ON c.org_id = $1 AND c.id = d.customer_id AND c.owner_id = d.owner_id
    UNION ALL
    SELECT u.id, 'tasks', d.id, true
    FROM duties d CROSS JOIN users u WHERE u.org_id = $1 AND u.id = ANY($3)
)
INSERT INTO feed AS f (org_id, scope, collection, id, removed)
SELECT $1, t.scope, t.collection, t.id, bool_and(t.is_gone)
FROM told t GROUP BY t.scope, t.collection, t.id ORDER BY 2, 3, 4
ON CONFLICT (org_id, scope, collection, id) DO UPDATE SET seq = excluded.seq, removed = excluded.removed
"""


async def tell(session: AsyncSession, customer_ids: Sequence[UUID], *, left: Sequence[UUID]) -> None:
    """Tell the present holders of these customers, and those who `left`, of the customers and all that hangs on them.

    The rows must have been changed already; the feed belongs to the same transaction.
    """
    await session.flush()
    withheld = (await fact_definitions.of_session(session)).catalogue.withheld()
    await db.raw(session).execute(_TELL, session.info["org_id"], list(customer_ids), list(left), withheld)
