"""Needs analyses of a whole household."""

from migrations.steps import BASE, protect, sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    _convert()
    _confirmations()
    sql(
        # One revision follows another: two people cannot revise the same one.
        """CREATE UNIQUE INDEX needs_analyses_supersedes ON needs_analyses (org_id, supersedes_id)
           WHERE supersedes_id IS NOT NULL""",
        """CREATE TRIGGER needs_analyses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON needs_analyses
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )


def _columns() -> None:
    sql(
        """ALTER TABLE needs_analyses
            ADD COLUMN as_of date,
            ADD COLUMN currency text NOT NULL DEFAULT 'CNY',
            ADD COLUMN household jsonb,
            ADD COLUMN results jsonb,
            ADD COLUMN affordability jsonb,
            ADD COLUMN tolerance jsonb,
            ADD COLUMN suitability jsonb,
            ADD COLUMN advice jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN missing jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN assumptions jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN facts jsonb,
            ADD COLUMN overrides jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN supersedes_id uuid,
            ADD COLUMN life_event text,
            ADD COLUMN diff jsonb,
            ADD FOREIGN KEY (org_id, supersedes_id) REFERENCES needs_analyses (org_id, id),
            ADD CHECK ((supersedes_id IS NULL) = (life_event IS NULL)),
            ADD CHECK ((supersedes_id IS NULL) = (diff IS NULL))"""
    )


def _convert() -> None:
    """What was stored of form `needs.life` becomes one result in the new shape, as `household_single.life_result`
    makes it; no figure changes."""
    sql(
        """UPDATE needs_analyses a SET
            as_of = (a.created_at AT TIME ZONE 'Asia/Shanghai')::date,
            results = jsonb_build_array(jsonb_build_object(
                'insured', 'self', 'peril', 'life', 'method', a.method_code, 'method_version', a.method_version,
                'title', jsonb_build_object('zh', '遗属需要法', 'en', 'Capital needs'), 'standing', 'formula',
                'rounding', 'half_up_fen', 'gross_need_fen', a.need_fen, 'resources_fen', a.existing_cover_fen,
                'need_fen', a.need_fen, 'existing_fen', a.existing_cover_fen, 'gap_fen', a.gap_fen,
                'over_fen', a.result -> 'over_fen', 'cover_ratio', a.result -> 'cover_ratio')
                || jsonb_build_object(
                'rank', CASE WHEN a.gap_fen > 0 THEN 1 END, 'priority', '0', 'covers', '[]'::jsonb,
                'figures', '[]'::jsonb, 'findings', '[]'::jsonb, 'inputs', a.result -> 'inputs',
                'assumptions', a.result -> 'assumptions',
                'steps', coalesce((SELECT jsonb_agg(s.step || '{"value": null, "unit": "fen", "of": "need"}'
                        ORDER BY s.n) FROM jsonb_array_elements(a.result -> 'steps') WITH ORDINALITY s (step, n)), '[]')
                    || CASE WHEN a.existing_cover_fen = 0 THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object(
                        'key', 'existing_cover', 'label',
                        jsonb_build_object('zh', '现有保障', 'en', 'Existing cover'), 'formula', 'amount_fen',
                        'substituted', a.existing_cover_fen::text, 'numbers',
                        jsonb_build_object('amount_fen', a.existing_cover_fen), 'amount_fen', a.existing_cover_fen,
                        'sign', 'add', 'value', NULL, 'unit', 'fen', 'of', 'resources')) END))""",
        """ALTER TABLE needs_analyses
            ALTER COLUMN as_of SET NOT NULL,
            ALTER COLUMN results SET NOT NULL,
            DROP COLUMN result""",
    )


def _confirmations() -> None:
    sql(
        # The customer's word on an analysis. It is added and never changed; the analysis itself stays as it is.
        f"""CREATE TABLE needs_analysis_confirmations ({BASE.rstrip()},
            needs_analysis_id uuid NOT NULL,
            kind text NOT NULL CHECK (kind IN ('signature', 'recording')),
            reference text NOT NULL,
            confirmed_at timestamptz NOT NULL,
            recorded_by uuid NOT NULL,
            UNIQUE (org_id, needs_analysis_id),
            FOREIGN KEY (org_id, needs_analysis_id) REFERENCES needs_analyses (org_id, id))""",
        """CREATE TRIGGER needs_analysis_confirmations_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
           ON needs_analysis_confirmations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
    protect("needs_analysis_confirmations", "SELECT, INSERT")
