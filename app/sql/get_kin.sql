-- $1 org, $2 owners, $3 customer, $4 types kin are inferred from, $5 most ties of a derivation, $6 masked: the family
-- around a customer (or shadow contact) as it was entered. What follows from it is reckoned by domain/kin.py.
-- is_deleted tells a tombstone; no row: not there. Families are small; more than 500 persons are cut off.
WITH RECURSIVE basis AS (
    -- What an auditor may not read, nothing may follow from that he reads.
    SELECT t.code FROM relation_types t
    WHERE t.org_id = $1 AND t.code = ANY($4) AND NOT ($6 AND t.sensitivity = 'sensitive')
), root AS (
    SELECT c.id, c.deleted_at IS NOT NULL AS is_deleted
    FROM customers c
    WHERE c.org_id = $1 AND c.id = $3 AND {visible:c}
      AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
), family AS (
    SELECT root.id, 0 AS hops FROM root WHERE NOT root.is_deleted
    UNION
    SELECT e.id, f.hops + 1
    FROM family f
    CROSS JOIN LATERAL (
        SELECT r.right_id AS id FROM relationships r
        WHERE r.org_id = $1 AND r.left_id = f.id AND r.direction = 'relative' AND r.type = ANY(ARRAY(SELECT code FROM basis))
          AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        UNION ALL
        SELECT r.left_id FROM relationships r
        WHERE r.org_id = $1 AND r.right_id = f.id AND r.direction = 'relative' AND r.type = ANY(ARRAY(SELECT code FROM basis))
          AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
    ) e
    JOIN customers c ON c.org_id = $1 AND c.id = e.id AND {visible:c}
    WHERE f.hops < $5
), entered AS (
    SELECT r.id AS relationship_id, e.other_id, CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END AS type
    FROM root
    CROSS JOIN LATERAL (
        SELECT r.id, r.right_id AS other_id, true AS is_left FROM relationships r
        WHERE r.org_id = $1 AND r.left_id = root.id AND r.direction = 'relative'
          AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        UNION ALL
        SELECT r.id, r.left_id, false FROM relationships r
        WHERE r.org_id = $1 AND r.right_id = root.id AND r.direction = 'relative'
          AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
    ) e
    JOIN relationships r ON r.org_id = $1 AND r.id = e.id
    JOIN relation_types given ON given.org_id = $1 AND given.code = r.type
    -- An auditor is told the direction only, where the type itself is delicate.
    JOIN relation_types t ON t.org_id = $1
     AND t.code = CASE WHEN $6 AND given.sensitivity = 'sensitive' THEN r.direction ELSE r.type END
    JOIN customers c ON c.org_id = $1 AND c.id = e.other_id AND {visible:c}
), people AS (
    SELECT id FROM family UNION SELECT other_id FROM entered
)
SELECT root.is_deleted,
       (SELECT coalesce(json_agg(row_to_json(x)), '[]') FROM (
           SELECT c.id, c.name, c.party_type, c.stage, c.gender, c.is_shadow
           FROM (SELECT id FROM people ORDER BY id LIMIT 500) p
           JOIN customers c ON c.org_id = $1 AND c.id = p.id) x)::text AS people,
       (SELECT coalesce(json_agg(json_build_array(r.left_id, r.right_id, r.type) ORDER BY r.id), '[]')
        FROM family f
        JOIN relationships r ON r.org_id = $1 AND r.left_id = f.id AND r.direction = 'relative' AND r.type = ANY(ARRAY(SELECT code FROM basis))
         AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        WHERE r.right_id IN (SELECT id FROM family))::text AS ties,
       (SELECT coalesce(json_agg(row_to_json(e) ORDER BY e.relationship_id), '[]') FROM entered e)::text AS entered,
       (SELECT json_object_agg(t.code, json_build_object('label', t.label, 'degree', t.family_degree)) FROM (
           SELECT y.code, y.label, y.family_degree FROM relation_types y WHERE y.org_id = $1 AND y.direction = 'relative'
           UNION ALL
           SELECT y.inverse_code, y.inverse_label, y.family_degree FROM relation_types y
           WHERE y.org_id = $1 AND y.direction = 'relative' AND y.inverse_code <> y.code) t)::text AS types
FROM root
