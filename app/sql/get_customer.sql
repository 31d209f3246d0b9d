-- $1 org, $2 owners, $3 customer, $4 masked: one full profile. What is sealed comes beside it, with the keys it needs,
-- and takes its places when it is opened: phones (numbers are masked again), addresses, note.
SELECT c.version, c.deleted_at IS NOT NULL AS is_deleted, row_to_json(x)::text AS body, p.sealed,
       CASE WHEN p.sealed IS NOT NULL THEN ARRAY(
           SELECT k.wrapped FROM person_keys k WHERE k.org_id = $1 AND k.person_id = c.id) END AS wrapped
FROM customers c
CROSS JOIN LATERAL (SELECT CASE WHEN NOT $4 THEN c.private_enc END AS sealed) p
CROSS JOIN LATERAL (
    SELECT c.id, c.party_type, c.stage, iso(c.stage_changed_at) AS stage_changed_at, c.name, c.gender, c.birthday,
           c.occupation,
           CASE WHEN p.sealed IS NULL THEN (c.masked -> 'phones')::json ELSE '"\u0001"'::json END AS phones,
           c.masked -> 'emails' AS emails,
           CASE WHEN p.sealed IS NULL THEN (c.masked -> 'addresses')::json ELSE '"\u0001"'::json END AS addresses,
           c.tags,
           -- What an agent notes is for him and for those above him, not for his service team.
           CASE WHEN p.sealed IS NOT NULL AND ($2::uuid[] IS NULL OR c.owner_id = ANY($2))
                THEN '"\u0001"'::json END AS note,
           c.id_type, c.id_number_masked, c.owner_id, c.service_team_id, c.tier, c.known_through_id,
           c.version, iso(c.created_at) AS created_at, iso(c.updated_at) AS updated_at
) x
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
