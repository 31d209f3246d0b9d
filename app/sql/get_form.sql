-- $1 org, $2 unused; $3 form key, $4 version or null for the newest published one: shipped, or the organisation's own.
WITH versions AS (
    SELECT form_key, version, status, 'shipped' AS origin, content_hash, definition, migrations, published_at,
           NULL::timestamptz AS withdrawn_at, NULL::text AS withdrawal_reason, NULL::timestamptz AS grace_until
    FROM form_versions
    WHERE form_key = $3
    UNION ALL
    SELECT form_key, form_version, CASE WHEN withdrawn_at IS NULL THEN 'published' ELSE 'withdrawn' END, 'organization',
           content_hash, definition, migrations, created_at, withdrawn_at, withdrawal_reason, grace_until
    FROM org_form_versions
    WHERE org_id = $1 AND form_key = $3
)
SELECT f.content_hash, f.status,
       json_build_object(
           'form_key', f.form_key, 'version', f.version, 'status', f.status, 'origin', f.origin,
           'title', f.definition -> 'title', 'content_hash', f.content_hash, 'published_at', iso(f.published_at),
           'withdrawn_at', iso(f.withdrawn_at), 'withdrawal_reason', f.withdrawal_reason,
           'grace_until', iso(f.grace_until),
           'migrations', (SELECT coalesce(json_agg(json_build_object('name', m -> 'name', 'from_version', m -> 'from')), '[]')
                          FROM jsonb_array_elements(f.migrations) m),
           'definition', f.definition)::text AS body
FROM versions f
WHERE $2::uuid[] IS NULL AND CASE WHEN $4::text IS NULL THEN f.status = 'published' ELSE f.version = $4 END
ORDER BY string_to_array(f.version, '.')::int[] DESC
LIMIT 1
