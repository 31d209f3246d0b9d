-- $1 org, $2 owners, $3 customer, $4 fact. A row without a body: the customer is there, the fact is not.
SELECT c.party_type, c.deleted_at IS NOT NULL OR coalesce(f.is_deleted, false) AS is_deleted, f.version, f.body
FROM customers c
LEFT JOIN LATERAL (
    SELECT d.version, d.deleted_at IS NOT NULL AS is_deleted,
           json_build_object(
               'id', d.id, 'customer_id', d.customer_id, 'fact_key', d.fact_key, 'value', d.value,
               'source', d.source, 'observed_on', d.observed_on,
               'recorded_by', json_build_object('id', u.id, 'name', u.name), 'recorded_at', iso(d.created_at),
               'form_response_id', d.form_response_id, 'link_id', d.link_id,
               'superseded_at', iso(d.superseded_at), 'version', d.version, 'updated_at', iso(d.updated_at))::text AS body
    FROM dossier_facts d
    JOIN users u ON u.org_id = $1 AND u.id = d.recorded_by
    WHERE d.org_id = $1 AND d.customer_id = c.id AND d.id = $4
      AND (d.deleted_at IS NULL OR d.deleted_at > now() - interval '30 days')
) f ON true
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
