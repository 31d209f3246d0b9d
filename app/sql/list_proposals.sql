-- $1 org, $2 owners, $3 customer, $4 cursor key, $5 cursor id, $6 limit + 1.
WITH page AS (
    SELECT p.*
    FROM proposals p
    JOIN customers c ON c.org_id = $1 AND c.id = p.customer_id AND {visible:c} AND c.deleted_at IS NULL
    WHERE p.org_id = $1 AND p.customer_id = $3 AND p.deleted_at IS NULL
      AND ($5::uuid IS NULL OR (p.created_at, p.id) < ($4::text::timestamptz, $5))
    ORDER BY p.created_at DESC, p.id DESC
    LIMIT $6
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $6 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'customer_id', customer_id, 'needs_analysis_id', needs_analysis_id, 'number', number,
               'language', language, 'verdict_code', verdict, 'prepared_by', prepared_by,
               'assessed_at', iso(assessed_at), 'recommended_at', iso(recommended_at), 'signed_at', iso(signed_at),
               'version', version, 'created_at', iso(created_at))::text, ',' ORDER BY n)
           FILTER (WHERE n < $6), '') || ']' AS items,
       max(created_at::text) FILTER (WHERE n = $6 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $6 - 1) AS last_id
FROM numbered
