-- $1 org, $2 owners, $3 response: what stands in clear as JSON, and what is sealed with the keys of its customer.
SELECT r.version, c.deleted_at IS NOT NULL AS is_deleted, row_to_json(x)::text AS body, r.answers_enc, r.retraction_enc,
       c.id AS person_id,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS keys
FROM form_responses r
JOIN customers c ON c.org_id = $1 AND c.id = r.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days'),
LATERAL (
    SELECT r.id, r.customer_id, r.form_key, r.form_version, r.content_hash, r.status, r.revision, r.amends_id,
           r.migrated_from_id, r.recorded_by, iso(r.client_at) AS client_at, r.client_counter, r.answered_on,
           iso(r.completed_at) AS completed_at, iso(r.retracted_at) AS retracted_at, r.needs_analysis_id, r.version,
           iso(r.created_at) AS created_at, iso(r.updated_at) AS updated_at
) x
WHERE r.org_id = $1 AND r.id = $3 AND r.deleted_at IS NULL
