-- The warmest ways to be introduced to somebody: at most p_k of them, exact, as finished JSON.
--
-- A path leads from whom the caller knows (p_from null: his own customers from the stage of prospect on), or from one
-- party (p_from), along current ties to one of p_targets, over at most p_hops ties. It is worth the product of the
-- warmth of its ties, times how well the caller knows the first one (prospect 0.6, customer 0.9, investor 1). What is
-- worth less than 0.001 is no path. Each answer begins with another person: another one of his customers, or another
-- neighbour of p_from. Between the ends stands nobody whom the caller knows himself: he would go there at once.
--
-- The search goes backwards from the targets, hop by hop, and only along ties that can still lead to a path worth
-- v_bound: the index delivers the ties of everybody by strength, which warmth never exceeds. The last hop is not
-- searched: the "halo", all neighbours of those the path may begin with, is known beforehand. v_bound falls from floor
-- to floor until p_k paths are found that are worth at least the floor; then there can be no better ones. Every arrival
-- at a customer that is warmer than all that took fewer hops is kept, with the arrival it came from.
--
-- Nobody who objects to introductions stands on a path, and nobody who is restricted (`not_introduced`).
--
-- Who may be passed through: whom the caller sees; with p_is_open everybody of the organisation (an invisible one is
-- then answered without name, id and kind of tie, with the agent whose customer he is; `unseen_id` is for the service,
-- which seals it).
DROP FUNCTION IF EXISTS find_paths(uuid, uuid[], uuid, boolean, uuid, uuid[], integer, integer, boolean);
CREATE FUNCTION find_paths(
    p_org uuid, p_owners uuid[], p_me uuid, p_is_open boolean, p_from uuid, p_targets uuid[], p_k integer,
    p_hops integer, p_is_masked boolean)
RETURNS text LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_least CONSTANT numeric := 0.001;
    v_slack CONSTANT numeric := 0.000000001;  -- more than a division rounds off
    v_sees_all boolean := p_is_open OR p_owners IS NULL;
    v_max_own CONSTANT integer := 2000;
    v_own uuid[];  -- all the caller sees, where that is at most so many; see ego_network.sql
    v_shut uuid[] := not_introduced(p_org);
    v_known uuid[];  -- whom a path may begin with, and none passes through
    v_trusts numeric[];  -- how well the caller knows each of them
    -- The halo: a party, whom the path begins with, the tie between the two, what both are worth together.
    h_nodes uuid[];
    h_keys uuid[];
    h_edges uuid[];
    h_values numeric[];
    v_warmest numeric;
    -- Arrivals: a party, the warmth from there to a target, the place of the arrival before it, the tie to that one.
    a_nodes uuid[];
    a_values numeric[];
    a_parents integer[];
    a_edges uuid[];
    v_front integer;  -- where the arrivals of the last hop begin
    v_size integer;
    v_floor numeric;
    v_bound numeric;
    v_is_last boolean;
    v_new record;
    -- The best so far: whom it begins with, its worth, the arrival it goes on with, the tie to that one.
    c_keys uuid[] := '{}';
    c_values numeric[] := '{}';
    c_arrivals integer[] := '{}';
    c_edges uuid[] := '{}';
    v_paths text;
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    p_targets := ARRAY(
        SELECT t.id FROM unnest(p_targets) WITH ORDINALITY AS t (id, place)
        WHERE t.id NOT IN (SELECT unnest(v_shut)) ORDER BY t.place);
    IF NOT v_sees_all THEN
        SELECT array_agg(o.id) INTO v_own FROM (
            SELECT c.id FROM customers c WHERE c.org_id = p_org AND c.owner_id = ANY(p_owners)
            UNION ALL
            SELECT c.id FROM customers c WHERE c.org_id = p_org AND c.service_team_id = ANY(p_owners)
            LIMIT v_max_own + 1) o;
        IF cardinality(v_own) > v_max_own THEN
            v_own := NULL;
        END IF;
    END IF;
    IF p_from IS NULL THEN
        SELECT array_agg(c.id),
               array_agg(CASE c.stage WHEN 'prospect' THEN 0.6 WHEN 'customer' THEN 0.9 ELSE 1.0 END)
        INTO v_known, v_trusts
        FROM customers c
        WHERE c.org_id = p_org AND c.owner_id = p_me AND c.deleted_at IS NULL AND NOT c.is_shadow
          AND c.stage <> 'contact' AND c.id NOT IN (SELECT unnest(p_targets))
          AND c.id NOT IN (SELECT unnest(v_shut));
    ELSE
        v_known := ARRAY[p_from];
        v_trusts := ARRAY[1.0];
    END IF;
    SELECT array_agg(n.node), array_agg(CASE WHEN p_from IS NULL THEN k.id ELSE n.node END), array_agg(n.edge),
           array_agg(n.warmth * k.value), max(n.warmth * k.value)
    INTO h_nodes, h_keys, h_edges, h_values, v_warmest
    FROM unnest(v_known, v_trusts) AS k (id, value)
    CROSS JOIN LATERAL (
        SELECT r.right_id AS node, r.id AS edge, r.warmth FROM relationships r
        WHERE r.org_id = p_org AND r.left_id = k.id AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
        UNION ALL
        SELECT r.left_id, r.id, r.warmth FROM relationships r
        WHERE r.org_id = p_org AND r.right_id = k.id AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
    ) n
    WHERE n.node NOT IN (SELECT unnest(v_known)) AND n.node NOT IN (SELECT unnest(v_shut)) AND n.warmth * k.value >= v_least
      AND (v_sees_all OR CASE WHEN v_own IS NOT NULL THEN n.node IN (SELECT unnest(v_own)) ELSE (
          SELECT c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners)
          FROM customers c WHERE c.org_id = p_org AND c.id = n.node) END);

    FOREACH v_floor IN ARRAY ARRAY[0.2, 0.05, 0.01, v_least] LOOP
        EXIT WHEN h_nodes IS NULL OR cardinality(p_targets) = 0;
        CONTINUE WHEN v_floor > v_warmest AND v_floor > v_least;
        v_size := cardinality(p_targets);
        a_nodes := p_targets;
        a_values := array_fill(1.0, ARRAY[v_size]);
        a_parents := array_fill(NULL::integer, ARRAY[v_size]);
        a_edges := array_fill(NULL::uuid, ARRAY[v_size]);
        c_keys := '{}';
        c_values := '{}';
        c_arrivals := '{}';
        c_edges := '{}';
        v_bound := v_floor;
        v_front := 1;
        FOR v_hop IN 1 .. p_hops LOOP
            v_size := cardinality(a_nodes);
            EXIT WHEN v_front > v_size;
            -- Where the front meets the halo a path of v_hop ties is found.
            SELECT array_agg(b.key ORDER BY b.rank) AS keys, array_agg(b.value ORDER BY b.rank) AS worths,
                   array_agg(b.arrival ORDER BY b.rank) AS arrivals, array_agg(b.edge ORDER BY b.rank) AS edges,
                   CASE WHEN count(*) = p_k THEN min(b.value) END AS least
            INTO v_new
            FROM (
                SELECT d.*, row_number() OVER (ORDER BY d.value DESC, d.arrival, d.key) AS rank
                FROM (
                    SELECT DISTINCT ON (m.key) m.key, m.value, m.arrival, m.edge
                    FROM (
                        SELECT h.key, f.value * h.value AS value, v_front + f.place::integer - 1 AS arrival, h.edge
                        FROM unnest(a_nodes[v_front:], a_values[v_front:]) WITH ORDINALITY AS f (node, value, place)
                        JOIN unnest(h_nodes, h_keys, h_values, h_edges) AS h (node, key, value, edge) USING (node)
                        WHERE f.value * h.value >= v_bound
                        UNION ALL
                        SELECT * FROM unnest(c_keys, c_values, c_arrivals, c_edges)
                    ) m (key, value, arrival, edge)
                    ORDER BY m.key, m.value DESC, m.arrival
                ) d
                ORDER BY rank LIMIT p_k
            ) b;
            c_keys := coalesce(v_new.keys, '{}');
            c_values := coalesce(v_new.worths, '{}');
            c_arrivals := coalesce(v_new.arrivals, '{}');
            c_edges := coalesce(v_new.edges, '{}');
            v_bound := greatest(v_bound, v_new.least);
            EXIT WHEN v_hop = p_hops;

            v_is_last := v_hop = p_hops - 1;
            WITH known AS MATERIALIZED (
                SELECT a.node, max(a.value) AS value FROM unnest(a_nodes, a_values) AS a (node, value) GROUP BY a.node
            ), grown AS (
                SELECT DISTINCT ON (t.node) t.node, f.value * t.warmth AS value, f.place, t.edge
                FROM unnest(a_nodes[v_front:], a_values[v_front:]) WITH ORDINALITY AS f (node, value, place)
                CROSS JOIN LATERAL (
                    SELECT r.right_id AS node, r.id AS edge, r.warmth FROM relationships r
                    WHERE r.org_id = p_org AND r.left_id = f.node
                      AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                      AND r.strength >= v_bound / v_warmest / f.value - v_slack
                    UNION ALL
                    SELECT r.left_id, r.id, r.warmth FROM relationships r
                    WHERE r.org_id = p_org AND r.right_id = f.node
                      AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                      AND r.strength >= v_bound / v_warmest / f.value - v_slack
                ) t
                WHERE f.value * t.warmth * v_warmest >= v_bound
                  AND t.node NOT IN (SELECT unnest(v_known)) AND t.node NOT IN (SELECT unnest(v_shut))
                  AND (NOT v_is_last OR t.node IN (SELECT unnest(h_nodes)))
                  AND (v_sees_all OR CASE WHEN v_own IS NOT NULL THEN t.node IN (SELECT unnest(v_own)) ELSE (
                      SELECT c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners)
                      FROM customers c WHERE c.org_id = p_org AND c.id = t.node) END)
                ORDER BY t.node, f.value * t.warmth DESC, f.place, t.edge
            )
            SELECT array_agg(g.node) AS nodes, array_agg(g.value) AS worths,
                   array_agg(v_front + g.place::integer - 1) AS parents, array_agg(g.edge) AS edges
            INTO v_new
            FROM grown g LEFT JOIN known k USING (node)
            WHERE k.node IS NULL OR g.value > k.value;
            v_front := v_size + 1;
            a_nodes := a_nodes || v_new.nodes;
            a_values := a_values || v_new.worths;
            a_parents := a_parents || v_new.parents;
            a_edges := a_edges || v_new.edges;
        END LOOP;
        EXIT WHEN cardinality(c_keys) = p_k;
    END LOOP;

    -- From every beginning along the arrivals: one row a tie, in the order of walking it. (LIMIT 1: by primary key, one
    -- by one. The planner cannot know how few rows an array holds, and would read the whole table.)
    WITH RECURSIVE starts AS (
        SELECT c.key, c.value, c.arrival, c.edge, c.rank, coalesce(p_from, c.key) AS begin
        FROM unnest(c_keys, c_values, c_arrivals, c_edges) WITH ORDINALITY AS c (key, value, arrival, edge, rank)
    ), steps AS (
        SELECT s.rank, 1 AS place, s.begin AS from_id, a_nodes[s.arrival] AS to_id, s.edge, s.arrival FROM starts s
        UNION ALL
        SELECT s.rank, s.place + 1, s.to_id, a_nodes[a_parents[s.arrival]], a_edges[s.arrival], a_parents[s.arrival]
        FROM steps s WHERE a_parents[s.arrival] IS NOT NULL
    ), parties AS (
        SELECT DISTINCT c.id, c.name, c.party_type, c.stage, c.is_shadow, c.gender, c.owner_id, u.name AS agent,
               p_owners IS NULL OR c.owner_id = ANY(p_owners) OR coalesce(c.service_team_id = ANY(p_owners), false)
                   AS is_seen
        FROM (SELECT from_id AS id FROM steps UNION SELECT to_id FROM steps) i
        CROSS JOIN LATERAL (SELECT * FROM customers c WHERE c.org_id = p_org AND c.id = i.id LIMIT 1) c
        CROSS JOIN LATERAL (SELECT u.name FROM users u WHERE u.org_id = p_org AND u.id = c.owner_id LIMIT 1) u
    ), hops AS (
        SELECT s.rank, s.place, row_to_json(x) AS hop
        FROM steps s
        CROSS JOIN LATERAL (SELECT * FROM relationships r WHERE r.org_id = p_org AND r.id = s.edge LIMIT 1) r
        JOIN relation_types given ON given.org_id = p_org AND given.code = r.type
        -- An auditor is told the direction only, where the type itself is delicate.
        JOIN relation_types t ON t.org_id = p_org
         AND t.code = CASE WHEN p_is_masked AND given.sensitivity = 'sensitive' THEN r.direction ELSE r.type END
        JOIN parties f ON f.id = s.from_id
        JOIN parties o ON o.id = s.to_id
        CROSS JOIN LATERAL (SELECT f.is_seen AND o.is_seen AS is_seen, r.left_id = s.from_id AS is_forward) e
        CROSS JOIN LATERAL (
            SELECT CASE WHEN e.is_seen THEN r.id END AS relationship_id,
                   CASE WHEN NOT e.is_seen THEN NULL WHEN e.is_forward THEN t.code ELSE t.inverse_code END AS type,
                   CASE WHEN e.is_seen THEN relation_label(
                       CASE WHEN e.is_forward THEN t.label ELSE t.inverse_label END, o.gender) END AS label,
                   trim_scale(CASE WHEN e.is_seen THEN r.strength END) AS strength, trim_scale(r.warmth) AS warmth,
                   CASE WHEN e.is_seen THEN r.last_interaction_on END AS last_interaction_on
        ) x
    )
    SELECT coalesce(string_agg(json_build_object(
               'score', trim_scale(round(s.value, 6)),
               'parties', (
                   SELECT json_agg(CASE
                       WHEN p.is_seen THEN json_build_object(
                           'id', p.id, 'name', p.name, 'party_type', p.party_type, 'stage', p.stage,
                           'is_shadow', p.is_shadow, 'colleague', CASE WHEN p.owner_id <> p_me THEN
                               json_build_object('id', p.owner_id, 'name', p.agent) END, 'unseen_id', NULL)
                       ELSE json_build_object(
                           'id', NULL, 'name', NULL, 'party_type', NULL, 'stage', NULL, 'is_shadow', NULL,
                           'colleague', json_build_object('id', p.owner_id, 'name', p.agent),
                           'unseen_id', p.id) END ORDER BY n.place)
                   FROM (SELECT 0 AS place, s.begin AS id
                         UNION ALL SELECT q.place, q.to_id FROM steps q WHERE q.rank = s.rank) n
                   JOIN parties p ON p.id = n.id),
               'hops', (SELECT json_agg(h.hop ORDER BY h.place) FROM hops h WHERE h.rank = s.rank)
           )::text, ',' ORDER BY s.rank), '')
    INTO v_paths FROM starts s;
    RETURN '{"items":[' || v_paths || ']}';
END $$;
REVOKE ALL ON FUNCTION find_paths(uuid, uuid[], uuid, boolean, uuid, uuid[], integer, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_paths(uuid, uuid[], uuid, boolean, uuid, uuid[], integer, integer, boolean)
    TO {app_role};
