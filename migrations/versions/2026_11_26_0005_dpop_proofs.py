"""The proofs of phones (RFC 9449) that were seen and could still be used a second time."""

from migrations.steps import protect, sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        # UNLOGGED: a row is worth something for minutes, and every request writes one; after a crash the table is empty
        # and a proof of the last minute could be used once more. No reference to orgs either: it would lock the
        # organisation's row for every request, which is a logged write and a wait for the disc.
        """CREATE UNLOGGED TABLE dpop_proofs (
            org_id uuid NOT NULL,
            jkt text NOT NULL,
            jti_hash bytea NOT NULL,
            expires_at timestamptz NOT NULL,
            PRIMARY KEY (org_id, jkt, jti_hash))""",
        "CREATE INDEX dpop_proofs_age ON dpop_proofs (org_id, expires_at)",
    )
    # UPDATE, because whoever sweeps locks the rows first; no row is ever changed.
    protect("dpop_proofs", "SELECT, INSERT, UPDATE, DELETE")
