-- $1 org, $2 owners, $3 customer, $4 depth, $5 most nodes, $6 statuses and $7 their points, $8 shares by generation: the
-- referral tree below a customer. The walk is one row a generation: whom it met (in front) and everybody met so far, so
-- that neither a circle nor many chains to one party make it longer. Of several introductions that lead from one
-- generation to a party, the one worth most is kept, then the one asked for first.
SELECT c.deleted_at IS NOT NULL AS is_deleted,
       json_build_object(
           'customer_id', c.id, 'depth', $4::integer, 'nodes', coalesce(t.nodes, '[]'),
           'credit', coalesce(trim_scale(t.credit), 0), 'truncated', coalesce(t.total > $5, false),
           'rule', json_build_object(
               'points', (SELECT json_object_agg(p.status, p.points)
                          FROM unnest($6::text[], $7::numeric[]) AS p (status, points)),
               'shares', (SELECT json_agg(trim_scale(s)) FROM unnest($8::numeric[]) s)))::text AS body
FROM customers c
LEFT JOIN LATERAL (
    WITH RECURSIVE walk (depth, front, seen, edges, points) AS (
        SELECT 0, ARRAY[c.id], ARRAY[c.id], NULL::uuid[], NULL::numeric[]
        UNION ALL
        SELECT w.depth + 1, n.targets, w.seen || n.targets, n.edges, n.points
        FROM walk w
        CROSS JOIN LATERAL (
            SELECT array_agg(b.target_id) AS targets, array_agg(b.id) AS edges, array_agg(b.points) AS points
            FROM (
                SELECT DISTINCT ON (i.target_id) i.target_id, i.id, p.points
                FROM unnest(w.front) AS f (id)
                JOIN introductions i ON i.org_id = $1 AND i.introducer_id = f.id AND i.deleted_at IS NULL
                JOIN unnest($6::text[], $7::numeric[]) AS p (status, points) ON p.status = i.status
                WHERE NOT EXISTS (SELECT 1 FROM unnest(w.seen) AS s (id) WHERE s.id = i.target_id)
                  AND (SELECT o.deleted_at IS NULL AND {visible:o}
                       FROM customers o WHERE o.org_id = $1 AND o.id = i.target_id)
                ORDER BY i.target_id, p.points DESC, i.asked_on, i.id
            ) b
        ) n
        WHERE w.depth < $4 AND n.targets IS NOT NULL
    ), found AS (
        SELECT w.depth, e.id, e.points, e.points * ($8::numeric[])[w.depth] AS credit, i.introducer_id, i.target_id,
               i.status, i.asked_on, i.introduced_on
        FROM walk w
        CROSS JOIN unnest(w.edges, w.points) AS e (id, points)
        JOIN introductions i ON i.org_id = $1 AND i.id = e.id
    ), kept AS (
        SELECT *, sum(credit) OVER () AS all_credit, count(*) OVER () AS total FROM found
        ORDER BY depth, points DESC, asked_on, id
        LIMIT $5
    )
    SELECT json_agg(x ORDER BY k.depth, k.points DESC, k.asked_on, k.id) AS nodes, max(k.all_credit) AS credit,
           max(k.total) AS total
    FROM kept k
    JOIN customers o ON o.org_id = $1 AND o.id = k.target_id
    CROSS JOIN LATERAL (
        SELECT o.id, o.name, o.party_type, o.stage, o.is_shadow, k.introducer_id AS parent_id, k.depth,
               k.id AS introduction_id, k.status, k.asked_on, k.introduced_on, trim_scale(k.points) AS points,
               trim_scale(k.credit) AS credit
    ) x
) t ON c.deleted_at IS NULL
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
