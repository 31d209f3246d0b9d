-- The sealer is a role of its own where there is one: it reads events and adds seals, and that is all it may.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{sealer_role}') THEN
        GRANT EXECUTE ON FUNCTION org_ids(), app_org() TO {sealer_role};
        GRANT SELECT ON audit_events, orgs TO {sealer_role};
        GRANT SELECT, INSERT ON audit_seals, audit_anchors, audit_keys TO {sealer_role};
    END IF;
END
$$;
