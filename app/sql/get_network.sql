-- $1 org, $2 owners, $3 root, $4 depth, $5 limit, $6 directions: the network around a customer the caller sees.
SELECT c.deleted_at IS NOT NULL AS is_deleted,
       CASE WHEN c.deleted_at IS NULL THEN ego_network($1, $2, $3, $4, $5, $6) END AS body
FROM customers c
WHERE c.org_id = $1 AND c.id = $3 AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
