-- $1 org, $2 owners, $3 customer: the current facts, bare of language.
-- The version counts every change ever made to any fact of the customer: each change raises one row's version, and
-- superseded and deleted rows go on counting, so no delete makes it fall back to an earlier value.
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.party_type, f.version, f.facts
FROM customers c, LATERAL (
    SELECT coalesce(sum(d.version), 0)::int AS version,
           coalesce(json_agg(json_build_object(
               'id', d.id, 'fact_key', d.fact_key, 'value', d.value, 'source', d.source, 'observed_on', d.observed_on,
               'recorded_by', json_build_object('id', u.id, 'name', u.name), 'recorded_at', iso(d.created_at),
               'version', d.version))
               FILTER (WHERE d.deleted_at IS NULL AND d.superseded_at IS NULL), '[]')::text AS facts
    FROM dossier_facts d
    JOIN users u ON u.org_id = $1 AND u.id = d.recorded_by
    WHERE d.org_id = $1 AND d.customer_id = c.id
) f
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
