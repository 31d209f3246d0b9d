-- $1, $2 unused; $3 form key, $4 version or null for the newest published one.
SELECT f.content_hash, f.status,
       json_build_object(
           'form_key', f.form_key, 'version', f.version, 'status', f.status, 'title', f.definition -> 'title',
           'content_hash', f.content_hash, 'published_at', iso(f.published_at), 'definition', f.definition)::text AS body
FROM form_versions f
WHERE f.form_key = $3 AND $1::uuid IS NOT NULL AND $2::uuid[] IS NULL
  AND CASE WHEN $4::text IS NULL THEN f.status = 'published' ELSE f.version = $4 END
ORDER BY string_to_array(f.version, '.')::int[] DESC
LIMIT 1
