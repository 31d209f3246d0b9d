-- The built-in relation types of an organisation, those it does not have yet. p_types: `relation_catalogue.rows()`,
-- each with an id.
-- What the organisation changed about one, or named itself under the same code, stays as it is.
DROP FUNCTION IF EXISTS seed_relation_types(uuid, jsonb);
CREATE FUNCTION seed_relation_types(p_org uuid, p_types jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO relation_types (
        org_id, id, code, inverse_code, direction, label, inverse_label, left_kind, right_kind, family_degree, gb_code,
        inverse_gb_code, default_strength, introduction_weight, sensitivity, is_builtin)
    SELECT p_org, t.id, t.code, t.inverse_code, t.direction, t.label, t.inverse_label, t.left_kind,
           t.right_kind, t.family_degree, t.gb_code, t.inverse_gb_code, t.default_strength, t.introduction_weight,
           t.sensitivity, true
    FROM jsonb_to_recordset(p_types) AS t (
        id uuid, code text, inverse_code text, direction text, label jsonb, inverse_label jsonb, left_kind text,
        right_kind text, family_degree integer, gb_code text, inverse_gb_code text, default_strength numeric,
        introduction_weight numeric, sensitivity text)
    WHERE NOT EXISTS (
        SELECT 1 FROM relation_types o
        WHERE o.org_id = p_org AND (o.code IN (t.code, t.inverse_code) OR o.inverse_code IN (t.code, t.inverse_code)))
    ON CONFLICT DO NOTHING
$$;
REVOKE ALL ON FUNCTION seed_relation_types(uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seed_relation_types(uuid, jsonb) TO {app_role};
