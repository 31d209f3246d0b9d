-- $1 org, $2 owners, $3 agent, $4 scores of persons, $5 scores of companies (int[64]), $6 and $7 next directions likewise
-- (text[64]), $8 cursor score (text), $9 cursor id, $10 limit + 1: the coverage of all customers of an agent the caller
-- sees, in one scan: a summary, and a page of them, lowest score first.
-- Element n + 1 of $4 to $7 is for the answered directions of mask n; bit 0 relative, then friend, client, supplier,
-- partner, ally (app/domain/coverage.py: SCORES, NEXT).
-- Most other ends are the agent's own, shadow contacts included: those are told by one small hashed set, read from an
-- index alone. Where a direction has no such tie, the remaining other ends are looked up by key, and only for a caller
-- who sees more than his own; to who sees everybody they are all there. (A tie that is not dangling has living ends.)
-- {kept}: MATERIALIZED where the ties are read twice for that, else they are counted as they come.
WITH book AS MATERIALIZED (
    SELECT c.id, c.name, c.party_type, c.stage
    FROM customers c
    WHERE c.org_id = $1 AND c.owner_id = $3 AND c.deleted_at IS NULL AND NOT c.is_shadow AND {visible:c}
), own AS MATERIALIZED (
    SELECT o.id FROM customers o
    WHERE o.org_id = $1 AND o.owner_id = $3 AND ($2::uuid[] IS NULL OR $3 = ANY($2))
), ties AS {kept} (
    SELECT e.id, e.other_id, e.bit, $2::uuid[] IS NULL OR e.other_id IN (SELECT own.id FROM own) AS is_seen
    FROM (
        SELECT r.left_id AS id, r.right_id AS other_id,
               CASE r.direction WHEN 'relative' THEN 1 WHEN 'friend' THEN 2 WHEN 'client' THEN 4
                                WHEN 'partner' THEN 16 ELSE 32 END AS bit
        FROM relationships r
        WHERE r.org_id = $1 AND r.left_id = ANY (ARRAY(SELECT book.id FROM book))
          AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        UNION ALL
        SELECT r.right_id, r.left_id,
               CASE r.direction WHEN 'relative' THEN 1 WHEN 'friend' THEN 2 WHEN 'client' THEN 8
                                WHEN 'partner' THEN 16 ELSE 32 END
        FROM relationships r
        WHERE r.org_id = $1 AND r.right_id = ANY (ARRAY(SELECT book.id FROM book))
          AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
    ) e
), known AS MATERIALIZED (
    SELECT t.id, coalesce(bit_or(t.bit) FILTER (WHERE t.is_seen), 0) AS mask FROM ties t GROUP BY t.id
), rest AS MATERIALIZED (
    SELECT t.id, t.other_id, t.bit
    FROM ties t JOIN known k ON k.id = t.id AND k.mask & t.bit = 0
    WHERE cardinality($2) > 1
), found AS (
    SELECT t.id, bit_or(t.bit) AS mask
    FROM rest t
    WHERE (SELECT {visible:o} FROM customers o WHERE o.org_id = $1 AND o.id = t.other_id AND o.deleted_at IS NULL)
    GROUP BY t.id
), asked AS (
    SELECT a.customer_id AS id,
           bit_or(CASE a.direction WHEN 'relative' THEN 1 WHEN 'friend' THEN 2 WHEN 'client' THEN 4
                                   WHEN 'supplier' THEN 8 WHEN 'partner' THEN 16 ELSE 32 END) AS mask
    FROM book b
    JOIN coverage_answers a ON a.org_id = $1 AND a.customer_id = b.id AND a.deleted_at IS NULL
    GROUP BY a.customer_id
), masks AS (
    SELECT b.*, coalesce(k.mask, 0) | coalesce(f.mask, 0) AS filled, coalesce(a.mask, 0) AS asked
    FROM book b
    LEFT JOIN known k ON k.id = b.id
    LEFT JOIN found f ON f.id = b.id
    LEFT JOIN asked a ON a.id = b.id
), scored AS MATERIALIZED (
    SELECT m.*,
           CASE m.party_type WHEN 'individual' THEN ($4::int[])[(m.filled | m.asked) + 1]
                             ELSE ($5::int[])[(m.filled | m.asked) + 1] END AS score
    FROM masks m
), bits AS (
    SELECT d.direction, d.place, (1 << (d.place - 1)::int) AS bit
    FROM unnest('{relative,friend,client,supplier,partner,ally}'::text[]) WITH ORDINALITY AS d (direction, place)
), summary AS (
    SELECT json_build_object(
               'customers', (SELECT count(*) FROM scored),
               'average_score', (SELECT trim_scale(round(avg(scored.score), 1)) FROM scored),
               'directions', json_object_agg(n.direction, json_build_object(
                   'filled', n.filled, 'asked_none', n.asked_none, 'unknown', n.unknown) ORDER BY n.place))::text AS body
    FROM (
        SELECT bits.direction, bits.place,
               coalesce(sum(s.customers) FILTER (WHERE s.filled & bits.bit > 0), 0) AS filled,
               coalesce(sum(s.customers) FILTER (WHERE s.filled & bits.bit = 0 AND s.asked & bits.bit > 0), 0)
                   AS asked_none,
               coalesce(sum(s.customers) FILTER (WHERE (s.filled | s.asked) & bits.bit = 0), 0) AS unknown
        FROM bits
        LEFT JOIN (SELECT filled, asked, count(*) AS customers FROM scored GROUP BY filled, asked) s ON true
        GROUP BY bits.direction, bits.place
    ) n
), page AS (
    SELECT s.* FROM scored s
    WHERE $9::uuid IS NULL OR (s.score, s.id) > ($8::text::int, $9)
    ORDER BY s.score, s.id
    LIMIT $10
), numbered AS (
    SELECT page.*, row_number() OVER (ORDER BY page.score, page.id) AS n, count(*) OVER () AS total FROM page
)
SELECT (SELECT summary.body FROM summary) AS summary, max(total) = $10 AS has_more,
       '[' || coalesce(string_agg(concat(
           '{"id":"', p.id, '","name":', to_json(p.name), ',"party_type":"', p.party_type, '","stage":"', p.stage,
           '","score":', p.score, ',"directions":{', x.directions, '},"next_direction":',
           coalesce('"' || x.next_direction || '"', 'null'), '}'), ',' ORDER BY n)
           FILTER (WHERE n < $10), '') || ']' AS items,
       max(p.score::text) FILTER (WHERE n = $10 - 1) AS last_key,
       max(p.id::text) FILTER (WHERE n = $10 - 1) AS last_id
FROM numbered p, LATERAL (
    SELECT (SELECT string_agg(concat('"', bits.direction, '":"', CASE WHEN p.filled & bits.bit > 0 THEN 'filled'
                                                                      WHEN p.asked & bits.bit > 0 THEN 'asked_none'
                                                                      ELSE 'unknown' END, '"'), ',')
            FROM bits) AS directions,
           CASE p.party_type WHEN 'individual' THEN ($6::text[])[(p.filled | p.asked) + 1]
                             ELSE ($7::text[])[(p.filled | p.asked) + 1] END AS next_direction
) x
