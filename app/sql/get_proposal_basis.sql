-- $1 org, $2 owners, $3 analysis: the stored analysis as a proposal reads it (sealed, with the keys of its customer),
-- whether a newer one has replaced it, and whether its answers were entered in error.
SELECT a.id, a.version, a.customer_id, a.created_at, c.deleted_at IS NOT NULL AS is_deleted,
       EXISTS (SELECT FROM needs_analyses n WHERE n.org_id = $1 AND n.supersedes_id = a.id) AS is_superseded,
       EXISTS (SELECT FROM form_responses r WHERE r.org_id = $1 AND r.id = a.form_response_id
               AND r.status = 'entered_in_error') AS is_retracted,
       a.analysis_enc, a.facts_enc, c.id AS person_id,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS keys
FROM needs_analyses a
JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
WHERE a.org_id = $1 AND a.id = $3 AND a.deleted_at IS NULL
