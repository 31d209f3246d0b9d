"""`python -m bench.network`: the penetration network at 100,000 and at a million parties, on a private database.

For each world: fill it, ask the service everything of `network_cases.py`, compare its throughput with the database's
own, restart the database and ask once more. Nothing leaves the machine and nothing stays but a section of RESULTS.md,
unless `--home` keeps the filled databases for the next run.
"""

import argparse
import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI
from pydantic import SecretStr

from app import db, keyring, migrate
from app import main as service
from app.config import Settings
from app.embedded import EmbeddedPostgres, prepare
from bench import network_report, network_world, report
from bench.cases import HEAD
from bench.load import Plan
from bench.network_cases import CASES, LOAD, Bench, Request, Timing, known, writes_are_seen
from bench.network_report import Measured, Throughput
from bench.run import CONNECTIONS, DATABASE, environment, say, send, server_settings, serving, settings_for

_ROOT = Path(__file__).resolve().parents[1]
_TIES = 5  # for each party
_FIRST = 50  # questions after a restart
_WRITES = 25  # ties written and looked for


def main() -> None:
    """Measure, print, and write this command's section of bench/RESULTS.md."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every `with` ends what it started
    started, busy = time.time(), os.getloadavg()[0]
    worlds, facts = [], {}
    for nodes in [int(size) for size in options.worlds.split(",")]:
        with _home(options, nodes) as home:
            measured, found = _world(home, nodes, options)
            worlds.append(measured)
            facts.update(found)
    about = report.facts(
        "network", facts, "see above; `bench/network_graph.py` says what it is made of",
        f"{options.warmup} requests to warm up, then {options.count} different ones a line, one after the other, "
        f"{options.passes} times, minutes apart: the fastest time of each request counts",
    )  # fmt: skip
    about |= {"Busy": f"load average {busy:.1f} before the run", "Took": f"{time.time() - started:.0f} s"}
    text = network_report.render(CASES, worlds, about)
    print(text)
    if options.out:
        report.put(Path(options.out), "network", text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.network", description=__doc__)
    parser.add_argument("--worlds", default="100000,1000000", help="comma separated numbers of parties, small to big")
    parser.add_argument("--count", type=int, default=1000, help="counted requests of each case")
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--passes", type=int, default=3, help="how often everything is asked; the fastest time counts")
    parser.add_argument("--rounds", type=int, default=3, help="of the throughput; 0: none")
    parser.add_argument("--seconds", type=float, default=6.0, help="counted seconds of a round")
    parser.add_argument("--only", default="", help="comma separated names of cases")
    parser.add_argument("--out", default=str(_ROOT / "bench/RESULTS.md"), help="empty: print only")
    parser.add_argument("--home", default="", help="a directory open to others, where filled databases stay")
    parser.add_argument("--set", action="append", default=[], help="name=value: another setting of the database server")
    return parser.parse_args()


@contextmanager
def _home(options: argparse.Namespace, nodes: int) -> Iterator[Path]:
    with ExitStack() as stack:
        if options.home:
            home = Path(options.home).resolve() / f"network-{nodes}"
            home.mkdir(parents=True, exist_ok=True)
        else:
            home = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="renmai-bench-", ignore_cleanup_errors=True))
            )
        os.chmod(home, 0o755)  # as root the server runs under another account, which must get in
        yield home


def _world(home: Path, nodes: int, options: argparse.Namespace) -> tuple[Measured, dict[str, str]]:
    """One world from its first row to the last measurement."""
    changes = dict(change.split("=", 1) for change in options.set)
    with EmbeddedPostgres(home, settings=changes) as server:
        about = asyncio.run(_filled(server, home, nodes))
    # A new server on the same data, so that what the filling left in its memory counts for nothing.
    with EmbeddedPostgres(home, settings=changes) as server:
        settings = _settings(server, home)
        asyncio.run(_prewarm(server))
        measured = asyncio.run(_measure(settings, about, options))
        if options.rounds:
            measured.throughput = _throughput(server, home, settings, options)
        facts = asyncio.run(server_settings(server))
    if options.rounds:
        with EmbeddedPostgres(home, settings=changes) as server:
            measured.restarted = asyncio.run(_first(_settings(server, home)))
    return measured, facts


async def _prewarm(server: EmbeddedPostgres) -> None:
    """Read what the network walks on into the server's memory: a database that has run for a day has it there."""
    superuser = await asyncpg.connect(server.dsn("postgres", DATABASE))
    await superuser.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
    for name in ("customers", "customers_pkey", "customers_owner_created", "relationships_left", "relationships_right"):
        await superuser.execute(f"SELECT pg_prewarm('{name}')")
    await superuser.execute("SELECT pg_prewarm('relationships', 'buffer', 'vm')")
    await superuser.close()


def _settings(server: EmbeddedPostgres, home: Path) -> Settings:
    """The same master key for every service on this database, as its signing keys are sealed with it.

    Background jobs are left to others: the night's work on a million parties would be measured along with the reads.
    """
    made, kept = settings_for(server, home), home / "master.key"
    if not kept.exists() and made.master_key is not None:
        kept.write_text(made.master_key.get_secret_value())
        kept.chmod(0o600)
    changes: dict[str, Any] = {"master_key": SecretStr(kept.read_text())}
    if "jobs" in Settings.model_fields:
        changes["jobs"] = "off"
    return made.model_copy(update=changes)


async def _filled(server: EmbeddedPostgres, home: Path, nodes: int) -> dict[str, str]:
    """Migrate, and fill unless an earlier run has; what the world is like."""
    started = time.time()
    await prepare(server, DATABASE, owner="renmai_owner", app="renmai_app")
    ring = keyring.derive(_settings(server, home))
    await migrate.upgrade(server.dsn("renmai_owner", DATABASE), app_role="renmai_app", keys=ring)
    superuser = await asyncpg.connect(server.dsn("postgres", DATABASE))
    filled = await superuser.fetchval("SELECT obj_description('orgs'::regclass)")
    if filled is None:
        about = await network_world.fill(
            server.dsn("postgres", DATABASE), ring, nodes=nodes, edges=_TIES * nodes,
            say=lambda text: say(f"{time.time() - started:4.0f} s  {text}"),
        )  # fmt: skip
        about["filled in"] = f"{time.time() - started:.0f} s"
        about["on disk"] = await superuser.fetchval(
            "SELECT string_agg(c.relname || ' ' || pg_size_pretty(pg_relation_size(c.oid)), ', ' "
            "ORDER BY pg_relation_size(c.oid) DESC) FROM pg_class c WHERE c.relname = ANY($1)",
            ["relationships", "relationships_left", "relationships_right", "customers", "customers_pkey"],
        )
        await superuser.execute(f"COMMENT ON TABLE orgs IS '{orjson.dumps(about).decode()}'")
    else:
        about = orjson.loads(filled)
    await superuser.close()
    return about


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[tuple[Bench, FastAPI]]:
    """The whole service in this process."""
    superuser = await asyncpg.connect(str(settings.database_url).replace("renmai_app@", "postgres@"))
    world = await network_world.load(superuser)
    await superuser.close()
    api = service.create_api(settings)
    async with api.router.lifespan_context(api):
        yield Bench(world, service.wrap(api, settings)), api


async def _measure(settings: Settings, about: dict[str, str], options: argparse.Namespace) -> Measured:
    async with _service(settings) as (bench, api):
        gc.disable()  # a collection in the middle of a round trip would count as the database's time
        world = bench.world
        measured = Measured(world.nodes, world.edges, about, await bench.empty_round_trip(500), (0, 0))
        cases = [case for case in known(api.openapi()) if not options.only or case.name in options.only.split(",")]
        for turn in range(options.passes):
            for case in cases:
                timing = await bench.measure(case, bench.drawn(case, options.warmup + options.count), options.warmup)
                former = measured.timings.get(case.name)
                measured.timings[case.name] = timing if former is None else former.again(timing)
                p50, p95, p99, slowest = network_report.percentiles(measured.timings[case.name])
                say(f"{turn} {case.name:14} p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f}  slowest {slowest:6.1f} ms")
                gc.collect()
        measured.seen = (await writes_are_seen(bench, _WRITES), _WRITES)
        gc.enable()
    return measured


def _throughput(server: EmbeddedPostgres, home: Path, settings: Settings, options: argparse.Namespace) -> Throughput:
    """Rounds of HTTP and of bare statements in turns."""
    found = Throughput()
    with serving("app.main:create_app", home, environment(settings)) as (pid, port):
        requests, statements, org_id = asyncio.run(_load_of(settings, options))
        bare = {
            "dsn": settings.database_url, "org_id": org_id, "statements": statements, "connections": CONNECTIONS,
            "warmup": 1.0, "seconds": options.seconds, "server_settings": db.CONNECT_SETTINGS,
        }  # fmt: skip
        watched = {"python": pid, "postgres": server.pid or 0}
        for number in range(options.rounds):
            outcome = send(Plan(port, requests, CONNECTIONS, 1.0, options.seconds, 200, watched))
            own = subprocess.run(
                [sys.executable, "-m", "bench.network_load"],
                input=orjson.dumps(bare, default=str), stdout=subprocess.PIPE, cwd=_ROOT, check=True,
            )  # fmt: skip
            found.service.append(outcome.per_second)
            found.database.append(orjson.loads(own.stdout)["per_second"])
            found.p99 = max(found.p99, outcome.p99)
            say(f"throughput {number + 1}: {found.service[-1]:.0f}/s of {found.database[-1]:.0f}/s")
    return found


async def _load_of(settings: Settings, options: argparse.Namespace) -> tuple[list[str], list[Any], str]:
    """The same requests as HTTP with fresh tokens, and as the statements the service makes of them."""
    async with _service(settings) as (bench, _):
        drawn = bench.drawn(LOAD, options.count)
        timing = await bench.measure(LOAD, drawn, 0)
        return [_http(bench, request) for request in drawn], timing.seen, str(bench.world.org_id)


def _http(bench: Bench, request: Request) -> str:
    token = bench.headers(request.by)["Authorization"].removeprefix("Bearer ")
    return HEAD.format(method="GET", path=LOAD.path(request), token=token, more="", body="")


async def _first(settings: Settings) -> Timing:
    async with _service(settings) as (bench, _):
        await bench.empty_round_trip(100)
        return await bench.measure(LOAD, bench.drawn(LOAD, _FIRST), 0)


if __name__ == "__main__":
    main()
