"""Rights of persons: their requests, legal holds, restriction, and the proof of what was erased."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _requests()
    _holds()
    _erasures()
    _restriction()
    sql(
        # Which rows a kept answer speaks of: it goes with them.
        "ALTER TABLE idempotency_keys ADD COLUMN about uuid[] NOT NULL DEFAULT '{}'",
        "ALTER TABLE tasks DROP CONSTRAINT tasks_kind_check",
        "ALTER TABLE tasks DROP CONSTRAINT tasks_subject_type_check",
        """ALTER TABLE tasks
            ADD CHECK (kind IN ('thank_introducer', 'answer_colleague', 'answer_rights_request')),
            ADD CHECK (subject_type IN ('introduction', 'user', 'rights_request'))""",
    )


def _requests() -> None:
    sql(
        f"""CREATE TABLE rights_requests ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            kind text NOT NULL CHECK (kind IN ('access', 'copy', 'portability', 'correction', 'restriction', 'erasure',
                                               'objection')),
            purpose text,
            fields text[] NOT NULL DEFAULT '{{}}',
            status text NOT NULL CHECK (status IN ('received', 'identity_checked', 'done', 'refused', 'withdrawn')),
            received_on date NOT NULL,
            due_on date NOT NULL,
            identity_method text,
            identity_checked_at timestamptz,
            identity_checked_by uuid,
            refusal text,
            decided_at timestamptz,
            decided_by uuid,
            outcome text CHECK (outcome IN ('provided', 'corrected', 'restricted', 'erased', 'stopped', 'lifted')),
            outcome_until date,
            recorded_by uuid NOT NULL,
            CHECK ((kind = 'objection') = (purpose IS NOT NULL)),
            CHECK ((status = 'refused') = (refusal IS NOT NULL)),
            CHECK ((identity_checked_at IS NULL) = (identity_method IS NULL)),
            CHECK (status NOT IN ('identity_checked', 'done') OR identity_checked_at IS NOT NULL),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))""",
        """CREATE INDEX rights_requests_customer
           ON rights_requests (org_id, customer_id, created_at DESC, id DESC)""",
        # Asked by recommendations, person by person.
        """CREATE INDEX rights_requests_objections ON rights_requests (org_id, customer_id, purpose)
           WHERE kind = 'objection' AND status = 'done'""",
    )
    protect("rights_requests")


def _holds() -> None:
    sql(
        f"""CREATE TABLE legal_holds ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            law text NOT NULL CHECK (law IN ('insurance_law_87', 'anti_money_laundering', 'dispute', 'authority')),
            reason text NOT NULL CHECK (reason IN ('policy_signed', 'policy_concluded', 'claim', 'complaint', 'lawsuit',
                                                   'investigation')),
            until date,
            source_type text CHECK (source_type IN ('proposal', 'introduction')),
            source_id uuid,
            set_by uuid,
            lifted_at timestamptz,
            lifted_by uuid,
            CHECK ((source_type IS NULL) = (source_id IS NULL)),
            UNIQUE (org_id, customer_id, law, source_id),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))""",
    )
    protect("legal_holds")


def _erasures() -> None:
    sql(
        # The proof, and the list that is replayed after a restore. It is added to and never changed.
        """CREATE TABLE erasures (
            org_id uuid NOT NULL REFERENCES orgs (id),
            id uuid NOT NULL,
            customer_id uuid NOT NULL,
            basis text NOT NULL CHECK (basis IN ('request', 'hold_ended', 'deleted', 'consent_withdrawn')),
            rights_request_id uuid,
            decided_by uuid,
            erased_at timestamptz NOT NULL DEFAULT now(),
            counts jsonb NOT NULL,
            replayed_at timestamptz,
            PRIMARY KEY (org_id, id))""",
        "CREATE INDEX erasures_customer ON erasures (org_id, customer_id)",
        """CREATE TRIGGER erasures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erasures
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
    protect("erasures", "SELECT, INSERT")


def _restriction() -> None:
    sql(
        # Restricted at his own request until it is lifted; under a legal hold he is erased when that ends.
        """ALTER TABLE customers
            ADD COLUMN restricted_at timestamptz,
            ADD COLUMN restricted_until date,
            ADD COLUMN restriction text CHECK (restriction IN ('request', 'legal_hold')),
            ADD COLUMN erased_at timestamptz,
            ADD CHECK ((restricted_at IS NULL) = (restriction IS NULL)),
            ADD CHECK (restricted_at IS NOT NULL OR restricted_until IS NULL)""",
        "CREATE INDEX customers_restricted ON customers (org_id, restricted_until) WHERE restricted_at IS NOT NULL",
        """CREATE FUNCTION sees_restricted() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
           $$ SELECT current_setting('app.restricted', true) = 'on' $$""",
        # Whoever is restricted is there for nobody, on whatever road: only what keeps his rights says that it must see.
        """CREATE POLICY customers_restricted ON customers AS RESTRICTIVE
           USING (restricted_at IS NULL OR sees_restricted()) WITH CHECK (true)""",
        # Rows nobody may change are deleted when the person they are about is erased, and only by that function.
        """CREATE FUNCTION keep_until_erased() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN
               IF TG_OP = 'DELETE' AND current_setting('app.erasing', true) = 'on' THEN
                   RETURN OLD;
               END IF;
               RAISE EXCEPTION 'append only' USING ERRCODE = 'insufficient_privilege';
           END $$""",
        f"GRANT EXECUTE ON FUNCTION sees_restricted(), keep_until_erased() TO {app_role()}",
    )
