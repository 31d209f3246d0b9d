-- $1 org, $2 owners, $3 customer: what is known of each of the six directions, as seen from him. {"relative": {"count",
-- "strength", "asked_on"} …}: ties that are current, to living parties the caller sees, shadow contacts included; and
-- the day he said that there is nobody. What follows from it is said by app/domain/coverage.py.
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.party_type, d.directions
FROM customers c, LATERAL (
    SELECT json_object_agg(n.direction, json_build_object(
               'count', coalesce(t.count, 0), 'strength', t.strength, 'asked_on', a.asked_on))::text AS directions
    FROM unnest('{relative,friend,client,supplier,partner,ally}'::text[]) AS n (direction)
    LEFT JOIN (
        SELECT e.direction, count(*) AS count, trim_scale(max(e.strength)) AS strength
        FROM (
            SELECT r.right_id AS other_id, r.direction, r.strength
            FROM relationships r
            WHERE r.org_id = $1 AND r.left_id = $3 AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
            UNION ALL
            SELECT r.left_id, CASE r.direction WHEN 'client' THEN 'supplier' ELSE r.direction END, r.strength
            FROM relationships r
            WHERE r.org_id = $1 AND r.right_id = $3 AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        ) e
        JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND o.deleted_at IS NULL AND {visible:o}
        GROUP BY e.direction
    ) t ON t.direction = n.direction
    LEFT JOIN coverage_answers a
      ON a.org_id = $1 AND a.customer_id = $3 AND a.direction = n.direction AND a.deleted_at IS NULL
) d
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
