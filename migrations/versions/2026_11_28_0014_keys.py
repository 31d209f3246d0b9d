"""A key for every person: what an agent knows of him is sealed under it."""

from migrations.steps import protect, sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        # No foreign key: the key is made before its customer, and destroyed before him.
        """CREATE TABLE person_keys (
            org_id uuid NOT NULL REFERENCES orgs (id),
            person_id uuid NOT NULL,
            version integer NOT NULL,
            wrapped bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (org_id, person_id, version))"""
    )
    protect("person_keys", "SELECT, INSERT")
