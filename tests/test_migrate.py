"""What a step makes of the data of the former release."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from uuid_utils.compat import uuid7

from app import keyring, migrate
from app.config import Settings
from app.embedded import EmbeddedPostgres, prepare

BEFORE_THE_NETWORK = "0006"
_FORMER = (
    # left, right, direction, strength, until, deleted
    ("one", "two", "friend", "0.700", None, False),
    ("one", "two", "relative", "0.950", None, False),
    ("two", "three", "client", "0.500", None, False),
    ("one", "three", "partner", "0.333", date(2020, 1, 1), False),
    ("one", "gone", "ally", "1.000", None, False),
    ("three", "one", "client", "0.000", None, True),
)

_KEPT = """SELECT id, left_id, right_id, left_role, right_role, strength, since, until, version, deleted_at,
                  created_digest, created_at, updated_at FROM relationships WHERE org_id = $1 ORDER BY id"""
_TYPES = """SELECT code, inverse_code, direction, label, inverse_label, left_kind, right_kind, family_degree,
                   default_strength, introduction_weight, sensitivity, is_builtin, is_active
            FROM relation_types WHERE org_id = $1 ORDER BY code"""


@asynccontextmanager
async def database_at(revision: str) -> AsyncIterator[str]:
    """The address of a database at a step, as its owner."""
    server = EmbeddedPostgres(Path(os.environ["RENMAI_TEST_HOME"]))
    server.start()
    name = f"former_{uuid4().hex[:12]}"
    await prepare(server, name, owner="renmai_owner", app="renmai_app")
    dsn = server.dsn("renmai_owner", name)
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "migrations:.")
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, app_role="renmai_app")
        command.upgrade(config, revision)

    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()
    try:
        yield dsn
    finally:
        keeper = await asyncpg.connect(server.dsn("postgres", "postgres"))
        await keeper.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await keeper.close()


@pytest.fixture
async def former() -> AsyncIterator[str]:
    """The address of a database of the former release, as its owner."""
    async with database_at(BEFORE_THE_NETWORK) as dsn:
        yield dsn


async def fill(connection: asyncpg.Connection) -> tuple[UUID, dict[str, UUID], list[UUID]]:
    """An organisation with four customers, one of them deleted, and relationships of every kind."""
    org, team, user = uuid7(), uuid7(), uuid7()
    people = {name: uuid7() for name in ("one", "two", "three", "gone")}
    await connection.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'old', '旧机构')", org)
    await connection.execute("INSERT INTO org_settings (org_id, id) VALUES ($1, $1)", org)
    await connection.execute("INSERT INTO teams (org_id, id, name) VALUES ($1, $2, '一部')", org, team)
    await connection.execute(
        "INSERT INTO users (org_id, id, username, name, role, team_id, password_hash) "
        "VALUES ($1, $2, 'agent', '旧人', 'agent', $3, '-')",
        org, user, team,
    )  # fmt: skip
    for name, one in people.items():
        await connection.execute(
            "INSERT INTO customers (org_id, id, owner_id, party_type, stage, name, name_key, search_text, "
            "created_digest, deleted_at, note) VALUES ($1, $2, $3, 'individual', 'customer', $4, 'k', 's', '', "
            "CASE WHEN $4 = 'gone' THEN now() END, '备注')",
            org, one, user, name,
        )  # fmt: skip
    ties = []
    for left, right, direction, strength, until, is_deleted in _FORMER:
        ties.append(uuid7())
        await connection.execute(
            "INSERT INTO relationships (org_id, id, left_id, right_id, type, strength, until, note, left_role, "
            "created_digest, deleted_at, version) VALUES ($1, $2, $3, $4, $5, $6::text::numeric, $7, '备注', '角色', "
            "'\\x01', CASE WHEN $8 THEN now() END, 7)",
            org, ties[-1], people[left], people[right], direction, strength, until, is_deleted,
        )  # fmt: skip
    return org, people, ties


async def rows(connection: asyncpg.Connection, sql: str, *args: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch(sql, *args)]


async def test_relationships_of_the_former_release_keep_what_they_say(former: str, settings: Settings) -> None:
    connection = await asyncpg.connect(former)
    try:
        org, people, ties = await fill(connection)
        before = await rows(connection, _KEPT, org)
        await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))
        assert await rows(connection, _KEPT, org) == before
        found = {row["id"]: row for row in await rows(connection, "SELECT * FROM relationships WHERE org_id = $1", org)}
        weights = {"friend": "0.9", "relative": "0.9", "client": "0.8", "partner": "0.85", "ally": "0.9"}
        for tie, (left, right, direction, strength, _, _) in zip(ties, _FORMER, strict=True):
            row = found[tie]
            # The generic type of a direction bears its name; what was said stands as declared.
            assert (row["direction"], row["type"]) == (direction, direction)
            assert row["declared_strength"] == Decimal(strength)
            assert (row["computed_strength"], row["last_interaction_on"]) == (None, None)
            expected = Decimal(strength) * Decimal(weights[direction]) * Decimal("0.9")
            assert abs(row["warmth"] - expected) <= Decimal("0.0005")
            assert row["is_dangling"] == ("gone" in (left, right))
            assert (row["source"], row["confidence"], row["note_visibility"]) == ("observed", 1, "owners")
        reckon = "SELECT count(*) FROM refresh_relationships($1, $2, current_date, 0, 0)"
        assert await connection.fetchval(reckon, org, ties) == 0, "nothing moves when it is reckoned anew"
        shadows = "SELECT count(*) FROM customers WHERE org_id = $1 AND NOT is_shadow AND private_enc IS NOT NULL"
        assert await connection.fetchval(shadows, org) == len(people)
    finally:
        await connection.close()


async def test_organisation_of_the_former_release_gets_what_a_new_one_gets(former: str, settings: Settings) -> None:
    connection = await asyncpg.connect(former)
    try:
        org, _, _ = await fill(connection)
        await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))
        new = uuid7()
        await connection.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'new', '新机构')", new)
        await connection.execute("INSERT INTO org_settings (org_id, id) VALUES ($1, $1)", new)
        await migrate.seed_relation_types(connection, new)
        assert await rows(connection, _TYPES, org) == await rows(connection, _TYPES, new)
        asked = "SELECT strength_rule, strength_half_life_days, interaction_weights FROM org_settings WHERE org_id = $1"
        assert await rows(connection, asked, org) == await rows(connection, asked, new)
        changed = "UPDATE relation_types SET default_strength = 0.11, is_active = false WHERE org_id = $1 AND code = $2"
        await connection.execute(changed, org, "friend")
        before = await rows(connection, _TYPES, org)
        await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))  # the next start
        assert await rows(connection, _TYPES, org) == before
    finally:
        await connection.close()


async def test_database_of_the_former_release_can_be_empty(former: str, settings: Settings) -> None:
    await migrate.upgrade(former, app_role="renmai_app", keys=keyring.derive(settings))
    connection = await asyncpg.connect(former)
    try:
        assert await connection.fetchval("SELECT count(*) FROM relation_types") == 0
    finally:
        await connection.close()
