-- $1 org, $2 owners, $3 customer, $4 cursor key, $5 cursor id, $6 limit + 1: the lines, each with its id and the sealed
-- amounts beside it, and the keys of the customer.
WITH page AS (
    SELECT a.id, a.customer_id, a.form_response_id, a.method_code, a.method_version, a.summary_enc, a.currency, a.as_of,
           a.supersedes_id, a.prepared_by, a.version, a.created_at
    FROM needs_analyses a
    JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c} AND c.deleted_at IS NULL
    WHERE a.org_id = $1 AND a.customer_id = $3 AND a.deleted_at IS NULL
      AND ($5::uuid IS NULL OR (a.created_at, a.id) < ($4::text::timestamptz, $5))
    ORDER BY a.created_at DESC, a.id DESC
    LIMIT $6
), numbered AS (
    SELECT p.*, s.id AS superseded_by_id, f.confirmed_at,
           row_number() OVER (ORDER BY p.created_at DESC, p.id DESC) AS n, count(*) OVER () AS total
    FROM page p
    LEFT JOIN needs_analyses s ON s.org_id = $1 AND s.supersedes_id = p.id
    LEFT JOIN needs_analysis_confirmations f ON f.org_id = $1 AND f.needs_analysis_id = p.id
)
SELECT max(total) = $6 AS has_more,
       array_agg(
           json_build_object(
               'id', id, 'customer_id', customer_id, 'form_response_id', form_response_id, 'method_code', method_code,
               'method_version', method_version, 'currency', currency, 'as_of', as_of, 'supersedes_id', supersedes_id,
               'superseded_by_id', superseded_by_id, 'confirmed_at', iso(confirmed_at), 'prepared_by', prepared_by,
               'version', version, 'created_at', iso(created_at))::text ORDER BY n) FILTER (WHERE n < $6) AS items,
       array_agg(id ORDER BY n) FILTER (WHERE n < $6) AS ids,
       array_agg(summary_enc ORDER BY n) FILTER (WHERE n < $6) AS summaries,
       $3::uuid AS person_id,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = $3) AS keys,
       max(created_at::text) FILTER (WHERE n = $6 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $6 - 1) AS last_id
FROM numbered
