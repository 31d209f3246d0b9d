-- What somebody of this gender is called, in both languages: {"zh": "母亲", "en": "mother"}.
CREATE OR REPLACE FUNCTION relation_label(p_label jsonb, p_gender text) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT json_build_object('zh', coalesce(p_label ->> ('zh_' || p_gender), p_label ->> 'zh'),
                             'en', coalesce(p_label ->> ('en_' || p_gender), p_label ->> 'en'))
$$;
REVOKE ALL ON FUNCTION relation_label(jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION relation_label(jsonb, text) TO {app_role};
