-- The network around one customer, as finished JSON: breadth first, hop by hop, the strongest ties first.
--
-- From every customer of the last hop the strongest ties that lead to somebody new and visible are followed, at most
-- `fan` of them, so that a hub cannot swallow the answer. The fan shares a budget of 4,000 ties a hop among the
-- customers of that hop (20 to 1,000 each). Of everybody met, the best by product of strengths are kept until p_limit
-- (the root included); the hop that overflows is the last. Where a hop has many more customers than there is room for,
-- the walk goes on from its strongest; from others only if somebody behind them could be better than the worst kept, as
-- nobody's strength is above that of the one he is reached through. The customers of the answer are the same.
--
-- Every customer the walk goes on from is read once, from both indexes alone: all his ties, each of one kind: 1 leads to
-- somebody known already, 2 to somebody new, 4 to somebody new though it was not asked for, 3 to somebody hidden. From
-- that the next hop is chosen, the ties of the answer are taken, the hidden are counted. Ties between two whom the walk
-- does not go on from would cost as much again; they are read when they are asked for, and around a single hop.
--
-- The file is installed twice (app/migrate.py): {name} = ego_network walks the ties that are current, by the partial
-- indexes; ego_network_on those that were valid on the day p_on, ended ones included. Its slots stand there:
-- what was asked for, read from the left and from the right end, and a tie as it is answered (put together by hand:
-- row_to_json takes three times as long).
--
-- Visibility is tested inside the walk: whom the caller may not see takes no place in a fan, is never passed through,
-- and leaves no mark in `truncated` or `omitted`. What the caller is told is how many of them stand behind each customer
-- the walk went on from (`hidden`, counted to 99, whatever the filters). An agent's own parties are some hundred
-- neighbours in one index: they are read at once and hashed. Of somebody who sees more than 2,000 (at depth 3, where many
-- are met, 6,000) each one met is looked up: hashing 30,000 took 9 to 30 ms. So is it at depth 1, where few are met.
-- Whether he sees the root is asked by get_network.sql. The function has the rights of its caller: row-level security
-- stands behind it.
DROP FUNCTION IF EXISTS ego_network(uuid, uuid[], uuid, integer, integer, text[]);
DROP FUNCTION IF EXISTS {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date);
DROP FUNCTION IF EXISTS {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean);
DROP FUNCTION IF EXISTS
    {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean, boolean);
CREATE FUNCTION {name}(
    p_org uuid, p_owners uuid[], p_me uuid, p_root uuid, p_depth integer, p_limit integer, p_directions text[],
    p_types text[], p_least numeric, p_on date, p_is_masked boolean, p_has_outer boolean)
RETURNS text LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_max_edges CONSTANT integer := 2000;
    v_max_hidden CONSTANT integer := 99;
    v_max_own CONSTANT integer := CASE WHEN p_depth < 3 THEN 2000 ELSE 6000 END;
    v_sees_all CONSTANT boolean := p_owners IS NULL;
    v_is_open CONSTANT boolean := p_directions IS NULL AND p_types IS NULL AND coalesce(p_least, 0) = 0;
    v_own uuid[];  -- all the caller sees; null: too many, or not asked for
    v_stored uuid[] := '{}';  -- who is restricted: hidden even from him who sees all
    v_least CONSTANT numeric := coalesce(p_least, 0);
    -- A direction is read from the customer already reached: a supplier stands left of a "client" row.
    v_left_ways text[];
    v_right_ways text[];
    -- So is a type: from the right end it bears its inverse code. Null: all of them.
    v_left_types text[];
    v_right_types text[];
    -- Types that say something delicate: an auditor is told, and can ask for, the generic one of their direction.
    v_veiled text[] := '{}';
    -- One element a kept customer, in the order they were kept; v_edges holds the tie that led to him.
    v_ids uuid[] := ARRAY[p_root];
    v_parents integer[] := ARRAY[NULL::integer];  -- as places in v_ids
    v_depths integer[] := ARRAY[0];
    v_strengths numeric[] := ARRAY[1.0];
    v_types text[] := ARRAY[NULL::text];
    v_is_turned boolean[] := ARRAY[false];  -- read from the right end, where a type bears its inverse code
    v_edges uuid[] := '{}';
    -- The ties of the answer, one a line, and one element for each.
    v_ties text;
    v_tie_ids uuid[] := '{}';
    v_tie_strengths numeric[] := '{}';
    v_lefts uuid[] := '{}';
    v_rights uuid[] := '{}';
    v_before integer := 1;  -- where the hop before the last one begins
    v_front integer := 1;  -- where the last hop begins
    v_last integer;  -- of the hop, the last one the walk goes on from; after him it does not
    v_room integer;
    v_fan integer;
    v_is_hashed boolean;  -- v_own is, for this hop
    v_size integer;
    v_new record;
    v_omitted integer := 0;
    v_is_cut boolean := false;  -- a fan left something out
    v_is_partial boolean := false;  -- the walk did not go on from all of the hop
    v_is_truncated boolean;
    v_has_outer boolean;
    v_crowded integer[] := '{}';  -- of the last hop, as places in v_ids: whose fan left something out
    v_late integer[] := '{}';  -- of the hops before it: who may have late ties
    v_nodes text;
    v_behind integer[] := '{}';  -- how many hidden ones stand behind each the walk went on from
BEGIN
    IF p_org IS DISTINCT FROM app_org() OR app_org() IS NULL THEN
        RAISE EXCEPTION 'not bound to this organisation' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_is_masked THEN
        v_veiled := ARRAY(SELECT t.code FROM relation_types t WHERE t.org_id = p_org AND t.sensitivity = 'sensitive');
    END IF;
    IF NOT v_is_open THEN
        v_left_ways := ARRAY(
            SELECT d FROM unnest(coalesce(p_directions, '{relative,friend,client,partner,ally}')) d
            WHERE d <> 'supplier');
        v_right_ways := ARRAY(
            SELECT CASE d WHEN 'supplier' THEN 'client' ELSE d END
            FROM unnest(coalesce(p_directions, '{relative,friend,supplier,partner,ally}')) d WHERE d <> 'client');
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
    IF v_sees_all THEN
        v_stored := restricted_customers(p_org);
    ELSIF p_depth > 1 THEN
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
        EXIT WHEN v_front > v_size OR v_omitted > 0 OR v_is_partial;
        v_late := v_late || v_crowded;
        v_room := p_limit - v_size;
        v_last := CASE WHEN v_room = 0 THEN v_size ELSE least(v_size, v_front - 1 + v_room * 5 / 4 + 16) END;
        -- Hashing costs 0.1 µs for each of them, looking up 5 µs for each tie met, of which a customer has ten.
        v_is_hashed := v_own IS NOT NULL AND cardinality(v_own) < 500 * (v_size - v_front + 1);
        v_fan := greatest(20, least(1000, 4000 / (v_size - v_front + 1)));
        LOOP
            WITH touched AS MATERIALIZED (
                SELECT x.id, x.place, x.reach, x.edge, x.node, x.direction, x.type, x.strength, x.right_role,
                       x.is_turned, x.kind
                FROM (
                    SELECT f.id, f.place, f.strength AS reach, t.*, CASE
                               WHEN n.place >= v_front THEN
                                   CASE WHEN t.is_shown AND (NOT t.is_turned OR n.place > v_last) THEN 1 ELSE 0 END
                               WHEN n.place >= v_before THEN 0
                               WHEN n.place > 0 THEN CASE WHEN t.is_shown THEN 1 ELSE 0 END
                               WHEN v_sees_all AND t.node <> ALL (v_stored) OR CASE
                                   WHEN v_is_hashed THEN t.node IN (SELECT unnest(v_own))
                                   ELSE (SELECT c.owner_id = ANY(p_owners) OR c.service_team_id = ANY(p_owners)
                                         FROM customers c WHERE c.org_id = p_org AND c.id = t.node) END
                               THEN CASE WHEN t.is_followed THEN 2 WHEN t.is_shown THEN 4 ELSE 0 END
                               WHEN t.is_current THEN 3 ELSE 0 END AS kind
                    FROM unnest(v_ids[v_front:v_last], v_strengths[v_front:v_last]) WITH ORDINALITY
                         AS f (id, strength, place)
                    CROSS JOIN LATERAL (
                        SELECT r.id AS edge, r.right_id AS node, r.direction, r.type, r.strength, r.right_role,
                               false AS is_turned, true AS is_current,
                               {begun} AND {left} AS is_followed, {begun} AND {either} AS is_shown
                        FROM relationships r WHERE r.org_id = p_org AND r.left_id = f.id AND r.until IS NULL
                         AND r.deleted_at IS NULL AND NOT r.is_dangling
                        UNION ALL
                        SELECT r.id, r.left_id, r.direction, r.type, r.strength, r.right_role, true, true,
                               {begun} AND {right}, {begun} AND {either}
                        FROM relationships r WHERE r.org_id = p_org AND r.right_id = f.id AND r.until IS NULL
                         AND r.deleted_at IS NULL AND NOT r.is_dangling
                        UNION ALL
                        SELECT r.id, r.right_id, r.direction, r.type, r.strength, r.right_role, false, false,
                               {valid} AND {left}, {valid} AND {either}
                        FROM relationships r WHERE {ended} AND r.org_id = p_org AND r.left_id = f.id
                         AND r.until IS NOT NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                        UNION ALL
                        SELECT r.id, r.left_id, r.direction, r.type, r.strength, r.right_role, true, false,
                               {valid} AND {right}, {valid} AND {either}
                        FROM relationships r WHERE {ended} AND r.org_id = p_org AND r.right_id = f.id
                         AND r.until IS NOT NULL AND r.deleted_at IS NULL AND NOT r.is_dangling
                    ) t
                    LEFT JOIN unnest(v_ids) WITH ORDINALITY AS n (id, place) ON n.id = t.node
                    OFFSET 0
                ) x
                WHERE x.kind > 0
            ), crowded AS MATERIALIZED (
                SELECT place FROM touched WHERE kind = 2 GROUP BY place HAVING count(*) > v_fan
            ), reached AS (
                SELECT node, place, type, is_turned, edge, reach * strength AS strength
                FROM touched WHERE kind = 2 AND place NOT IN (SELECT c.place FROM crowded c)
                UNION ALL
                SELECT node, place, type, is_turned, edge, reach * strength
                FROM (SELECT node, place, type, is_turned, edge, reach, strength,
                             row_number() OVER (PARTITION BY place ORDER BY strength DESC, edge DESC) AS rank
                      FROM touched t WHERE kind = 2 AND place IN (SELECT c.place FROM crowded c)) r
                WHERE rank <= v_fan
            ), best AS (
                SELECT DISTINCT ON (node) * FROM reached ORDER BY node, strength DESC, edge DESC
            ), kept AS (
                SELECT * FROM best ORDER BY strength DESC, node LIMIT v_room
            ), shown AS (
                SELECT CASE WHEN is_turned THEN node ELSE id END AS left_id,
                       CASE WHEN is_turned THEN id ELSE node END AS right_id,
                       edge, direction, type, strength, right_role
                FROM touched
                WHERE kind = 1 OR kind <> 3 AND node IN (SELECT k.node FROM kept k)
                ORDER BY strength DESC, edge DESC
            ), behind AS (
                SELECT place, least(count(DISTINCT node), v_max_hidden) AS hidden
                FROM touched WHERE kind = 3 GROUP BY place
            )
            SELECT (SELECT count(*) FROM best) AS met, k.*, s.*,
                   ARRAY(SELECT (v_front - 1 + c.place)::integer FROM crowded c) AS crowded,
                   CASE WHEN NOT v_sees_all THEN (
                       SELECT array_agg(coalesce(b.hidden, 0) ORDER BY f.place)
                       FROM generate_series(1, v_last - v_front + 1) AS f (place)
                       LEFT JOIN behind b ON b.place = f.place
                   ) END AS behind
            INTO v_new
            FROM (SELECT array_agg(node) AS nodes, array_agg((v_front - 1 + place)::integer) AS parents,
                         array_agg(strength) AS strengths, array_agg(type) AS types, array_agg(is_turned) AS turned,
                         array_agg(edge) AS edges, count(*) AS kept, min(strength) AS worst
                  FROM (SELECT * FROM kept ORDER BY strength DESC, node) o) k,
                 (SELECT string_agg({tie}, E',\n') AS ties,
                         array_agg(edge) AS tie_ids, array_agg(strength) AS tie_strengths,
                         array_agg(left_id) AS lefts, array_agg(right_id) AS rights
                  FROM shown) s;
            EXIT WHEN v_last = v_size OR v_new.kept = v_room AND v_strengths[v_last + 1] < v_new.worst;
            v_last := CASE
                WHEN v_new.kept < v_room THEN v_size
                ELSE v_front - 1 + (SELECT count(*) FROM unnest(v_strengths[v_front:]) s WHERE s >= v_new.worst) END;
        END LOOP;
        v_before := v_front;
        v_front := v_size + 1;
        v_is_partial := v_last < v_size;
        v_omitted := v_new.met - v_new.kept;
        v_crowded := v_new.crowded;
        v_is_cut := v_is_cut OR cardinality(v_crowded) > 0;
        v_ids := v_ids || v_new.nodes;
        v_parents := v_parents || v_new.parents;
        v_depths := v_depths || array_fill(v_depth, ARRAY[v_new.kept::integer]);
        v_strengths := v_strengths || v_new.strengths;
        v_types := v_types || v_new.types;
        v_is_turned := v_is_turned || v_new.turned;
        v_edges := v_edges || v_new.edges;
        v_behind := v_behind || v_new.behind;
        v_ties := concat_ws(E',\n', v_ties, v_new.ties);
        v_tie_ids := v_tie_ids || v_new.tie_ids;
        v_tie_strengths := v_tie_strengths || v_new.tie_strengths;
        v_lefts := v_lefts || v_new.lefts;
        v_rights := v_rights || v_new.rights;
    END LOOP;

    -- Ties between two whom the walk did not go on from; and late ones, between such a customer and one of hops before
    -- the one that led to him: such a tie was met but not followed, as a filter or the fan left it out.
    v_has_outer := p_has_outer OR v_front = 2;
    IF NOT v_is_open THEN
        v_late := ARRAY(SELECT generate_series(1, v_before - 1));
    END IF;
    IF v_has_outer OR cardinality(v_late) > 0 THEN
        SELECT concat_ws(E',\n', v_ties, string_agg({tie}, E',\n')),
               v_tie_ids || array_agg(edge), v_tie_strengths || array_agg(strength),
               v_lefts || array_agg(left_id), v_rights || array_agg(right_id)
        INTO v_ties, v_tie_ids, v_tie_strengths, v_lefts, v_rights
        FROM (
            SELECT r.id AS edge, r.left_id, r.right_id, r.direction, r.type, r.strength, r.right_role
            FROM unnest(v_ids[v_last + 1:]) AS k (id)
            JOIN relationships r ON r.org_id = p_org AND r.left_id = k.id AND {scope} AND {valid} AND {either}
            WHERE v_has_outer AND (r.right_id IN (SELECT unnest(v_ids[v_last + 1:]))) IS TRUE
            UNION ALL
            SELECT r.id, r.left_id, r.right_id, r.direction, r.type, r.strength, r.right_role
            FROM unnest(v_late) AS k (place)
            JOIN relationships r ON r.org_id = p_org AND r.left_id = v_ids[k.place]
             AND {scope} AND {valid} AND {either}
            WHERE (r.right_id IN (SELECT unnest(v_ids[v_last + 1:]))) IS TRUE
              AND r.id NOT IN (SELECT unnest(v_tie_ids))
            UNION ALL
            SELECT r.id, r.left_id, r.right_id, r.direction, r.type, r.strength, r.right_role
            FROM unnest(v_late) AS k (place)
            JOIN relationships r ON r.org_id = p_org AND r.right_id = v_ids[k.place]
             AND {scope} AND {valid} AND {either}
            WHERE (r.left_id IN (SELECT unnest(v_ids[v_last + 1:]))) IS TRUE
              AND r.id NOT IN (SELECT unnest(v_tie_ids))
            ORDER BY strength DESC, edge DESC
        ) o;
    END IF;
    v_is_truncated := v_is_cut OR v_is_partial OR v_omitted > 0 OR cardinality(v_tie_ids) > v_max_edges;
    IF cardinality(v_tie_ids) > v_max_edges THEN
        SELECT string_agg(t.tie, E',\n'), array_agg(t.left_id), array_agg(t.right_id) INTO v_ties, v_lefts, v_rights
        FROM (
            SELECT * FROM unnest(string_to_array(v_ties, E',\n'), v_lefts, v_rights, v_tie_ids, v_tie_strengths)
                AS t (tie, left_id, right_id, id, strength)
            ORDER BY t.id IN (SELECT unnest(v_edges)) DESC, t.strength DESC, t.id DESC
            LIMIT v_max_edges
        ) t;
    END IF;

    SELECT string_agg(
        '{"id":"' || k.id || '","name":' || to_json(c.name) || ',"party_type":"' || c.party_type ||
        '","stage":"' || c.stage || '","tier":' || coalesce('"' || c.tier || '"', 'null') ||
        ',"gender":' || coalesce('"' || c.gender || '"', 'null') || ',"is_shadow":' || c.is_shadow::text ||
        ',"ownership":"' || CASE WHEN c.owner_id = p_me THEN 'mine'
                                 WHEN v_sees_all OR c.owner_id = ANY(p_owners) THEN 'colleague'
                                 ELSE 'service_team' END ||
        '","depth":' || k.depth || ',"parent_id":' || coalesce('"' || v_ids[k.parent] || '"', 'null') ||
        ',"strength":' || trim_scale(k.strength) || ',"via":' || coalesce('"' || y.via || '"', 'null') ||
        -- The type as read from the parent: with the parent right, the customer is its inverse.
        ',"via_type":' || coalesce('"' || CASE WHEN t.code = ANY(v_veiled) THEN y.via
                                               WHEN k.is_turned THEN t.inverse_code ELSE t.code END || '"', 'null') ||
        ',"degree":' || coalesce(d.ties, 0) || ',"hidden":' || coalesce(k.hidden, 0) || '}',
        ',' ORDER BY k.place) INTO v_nodes
    FROM unnest(v_ids, v_parents, v_depths, v_strengths, v_types, v_is_turned, v_behind) WITH ORDINALITY
         AS k (id, parent, depth, strength, type, is_turned, hidden, place)
    JOIN customers c ON c.org_id = p_org AND c.id = k.id
    LEFT JOIN (SELECT e.id, count(*) AS ties FROM unnest(v_lefts || v_rights) AS e (id) GROUP BY e.id) d ON d.id = k.id
    LEFT JOIN relation_types t ON t.org_id = p_org AND t.code = k.type
    CROSS JOIN LATERAL (
        SELECT CASE WHEN k.is_turned AND t.direction = 'client' THEN 'supplier' ELSE t.direction END AS via
    ) y;

    RETURN format('{"root_id":"%s","depth":%s,"nodes":[%s],"edges":[%s],"truncated":%s,"omitted":%s,"hidden":%s}',
                  p_root, p_depth, v_nodes, v_ties, v_is_truncated::text, v_omitted,
                  (SELECT coalesce(sum(b), 0) FROM unnest(v_behind) AS b));
END $$;
REVOKE ALL ON FUNCTION
    {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    {name}(uuid, uuid[], uuid, uuid, integer, integer, text[], text[], numeric, date, boolean, boolean) TO {app_role};
