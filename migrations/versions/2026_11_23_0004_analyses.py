"""Forms, their responses, needs analyses, dossier facts."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        # Published forms are the same for every organisation and never change: a reference table.
        """CREATE TABLE form_versions (
            form_key text NOT NULL,
            version text NOT NULL,
            status text NOT NULL CHECK (status IN ('published', 'withdrawn')),
            content_hash text NOT NULL,
            definition jsonb NOT NULL,
            published_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (form_key, version))""",
        f"GRANT SELECT ON form_versions TO {app_role()}",
        f"""CREATE TABLE form_responses ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            form_key text NOT NULL,
            form_version text NOT NULL,
            content_hash text NOT NULL,
            status text NOT NULL CHECK (status IN ('draft', 'completed')),
            answers jsonb NOT NULL,
            recorded_by uuid NOT NULL,
            completed_at timestamptz,
            needs_analysis_id uuid,
            created_digest bytea NOT NULL,
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))""",
        "CREATE INDEX form_responses_customer ON form_responses (org_id, customer_id, created_at DESC, id DESC)",
        f"""CREATE TABLE needs_analyses ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            form_response_id uuid NOT NULL,
            method_code text NOT NULL,
            method_version text NOT NULL,
            need_fen bigint NOT NULL,
            existing_cover_fen bigint NOT NULL,
            gap_fen bigint NOT NULL,
            result jsonb NOT NULL,
            prepared_by uuid NOT NULL,
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, form_response_id) REFERENCES form_responses (org_id, id))""",
        "CREATE INDEX needs_analyses_customer ON needs_analyses (org_id, customer_id, created_at DESC, id DESC)",
        f"""CREATE TABLE dossier_facts ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            fact_key text NOT NULL,
            value text NOT NULL,
            source text NOT NULL
                CHECK (source IN ('customer', 'observed', 'third_party', 'public', 'document')),
            observed_on date NOT NULL,
            recorded_by uuid NOT NULL,
            superseded_at timestamptz,
            created_digest bytea NOT NULL,
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, recorded_by) REFERENCES users (org_id, id))""",
        """CREATE UNIQUE INDEX dossier_facts_current ON dossier_facts (org_id, customer_id, fact_key)
           WHERE deleted_at IS NULL AND superseded_at IS NULL""",
        "CREATE INDEX dossier_facts_customer ON dossier_facts (org_id, customer_id, created_at DESC, id DESC)",
    )
    protect("form_responses")
    protect("needs_analyses", "SELECT, INSERT")
    protect("dossier_facts")
