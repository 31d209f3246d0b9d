"""The list of sealed columns against the database: whoever seals a column and forgets its line fails here."""

import asyncpg

from app.sealed import BLIND, SEALED, WRAPPED

ELSEWHERE = {("refresh_tokens", "successor_sealed")}  # under the token that was presented
_COLUMNS = (
    "SELECT table_name, column_name, data_type, udt_name FROM information_schema.columns WHERE table_schema = 'public'"
)


async def columns(db: asyncpg.Connection) -> dict[tuple[str, str], str]:
    return {(row["table_name"], row["column_name"]): row["udt_name"] for row in await db.fetch(_COLUMNS)}


async def test_every_sealed_or_indexed_column_is_in_the_list(owner_db: asyncpg.Connection) -> None:
    found = {place: kind for place, kind in (await columns(owner_db)).items() if kind in ("bytea", "_bytea")}
    assert {place for place in found if place[1].endswith("_enc")} == {(one.table, one.column) for one in SEALED}
    assert {place for place in found if place[1].endswith("_bi")} == {(one.table, one.column) for one in BLIND}
    assert {place for place in found if place[1].endswith("_sealed")} == ELSEWHERE


async def test_every_column_the_list_names_is_there(owner_db: asyncpg.Connection) -> None:
    found = await columns(owner_db)
    sealed = {(one.table, one.column): one for one in SEALED}
    for one in SEALED:
        assert (one.owner == "person") == (one.person_column is not None), one
        for name in ("org_id", one.row_column, *filter(None, [one.person_column])):
            assert found[one.table, name] == "uuid", one
    for index in BLIND:
        assert found[index.table, index.version_column] == "int4", index
        assert (index.table, index.source) in sealed, index
    assert len({(*one.place, one.table) for one in SEALED}) == len(SEALED) == len(sealed)


async def test_every_secret_under_a_key_encryption_key_is_in_the_list(owner_db: asyncpg.Connection) -> None:
    found = await columns(owner_db)
    listed = {one.table for one in WRAPPED}
    assert {table for table, column in found if column == "kek_version"} == listed
    for one in WRAPPED:
        assert found[one.table, one.column] == "bytea"
        assert all((one.table, name) in found for name in one.key)
