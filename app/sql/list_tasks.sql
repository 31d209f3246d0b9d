-- $1 org, $2 owners, $3 done (null: both), $4 due before, $5 customer, $6 cursor key, $7 cursor id, $8 limit + 1. That
-- the customer is visible and alive is asked by primary key, task by task.
WITH page AS (
    SELECT t.*
    FROM tasks t
    WHERE t.org_id = $1 AND t.deleted_at IS NULL AND ($2::uuid[] IS NULL OR t.owner_id = ANY($2))
      AND ($3::boolean IS NULL OR (t.done_at IS NOT NULL) = $3)
      AND ($4::date IS NULL OR t.due_on < $4)
      AND ($5::uuid IS NULL OR t.customer_id = $5)
      AND ($7::uuid IS NULL OR (t.due_on, t.id) > ($6::text::date, $7))
      AND (SELECT c.deleted_at IS NULL AND {visible:c} FROM customers c WHERE c.org_id = $1 AND c.id = t.customer_id)
    ORDER BY t.due_on, t.id
    LIMIT $8
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY due_on, id) AS n, count(*) OVER () AS total FROM page
)
SELECT max(t.total) = $8 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', t.id, 'kind', t.kind, 'owner_id', t.owner_id,
               'customer', json_build_object('id', c.id, 'name', c.name, 'party_type', c.party_type,
                                             'stage', c.stage, 'is_shadow', c.is_shadow),
               'subject_type', t.subject_type, 'subject_id', t.subject_id,
               'requested_by', (SELECT json_build_object('id', u.id, 'name', u.name) FROM users u
                                WHERE u.org_id = $1 AND u.id = t.subject_id AND t.subject_type = 'user'),
               'milestone', t.milestone,
               'due_on', t.due_on, 'done_at', iso(t.done_at), 'done_by', t.done_by, 'version', t.version,
               'created_at', iso(t.created_at), 'updated_at', iso(t.updated_at))::text, ',' ORDER BY t.n)
           FILTER (WHERE t.n < $8), '') || ']' AS items,
       max(t.due_on::text) FILTER (WHERE t.n = $8 - 1) AS last_key,
       max(t.id::text) FILTER (WHERE t.n = $8 - 1) AS last_id
FROM numbered t
JOIN customers c ON c.org_id = $1 AND c.id = t.customer_id
