-- $1 org, $2 owners, $3 caller, $4 only through this customer, $5 limit, $6 day, $7 constants (jsonb; their names and the
-- formulas: app/domain/recommendations.py): people two steps away worth meeting, the best first, one row each:
-- {"person", "score", "parts", "introducers", "introducer_count", "features"}.
-- Everything begins and ends in the caller's own book: his customers, their ties, his contacts. One scan over the ties
-- that lead to somebody visible gives candidates, degrees and known directions at once. `book` holds the acquaintances
-- and, because a tie to them is worth something, valuable contacts. Of several ties between two, the warmest counts.
WITH constant AS (
    SELECT k.* FROM jsonb_to_record($7::jsonb) AS k (
        w_closeness numeric, w_value numeric, w_coverage numeric, w_novelty numeric, familiarity_prospect float8,
        familiarity_customer float8, familiarity_investor float8, tier_mvc float8, tier_mgc float8, tier_lvc float8,
        tier_bz float8, individual float8, organization float8, max_degree int, closeness_rate float8,
        value_own float8, value_circle float8, value_ways float8, moderate float8, novelty_tie float8,
        novelty_apart float8, novelty_community float8)
), community AS (
    -- Which circle somebody belongs to; empty while nothing reckons it.
    SELECT NULL::uuid AS customer_id, NULL::integer AS community WHERE false
), dismissed AS MATERIALIZED (
    SELECT d.customer_id FROM recommendation_dismissals d
    WHERE d.org_id = $1 AND d.user_id = $3 AND (d.dismissed_until IS NULL OR d.dismissed_until > $6::date)
), book AS MATERIALIZED (
    SELECT c.id, c.stage, c.stage <> 'contact' AS is_acquaintance,
           c.stage = 'investor' OR coalesce(c.tier IN ('mvc', 'mgc'), false) AS is_valuable,
           CASE c.stage WHEN 'prospect' THEN k.familiarity_prospect WHEN 'customer' THEN k.familiarity_customer
                        WHEN 'investor' THEN k.familiarity_investor END AS familiarity
    FROM customers c CROSS JOIN constant k
    WHERE c.org_id = $1 AND c.owner_id = $3 AND c.deleted_at IS NULL AND NOT c.is_shadow AND {visible:c}
      AND (c.stage <> 'contact' OR c.tier IN ('mvc', 'mgc'))
), ties AS MATERIALIZED (
    SELECT b.id AS introducer_id, b.is_acquaintance, b.is_valuable, b.familiarity, e.*,
           o.owner_id = $3 AND (o.is_shadow OR o.stage = 'contact') AS is_candidate
    FROM book b
    CROSS JOIN LATERAL (
        SELECT r.id AS edge, r.right_id AS other_id, r.direction AS way, r.type, true AS is_right, r.strength, r.warmth
        FROM relationships r
        WHERE r.org_id = $1 AND r.left_id = b.id AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        UNION ALL
        SELECT r.id, r.left_id, CASE r.direction WHEN 'client' THEN 'supplier' ELSE r.direction END, r.type, false,
               r.strength, r.warmth
        FROM relationships r
        WHERE r.org_id = $1 AND r.right_id = b.id AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
    ) e
    JOIN customers o ON o.org_id = $1 AND o.id = e.other_id AND o.deleted_at IS NULL AND {visible:o}
), degree AS MATERIALIZED (
    SELECT t.introducer_id, least(count(*), max(k.max_degree)) AS degree
    FROM ties t CROSS JOIN constant k WHERE t.is_acquaintance GROUP BY t.introducer_id
), rarity AS MATERIALIZED (
    SELECT t.way, 1 - count(DISTINCT t.introducer_id)::float8 / (
               SELECT count(*) FROM book b WHERE b.is_acquaintance) AS rarity
    FROM ties t WHERE t.is_acquaintance GROUP BY t.way
), links AS MATERIALIZED (
    SELECT DISTINCT ON (t.other_id, t.introducer_id) t.*
    FROM ties t
    WHERE t.is_candidate AND t.other_id NOT IN (SELECT dismissed.customer_id FROM dismissed)
    ORDER BY t.other_id, t.introducer_id, t.warmth DESC, t.strength DESC, t.edge DESC
), ways AS MATERIALIZED (
    SELECT l.other_id, l.introducer_id, l.edge, l.way, l.type, l.is_right, l.strength, y.rarity,
           l.warmth * l.familiarity / ln(2 + d.degree) AS pull,
           CASE WHEN here.community IS NULL OR there.community IS NULL THEN NULL
                WHEN here.community = there.community THEN 0.0 ELSE 1.0 END AS apart
    FROM links l
    JOIN degree d ON d.introducer_id = l.introducer_id
    JOIN rarity y ON y.way = l.way
    LEFT JOIN community here ON here.customer_id = l.introducer_id
    LEFT JOIN community there ON there.customer_id = l.other_id
    WHERE l.is_acquaintance AND ($4::uuid IS NULL OR l.introducer_id = $4)
), sums AS (
    SELECT w.other_id, sum(w.pull) AS pull, count(*) AS introducers, max(w.strength) AS best_strength,
           max(w.rarity) AS rarity, avg(w.apart) AS apart
    FROM ways w GROUP BY w.other_id
), valuable AS (
    SELECT l.other_id, count(*) AS ties FROM links l WHERE l.is_valuable GROUP BY l.other_id
), parts AS (
    SELECT s.*, c.party_type, c.name, c.stage, c.tier, c.gender, c.is_shadow, coalesce(v.ties, 0) AS valuable_ties,
           round((1 - exp(-k.closeness_rate * s.pull))::numeric, 3) AS closeness,
           round((k.value_own * CASE c.tier WHEN 'mvc' THEN k.tier_mvc WHEN 'mgc' THEN k.tier_mgc
                                            WHEN 'lvc' THEN k.tier_lvc WHEN 'bz' THEN k.tier_bz
                                            ELSE CASE c.party_type WHEN 'organization' THEN k.organization
                                                                   ELSE k.individual END END
                  + k.value_circle * (1 - 0.5::float8 ^ coalesce(v.ties, 0))
                  + k.value_ways * (1 - 0.5::float8 ^ (s.introducers - 1)))::numeric, 3) AS value,
           round(s.rarity::numeric, 3) AS coverage,
           round(((k.novelty_tie * (1 - ((s.best_strength - k.moderate) / (1 - k.moderate)) ^ 2)
                   + k.novelty_apart / s.introducers + k.novelty_community * coalesce(s.apart, 0))
                  / CASE WHEN s.apart IS NULL THEN 1 - k.novelty_community ELSE 1 END)::numeric, 3) AS novelty
    FROM sums s
    JOIN customers c ON c.org_id = $1 AND c.id = s.other_id
    LEFT JOIN valuable v ON v.other_id = s.other_id
    CROSS JOIN constant k
), best AS (
    SELECT p.*, k.w_closeness * p.closeness + k.w_value * p.value + k.w_coverage * p.coverage
                + k.w_novelty * p.novelty AS score
    FROM parts p CROSS JOIN constant k
    ORDER BY score DESC, p.other_id
    LIMIT $5
)
SELECT '[' || coalesce(string_agg(row_to_json(x)::text, ',' ORDER BY b.score DESC, b.other_id), '') || ']' AS items
FROM best b
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_object(
               'id', i.id, 'name', i.name, 'direction', w.way, 'type', CASE WHEN w.is_right THEN t.code
               ELSE t.inverse_code END,
               'label', relation_label(CASE WHEN w.is_right THEN t.label ELSE t.inverse_label END, b.gender),
               'strength', trim_scale(w.strength), 'last_interaction_on', r.last_interaction_on)
               ORDER BY w.pull DESC, w.introducer_id) AS introducers
    FROM (SELECT ways.* FROM ways WHERE ways.other_id = b.other_id ORDER BY ways.pull DESC, ways.introducer_id LIMIT 3) w
    JOIN customers i ON i.org_id = $1 AND i.id = w.introducer_id
    JOIN relationships r ON r.org_id = $1 AND r.id = w.edge
    JOIN relation_types t ON t.org_id = $1 AND t.code = w.type
) n
CROSS JOIN LATERAL (
    SELECT json_build_object(
               'id', b.other_id, 'name', b.name, 'party_type', b.party_type, 'stage', b.stage, 'tier', b.tier,
               'gender', b.gender, 'is_shadow', b.is_shadow) AS person,
           trim_scale(b.score) AS score,
           json_build_object('closeness', trim_scale(b.closeness), 'value', trim_scale(b.value),
                             'coverage', trim_scale(b.coverage), 'novelty', trim_scale(b.novelty)) AS parts,
           n.introducers, b.introducers AS introducer_count,
           json_build_object(
               'rarity', b.rarity, 'best_strength', b.best_strength, 'apart', coalesce(b.apart > 0, false),
               'valuable_ties', b.valuable_ties,
               'direction', (SELECT w.way FROM ways w WHERE w.other_id = b.other_id
                             ORDER BY w.rarity DESC, w.pull DESC, w.introducer_id LIMIT 1)) AS features
) x
