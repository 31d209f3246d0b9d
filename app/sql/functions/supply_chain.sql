-- Who supplies a company, or buys from it, level by level, as finished JSON: of the client ties of everybody in the last
-- level the strongest to each somebody new and visible; of those the strongest first until p_limit are found in all.
-- Nobody is met twice, so a circle ends. `omitted` counts who was met in the level at which the limit was reached; those
-- behind them are not counted. p_is_up: suppliers, who stand left of a "client" row. p_masked: a caller who is told the
-- direction's own type in place of a sensitive one. The function has the rights of its caller.
DROP FUNCTION IF EXISTS supply_chain(uuid, uuid[], uuid, uuid, boolean, integer, integer, boolean);
CREATE FUNCTION supply_chain(
    p_org uuid, p_owners uuid[], p_me uuid, p_root uuid, p_is_up boolean, p_levels integer, p_limit integer,
    p_masked boolean)
RETURNS json LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    -- One element a party kept, in the order they were kept, without the root.
    v_ids uuid[] := '{}';
    v_parents uuid[] := '{}';
    v_levels integer[] := '{}';
    v_edges uuid[] := '{}';
    v_front uuid[] := ARRAY[p_root];
    v_new record;
    v_omitted integer := 0;
    v_items json;
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR v_level IN 1 .. p_levels LOOP
        EXIT WHEN cardinality(v_front) = 0 OR v_omitted > 0;
        WITH reached AS (
            SELECT r.right_id AS node, f.id AS parent, r.strength, r.id AS edge
            FROM unnest(v_front) AS f (id)
            JOIN relationships r ON NOT p_is_up AND r.org_id = p_org AND r.left_id = f.id AND r.direction = 'client'
             AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
            UNION ALL
            SELECT r.left_id, f.id, r.strength, r.id
            FROM unnest(v_front) AS f (id)
            JOIN relationships r ON p_is_up AND r.org_id = p_org AND r.right_id = f.id AND r.direction = 'client'
             AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        ), best AS (
            SELECT DISTINCT ON (t.node) t.*
            FROM reached t
            JOIN customers c ON c.org_id = p_org AND c.id = t.node
             AND (p_owners IS NULL OR c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners))
            WHERE t.node <> p_root AND t.node NOT IN (SELECT unnest(v_ids))
            ORDER BY t.node, t.strength DESC, t.edge DESC
        ), kept AS (
            SELECT * FROM best ORDER BY strength DESC, node LIMIT p_limit - cardinality(v_ids)
        )
        SELECT (SELECT count(*) FROM best) AS met,
               coalesce(array_agg(node ORDER BY strength DESC, node), '{}') AS nodes,
               coalesce(array_agg(parent ORDER BY strength DESC, node), '{}') AS parents,
               coalesce(array_agg(edge ORDER BY strength DESC, node), '{}') AS edges
        INTO v_new FROM kept;
        v_front := v_new.nodes;
        v_omitted := v_new.met - cardinality(v_front);
        v_ids := v_ids || v_front;
        v_parents := v_parents || v_new.parents;
        v_edges := v_edges || v_new.edges;
        v_levels := v_levels || array_fill(v_level, ARRAY[cardinality(v_front)]);
    END LOOP;

    SELECT coalesce(json_agg(x ORDER BY k.place), '[]') INTO v_items
    FROM unnest(v_ids, v_parents, v_levels, v_edges) WITH ORDINALITY AS k (id, parent_id, level, edge, place)
    JOIN customers c ON c.org_id = p_org AND c.id = k.id
    JOIN relationships r ON r.org_id = p_org AND r.id = k.edge
    JOIN relation_types given ON given.org_id = p_org AND given.code = r.type
    JOIN relation_types t ON t.org_id = p_org
     AND t.code = CASE WHEN p_masked AND given.sensitivity = 'sensitive' THEN given.direction ELSE given.code END
    CROSS JOIN LATERAL (
        SELECT c.id, c.name, c.party_type, c.stage, c.tier, c.gender, c.is_shadow,
               CASE WHEN c.owner_id = p_me THEN 'mine'
                    WHEN p_owners IS NULL OR c.owner_id = ANY(p_owners) THEN 'colleague'
                    ELSE 'service_team' END AS ownership,
               CASE WHEN p_is_up THEN 'supplier' ELSE 'client' END AS direction,
               CASE WHEN p_is_up THEN t.inverse_code ELSE t.code END AS type,
               relation_label(CASE WHEN p_is_up THEN t.inverse_label ELSE t.label END, c.gender) AS label,
               CASE WHEN t.code <> given.code THEN NULL WHEN p_is_up THEN r.left_role ELSE r.right_role END AS role,
               trim_scale(r.strength) AS strength, k.level, k.parent_id
    ) x;
    RETURN json_build_object('items', v_items, 'omitted', v_omitted);
END $$;
REVOKE ALL ON FUNCTION supply_chain(uuid, uuid[], uuid, uuid, boolean, integer, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION supply_chain(uuid, uuid[], uuid, uuid, boolean, integer, integer, boolean) TO {app_role};
