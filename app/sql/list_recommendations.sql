-- $1 org, $2 owners, $3 caller, $4 only through this customer, $5 limit, $6 day, $7 constants (jsonb; their names and the
-- formulas: app/domain/recommendations.py): people two steps away worth meeting, the best first, one row each:
-- {"person", "score", "parts", "introducers", "introducer_count", "features"}.
-- Everything begins and ends in the caller's own book: his customers, their ties, his contacts. One scan over the ties
-- that lead to somebody visible gives candidates, degrees and known directions at once; other ends that are not his own
-- are looked up by key, and only for a caller who sees more than his own. `book` holds the acquaintances and, because a
-- tie to them is worth something, valuable contacts. Of several ties between two, the warmest counts.
WITH constant AS (
    SELECT k.* FROM jsonb_to_record($7::jsonb) AS k (
        w_closeness numeric, w_value numeric, w_coverage numeric, w_novelty numeric, familiarity_prospect float8,
        familiarity_customer float8, familiarity_investor float8, tier_mvc float8, tier_mgc float8, tier_lvc float8,
        tier_bz float8, individual float8, organization float8, max_degree int, closeness_rate float8,
        value_own float8, value_circle float8, value_ways float8, moderate float8, novelty_tie float8,
        novelty_apart float8, novelty_community float8)
), dismissed AS MATERIALIZED (
    SELECT d.customer_id FROM recommendation_dismissals d
    WHERE d.org_id = $1 AND d.user_id = $3 AND (d.dismissed_until IS NULL OR d.dismissed_until > $6::date)
    UNION
    -- Whoever objects to being approached unasked is recommended to nobody.
    SELECT q.customer_id FROM rights_requests q
    WHERE q.org_id = $1 AND q.kind = 'objection' AND q.status = 'done' AND q.purpose = 'proactive_contact'
), own AS MATERIALIZED (
    SELECT c.id, c.party_type, c.name, c.stage, c.tier, c.gender, c.is_shadow,
           c.is_shadow OR c.stage = 'contact' AS is_candidate
    FROM customers c
    WHERE c.org_id = $1 AND c.owner_id = $3 AND c.deleted_at IS NULL AND {visible:c}
      AND NOT EXISTS (SELECT FROM rights_requests q
                      WHERE q.org_id = $1 AND q.customer_id = c.id AND q.kind = 'objection' AND q.status = 'done'
                        AND q.purpose = 'introductions')
), community AS (
    -- Which circle somebody of his own belongs to, in the network of his own; empty until it has been reckoned.
    SELECT s.customer_id, s.community
    FROM own JOIN network_scores s ON s.org_id = $1 AND s.scope_id = $3 AND s.customer_id = own.id
), book AS MATERIALIZED (
    SELECT c.id, c.stage <> 'contact' AS is_acquaintance,
           c.stage = 'investor' OR coalesce(c.tier IN ('mvc', 'mgc'), false) AS is_valuable,
           CASE c.stage WHEN 'prospect' THEN k.familiarity_prospect WHEN 'customer' THEN k.familiarity_customer
                        WHEN 'investor' THEN k.familiarity_investor END AS familiarity
    FROM own c CROSS JOIN constant k
    WHERE NOT c.is_shadow AND (c.stage <> 'contact' OR c.tier IN ('mvc', 'mgc'))
), ends AS MATERIALIZED (
    SELECT r.id AS edge, r.left_id AS introducer_id, r.right_id AS other_id, r.direction AS way, r.type,
           true AS is_right, r.strength, r.warmth
    FROM relationships r
    WHERE r.org_id = $1 AND r.left_id = ANY (ARRAY(SELECT book.id FROM book))
      AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
    UNION ALL
    SELECT r.id, r.right_id, r.left_id, CASE r.direction WHEN 'client' THEN 'supplier' ELSE r.direction END, r.type,
           false, r.strength, r.warmth
    FROM relationships r
    WHERE r.org_id = $1 AND r.right_id = ANY (ARRAY(SELECT book.id FROM book))
      AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
), ties AS MATERIALIZED (
    SELECT e.*, b.is_acquaintance, b.is_valuable, b.familiarity, coalesce(o.is_candidate, false) AS is_candidate
    FROM ends e
    JOIN book b ON b.id = e.introducer_id
    LEFT JOIN own o ON o.id = e.other_id
    WHERE o.id IS NOT NULL OR $2::uuid[] IS NULL OR (cardinality($2) > 1 AND (
        SELECT {visible:s} FROM customers s WHERE s.org_id = $1 AND s.id = e.other_id AND s.deleted_at IS NULL))
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
    SELECT l.other_id, l.introducer_id, l.edge, l.way, l.type, l.is_right, l.strength, l.is_valuable, y.rarity,
           l.is_acquaintance AND ($4::uuid IS NULL OR l.introducer_id = $4) AS is_way,
           l.warmth * l.familiarity / ln(2 + d.degree) AS pull,
           CASE WHEN here.community IS NULL OR there.community IS NULL THEN NULL
                WHEN here.community = there.community THEN 0.0 ELSE 1.0 END AS apart
    FROM links l
    LEFT JOIN degree d ON d.introducer_id = l.introducer_id
    LEFT JOIN rarity y ON y.way = l.way
    LEFT JOIN community here ON here.customer_id = l.introducer_id
    LEFT JOIN community there ON there.customer_id = l.other_id
), sums AS MATERIALIZED (
    SELECT w.other_id, sum(w.pull) FILTER (WHERE w.is_way) AS pull, count(*) FILTER (WHERE w.is_way) AS introducers,
           max(w.strength) FILTER (WHERE w.is_way) AS best_strength, max(w.rarity) FILTER (WHERE w.is_way) AS rarity,
           avg(w.apart) FILTER (WHERE w.is_way) AS apart, count(*) FILTER (WHERE w.is_valuable) AS valuable_ties
    FROM ways w GROUP BY w.other_id HAVING bool_or(w.is_way)
), parts AS (
    SELECT s.*, c.party_type, c.name, c.stage, c.tier, c.gender, c.is_shadow,
           round((1 - exp(-k.closeness_rate * s.pull))::numeric, 3) AS closeness,
           round((k.value_own * CASE c.tier WHEN 'mvc' THEN k.tier_mvc WHEN 'mgc' THEN k.tier_mgc
                                            WHEN 'lvc' THEN k.tier_lvc WHEN 'bz' THEN k.tier_bz
                                            ELSE CASE c.party_type WHEN 'organization' THEN k.organization
                                                                   ELSE k.individual END END
                  + k.value_circle * (1 - 0.5::float8 ^ s.valuable_ties)
                  + k.value_ways * (1 - 0.5::float8 ^ (s.introducers - 1)))::numeric, 3) AS value,
           round(s.rarity::numeric, 3) AS coverage,
           round(((k.novelty_tie * (1 - ((s.best_strength - k.moderate) / (1 - k.moderate)) ^ 2)
                   + k.novelty_apart / s.introducers + k.novelty_community * coalesce(s.apart, 0))
                  / CASE WHEN s.apart IS NULL THEN 1 - k.novelty_community ELSE 1 END)::numeric, 3) AS novelty
    FROM sums s
    JOIN own c ON c.id = s.other_id
    CROSS JOIN constant k
), best AS MATERIALIZED (
    SELECT p.*, k.w_closeness * p.closeness + k.w_value * p.value + k.w_coverage * p.coverage
                + k.w_novelty * p.novelty AS score
    FROM parts p CROSS JOIN constant k
    ORDER BY score DESC, p.other_id
    LIMIT $5
), places AS (
    SELECT w.*, row_number() OVER (PARTITION BY w.other_id ORDER BY w.pull DESC, w.introducer_id) AS place,
           first_value(w.way) OVER (PARTITION BY w.other_id ORDER BY w.rarity DESC, w.pull DESC, w.introducer_id)
               AS rarest
    FROM best b
    JOIN ways w ON w.other_id = b.other_id AND w.is_way
), introducers AS (
    SELECT w.other_id, max(w.rarest) AS rarest,
           json_agg(json_build_object(
               'id', i.id, 'name', i.name, 'direction', w.way,
               'type', CASE WHEN w.is_right THEN t.code ELSE t.inverse_code END,
               'label', relation_label(CASE WHEN w.is_right THEN t.label ELSE t.inverse_label END, b.gender),
               'strength', trim_scale(w.strength), 'last_interaction_on', r.last_interaction_on)
               ORDER BY w.place) AS body
    FROM places w
    JOIN best b ON b.other_id = w.other_id
    JOIN relation_types t ON t.org_id = $1 AND t.code = w.type
    JOIN own i ON i.id = w.introducer_id
    JOIN relationships r ON r.org_id = $1 AND r.id = w.edge
    WHERE w.place <= 3
    GROUP BY w.other_id
)
SELECT '[' || coalesce(string_agg(row_to_json(x)::text, ',' ORDER BY b.score DESC, b.other_id), '') || ']' AS items
FROM best b
JOIN introducers n ON n.other_id = b.other_id
CROSS JOIN LATERAL (
    SELECT json_build_object(
               'id', b.other_id, 'name', b.name, 'party_type', b.party_type, 'stage', b.stage, 'tier', b.tier,
               'gender', b.gender, 'is_shadow', b.is_shadow) AS person,
           trim_scale(b.score) AS score,
           json_build_object('closeness', trim_scale(b.closeness), 'value', trim_scale(b.value),
                             'coverage', trim_scale(b.coverage), 'novelty', trim_scale(b.novelty)) AS parts,
           n.body AS introducers, b.introducers AS introducer_count,
           json_build_object('rarity', b.rarity, 'direction', n.rarest, 'best_strength', b.best_strength,
                             'apart', coalesce(b.apart > 0, false), 'valuable_ties', b.valuable_ties) AS features
) x
