"""What every tenant table gets in the step that creates it: base columns, row-level security, grants."""

from typing import Any
from uuid import UUID

from alembic import op

from app import crypto
from app.crypto import FieldCipher
from app.migrate import Keys

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


def organisation_cipher(org_id: UUID) -> FieldCipher:
    """The field cipher of an organisation, for a step that seals rows; its first key is made here if it has none."""
    keys: Keys = op.get_context().config.attributes["keys"]  # type: ignore[union-attr]  # always set by app/migrate.py
    rows = _fetch("SELECT version, wrapped FROM org_keys WHERE org_id = $1 ORDER BY version", org_id)
    if not rows:
        wrapped = crypto.wrap_key(keys.kek, org_id, 1, crypto.new_key())
        _fetch("INSERT INTO org_keys (org_id, version, wrapped) VALUES ($1, 1, $2)", org_id, wrapped)
        rows = [(1, wrapped)]
    opened = {version: crypto.unwrap_key(keys.kek, org_id, version, wrapped) for version, wrapped in rows}
    return FieldCipher(org_id, opened, max(opened))


def person_cipher(organisation: FieldCipher, org_id: UUID, person_id: UUID) -> FieldCipher:
    """The cipher of a customer, for a step that seals rows; his key is made here if he has none."""
    rows = _fetch("SELECT wrapped FROM person_keys WHERE org_id = $1 AND person_id = $2", org_id, person_id)
    if not rows:
        wrapped = organisation.wrap_person_key(person_id, 1, crypto.new_key())
        _fetch(
            "INSERT INTO person_keys (org_id, person_id, version, wrapped) VALUES ($1, $2, 1, $3)",
            org_id, person_id, wrapped,
        )  # fmt: skip
        rows = [(wrapped,)]
    return organisation.person(person_id, [row[0] for row in rows])


def _fetch(statement: str, *args: object) -> list[tuple[Any, ...]]:
    result = op.get_bind().exec_driver_sql(statement, args)
    return [tuple(row) for row in result] if result.returns_rows else []
