"""The network reads customers from indexes alone again: whether one is restricted stands in them."""

from migrations.steps import sql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        # Row-level security asks for `restricted_at` of every row (0020), so an index without it answers nothing alone.
        "DROP INDEX customers_owner_created",
        """CREATE INDEX customers_owner_created ON customers (org_id, owner_id, created_at DESC, id DESC)
           INCLUDE (restricted_at, deleted_at, is_shadow, party_type, stage, name)""",
        "DROP INDEX customers_service_team",
        """CREATE INDEX customers_service_team ON customers (org_id, service_team_id, created_at DESC, id DESC)
           INCLUDE (restricted_at, deleted_at, is_shadow) WHERE service_team_id IS NOT NULL""",
        # What a network says of everybody in it, and whom one may see: some 90 bytes instead of a row of 900.
        """CREATE INDEX customers_faces ON customers (org_id, id)
           INCLUDE (owner_id, service_team_id, restricted_at, deleted_at, is_shadow, party_type, stage, tier, gender,
                    name)""",
        # An index answers alone where the visibility map is fresh.
        """ALTER TABLE customers SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02,
                                      autovacuum_vacuum_insert_scale_factor = 0.02)""",
    )
