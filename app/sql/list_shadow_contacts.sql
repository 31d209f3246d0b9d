-- $1 org, $2 owners, $3 known through, $4 expiring before, $5 cursor day, $6 cursor id, $7 limit + 1: shadow contacts,
-- those whose time is up first. The pool is where they are looked for, a closed variant: in the order of the list, which
-- suits who sees many of the organisation's; or those of a few agents or of one customer, one after the other (OFFSET 0
-- keeps it so: among 60,000 of 300 agents a page of one of them costs 3 ms, and 10 otherwise).
WITH page AS (
    SELECT c.id, c.name, c.party_type, c.gender, c.owner_id, c.known_through_id, c.keep_until, c.version,
           iso(c.created_at) AS created_at, iso(c.updated_at) AS updated_at
    FROM {pool} c
    WHERE c.org_id = $1 AND c.is_shadow AND c.deleted_at IS NULL AND {visible:c}
      AND ($3::uuid IS NULL OR c.known_through_id = $3)
      AND ($4::date IS NULL OR c.keep_until < $4)
      AND ($6::uuid IS NULL OR (c.keep_until, c.id) > ($5::text::date, $6))
    ORDER BY c.keep_until, c.id
    LIMIT $7
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY keep_until, id) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $7 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'name', name, 'party_type', party_type, 'gender', gender, 'owner_id', owner_id,
               'known_through_id', known_through_id, 'keep_until', keep_until, 'version', version,
               'created_at', created_at, 'updated_at', updated_at)::text, ',' ORDER BY n)
           FILTER (WHERE n < $7), '') || ']' AS items,
       max(keep_until::text) FILTER (WHERE n = $7 - 1) AS last_key,
       max(id::text) FILTER (WHERE n = $7 - 1) AS last_id
FROM numbered
