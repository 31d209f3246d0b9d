-- $1 org, $2 owners, $3 analysis: the stored analysis as a proposal reads it, whether a newer one has replaced it, and
-- whether its answers were entered in error.
SELECT a.version, a.customer_id, a.created_at, c.deleted_at IS NOT NULL AS is_deleted,
       EXISTS (SELECT FROM needs_analyses n WHERE n.org_id = $1 AND n.supersedes_id = a.id) AS is_superseded,
       EXISTS (SELECT FROM form_responses r WHERE r.org_id = $1 AND r.id = a.form_response_id
               AND r.status = 'entered_in_error') AS is_retracted,
       jsonb_build_object(
           'household', a.household, 'results', a.results, 'affordability', a.affordability,
           'assumptions', a.assumptions, 'facts', a.facts)::text AS body
FROM needs_analyses a
JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
WHERE a.org_id = $1 AND a.id = $3 AND a.deleted_at IS NULL
