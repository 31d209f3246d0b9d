"""The steps of the database function that erases persons, written from the inventory: what is declared there goes.

Rows are deleted in an order the foreign keys allow; what may still be needed of the customer's own row is its id,
because audit events, proofs and phones point at it. The function itself: `sql/functions/erase_persons.sql`.
"""

from collections.abc import Collection, Mapping

from app.domain import inventory
from app.domain.inventory import Table

_DELETE_WITH_IDS = """    WITH gone AS (DELETE FROM {table} WHERE org_id = p_org AND ({who}) RETURNING id)
    SELECT count(*), coalesce(array_agg(id), '{{}}') INTO v_rows, v_ids FROM gone;
    v_counts := v_counts || jsonb_build_object('{table}', v_rows);
    v_gone := v_gone || v_ids;"""
_DELETE = """    DELETE FROM {table} WHERE org_id = p_org AND ({who});
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_counts := v_counts || jsonb_build_object('{table}', v_rows);"""
_KEEP = """    UPDATE {table} SET {values} WHERE org_id = p_org AND ({who});
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_counts := v_counts || jsonb_build_object('{table}', v_rows);"""
_STAMPS = {
    # Every statement takes what was deleted so long ago as absent, not as something that can be restored.
    "deleted_at": "now() - interval '31 days'",
    "updated_at": "now()",
    "version": "version + 1",
    "restricted_at": "NULL",
}


def steps(columns: Mapping[str, Collection[str]], points_at: Collection[tuple[str, str]]) -> str:
    """The statements, one after the other.

    Args:
        columns: the columns of each table there is; one that is declared and not there is left to the test.
        points_at: foreign keys, as (table, table it points at).

    Raises:
        InventoryError: the tables point at each other in a circle.
    """
    found = [
        (_DELETE_WITH_IDS if "id" in columns[table.name] else _DELETE).format(
            table=table.name, who=inventory.of_person(table)
        )
        for table in inventory.in_order(points_at)
        if table.name in columns
    ]
    found += [
        _KEEP.format(table=table.name, values=_values(table, columns[table.name]), who=inventory.of_person(table))
        for table in inventory.tables().values()
        if table.erase == "keep" and table.name in columns
    ]
    return "\n".join(found)


def guarded() -> list[str]:
    """Tables whose rows go, at once or when their proof is old, although nobody may change them."""
    return [table.name for table in inventory.tables().values() if table.erase in ("delete", "keep")]


def _values(table: Table, there: Collection[str]) -> str:
    said = {one.name: one.erased for one in table.columns.values() if one.erased not in (None, "stays")}
    values = {name: value for name, value in {**said, **_STAMPS}.items() if name in there and value is not None}
    return ", ".join(f"{name} = {value}" for name, value in values.items())
