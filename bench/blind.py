"""`python -m bench.blind`: how long does a search by a whole phone or ID number take among a million customers?

Fills one organisation of a private database with sealed and blind-indexed customers, then asks the whole service, in
this process, one search after the other, each for another person: as an agent, who sees his own customers, and as an
administrator, who sees all. The promise is 20 ms for 95 of 100. Nothing leaves the machine, and nothing stays but a
section of RESULTS.md.
"""

import argparse
import asyncio
import gc
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
from pydantic import SecretStr

from app import crypto, keyring, migrate
from app import main as service
from app.config import Settings
from app.domain import identity
from app.embedded import EmbeddedPostgres, prepare
from bench import report
from bench.network_cases import Observer
from bench.run import DATABASE, say, server_settings, settings_for
from bench.sealing import Sealer, make_keys
from bench.world import _CUSTOMER_COLUMNS, Agent, _id_at, _profile, fill_agents, phone_number

_ROOT = Path(__file__).resolve().parents[1]
_PROMISE = 20.0  # ms, 95 of 100
_SEED = 20261128
_BATCH = 20_000
_NUMBER_COLUMNS = ["id_type", "id_number_enc", "id_number_bi", "id_number_bi_ver", "id_number_masked"]


@dataclass(slots=True)
class _World:
    org_id: UUID
    agents: list[Agent]
    admin: Agent
    # (agent's place, phone, ID number) of everybody who will be looked for
    known: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Taken:
    """ms: on the clock, and worked by Python and the database."""

    took: float
    worked: float


def main() -> None:
    """Measure, print, and write this command's section of bench/RESULTS.md; exit status 1 when it took too long."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every `with` ends what it started
    started, busy = time.time(), os.getloadavg()[0]
    with ExitStack() as stack:
        if options.home:
            home = Path(options.home).resolve()
            home.mkdir(parents=True, exist_ok=True)
        else:
            kept = tempfile.TemporaryDirectory(prefix="renmai-bench-", ignore_cleanup_errors=True)
            home = Path(stack.enter_context(kept))
        home.chmod(0o755)  # as root the server runs under another account, which must get in
        with EmbeddedPostgres(home) as server:
            settings = _settings(server, home)
            world = _world(server, settings, home / "world.pickle", options)
            say(f"{options.customers} customers after {time.time() - started:.0f} s")
            if options.fill_only:
                return
            found = asyncio.run(_measure(settings, world, options))
            facts = asyncio.run(server_settings(server))
    about = report.facts(
        "blind", facts, f"{options.customers} customers of {options.agents} agents, each with a phone and an ID number",
        f"{options.warmup} searches to warm up, then {options.count} different ones for each line, one after the other",
    )  # fmt: skip
    about |= {"Busy": f"load average {busy:.1f} before the run", "Took": f"{time.time() - started:.0f} s"}
    text = _rendered(found, about)
    print(text)
    if options.out:
        report.put(Path(options.out), "blind", text)
    sys.exit(max(_percentile([one.took for one in taken], 0.95) for taken in found.values()) > _PROMISE)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.blind", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--agents", type=int, default=2_500)
    parser.add_argument("--count", type=int, default=1000, help="counted searches of each line")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--home", help="keep the filled database there, or use the one that is")
    parser.add_argument("--fill-only", action="store_true", help="make the database of `--home` and measure nothing")
    parser.add_argument("--out", default=str(_ROOT / "bench/RESULTS.md"), help="empty: print only")
    return parser.parse_args()


def _settings(server: EmbeddedPostgres, home: Path) -> Settings:
    """The same master key for every run on this database."""
    made, kept = settings_for(server, home), home / "bench.key"
    if not kept.exists() and made.master_key is not None:
        kept.write_text(made.master_key.get_secret_value())
        kept.chmod(0o600)
    return made.model_copy(update={"master_key": SecretStr(kept.read_text())})


def _world(server: EmbeddedPostgres, settings: Settings, kept: Path, options: argparse.Namespace) -> _World:
    """Made by an earlier run, or now."""
    if kept.exists():
        stored: _World = pickle.loads(kept.read_bytes())
        return stored
    made = asyncio.run(_filled(server, settings, options))
    kept.write_bytes(pickle.dumps(made))
    return made


async def _filled(server: EmbeddedPostgres, settings: Settings, options: argparse.Namespace) -> _World:
    await prepare(server, DATABASE, owner="renmai_owner", app="renmai_app")
    ring = keyring.derive(settings)
    await migrate.upgrade(settings.owner_database_url or "", app_role="renmai_app", keys=ring)
    db = await asyncpg.connect(server.dsn("postgres", DATABASE))
    dice, org_id = random.Random(_SEED), _new_id()
    await db.execute("SET session_replication_role = replica")  # of rows that are known to be right
    await db.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'blind', '测速机构')", org_id)
    await migrate.seed_relation_types(db, org_id)
    agents = await fill_agents(db, org_id, options.agents)
    admin = Agent(_new_id(), _new_id())
    await _admin(db, org_id, admin)
    world = _World(org_id, agents, admin)
    sealer = await make_keys(db, ring, org_id)
    wanted = set(dice.sample(range(options.customers), min(options.customers, 2 * (options.count + options.warmup))))
    indexes = await _take_away_indexes(db)
    for begin in range(0, options.customers, _BATCH):
        rows = range(begin, min(begin + _BATCH, options.customers))
        made = [_customer(world, sealer, dice, number, wanted) for number in rows]
        await db.copy_records_to_table("customers", columns=_CUSTOMER_COLUMNS + _NUMBER_COLUMNS, records=made)
        keys = [(org_id, row[1], 1, sealer.wrapped(row[1])) for row in made]
        await db.copy_records_to_table(
            "person_keys", columns=["org_id", "person_id", "version", "wrapped"], records=keys
        )
    for statement in indexes:
        await db.execute(statement)
    await db.execute("VACUUM (ANALYZE)")
    await db.execute("CHECKPOINT")
    await db.close()
    return world


async def _take_away_indexes(db: asyncpg.Connection) -> list[str]:
    """Drop what would be kept up row by row; the statements that make it again."""
    rows = await db.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS made FROM pg_index "
        "WHERE indrelid = 'customers'::regclass AND NOT indisprimary"
    )
    for row in rows:
        await db.execute(f"DROP INDEX {row['name']}")
    return [row["made"] for row in rows]


def _new_id() -> UUID:
    """An id of a moment ago."""
    return _id_at(random.Random(crypto.new_key()), datetime.now(UTC))


async def _admin(db: asyncpg.Connection, org_id: UUID, admin: Agent) -> None:
    await db.execute(
        "INSERT INTO users (org_id, id, username, name, role, team_id, password_hash) "
        "SELECT $1, $2, 'admin', '主管', 'admin', team_id, '-' FROM users WHERE org_id = $1 LIMIT 1",
        org_id, admin.id,
    )  # fmt: skip
    later = datetime.now(UTC) + timedelta(days=7)
    await db.execute(
        "INSERT INTO sessions (org_id, id, user_id, device_id, device_name, platform, idle_expires_at, "
        "absolute_expires_at) VALUES ($1, $2, $3, 'bench', '测速手机', 'ios', $4, $4)",
        org_id, admin.session_id, admin.id, later,
    )  # fmt: skip


def _customer(world: _World, sealer: Sealer, dice: random.Random, number: int, wanted: set[int]) -> tuple[Any, ...]:
    """A row. The ID number follows from its place, so that none stands twice."""
    at = datetime.now(UTC) - timedelta(days=1000) + timedelta(seconds=number)
    owner, customer_id = dice.randrange(len(world.agents)), _id_at(dice, at)
    phone, id_number = phone_number(dice), _resident_number(number)
    if number in wanted:
        world.known.append((owner, phone, id_number))
    sealed = sealer.id_number(customer_id, id_number)
    profile = _profile(sealer, customer_id, dice, at, phone)
    return (
        world.org_id, customer_id, at, at, world.agents[owner].id, *profile,
        *(sealed[name] for name in _NUMBER_COLUMNS[:-1]), identity.mask_id_number(id_number),
    )  # fmt: skip


def _resident_number(number: int) -> str:
    day, order = divmod(number, 1000)
    body = f"420103{date(1950, 1, 1) + timedelta(days=day):%Y%m%d}{order:03d}"
    return body + identity.id_check_character(body)


@asynccontextmanager
async def _asked(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The whole service in this process."""
    api = service.create_api(settings)
    async with api.router.lifespan_context(api):
        transport = httpx.ASGITransport(service.wrap(api, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            yield client


async def _measure(settings: Settings, world: _World, options: argparse.Namespace) -> dict[str, list[_Taken]]:
    found: dict[str, list[_Taken]] = {}
    observer = Observer()
    async with _asked(settings) as client, observer.watching():
        gc.disable()
        for who in ("agent", "administrator"):
            for what in ("ID number", "phone"):
                people = _people(world, options.count + options.warmup)
                times = [await _search(client, observer, world, who, what, *person) for person in people]
                found[f"{who} by {what}"] = times[options.warmup :]
                gc.collect()
        gc.enable()
    return found


def _people(world: _World, count: int) -> Iterator[tuple[int, str, str]]:
    for place in range(count):
        yield world.known[place % len(world.known)]


async def _search(
    client: httpx.AsyncClient,
    observer: Observer,
    world: _World,
    who: str,
    what: str,
    owner: int,
    phone: str,
    id_number: str,
) -> _Taken:
    """From the request to the answer, which must have exactly this person."""
    headers = _headers(world, world.agents[owner] if who == "agent" else world.admin)
    query = id_number if what == "ID number" else phone.removeprefix("+86")
    before, worked, begun = sum(observer.cpu), time.process_time(), time.perf_counter()
    answer = await client.post("/v1/customers/search", json={"q": query}, headers=headers)
    took, own = (time.perf_counter() - begun) * 1e3, (time.process_time() - worked) * 1e3
    if answer.status_code != 200 or not 1 <= len(orjson.loads(answer.content)["items"]) <= 2:
        raise SystemExit(f"{who} by {what}: {answer.status_code} {answer.text[:200]}")
    return _Taken(took, own + sum(observer.cpu) - before)


def _headers(world: _World, person: Agent) -> dict[str, str]:
    table = keyring.current().table
    if table is None:
        raise RuntimeError("no signing keys")
    claims = table.new_claims(org=world.org_id, sub=person.id, sid=person.session_id, auth_time=int(time.time()))
    return {"Authorization": f"Bearer {table.sign(claims)}"}


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]


def _rendered(found: dict[str, list[_Taken]], about: dict[str, str]) -> str:
    lines = ["## Search by blind index", "",
             "Written by `python -m bench.blind`: ms of a whole search, its token check included, within one process.",
             "CPU is what Python (the client of the measurement too) and the database worked for it: where that is far",
             "below, the machine had other work.", "",
             "| search | p50 | p95 | p99 | slowest | promised p95 | CPU p50 | CPU p95 |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, taken in found.items():
        times, worked = [one.took for one in taken], [one.worked for one in taken]
        shown = " | ".join(f"{_percentile(times, share):.2f}" for share in (0.5, 0.95, 0.99))
        cpu = " | ".join(f"{_percentile(worked, share):.2f}" for share in (0.5, 0.95))
        lines.append(f"| {name} | {shown} | {max(times):.1f} | {_PROMISE:.0f} | {cpu} |")
    return "\n".join([*lines, "", *(f"* {name}: {value}" for name, value in about.items())])


if __name__ == "__main__":
    main()
