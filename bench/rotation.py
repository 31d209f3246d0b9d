"""Every layer of keys rotated by the operator's own commands, under 50 requests a second against a running server.

`python -m bench.rotation` fills a small world in a private PostgreSQL, starts the service as `bench.run` does, and
keeps the rate whatever the answers take: profiles read, ID numbers revealed, the same ID number looked for over its
blind index, new customers with one. Meanwhile the organisation's key, its persons' keys, the key of its blind indexes
and the key-encryption key are rotated and retired. It prints requests, failures, p50, p99, and the rows left on old
versions. It takes about two minutes.
"""

import asyncio
import base64
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from app import key_rows, keyring, migrate, runtime
from app.config import Settings
from app.embedded import EmbeddedPostgres, prepare
from app.tokens import KeyTable
from bench import report
from bench.run import DATABASE, environment, say, serving, settings_for
from bench.world import World, fill, id_number

RATE = 50.0
KEY_SECONDS = 5  # how long the service keeps keys in memory; 60 unless it is told otherwise
_ROOT = Path(__file__).parents[1]
_COMMANDS = (
    ("rotate-keys", "--org", "bench"), ("keys", "retire", "--org", "bench"),
    ("rotate-keys", "--persons", "bench"), ("keys", "retire", "--persons", "bench"),
    ("rotate-keys", "--blind", "bench"), ("keys", "retire", "--blind", "bench"),
    ("rotate-keys", "--kek"), ("keys", "retire", "--kek"), ("rotate-keys", "--signing"), ("keys", "status"),
)  # fmt: skip


class Load:
    """Requests at a fixed rate, each on its own; what each took, and what failed."""

    def __init__(self, port: int, world: World, table: KeyTable) -> None:
        self.world, self._table = world, table
        self._tokens: dict[int, tuple[str, float]] = {}
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self._dice = random.Random(1)
        self._serial = itertools.count(1)
        self._known: list[tuple[int, str, str]] = []  # agent, customer, ID number
        self._looks = itertools.count()
        self.took: list[float] = []
        self.failures: Counter[str] = Counter()
        self.is_stopped = False
        self.seconds = 0.0

    async def run(self) -> None:
        """Until it is stopped; a slow answer delays no other request."""
        for _ in self.world.agents:
            await self._write()
        steps: list[Callable[[], Any]] = [self._profile, self._reveal, self._search, self._write]
        start, waiting = time.perf_counter(), set[asyncio.Task[None]]()
        for number, step in enumerate(itertools.cycle(steps)):
            if self.is_stopped:
                break
            await asyncio.sleep(start + number / RATE - time.perf_counter())
            task = asyncio.create_task(self._timed(step))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
        self.seconds = time.perf_counter() - start
        await self._client.aclose()

    async def _timed(self, step: Callable[[], Any]) -> None:
        began = time.perf_counter()
        try:
            await step()
        except Exception as error:  # whatever it is, it is a failure
            self.failures[f"{step.__name__}: {error!r}"[:200]] += 1
        self.took.append(time.perf_counter() - began)

    async def _profile(self) -> None:
        number, customer, _ = self._dice.choice(self._known)
        answer = await self._ask(number, "GET", f"/v1/customers/{customer}")
        assert answer.status_code == 200, answer.status_code

    async def _reveal(self) -> None:
        """Each agent looks at one in turn: nobody may look at more than 60 an hour."""
        number, customer, secret = self._known[next(self._looks) % len(self.world.agents)]
        body = {"fields": ["id_number"], "purpose": "underwriting"}
        answer = await self._ask(number, "POST", f"/v1/customers/{customer}/reveal", body)
        assert answer.status_code == 200, answer.status_code
        assert answer.json()["id_number"] == secret, "another number"

    async def _search(self) -> None:
        number, _, secret = self._dice.choice(self._known)
        answer = await self._ask(number, "POST", "/v1/customers", self._person(secret))
        assert answer.status_code == 409, answer.status_code

    async def _write(self) -> None:
        serial = next(self._serial)
        number, secret = serial % len(self.world.agents), id_number(serial)
        answer = await self._ask(number, "POST", "/v1/customers", self._person(secret))
        assert answer.status_code == 201, answer.status_code
        self._known.append((number, answer.json()["id"], secret))

    def _person(self, number: str) -> dict[str, Any]:
        phones = [{"number": "13800138000", "kind": "mobile", "label": None}]
        return {
            "party_type": "individual",
            "name": "王小明",
            "stage": "prospect",
            "id_number": number,
            "phones": phones,
        }

    def _token(self, number: int) -> str:
        """A token of somebody who has just proven that he is there; he does so every two minutes."""
        token, made = self._tokens.get(number, ("", 0.0))
        if time.time() - made > 120:
            agent, now = self.world.agents[number], int(time.time())
            claims = self._table.new_claims(org=self.world.org_id, sub=agent.id, sid=agent.session_id, auth_time=now)
            token = self._table.sign(claims)
            self._tokens[number] = token, now
        return token

    async def _ask(self, agent: int, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token(agent)}", "Idempotency-Key": uuid4().hex}
        if method == "GET":
            del headers["Idempotency-Key"]
        return await self._client.request(method, path, json=body, headers=headers)


def main() -> None:
    """Fill, load, rotate, count."""
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="renmai-rotation-", ignore_cleanup_errors=True))
        os.chmod(home, 0o755)  # as root the database runs under another account, which must get in
        server = stack.enter_context(EmbeddedPostgres(Path(home)))
        file = Path(home) / "kek"
        file.write_text(f"1 {_key()}\n")
        settings = settings_for(server, Path(home)).model_copy(update={"kek_file": file, "key_seconds": KEY_SECONDS})
        settings.model_fields_set.update({"kek_file", "key_seconds"})
        world, table = asyncio.run(_prepare(server, settings))
        _, port = stack.enter_context(serving("app.main:create_app", Path(home), environment(settings)))
        load = Load(port, world, table)
        left = asyncio.run(_measure(load, settings, file))
    took = sorted(load.took)
    lines = [
        f"* requests {len(took)} ({len(took) / load.seconds:.0f} a second), failures {load.failures.total()}",
        f"* p50 {took[len(took) // 2] * 1e3:.1f} ms, p99 {took[int(len(took) * 0.99)] * 1e3:.1f} ms, rows left {left}",
    ]
    lines += [f"* {times} × {failure}" for failure, times in load.failures.most_common(5)]
    report.tell("rotation", "Every layer of keys rotated under load", lines)


def _add_key(file: Path) -> None:
    file.write_text(file.read_text() + f"2 {_key()}\n")


def _key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


async def _prepare(server: EmbeddedPostgres, settings: Settings) -> tuple[World, KeyTable]:
    await prepare(server, DATABASE, owner="renmai_owner", app="renmai_app")
    ring = keyring.derive(settings)
    await migrate.upgrade(settings.owner_database_url or "", app_role="renmai_app", keys=ring)
    superuser = await asyncpg.connect(server.dsn("postgres", DATABASE))
    world = await fill(superuser, ring, agents=200, customers=2000, edges=0)
    await superuser.close()
    async with runtime.opened(settings) as ring:
        owner = await asyncpg.connect(settings.owner_database_url)
        await keyring.load_signing_keys(owner, ring)
        await owner.close()
        table = ring.table
        assert table is not None
        return world, table


async def _measure(load: Load, settings: Settings, file: Path) -> int:
    running = asyncio.create_task(load.run())
    await asyncio.sleep(3)
    for command in _COMMANDS:
        if command[1] == "--kek":
            _add_key(file)
        began = time.monotonic()
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "app.cli", *command],
            cwd=file.parent,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **environment(settings)},
            capture_output=True,
            text=True,
            check=False,
        )
        said = (done.stdout + done.stderr).strip()
        say(f"renmai {' '.join(command)} ({time.monotonic() - began:.1f} s): {said}")
        if done.returncode:
            load.failures[f"renmai {' '.join(command)}"] += 1
    await asyncio.sleep(3)
    load.is_stopped = True
    await running
    owner = await asyncpg.connect(settings.owner_database_url)
    found = await key_rows.count_wrapped(owner, await keyring.derive(settings).wrapper.current())
    found += await key_rows.count(owner, load.world.org_id)
    await owner.close()
    return sum(one.rows for one in found if not one.is_current)


if __name__ == "__main__":
    main()
