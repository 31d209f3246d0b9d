-- $1 org, $2 owners, $3 customer, $4 relationship, $5 masked: one relationship, read from this customer's side.
-- It is there only for those who see both ends, and only while the other end lives.
SELECT r.version, c.deleted_at IS NOT NULL OR r.deleted_at IS NOT NULL AS is_deleted, row_to_json(x)::text AS body
FROM relationships r
JOIN customers c ON c.org_id = $1 AND c.id = $3 AND {visible:c}
 AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
JOIN customers o ON o.org_id = $1 AND o.id = CASE r.left_id WHEN $3 THEN r.right_id ELSE r.left_id END
 AND {visible:o} AND o.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT r.id, c.id AS customer_id,
           json_build_object('id', o.id, 'name', o.name, 'party_type', o.party_type, 'stage', o.stage) AS other,
           CASE WHEN r.type = 'client' AND r.right_id = $3 THEN 'supplier' ELSE r.type END AS direction,
           CASE r.left_id WHEN $3 THEN r.right_role ELSE r.left_role END AS role,
           CASE r.left_id WHEN $3 THEN r.left_role ELSE r.right_role END AS inverse_role,
           trim_scale(r.strength) AS strength, r.since, r.until, CASE WHEN $5 THEN NULL ELSE r.note END AS note,
           r.version, iso(r.created_at) AS created_at, iso(r.updated_at) AS updated_at
) x
WHERE r.org_id = $1 AND r.id = $4 AND $3 IN (r.left_id, r.right_id)
  AND (r.deleted_at IS NULL OR r.deleted_at > now() - interval '30 days')
