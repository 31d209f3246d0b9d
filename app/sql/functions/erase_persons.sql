-- Erases persons: rows go, columns are emptied, as the data inventory declares (`app/domain/erasing.py` writes the steps).
-- It runs as the owner of the tables, so that the service's role needs no right to delete anything by itself. It answers
-- how many rows of each table went.
DROP FUNCTION IF EXISTS erase_persons(uuid, uuid[]);
CREATE FUNCTION erase_persons(p_org uuid, p_ids uuid[]) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    v_gone uuid[] := p_ids;
    v_ids uuid[];
    v_rows bigint;
    v_counts jsonb := '{}';
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SET LOCAL app.erasing = 'on';
    SET LOCAL app.sealing = 'on'; -- what stays of a guarded row loses its contents
{steps}
    -- Answers kept for retries may repeat what they say; phones that were told of a row are told that it is gone.
    DELETE FROM idempotency_keys WHERE org_id = p_org AND about && v_gone;
    UPDATE feed SET removed = true, seq = DEFAULT WHERE org_id = p_org AND id = ANY(v_gone);
    SET LOCAL app.erasing = 'off';
    SET LOCAL app.sealing = 'off';
    RETURN v_counts;
END $$;
REVOKE ALL ON FUNCTION erase_persons(uuid, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_persons(uuid, uuid[]) TO {app_role};
