-- Whom no introduction may lead to or through: who objects to introductions, and who is restricted. The function has the
-- rights of its caller.
DROP FUNCTION IF EXISTS not_introduced(uuid);
CREATE FUNCTION not_introduced(p_org uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT q.customer_id FROM rights_requests q
        WHERE q.org_id = p_org AND q.kind = 'objection' AND q.status = 'done' AND q.purpose = 'introductions'
        UNION
        SELECT unnest(restricted_customers(p_org)));
END $$;
REVOKE ALL ON FUNCTION not_introduced(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION not_introduced(uuid) TO {app_role};
