"""An incident can be told in an hour: one command, who and what and when, from the trail alone."""

import csv
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from uuid_utils.compat import uuid7

from app import db, incidents
from app.config import Settings
from app.incidents import Incident, Wanted
from tests.commands import Run, runner
from tests.factories import World, create_customer
from tests.test_audit_events import CANARIES


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(settings, capsys)


def span() -> tuple[str, str]:
    now = datetime.now(UTC)
    return (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()


async def ask(run: Run, world: World, out: Path, *more: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    at_from, at_to = span()
    said = await run("incident", "--org", world.code, "--from", at_from, "--to", at_to, "--out", str(out), *more)
    assert said.status == 0, said.err
    with out.with_suffix(".csv").open(encoding="utf-8-sig", newline="") as file:
        return orjson.loads(out.with_suffix(".json").read_bytes()), list(csv.DictReader(file))


async def test_row_65_one_command_tells_whose_data_which_fields_when_and_by_whom(
    world: World, run: Run, tmp_path: Path
) -> None:
    one = await create_customer(world.agent, name="金丝雀", note="卡那利", id_number="11010519491231002X")
    two = await create_customer(world.mate, name="翠鸟")
    for _ in range(3):
        assert (await world.agent.get(f"/v1/customers/{one['id']}")).status_code == 200
    assert (await world.manager.get(f"/v1/customers/{two['id']}")).status_code == 200
    reveal = {"fields": ["id_number"], "purpose": "claim"}
    shown = await world.agent.post(f"/v1/customers/{one['id']}/reveal", json=reveal, headers={"Idempotency-Key": "a1"})
    assert shown.status_code == 200
    report, table = await ask(run, world, tmp_path / "report.json")
    assert report["summary"]["persons"] == 2
    assert report["summary"]["events_by_action"] == {
        "customer.created": 2, "customer.revealed": 1, "customer.viewed": 4,
    }  # fmt: skip
    assert report["summary"]["persons_by_field"]["id_number"] == 1
    assert (report["summary"]["sessions"], report["summary"]["devices"]) == (3, 1)
    persons = {person["person_id"]: person for person in report["persons"]}
    assert persons[one["id"]]["events"] == 5
    assert {"id_number", "phones", "note"} <= set(persons[one["id"]]["fields"])
    assert persons[two["id"]]["actors"] == sorted([str(world.users["mate"]), str(world.users["manager"])])
    looks = [row for row in table if row["person_id"] == one["id"] and row["action"] == "customer.viewed"]
    assert [(row["events"], row["actor_name"], row["session_id"], row["device_id"]) for row in looks] == [
        ("3", "agent", str(world.sessions["agent"]), "test")
    ]
    assert next(row["purpose"] for row in table if row["action"] == "customer.revealed") == "claim"
    said = (tmp_path / "report.json").read_text() + (tmp_path / "report.csv").read_text()
    assert [word for word in CANARIES if word in said and not word.isdigit()] == []
    event = await world.db.fetchrow(
        "SELECT detail FROM audit_events WHERE org_id = $1 AND action = 'incident.reported'", world.org_id
    )
    assert orjson.loads(event["detail"])["persons"] == 2


async def test_report_follows_one_actor_one_session_or_one_key(world: World, run: Run, tmp_path: Path) -> None:
    made = await create_customer(world.agent)
    for client in (world.agent, world.manager, world.admin):
        assert (await client.get(f"/v1/customers/{made['id']}")).status_code == 200
    for more in (("--actor", "manager"), ("--actor", str(world.users["manager"])),
                 ("--session", str(world.sessions["manager"]))):  # fmt: skip
        report, table = await ask(run, world, tmp_path / "one", *more)
        assert report["summary"]["events_by_action"] == {"customer.viewed": 1}
        assert [row["actor_name"] for row in table] == ["manager"]
    key_id = await world.db.fetchval("SELECT key_id FROM api_keys WHERE org_id = $1", world.org_id)
    report, _ = await ask(run, world, tmp_path / "key", "--key", key_id)
    assert report["persons"] == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--actor", "nobody"), "there is no such user"),
        (("--key", "nokey"), "there is no such key"),
        (("--session", "x"), "a session is named by its id"),
        (("--actor", "agent", "--key", "k"), "a user or a key, not both"),
    ],
)
async def test_what_is_not_there_is_said_plainly(
    world: World, run: Run, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    at_from, at_to = span()
    told = await run("incident", "--org", world.code, "--from", at_from, "--to", at_to,
                     "--out", str(tmp_path / "x"), *more)  # fmt: skip
    assert (told.status, told.err) == (1, f"renmai: {said}\n")


async def test_moment_without_a_zone_is_refused(world: World, run: Run, tmp_path: Path) -> None:
    told = await run("incident", "--org", world.code, "--from", "2026-11-01T00:00:00", "--to", "x", "--out", "x")
    assert told.status == 1
    assert "with the zone" in told.err
    late, early = reversed(span())
    turned = await run("incident", "--org", world.code, "--from", late, "--to", early, "--out", str(tmp_path / "x"))
    assert (turned.status, turned.err) == (1, "renmai: --to must be later than --from\n")


async def test_row_65_twenty_thousand_events_take_seconds(world: World, settings: Settings) -> None:
    """Ten minutes for a million are 12 s for these; `bench/trail.py` measures the million."""
    await fill(world.db, world.org_id, 20_000)
    connection = await db.connect(settings.database_url or "", patience=60)
    found, started = Incident(), time.perf_counter()
    wanted = Wanted(datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))
    try:
        lines = "".join([part async for part in incidents.gather(connection, world.org_id, wanted, found)])
    finally:
        await connection.close()
    assert time.perf_counter() - started < 12
    assert (len(found.persons), sum(person.events for person in found.persons.values())) == (2_000, 20_000)
    assert len(lines.splitlines()) == found.rows + 1


async def fill(connection: Any, org_id: UUID, count: int) -> None:
    """Looks at a tenth as many persons, by fifty actors."""
    await connection.execute(
        "INSERT INTO audit_events (org_id, id, actor_id, actor_kind, session_id, device_id, device_kind, action, "
        "object_type, object_id, person_id, detail, request_id) "
        "SELECT $1, ids.id, md5('a' || n % 50)::uuid, 'user', md5('s' || n % 50)::uuid, 'phone-' || n % 50, 'ios', "
        "(ARRAY['customer.viewed', 'dossier.viewed', 'customer.revealed'])[1 + n % 3], 'customer', "
        "md5('p' || n % ($3::int / 10))::uuid, md5('p' || n % ($3::int / 10))::uuid, "
        "'{\"fields\": [\"profile\", \"phones\"], \"result\": \"shown\"}', 'r' || n "
        "FROM unnest($2::uuid[]) WITH ORDINALITY AS ids (id, n)",
        org_id, [uuid7() for _ in range(count)], count,
    )  # fmt: skip
