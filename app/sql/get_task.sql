-- $1 org, $2 owners, $3 task. It is there for those who look down on its owner and see the customer it concerns.
SELECT t.version, t.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL AS is_deleted, row_to_json(x)::text AS body
FROM tasks t
JOIN customers c ON c.org_id = $1 AND c.id = t.customer_id AND {visible:c}
 AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
CROSS JOIN LATERAL (
    SELECT t.id, t.kind, t.owner_id,
           json_build_object('id', c.id, 'name', c.name, 'party_type', c.party_type, 'stage', c.stage,
                             'is_shadow', c.is_shadow) AS customer,
           t.subject_type, t.subject_id,
           (SELECT json_build_object('id', u.id, 'name', u.name) FROM users u
            WHERE u.org_id = $1 AND u.id = t.subject_id AND t.subject_type = 'user') AS requested_by,
           t.milestone, t.due_on, iso(t.done_at) AS done_at, t.done_by, t.version,
           iso(t.created_at) AS created_at, iso(t.updated_at) AS updated_at
) x
WHERE t.org_id = $1 AND t.id = $3 AND ($2::uuid[] IS NULL OR t.owner_id = ANY($2))
  AND (t.deleted_at IS NULL OR t.deleted_at > now() - interval '30 days')
