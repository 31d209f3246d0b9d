-- $1 org, $2 owners (not used): what the organisation has of its own about facts. Always one row.
SELECT coalesce((SELECT json_agg(json_build_object(
           'fact_key', d.fact_key, 'is_own', d.is_own, 'review_days', d.review_days,
           'is_offline_allowed', d.is_offline_allowed, 'asking_order', d.asking_order, 'is_asked', d.is_asked,
           'is_withdrawn', d.withdrawn_at IS NOT NULL, 'version', d.version))
           FROM fact_definitions d WHERE d.org_id = $1), '[]')::text AS rows,
       coalesce((SELECT json_agg(v.body) FROM fact_definition_versions v WHERE v.org_id = $1), '[]')::text AS versions
WHERE $2::uuid[] IS NULL OR true
