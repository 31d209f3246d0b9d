-- $1 org, $2 unused (null), $3 user.
SELECT row_to_json(x)::text AS body
FROM (
    SELECT u.id, u.org_id, o.code AS org_code, o.name AS org_name, u.username, u.name, u.role, u.team_id,
           EXISTS (SELECT 1 FROM second_factors f
                   WHERE f.org_id = $1 AND f.user_id = u.id AND f.confirmed_at IS NOT NULL AND f.deleted_at IS NULL)
               AS has_second_factor
    FROM users u JOIN orgs o ON o.id = u.org_id
    WHERE u.org_id = $1 AND u.id = $3 AND $2::uuid[] IS NULL
) x
