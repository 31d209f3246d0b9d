-- $1 org, $2 unused (null), $3 person, $4 lowest id, $5 id above the highest, $6 from, $7 before, $8 limit + 1.
-- Two branches, each in the order of its own index: the person as the one it is about, and as the other of two.
WITH page AS (
    SELECT * FROM (
        (SELECT e.id, e.at, e.actor_id, e.actor_kind, e.device_kind, e.action, e.detail
         FROM audit_events e
         WHERE e.org_id = $1 AND $2::uuid[] IS NULL AND e.person_id = $3 AND e.id >= $4 AND e.id < $5
           AND ($6::timestamptz IS NULL OR e.at >= $6) AND ($7::timestamptz IS NULL OR e.at < $7)
         ORDER BY e.id DESC LIMIT $8)
        UNION ALL
        (SELECT e.id, e.at, e.actor_id, e.actor_kind, e.device_kind, e.action, e.detail
         FROM audit_events e
         WHERE e.org_id = $1 AND e.other_person_id = $3 AND e.id >= $4 AND e.id < $5
           AND ($6::timestamptz IS NULL OR e.at >= $6) AND ($7::timestamptz IS NULL OR e.at < $7)
         ORDER BY e.id DESC LIMIT $8)
    ) found ORDER BY id DESC LIMIT $8
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $8 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'at', iso(p.at), 'action', p.action, 'fields', p.detail -> 'fields', 'purpose', p.detail -> 'purpose',
               'device_kind', p.device_kind, 'name', coalesce(u.name, k.partner_name),
               'role', CASE p.actor_kind WHEN 'user' THEN coalesce(u.role, 'agent')
                                         WHEN 'partner' THEN 'partner' ELSE 'service' END)::text, ',' ORDER BY n)
           FILTER (WHERE n < $8), '') || ']' AS items,
       '' AS last_key,
       max(p.id::text) FILTER (WHERE n = $8 - 1) AS last_id
FROM numbered p
LEFT JOIN users u ON u.org_id = $1 AND u.id = p.actor_id AND p.actor_kind = 'user'
LEFT JOIN api_keys k ON k.org_id = $1 AND k.id = p.actor_id AND p.actor_kind = 'partner'
