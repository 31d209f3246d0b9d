-- $1 org, $2 owners, $3 customer, $4 fact key, $5 cursor key, $6 cursor id, $7 limit + 1, $8 dossier: the history,
-- newest first, bare of values; the sealed ones beside it in the same order, and what opens them.
-- One row whenever the customer can be seen, so that an empty history differs from an absent customer.
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.party_type, p.has_more, p.items, p.sealed, p.tellers, p.last_key,
       p.last_id, ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS wrapped
FROM customers c, LATERAL (
    WITH page AS (
        SELECT d.*, u.name AS recorder,
               ARRAY(SELECT s.id FROM dossier_facts s
                     WHERE s.org_id = $1 AND s.superseded_by = d.id AND s.deleted_at IS NULL
                     ORDER BY s.id LIMIT 1000) AS supersedes
        FROM dossier_facts d
        JOIN users u ON u.org_id = $1 AND u.id = d.recorded_by
        WHERE d.org_id = $1 AND d.customer_id = c.id AND d.deleted_at IS NULL
          AND ($4::text IS NULL OR d.fact_key = $4) AND ($8::text IS NULL OR d.dossier = $8)
          AND ($6::uuid IS NULL OR (d.recorded_at, d.id) < ($5::text::timestamptz, $6))
        ORDER BY d.recorded_at DESC, d.id DESC
        LIMIT $7
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY recorded_at DESC, id DESC) AS n, count(*) OVER () AS total FROM page
    )
    SELECT max(total) = $7 AS has_more,
           coalesce(json_agg(
               json_build_object(
                   'id', id, 'customer_id', customer_id, 'dossier', dossier, 'fact_key', fact_key,
                   'definition_version', definition_version, 'source', source, 'teller_id', teller_id,
                   'basis', basis, 'observed_on', observed_on, 'confidence', confidence::text,
                   'consent_ids', consent_ids, 'review_by', review_by, 'expires_on', expires_on,
                   'recorded_by', json_build_object('id', recorded_by, 'name', recorder),
                   'recorded_at', iso(recorded_at), 'form_response_id', form_response_id, 'link_id', link_id,
                   'superseded_at', iso(superseded_at), 'superseded_by', superseded_by, 'supersedes', supersedes,
                   'settled_at', iso(settled_at), 'version', version, 'updated_at', iso(updated_at)) ORDER BY n)
               FILTER (WHERE n < $7), '[]')::text AS items,
           array_agg(value_enc ORDER BY n) FILTER (WHERE n < $7) AS sealed,
           array_agg(teller_enc ORDER BY n) FILTER (WHERE n < $7) AS tellers,
           max(recorded_at::text) FILTER (WHERE n = $7 - 1) AS last_key,
           max(id::text) FILTER (WHERE n = $7 - 1) AS last_id
    FROM numbered
) p
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
