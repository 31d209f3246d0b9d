-- $1 org, $2 unused (null), $3 key id: a key that is neither revoked nor expired.
SELECT k.id, k.key_hash, k.scopes,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '30 seconds' AS is_touch_due
FROM api_keys k
WHERE k.org_id = $1 AND k.key_id = $3 AND $2::uuid[] IS NULL
  AND k.revoked_at IS NULL AND k.deleted_at IS NULL AND k.expires_at > now()
