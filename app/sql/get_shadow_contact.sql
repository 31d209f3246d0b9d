-- $1 org, $2 owners, $3 contact: a shadow contact and its twenty strongest present ties that the caller sees.
SELECT c.version, false AS is_deleted, row_to_json(x)::text AS body
FROM customers c, LATERAL (
    SELECT c.id, c.name, c.party_type, c.gender, c.owner_id, c.known_through_id, c.keep_until,
           coalesce((
               SELECT json_agg(json_build_object(
                          'relationship_id', e.id,
                          'other', json_build_object('id', e.other_id, 'name', e.name, 'party_type', e.party_type,
                                                     'stage', e.stage, 'is_shadow', e.is_shadow),
                          'direction', CASE WHEN e.direction = 'client' AND NOT e.is_left THEN 'supplier'
                                            ELSE e.direction END,
                          'type', CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END,
                          'label', relation_label(CASE WHEN e.is_left THEN t.label ELSE t.inverse_label END, e.gender),
                          'role', e.role, 'strength', trim_scale(e.strength))
                      ORDER BY e.strength DESC, e.id DESC)
               FROM (
                   SELECT s.*, o.name, o.party_type, o.stage, o.is_shadow, o.gender
                   FROM (
                       SELECT r.id, true AS is_left, r.right_id AS other_id, r.direction, r.type, r.right_role AS role,
                              r.strength
                       FROM relationships r
                       WHERE r.org_id = $1 AND r.left_id = $3 AND r.until IS NULL AND r.deleted_at IS NULL
                         AND NOT r.is_dangling
                       UNION ALL
                       SELECT r.id, false, r.left_id, r.direction, r.type, r.left_role, r.strength
                       FROM relationships r
                       WHERE r.org_id = $1 AND r.right_id = $3 AND r.until IS NULL AND r.deleted_at IS NULL
                         AND NOT r.is_dangling
                   ) s
                   JOIN customers o ON o.org_id = $1 AND o.id = s.other_id AND o.deleted_at IS NULL AND {visible:o}
                   ORDER BY s.strength DESC, s.id DESC
                   LIMIT 20
               ) e
               JOIN relation_types t ON t.org_id = $1 AND t.code = e.type
           ), '[]'::json) AS relations,
           c.version, iso(c.created_at) AS created_at, iso(c.updated_at) AS updated_at
) x
WHERE c.org_id = $1 AND c.id = $3 AND c.is_shadow AND c.deleted_at IS NULL AND {visible:c}
