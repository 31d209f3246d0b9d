"""Facts of four dossiers, sealed under the key of their customer; definitions an organisation adds and changes."""

from typing import Any
from uuid import UUID

import orjson
from alembic import op

from migrations.steps import BASE, organisation_cipher, person_cipher, protect, sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    sql(
        f"""CREATE TABLE fact_definitions ({BASE.rstrip()},
            fact_key text NOT NULL,
            is_own boolean NOT NULL,
            definition_version integer NOT NULL,
            review_days integer,
            is_offline_allowed boolean,
            asking_order integer,
            is_asked boolean,
            withdrawn_at timestamptz,
            UNIQUE (org_id, fact_key))""",
        f"""CREATE TABLE fact_definition_versions ({BASE.rstrip()},
            fact_key text NOT NULL,
            definition_version integer NOT NULL,
            body jsonb NOT NULL,
            recorded_by uuid NOT NULL,
            UNIQUE (org_id, fact_key, definition_version),
            FOREIGN KEY (org_id, fact_key) REFERENCES fact_definitions (org_id, fact_key),
            FOREIGN KEY (org_id, recorded_by) REFERENCES users (org_id, id))""",
    )
    protect("fact_definitions")
    protect("fact_definition_versions", "SELECT, INSERT")
    sql(
        # Several current facts of a key may stand side by side: whoever records one locks the customer.
        "DROP INDEX dossier_facts_current",
        """ALTER TABLE dossier_facts
            ADD COLUMN dossier text NOT NULL DEFAULT 'personal'
                CHECK (dossier IN ('personal', 'corporate', 'competitor', 'project')),
            ADD COLUMN definition_version integer NOT NULL DEFAULT 1,
            ADD COLUMN value_enc bytea,
            ADD COLUMN teller_id uuid,
            ADD COLUMN teller_enc bytea,
            ADD COLUMN basis text CHECK (basis IN ('agreed', 'public', 'agreed_or_public', 'told_by_customer')),
            ADD COLUMN confidence numeric(3, 2) CHECK (confidence BETWEEN 0 AND 1),
            ADD COLUMN consent_ids uuid[] NOT NULL DEFAULT '{}',
            ADD COLUMN review_by date,
            ADD COLUMN expires_on date,
            ADD COLUMN recorded_at timestamptz,
            ADD COLUMN superseded_by uuid,
            ADD COLUMN settled_at timestamptz,
            ADD COLUMN wording_of uuid""",
    )
    _seal()
    sql(
        """UPDATE dossier_facts d SET recorded_at = d.created_at, superseded_by = n.id,
               expires_on = d.observed_on
                   + CASE d.fact_key WHEN 'itinerary' THEN 90 WHEN 'colleagues' THEN 730 END
           FROM (SELECT org_id, id AS of_id, superseded_at,
                        lead(id) OVER (PARTITION BY org_id, customer_id, fact_key ORDER BY created_at, id) AS next_id
                 FROM dossier_facts) n0
           CROSS JOIN LATERAL (SELECT CASE WHEN n0.superseded_at IS NOT NULL THEN n0.next_id END AS id) n
           WHERE n0.org_id = d.org_id AND n0.of_id = d.id""",
        """ALTER TABLE dossier_facts
            DROP COLUMN value,
            ALTER COLUMN dossier DROP DEFAULT,
            ALTER COLUMN definition_version DROP DEFAULT,
            ALTER COLUMN consent_ids DROP DEFAULT,
            ALTER COLUMN recorded_at SET NOT NULL,
            ADD FOREIGN KEY (org_id, teller_id) REFERENCES customers (org_id, id),
            ADD FOREIGN KEY (org_id, superseded_by) REFERENCES dossier_facts (org_id, id),
            ADD FOREIGN KEY (org_id, wording_of) REFERENCES dossier_facts (org_id, id)""",
        "DROP INDEX dossier_facts_customer",
        "CREATE INDEX dossier_facts_customer ON dossier_facts (org_id, customer_id, recorded_at DESC, id DESC)",
        "CREATE INDEX dossier_facts_expiry ON dossier_facts (org_id, expires_on) WHERE expires_on IS NOT NULL",
        "CREATE INDEX dossier_facts_superseded ON dossier_facts (org_id, superseded_by)",
        # The clear text still stands in the old rows: write the table anew.
        "CLUSTER dossier_facts USING dossier_facts_pkey",
    )


def _seal() -> None:
    """The values under the keys of their customers, in the order of organisations and customers."""
    run = op.get_bind().exec_driver_sql
    ciphers: dict[tuple[UUID, UUID], Any] = {}
    while True:
        rows = run(
            "SELECT org_id, customer_id, id, value FROM dossier_facts WHERE value_enc IS NULL "
            f"ORDER BY org_id, customer_id, id LIMIT {_BATCH}"
        ).all()
        if not rows:
            return
        for org_id, customer_id, fact_id, value in rows:
            place = (org_id, customer_id)
            if place not in ciphers:
                ciphers = {place: person_cipher(organisation_cipher(org_id), org_id, customer_id)}
            sealed = ciphers[place].seal("dossier_facts", "value", fact_id, orjson.dumps(value).decode())
            run("UPDATE dossier_facts SET value_enc = $1 WHERE org_id = $2 AND id = $3", (sealed, org_id, fact_id))
