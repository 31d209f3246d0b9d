-- The restricted customers of an organisation. Whoever sees all customers is asked nothing about any single one, and a
-- tie still names him: a walk along ties leaves these out. Ids only, and none of them opens anything.
DROP FUNCTION IF EXISTS restricted_customers(uuid);
CREATE FUNCTION restricted_customers(p_org uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN ARRAY(SELECT c.id FROM customers c WHERE c.org_id = p_org AND c.restricted_at IS NOT NULL);
END $$;
REVOKE ALL ON FUNCTION restricted_customers(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION restricted_customers(uuid) TO {app_role};
