-- $1 org, $2 owners, $3 analysis: as it was stored, with what was said of it later. What is sealed comes with the keys
-- of its customer; of a confirmation the reference is.
SELECT a.version, c.deleted_at IS NOT NULL AS is_deleted,
       jsonb_build_object(
           'id', a.id, 'customer_id', a.customer_id, 'form_response_id', a.form_response_id,
           'method_code', a.method_code, 'method_version', a.method_version, 'currency', a.currency, 'as_of', a.as_of,
           'supersedes_id', a.supersedes_id, 'superseded_by_id', s.id, 'prepared_by', a.prepared_by,
           'version', a.version, 'created_at', iso(a.created_at), 'is_retracted', r.status = 'entered_in_error',
           'confirmed_at', iso(f.confirmed_at))::text AS body,
       a.summary_enc, a.analysis_enc, c.id AS person_id,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS keys,
       f.id AS confirmation_id, f.reference_enc,
       jsonb_build_object(
           'kind', f.kind, 'confirmed_at', iso(f.confirmed_at), 'recorded_by', f.recorded_by)::text AS confirmation
FROM needs_analyses a
JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
JOIN form_responses r ON r.org_id = $1 AND r.id = a.form_response_id
LEFT JOIN needs_analyses s ON s.org_id = $1 AND s.supersedes_id = a.id
LEFT JOIN needs_analysis_confirmations f ON f.org_id = $1 AND f.needs_analysis_id = a.id
WHERE a.org_id = $1 AND a.id = $3 AND a.deleted_at IS NULL
