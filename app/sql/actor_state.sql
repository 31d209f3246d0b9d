-- $1 org, $2 unused (null), $3 user, $4 session: role and visible owners while the session lives.
-- Null means everybody's customers, so it is said of each role that has it: a role unknown here sees nobody's.
WITH RECURSIVE me AS (
    SELECT u.id, u.role, u.team_id
    FROM sessions s
    JOIN users u ON u.org_id = $1 AND u.id = s.user_id
    WHERE s.org_id = $1 AND s.id = $4 AND s.user_id = $3 AND $2::uuid[] IS NULL
      AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.absolute_expires_at > now()
      AND u.disabled_at IS NULL AND u.deleted_at IS NULL
), tree AS (
    SELECT t.id FROM teams t JOIN me ON t.org_id = $1 AND t.id = me.team_id AND me.role = 'manager'
    UNION
    SELECT t.id FROM teams t JOIN tree ON t.org_id = $1 AND t.parent_id = tree.id
)
SELECT me.role,
       CASE me.role
           WHEN 'admin' THEN NULL
           WHEN 'auditor' THEN NULL
           WHEN 'agent' THEN ARRAY[me.id]
           WHEN 'manager' THEN (
               SELECT array_agg(DISTINCT u.id)
               FROM users u
               WHERE u.org_id = $1 AND (u.id = me.id OR u.team_id IN (SELECT id FROM tree)))
           ELSE '{}'
       END AS owners
FROM me
