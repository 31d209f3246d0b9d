-- $1 org, $2 unused (null), $3 user, $4 session: who he is and what he sees while the session lives.
-- owners: users and service teams whose customers he sees; managed: users whose sessions and departures are his
-- business. Null means everybody, so it is said of each role that has it: a role unknown here sees nobody's.
WITH RECURSIVE me AS (
    SELECT u.id, u.role, u.team_id, s.device_id, s.platform,
           coalesce(o.password_form = 'mlps' AND u.password_changed_at < now() - interval '90 days', false)
               AS is_password_expired,
           coalesce(o.is_second_factor_required, false) AND NOT EXISTS (
               SELECT 1 FROM second_factors f
               WHERE f.org_id = $1 AND f.user_id = u.id AND f.confirmed_at IS NOT NULL AND f.deleted_at IS NULL)
               AS is_second_factor_missing
    FROM sessions s
    JOIN users u ON u.org_id = $1 AND u.id = s.user_id
    LEFT JOIN org_settings o ON o.org_id = $1 AND o.id = $1
    WHERE s.org_id = $1 AND s.id = $4 AND s.user_id = $3 AND $2::uuid[] IS NULL
      AND s.revoked_at IS NULL AND s.idle_expires_at > now() AND s.absolute_expires_at > now()
      -- Shorter lengths count for sessions that are open already.
      AND s.last_used_at > now() - make_interval(days => coalesce(o.session_idle_days, 7))
      AND s.created_at > now() - make_interval(days => coalesce(o.session_absolute_days, 30))
      AND u.disabled_at IS NULL AND u.deleted_at IS NULL
      AND (s.dpop_jkt IS NOT NULL OR NOT coalesce(o.is_dpop_required, false))
), tree AS (
    SELECT t.id FROM teams t JOIN me ON t.org_id = $1 AND t.id = me.team_id AND me.role = 'manager'
    UNION
    SELECT t.id FROM teams t JOIN tree ON t.org_id = $1 AND t.parent_id = tree.id
), below AS (
    SELECT u.id, u.role, u.team_id FROM users u WHERE u.org_id = $1 AND u.team_id IN (SELECT id FROM tree)
), holders AS (
    SELECT me.id FROM me
    UNION
    SELECT below.id FROM below
    UNION
    SELECT m.team_id FROM team_members m JOIN me ON m.org_id = $1 AND m.user_id = me.id
    JOIN teams t ON t.org_id = $1 AND t.id = m.team_id AND t.deleted_at IS NULL
)
SELECT me.role, me.is_password_expired, me.is_second_factor_missing, me.device_id, me.platform,
       CASE
           WHEN me.role IN ('admin', 'auditor') THEN NULL
           WHEN me.role IN ('agent', 'manager') THEN (SELECT array_agg(id) FROM holders)
           ELSE '{}'
       END AS owners,
       CASE me.role
           WHEN 'admin' THEN NULL
           WHEN 'auditor' THEN NULL
           WHEN 'manager' THEN (
               SELECT coalesce(array_agg(below.id), '{}') FROM below
               WHERE below.role = 'agent' OR (below.role = 'manager' AND below.team_id <> me.team_id))
           ELSE '{}'
       END AS managed
FROM me
