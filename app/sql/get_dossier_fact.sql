-- $1 org, $2 owners, $3 customer, $4 fact. A row without a body: the customer is there, the fact is not. The value is
-- sealed and stands beside the body, with what opens it.
SELECT c.party_type, c.deleted_at IS NOT NULL OR coalesce(f.is_deleted, false) AS is_deleted, f.version, f.body,
       f.sealed, f.teller,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS wrapped
FROM customers c
LEFT JOIN LATERAL (
    SELECT d.version, d.deleted_at IS NOT NULL AS is_deleted, d.value_enc AS sealed, d.teller_enc AS teller,
           json_build_object(
               'id', d.id, 'customer_id', d.customer_id, 'dossier', d.dossier, 'fact_key', d.fact_key,
               'definition_version', d.definition_version, 'source', d.source, 'teller_id', d.teller_id,
               'basis', d.basis, 'observed_on', d.observed_on, 'confidence', d.confidence::text,
               'consent_ids', d.consent_ids, 'review_by', d.review_by, 'expires_on', d.expires_on,
               'recorded_by', json_build_object('id', u.id, 'name', u.name), 'recorded_at', iso(d.recorded_at),
               'form_response_id', d.form_response_id, 'link_id', d.link_id,
               'superseded_at', iso(d.superseded_at), 'superseded_by', d.superseded_by,
               'supersedes', ARRAY(SELECT s.id FROM dossier_facts s
                                   WHERE s.org_id = $1 AND s.superseded_by = d.id AND s.deleted_at IS NULL
                                   ORDER BY s.id LIMIT 1000),
               'settled_at', iso(d.settled_at), 'version', d.version, 'updated_at', iso(d.updated_at))::text AS body
    FROM dossier_facts d
    JOIN users u ON u.org_id = $1 AND u.id = d.recorded_by
    WHERE d.org_id = $1 AND d.customer_id = c.id AND d.id = $4
      AND (d.deleted_at IS NULL OR d.deleted_at > now() - interval '30 days')
) f ON true
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
