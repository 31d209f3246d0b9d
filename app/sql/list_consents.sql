-- $1 org, $2 owners, $3 customer: all his decisions with their events, newest first; what is sealed, sealed, with his
-- keys beside it; and the oldest version of every text that still carries.
SELECT c.deleted_at IS NOT NULL AS is_deleted, c.birthday::text AS birthday, {keys} AS keys, f.consents, t.oldest
FROM customers c, LATERAL (
    SELECT coalesce(json_agg(json_build_object(
               'id', s.id, 'customer_id', s.customer_id, 'decision', s.decision, 'purpose', s.purpose,
               'recipient', nullif(s.recipient, ''), 'grounds', s.grounds, 'is_separate', s.is_separate,
               'language', s.language, 'channel', s.channel, 'given_by', s.given_by,
               'is_own_guardian', s.is_own_guardian, 'details', encode(s.details_enc, 'base64'),
               'decided_at', iso(s.decided_at), 'recorded_at', iso(s.created_at),
               'recorded_by', json_build_object('id', u.id, 'name', u.name),
               'valid_from', s.valid_from, 'valid_until', s.valid_until, 'do_not_ask_before', s.do_not_ask_before,
               'withdrawn_at', iso(s.withdrawn_at), 'version', s.version,
               'events', (SELECT coalesce(json_agg(json_build_object('kind', e.kind, 'at', iso(e.at),
                              'channel', e.channel, 'recorded_by', e.recorded_by) ORDER BY e.at, e.id), '[]')
                          FROM consent_events e WHERE e.org_id = $1 AND e.consent_id = s.id))
           ORDER BY s.decided_at DESC, s.id DESC), '[]')::text AS consents
    FROM consents s
    JOIN users u ON u.org_id = $1 AND u.id = s.recorded_by
    WHERE s.org_id = $1 AND s.customer_id = c.id AND s.deleted_at IS NULL
) f, LATERAL (
    SELECT coalesce(json_agg(json_build_array(m.purpose, m.recipient, m.field_group, m.version)), '[]')::text AS oldest
    FROM (SELECT x.purpose, x.recipient, x.field_group, max(x.text_version) AS version
          FROM consent_texts x WHERE x.org_id = $1 AND x.is_material GROUP BY 1, 2, 3) m
) t
WHERE c.org_id = $1 AND c.id = $3 AND NOT c.is_shadow AND {visible:c}
  AND (c.deleted_at IS NULL OR c.deleted_at > now() - interval '30 days')
