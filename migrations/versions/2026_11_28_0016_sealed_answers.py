"""Answers, analyses, assessments and proposals are sealed under the key of the customer they speak of."""

from uuid import UUID

from alembic import op

from migrations.steps import app_role, organisation_cipher, person_cipher, sql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_BATCH = 200  # rows that are in memory at once
_NOBODY = UUID(int=0)
# Table → sealed column → the clear columns that stand in it from now on, as one JSON object.
_SEALED: dict[str, dict[str, tuple[str, ...]]] = {
    "form_responses": {
        "answers": ("answers", "warnings", "extracted", "provenance"),
        "retraction": ("retraction_reason",),
    },
    "needs_analyses": {
        "summary": ("need_fen", "existing_cover_fen", "gap_fen", "life_event"),
        "analysis": (
            "household", "results", "affordability", "tolerance", "suitability", "advice", "missing", "assumptions",
            "diff",
        ),
        "facts": ("facts", "overrides"),
    },
    "needs_analysis_confirmations": {"reference": ("reference",)},
    "tolerance_assessments": {"result": ("tolerance_class", "level", "score")},
    "proposals": {"content": ("content",), "signature": ("signature",)},
}  # fmt: skip
# Sealed only where something was said.
_OPTIONAL = {"retraction": "retraction_reason IS NOT NULL", "signature": "signature IS NOT NULL"}
# What may still be said of a response that is final: that it was entered in error, and that its customer went.
_SAID_LATER = "ARRAY['status', 'retracted_at', 'retracted_by', 'retraction_enc', 'updated_at', 'version', 'deleted_at']"


def upgrade() -> None:
    # Whose word a confirmation is: the row says so itself from now on.
    sql(
        "ALTER TABLE needs_analysis_confirmations DISABLE TRIGGER USER",
        "ALTER TABLE needs_analysis_confirmations ADD COLUMN customer_id uuid",
        """UPDATE needs_analysis_confirmations f SET customer_id = a.customer_id FROM needs_analyses a
           WHERE a.org_id = f.org_id AND a.id = f.needs_analysis_id""",
        """ALTER TABLE needs_analysis_confirmations ALTER COLUMN customer_id SET NOT NULL,
            ADD FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id),
            ENABLE TRIGGER USER""",
    )
    for table, columns in _SEALED.items():
        _seal(table, columns)
    _guards()


def _seal(table: str, columns: dict[str, tuple[str, ...]]) -> None:
    """Seal what stands there, then leave no trace of it: a dropped column stays on disk until its row is rewritten."""
    added = ", ".join(f"ADD COLUMN {column}_enc bytea" for column in columns)
    dropped = ", ".join(f"DROP COLUMN {member}" for members in columns.values() for member in members)
    sql(f"ALTER TABLE {table} {added}", f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for (org_id,) in op.get_bind().exec_driver_sql(f"SELECT DISTINCT org_id FROM {table}").all():
        _seal_rows(table, columns, org_id)
    sql(
        f"ALTER TABLE {table} ENABLE TRIGGER USER",
        f"ALTER TABLE {table} {dropped}",
        f"CLUSTER {table} USING {table}_pkey",
        f"ALTER TABLE {table} SET WITHOUT CLUSTER",
    )


def _seal_rows(table: str, columns: dict[str, tuple[str, ...]], org_id: UUID) -> None:
    """Customer by customer, so that each key is opened once a batch."""
    texts = ", ".join(_text(column, members) for column, members in columns.items())
    # Names come from the table above, values are parameters.
    read = (
        f"SELECT customer_id, id, {texts} FROM {table} "
        f"WHERE org_id = $1 AND (customer_id, id) > ($2, $3) ORDER BY customer_id, id LIMIT {_BATCH}"
    )
    given = ", ".join(f"${place}::bytea[]" for place in range(3, 3 + len(columns)))
    write = (
        f"UPDATE {table} t SET {', '.join(f'{column}_enc = v.{column}' for column in columns)} "
        f"FROM unnest($2::uuid[], {given}) AS v (id, {', '.join(columns)}) WHERE t.org_id = $1 AND t.id = v.id"
    )
    organisation, last = organisation_cipher(org_id), (_NOBODY, _NOBODY)
    while rows := op.get_bind().exec_driver_sql(read, (org_id, *last)).all():
        known = {person: person_cipher(organisation, org_id, person) for person in {row[0] for row in rows}}
        sealed = [
            [None if row[n] is None else known[row[0]].seal(table, column, row[1], row[n]) for row in rows]
            for n, column in enumerate(columns, start=2)
        ]
        op.get_bind().exec_driver_sql(write, (org_id, [row[1] for row in rows], *sealed))
        last = (rows[-1][0], rows[-1][1])


def _text(column: str, members: tuple[str, ...]) -> str:
    pairs = ", ".join(f"'{member}', {member}" for member in members)
    made = f"jsonb_build_object({pairs})::text"
    return f"CASE WHEN {_OPTIONAL[column]} THEN {made} END" if column in _OPTIONAL else made


def _guards() -> None:
    """The triggers keep what they kept. One door is new: the owner of the tables, who says so (`app.sealing`), may
    seal a column under another key and take away what is to be erased."""
    sql(
        """CREATE FUNCTION is_sealing(p_table oid) RETURNS boolean LANGUAGE sql STABLE AS
           $$ SELECT coalesce(current_setting('app.sealing', true), '') = 'on'
                AND (SELECT pg_has_role(c.relowner, 'MEMBER') FROM pg_class c WHERE c.oid = p_table) $$""",
        """CREATE FUNCTION keep_sealed() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN
               IF is_sealing(TG_RELID) AND to_jsonb(NEW) - TG_ARGV::text[] = to_jsonb(OLD) - TG_ARGV::text[] THEN
                   RETURN NEW;
               END IF;
               RAISE EXCEPTION 'append only' USING ERRCODE = 'insufficient_privilege';
           END $$""",
        f"""CREATE OR REPLACE FUNCTION keep_form_response() RETURNS trigger LANGUAGE plpgsql AS
           $$ DECLARE
               v_later text[] := {_SAID_LATER};
           BEGIN
               IF OLD.completed_at IS NULL AND OLD.status <> 'entered_in_error' THEN
                   RETURN NEW;
               END IF;
               IF is_sealing(TG_RELID) AND to_jsonb(NEW) - TG_ARGV::text[] = to_jsonb(OLD) - TG_ARGV::text[] THEN
                   RETURN NEW;
               END IF;
               IF to_jsonb(NEW) - v_later IS DISTINCT FROM to_jsonb(OLD) - v_later
                  OR (NEW.status <> OLD.status AND NEW.status <> 'entered_in_error')
                  OR (OLD.status = 'entered_in_error' AND (NEW.retracted_at, NEW.retracted_by, NEW.retraction_enc)
                      IS DISTINCT FROM (OLD.retracted_at, OLD.retracted_by, OLD.retraction_enc)) THEN
                   RAISE EXCEPTION 'a completed response does not change' USING ERRCODE = 'insufficient_privilege';
               END IF;
               RETURN NEW;
           END $$""",
        f"GRANT EXECUTE ON FUNCTION is_sealing(oid), keep_sealed() TO {app_role()}",
        "DROP TRIGGER form_responses_kept ON form_responses",
        f"""CREATE TRIGGER form_responses_kept BEFORE UPDATE ON form_responses
           FOR EACH ROW EXECUTE FUNCTION keep_form_response({_arguments("form_responses")})""",
        "DROP TRIGGER proposals_signed_once ON proposals",
        f"""CREATE TRIGGER proposals_signed_once BEFORE UPDATE ON proposals
           FOR EACH ROW WHEN (OLD.signed_at IS NOT NULL) EXECUTE FUNCTION keep_sealed({_arguments("proposals")})""",
        "ALTER TABLE proposals ADD CHECK (signature_enc IS NULL OR signed_at IS NOT NULL)",
        f"GRANT UPDATE (signature_enc) ON proposals TO {app_role()}",
    )
    for table in ("needs_analyses", "needs_analysis_confirmations"):
        sql(
            f"DROP TRIGGER {table}_append_only ON {table}",
            f"""CREATE TRIGGER {table}_append_only BEFORE DELETE OR TRUNCATE ON {table}
               FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
            f"""CREATE TRIGGER {table}_kept BEFORE UPDATE ON {table}
               FOR EACH ROW EXECUTE FUNCTION keep_sealed({_arguments(table)})""",
        )


def _arguments(table: str) -> str:
    """What may change through the door: the sealed columns, and the stamps of a row that is erased."""
    names = (*(f"{column}_enc" for column in _SEALED[table]), "updated_at", "version", "deleted_at")
    return ", ".join(f"'{name}'" for name in names)
