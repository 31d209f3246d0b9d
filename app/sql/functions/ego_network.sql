-- The network around one customer, as finished JSON: breadth first, hop by hop, the strongest ties first.
--
-- From every customer of the last hop the strongest ties that lead to somebody new and visible are followed, at most
-- `fan` of them, so that a hub cannot swallow the answer. The fan shares a budget of 4,000 ties a hop among the
-- customers of that hop (20 to 1,000 each). Of everybody met, the best by product of strengths are kept until p_limit
-- (the root included); the hop that overflows is the last.
--
-- The file is installed twice (app/migrate.py): {name} = ego_network walks the ties that are current, by the partial
-- indexes; ego_network_on those that were valid on the day p_on, ended ones included. {valid} is their difference.
--
-- Visibility is tested inside the walk: whom the caller may not see takes no place in a fan, is never passed through,
-- and leaves no mark in `truncated` or `omitted`. What the caller is told is how many of them stand behind each customer
-- the walk went on from (`hidden`, counted to 99, whatever the filters). An agent's own parties are some hundred neighbours in one index: they
-- are read at once and hashed. Of somebody who sees more than 2,000 each one met is looked up (hashing 30,000 took 9 to
-- 30 ms); so is it at depth 1, where few are met. Whether he sees the root is asked by get_network.sql. The function has
-- the rights of its caller: row-level security stands behind it.
DROP FUNCTION IF EXISTS ego_network(uuid, uuid[], uuid, integer, integer, text[]);
DROP FUNCTION IF EXISTS {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date);
DROP FUNCTION IF EXISTS {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean);
CREATE FUNCTION {name}(
    p_org uuid, p_owners uuid[], p_me uuid, p_root uuid, p_depth integer, p_limit integer, p_directions text[],
    p_types text[], p_least numeric, p_on date, p_is_masked boolean)
RETURNS text LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_max_edges CONSTANT integer := 2000;
    v_max_hidden CONSTANT integer := 99;
    v_max_own CONSTANT integer := 2000;
    v_sees_all CONSTANT boolean := p_owners IS NULL;
    -- Nothing is filtered: most questions are such, and then a tie costs half.
    v_is_open CONSTANT boolean := p_directions IS NULL AND p_types IS NULL AND coalesce(p_least, 0) = 0;
    v_own uuid[];  -- all the caller sees; null: too many, or not asked for
    v_least numeric := coalesce(p_least, 0);
    -- A direction is read from the customer already reached: a supplier stands left of a "client" row.
    v_left_ways text[] := ARRAY(
        SELECT d FROM unnest(coalesce(p_directions, '{relative,friend,client,partner,ally}')) d WHERE d <> 'supplier');
    v_right_ways text[] := ARRAY(
        SELECT CASE d WHEN 'supplier' THEN 'client' ELSE d END
        FROM unnest(coalesce(p_directions, '{relative,friend,supplier,partner,ally}')) d WHERE d <> 'client');
    -- So is a type: from the right end it bears its inverse code. Null: all of them.
    v_left_types text[];
    v_right_types text[];
    -- Types that say something delicate: an auditor is told, and can ask for, the generic one of their direction.
    v_veiled text[] := '{}';
    -- One element a kept customer, in the order they were kept; v_edges holds the tie that led to him.
    v_ids uuid[] := ARRAY[p_root];
    v_parents uuid[] := ARRAY[NULL::uuid];
    v_depths integer[] := ARRAY[0];
    v_strengths numeric[] := ARRAY[1.0];
    v_vias text[] := ARRAY[NULL::text];
    v_types text[] := ARRAY[NULL::text];
    v_is_turned boolean[] := ARRAY[false];  -- read from the right end, where a type bears its inverse code
    v_edges uuid[] := '{}';
    v_ends uuid[];  -- both ends of every tie of the answer
    v_front integer := 1;  -- where the last hop begins
    v_fan integer;
    v_size integer;
    v_met integer;
    v_omitted integer := 0;
    v_is_cut boolean;
    v_is_truncated boolean := false;
    v_new record;
    v_nodes text;
    v_ties text;
    v_walked integer;  -- how many of those kept may have hidden ones behind them
    v_behind integer[];  -- and how many those are
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_is_masked THEN
        v_veiled := ARRAY(SELECT t.code FROM relation_types t WHERE t.org_id = p_org AND t.sensitivity = 'sensitive');
    END IF;
    IF p_types IS NOT NULL THEN
        SELECT coalesce(array_agg(t.code) FILTER (WHERE g.code = ANY(p_types)), '{}'),
               coalesce(array_agg(t.code) FILTER (WHERE g.inverse_code = ANY(p_types)), '{}')
        INTO v_left_types, v_right_types
        FROM relation_types t
        JOIN relation_types g ON g.org_id = p_org
         AND g.code = CASE WHEN t.code = ANY(v_veiled) THEN t.direction ELSE t.code END
        WHERE t.org_id = p_org;
    END IF;
    IF p_depth > 1 AND NOT v_sees_all THEN
        SELECT array_agg(o.id) INTO v_own FROM (
            SELECT c.id FROM customers c WHERE c.org_id = p_org AND c.owner_id = ANY(p_owners)
            UNION ALL
            SELECT c.id FROM customers c WHERE c.org_id = p_org AND c.service_team_id = ANY(p_owners)
            LIMIT v_max_own + 1) o;
        IF cardinality(v_own) > v_max_own THEN
            v_own := NULL;
        END IF;
    END IF;
    FOR v_depth IN 1 .. p_depth LOOP
        v_size := cardinality(v_ids);
        EXIT WHEN v_front > v_size OR v_omitted > 0;
        v_fan := greatest(20, least(1000, 4000 / (v_size - v_front + 1)));
        WITH reached AS (
            SELECT t.node, f.id AS parent, t.via, t.type, t.is_turned, t.edge, f.strength * t.strength AS strength,
                   row_number() OVER (PARTITION BY f.place ORDER BY t.strength DESC, t.edge DESC) AS place
            FROM unnest(v_ids[v_front:], v_strengths[v_front:]) WITH ORDINALITY AS f (id, strength, place)
            CROSS JOIN LATERAL (
                (SELECT r.id AS edge, r.right_id AS node, r.direction AS via, r.type, false AS is_turned, r.strength
                 FROM relationships r
                 WHERE r.org_id = p_org AND r.left_id = f.id AND {valid}
                   AND (v_is_open OR r.strength >= v_least AND r.direction = ANY(v_left_ways)
                        AND (v_left_types IS NULL OR r.type = ANY(v_left_types)))
                   AND r.right_id NOT IN (SELECT unnest(v_ids))
                   AND (v_sees_all OR CASE WHEN v_own IS NOT NULL THEN r.right_id IN (SELECT unnest(v_own)) ELSE (
                       SELECT c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners)
                       FROM customers c WHERE c.org_id = p_org AND c.id = r.right_id) END)
                 ORDER BY r.strength DESC, r.id DESC LIMIT v_fan + 1)
                UNION ALL
                (SELECT r.id, r.left_id, CASE r.direction WHEN 'client' THEN 'supplier' ELSE r.direction END,
                        r.type, true, r.strength
                 FROM relationships r
                 WHERE r.org_id = p_org AND r.right_id = f.id AND {valid}
                   AND (v_is_open OR r.strength >= v_least AND r.direction = ANY(v_right_ways)
                        AND (v_right_types IS NULL OR r.type = ANY(v_right_types)))
                   AND r.left_id NOT IN (SELECT unnest(v_ids))
                   AND (v_sees_all OR CASE WHEN v_own IS NOT NULL THEN r.left_id IN (SELECT unnest(v_own)) ELSE (
                       SELECT c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners)
                       FROM customers c WHERE c.org_id = p_org AND c.id = r.left_id) END)
                 ORDER BY r.strength DESC, r.id DESC LIMIT v_fan + 1)
            ) t
        ), best AS (
            SELECT DISTINCT ON (node) * FROM reached WHERE place <= v_fan ORDER BY node, strength DESC, edge DESC
        ), kept AS (
            SELECT * FROM best ORDER BY strength DESC, node LIMIT p_limit - v_size
        )
        SELECT (SELECT count(*) FROM best) AS met,
               (SELECT coalesce(bool_or(place > v_fan), false) FROM reached) AS is_cut,
               array_agg(node ORDER BY strength DESC, node) AS nodes,
               array_agg(parent ORDER BY strength DESC, node) AS parents,
               array_agg(strength ORDER BY strength DESC, node) AS strengths,
               array_agg(via ORDER BY strength DESC, node) AS vias,
               array_agg(type ORDER BY strength DESC, node) AS types,
               array_agg(is_turned ORDER BY strength DESC, node) AS turned,
               array_agg(edge ORDER BY strength DESC, node) AS edges
        INTO v_new FROM kept;
        v_met := coalesce(cardinality(v_new.nodes), 0);
        v_omitted := v_new.met - v_met;
        v_is_truncated := v_is_truncated OR v_new.is_cut OR v_omitted > 0;
        v_front := v_size + 1;
        v_ids := v_ids || v_new.nodes;
        v_parents := v_parents || v_new.parents;
        v_strengths := v_strengths || v_new.strengths;
        v_vias := v_vias || v_new.vias;
        v_types := v_types || v_new.types;
        v_is_turned := v_is_turned || v_new.turned;
        v_edges := v_edges || v_new.edges;
        v_depths := v_depths || array_fill(v_depth, ARRAY[v_met]);
    END LOOP;

    -- Read from the index alone (that is why it carries the role). The ties that led somewhere are never cut off.
    -- Both texts are put together by hand: row_to_json takes three times as long.
    SELECT string_agg(concat('{"id":"', t.id, '","from_id":"', t.left_id, '","to_id":"', t.right_id, '","direction":"',
                             t.direction, '","type":"',
                             CASE WHEN t.type = ANY(v_veiled) THEN t.direction ELSE t.type END,
                             '","strength":', trim_scale(t.strength), ',"role":',
                             coalesce(to_json(CASE WHEN t.type <> ALL(v_veiled) THEN t.right_role END)::text, 'null'),
                             '}'),
                      ',' ORDER BY t.is_path DESC, t.strength DESC, t.id DESC),
           coalesce(array_agg(t.left_id) || array_agg(t.right_id), '{}'), coalesce(max(t.total), 0) > v_max_edges
    INTO v_ties, v_ends, v_is_cut
    FROM (
        SELECT r.id, r.left_id, r.right_id, r.direction, r.type, r.strength, r.right_role,
               count(*) OVER () AS total, r.id IN (SELECT unnest(v_edges)) AS is_path
        FROM unnest(v_ids) AS k (id)
        JOIN relationships r ON r.org_id = p_org AND r.left_id = k.id AND {valid}
         AND (v_is_open OR r.strength >= v_least AND (
              r.direction = ANY(v_left_ways) AND (v_left_types IS NULL OR r.type = ANY(v_left_types))
              OR r.direction = ANY(v_right_ways) AND (v_right_types IS NULL OR r.type = ANY(v_right_types))))
        WHERE (r.right_id IN (SELECT unnest(v_ids))) IS TRUE  -- hashed, before a row is made of the entry
        ORDER BY is_path DESC, r.strength DESC, r.id DESC
        LIMIT v_max_edges
    ) t;

    -- Counted without any filter: asked type by type or day by day, the number would tell what those ties are.
    IF NOT v_sees_all THEN
        v_walked := cardinality(v_ids) - cardinality(array_positions(v_depths, p_depth));
        WITH met AS (
            SELECT DISTINCT k.place, e.id
            FROM unnest(v_ids[:v_walked]) WITH ORDINALITY AS k (id, place)
            CROSS JOIN LATERAL (
                SELECT r.right_id AS id FROM relationships r
                WHERE r.org_id = p_org AND r.left_id = k.id
                  AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                UNION ALL
                SELECT r.left_id FROM relationships r
                WHERE r.org_id = p_org AND r.right_id = k.id
                  AND r.until IS NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
            ) e
            WHERE e.id NOT IN (SELECT unnest(v_ids)) AND (v_own IS NULL OR e.id NOT IN (SELECT unnest(v_own)))
        ), behind AS (
            SELECT m.place, least(count(*), v_max_hidden) AS hidden
            FROM met m
            WHERE v_own IS NOT NULL OR (
                SELECT c.owner_id <> ALL(p_owners) AND (c.service_team_id IS NULL OR c.service_team_id <> ALL(p_owners))
                FROM customers c WHERE c.org_id = p_org AND c.id = m.id)
            GROUP BY m.place
        )
        SELECT array_agg(coalesce(b.hidden, 0) ORDER BY k.place) INTO v_behind
        FROM generate_series(1, v_walked) AS k (place) LEFT JOIN behind b ON b.place = k.place;
    END IF;

    SELECT string_agg(
        concat('{"id":"', k.id, '","name":', to_json(c.name), ',"party_type":"', c.party_type, '","stage":"', c.stage,
               '","tier":', coalesce(to_json(c.tier), 'null'),
               ',"gender":', coalesce(to_json(c.gender), 'null'), ',"is_shadow":', c.is_shadow::text,
               ',"ownership":"', CASE WHEN c.owner_id = p_me THEN 'mine'
                                      WHEN v_sees_all OR c.owner_id = ANY(p_owners) THEN 'colleague'
                                      ELSE 'service_team' END,
               '","depth":', k.depth, ',"parent_id":', coalesce(to_json(k.parent_id), 'null'),
               ',"strength":', trim_scale(k.strength), ',"via":', coalesce(to_json(k.via), 'null'),
               -- The type as read from the parent: with the parent right, the customer is its inverse.
               ',"via_type":', coalesce(to_json(CASE WHEN k.is_turned THEN y.inverse_code ELSE y.code END), 'null'),
               ',"degree":', coalesce(d.ties, 0), ',"hidden":', coalesce(k.hidden, 0), '}'),
        ',' ORDER BY k.place) INTO v_nodes
    FROM unnest(v_ids, v_parents, v_depths, v_strengths, v_vias, v_types, v_is_turned, v_behind) WITH ORDINALITY
         AS k (id, parent_id, depth, strength, via, type, is_turned, hidden, place)
    JOIN customers c ON c.org_id = p_org AND c.id = k.id
    LEFT JOIN (SELECT e.id, count(*) AS ties FROM unnest(v_ends) AS e (id) GROUP BY e.id) d ON d.id = k.id
    LEFT JOIN relation_types y ON y.org_id = p_org AND y.code = CASE
        WHEN k.type <> ALL(v_veiled) THEN k.type WHEN k.via = 'supplier' THEN 'client' ELSE k.via END;

    RETURN format('{"root_id":"%s","depth":%s,"nodes":[%s],"edges":[%s],"truncated":%s,"omitted":%s,"hidden":%s}',
                  p_root, p_depth, v_nodes, coalesce(v_ties, ''), (v_is_truncated OR v_is_cut)::text, v_omitted,
                  (SELECT coalesce(sum(b), 0) FROM unnest(v_behind) AS b));
END $$;
REVOKE ALL ON FUNCTION {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean)
    TO {app_role};
