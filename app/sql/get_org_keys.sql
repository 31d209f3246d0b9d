-- $1 org: its wrapped keys, those that are not destroyed.
SELECT array_agg(ROW (k.layer, k.version, k.kek_version, k.state, k.wrapped)) AS keys
FROM (
    SELECT 'org'::text AS layer, o.version, o.kek_version, o.state, o.wrapped
    FROM org_keys o
    WHERE o.org_id = $1 AND o.state <> 'destroyed'
    UNION ALL
    SELECT 'blind'::text, b.version, b.kek_version, b.state, b.wrapped
    FROM blind_keys b
    WHERE b.org_id = $1 AND b.state <> 'destroyed'
) k
WHERE $2::uuid[] IS NULL
HAVING count(*) > 0
