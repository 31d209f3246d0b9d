"""What the tests of the private server share: places for its data, servers, and processes that own one.

A module imports the fixtures it needs and `common`, the place the ones of a whole module stand in.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.embedded import EmbeddedPostgres

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
