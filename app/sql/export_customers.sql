-- $1 org, $2 owners, $3 stages, $4 tag, $5 most rows wanted + 1. One array of texts for each customer, newest first.
-- Contact data is the masked copy, whoever asks; of the address, what stands above the road.
WITH found AS (
    SELECT c.created_at, c.id,
           json_build_array(
               c.id::text, c.party_type, c.stage, c.name, c.gender, c.occupation,
               c.masked -> 'phones' -> 0 ->> 'number', c.masked -> 'emails' -> 0 ->> 'address',
               c.masked -> 'addresses' -> 0 ->> 'city', c.masked -> 'addresses' -> 0 ->> 'county',
               array_to_string(c.tags, '|'), u.username, iso(c.created_at), iso(c.updated_at)) AS cells
    FROM customers c
    JOIN users u ON u.org_id = $1 AND u.id = c.owner_id
    WHERE c.org_id = $1 AND {visible:c} AND c.deleted_at IS NULL AND NOT c.is_shadow
      AND ($3::text[] IS NULL OR c.stage = ANY($3))
      AND ($4::text[] IS NULL OR c.tags && $4)
    ORDER BY c.created_at DESC, c.id DESC
    LIMIT $5
)
SELECT count(*) AS total,
       '[' || coalesce(string_agg(cells::text, ',' ORDER BY created_at DESC, id DESC), '') || ']' AS rows
FROM found
