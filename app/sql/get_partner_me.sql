-- $1 org, $2 unused (null), $3 key row.
SELECT row_to_json(x)::text AS body
FROM (
    SELECT k.key_id, k.partner_name, o.name AS org_name, k.scopes, iso(k.expires_at) AS expires_at
    FROM api_keys k JOIN orgs o ON o.id = k.org_id
    WHERE k.org_id = $1 AND k.id = $3 AND $2::uuid[] IS NULL
) x
