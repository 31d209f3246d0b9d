# ruff: noqa: ASYNC240 - the few small files looked at here block nobody
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import embedded
from app.embedded import EmbeddedError, EmbeddedPostgres
from tests.private_server import ask, common, end, launch, place, said, server, shared, store, stored, used

__all__ = ["common", "place", "shared", "used"]  # fixtures: tests name them as parameters, pytest looks for them here

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG and pidfd")


@pytest.fixture
async def session(shared: EmbeddedPostgres) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(shared.dsn("postgres", "postgres"))
    yield connection
    await connection.close()


def watch(pid: int) -> int:
    return os.pidfd_open(pid)


def has_ended(pidfd: int) -> bool:
    """Whether that process ends within 15 s; an unreaped zombie has ended."""
    try:
        return bool(select.select([pidfd], [], [], 15)[0])
    finally:
        os.close(pidfd)


async def test_first_start_serves_on_a_private_socket_only(shared: EmbeddedPostgres, session: Any) -> None:
    assert shared.is_owner
    assert shared.pid is not None
    assert os.getsid(shared.pid) != os.getsid(0)  # the terminal's Ctrl-C does not reach it before us
    assert await session.fetchval("SHOW listen_addresses") == ""
    sockets = Path(await session.fetchval("SHOW unix_socket_directories"))
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert shared.data_dir.stat().st_mode & 0o777 == 0o700
    assert sockets.stat().st_uid == shared.data_dir.stat().st_uid != 0


async def test_settings_reach_the_server(session: Any) -> None:
    names = ("max_connections", "shared_buffers", "fsync", "TimeZone", "autovacuum", "data_checksums")
    assert [await session.fetchval(f"SHOW {name}") for name in names] == ["17", "16MB", "off", "UTC", "on", "on"]


async def test_durability_is_on_unless_a_caller_says_otherwise(used: Path) -> None:
    with EmbeddedPostgres(used / "var") as pg:
        assert await ask(pg, "SHOW fsync") == "on"
        assert await ask(pg, "SHOW shared_buffers") == "128MB"
        assert await ask(pg, "SHOW max_connections") == "100"


async def test_log_never_shows_what_people_stored(used: Path) -> None:
    with server(used) as pg:
        connection = await asyncpg.connect(pg.dsn("postgres", "postgres"))
        await connection.execute("CREATE TEMP TABLE people (phone text PRIMARY KEY)")
        await connection.execute("INSERT INTO people VALUES ($1)", "13900001111")
        with pytest.raises(asyncpg.UniqueViolationError):  # its detail quotes the row
            await connection.execute("INSERT INTO people VALUES ($1)", "13900001111")
        with pytest.raises(asyncpg.DataError):  # its message quotes the value
            await connection.execute("SELECT '13900001111 x'::int")
        with pytest.raises((asyncpg.PostgresError, OSError)):  # a crash quotes the statement
            await connection.execute("COPY (SELECT '13900001111') TO PROGRAM 'kill -9 $PPID'")
    log = (used / "var/postgres/server.log").read_text()
    assert "was terminated by signal 9" in log
    assert "1390000" not in log


async def test_restart_keeps_rows_and_start_twice_is_harmless(used: Path) -> None:
    pg = server(used)
    pg.start()
    first = pg.pid
    pg.start()
    assert pg.pid == first
    await store(pg, "kept")
    pg.stop()
    assert (pg.is_owner, pg.pid) == (False, None)
    with pytest.raises(EmbeddedError, match="not running"):
        pg.dsn("postgres", "postgres")
    with pg:
        assert await stored(pg) == ["kept"]


async def test_second_process_attaches_and_leaves_the_server_running(used: Path) -> None:
    with server(used) as pg:
        child = launch(used / "var")
        assert said(child)[:2] == (pg.pid, False)
        end(child)
        assert child.returncode == 0
        assert await ask(pg, "SELECT 1") == 1


def test_processes_starting_together_agree_on_one_owner(place: Path) -> None:
    children = [launch(place / "var") for _ in range(3)]
    heard = [said(child) for child in children]
    assert sorted(is_owner for _, is_owner, _ in heard) == [False, False, True]
    assert len({pid for pid, _, _ in heard}) == 1
    for child in children:
        end(child)


@on_linux
def test_forked_copy_does_not_stop_the_server(used: Path) -> None:
    with server(used) as pg:
        if (copy := os.fork()) == 0:
            pg.stop()
            os._exit(0)
        os.waitpid(copy, 0)
        assert embedded._pid_file(pg.data_dir) == (pg.pid, "ready")


async def test_killed_postmaster_is_replaced_and_acknowledged_rows_recovered(used: Path) -> None:
    with server(used) as pg:
        await store(pg, "acknowledged")
        assert pg.pid is not None
        lost = pg.pid
        os.kill(lost, signal.SIGKILL)
        assert pg._child is not None
        pg._child.wait(15)
        pg.start()
        assert pg.pid != lost
        assert await stored(pg) == ["acknowledged"]


@on_linux
async def test_killed_owner_takes_the_server_along_and_the_next_start_works(used: Path) -> None:
    child = launch(used / "var")
    postmaster = watch(said(child)[0])
    with server(used) as attached:
        await store(attached, "acknowledged")
    child.kill()
    end(child)
    assert has_ended(postmaster)
    pg = server(used)
    assert embedded._servers_in(pg.data_dir) == set()
    with pg:
        assert pg.is_owner
        assert await stored(pg) == ["acknowledged"]


@on_linux
async def test_owner_and_postmaster_killed_together_are_recovered_from(used: Path) -> None:
    child = launch(used / "var")
    pid, _, _ = said(child)
    with server(used) as attached:
        await store(attached, "acknowledged")
    os.kill(pid, signal.SIGKILL)
    child.kill()
    child.wait()  # its lock is gone only with it; until then a start would attach
    with server(used) as pg:
        assert pg.is_owner
        assert await stored(pg) == ["acknowledged"]
    end(child)


@on_linux
def test_live_leftover_of_a_killed_owner_is_ended(used: Path) -> None:
    with server(used) as pg:
        orphan = watch(pg.pid or 0)
        embedded._end_leftovers(pg.data_dir)
        assert has_ended(orphan)
        assert not (pg.data_dir / "postmaster.pid").exists()


@on_linux
@pytest.mark.parametrize("words", [[], ["polite"]], ids=["default action", "handler"])
def test_sigterm_to_the_owner_stops_the_server(used: Path, words: list[str]) -> None:
    child = launch(used / "var", *words)
    postmaster = watch(said(child)[0])
    child.terminate()
    end(child)
    assert child.returncode == (0 if words else -signal.SIGTERM)
    assert has_ended(postmaster)
    log = (used / "var/postgres/server.log").read_text()
    assert log.rstrip().endswith("database system is shut down")


@pytest.mark.parametrize("content", ["", "what is this?\n", "-1\n", "{pid}\n/x\n1\n5432\n/x\n\n 1 2\nready\n"])
async def test_stale_postmaster_pid_is_no_obstacle(used: Path, content: str) -> None:
    content = content.replace("{pid}", str(os.getpid()))  # alive, but no server of this data directory
    (used / "var/postgres/data/postmaster.pid").write_text(content)
    (used / "var/postgres/run/.s.PGSQL.5432.lock").write_text(content)
    with server(used) as pg:
        assert await ask(pg, "SELECT 1") == 1


def test_half_made_cluster_of_an_interrupted_start_is_discarded(used: Path) -> None:
    assert sorted(path.name for path in (used / "var/postgres").glob("data*")) == ["data"]
