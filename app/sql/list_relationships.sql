-- $1 org, $2 owners, $3 customer, $4 directions, $5 cursor strength, $6 cursor id, $7 limit + 1, $8 masked, $9 caller,
-- $10 types. {current} restricts to running or ended relationships: a closed variant. No row: the customer is not
-- there. Each end is searched by itself, so that each can use its index.
SELECT c.deleted_at IS NOT NULL AS is_deleted, p.*
FROM customers c
CROSS JOIN LATERAL (
    WITH page AS (
        SELECT e.*, o.name, o.party_type, o.stage, o.is_shadow, o.gender, o.owner_id, t.code <> e.type AS is_veiled,
               CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END AS seen_type,
               CASE WHEN e.is_left THEN t.label ELSE t.inverse_label END AS seen_label,
               CASE WHEN e.way = 'client' AND NOT e.is_left THEN 'supplier' ELSE e.way END AS seen_way
        FROM (
            SELECT r.id, true AS is_left, r.right_id AS other_id, r.direction AS way, r.type, r.right_role AS role,
                   r.left_role AS inverse_role, r.strength, r.declared_strength, r.computed_strength,
                   r.last_interaction_on, r.source, r.confidence, r.since, r.until, r.note_enc, r.note_visibility,
                   r.author_id, r.version, r.created_at, r.updated_at
            FROM relationships r
            WHERE r.org_id = $1 AND r.left_id = $3 AND r.deleted_at IS NULL AND {current}
            UNION ALL
            SELECT r.id, false, r.left_id, r.direction, r.type, r.left_role, r.right_role, r.strength,
                   r.declared_strength, r.computed_strength, r.last_interaction_on, r.source, r.confidence, r.since,
                   r.until, r.note_enc, r.note_visibility, r.author_id, r.version, r.created_at, r.updated_at
            FROM relationships r
            WHERE r.org_id = $1 AND r.right_id = $3 AND r.deleted_at IS NULL AND {current}
        ) e
        JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND o.deleted_at IS NULL AND {visible:o}
        JOIN relation_types given ON given.org_id = $1 AND given.code = e.type
        -- An auditor is told the direction only, where the type itself is delicate.
        JOIN relation_types t ON t.org_id = $1
         AND t.code = CASE WHEN $8 AND given.sensitivity = 'sensitive' THEN e.way ELSE e.type END
        WHERE ($4::text[] IS NULL OR CASE WHEN e.way = 'client' AND NOT e.is_left THEN 'supplier' ELSE e.way END
                                     = ANY($4))
          AND ($10::text[] IS NULL OR CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END = ANY($10))
          AND ($6::uuid IS NULL OR (e.strength, e.id) < ($5::text::numeric, $6))
        ORDER BY e.strength DESC, e.id DESC
        LIMIT $7
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY strength DESC, id DESC) AS n, count(*) OVER () AS total,
               note_enc IS NOT NULL AND NOT $8
               AND (note_visibility = 'everyone' OR coalesce(author_id = $9, false) OR note_visibility = 'owners'
                    AND ($2::uuid[] IS NULL OR owner_id = ANY($2) OR c.owner_id = ANY($2))) AS is_shown
        FROM page
    )
    SELECT max(total) = $7 AS has_more,
           '[' || coalesce(string_agg(row_to_json(x)::text, ',' ORDER BY n) FILTER (WHERE n < $7), '') || ']' AS items,
           array_agg(numbered.id ORDER BY n) FILTER (WHERE n < $7 AND is_shown) AS note_ids,
           array_agg(note_enc ORDER BY n) FILTER (WHERE n < $7 AND is_shown) AS notes,
           max(numbered.strength::text) FILTER (WHERE n = $7 - 1) AS last_key,
           max(numbered.id::text) FILTER (WHERE n = $7 - 1) AS last_id
    FROM numbered, LATERAL (
        SELECT numbered.id, $3 AS customer_id,
               json_build_object('id', other_id, 'name', name, 'party_type', party_type, 'stage', stage,
                                 'is_shadow', is_shadow) AS other,
               seen_way AS direction, seen_type AS type, relation_label(seen_label, gender) AS label,
               CASE WHEN is_veiled THEN NULL ELSE role END AS role,
               CASE WHEN is_veiled THEN NULL ELSE inverse_role END AS inverse_role,
               trim_scale(numbered.strength) AS strength, trim_scale(declared_strength) AS declared_strength,
               trim_scale(computed_strength) AS computed_strength, last_interaction_on, source,
               trim_scale(confidence) AS confidence, since, until,
               CASE WHEN is_shown THEN '"\u0001"'::json END AS note,
               note_visibility, version, iso(created_at) AS created_at, iso(updated_at) AS updated_at
    ) x
) p
WHERE c.org_id = $1 AND c.id = $3 AND {visible:c}
  AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
