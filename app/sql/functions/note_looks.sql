-- p_looks: an object, organisation -> its events. One call, one transaction, one commit for all who wait.
-- Every organisation's events are written behind its own wall: the function has no rights of its own.
CREATE OR REPLACE FUNCTION note_looks(p_looks jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_org text;
    v_events jsonb;
BEGIN
    FOR v_org, v_events IN SELECT key, value FROM jsonb_each(p_looks) LOOP
        EXECUTE format('SET LOCAL app.org_id = %L', v_org);
        INSERT INTO audit_events (org_id, id, actor_id, actor_kind, session_id, device_id, device_kind, action,
                                  object_type, object_id, person_id, other_person_id, detail, request_id)
        SELECT v_org::uuid, e.id, e.actor_id, e.actor_kind, e.session_id, e.device_id, e.device_kind, e.action,
               e.object_type, e.object_id, e.person_id, e.other_person_id, e.detail, e.request_id
        FROM jsonb_to_recordset(v_events) AS e (
            id uuid, actor_id uuid, actor_kind text, session_id uuid, device_id text, device_kind text, action text,
            object_type text, object_id uuid, person_id uuid, other_person_id uuid, detail jsonb, request_id text);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION note_looks(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_looks(jsonb) TO {app_role};
