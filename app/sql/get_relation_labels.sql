-- $1 org, $2 unused, $3 codes: what somebody is called who is this to another, by code.
SELECT coalesce(json_object_agg(asked.code, CASE WHEN t.code = asked.code THEN t.label ELSE t.inverse_label END),
                '{}')::text AS body
FROM unnest($3::text[]) AS asked (code)
JOIN relation_types t ON t.org_id = $1 AND asked.code IN (t.code, t.inverse_code)
WHERE $2::uuid[] IS NULL
