-- $1 org, $2 owners, $3 customer: is it visible, is it deleted.
SELECT c.version, c.deleted_at IS NOT NULL AS is_deleted
FROM customers c
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
