"""How the suite stands: one private PostgreSQL per run, one migrated database per worker, one organisation per test.

Nothing is rolled back and nothing is mocked: every test gets organisations of its own, so the wall between tenants
is also the wall between tests, both roads to the database run exactly as in production, and order cannot matter.
Every answer a test client receives is checked against the OpenAPI document (`tests/contract.py`).
"""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from fastapi import FastAPI

from app import keyring, main, migrate
from app.config import Settings
from app.embedded import EmbeddedPostgres, prepare
from tests.contract import Contract
from tests.factories import World, make_world

_server: EmbeddedPostgres | None = None
# What takes long begins first, so that no worker is left alone with it at the end.
# Those that look through the whole database come before the others have filled it.
_LONG = (
    "test_promises_answers", "test_promises_disk", "test_promises_privacy", "test_crash", "test_cli", "test_promises_",
    "test_isolation", "test_graph_scores",
)  # fmt: skip
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process owns the server; xdist workers inherit where it lives and attach."""
    global _server
    if hasattr(config, "workerinput"):
        return
    home = tempfile.mkdtemp(prefix="renmai-tests-")
    os.chmod(home, 0o755)  # as root the server runs under another account, which must get in
    os.environ["RENMAI_TEST_HOME"] = home
    _server = EmbeddedPostgres(Path(home), max_connections=200, settings=_FAST)
    _server.start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((at for at, name in enumerate(_LONG) if item.path.stem.startswith(name)), 99))


def pytest_collection_finish(session: pytest.Session) -> None:
    """The modules and tests stay to the end: the collector need not look through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def pytest_unconfigure(config: pytest.Config) -> None:
    global _server
    if _server is not None:
        _server.stop()
        _server = None
        shutil.rmtree(os.environ.pop("RENMAI_TEST_HOME"), ignore_errors=True)


@pytest.fixture(scope="session")
async def settings() -> Settings:
    """Settings of a service over a freshly migrated database of this worker."""
    server = EmbeddedPostgres(Path(os.environ["RENMAI_TEST_HOME"]), settings=_FAST)
    server.start()
    name = f"test_{uuid4().hex[:12]}"
    await prepare(server, name, owner="renmai_owner", app="renmai_app")
    ready = Settings(
        environment="test",
        database_url=server.dsn("renmai_app", name),
        owner_database_url=server.dsn("renmai_owner", name),
        var_dir=Path(os.environ["RENMAI_TEST_HOME"]) / name,
        rate_limit=0,
        jobs="off",
        log_level="WARNING",
        _env_file=None,
    )
    assert ready.owner_database_url is not None
    await migrate.upgrade(ready.owner_database_url, app_role="renmai_app", keys=keyring.derive(ready))
    return ready


@pytest.fixture(scope="session")
async def api(settings: Settings) -> AsyncIterator[FastAPI]:
    """The running application, without its shell."""
    app = main.create_api(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def contract(api: FastAPI) -> Contract:
    """The published contract every answer is checked against."""
    return Contract(api.openapi())


@pytest.fixture(scope="session")
async def owner_db(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the owner role: sees every organisation, for arranging and for looking behind the API."""
    assert settings.owner_database_url is not None
    connection = await asyncpg.connect(settings.owner_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def world(
    api: FastAPI, settings: Settings, contract: Contract, owner_db: asyncpg.Connection
) -> AsyncIterator[World]:
    """An organisation with two teams, six users with clients, and a partner key."""
    made = await make_world(main.wrap(api, settings), contract, owner_db)
    yield made
    await made.close()


@pytest.fixture
async def other_world(
    api: FastAPI, settings: Settings, contract: Contract, owner_db: asyncpg.Connection
) -> AsyncIterator[World]:
    """A second organisation: everything in it is foreign."""
    made = await make_world(main.wrap(api, settings), contract, owner_db)
    yield made
    await made.close()
