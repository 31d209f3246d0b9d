-- $1 org, $2 owners, $3 customer, $4 form key, $5 status, $6 cursor key, $7 cursor id, $8 limit + 1.
WITH page AS (
    SELECT r.*
    FROM form_responses r
    JOIN customers c ON c.org_id = $1 AND c.id = r.customer_id AND {visible:c} AND c.deleted_at IS NULL
    WHERE r.org_id = $1 AND r.customer_id = $3 AND r.deleted_at IS NULL
      AND ($4::text IS NULL OR r.form_key = $4)
      AND ($5::text IS NULL OR r.status = $5)
      AND ($7::uuid IS NULL OR (r.created_at, r.id) < ($6::text::timestamptz, $7))
    ORDER BY r.created_at DESC, r.id DESC
    LIMIT $8
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $8 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'customer_id', customer_id, 'form_key', form_key, 'form_version', form_version,
               'status', status, 'revision', revision, 'amends_id', amends_id, 'migrated_from_id', migrated_from_id,
               'answered_on', answered_on, 'completed_at', iso(completed_at), 'needs_analysis_id', needs_analysis_id,
               'version', version, 'created_at', iso(created_at), 'updated_at', iso(updated_at))::text, ',' ORDER BY n)
           FILTER (WHERE n < $8), '') || ']' AS items,
       max(created_at::text) FILTER (WHERE n = $8 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $8 - 1) AS last_id
FROM numbered
