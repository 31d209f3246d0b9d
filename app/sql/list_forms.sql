-- $1 org, $2 unused: the shipped forms are the same for every organisation, the others its own.
WITH versions AS (
    SELECT form_key, version, 'shipped' AS origin, content_hash, definition -> 'title' AS title, published_at
    FROM form_versions
    WHERE status = 'published'
    UNION ALL
    SELECT form_key, form_version, 'organization', content_hash, definition -> 'title', created_at
    FROM org_form_versions
    WHERE org_id = $1 AND withdrawn_at IS NULL
)
SELECT coalesce(json_agg(json_build_object(
           'form_key', f.form_key, 'version', f.version, 'status', 'published', 'origin', f.origin, 'title', f.title,
           'content_hash', f.content_hash, 'published_at', iso(f.published_at)) ORDER BY f.form_key), '[]')::text AS body
FROM (
    SELECT DISTINCT ON (v.form_key) v.*
    FROM versions v
    WHERE $2::uuid[] IS NULL
    ORDER BY v.form_key, string_to_array(v.version, '.')::int[] DESC
) f
