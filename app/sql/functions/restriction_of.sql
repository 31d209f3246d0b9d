-- Whether one of these ids is a restricted customer the caller would see, or something of his: why he is restricted and
-- until when. Row-level security hides him from every statement of the service, so this one asks with the owner's eyes.
DROP FUNCTION IF EXISTS restriction_of(uuid, uuid[], uuid[]);
CREATE FUNCTION restriction_of(p_org uuid, p_owners uuid[], p_ids uuid[])
RETURNS TABLE (customer_id uuid, restriction text, restricted_until date) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
    SELECT c.id, c.restriction, c.restricted_until FROM customers c
    WHERE c.org_id = p_org AND c.restricted_at IS NOT NULL AND c.erased_at IS NULL
      AND (p_owners IS NULL OR c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners))
      AND c.id IN (
        SELECT unnest(p_ids)
        UNION ALL SELECT x.customer_id FROM form_responses x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT x.customer_id FROM needs_analyses x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT x.customer_id FROM tolerance_assessments x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT x.customer_id FROM proposals x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT x.customer_id FROM dossier_facts x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT x.customer_id FROM consents x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT x.customer_id FROM tasks x WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT unnest(ARRAY[x.left_id, x.right_id]) FROM relationships x
            WHERE x.org_id = p_org AND x.id = ANY(p_ids)
        UNION ALL SELECT unnest(ARRAY[x.introducer_id, x.target_id]) FROM introductions x
            WHERE x.org_id = p_org AND x.id = ANY(p_ids))
    LIMIT 1;
END $$;
REVOKE ALL ON FUNCTION restriction_of(uuid, uuid[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION restriction_of(uuid, uuid[], uuid[]) TO {app_role};
