-- $1 org: its wrapped keys.
SELECT array_agg(k.version ORDER BY k.version) AS versions, array_agg(k.wrapped ORDER BY k.version) AS wrapped
FROM org_keys k
WHERE k.org_id = $1 AND $2::uuid[] IS NULL
HAVING count(*) > 0
