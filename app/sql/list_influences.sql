-- $1 org, $2 owners, $3 scope (the organisation's or the caller's id), $4 cursor influence, $5 cursor id, $6 limit + 1.
-- {partly}: the caller sees a part of the organisation's network, so his customers come first and their scores are
-- looked up, each by its key (LIMIT 1 keeps the planner from starting at the scores, whose number it cannot guess); and
-- he is not told what parties he does not see have a share in, but for the influence itself. Otherwise he sees nearly all of the scope, and the index
-- delivers the most influential in order.
WITH page AS (
    (SELECT v.*, s.influence, s.pagerank, s.betweenness, s.degree, s.value_degree, s.community, s.is_bridge,
            s.participation
     FROM network_scores s
     CROSS JOIN LATERAL (
         SELECT c.id, c.name, c.party_type, c.stage, c.tier, c.is_shadow FROM customers c
         WHERE c.org_id = $1 AND c.id = s.customer_id AND {visible:c} AND c.deleted_at IS NULL LIMIT 1) v
     WHERE NOT {partly} AND s.org_id = $1 AND s.scope_id = $3
       AND ($5::uuid IS NULL OR (s.influence, s.customer_id) < ($4::text::int, $5))
     ORDER BY s.influence DESC, s.customer_id DESC LIMIT $6)
    UNION ALL
    (SELECT c.id, c.name, c.party_type, c.stage, c.tier, c.is_shadow, n.influence, NULL, NULL, NULL, NULL,
            n.community, NULL, NULL
     FROM customers c
     CROSS JOIN LATERAL (
         SELECT s.* FROM network_scores s
         WHERE s.org_id = $1 AND s.scope_id = $3 AND s.customer_id = c.id LIMIT 1) n
     WHERE {partly} AND c.org_id = $1 AND {visible:c} AND c.deleted_at IS NULL
       AND ($5::uuid IS NULL OR (n.influence, n.customer_id) < ($4::text::int, $5))
     ORDER BY n.influence DESC, n.customer_id DESC LIMIT $6)
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY influence DESC, id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $6 AS has_more,
       '[' || coalesce(string_agg(row_to_json(x)::text, ',' ORDER BY n) FILTER (WHERE n < $6), '') || ']' AS items,
       max(numbered.influence::text) FILTER (WHERE n = $6 - 1) AS last_key,
       max(numbered.id::text) FILTER (WHERE n = $6 - 1) AS last_id,
       (SELECT iso(d.computed_at) FROM network_score_runs d WHERE d.org_id = $1) AS computed_at
FROM numbered, LATERAL (
    SELECT numbered.id, name, party_type, stage, tier, is_shadow, influence, pagerank, betweenness, degree,
           value_degree, community, is_bridge, participation
) x
