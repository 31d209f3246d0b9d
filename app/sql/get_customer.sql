-- $1 org, $2 owners, $3 customer, $4 masked: one full profile.
SELECT c.version, c.deleted_at IS NOT NULL AS is_deleted, row_to_json(x)::text AS body
FROM customers c, LATERAL (
    SELECT c.id, c.party_type, c.stage, iso(c.stage_changed_at) AS stage_changed_at, c.name, c.gender, c.birthday,
           c.occupation,
           CASE WHEN $4 THEN c.masked -> 'phones' ELSE c.phones END AS phones,
           CASE WHEN $4 THEN c.masked -> 'emails' ELSE c.emails END AS emails,
           CASE WHEN $4 THEN c.masked -> 'addresses' ELSE c.addresses END AS addresses,
           c.tags,
           -- What an agent notes is for him and for those above him, not for his service team.
           CASE WHEN NOT $4 AND ($2::uuid[] IS NULL OR c.owner_id = ANY($2)) THEN c.note END AS note,
           c.id_type, c.id_number_masked, c.owner_id, c.service_team_id, c.tier, c.known_through_id,
           c.version, iso(c.created_at) AS created_at, iso(c.updated_at) AS updated_at
) x
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
