"""The network's edges are read from either end: the right index carries the role as the left one does."""

from migrations.steps import sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        "DROP INDEX relationships_right",
        """CREATE INDEX relationships_right ON relationships (org_id, right_id, strength DESC, id DESC)
           INCLUDE (left_id, direction, type, warmth, right_role)
           WHERE until IS NULL AND deleted_at IS NULL AND NOT is_dangling""",
    )
