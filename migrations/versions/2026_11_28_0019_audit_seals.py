"""The trail tells persons and devices apart, can be searched by them, and is sealed."""

from migrations.steps import protect, sql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Where the person of an older event stands: the table of its object, and the columns that name him.
_OF_OBJECT = (
    ("form_response", "form_responses", "customer_id", "NULL::uuid"),
    ("needs_analysis", "needs_analyses", "customer_id", "NULL::uuid"),
    ("proposal", "proposals", "customer_id", "NULL::uuid"),
    ("tolerance_assessment", "tolerance_assessments", "customer_id", "NULL::uuid"),
    ("introduction", "introductions", "introducer_id", "target_id"),
)
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def upgrade() -> None:
    sql(
        # An event concerns one person, or the two a tie or an introduction joins. No foreign keys: events stay.
        "ALTER TABLE audit_events ADD COLUMN session_id uuid, ADD COLUMN device_id text, ADD COLUMN device_kind text, "
        "ADD COLUMN person_id uuid, ADD COLUMN other_person_id uuid",
        # A row for each look: the check would lock the organisation's row each time.
        "ALTER TABLE audit_events DROP CONSTRAINT audit_events_org_id_fkey",
        "ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only",
    )
    _name_persons()
    sql(
        "ALTER TABLE audit_events ENABLE TRIGGER audit_events_append_only",
        "DROP INDEX audit_events_object",
        "CREATE INDEX audit_events_object ON audit_events (org_id, object_id, id)",
        "CREATE INDEX audit_events_person ON audit_events (org_id, person_id, id) WHERE person_id IS NOT NULL",
        """CREATE INDEX audit_events_other_person ON audit_events (org_id, other_person_id, id)
           WHERE other_person_id IS NOT NULL""",
        "CREATE INDEX audit_events_actor ON audit_events (org_id, actor_id, id)",
        "CREATE INDEX audit_events_action ON audit_events (org_id, action, id)",
        "CREATE INDEX audit_events_sealing ON audit_events (org_id, xid, id)",
        """CREATE TABLE audit_seals (
            org_id uuid NOT NULL REFERENCES orgs (id),
            pos bigint NOT NULL CHECK (pos > 0),
            event_id uuid NOT NULL,
            h bytea NOT NULL,
            PRIMARY KEY (org_id, pos),
            UNIQUE (org_id, event_id))""",
        """CREATE TABLE audit_anchors (
            org_id uuid NOT NULL REFERENCES orgs (id),
            number bigint NOT NULL CHECK (number > 0),
            pos bigint NOT NULL,
            h bytea NOT NULL,
            made_at timestamptz NOT NULL,
            kid text NOT NULL,
            signature bytea NOT NULL,
            PRIMARY KEY (org_id, number))""",
        """CREATE TABLE audit_keys (
            kid text PRIMARY KEY,
            public_key bytea NOT NULL,
            sealed_key bytea NOT NULL,
            kek_version integer NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now())""",
        *(
            f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"""
            for table in ("audit_seals", "audit_anchors")
        ),
    )
    # The service reads the seals, only the sealer writes them (`app/migrate.py` grants it that).
    protect("audit_seals", "SELECT")
    protect("audit_anchors", "SELECT")


def _name_persons() -> None:
    """Events a former version wrote: whom they concern follows from the object, or from what they say."""
    sql(
        "UPDATE audit_events SET person_id = object_id WHERE object_type IN ('customer', 'shadow_contact')",
        f"""UPDATE audit_events SET person_id = (detail ->> 'customer_id')::uuid,
                other_person_id = CASE WHEN detail ->> 'other_id' ~ '{_UUID}' THEN (detail ->> 'other_id')::uuid END
            WHERE person_id IS NULL AND detail ->> 'customer_id' ~ '{_UUID}'""",
        *(
            f"""UPDATE audit_events e SET person_id = o.{one}, other_person_id = {other}
                FROM {table} o WHERE o.org_id = e.org_id AND o.id = e.object_id AND e.object_type = '{noun}'
                AND e.person_id IS NULL"""
            for noun, table, one, other in _OF_OBJECT
        ),
        f"""UPDATE audit_events e SET person_id = r.left_id, other_person_id = r.right_id
            FROM relationships r
            WHERE e.object_type = 'relationship_interaction' AND e.person_id IS NULL AND r.org_id = e.org_id
              AND e.detail ->> 'relationship_id' ~ '{_UUID}' AND r.id = (e.detail ->> 'relationship_id')::uuid""",
    )
