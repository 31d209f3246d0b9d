-- $1 org, $2 owners, $3 statuses and $4 their points, $5 shares by generation, $6 tiers and $7 the credit each begins
-- with, $8 cursor credit, $9 cursor id, $10 limit + 1: who introduced whom, with what success, the greatest credit
-- first. Only introductions both ends of which are visible and alive count. The credit is that of get_referrals.sql,
-- for all introducers at once: the walk knows a party once a root and generation (and worth), so a circle ends; what
-- counts is the first generation a party is met in, and the introduction worth most that leads there. `among` is a
-- closed variant.
WITH RECURSIVE links AS MATERIALIZED (
    SELECT i.id, i.introducer_id, i.target_id, i.status, i.reached, i.asked_on, i.introduced_on, p.points
    FROM introductions i
    LEFT JOIN unnest($3::text[], $4::numeric[]) AS p (status, points) ON p.status = i.status
    WHERE i.org_id = $1 AND i.deleted_at IS NULL AND {among}
      -- By primary key, one by one: a join trusts statistics, which know nothing of a young organisation.
      AND (SELECT a.deleted_at IS NULL AND {visible:a} FROM customers a WHERE a.org_id = $1 AND a.id = i.introducer_id)
      AND (SELECT b.deleted_at IS NULL AND {visible:b} FROM customers b WHERE b.org_id = $1 AND b.id = i.target_id)
), pairs AS MATERIALIZED (
    SELECT l.introducer_id, l.target_id, max(l.points) AS points
    FROM links l WHERE l.points IS NOT NULL GROUP BY l.introducer_id, l.target_id
), walk (root_id, id, depth, points) AS (
    SELECT DISTINCT p.introducer_id, p.introducer_id, 0, NULL::numeric FROM pairs p
    UNION
    SELECT w.root_id, p.target_id, w.depth + 1, p.points
    FROM walk w JOIN pairs p ON p.introducer_id = w.id AND p.target_id <> w.root_id
    WHERE w.depth < cardinality($5::numeric[])
), best AS (
    SELECT DISTINCT ON (w.root_id, w.id) w.root_id, w.points * ($5::numeric[])[w.depth] AS credit
    FROM walk w WHERE w.depth > 0
    ORDER BY w.root_id, w.id, w.depth, w.points DESC
), credits AS (
    SELECT root_id, sum(credit) AS credit FROM best GROUP BY root_id
), tally AS (
    SELECT l.introducer_id AS id, count(*) AS total, max(l.introduced_on) AS last_introduced_on,
           count(*) FILTER (WHERE l.introduced_on IS NOT NULL) AS introduced,
           count(*) FILTER (WHERE l.reached IN ('met', 'analysis', 'policy')) AS met,
           count(*) FILTER (WHERE l.reached IN ('analysis', 'policy')) AS analysis,
           count(*) FILTER (WHERE l.reached = 'policy') AS policy,
           json_build_object(
               'asked', count(*) FILTER (WHERE l.status = 'asked'),
               'agreed', count(*) FILTER (WHERE l.status = 'agreed'),
               'introduced', count(*) FILTER (WHERE l.status = 'introduced'),
               'met', count(*) FILTER (WHERE l.status = 'met'),
               'analysis', count(*) FILTER (WHERE l.status = 'analysis'),
               'policy', count(*) FILTER (WHERE l.status = 'policy'),
               'declined', count(*) FILTER (WHERE l.status = 'declined')) AS counts
    FROM links l GROUP BY l.introducer_id
), page AS (
    SELECT t.*, coalesce(trim_scale(k.credit), 0) AS credit
    FROM tally t LEFT JOIN credits k ON k.root_id = t.id
    WHERE $9::uuid IS NULL OR (coalesce(k.credit, 0), t.id) < ($8::text::numeric, $9)
    ORDER BY coalesce(k.credit, 0) DESC, t.id DESC
    LIMIT $10
), numbered AS (
    SELECT p.*, c.name, c.party_type, c.stage, row_number() OVER (ORDER BY p.credit DESC, p.id DESC) AS n,
           count(*) OVER () AS size
    FROM page p JOIN customers c ON c.org_id = $1 AND c.id = p.id
)
SELECT max(size) = $10 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'name', name, 'party_type', party_type, 'stage', stage, 'counts', counts, 'total', total,
               'rates', json_build_object(
                   'introduced_of_asked', round(introduced::numeric / total, 4),
                   'met_of_introduced', round(met::numeric / nullif(introduced, 0), 4),
                   'analysis_of_met', round(analysis::numeric / nullif(met, 0), 4),
                   'policy_of_introduced', round(policy::numeric / nullif(introduced, 0), 4),
                   'policy_of_asked', round(policy::numeric / total, 4)),
               'credit', credit,
               'tier', (SELECT r.tier FROM unnest($6::text[], $7::numeric[]) AS r (tier, least)
                        WHERE r.least <= credit ORDER BY r.least DESC LIMIT 1),
               'last_introduced_on', last_introduced_on)::text, ',' ORDER BY n)
           FILTER (WHERE n < $10), '') || ']' AS items,
       max(credit::text) FILTER (WHERE n = $10 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $10 - 1) AS last_id
FROM numbered
