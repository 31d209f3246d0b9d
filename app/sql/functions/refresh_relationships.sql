-- Strength and warmth of these relationships as of a day, from what was declared and from the contacts recorded.
--
-- computed = 1 - exp(-sum(weight(kind) * 0.5 ^ (days ago / half-life))); weights and half-life are the organisation's.
-- strength = the greater of declared and computed, unless the organisation prefers one of them; where nothing was
-- declared, the default of the type stands for it. warmth, by which introductions are ranked, is
-- strength * weight of the type * recency, recency = 0.8 + 0.2 * 0.5 ^ (days since the last contact / 180), 0.9 when no
-- contact was recorded. Both are kept in the row, so that the indexes deliver ties in their order.
--
-- Exponents end at 1,000 and 700: power() and exp() raise an error where their result is too small to be represented
-- (22003), for 0.5 ^ 1,075 and exp(-746). To three decimals nothing of that is left.
--
-- p_move: a row is written only when strength or warmth moves by that much (0: by anything), because every write costs
-- the index-only scans their visibility map. p_bump is added to the version: a change that phones hear of, so what is
-- deleted, or hangs on a deleted end, by the time it is locked is not written then. Answers what was written.
DROP FUNCTION IF EXISTS refresh_relationships(uuid, uuid[], date, numeric, integer);
CREATE FUNCTION refresh_relationships(p_org uuid, p_ids uuid[], p_today date, p_move numeric, p_bump integer)
RETURNS TABLE (id uuid, left_id uuid, right_id uuid) LANGUAGE sql AS $$
    WITH contacts AS (
        SELECT i.relationship_id, max(i.occurred_on) AS last_on,
               round((1 - exp(-least(700, sum(coalesce((o.interaction_weights ->> i.kind)::float8, 0)
                   * power(0.5::float8, least(1000, greatest(p_today - i.occurred_on, 0)::float8
                                                    / o.strength_half_life_days))))
                   ))::numeric, 3) AS computed
        FROM relationship_interactions i
        JOIN org_settings o ON o.org_id = p_org AND o.id = p_org
        WHERE i.org_id = p_org AND i.relationship_id = ANY(p_ids) AND i.deleted_at IS NULL
        GROUP BY i.relationship_id
    ), strengths AS (
        SELECT r.id, c.computed, c.last_on, t.introduction_weight,
               CASE o.strength_rule
                   WHEN 'declared' THEN coalesce(r.declared_strength, c.computed, t.default_strength)
                   WHEN 'computed' THEN coalesce(c.computed, r.declared_strength, t.default_strength)
                   ELSE greatest(coalesce(r.declared_strength, t.default_strength), coalesce(c.computed, 0))
               END AS strength
        FROM relationships r
        JOIN relation_types t ON t.org_id = p_org AND t.code = r.type
        JOIN org_settings o ON o.org_id = p_org AND o.id = p_org
        LEFT JOIN contacts c ON c.relationship_id = r.id
        WHERE r.org_id = p_org AND r.id = ANY(p_ids)
    ), fresh AS (
        SELECT s.id, s.computed, s.last_on, s.strength,
               round(s.strength * s.introduction_weight * CASE WHEN s.last_on IS NULL THEN 0.9
                   ELSE (0.8 + 0.2 * power(0.5::float8, least(1000, greatest(p_today - s.last_on, 0)::float8 / 180)))::numeric
                   END, 3) AS warmth
        FROM strengths s
    )
    UPDATE relationships r
    SET computed_strength = f.computed, last_interaction_on = f.last_on, strength = f.strength, warmth = f.warmth,
        version = r.version + p_bump, updated_at = CASE p_bump WHEN 0 THEN r.updated_at ELSE clock_timestamp() END
    FROM fresh f
    WHERE r.org_id = p_org AND r.id = f.id AND (p_bump = 0 OR r.deleted_at IS NULL AND NOT r.is_dangling)
      AND (r.computed_strength, r.last_interaction_on, r.strength, r.warmth)
          IS DISTINCT FROM (f.computed, f.last_on, f.strength, f.warmth)
      AND (abs(r.strength - f.strength) >= p_move OR abs(r.warmth - f.warmth) >= p_move
           OR r.last_interaction_on IS DISTINCT FROM f.last_on)
    RETURNING r.id, r.left_id, r.right_id
$$;
REVOKE ALL ON FUNCTION refresh_relationships(uuid, uuid[], date, numeric, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refresh_relationships(uuid, uuid[], date, numeric, integer) TO {app_role};
