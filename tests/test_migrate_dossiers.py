"""What step 0017 makes of the dossier facts of the former release."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app import crypto, keyring, migrate
from app.config import Settings
from app.crypto import FieldCipher
from tests.test_migrate import fill, former

__all__ = ["former"]

# key, value, source, days ago recorded, superseded, deleted
_FACTS = (
    ("pets", "翠鸟一只", "customer", 30, True, False),
    ("pets", "翠鸟两只", "observed", 20, True, False),
    ("pets", "翠鸟三只", "customer", 10, False, False),
    ("itinerary", "翠鸟岛", "third_party", 9, False, False),
    ("food", "翠鸟面", "public", 8, False, True),
)


async def store(connection: asyncpg.Connection, org: UUID, customer: UUID) -> list[UUID]:
    """Facts as the former release kept them."""
    user = await connection.fetchval("SELECT id FROM users WHERE org_id = $1", org)
    ids = []
    for key, value, source, ago, is_superseded, is_deleted in _FACTS:
        ids.append(uuid7())
        at = datetime.now(UTC) - timedelta(days=ago)
        await connection.execute(
            "INSERT INTO dossier_facts (org_id, id, created_at, customer_id, fact_key, value, source, observed_on, "
            "recorded_by, superseded_at, deleted_at, created_digest, version) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, '2026-03-04', $8, CASE WHEN $9 THEN now() END, "
            "CASE WHEN $10 THEN now() END, '\\x01', 3)",
            org, ids[-1], at, customer, key, value, source, user, is_superseded, is_deleted,
        )  # fmt: skip
    return ids


async def opener(connection: asyncpg.Connection, settings: Settings, org: UUID, person: UUID) -> FieldCipher:
    ring = keyring.derive(settings)
    rows = await connection.fetch("SELECT version, wrapped FROM org_keys WHERE org_id = $1", org)
    keys = {row["version"]: crypto.unwrap_key(ring.kek, org, row["version"], row["wrapped"]) for row in rows}
    wrapped = await connection.fetch(
        "SELECT wrapped FROM person_keys WHERE org_id = $1 AND person_id = $2", org, person
    )
    return FieldCipher(org, keys, max(keys)).person(person, [row["wrapped"] for row in wrapped])


async def test_facts_of_the_former_release_are_all_kept_and_sealed(former: str, settings: Settings) -> None:
    connection = await asyncpg.connect(former)
    try:
        org, people, _ = await fill(connection)
        ids = await store(connection, org, people["one"])
        await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))
        cipher = await opener(connection, settings, org, people["one"])
        found: dict[UUID, Any] = {
            row["id"]: row for row in await connection.fetch("SELECT * FROM dossier_facts WHERE org_id = $1", org)
        }
        assert set(found) == set(ids)
        for fact_id, (key, value, source, _, is_superseded, is_deleted) in zip(ids, _FACTS, strict=True):
            row = found[fact_id]
            assert orjson.loads(cipher.open("dossier_facts", "value", fact_id, row["value_enc"])) == value
            assert (row["dossier"], row["fact_key"], row["definition_version"]) == ("personal", key, 1)
            assert (row["source"], row["observed_on"], row["version"]) == (source, date(2026, 3, 4), 3)
            assert (row["recorded_at"], row["created_digest"]) == (row["created_at"], b"\x01")
            assert ((row["superseded_at"] is not None), (row["deleted_at"] is not None)) == (is_superseded, is_deleted)
            assert (row["consent_ids"], row["basis"], row["confidence"]) == ([], None, None)
        assert [found[one]["superseded_by"] for one in ids] == [ids[1], ids[2], None, None, None]
        assert [found[one]["expires_on"] for one in ids] == [None, None, None, date(2026, 6, 2), None]
        columns = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'dossier_facts'"
        )
        assert "value" not in {row["column_name"] for row in columns}
    finally:
        await connection.close()


async def test_no_clear_value_is_left_on_the_disk(former: str, settings: Settings) -> None:
    """Read through the pages of the table itself: dropping a column leaves its bytes where they lie."""
    connection = await asyncpg.connect(former)
    try:
        org, people, _ = await fill(connection)
        await store(connection, org, people["one"])
        pages = "SELECT pg_read_binary_file(pg_relation_filepath('dossier_facts'))"
        await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))
        keeper = await asyncpg.connect(former.replace("renmai_owner", "postgres"))
        try:
            await keeper.execute("CHECKPOINT")
            raw: bytes = await keeper.fetchval(pages)
        finally:
            await keeper.close()
        assert "翠鸟".encode() not in raw
        assert b"observed" in raw  # it is the right file
    finally:
        await connection.close()
