-- $1 org, $2 owners, $3 analysis: the stored result with its key columns in front.
SELECT a.version, c.deleted_at IS NOT NULL AS is_deleted,
       (jsonb_build_object(
           'id', a.id, 'customer_id', a.customer_id, 'form_response_id', a.form_response_id, 'currency', 'CNY',
           'prepared_by', a.prepared_by, 'version', a.version, 'created_at', iso(a.created_at)) || a.result)::text AS body
FROM needs_analyses a
JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
WHERE a.org_id = $1 AND a.id = $3 AND a.deleted_at IS NULL
