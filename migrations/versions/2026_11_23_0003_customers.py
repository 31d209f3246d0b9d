"""Customers and the relationships between them."""

from migrations.steps import BASE, protect, sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        f"""CREATE TABLE customers ({BASE.rstrip()},
            owner_id uuid NOT NULL,
            party_type text NOT NULL CHECK (party_type IN ('individual', 'organization')),
            stage text NOT NULL CHECK (stage IN ('contact', 'prospect', 'customer', 'investor')),
            stage_changed_at timestamptz NOT NULL DEFAULT now(),
            name text NOT NULL,
            name_key text COLLATE "C" NOT NULL,
            search_text text NOT NULL,
            gender text CHECK (gender IN ('unknown', 'male', 'female', 'unstated')),
            birthday jsonb,
            occupation text,
            phones jsonb NOT NULL DEFAULT '[]',
            emails jsonb NOT NULL DEFAULT '[]',
            addresses jsonb NOT NULL DEFAULT '[]',
            masked jsonb NOT NULL DEFAULT '{{}}',
            tags text[] NOT NULL DEFAULT '{{}}',
            note text,
            id_type text CHECK (id_type IN ('resident_id', 'uscc')),
            id_number_enc bytea,
            id_number_bi bytea,
            id_number_masked text,
            created_digest bytea NOT NULL,
            CHECK ((id_number_bi IS NULL) = (id_type IS NULL)),
            FOREIGN KEY (org_id, owner_id) REFERENCES users (org_id, id))""",
        """CREATE UNIQUE INDEX customers_id_number ON customers (org_id, id_type, id_number_bi)
           WHERE deleted_at IS NULL AND id_number_bi IS NOT NULL""",
        "CREATE INDEX customers_owner_created ON customers (org_id, owner_id, created_at DESC, id DESC)",
        "CREATE INDEX customers_created ON customers (org_id, created_at DESC, id DESC) WHERE deleted_at IS NULL",
        "CREATE INDEX customers_updated ON customers (org_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL",
        "CREATE INDEX customers_name ON customers (org_id, name_key, id) WHERE deleted_at IS NULL",
        """CREATE INDEX customers_search ON customers USING gin (org_id, search_text gin_trgm_ops)
           WHERE deleted_at IS NULL""",
        # One row per edge, read from both sides. Symmetric kinds keep the smaller id left; "supplier" is stored
        # as "client" the other way round (left serves right), so that one fact has one form. left_role is what the
        # left one is to the right one.
        f"""CREATE TABLE relationships ({BASE.rstrip()},
            left_id uuid NOT NULL,
            right_id uuid NOT NULL,
            type text NOT NULL CHECK (type IN ('relative', 'friend', 'client', 'partner', 'ally')),
            left_role text,
            right_role text,
            strength numeric(4,3) NOT NULL DEFAULT 0.5 CHECK (strength BETWEEN 0 AND 1),
            since date,
            until date,
            note text,
            created_digest bytea NOT NULL,
            CHECK (left_id <> right_id),
            CHECK (until IS NULL OR since IS NULL OR until >= since),
            FOREIGN KEY (org_id, left_id) REFERENCES customers (org_id, id),
            FOREIGN KEY (org_id, right_id) REFERENCES customers (org_id, id))""",
        """CREATE UNIQUE INDEX relationships_fact ON relationships (org_id, left_id, right_id, type, since)
           NULLS NOT DISTINCT WHERE deleted_at IS NULL""",
        # Both ends in one order (strength, then newest): the network walks them, pages of the list continue in them.
        """CREATE INDEX relationships_left ON relationships (org_id, left_id, strength DESC, id DESC)
           INCLUDE (right_id, type, right_role) WHERE until IS NULL AND deleted_at IS NULL""",
        """CREATE INDEX relationships_right ON relationships (org_id, right_id, strength DESC, id DESC)
           INCLUDE (left_id, type) WHERE until IS NULL AND deleted_at IS NULL""",
        # What relationships_fact is for the left end: lists that include ended relationships.
        "CREATE INDEX relationships_mirror ON relationships (org_id, right_id) WHERE deleted_at IS NULL",
        """ALTER TABLE relationships SET (autovacuum_vacuum_scale_factor = 0.01,
           autovacuum_vacuum_insert_scale_factor = 0.01)""",
    )
    protect("customers")
    protect("relationships")
