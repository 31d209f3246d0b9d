-- $1 org, $2 owners, $3 customer, $4 directions, $5 cursor strength, $6 cursor id, $7 limit + 1, $8 masked.
-- {current} restricts to running or ended relationships: a closed variant. No row: the customer is not there.
-- Each end is searched by itself, so that each can use its index.
SELECT c.deleted_at IS NOT NULL AS is_deleted, p.*
FROM customers c
CROSS JOIN LATERAL (
    WITH page AS (
        SELECT e.*, o.name, o.party_type, o.stage
        FROM (
            SELECT r.id, r.right_id AS other_id, r.type AS direction, r.right_role AS role,
                   r.left_role AS inverse_role, r.strength, r.since, r.until, r.note, r.version, r.created_at,
                   r.updated_at
            FROM relationships r
            WHERE r.org_id = $1 AND r.left_id = $3 AND r.deleted_at IS NULL AND {current}
            UNION ALL
            SELECT r.id, r.left_id, CASE r.type WHEN 'client' THEN 'supplier' ELSE r.type END, r.left_role,
                   r.right_role, r.strength, r.since, r.until, r.note, r.version, r.created_at, r.updated_at
            FROM relationships r
            WHERE r.org_id = $1 AND r.right_id = $3 AND r.deleted_at IS NULL AND {current}
        ) e
        JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND o.deleted_at IS NULL AND {visible:o}
        WHERE ($4::text[] IS NULL OR e.direction = ANY($4))
          AND ($6::uuid IS NULL OR (e.strength, e.id) < ($5::text::numeric, $6))
        ORDER BY e.strength DESC, e.id DESC
        LIMIT $7
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY strength DESC, id DESC) AS n, count(*) OVER () AS total FROM page
    )
    SELECT max(total) = $7 AS has_more,
           '[' || coalesce(string_agg(row_to_json(x)::text, ',' ORDER BY n) FILTER (WHERE n < $7), '') || ']' AS items,
           max(numbered.strength::text) FILTER (WHERE n = $7 - 1) AS last_key,
           max(numbered.id::text) FILTER (WHERE n = $7 - 1) AS last_id
    FROM numbered, LATERAL (
        SELECT numbered.id, $3 AS customer_id,
               json_build_object('id', other_id, 'name', name, 'party_type', party_type, 'stage', stage) AS other,
               direction, role, inverse_role, trim_scale(numbered.strength) AS strength, since, until,
               CASE WHEN $8 THEN NULL ELSE note END AS note, version,
               iso(created_at) AS created_at, iso(updated_at) AS updated_at
    ) x
) p
WHERE c.org_id = $1 AND c.id = $3 AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
