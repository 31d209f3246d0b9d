-- $1 org, $2 owners, $3 customer, $4 relationship, $5 masked, $6 caller: one relationship, read from this customer's
-- side. It is there only for those who see both ends, and only while the other end lives.
SELECT r.version, c.deleted_at IS NOT NULL OR r.deleted_at IS NOT NULL AS is_deleted, row_to_json(x)::text AS body,
       CASE WHEN s.is_shown THEN ARRAY[r.id] END AS note_ids, CASE WHEN s.is_shown THEN ARRAY[r.note_enc] END AS notes
FROM relationships r
JOIN relation_types given ON given.org_id = $1 AND given.code = r.type
-- An auditor is told the direction only, where the type itself is delicate.
JOIN relation_types t ON t.org_id = $1
 AND t.code = CASE WHEN $5 AND given.sensitivity = 'sensitive' THEN r.direction ELSE r.type END
JOIN customers c ON c.org_id = $1 AND c.id = $3 AND {visible:c}
 AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
JOIN customers o ON o.org_id = $1 AND o.id = CASE r.left_id WHEN $3 THEN r.right_id ELSE r.left_id END
 AND {visible:o} AND o.deleted_at IS NULL
CROSS JOIN LATERAL (SELECT r.left_id = $3 AS is_left, t.code <> given.code AS is_veiled) e
CROSS JOIN LATERAL (
    SELECT r.note_enc IS NOT NULL AND NOT $5
       AND (r.note_visibility = 'everyone' OR coalesce(r.author_id = $6, false) OR r.note_visibility = 'owners'
            AND ($2::uuid[] IS NULL OR c.owner_id = ANY($2) OR o.owner_id = ANY($2))) AS is_shown) s
CROSS JOIN LATERAL (
    SELECT r.id, c.id AS customer_id,
           json_build_object('id', o.id, 'name', o.name, 'party_type', o.party_type, 'stage', o.stage,
                             'is_shadow', o.is_shadow) AS other,
           CASE WHEN r.direction = 'client' AND NOT e.is_left THEN 'supplier' ELSE r.direction END AS direction,
           CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END AS type,
           relation_label(CASE WHEN e.is_left THEN t.label ELSE t.inverse_label END, o.gender) AS label,
           CASE WHEN e.is_veiled THEN NULL WHEN e.is_left THEN r.right_role ELSE r.left_role END AS role,
           CASE WHEN e.is_veiled THEN NULL WHEN e.is_left THEN r.left_role ELSE r.right_role END AS inverse_role,
           trim_scale(r.strength) AS strength, trim_scale(r.declared_strength) AS declared_strength,
           trim_scale(r.computed_strength) AS computed_strength, r.last_interaction_on, r.source,
           trim_scale(r.confidence) AS confidence, r.since, r.until,
           CASE WHEN s.is_shown THEN '"\u0001"'::json END AS note,
           r.note_visibility, r.version, iso(r.created_at) AS created_at, iso(r.updated_at) AS updated_at
) x
WHERE r.org_id = $1 AND r.id = $4 AND $3 IN (r.left_id, r.right_id)
  AND (r.deleted_at IS NULL OR r.deleted_at > now() - interval '30 days')
