-- $1 org, $2 unused, $3 codes, $4 masked: what somebody is called who is this to another, by code. `shown` is the code
-- that may be named: an auditor is told the direction only, where the type itself is delicate.
SELECT coalesce(json_object_agg(asked.code, json_build_object(
           'shown', CASE WHEN given.code = asked.code THEN t.code ELSE t.inverse_code END,
           'label', CASE WHEN given.code = asked.code THEN t.label ELSE t.inverse_label END)), '{}')::text AS body
FROM unnest($3::text[]) AS asked (code)
JOIN relation_types given ON given.org_id = $1 AND asked.code IN (given.code, given.inverse_code)
JOIN relation_types t ON t.org_id = $1
 AND t.code = CASE WHEN $4 AND given.sensitivity = 'sensitive' THEN given.direction ELSE given.code END
WHERE $2::uuid[] IS NULL
