-- Row-level security keeps trigram indexes from being used (LIKE is not leakproof), so the search runs with the
-- owner's eyes and therefore states organisation and owners itself. It answers ids only, never one of a shadow contact.
-- Whole phones and ID numbers come as blind indexes, one for each key they may be indexed under.
DROP FUNCTION IF EXISTS match_customers(uuid, uuid[], text, text);
DROP FUNCTION IF EXISTS match_customers(uuid, uuid[], text, text, bytea[], bytea[]);
CREATE FUNCTION match_customers(
    p_org uuid, p_owners uuid[], p_first text, p_second text, p_phones bytea[], p_numbers bytea[])
RETURNS SETOF uuid LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_owners IS NULL THEN
        RETURN QUERY SELECT c.id FROM customers c
            WHERE c.org_id = p_org AND c.deleted_at IS NULL AND NOT c.is_shadow
              AND (c.search_text LIKE p_first OR c.search_text LIKE p_second);
    ELSE
        RETURN QUERY SELECT c.id FROM customers c
            WHERE c.org_id = p_org AND (c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners))
              AND c.deleted_at IS NULL AND NOT c.is_shadow
              AND (c.search_text LIKE p_first OR c.search_text LIKE p_second);
    END IF;
    IF p_phones IS NOT NULL THEN
        RETURN QUERY SELECT c.id FROM customers c
            WHERE c.org_id = p_org AND c.phones_bi && p_phones
              AND (p_owners IS NULL OR c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners))
              AND c.deleted_at IS NULL AND NOT c.is_shadow;
    END IF;
    IF p_numbers IS NOT NULL THEN
        RETURN QUERY SELECT c.id FROM customers c
            WHERE c.org_id = p_org AND c.id_type IN ('resident_id', 'uscc') AND c.id_number_bi = ANY(p_numbers)
              AND (p_owners IS NULL OR c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners))
              AND c.deleted_at IS NULL AND NOT c.is_shadow;
    END IF;
END $$;
REVOKE ALL ON FUNCTION match_customers(uuid, uuid[], text, text, bytea[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION match_customers(uuid, uuid[], text, text, bytea[], bytea[]) TO {app_role};
