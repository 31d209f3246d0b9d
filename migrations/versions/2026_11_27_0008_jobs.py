"""Background jobs (the queue of procrastinate, in a schema of its own) and what they compute: scores of the network.

The queue's tables are those of the package procrastinate, as it ships them. A database that was made with another
version of the package would stand at this very step with other tables, so the text is pinned: a package with another
schema is refused. Whoever raises the package to such a version

1. keeps the former `schema.sql` beside this file and reads it from there, with the same digest, and
2. adds a step that runs the package's own migrations from the former version to the new one (`sql/migrations/`, first
   the "pre" ones), and then `harden` again, because a function that is created anew forgets its search path.
"""

import hashlib
from importlib import resources

from alembic import op

from migrations.steps import app_role, protect, sql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA_SHA256 = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"  # of procrastinate 3.10.0


def upgrade() -> None:
    _queue()
    _organizations()
    _scores()


def _queue() -> None:
    text = (resources.files("procrastinate.sql") / "schema.sql").read_bytes()
    if hashlib.sha256(text).hexdigest() != SCHEMA_SHA256:
        raise RuntimeError("procrastinate brings another schema than this step was written for; see its docstring")
    # The names in its text are bare: they fall into the schema that is searched. Nothing else looks there.
    sql("CREATE SCHEMA procrastinate", "SET LOCAL search_path = procrastinate")
    script(text.decode())
    sql("SET LOCAL search_path TO DEFAULT")
    harden()
    role = app_role()
    sql(
        f"GRANT USAGE ON SCHEMA procrastinate TO {role}",
        # A worker fetches, retries, finishes and finally deletes jobs; events are only added (their jobs take them
        # along); workers sign on and off.
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate.procrastinate_jobs TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate.procrastinate_periodic_defers TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate.procrastinate_workers TO {role}",
        f"GRANT SELECT, INSERT ON procrastinate.procrastinate_events TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA procrastinate TO {role}",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA procrastinate TO {role}",
    )


def script(text: str) -> None:
    """Run a text of many statements, in the transaction of this step: the driver itself takes such a text whole."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: driver.execute(text))


def harden() -> None:
    """Functions and triggers of the queue find their tables whatever the caller's search path is, and serve nobody
    who was not named."""
    script(
        """DO $$ DECLARE f regprocedure; BEGIN
               FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'procrastinate'::regnamespace LOOP
                   EXECUTE format('ALTER FUNCTION %s SET search_path = procrastinate, pg_temp', f);
                   EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
               END LOOP;
           END $$"""
    )


def _organizations() -> None:
    # The night's work is for every organisation, and the service sees none before it is bound to one. Ids only.
    sql(
        """CREATE FUNCTION org_ids() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
           SET search_path = public, pg_temp AS $$ SELECT id FROM orgs $$""",
        "REVOKE ALL ON FUNCTION org_ids() FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION org_ids() TO {app_role()}",
    )


def _scores() -> None:
    sql(
        # scope_id: the organisation's own id for its whole network, or a user's for that of his own customers.
        """CREATE TABLE network_scores (
            org_id uuid NOT NULL REFERENCES orgs (id),
            scope_id uuid NOT NULL,
            customer_id uuid NOT NULL,
            pagerank double precision NOT NULL CHECK (pagerank BETWEEN 0 AND 1),
            betweenness double precision NOT NULL CHECK (betweenness BETWEEN 0 AND 1),
            degree integer NOT NULL CHECK (degree >= 0),
            value_degree double precision NOT NULL CHECK (value_degree >= 0),
            community integer NOT NULL CHECK (community >= 0),
            is_bridge boolean NOT NULL,
            participation double precision NOT NULL CHECK (participation BETWEEN 0 AND 1),
            influence integer NOT NULL CHECK (influence BETWEEN 0 AND 100),
            computed_at timestamptz NOT NULL,
            PRIMARY KEY (org_id, scope_id, customer_id),
            FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id))""",
        # Nightly updates of a part of the rows: room in the pages keeps them from wandering.
        "ALTER TABLE network_scores SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02)",
        # Whoever counts a whole network leaves out those who were deleted since it was scored.
        "CREATE INDEX customers_deleted ON customers (org_id, id) WHERE deleted_at IS NOT NULL",
        """CREATE INDEX network_scores_influence ON network_scores
           (org_id, scope_id, influence DESC, customer_id DESC)""",
    )
    protect("network_scores", "SELECT, INSERT, UPDATE, DELETE")
    sql(
        # When the scores of an organisation were last computed: a row that has not changed is not written again.
        """CREATE TABLE network_score_runs (
            org_id uuid PRIMARY KEY REFERENCES orgs (id),
            computed_at timestamptz NOT NULL)""",
    )
    protect("network_score_runs")
