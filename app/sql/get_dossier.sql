-- $1 org, $2 owners, $3 customer, $4 dossier, $5 end of the day in question (null: now): the facts that are current,
-- or were then, bare of language and of values; the sealed values beside them in the same order, and what opens them.
-- The version counts every change ever made to any fact of the dossier: each change raises one row's version, and
-- superseded and deleted rows go on counting, so no delete makes it fall back to an earlier value.
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.party_type, f.version, f.facts, f.sealed, f.tellers, s.stages, s.staged,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS wrapped
FROM customers c, LATERAL (
    SELECT coalesce(sum(d.version), 0)::int AS version,
           coalesce(json_agg(json_build_object(
               'id', d.id, 'fact_key', d.fact_key, 'definition_version', d.definition_version, 'source', d.source,
               'teller_id', d.teller_id, 'basis', d.basis, 'observed_on', d.observed_on,
               'confidence', d.confidence::text, 'consent_ids', d.consent_ids, 'review_by', d.review_by,
               'recorded_by', json_build_object('id', u.id, 'name', u.name), 'recorded_at', iso(d.recorded_at),
               'is_kept', coalesce(d.settled_at < coalesce($5, 'infinity'), false), 'version', d.version)
               ORDER BY d.recorded_at, d.id) FILTER (WHERE w.is_current), '[]')::text AS facts,
           array_agg(d.value_enc ORDER BY d.recorded_at, d.id) FILTER (WHERE w.is_current) AS sealed,
           array_agg(d.teller_enc ORDER BY d.recorded_at, d.id) FILTER (WHERE w.is_current) AS tellers
    FROM dossier_facts d
    JOIN users u ON u.org_id = $1 AND u.id = d.recorded_by
    CROSS JOIN LATERAL (SELECT d.deleted_at IS NULL AND CASE WHEN $5::timestamptz IS NULL THEN d.superseded_at IS NULL
        ELSE d.recorded_at < $5 AND (d.superseded_at IS NULL OR d.superseded_at >= $5) END AS is_current) w
    WHERE d.org_id = $1 AND d.customer_id = c.id AND d.dossier = $4
) f, LATERAL (
    -- The stages of a project, newest first; a wording that was corrected by then is no stage of its own.
    SELECT json_agg(json_build_object('id', d.id, 'observed_on', d.observed_on)
               ORDER BY d.observed_on DESC, d.recorded_at DESC, d.id DESC)::text AS stages,
           array_agg(d.value_enc ORDER BY d.observed_on DESC, d.recorded_at DESC, d.id DESC) AS staged
    FROM dossier_facts d
    WHERE $4 = 'project' AND d.org_id = $1 AND d.customer_id = c.id AND d.dossier = 'project' AND d.fact_key = 'stage'
      AND d.deleted_at IS NULL AND d.recorded_at < coalesce($5, 'infinity')
      AND NOT (d.wording_of IS NOT NULL AND d.superseded_at < coalesce($5, 'infinity'))
) s
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
