-- $1 org, $2 owners, $3 customer, $4 depth, $5 most nodes, $6 statuses and $7 their points, $8 shares by generation: the
-- referral tree below a customer. The walk knows a party once a generation (UNION), so that neither a circle nor many
-- chains to one party make it longer; what counts is the first generation a party is met in. Of several introductions
-- that lead to it from the one before, the one worth most is kept, then the one asked for first.
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
    WITH RECURSIVE links AS NOT MATERIALIZED (
        SELECT i.id, i.introducer_id, i.target_id, i.status, i.asked_on, i.introduced_on, p.points, o.name,
               o.party_type, o.stage, o.is_shadow
        FROM introductions i
        JOIN unnest($6::text[], $7::numeric[]) AS p (status, points) ON p.status = i.status
        JOIN customers o ON o.org_id = $1 AND o.id = i.target_id AND o.deleted_at IS NULL AND {visible:o}
        WHERE i.org_id = $1 AND i.deleted_at IS NULL
    ), walk (id, depth) AS (
        SELECT c.id, 0
        UNION
        SELECT l.target_id, w.depth + 1
        FROM walk w JOIN links l ON l.introducer_id = w.id AND l.target_id <> c.id
        WHERE w.depth < $4
    ), met AS (
        SELECT w.id, min(w.depth) AS depth FROM walk w GROUP BY w.id
    ), found AS (
        SELECT DISTINCT ON (l.target_id) l.*, n.depth, l.points * ($8::numeric[])[n.depth] AS credit
        FROM met n
        JOIN met b ON b.depth = n.depth - 1
        JOIN links l ON l.introducer_id = b.id AND l.target_id = n.id
        ORDER BY l.target_id, l.points DESC, l.asked_on, l.id
    ), kept AS (
        SELECT *, sum(credit) OVER () AS all_credit, count(*) OVER () AS total FROM found
        ORDER BY depth, points DESC, asked_on, id
        LIMIT $5
    )
    SELECT json_agg(x ORDER BY k.depth, k.points DESC, k.asked_on, k.id) AS nodes, max(k.all_credit) AS credit,
           max(k.total) AS total
    FROM kept k
    CROSS JOIN LATERAL (
        SELECT k.target_id AS id, k.name, k.party_type, k.stage, k.is_shadow, k.introducer_id AS parent_id, k.depth,
               k.id AS introduction_id, k.status, k.asked_on, k.introduced_on, trim_scale(k.points) AS points,
               trim_scale(k.credit) AS credit
    ) x
) t ON c.deleted_at IS NULL
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
