"""The database goes away, freezes, comes back: told honestly, and over without a restart."""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import asyncpg
import httpx
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db, deps, reads
from app.config import Settings
from tests.factories import World, create_customer

PERSON = {"party_type": "individual", "name": "王永庆"}


class Cable:
    """A socket between the service and its database that can be cut, mended, and held still."""

    def __init__(self, target: str, folder: Path) -> None:
        self._target = target
        self._path = str(folder / ".s.PGSQL.5432")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            self._server = None
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writers.clear()
        self._flows.set()

    def hold(self) -> None:
        """Bytes are taken and go nowhere, as from a frozen host."""
        self._flows.clear()

    def let_go(self) -> None:
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self._writers |= {writer, there_writer}
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@pytest.fixture
async def cable(settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cable]:
    """Both roads of the service lead over this cable during the test; its clocks are short."""
    assert settings.database_url is not None
    target = unquote(re.search(r"host=([^&]+)", settings.database_url)[1])  # type: ignore[index]  # it is our own URL
    monkeypatch.setattr(db, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(db, "COMMAND_SECONDS", 0.2)
    with tempfile.TemporaryDirectory() as folder:
        made = Cable(f"{target}/.s.PGSQL.5432", Path(folder))
        await made.mend()
        kept = db._engine, db._gate, db._dsn, reads._pool
        dsn = re.sub(r"host=[^&]+", f"host={folder}", settings.database_url)
        db.open_engine(dsn, pool_size=4)
        reads.open_pool(dsn, size=4)
        try:
            yield made
        finally:
            await reads.close_pool()
            await db.close_engine()
            await made.cut()
            db._engine, db._gate, db._dsn, reads._pool = kept


async def everything(world: World) -> list[httpx.Response]:
    """One request of each kind, all at once, as a process that remembers nobody."""
    deps.forget_actors()
    login = {"org": world.code, "username": "agent", "password": "x",
             "device": {"id": "p", "name": "p", "platform": "ios"}}  # fmt: skip
    anonymous = world.client()
    bank = world.client(world.partner_key)
    return await asyncio.gather(
        world.agent.get("/v1/me"),
        world.agent.get("/v1/customers"),
        world.agent.get("/v1/auth/sessions"),
        world.agent.post("/v1/customers", json=PERSON, headers={"Idempotency-Key": "once"}),
        bank.get("/v1/partner/me"),
        anonymous.post("/v1/auth/login", json=login),
        anonymous.post("/v1/auth/refresh", json={"refresh_token": "rmr_" + "A" * 64}),
        anonymous.get("/health/ready"),
    )


HEALTHY = [200, 200, 200, 201, 200, 401, 401, 200]


def assert_honest(answers: list[httpx.Response]) -> None:
    """503 with Retry-After and nothing else about the fault."""
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    for answer in answers:
        assert answer.json()["code"] == "unavailable"
        assert int(answer.headers["retry-after"]) >= 1
        assert not re.search(r"asyncpg|postgres|socket|refused|Traceback|\.py", answer.text)


async def test_cut_cable_is_503_everywhere_and_over_when_mended(cable: Cable, world: World) -> None:
    assert [answer.status_code for answer in await everything(world)] == HEALTHY
    for _ in range(2):
        await cable.cut()
        assert_honest(await everything(world))
        assert_honest(await everything(world))
        assert (await world.client().get("/health/live")).status_code == 200
        await cable.mend()
        assert [answer.status_code for answer in await everything(world)] == HEALTHY
    assert await world.db.fetchval("SELECT count(*) FROM customers WHERE org_id = $1", world.org_id) == 1


async def test_frozen_database_is_503_and_not_a_hang(cable: Cable, world: World) -> None:
    assert [answer.status_code for answer in await everything(world)] == HEALTHY
    cable.hold()
    answers = await asyncio.wait_for(everything(world), 8)
    assert_honest(answers)
    cable.let_go()
    await cable.cut()  # what was held back is of no use to anybody
    await cable.mend()
    assert [answer.status_code for answer in await everything(world)] == HEALTHY


async def test_crowd_in_front_of_a_dead_database_is_told_at_once(cable: Cable, world: World) -> None:
    await cable.cut()
    deps.forget_actors()
    answers = await asyncio.gather(*(world.agent.get("/v1/customers") for _ in range(60)))
    assert_honest(list(answers))


async def test_crowd_that_asks_for_readiness_costs_one_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, connect = [], db.connect

    async def counted(dsn: str) -> asyncpg.Connection:
        opened.append(dsn)
        return await connect(dsn)

    monkeypatch.setattr(db, "connect", counted)
    client = world.client()
    answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(opened) == 1
    assert (await client.get("/health/ready")).status_code == 200
    assert len(opened) == 2  # nothing old is told


async def test_service_limits_are_within_what_is_promised() -> None:
    assert db.CONNECT_SECONDS <= 2
    assert int(db.CONNECT_SETTINGS["statement_timeout"]) / 1000 < db.COMMAND_SECONDS <= 10
    assert db.QUEUE_SECONDS <= 10


# --- the database ends our connections -------------------------------------------------------------------------


async def end_backends(settings: Settings) -> int:
    """What a restart or a failover does to every connection of the service."""
    assert settings.database_url is not None
    root = await asyncpg.connect(settings.database_url.replace("renmai_app", "postgres", 1))
    ended: int = await root.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename = 'renmai_app'"
    )
    await root.close()
    return ended


async def test_ended_connections_are_replaced_without_an_error(settings: Settings, world: World) -> None:
    await asyncio.gather(*(create_customer(world.agent, name=f"客户{n}") for n in range(20)))
    assert await end_backends(settings) >= 2
    statuses: set[int] = set()
    for _ in range(3):
        answers = await asyncio.gather(
            *(world.agent.get("/v1/customers") for _ in range(20)),
            *(world.agent.post("/v1/customers", json=PERSON) for _ in range(20)),
        )
        statuses |= {answer.status_code for answer in answers}
    assert statuses <= {200, 201, 503}
    assert {answer.status_code for answer in answers} == {200, 201}


async def test_connection_that_dies_in_the_middle_is_503_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = db._write_trail

    async def die(session: AsyncSession) -> None:
        await written(session)
        await db.raw(session).execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(db, "_write_trail", die)
    answer = await world.agent.post("/v1/customers", json=PERSON, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    monkeypatch.undo()
    again = await world.agent.post("/v1/customers", json=PERSON, headers={"Idempotency-Key": "once"})
    assert again.status_code == 201
    assert "idempotency-replayed" not in again.headers
    for table in ("customers", "audit_events"):
        assert await world.db.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", world.org_id) == 1
