"""`python -m bench.run`: fill a private database, start the service and the bare limit, measure both in turns.

Nothing leaves the machine and nothing stays: the servers listen on the loopback address, and only processes started
here are ended. Needs Linux (/proc, epoll) and the packages of requirements-dev.lock.
"""

import argparse
import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from app import db, keyring, migrate
from app import main as service
from app.config import Settings
from app.embedded import EmbeddedPostgres, prepare
from bench import report
from bench.cases import Case, Maker
from bench.load import Outcome, Plan
from bench.world import World, fill

CONNECTIONS = 16
_ROOT = Path(__file__).resolve().parents[1]
_UVICORN = [
    "--factory",
    "--host",
    "127.0.0.1",
    "--workers",
    "1",
    "--no-access-log",
    "--no-server-header",
    "--log-level",
    "warning",
]
DATABASE = "bench"


def main() -> None:
    """Measure, print, and write this command's section of bench/RESULTS.md."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every `with` ends what it started
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="renmai-bench-", ignore_cleanup_errors=True) as home, ExitStack() as stack:
        os.chmod(home, 0o755)  # as root the server runs under another account, which must get in
        server = stack.enter_context(EmbeddedPostgres(Path(home)))
        settings = settings_for(server, Path(home))
        world, cases, plan = asyncio.run(_prepare(server, settings, options))
        limit_plan = Path(home) / "limit.json"
        limit_plan.write_bytes(orjson.dumps(plan, default=str))
        say(f"{world.customers} customers, {world.edges} relationships after {time.time() - started:.0f} s")
        ports = {
            "ours": stack.enter_context(serving("app.main:create_app", Path(home), environment(settings))),
            "limit": stack.enter_context(
                serving("bench.limit:create_app", Path(home), {"BENCH_LIMIT": str(limit_plan)})
            ),
        }
        if options.hold:
            _hold(Path(home), cases, ports)
            return
        results = [_measure(case, ports, server.pid or 0, options) for case in cases if _wanted(case, options)]
        facts = asyncio.run(facts_of(server, world, options))
    text = report.render(results, {**facts, "Took": f"{time.time() - started:.0f} s"})
    print(text)
    if options.out:
        report.put(Path(options.out), "run", text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=500_000)
    parser.add_argument("--agents", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="counted seconds of each measurement")
    parser.add_argument("--only", default="", help="comma separated: profile,page,search,create,network")
    parser.add_argument("--out", default=str(_ROOT / "bench/RESULTS.md"), help="empty: print only")
    parser.add_argument("--hold", action="store_true", help="keep both servers running until Ctrl-C, measure nothing")
    return parser.parse_args()


def settings_for(server: EmbeddedPostgres, home: Path) -> Settings:
    """Production settings for a service on this server."""
    return Settings(
        environment="production",
        database_url=server.dsn("renmai_app", DATABASE),
        owner_database_url=server.dsn("renmai_owner", DATABASE),
        master_key=base64.b64encode(os.urandom(32)).decode(),
        allowed_hosts="127.0.0.1",
        rate_limit=0,
        log_level="WARNING",
        var_dir=home,
        _env_file=None,
    )


def environment(settings: Settings) -> dict[str, str]:
    """The same as environment variables of a child process."""
    values = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if settings.master_key is not None:
        values["master_key"] = settings.master_key.get_secret_value()
    return {f"RENMAI_{name.upper()}": str(value) for name, value in values.items()}


async def _prepare(
    server: EmbeddedPostgres, settings: Settings, options: argparse.Namespace
) -> tuple[World, list[Case], dict[str, Any]]:
    """The filled database, the cases, and what the limit has to know."""
    await prepare(server, DATABASE, owner="renmai_owner", app="renmai_app")
    ring = keyring.derive(settings)
    await migrate.upgrade(settings.owner_database_url or "", app_role="renmai_app", keys=ring)
    superuser = await asyncpg.connect(server.dsn("postgres", DATABASE))
    world = await fill(superuser, ring, agents=options.agents, customers=options.customers, edges=options.edges)
    await superuser.close()
    plan: dict[str, Any] = {
        "dsn": settings.owner_database_url, "org_id": str(world.org_id), "connections": CONNECTIONS,
        "server_settings": db.CONNECT_SETTINGS, "reads": {}, "names": {},
    }  # fmt: skip
    api = service.create_api(settings)
    async with api.router.lifespan_context(api):
        cases = await Maker(world, service.wrap(api, settings), plan).cases(_network_path(api.openapi()))
    return world, cases, plan


def _network_path(document: dict[str, Any]) -> str | None:
    """The path of the network read, its id as {id}; None while there is no such route."""
    for path in document["paths"]:
        if path.endswith("/network"):
            return str(path).replace("{customer_id}", "{id}")
    return None


@contextmanager
def serving(target: str, home: Path, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """A server with one worker, as `renmai serve` starts it: its process id and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENMAI_")}
    child = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", target, *_UVICORN, "--port", str(port)],
        cwd=home,  # away from any .env
        env={**kept, "PYTHONPATH": str(_ROOT), **environment},
    )
    try:
        _await_port(child, port)
        yield child.pid, port
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_port(child: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"a server did not start (status {child.poll()})")


def _wanted(case: Case, options: argparse.Namespace) -> bool:
    return not options.only or case.name in options.only.split(",")


def _measure(
    case: Case, ports: dict[str, tuple[int, int]], postmaster: int, options: argparse.Namespace
) -> report.Result:
    """Rounds of the service and the limit in turns, so that whatever else the machine does hits both."""
    outcomes: dict[str, list[Outcome]] = {"ours": [], "limit": []}
    for number in range(options.rounds):
        for side, requests in (("ours", case.ours), ("limit", case.limit)):
            pid, port = ports[side]
            plan = Plan(
                port=port,
                requests=requests,
                connections=CONNECTIONS,
                warmup=1.0,
                seconds=options.seconds,
                status=case.status,
                watch={"python": pid, "postgres": postmaster},
            )
            outcome = send(plan)
            outcomes[side].append(outcome)
            say(f"{case.name} {number + 1} {side:5} {outcome.per_second:8.0f}/s  p99 {outcome.p99:.1f} ms")
    return report.Result(case.title, case.target, outcomes["ours"], outcomes["limit"])


def send(plan: Plan) -> Outcome:
    """Run the load in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=orjson.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        check=True,
    )
    return Outcome(**orjson.loads(done.stdout))


def _hold(home: Path, cases: list[Case], ports: dict[str, tuple[int, int]]) -> None:
    """For a profiler: where the servers are, and one request of each case to send."""
    for side, (pid, port) in ports.items():
        say(f"{side}: process {pid}, http://127.0.0.1:{port}")
    for case in cases:
        for side, requests in (("ours", case.ours), ("limit", case.limit)):
            plan = Plan(ports[side][1], requests, CONNECTIONS, 1.0, 8.0, case.status, {"python": ports[side][0]})
            (home / f"{case.name}-{side}.json").write_bytes(orjson.dumps(asdict(plan)))
    say(f"python -m bench.load < {home}/<case>-<side>.json")
    signal.pause()


async def server_settings(server: EmbeddedPostgres) -> dict[str, str]:
    """What the database ran with, for the report."""
    connection = await asyncpg.connect(server.dsn("postgres", DATABASE))
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    found = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}
    await connection.close()
    return found


async def facts_of(server: EmbeddedPostgres, world: World, options: argparse.Namespace) -> dict[str, str]:
    return report.facts(
        "run",
        await server_settings(server),
        f"{world.customers} customers of {len(world.agents)} agents, {world.edges} relationships, one organisation",
        f"{CONNECTIONS} keep-alive connections, {options.rounds} rounds of {options.seconds:g} s, the two in turns",
    )


def say(text: str) -> None:
    """Tell whoever waits; results go to stdout."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
