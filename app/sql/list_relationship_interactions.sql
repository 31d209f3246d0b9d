-- $1 org, $2 owners, $3 customer, $4 relationship, $5 cursor day, $6 cursor id, $7 limit + 1: the contacts recorded
-- between the two ends, the latest first. No row: the relationship is not there for the caller.
SELECT c.deleted_at IS NOT NULL OR r.deleted_at IS NOT NULL AS is_deleted, p.*
FROM relationships r
JOIN customers c ON c.org_id = $1 AND c.id = $3 AND {visible:c}
 AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
JOIN customers o ON o.org_id = $1 AND o.id = CASE r.left_id WHEN $3 THEN r.right_id ELSE r.left_id END
 AND {visible:o} AND o.deleted_at IS NULL
CROSS JOIN LATERAL (
    WITH page AS (
        SELECT i.id, i.relationship_id, i.kind, i.occurred_on, i.recorded_by, i.version, iso(i.created_at) AS created_at
        FROM relationship_interactions i
        WHERE i.org_id = $1 AND i.relationship_id = r.id AND i.deleted_at IS NULL
          AND ($6::uuid IS NULL OR (i.occurred_on, i.id) < ($5::text::date, $6))
        ORDER BY i.occurred_on DESC, i.id DESC
        LIMIT $7
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY occurred_on DESC, id DESC) AS n, count(*) OVER () AS total FROM page
    )
    SELECT max(total) = $7 AS has_more,
           '[' || coalesce(string_agg(
               json_build_object('id', id, 'relationship_id', relationship_id, 'kind', kind, 'occurred_on', occurred_on,
                                 'recorded_by', recorded_by, 'version', version, 'created_at', created_at)::text,
               ',' ORDER BY n) FILTER (WHERE n < $7), '') || ']' AS items,
           max(occurred_on::text) FILTER (WHERE n = $7 - 1) AS last_key,
           max(id::text) FILTER (WHERE n = $7 - 1) AS last_id
    FROM numbered
) p
WHERE r.org_id = $1 AND r.id = $4 AND $3 IN (r.left_id, r.right_id)
  AND (r.deleted_at IS NULL OR r.deleted_at > now() - interval '30 days')
