-- $1 org, $2 owners, $3 root, $4 caller, $5 depth, $6 limit, $7 directions, $8 types, $9 least strength, $10 day,
-- $11 masked, $12 with the ties between two of the last hop: the network around a customer or shadow contact the caller
-- sees. {walk} is the function: of today, or of a day.
SELECT c.deleted_at IS NOT NULL AS is_deleted,
       CASE WHEN c.deleted_at IS NULL
            THEN {walk}($1, $2, $4, $3, $5, $6, $7, $8, $9::text::numeric, $10::date, $11, $12) END AS body
FROM customers c
WHERE c.org_id = $1 AND c.id = $3 AND {visible:c}
  AND (c.deleted_at IS NULL OR NOT c.is_shadow AND c.deleted_at > now() - interval '30 days')
