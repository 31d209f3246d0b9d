-- $1 org, $2 owners, $3 analysis: what it was calculated from, sealed, with the keys of its customer.
SELECT a.as_of, a.facts_enc, c.deleted_at IS NOT NULL AS is_deleted, c.id AS person_id,
       ARRAY(SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) AS keys
FROM needs_analyses a
JOIN customers c ON c.org_id = $1 AND c.id = a.customer_id AND {visible:c}
    AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
WHERE a.org_id = $1 AND a.id = $3 AND a.deleted_at IS NULL
