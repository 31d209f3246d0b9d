"""Forms of an organisation, and the life of a response."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What may still be said of a response that is final: that it was entered in error, and that its customer went.
_SAID_LATER = (
    "ARRAY['status', 'retracted_at', 'retracted_by', 'retraction_reason', 'updated_at', 'version', 'deleted_at']"
)


def upgrade() -> None:
    _own_forms()
    _shipped_forms()
    _responses()


def _own_forms() -> None:
    sql(
        # Versions an organisation published for itself; their keys begin with "org.", those of shipped ones never do.
        f"""CREATE TABLE org_form_versions ({BASE.rstrip()},
            form_key text NOT NULL CHECK (form_key LIKE 'org.%'),
            form_version text NOT NULL,
            content_hash text NOT NULL,
            definition jsonb NOT NULL,
            migrations jsonb NOT NULL DEFAULT '[]',
            change_level text NOT NULL CHECK (change_level IN ('first', 'patch', 'minor', 'major')),
            published_by uuid NOT NULL,
            withdrawn_at timestamptz,
            withdrawn_by uuid,
            withdrawal_reason text,
            grace_until timestamptz,
            CHECK ((withdrawn_at IS NULL) = (grace_until IS NULL)),
            UNIQUE (org_id, form_key, form_version),
            FOREIGN KEY (org_id, published_by) REFERENCES users (org_id, id))""",
        """CREATE FUNCTION keep_form_text() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN
               IF to_jsonb(NEW) - TG_ARGV::text[] IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV::text[] THEN
                   RAISE EXCEPTION 'a published form does not change' USING ERRCODE = 'insufficient_privilege';
               END IF;
               RETURN NEW;
           END $$""",
        """CREATE TRIGGER org_form_versions_text BEFORE UPDATE ON org_form_versions FOR EACH ROW
           EXECUTE FUNCTION keep_form_text('withdrawn_at', 'withdrawn_by', 'withdrawal_reason', 'grace_until',
               'updated_at', 'version')""",
        """CREATE TRIGGER org_form_versions_kept BEFORE DELETE OR TRUNCATE ON org_form_versions
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
    changed = "withdrawn_at, withdrawn_by, withdrawal_reason, grace_until, updated_at, version"
    protect("org_form_versions", f"SELECT, INSERT, UPDATE ({changed})")


def _shipped_forms() -> None:
    sql(
        "ALTER TABLE form_versions ADD COLUMN migrations jsonb NOT NULL DEFAULT '[]'",
        "ALTER TABLE form_versions ADD CHECK (form_key NOT LIKE 'org.%')",
        """CREATE TRIGGER form_versions_text BEFORE UPDATE ON form_versions FOR EACH ROW
           EXECUTE FUNCTION keep_form_text('status')""",
        """CREATE TRIGGER form_versions_kept BEFORE DELETE OR TRUNCATE ON form_versions
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )


def _responses() -> None:
    sql(
        "ALTER TABLE form_responses DROP CONSTRAINT form_responses_status_check",
        """ALTER TABLE form_responses
            ADD CHECK (status IN ('draft', 'in_progress', 'completed', 'amended', 'entered_in_error')),
            ADD COLUMN answered_on date,
            ADD COLUMN client_at timestamptz,
            ADD COLUMN client_counter bigint,
            ADD COLUMN warnings jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN extracted jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN provenance jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN revision integer NOT NULL DEFAULT 1,
            ADD COLUMN amends_id uuid,
            ADD COLUMN migrated_from_id uuid,
            ADD COLUMN retracted_at timestamptz,
            ADD COLUMN retracted_by uuid,
            ADD COLUMN retraction_reason text,
            ADD FOREIGN KEY (org_id, amends_id) REFERENCES form_responses (org_id, id),
            ADD FOREIGN KEY (org_id, migrated_from_id) REFERENCES form_responses (org_id, id)""",
        # One revision follows another: two people cannot amend the same one.
        """CREATE UNIQUE INDEX form_responses_amends ON form_responses (org_id, amends_id)
           WHERE amends_id IS NOT NULL AND status <> 'entered_in_error'""",
        f"""CREATE FUNCTION keep_form_response() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN
               IF OLD.completed_at IS NULL AND OLD.status <> 'entered_in_error' THEN
                   RETURN NEW;
               END IF;
               IF to_jsonb(NEW) - {_SAID_LATER} IS DISTINCT FROM to_jsonb(OLD) - {_SAID_LATER}
                  OR (NEW.status <> OLD.status AND NEW.status <> 'entered_in_error')
                  OR (OLD.status = 'entered_in_error' AND (NEW.retracted_at, NEW.retracted_by, NEW.retraction_reason)
                      IS DISTINCT FROM (OLD.retracted_at, OLD.retracted_by, OLD.retraction_reason)) THEN
                   RAISE EXCEPTION 'a completed response does not change' USING ERRCODE = 'insufficient_privilege';
               END IF;
               RETURN NEW;
           END $$""",
        """CREATE TRIGGER form_responses_kept BEFORE UPDATE ON form_responses
           FOR EACH ROW EXECUTE FUNCTION keep_form_response()""",
        # A fact that comes from an answer says which.
        """ALTER TABLE dossier_facts
            ADD COLUMN form_response_id uuid,
            ADD COLUMN link_id text,
            ADD CHECK ((form_response_id IS NULL) = (link_id IS NULL)),
            ADD FOREIGN KEY (org_id, form_response_id) REFERENCES form_responses (org_id, id)""",
        f"GRANT EXECUTE ON FUNCTION keep_form_text(), keep_form_response() TO {app_role()}",
    )
