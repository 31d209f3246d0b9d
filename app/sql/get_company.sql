-- $1 org, $2 owners, $3 company, $4 caller, $5 levels of the chains, $6 masked: what an agent wants to know before he
-- goes to a company. People are in partner ties with it; of several ties of one type the strongest counts. Codes and
-- labels are read from the company, or from whoever knows somebody ("way_in").
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.party_type <> 'organization' AS is_person,
       CASE WHEN c.deleted_at IS NULL AND c.party_type = 'organization' THEN (
    WITH ties AS (
        SELECT DISTINCT ON (e.other_id, y.type) e.*, y.*, o.party_type, o.gender,
               CASE WHEN t.code <> e.code THEN NULL WHEN e.is_left THEN e.right_role ELSE e.left_role END AS role,
               json_build_object(
                   'id', o.id, 'name', o.name, 'party_type', o.party_type, 'stage', o.stage, 'tier', o.tier,
                   'gender', o.gender, 'is_shadow', o.is_shadow,
                   'ownership', CASE WHEN o.owner_id = $4 THEN 'mine'
                                     WHEN $2 IS NULL OR o.owner_id = ANY($2) THEN 'colleague'
                                     ELSE 'service_team' END) AS party
        FROM (
            SELECT r.id AS edge, true AS is_left, r.right_id AS other_id, r.direction, r.type AS code, r.strength,
                   r.left_role, r.right_role
            FROM relationships r
            WHERE r.org_id = $1 AND r.left_id = $3 AND r.direction IN ('partner', 'ally')
              AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
            UNION ALL
            SELECT r.id, false, r.left_id, r.direction, r.type, r.strength, r.left_role, r.right_role
            FROM relationships r
            WHERE r.org_id = $1 AND r.right_id = $3 AND r.direction IN ('partner', 'ally')
              AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        ) e
        JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND {visible:o}
        JOIN relation_types given ON given.org_id = $1 AND given.code = e.code
        JOIN relation_types t ON t.org_id = $1
         AND t.code = CASE WHEN $6 AND given.sensitivity = 'sensitive' THEN given.direction ELSE given.code END
        CROSS JOIN LATERAL (
            SELECT CASE WHEN e.is_left THEN t.code ELSE t.inverse_code END AS type,
                   CASE WHEN e.is_left THEN t.label ELSE t.inverse_label END AS words) y
        ORDER BY e.other_id, y.type, e.strength DESC, e.edge DESC
    ), people AS (
        SELECT ties.*, coalesce(array_position(
                   '{actual_controller,legal_representative,decision_maker,decision_influencer,gatekeeper,founder,'
                   'director,executive,supervisor,shareholder,employee}'::text[], type), 99) AS rank
        FROM ties WHERE direction = 'partner' AND party_type = 'individual'
    ), unit AS (
        SELECT other_id, party::jsonb AS party, array_agg(type ORDER BY rank) AS roles, min(rank) AS rank,
               max(strength) AS strength, count(*) OVER () AS total
        FROM people WHERE rank <= 5
        GROUP BY other_id, party::jsonb
        ORDER BY min(rank), max(strength) DESC, other_id
        LIMIT 50
    )
    SELECT json_build_object(
        'company', json_build_object(
            'id', c.id, 'name', c.name, 'party_type', c.party_type, 'stage', c.stage, 'tier', c.tier,
            'gender', c.gender, 'is_shadow', c.is_shadow,
            'ownership', CASE WHEN c.owner_id = $4 THEN 'mine'
                              WHEN $2 IS NULL OR c.owner_id = ANY($2) THEN 'colleague' ELSE 'service_team' END),
        'people', (
            SELECT coalesce(json_agg(json_build_object('type', g.type, 'label', g.label, 'total', g.total,
                                                       'items', g.items) ORDER BY g.rank, g.type), '[]')
            FROM (
                SELECT n.type, n.rank, relation_label(n.words, NULL)::jsonb AS label, max(n.total) AS total,
                       json_agg(json_build_object('party', n.party, 'label', relation_label(n.words, n.gender),
                                                  'role', n.role, 'strength', trim_scale(n.strength))
                                ORDER BY n.place) AS items
                FROM (SELECT people.*, count(*) OVER (PARTITION BY type) AS total,
                             row_number() OVER (PARTITION BY type ORDER BY strength DESC, other_id) AS place
                      FROM people) n
                WHERE n.place <= 100
                GROUP BY n.type, n.rank, relation_label(n.words, NULL)::jsonb
            ) g),
        'decision_unit', json_build_object(
            'total', coalesce((SELECT max(total) FROM unit), 0),
            'items', (
                SELECT coalesce(json_agg(json_build_object('party', u.party, 'roles', u.roles,
                                                           'strength', trim_scale(u.strength), 'way_in', w.way_in)
                                         ORDER BY u.rank, u.strength DESC, u.other_id), '[]')
                FROM unit u
                LEFT JOIN LATERAL (
                    SELECT json_build_object(
                        'customer_id', o.id, 'name', o.name, 'party_type', o.party_type,
                        'direction', CASE WHEN k.direction = 'client' AND NOT k.is_left THEN 'supplier'
                                          ELSE k.direction END,
                        'type', CASE WHEN k.is_left THEN t.code ELSE t.inverse_code END,
                        'label', relation_label(CASE WHEN k.is_left THEN t.label ELSE t.inverse_label END,
                                                u.party ->> 'gender'),
                        'strength', trim_scale(k.strength)) AS way_in
                    FROM (
                        (SELECT r.id, r.strength, r.direction, r.type, r.left_id AS knower_id, true AS is_left
                         FROM relationships r
                         JOIN customers o ON o.org_id = $1 AND o.id = r.left_id AND NOT o.is_shadow AND {visible:o}
                         WHERE r.org_id = $1 AND r.right_id = u.other_id AND r.left_id <> $3
                           AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                         ORDER BY r.strength DESC, r.id DESC LIMIT 1)
                        UNION ALL
                        (SELECT r.id, r.strength, r.direction, r.type, r.right_id, false
                         FROM relationships r
                         JOIN customers o ON o.org_id = $1 AND o.id = r.right_id AND NOT o.is_shadow AND {visible:o}
                         WHERE r.org_id = $1 AND r.left_id = u.other_id AND r.right_id <> $3
                           AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                         ORDER BY r.strength DESC, r.id DESC LIMIT 1)
                        ORDER BY strength DESC, id DESC LIMIT 1
                    ) k
                    JOIN customers o ON o.org_id = $1 AND o.id = k.knower_id
                    JOIN relation_types given ON given.org_id = $1 AND given.code = k.type
                    JOIN relation_types t ON t.org_id = $1
                     AND t.code = CASE WHEN $6 AND given.sensitivity = 'sensitive' THEN given.direction
                                       ELSE given.code END
                ) w ON true)),
        'suppliers', supply_chain($1, $2, $4, $3, true, $5, 50, $6),
        'clients', supply_chain($1, $2, $4, $3, false, $5, 50, $6),
        'alliances', (
            SELECT json_build_object(
                'total', coalesce(max(n.total), 0),
                'items', coalesce(json_agg(json_build_object(
                    'party', n.party, 'direction', n.direction, 'type', n.type,
                    'label', relation_label(n.words, n.gender), 'role', n.role, 'strength', trim_scale(n.strength))
                    ORDER BY n.place), '[]'))
            FROM (SELECT ties.*, count(*) OVER () AS total,
                         row_number() OVER (ORDER BY strength DESC, other_id, type) AS place
                  FROM ties WHERE direction = 'ally' OR party_type = 'organization') n
            WHERE n.place <= 100)
    )::text) END AS body
FROM customers c
WHERE c.org_id = $1 AND c.id = $3 AND {visible:c}
  AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
