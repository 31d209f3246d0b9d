"""A network as of a day is read from indexes alone, too."""

from migrations.steps import sql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sql(
        # Since when a current tie holds stands beside it now,
        "DROP INDEX relationships_left",
        """CREATE INDEX relationships_left ON relationships (org_id, left_id, strength DESC, id DESC)
           INCLUDE (right_id, direction, type, warmth, right_role, since)
           WHERE until IS NULL AND deleted_at IS NULL AND NOT is_dangling""",
        "DROP INDEX relationships_right",
        """CREATE INDEX relationships_right ON relationships (org_id, right_id, strength DESC, id DESC)
           INCLUDE (left_id, direction, type, warmth, right_role, since)
           WHERE until IS NULL AND deleted_at IS NULL AND NOT is_dangling""",
        # and the few that ended, or are going to, have indexes of their own.
        """CREATE INDEX relationships_left_ended ON relationships (org_id, left_id)
           INCLUDE (id, right_id, direction, type, strength, right_role, since, until)
           WHERE until IS NOT NULL AND deleted_at IS NULL AND NOT is_dangling""",
        """CREATE INDEX relationships_right_ended ON relationships (org_id, right_id)
           INCLUDE (id, left_id, direction, type, strength, right_role, since, until)
           WHERE until IS NOT NULL AND deleted_at IS NULL AND NOT is_dangling""",
    )
