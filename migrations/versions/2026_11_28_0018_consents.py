"""Consents: the texts people are shown, what they decided, and what became of it."""

from migrations.steps import BASE, app_role, protect, sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _texts()
    _consents()
    _events()
    _uses()


def _texts() -> None:
    sql(
        # A built-in text is written down when somebody first decides by it; `published_by` is then null.
        f"""CREATE TABLE consent_texts ({BASE.rstrip()},
            purpose text NOT NULL,
            field_group text NOT NULL,
            recipient text NOT NULL DEFAULT '',
            text_version integer NOT NULL CHECK (text_version >= 1),
            words jsonb NOT NULL,
            is_material boolean NOT NULL,
            published_by uuid,
            CONSTRAINT consent_texts_version UNIQUE (org_id, purpose, recipient, field_group, text_version))""",
        """CREATE TRIGGER consent_texts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_texts
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
    protect("consent_texts", "SELECT, INSERT")


def _consents() -> None:
    sql(
        f"""CREATE TABLE consents ({BASE.rstrip()},
            customer_id uuid NOT NULL,
            decision text NOT NULL CHECK (decision IN ('given', 'refused')),
            purpose text NOT NULL,
            recipient text NOT NULL DEFAULT '',
            grounds jsonb NOT NULL CHECK (jsonb_array_length(grounds) > 0),
            is_separate boolean NOT NULL,
            language text NOT NULL CHECK (language IN ('zh', 'en')),
            channel text NOT NULL,
            given_by text NOT NULL CHECK (given_by IN ('person', 'guardian')),
            is_own_guardian boolean NOT NULL DEFAULT false,
            details_enc bytea,
            decided_at timestamptz NOT NULL,
            valid_from date NOT NULL,
            valid_until date CHECK (valid_until >= valid_from),
            do_not_ask_before date,
            recorded_by uuid NOT NULL,
            withdrawn_at timestamptz,
            created_digest bytea NOT NULL,
            CHECK (given_by = 'guardian' OR NOT is_own_guardian),
            CHECK (decision = 'given' OR withdrawn_at IS NULL),
            CHECK ((decision = 'refused') = (do_not_ask_before IS NOT NULL)),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))""",
        "CREATE INDEX consents_customer ON consents (org_id, customer_id, purpose, recipient)",
    )
    # What was decided is never changed. A withdrawal comes once; erasing a person takes away what is sealed.
    protect("consents", "SELECT, INSERT")
    sql(
        f"GRANT UPDATE (withdrawn_at, details_enc, updated_at, version) ON consents TO {app_role()}",
        """CREATE TRIGGER consents_kept BEFORE UPDATE ON consents FOR EACH ROW
           WHEN ((OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at)
                 OR (NEW.details_enc IS NOT NULL AND NEW.details_enc IS DISTINCT FROM OLD.details_enc)
                 OR (NEW.customer_id, NEW.decision, NEW.purpose, NEW.recipient, NEW.grounds, NEW.is_separate,
                     NEW.language, NEW.channel, NEW.given_by, NEW.is_own_guardian, NEW.decided_at, NEW.valid_from,
                     NEW.valid_until, NEW.do_not_ask_before, NEW.recorded_by, NEW.created_digest, NEW.created_at)
                    IS DISTINCT FROM
                    (OLD.customer_id, OLD.decision, OLD.purpose, OLD.recipient, OLD.grounds, OLD.is_separate,
                     OLD.language, OLD.channel, OLD.given_by, OLD.is_own_guardian, OLD.decided_at, OLD.valid_from,
                     OLD.valid_until, OLD.do_not_ask_before, OLD.recorded_by, OLD.created_digest, OLD.created_at))
           EXECUTE FUNCTION keep_sealed('details_enc', 'created_digest', 'updated_at', 'version', 'deleted_at')""",
        """CREATE TRIGGER consents_append_only BEFORE DELETE OR TRUNCATE ON consents
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )


def _events() -> None:
    sql(
        """CREATE TABLE consent_events (
            org_id uuid NOT NULL REFERENCES orgs (id),
            id uuid NOT NULL,
            consent_id uuid NOT NULL,
            at timestamptz NOT NULL,
            kind text NOT NULL CHECK (kind IN ('given', 'refused', 'withdrawn')),
            channel text,
            recorded_by uuid NOT NULL,
            PRIMARY KEY (org_id, id),
            FOREIGN KEY (org_id, consent_id) REFERENCES consents (org_id, id))""",
        "CREATE INDEX consent_events_consent ON consent_events (org_id, consent_id, at, id)",
        """CREATE TRIGGER consent_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_events
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
    protect("consent_events", "SELECT, INSERT")


def _uses() -> None:
    sql(
        # What rests on which consent: a withdrawal tells of it.
        """CREATE TABLE consent_uses (
            org_id uuid NOT NULL REFERENCES orgs (id),
            object_type text NOT NULL,
            object_id uuid NOT NULL,
            field_group text NOT NULL,
            consent_id uuid NOT NULL,
            at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (org_id, object_type, object_id, field_group, consent_id),
            FOREIGN KEY (org_id, consent_id) REFERENCES consents (org_id, id))""",
        "CREATE INDEX consent_uses_consent ON consent_uses (org_id, consent_id)",
        """CREATE TRIGGER consent_uses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_uses
           FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    )
    protect("consent_uses", "SELECT, INSERT")
