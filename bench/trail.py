"""`python -m bench.trail`: how fast the audit trail is sealed, checked, searched and told, with a million events.

Fills a private database with looks of fifty users at a hundred thousand customers, then times what an operator and a
customer wait for. Prints lines; writes nothing.
"""

import argparse
import asyncio
import base64
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from app import audit_check, audit_seals, db, incidents, keyring, migrate, reads
from app.config import Settings
from app.embedded import SEALER, EmbeddedPostgres, prepare
from app.services import audit_events
from bench import report

_FILL = """
INSERT INTO audit_events (org_id, id, actor_id, actor_kind, session_id, device_id, device_kind, action, object_type,
                          object_id, person_id, detail, request_id)
SELECT $1, i.id, md5('a' || i.n % 50)::uuid, 'user', md5('s' || i.n % 50)::uuid, 'phone-' || i.n % 50, 'ios',
       CASE WHEN i.n % 5000 = 0 THEN 'customer.revealed' ELSE 'customer.viewed' END, 'customer', p.id, p.id,
       '{"fields": ["profile", "phones", "emails", "addresses", "id_number_masked", "note"], "result": "shown"}', 'r'
FROM unnest($2::uuid[], $3::bigint[]) AS i (id, n), LATERAL (SELECT md5('p' || i.n % 100000)::uuid AS id) p
"""


def main() -> None:
    """Fill, measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.trail", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    events: int = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="renmai-bench-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o755)  # as root the server runs under another account, which must get in
        with EmbeddedPostgres(Path(home)) as server:
            asyncio.run(_measure(server, Path(home), events))
    report.tell("trail", "The audit trail", _told)


_told: list[str] = []


async def _measure(server: EmbeddedPostgres, home: Path, events: int) -> None:
    await prepare(server, "bench")
    settings = Settings(
        environment="test", master_key=base64.b64encode(os.urandom(32)).decode(), var_dir=home, _env_file=None
    )
    ring = keyring.derive(settings)
    await migrate.upgrade(server.dsn("renmai_owner", "bench"), app_role="renmai_app", keys=ring)
    root = await db.connect(server.dsn("postgres", "bench"), patience=600)
    org_id = uuid7()
    await root.execute("INSERT INTO orgs (id, code, name) VALUES ($1, 'bench', '测速机构')", org_id)
    await _timed("filled", events, lambda: _fill(root, org_id, events))
    sealer = await db.connect(server.dsn(SEALER, "bench"), patience=600)
    await _timed("sealed", events, lambda: audit_seals.seal(sealer, ring))
    checked = await _timed("checked", events, lambda: audit_check.verify(sealer, ring))
    assert (checked.events, checked.findings) == (events, [])
    service = await db.connect(server.dsn("renmai_app", "bench"), patience=600)
    await _timed("incident told", events, lambda: _tell(service, org_id))
    reads.open_pool(server.dsn("renmai_app", "bench"), size=2)
    await _search(org_id)
    await reads.close_pool()
    for connection in (root, sealer, service):
        await connection.close()


async def _timed(what: str, events: int, work: Callable[[], Awaitable[Any]]) -> Any:
    started = time.perf_counter()
    result = await work()
    seconds = time.perf_counter() - started
    _told.append(f"* {what}: {events} events in {seconds:.1f} s, {events / seconds:.0f} a second")
    return result


async def _fill(root: asyncpg.Connection, org_id: UUID, events: int) -> None:
    for start in range(0, events, 20_000):
        numbers = list(range(start, min(start + 20_000, events)))
        await root.execute(_FILL, org_id, [uuid7() for _ in numbers], numbers)
    await root.execute("VACUUM (ANALYZE) audit_events")


async def _tell(service: asyncpg.Connection, org_id: UUID) -> None:
    found, now = incidents.Incident(), datetime.now(UTC)
    wanted = incidents.Wanted(now - timedelta(days=1), now + timedelta(days=1))
    size = sum([len(part) async for part in incidents.gather(service, org_id, wanted, found)])
    _told.append(f"* incident: {len(found.persons)} persons, {found.rows} rows, {size / 1e6:.0f} MB of table")


async def _search(org_id: UUID) -> None:
    """The slowest and the middle of a hundred first pages for each filter."""
    rows = await reads.with_connection(
        lambda c: c.fetch(
            "SELECT md5('p' || n)::uuid AS id FROM generate_series(0, 99) AS n UNION ALL SELECT md5('a1')::uuid"
        )
    )
    *ids, actor = [row["id"] for row in rows]
    none = {"action": None, "action_prefix": None, "actor_id": None, "object_id": None, "person_id": None}
    asked = {
        "access log of a person": None, "by person": {"person_id": ids[0]}, "by actor": {"actor_id": actor},
        "by action": {"action": "customer.revealed"}, "by rare beginning": {"action_prefix": "customer.r"},
        "by actor and rare action": {"actor_id": actor, "action": "customer.revealed"},
    }  # fmt: skip
    first, last = audit_events.between(None, None)
    for what, query in asked.items():
        taken = list[float]()
        for number in range(100):
            started = time.perf_counter()
            if query is None:
                await reads.row(org_id, None, "list_access_log", ids[number], first, last, None, None, 51)
            else:
                one: Any = SimpleNamespace(**none | query)
                await reads.row(
                    org_id, None, "list_audit_events", first, last, None, None, one.action, one.actor_id,
                    one.object_id, 51, one.person_id, one.action_prefix, variants=audit_events._variants(one),
                )  # fmt: skip
            taken.append(1000 * (time.perf_counter() - started))
        _told.append(f"* {what}: p50 {sorted(taken)[50]:.1f} ms, p95 {sorted(taken)[94]:.1f} ms")


if __name__ == "__main__":
    main()
