-- $1 org, $2 owners, $3 customer, $4 fact key, $5 cursor key, $6 cursor id, $7 limit + 1: the history, newest first.
-- One row whenever the customer can be seen, so that an empty history differs from an absent customer.
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.party_type, p.has_more, p.items, p.last_key, p.last_id
FROM customers c, LATERAL (
    WITH page AS (
        SELECT d.*, u.name AS recorder
        FROM dossier_facts d
        JOIN users u ON u.org_id = $1 AND u.id = d.recorded_by
        WHERE d.org_id = $1 AND d.customer_id = c.id AND d.deleted_at IS NULL
          AND ($4::text IS NULL OR d.fact_key = $4)
          AND ($6::uuid IS NULL OR (d.created_at, d.id) < ($5::text::timestamptz, $6))
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT $7
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS n, count(*) OVER () AS total FROM page
    )
    SELECT max(total) = $7 AS has_more,
           '[' || coalesce(string_agg(
               json_build_object(
                   'id', id, 'customer_id', customer_id, 'fact_key', fact_key, 'value', value, 'source', source,
                   'observed_on', observed_on, 'recorded_by', json_build_object('id', recorded_by, 'name', recorder),
                   'recorded_at', iso(created_at), 'form_response_id', form_response_id, 'link_id', link_id,
                   'superseded_at', iso(superseded_at), 'version', version,
                   'updated_at', iso(updated_at))::text, ',' ORDER BY n)
               FILTER (WHERE n < $7), '') || ']' AS items,
           max(created_at::text) FILTER (WHERE n = $7 - 1) AS last_key,
           max(id::text) FILTER (WHERE n = $7 - 1) AS last_id
    FROM numbered
) p
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
