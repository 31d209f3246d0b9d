-- $1 org, $2 unused (null), $3 lowest id, $4 id above the highest, $5 from, $6 before, $7 action, $8 actor,
-- $9 object, $10 limit + 1, $11 person, $12 beginning of the action.
-- The filters are variants, each of its own text, so that the index on it can be used: `tests` are those asked for,
-- `source` is one branch, or one for each place a person can have in an event, or one for each action that begins so.
-- Ids are made in order of time, just before the commit: they are the order of the list. The time that counts is `at`,
-- the database's own; $3 and $4 only keep the scan near it.
WITH RECURSIVE names AS (
    (SELECT a.action FROM audit_events a WHERE {named} AND a.org_id = $1 AND a.action >= $12 ORDER BY a.action LIMIT 1)
    UNION ALL
    SELECT (SELECT a.action FROM audit_events a WHERE a.org_id = $1 AND a.action > n.action ORDER BY a.action LIMIT 1)
    FROM names n WHERE starts_with(n.action, $12)
), page AS (
    SELECT * FROM ({source}) found ORDER BY id DESC LIMIT $10
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $10 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'at', iso(at), 'actor_id', actor_id, 'actor_kind', actor_kind, 'session_id', session_id,
               'device_id', device_id, 'device_kind', device_kind, 'action', action, 'object_type', object_type,
               'object_id', object_id, 'person_id', person_id, 'other_person_id', other_person_id, 'detail', detail,
               'request_id', request_id)::text, ',' ORDER BY n)
           FILTER (WHERE n < $10), '') || ']' AS items,
       '' AS last_key,
       max(id::text) FILTER (WHERE n = $10 - 1) AS last_id
FROM numbered
