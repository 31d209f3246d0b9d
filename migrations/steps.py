"""What every tenant table gets in the step that creates it: base columns, row-level security, grants."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from alembic import op
from sqlalchemy.util import await_only

from app import crypto
from app.crypto import BlindKeys, FieldCipher, Place
from app.migrate import Keys
from app.wrapping import KeyWrapper

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
    return FieldCipher(org_id, *_organisation_keys("org", org_id))


def organisation_blind(org_id: UUID) -> Callable[[str, str, str], tuple[bytes, int]]:
    """What `vault.blind` does for an organisation (table, column, normalised value), for a step that indexes rows."""
    keys = BlindKeys(org_id, *_organisation_keys("blind", org_id))
    return lambda table, column, value: (keys.index(table, column, value), keys.current)


def _organisation_keys(layer: str, org_id: UUID) -> tuple[dict[int, bytes], int]:
    wrapper: KeyWrapper = _keys().wrapper
    rows = fetch(
        f"SELECT version, kek_version, wrapped FROM {layer}_keys WHERE org_id = $1 AND state <> 'destroyed' "
        "ORDER BY state = 'active'",
        org_id,
    )
    if not rows:
        kek_version, wrapped = await_only(wrapper.wrap(Place.key(layer, org_id, 1), crypto.new_key()))
        fetch(
            f"INSERT INTO {layer}_keys (org_id, version, wrapped, kek_version, activated_at) "
            "VALUES ($1, 1, $2, $3, now())",
            org_id, wrapped, kek_version,
        )  # fmt: skip
        rows = [(1, kek_version, wrapped)]
    opened = {
        version: await_only(wrapper.unwrap(kek_version, Place.key(layer, org_id, version), wrapped))
        for version, kek_version, wrapped in rows
    }
    return opened, rows[-1][0]


def person_cipher(organisation: FieldCipher, org_id: UUID, person_id: UUID) -> FieldCipher:
    """The cipher of a customer, for a step that seals rows; his key is made here if he has none."""
    rows = fetch("SELECT wrapped FROM person_keys WHERE org_id = $1 AND person_id = $2", org_id, person_id)
    if not rows:
        wrapped = organisation.wrap_person_key(person_id, 1, crypto.new_key())
        fetch(
            "INSERT INTO person_keys (org_id, person_id, version, wrapped) VALUES ($1, $2, 1, $3)",
            org_id, person_id, wrapped,
        )  # fmt: skip
        rows = [(wrapped,)]
    return organisation.person(person_id, [row[0] for row in rows])


def _keys() -> Keys:
    keys: Keys = op.get_context().config.attributes["keys"]  # type: ignore[union-attr]  # always set by app/migrate.py
    return keys


def fetch(statement: str, *args: object) -> list[tuple[Any, ...]]:
    """Run one statement with `$1` parameters, and its rows if it answers any."""
    result = op.get_bind().exec_driver_sql(statement, args)
    return [tuple(row) for row in result] if result.returns_rows else []
