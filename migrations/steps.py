"""What every tenant table gets in the step that creates it: base columns, row-level security, grants."""

from alembic import op

# The columns of house rules: key, stamps, ETag version, insertion order for sync, tombstone.
BASE = """
    org_id uuid NOT NULL REFERENCES orgs (id),
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    row_seq bigint GENERATED ALWAYS AS IDENTITY,
    deleted_at timestamptz,
    PRIMARY KEY (org_id, id)
"""


def sql(*statements: str) -> None:
    """Run statements one after the other, as written."""
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def app_role() -> str:
    """The role the service runs as; it owns nothing."""
    role: str = op.get_context().config.attributes["app_role"]  # type: ignore[union-attr]  # always set by app/migrate.py
    return role


def protect(table: str, grants: str = "SELECT, INSERT, UPDATE", column: str = "org_id") -> None:
    """Row-level security and grants, in the step that creates the table."""
    sql(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY {table}_org ON {table} USING ({column} = app_org()) WITH CHECK ({column} = app_org())",
        f"GRANT {grants} ON {table} TO {app_role()}",
    )
