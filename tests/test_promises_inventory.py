"""Promise 61: every column has a class, a purpose, a basis and a term, and none is unlisted."""

from pathlib import Path

import asyncpg
import orjson
import pytest

from app import cli_rights
from app.domain import inventory
from tests.factories import World


async def catalogue(db: asyncpg.Connection) -> set[tuple[str, str]]:
    rows = await db.fetch(
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'"
    )
    return {(row[0], row[1]) for row in rows}


async def test_row_61_every_column_is_in_the_inventory_and_nothing_else_is(world: World) -> None:
    there = await catalogue(world.db)
    unlisted = {(table, name) for table, name in there if inventory.column(table, name) is None}
    assert unlisted == set()
    declared = {(table.name, name) for table in inventory.tables().values() for name in table.columns}
    assert {one for one in declared if one[0] != "*"} - there == set()
    assert set(inventory.tables()["*"].columns) <= {name for _, name in there}


async def test_row_61_unlisted_column_and_vanished_column_are_noticed(world: World) -> None:
    undo = world.db.transaction()
    await undo.start()
    try:
        await world.db.execute("ALTER TABLE customers ADD COLUMN blood_group text, DROP COLUMN occupation")
        there = await catalogue(world.db)
    finally:
        await undo.rollback()
    assert inventory.column("customers", "blood_group") is None
    assert ("customers", "blood_group") in there
    assert inventory.column("customers", "occupation") is not None
    assert ("customers", "occupation") not in there


def test_row_61_published_inventory_is_the_declared_one() -> None:
    cli_rights.inventory(check=True)
    document = orjson.loads(Path("openapi/data-inventory.json").read_bytes())
    for table in document["tables"].values():
        for one in table["columns"].values():
            assert one["class"] in document["classes"]
            assert one["purpose"] in document["purposes"]
            assert one["legal_basis"] in document["legal_bases"]
            assert one["retention"] in document["retentions"]
            assert one["in_package"] or one["why_not"] in document["left_out"]


def test_row_61_personal_data_has_a_purpose_and_a_basis() -> None:
    for table in inventory.tables().values():
        for one in table.columns.values():
            if one.kind != "none":
                assert one.subject != "none", (table.name, one.name)
                assert one.basis != "none", (table.name, one.name)
                assert one.retention != "organisation", (table.name, one.name)


@pytest.mark.parametrize(
    "text",
    [
        "[customers] customer who=id",  # what becomes of the rows?
        "[customers] somebody who=id erase=keep",
        "[customers] customer who=id erase=keep\nname C9 service contract person clear yes",
        "[customers] customer who=id erase=keep\nname C1 service contract person clear no:because",
        "[customers] customer who=id erase=keep\nname C1 service contract person clear",
        "[customers] customer who=id erase=keep\nname C1 service contract person clear yes\n"
        "name C1 service contract person clear yes",
    ],
)
def test_row_61_half_a_declaration_is_refused(text: str) -> None:
    with pytest.raises(inventory.InventoryError):
        inventory.parse(text)
