-- $1 org, $2 owners, $3 customer, $4 relationship, $5 interaction: a recorded contact, for those who see both ends.
SELECT i.version, c.deleted_at IS NOT NULL OR r.deleted_at IS NOT NULL OR i.deleted_at IS NOT NULL AS is_deleted,
       row_to_json(x)::text AS body
FROM relationships r
JOIN customers c ON c.org_id = $1 AND c.id = $3 AND {visible:c}
 AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
JOIN customers o ON o.org_id = $1 AND o.id = CASE r.left_id WHEN $3 THEN r.right_id ELSE r.left_id END
 AND {visible:o} AND o.deleted_at IS NULL
JOIN relationship_interactions i ON i.org_id = $1 AND i.relationship_id = r.id AND i.id = $5
 AND (i.deleted_at IS NULL OR i.deleted_at > now() - interval '30 days')
CROSS JOIN LATERAL (
    SELECT i.id, i.relationship_id, i.kind, i.occurred_on, i.recorded_by, i.version, iso(i.created_at) AS created_at
) x
WHERE r.org_id = $1 AND r.id = $4 AND $3 IN (r.left_id, r.right_id)
  AND (r.deleted_at IS NULL OR r.deleted_at > now() - interval '30 days')
