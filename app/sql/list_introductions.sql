-- $1 org, $2 owners, $3 statuses, $4 introducer, $5 target, $6 cursor key, $7 cursor id, $8 limit + 1, $9 caller,
-- $10 whom he answers for (null: everybody). Only those both ends of which are visible and alive.
WITH page AS (
    SELECT i.*,
           json_build_object('id', a.id, 'name', a.name, 'party_type', a.party_type, 'stage', a.stage,
                             'is_shadow', a.is_shadow) AS introducer,
           json_build_object('id', b.id, 'name', b.name, 'party_type', b.party_type, 'stage', b.stage,
                             'is_shadow', b.is_shadow) AS target
    FROM introductions i
    JOIN customers a ON a.org_id = $1 AND a.id = i.introducer_id AND a.deleted_at IS NULL AND {visible:a}
    JOIN customers b ON b.org_id = $1 AND b.id = i.target_id AND b.deleted_at IS NULL AND {visible:b}
    WHERE i.org_id = $1 AND i.deleted_at IS NULL
      AND ($3::text[] IS NULL OR i.status = ANY($3))
      AND ($4::uuid IS NULL OR i.introducer_id = $4)
      AND ($5::uuid IS NULL OR i.target_id = $5)
      AND ($7::uuid IS NULL OR (i.created_at, i.id) < ($6::text::timestamptz, $7))
    ORDER BY i.created_at DESC, i.id DESC
    LIMIT $8
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $8 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'introducer', introducer, 'target', target, 'agent_id', agent_id,
               'relationship_id', relationship_id, 'status', status, 'reached', reached, 'reason', reason,
               'asked_on', asked_on, 'status_on', status_on, 'introduced_on', introduced_on,
               'note', CASE WHEN agent_id = $9 OR $10::uuid[] IS NULL OR agent_id = ANY($10) THEN note END,
               'version', version, 'created_at', iso(created_at), 'updated_at', iso(updated_at))::text, ',' ORDER BY n)
           FILTER (WHERE n < $8), '') || ']' AS items,
       max(created_at::text) FILTER (WHERE n = $8 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $8 - 1) AS last_id
FROM numbered
