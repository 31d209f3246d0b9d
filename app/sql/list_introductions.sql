-- $1 org, $2 owners, $3 statuses, $4 introducer, $5 target, $6 cursor key, $7 cursor id, $8 limit + 1, $9 caller,
-- $10 whom he answers for (null: everybody). Only those both ends of which are visible and alive, which is asked by
-- primary key: a join trusts statistics, which know nothing of a young organisation. `among` is a closed variant.
WITH page AS (
    SELECT i.*
    FROM introductions i
    WHERE i.org_id = $1 AND i.deleted_at IS NULL AND {among}
      AND ($3::text[] IS NULL OR i.status = ANY($3))
      AND ($4::uuid IS NULL OR i.introducer_id = $4)
      AND ($5::uuid IS NULL OR i.target_id = $5)
      AND ($7::uuid IS NULL OR (i.created_at, i.id) < ($6::text::timestamptz, $7))
      AND (SELECT a.deleted_at IS NULL AND {visible:a} FROM customers a WHERE a.org_id = $1 AND a.id = i.introducer_id)
      AND (SELECT b.deleted_at IS NULL AND {visible:b} FROM customers b WHERE b.org_id = $1 AND b.id = i.target_id)
    ORDER BY i.created_at DESC, i.id DESC
    LIMIT $8
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS n, count(*) OVER () AS total,
           note_enc IS NOT NULL AND (agent_id = $9 OR $10::uuid[] IS NULL OR agent_id = ANY($10)) AS is_shown
    FROM page
)
SELECT max(i.total) = $8 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', i.id,
               'introducer', json_build_object('id', a.id, 'name', a.name, 'party_type', a.party_type,
                                               'stage', a.stage, 'is_shadow', a.is_shadow),
               'target', json_build_object('id', b.id, 'name', b.name, 'party_type', b.party_type,
                                           'stage', b.stage, 'is_shadow', b.is_shadow),
               'agent_id', i.agent_id, 'relationship_id', i.relationship_id, 'status', i.status,
               'reached', i.reached, 'reason', i.reason, 'asked_on', i.asked_on, 'status_on', i.status_on,
               'introduced_on', i.introduced_on,
               'note', CASE WHEN i.is_shown THEN '"\u0001"'::json END,
               'version', i.version, 'created_at', iso(i.created_at),
               'updated_at', iso(i.updated_at))::text, ',' ORDER BY i.n)
           FILTER (WHERE i.n < $8), '') || ']' AS items,
       array_agg(i.id ORDER BY i.n) FILTER (WHERE i.n < $8 AND i.is_shown) AS note_ids,
       array_agg(i.note_enc ORDER BY i.n) FILTER (WHERE i.n < $8 AND i.is_shown) AS notes,
       max(i.created_at::text) FILTER (WHERE i.n = $8 - 1) AS last_key,
       max(i.id::text) FILTER (WHERE i.n = $8 - 1) AS last_id
FROM numbered i
JOIN customers a ON a.org_id = $1 AND a.id = i.introducer_id
JOIN customers b ON b.org_id = $1 AND b.id = i.target_id
