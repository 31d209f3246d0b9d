"""Products, sales rules and qualifications, tolerance assessments, proposals."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _selling()
    _assessments()
    _proposals()


def _selling() -> None:
    sql(
        "ALTER TABLE org_settings ADD COLUMN sales_rules jsonb NOT NULL DEFAULT '{}'",
        """ALTER TABLE users
           ADD COLUMN licence_no text,
           ADD COLUMN qualification_level smallint CHECK (qualification_level BETWEEN 1 AND 4)""",
        f"""CREATE TABLE products ({BASE.rstrip()},
            code text NOT NULL,
            name text NOT NULL,
            insurer text NOT NULL,
            category text NOT NULL,
            design text NOT NULL,
            level smallint NOT NULL CHECK (level BETWEEN 1 AND 5),
            is_active boolean NOT NULL DEFAULT true,
            CONSTRAINT products_code UNIQUE (org_id, code))""",
    )
    protect("products")


def _assessments() -> None:
    sql(
        # A result that differs from the one that held before counts once the customer has confirmed it.
        f"""CREATE TABLE tolerance_assessments ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            form_response_id uuid NOT NULL,
            tolerance_class text NOT NULL CHECK (tolerance_class IN ('c1', 'c2', 'c3', 'c4', 'c5')),
            level smallint NOT NULL CHECK (level BETWEEN 1 AND 5),
            score text NOT NULL,
            answered_by text NOT NULL CHECK (answered_by = 'customer'),
            recorded_by uuid NOT NULL,
            assessed_at timestamptz NOT NULL,
            assessed_on date NOT NULL,
            valid_until date NOT NULL,
            differs_from uuid,
            confirmed_at timestamptz,
            CONSTRAINT tolerance_assessments_response UNIQUE (org_id, form_response_id),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, form_response_id) REFERENCES form_responses (org_id, id))""",
        """CREATE INDEX tolerance_assessments_customer
           ON tolerance_assessments (org_id, customer_id, assessed_at DESC, id DESC)""",
    )
    protect("tolerance_assessments", "SELECT, INSERT")
    sql(f"GRANT UPDATE (confirmed_at, updated_at, version) ON tolerance_assessments TO {app_role()}")


def _proposals() -> None:
    sql(
        f"""CREATE TABLE proposals ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            needs_analysis_id uuid NOT NULL,
            number text NOT NULL,
            language text NOT NULL CHECK (language IN ('zh', 'en')),
            verdict text NOT NULL,
            content jsonb NOT NULL,
            prepared_by uuid NOT NULL,
            assessed_at timestamptz NOT NULL,
            recommended_at timestamptz NOT NULL,
            signed_at timestamptz,
            signature jsonb,
            created_digest bytea NOT NULL,
            CHECK (assessed_at < recommended_at AND recommended_at < signed_at),
            CHECK ((signed_at IS NULL) = (signature IS NULL)),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, needs_analysis_id) REFERENCES needs_analyses (org_id, id))""",
        "CREATE INDEX proposals_customer ON proposals (org_id, customer_id, created_at DESC, id DESC)",
    )
    # What was recommended is never changed; a signature comes once.
    protect("proposals", "SELECT, INSERT")
    sql(
        f"GRANT UPDATE (signed_at, signature, updated_at, version) ON proposals TO {app_role()}",
        """CREATE TRIGGER proposals_signed_once BEFORE UPDATE ON proposals
           FOR EACH ROW WHEN (OLD.signed_at IS NOT NULL) EXECUTE FUNCTION refuse_change()""",
    )
