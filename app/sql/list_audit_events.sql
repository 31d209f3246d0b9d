-- $1 org, $2 unused (null), $3 lowest id, $4 id above the highest, $5 from, $6 before, $7 action, $8 actor,
-- $9 object, $10 limit + 1.
-- {object} is the test of the object: a variant of its own, so that the index on it can be used.
-- Ids are made in order of time, just before the commit: they are the order of the list. The time that counts is `at`,
-- the database's own; $3 and $4 only keep the scan near it.
WITH page AS (
    SELECT e.id, e.at, e.actor_id, e.actor_kind, e.action, e.object_type, e.object_id, e.detail, e.request_id
    FROM audit_events e
    WHERE e.org_id = $1 AND $2::uuid[] IS NULL AND e.id >= $3 AND e.id < $4
      AND ($5::timestamptz IS NULL OR e.at >= $5)
      AND ($6::timestamptz IS NULL OR e.at < $6)
      AND ($7::text IS NULL OR e.action = $7)
      AND ($8::uuid IS NULL OR e.actor_id = $8)
      AND {object}
    ORDER BY e.id DESC
    LIMIT $10
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY id DESC) AS n, count(*) OVER () AS total FROM page
)
SELECT max(total) = $10 AS has_more,
       '[' || coalesce(string_agg(
           json_build_object(
               'id', id, 'at', iso(at), 'actor_id', actor_id, 'actor_kind', actor_kind, 'action', action,
               'object_type', object_type, 'object_id', object_id, 'detail', detail,
               'request_id', request_id)::text, ',' ORDER BY n)
           FILTER (WHERE n < $10), '') || ']' AS items,
       '' AS last_key,
       max(id::text) FILTER (WHERE n = $10 - 1) AS last_id
FROM numbered
