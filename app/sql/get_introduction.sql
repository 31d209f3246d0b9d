-- $1 org, $2 owners, $3 introduction, $4 caller, $5 whom he answers for (null: everybody), $6 most steps. It is there
-- for those who see both ends; the note is the agent's and those's above him.
SELECT i.version, row_to_json(x)::text AS body,
       CASE WHEN s.is_shown THEN ARRAY[i.id] END AS note_ids, CASE WHEN s.is_shown THEN ARRAY[i.note_enc] END AS notes,
       i.deleted_at IS NOT NULL OR a.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL AS is_deleted
FROM introductions i
JOIN customers a ON a.org_id = $1 AND a.id = i.introducer_id AND {visible:a}
 AND (a.deleted_at IS NULL OR a.deleted_at > now() - interval '30 days')
JOIN customers b ON b.org_id = $1 AND b.id = i.target_id AND {visible:b}
 AND (b.deleted_at IS NULL OR NOT b.is_shadow AND b.deleted_at > now() - interval '30 days')
CROSS JOIN LATERAL (
    SELECT i.note_enc IS NOT NULL AND (i.agent_id = $4 OR $5::uuid[] IS NULL OR i.agent_id = ANY($5)) AS is_shown) s
CROSS JOIN LATERAL (
    SELECT i.id,
           json_build_object('id', a.id, 'name', a.name, 'party_type', a.party_type, 'stage', a.stage,
                             'is_shadow', a.is_shadow) AS introducer,
           json_build_object('id', b.id, 'name', b.name, 'party_type', b.party_type, 'stage', b.stage,
                             'is_shadow', b.is_shadow) AS target,
           i.agent_id, i.relationship_id, i.status, i.reached, i.reason, i.asked_on, i.status_on, i.introduced_on,
           CASE WHEN s.is_shown THEN '"\u0001"'::json END AS note,
           (SELECT coalesce(json_agg(s ORDER BY l.recorded_at, l.id), '[]')
            FROM (SELECT p.id, p.recorded_at, p.status, p.reason, p.happened_on, p.recorded_by
                  FROM introduction_steps p
                  WHERE p.org_id = $1 AND p.introduction_id = i.id
                  ORDER BY p.recorded_at DESC, p.id DESC LIMIT $6) l
            CROSS JOIN LATERAL (SELECT l.status, l.reason, l.happened_on, l.recorded_by,
                                       iso(l.recorded_at) AS recorded_at) s) AS steps,
           i.version, iso(i.created_at) AS created_at, iso(i.updated_at) AS updated_at
) x
WHERE i.org_id = $1 AND i.id = $3 AND (i.deleted_at IS NULL OR i.deleted_at > now() - interval '30 days')
