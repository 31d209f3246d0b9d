-- $1 org, $2 owners, $3 contact: everything that is held about a shadow contact. Of the other ends of its ties only the
-- customer it is known through is named; ties with an end the caller does not see are counted and not told.
WITH ties AS MATERIALIZED (
    SELECT e.*, o.name AS other_name, o.gender AS other_gender, {visible:o} AS is_seen
    FROM (
        SELECT r.id, true AS is_left, r.right_id AS other_id, r.type, r.direction, r.right_role AS role,
               r.left_role AS inverse_role, r.source, r.confidence, r.strength, r.since, r.until,
               r.note_enc IS NOT NULL AS is_noted, r.created_at
        FROM relationships r
        WHERE r.org_id = $1 AND r.left_id = $3 AND r.deleted_at IS NULL
        UNION ALL
        SELECT r.id, false, r.left_id, r.type, r.direction, r.left_role, r.right_role, r.source, r.confidence,
               r.strength, r.since, r.until, r.note_enc IS NOT NULL, r.created_at
        FROM relationships r
        WHERE r.org_id = $1 AND r.right_id = $3 AND r.deleted_at IS NULL
    ) e
    JOIN customers o ON o.org_id = $1 AND o.id = e.other_id
)
SELECT row_to_json(x)::text AS body
FROM customers c
LEFT JOIN customers k ON k.org_id = $1 AND k.id = c.known_through_id  -- none: he is restricted
CROSS JOIN LATERAL (
    SELECT c.id, c.name, c.party_type, c.gender,
           CASE WHEN k.deleted_at IS NULL AND {visible:k} THEN k.name END AS known_through, c.keep_until,
           iso(c.created_at) AS recorded_at, iso(c.updated_at) AS changed_at,
           coalesce((
               SELECT json_agg(json_build_object(
                          'is_to_known_through', e.other_id = c.known_through_id,
                          'other_name', CASE WHEN e.other_id = c.known_through_id AND k.deleted_at IS NULL
                                             THEN e.other_name END,
                          'direction', CASE WHEN e.direction = 'client' AND NOT e.is_left THEN 'supplier'
                                            ELSE e.direction END,
                          'type', CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END,
                          'label', relation_label(CASE WHEN e.is_left THEN t.label ELSE t.inverse_label END,
                                                  e.other_gender),
                          'role', e.role, 'inverse_role', e.inverse_role, 'source', e.source,
                          'confidence', trim_scale(e.confidence), 'strength', trim_scale(e.strength),
                          'since', e.since, 'until', e.until, 'is_noted', e.is_noted,
                          'recorded_by', (
                              SELECT u.name FROM audit_events a
                              JOIN users u ON u.org_id = $1 AND u.id = a.actor_id
                              WHERE a.org_id = $1 AND a.object_id = e.id AND a.action = 'relationship.created'
                              ORDER BY a.at LIMIT 1),
                          'recorded_at', iso(e.created_at),
                          'interactions', coalesce((
                              SELECT json_agg(json_build_object('kind', i.kind, 'occurred_on', i.occurred_on,
                                                                'recorded_by', i.name, 'recorded_at', i.recorded_at)
                                              ORDER BY i.occurred_on DESC, i.id DESC)
                              FROM (
                                  SELECT n.id, n.kind, n.occurred_on, u.name, iso(n.created_at) AS recorded_at
                                  FROM relationship_interactions n
                                  JOIN users u ON u.org_id = $1 AND u.id = n.recorded_by
                                  WHERE n.org_id = $1 AND n.relationship_id = e.id AND n.deleted_at IS NULL
                                  ORDER BY n.occurred_on DESC, n.id DESC
                                  LIMIT 500
                              ) i), '[]'::json))
                      ORDER BY e.other_id <> c.known_through_id, e.created_at, e.id)
               FROM (SELECT * FROM ties WHERE is_seen ORDER BY created_at, id LIMIT 500) e
               JOIN relation_types t ON t.org_id = $1 AND t.code = e.type
           ), '[]'::json) AS relationships,
           coalesce((
               SELECT json_agg(json_build_object('status', i.status, 'asked_on', i.asked_on, 'status_on', i.status_on,
                                                 'is_noted', i.note_enc IS NOT NULL) ORDER BY i.asked_on DESC, i.id DESC)
               FROM (
                   SELECT * FROM introductions i
                   WHERE i.org_id = $1 AND i.target_id = c.id AND i.deleted_at IS NULL
                   ORDER BY i.asked_on DESC, i.id DESC LIMIT 200
               ) i), '[]'::json) AS introductions,
           (SELECT count(*) FROM ties WHERE NOT is_seen) AS withheld,
           coalesce((
               SELECT json_agg(json_build_object('action', h.action, 'by', h.name, 'at', iso(h.at)) ORDER BY h.at DESC)
               FROM (
                   SELECT a.action, a.at, u.name
                   FROM audit_events a
                   LEFT JOIN users u ON u.org_id = $1 AND u.id = a.actor_id
                   WHERE a.org_id = $1 AND a.object_id = c.id AND a.action LIKE 'shadow\_contact.%'
                   ORDER BY a.at DESC
                   LIMIT 200
               ) h), '[]'::json) AS history
) x
WHERE c.org_id = $1 AND c.id = $3 AND c.is_shadow AND c.deleted_at IS NULL AND {visible:c}
