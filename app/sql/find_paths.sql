-- $1 org, $2 owners, $3 caller, $4 from (null: the caller), $5 to, $6 at company, $7 tag, $8 tier, $9 k, $10 hops,
-- $11 masked: the warmest ways to be introduced. Exactly one of $5 to $8 is given. What the caller does not see is not there: is_found
-- says whether all parties that were named are, is_person whether the company is none, is_objected whether one of them
-- objects to introductions.
SELECT i.is_found, i.is_person, i.is_objected, i.targets > 2000 AS is_too_wide,
       CASE WHEN i.is_found AND NOT i.is_person AND i.targets <= 2000 THEN find_paths($1, $2, $3, i.is_open, $4, i.ids, $9, $10, $11) END AS body
FROM (
    SELECT coalesce(o.are_cross_agent_paths_allowed, false) AS is_open,
           (SELECT count(*) FROM customers c
            WHERE c.org_id = $1 AND c.id IN ($4::uuid, $5::uuid, $6::uuid) AND c.deleted_at IS NULL AND {visible:c})
           = (SELECT count(DISTINCT n.id) FROM (VALUES ($4::uuid), ($5::uuid), ($6::uuid)) AS n (id)
              WHERE n.id IS NOT NULL) AS is_found,
           EXISTS (SELECT 1 FROM customers c
                   WHERE c.org_id = $1 AND c.id = $6 AND c.party_type <> 'organization') AS is_person,
           EXISTS (SELECT 1 FROM rights_requests q
                   WHERE q.org_id = $1 AND q.customer_id IN ($4, $5, $6) AND q.kind = 'objection' AND q.status = 'done'
                     AND q.purpose = 'introductions') AS is_objected,
           t.ids, cardinality(t.ids) AS targets
    FROM (SELECT ARRAY(
        SELECT $5::uuid WHERE $5::uuid IS NOT NULL
        UNION
        -- Whoever works at, leads, owns or decides for the company.
        SELECT p.id
        FROM (
            SELECT r.right_id AS id FROM relationships r
            WHERE r.org_id = $1 AND r.left_id = $6 AND r.direction = 'partner'
              AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
            UNION
            SELECT r.left_id FROM relationships r
            WHERE r.org_id = $1 AND r.right_id = $6 AND r.direction = 'partner'
              AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        ) p
        JOIN customers c ON c.org_id = $1 AND c.id = p.id AND c.party_type = 'individual'
        WHERE p.id IS DISTINCT FROM $4 AND ({visible:c} OR EXISTS (
            SELECT 1 FROM org_settings s WHERE s.org_id = $1 AND s.id = $1 AND s.are_cross_agent_paths_allowed))
        UNION
        (SELECT c.id FROM customers c
         WHERE ($7::text IS NOT NULL OR $8::text IS NOT NULL) AND c.org_id = $1 AND c.deleted_at IS NULL
           AND {visible:c} AND c.id IS DISTINCT FROM $4
           AND ($7::text IS NULL OR c.tags @> ARRAY[$7]) AND ($8::text IS NULL OR c.tier = $8)
         LIMIT 2001)
    ) AS ids) t
    LEFT JOIN org_settings o ON o.org_id = $1 AND o.id = $1
) i
