-- Whom no introduction may lead to or through: who objects to introductions, and who is restricted. Row-level security
-- hides the restricted ones from every statement of the service, so this one asks with the owner's eyes.
DROP FUNCTION IF EXISTS not_introduced(uuid);
CREATE FUNCTION not_introduced(p_org uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN ARRAY(
        SELECT q.customer_id FROM rights_requests q
        WHERE q.org_id = p_org AND q.kind = 'objection' AND q.status = 'done' AND q.purpose = 'introductions'
        UNION
        SELECT c.id FROM customers c WHERE c.org_id = p_org AND c.restricted_at IS NOT NULL);
END $$;
REVOKE ALL ON FUNCTION not_introduced(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION not_introduced(uuid) TO {app_role};
