-- $1 org, $2 owners, $3 analysis: what it was calculated from.
SELECT a.version, c.deleted_at IS NOT NULL AS is_deleted,
       jsonb_build_object('customer_id', a.customer_id, 'as_of', a.as_of, 'facts', a.facts, 'overrides', a.overrides)::text AS body
FROM needs_analyses a
JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
WHERE a.org_id = $1 AND a.id = $3 AND a.deleted_at IS NULL
