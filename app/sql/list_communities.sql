-- $1 org, $2 owners, $3 scope (the organisation's or the caller's id), $4 most communities, $5 most members of each,
-- $6 most bridges. Everything is counted over the parties the caller sees: a bridge is one here only when it leads to
-- parties he sees in two other communities. Names are read at the end, for those who are shown.
-- Three ways to those he sees, of which one is taken: {wide} all of the scope but the few deleted since; {mine} those of
-- a small scope; {partly} as in list_influences.sql.
WITH scored AS MATERIALIZED (
    SELECT s.customer_id AS id, s.influence, s.community, s.is_bridge, s.betweenness
    FROM network_scores s
    WHERE {wide} AND s.org_id = $1 AND s.scope_id = $3 AND NOT EXISTS (
        SELECT 1 FROM customers d WHERE d.org_id = $1 AND d.id = s.customer_id AND d.deleted_at IS NOT NULL)
    UNION ALL
    SELECT s.customer_id, s.influence, s.community, s.is_bridge, s.betweenness
    FROM network_scores s
    CROSS JOIN LATERAL (
        SELECT c.id FROM customers c
        WHERE c.org_id = $1 AND c.id = s.customer_id AND {visible:c} AND c.deleted_at IS NULL LIMIT 1) v
    WHERE {mine} AND s.org_id = $1 AND s.scope_id = $3
    UNION ALL
    SELECT c.id, n.influence, n.community, n.is_bridge, n.betweenness
    FROM customers c
    CROSS JOIN LATERAL (
        SELECT s.* FROM network_scores s
        WHERE s.org_id = $1 AND s.scope_id = $3 AND s.customer_id = c.id LIMIT 1) n
    WHERE {partly} AND c.org_id = $1 AND {visible:c} AND c.deleted_at IS NULL
), largest AS (
    SELECT community, count(*) AS size FROM scored GROUP BY community HAVING count(*) > 1
    ORDER BY size DESC, community LIMIT $4
), members AS (
    SELECT m.* FROM (
        SELECT s.id, s.community, s.influence, l.size,
               row_number() OVER (PARTITION BY s.community ORDER BY s.influence DESC, s.id DESC) AS place
        FROM largest l JOIN scored s ON s.community = l.community) m
    WHERE m.place <= $5
), candidates AS MATERIALIZED (
    SELECT * FROM scored WHERE is_bridge ORDER BY betweenness DESC, id LIMIT 4 * $6
), ends AS MATERIALIZED (
    -- The order is that of the indexes, which are then used whatever the planner knows; a hub's weakest ties are let go.
    SELECT b.id, e.other_id
    FROM candidates b
    CROSS JOIN LATERAL (
        (SELECT r.right_id AS other_id FROM relationships r
         WHERE r.org_id = $1 AND r.left_id = b.id AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
         ORDER BY r.strength DESC, r.id DESC LIMIT 200)
        UNION ALL
        (SELECT r.left_id FROM relationships r
         WHERE r.org_id = $1 AND r.right_id = b.id AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
         ORDER BY r.strength DESC, r.id DESC LIMIT 200)
    ) e
), bridges AS (
    SELECT b.*, n.connects
    FROM candidates b
    JOIN (SELECT e.id, array_agg(DISTINCT o.community ORDER BY o.community) AS connects
          FROM ends e JOIN candidates c ON c.id = e.id JOIN scored o ON o.id = e.other_id AND o.community <> c.community
          GROUP BY e.id) n ON n.id = b.id AND cardinality(n.connects) >= 2
    ORDER BY b.betweenness DESC, b.id LIMIT $6
), named AS MATERIALIZED (
    SELECT c.id, c.name, c.party_type, c.stage, c.tier, c.is_shadow FROM customers c
    WHERE c.org_id = $1 AND c.id = ANY (ARRAY(SELECT id FROM members UNION ALL SELECT id FROM bridges))
)
SELECT json_build_object(
    'items', coalesce((
        SELECT json_agg(json_build_object('community', g.community, 'size', g.size, 'members', g.members)
                        ORDER BY g.size DESC, g.community)
        FROM (SELECT m.community, m.size, json_agg(json_build_object(
                  'id', n.id, 'name', n.name, 'party_type', n.party_type, 'stage', n.stage, 'tier', n.tier,
                  'is_shadow', n.is_shadow, 'influence', m.influence) ORDER BY m.place) AS members
              FROM members m JOIN named n ON n.id = m.id GROUP BY m.community, m.size) g), '[]'),
    'bridges', coalesce((
        SELECT json_agg(json_build_object(
            'id', n.id, 'name', n.name, 'party_type', n.party_type, 'stage', n.stage, 'tier', n.tier,
            'is_shadow', n.is_shadow, 'influence', b.influence, 'community', b.community,
            'connects', b.connects[:200]) ORDER BY b.betweenness DESC, b.id)
        FROM bridges b JOIN named n ON n.id = b.id), '[]'),
    'computed_at', (SELECT iso(d.computed_at) FROM network_score_runs d WHERE d.org_id = $1))::text AS body
