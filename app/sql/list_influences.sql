-- $1 org, $2 owners, $3 scope (the organisation's or the caller's id), $4 cursor influence, $5 cursor id, $6 limit + 1.
-- {kept} MATERIALIZED: the caller sees a part of a large network, so his customers come first and their scores are
-- looked up. NOT MATERIALIZED: the index delivers the most influential, nearly all of whom he sees. {whole} is false
-- where `degree` would count parties he does not see.
WITH seen AS {kept} (
    SELECT c.id, c.name, c.party_type, c.stage, c.tier, c.is_shadow
    FROM customers c WHERE c.org_id = $1 AND {visible:c} AND c.deleted_at IS NULL
), page AS (
    SELECT v.id, v.name, v.party_type, v.stage, v.tier, v.is_shadow, s.influence, s.pagerank, s.betweenness,
           CASE WHEN {whole} THEN s.degree END AS degree, CASE WHEN {whole} THEN s.value_degree END AS value_degree,
           s.community, s.is_bridge, s.participation
    FROM network_scores s JOIN seen v ON v.id = s.customer_id
    WHERE s.org_id = $1 AND s.scope_id = $3
      AND ($5::uuid IS NULL OR (s.influence, s.customer_id) < ($4::text::int, $5))
    ORDER BY s.influence DESC, s.customer_id DESC
    LIMIT $6
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
