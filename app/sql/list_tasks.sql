-- $1 org, $2 owners, $3 done (null: both), $4 due before, $5 customer, $6 cursor key, $7 cursor id, $8 limit + 1.
WITH page AS (
    SELECT t.*, json_build_object('id', c.id, 'name', c.name, 'party_type', c.party_type, 'stage', c.stage,
                                  'is_shadow', c.is_shadow) AS customer
    FROM tasks t
    JOIN customers c ON c.org_id = $1 AND c.id = t.customer_id AND c.deleted_at IS NULL AND {visible:c}
    WHERE t.org_id = $1 AND t.deleted_at IS NULL AND ($2::uuid[] IS NULL OR t.owner_id = ANY($2))
      AND ($3::boolean IS NULL OR (t.done_at IS NOT NULL) = $3)
      AND ($4::date IS NULL OR t.due_on < $4)
      AND ($5::uuid IS NULL OR t.customer_id = $5)
      AND ($7::uuid IS NULL OR (t.due_on, t.id) > ($6::text::date, $7))
    ORDER BY t.due_on, t.id
    LIMIT $8
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY due_on, id) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $8 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'kind', kind, 'owner_id', owner_id, 'customer', customer, 'subject_type', subject_type,
               'subject_id', subject_id, 'milestone', milestone, 'due_on', due_on, 'done_at', iso(done_at),
               'done_by', done_by, 'version', version, 'created_at', iso(created_at),
               'updated_at', iso(updated_at))::text, ',' ORDER BY n)
           FILTER (WHERE n < $8), '') || ']' AS items,
       max(due_on::text) FILTER (WHERE n = $8 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $8 - 1) AS last_id
FROM numbered
