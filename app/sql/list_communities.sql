-- $1 org, $2 owners, $3 scope (the organisation's or the caller's id), $4 most communities, $5 most members of each,
-- $6 most bridges. Everything is counted over the parties the caller sees: a bridge is one here only when it leads to
-- parties he sees in two other communities. {kept} as in list_influences.sql ({whole} is not asked).
WITH seen AS {kept} (
    SELECT c.id, c.name, c.party_type, c.stage, c.tier, c.is_shadow
    FROM customers c WHERE c.org_id = $1 AND {visible:c} AND c.deleted_at IS NULL
), scored AS MATERIALIZED (
    SELECT v.*, s.influence, s.community, s.is_bridge, s.betweenness
    FROM network_scores s JOIN seen v ON v.id = s.customer_id
    WHERE s.org_id = $1 AND s.scope_id = $3
), largest AS (
    SELECT community, count(*) AS size FROM scored GROUP BY community HAVING count(*) > 1
    ORDER BY size DESC, community LIMIT $4
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
)
SELECT json_build_object(
    'items', coalesce((
        SELECT json_agg(json_build_object('community', l.community, 'size', l.size, 'members', m.members)
                        ORDER BY l.size DESC, l.community)
        FROM largest l
        CROSS JOIN LATERAL (
            SELECT json_agg(row_to_json(x) ORDER BY x.influence DESC, x.id DESC) AS members
            FROM (SELECT id, name, party_type, stage, tier, is_shadow, influence FROM scored
                  WHERE community = l.community ORDER BY influence DESC, id DESC LIMIT $5) x
        ) m), '[]'),
    'bridges', coalesce((
        SELECT json_agg(json_build_object(
            'id', id, 'name', name, 'party_type', party_type, 'stage', stage, 'tier', tier, 'is_shadow', is_shadow,
            'influence', influence, 'community', community, 'connects', connects[:200])
            ORDER BY betweenness DESC, id)
        FROM bridges), '[]'),
    'computed_at', (SELECT iso(d.computed_at) FROM network_score_runs d WHERE d.org_id = $1))::text AS body
