"""A key for every person; versions and states of all keys; blind indexes under random keys of each organisation."""

from uuid import UUID

from migrations.steps import fetch, organisation_blind, organisation_cipher, protect, sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# A key is published, then used, then only read, then gone: its row stays and says so.
_STATES = (
    "state text NOT NULL DEFAULT 'active' CHECK (state IN ('pre_active', 'active', 'decrypt_only', 'destroyed'))",
    "activated_at timestamptz",
    "destroyed_at timestamptz",
    "CHECK ((state = 'destroyed') = (wrapped = ''))",
)


def upgrade() -> None:
    sql(
        # No foreign key: the key is made before its customer, and destroyed before him.
        """CREATE TABLE person_keys (
            org_id uuid NOT NULL REFERENCES orgs (id),
            person_id uuid NOT NULL,
            version integer NOT NULL,
            wrapped bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (org_id, person_id, version))""",
        f"""CREATE TABLE blind_keys (
            org_id uuid NOT NULL REFERENCES orgs (id),
            version integer NOT NULL,
            wrapped bytea NOT NULL,
            kek_version integer NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            {", ".join(_STATES)},
            PRIMARY KEY (org_id, version))""",
        *(f"ALTER TABLE org_keys ADD {line}" for line in _STATES),
        "ALTER TABLE org_keys ADD COLUMN kek_version integer NOT NULL DEFAULT 1",
        "ALTER TABLE org_keys ALTER COLUMN kek_version DROP DEFAULT",
        "UPDATE org_keys SET activated_at = created_at",
        "ALTER TABLE signing_keys ADD COLUMN kek_version integer NOT NULL DEFAULT 1",
        "ALTER TABLE signing_keys ALTER COLUMN kek_version DROP DEFAULT",
        "CREATE UNIQUE INDEX org_keys_active ON org_keys (org_id) WHERE state = 'active'",
        "CREATE UNIQUE INDEX blind_keys_active ON blind_keys (org_id) WHERE state = 'active'",
        "ALTER TABLE customers ADD COLUMN id_number_bi_ver integer",
    )
    protect("person_keys", "SELECT, INSERT")
    protect("blind_keys", "SELECT, INSERT")
    for (org_id,) in fetch("SELECT DISTINCT org_id FROM customers WHERE id_number_bi IS NOT NULL"):
        _index_anew(org_id)


def _index_anew(org_id: UUID) -> None:
    """ID numbers were indexed under a key derived from the root; no organisation keeps such an index."""
    cipher, blind = organisation_cipher(org_id), organisation_blind(org_id)
    for row_id, sealed in fetch(
        "SELECT id, id_number_enc FROM customers WHERE org_id = $1 AND id_number_bi IS NOT NULL", org_id
    ):
        index, version = blind("customers", "id_number", cipher.open("customers", "id_number", row_id, sealed))
        fetch(
            "UPDATE customers SET id_number_bi = $3, id_number_bi_ver = $4 WHERE org_id = $1 AND id = $2",
            org_id, row_id, index, version,
        )  # fmt: skip
