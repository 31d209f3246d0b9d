"""Promises 52, 59, 60, 61: erased is unreadable, a package complete, a restriction holds, every column is known."""

import csv
import io
import os
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from app import cli_rights, keyring, main, migrate, retention
from app.config import Settings
from app.domain import inventory
from app.embedded import EmbeddedPostgres, prepare
from app.sealed import BLIND, SEALED
from app.services import rights_requests_erase
from tests.apart import apart
from tests.contract import Contract
from tests.factories import World, create_customer, if_match, make_world
from tests.rights import SECRETS, Json, add_facts, ask, carried_out, checked, held_of, known_well, url

# --- 61: every column has a class, a purpose, a basis and a term ------------------------------------------------


async def catalogue(db: asyncpg.Connection) -> set[tuple[str, str]]:
    rows = await db.fetch(
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'"
    )
    return {(row[0], row[1]) for row in rows}


async def test_row_61_every_column_is_in_the_inventory_and_nothing_else_is(world: World) -> None:
    there = await catalogue(world.db)
    unlisted = {(table, name) for table, name in there if inventory.column(table, name) is None}
    assert unlisted == set()
    declared = {(table.name, name) for table in inventory.tables().values() for name in table.columns}
    assert {one for one in declared if one[0] != "*"} - there == set()
    assert set(inventory.tables()["*"].columns) <= {name for _, name in there}


async def test_row_61_unlisted_column_and_vanished_column_are_noticed(world: World) -> None:
    undo = world.db.transaction()
    await undo.start()
    try:
        await world.db.execute("ALTER TABLE customers ADD COLUMN blood_group text, DROP COLUMN occupation")
        there = await catalogue(world.db)
    finally:
        await undo.rollback()
    assert inventory.column("customers", "blood_group") is None
    assert ("customers", "blood_group") in there
    assert inventory.column("customers", "occupation") is not None
    assert ("customers", "occupation") not in there


def test_row_61_published_inventory_is_the_declared_one() -> None:
    cli_rights.inventory(check=True)
    document = orjson.loads(Path("openapi/data-inventory.json").read_bytes())
    for table in document["tables"].values():
        for one in table["columns"].values():
            assert one["class"] in document["classes"]
            assert one["purpose"] in document["purposes"]
            assert one["legal_basis"] in document["legal_bases"]
            assert one["retention"] in document["retentions"]
            assert one["in_package"] or one["why_not"] in document["left_out"]


def test_row_61_personal_data_has_a_purpose_and_a_basis() -> None:
    for table in inventory.tables().values():
        for one in table.columns.values():
            if one.kind != "none":
                assert one.subject != "none", (table.name, one.name)
                assert one.basis != "none", (table.name, one.name)
                assert one.retention != "organisation", (table.name, one.name)


@pytest.mark.parametrize(
    "text",
    [
        "[customers] customer who=id",  # what becomes of the rows?
        "[customers] somebody who=id erase=keep",
        "[customers] customer who=id erase=keep\nname C9 service contract person clear yes",
        "[customers] customer who=id erase=keep\nname C1 service contract person clear no:because",
        "[customers] customer who=id erase=keep\nname C1 service contract person clear",
        "[customers] customer who=id erase=keep\nname C1 service contract person clear yes\n"
        "name C1 service contract person clear yes",
    ],
)
def test_row_61_half_a_declaration_is_refused(text: str) -> None:
    with pytest.raises(inventory.InventoryError):
        inventory.parse(text)


# --- 59: the package ---------------------------------------------------------------------------------------------


async def package(world: World, customer: Json, request: Json) -> Json:
    answer = await world.manager.get(url(customer, request, "package.json"))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_row_59_package_is_complete_against_the_inventory(world: World) -> None:
    customer = await known_well(world)
    request = await checked(world.agent, customer, "copy")
    found = await package(world, customer, request)
    assert found["customer_id"] == customer["id"]
    wanted = {table.name: {one.name for one in table.package} for table in inventory.tables().values() if table.package}
    assert {name: set(table["columns"]) for name, table in found["tables"].items()} == wanted
    for name, table in found["tables"].items():
        declared = inventory.tables()[name]
        who = inventory.of_person(declared).replace("p_org", "$1").replace("p_ids", "$2::uuid[]")
        count = f"SELECT count(*) FROM {name} WHERE org_id = $1 AND ({who})"
        assert len(table["rows"]) == await world.db.fetchval(count, world.org_id, [UUID(customer["id"])]), name
        for row in table["rows"]:
            assert set(row) == wanted[name], name
    empty = {name for name, table in found["tables"].items() if not table["rows"]}
    assert empty <= {"tolerance_assessments", "proposals", "needs_analysis_confirmations", "legal_holds"}
    (person,) = found["tables"]["customers"]["rows"]
    assert person["name"] == "欧阳金丝雀"
    assert person["private_enc"]["note"] == "欠张三两万"
    assert person["id_number_enc"] == "11010519491231002X"  # in clear: it is his
    assert "女儿在厦门读初二" in orjson.dumps(found).decode()


async def test_row_59_package_tells_nothing_of_others(world: World) -> None:
    customer = await known_well(world)
    request = await checked(world.agent, customer, "access")
    text = orjson.dumps(await package(world, customer, request)).decode()
    assert "李雷" not in text
    other = (await world.agent.get("/v1/customers?q=李雷")).json()["items"][0]
    assert other["id"] not in text
    assert str(world.users["agent"]) not in text


async def test_row_59_tables_say_the_same_and_hold_no_formula(world: World) -> None:
    customer = await create_customer(world.agent, name="王永庆", note="=cmd|'/c calc'!A1", tags=["+1"])
    request = await checked(world.agent, customer, "portability")
    answer = await world.manager.get(url(customer, request, "package.zip"))
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    found = await package(world, customer, request)
    assert set(archive.namelist()) == {f"{name}.csv" for name in found["tables"]} | {"columns.json"}
    for name, table in found["tables"].items():
        header, *rows = csv.reader(io.StringIO(archive.read(f"{name}.csv").decode("utf-8-sig")))
        assert header == list(table["columns"]), name
        assert len(rows) == len(table["rows"]), name
        assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")], name
    (person,) = csv.DictReader(io.StringIO(archive.read("customers.csv").decode("utf-8-sig")))
    assert orjson.loads(person["private_enc"])["note"] == "=cmd|'/c calc'!A1"  # inside JSON it is no formula
    assert person["tags"] == '["+1"]'


async def test_row_59_no_package_before_the_identity_is_checked_nor_for_whom_it_is_not(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await ask(world.agent, customer, "copy")
    early = await world.manager.get(url(customer, made, "package.json"))
    assert (early.status_code, early.json()["code"]) == (409, "identity_not_checked")
    ready = await checked(world.agent, customer, "copy")
    assert (await world.agent.get(url(customer, ready, "package.json"))).status_code == 403
    assert (await world.stranger.get(url(customer, ready))).status_code == 404
    late = world.client(world.token("manager", proven_ago=301))
    assert (await late.get(url(customer, ready, "package.json"))).json()["code"] == "step_up_required"
    other = await checked(world.agent, customer, "objection", purpose="proactive_contact")
    assert (await world.manager.get(url(customer, other, "package.json"))).status_code == 409
    await package(world, customer, ready)
    events = (await world.admin.get("/v1/audit-events", params={"object_id": ready["id"]})).json()["items"]
    assert "rights_request.packaged" in {event["action"] for event in events}


async def test_row_59_ten_thousand_records_take_seconds(world: World) -> None:
    customer = await create_customer(world.agent)
    await add_facts(world, customer, 10_000)
    request = await checked(world.agent, customer, "access")
    began = time.monotonic()
    found = await package(world, customer, request)
    archive = await world.manager.get(url(customer, request, "package.zip"))
    assert time.monotonic() - began < 60
    assert len(found["tables"]["dossier_facts"]["rows"]) == 10_000
    assert len({row["id"] for row in found["tables"]["dossier_facts"]["rows"]}) == 10_000
    assert zipfile.ZipFile(io.BytesIO(archive.content)).testzip() is None


# --- 60: correction, restriction, erasure, refusal ---------------------------------------------------------------


async def test_row_60_erasure_without_a_hold_leaves_nothing_anywhere(world: World) -> None:
    customer = await known_well(world)
    before = await held_of(world)
    assert [word for word in SECRETS if word in before] == ["欧阳金丝雀", "ouyangjinsique"]  # the rest is sealed
    keys = "SELECT count(*) FROM person_keys WHERE org_id = $1 AND person_id = $2"
    done = await carried_out(world, customer, "erasure")
    assert done["outcome"] == "erased"
    after = await held_of(world)
    assert [word for word in SECRETS if word in after] == []
    assert await world.db.fetchval(keys, world.org_id, UUID(customer["id"])) == 0
    row = await world.db.fetchrow("SELECT * FROM customers WHERE id = $1", UUID(customer["id"]))
    for name in ("id_number_enc", "private_enc", "id_number_bi", "phones_bi", "birthday", "gender", "occupation"):
        assert row[name] is None, name
    for table in inventory.tables().values():
        if table.erase == "delete":
            who = inventory.of_person(table).replace("p_org", "$1").replace("p_ids", "$2::uuid[]")
            left = f"SELECT count(*) FROM {table.name} WHERE org_id = $1 AND ({who})"
            assert await world.db.fetchval(left, world.org_id, [UUID(customer["id"])]) == 0, table.name
    told = "SELECT bool_and(removed) FROM feed WHERE org_id = $1 AND id = $2"
    assert await world.db.fetchval(told, world.org_id, UUID(customer["id"]))
    kept = "SELECT count(*) FROM idempotency_keys WHERE org_id = $1 AND $2 = ANY(about)"
    assert await world.db.fetchval(kept, world.org_id, UUID(customer["id"])) == 0
    proof = await world.db.fetchrow("SELECT * FROM erasures WHERE org_id = $1", world.org_id)
    assert (proof["basis"], proof["decided_by"]) == ("request", world.users["manager"])
    assert orjson.loads(proof["counts"])["dossier_facts"] == 1
    for place in ("", "/relationships", "/network", "/dossiers/personal", "/needs-analyses"):
        assert (await world.admin.get(f"/v1/customers/{customer['id']}{place}")).status_code == 404, place
    again = await create_customer(world.agent, name="欧阳金丝雀", id_number="11010519491231002X")  # a new beginning
    assert again["id"] != customer["id"]


async def test_row_60_with_a_hold_he_is_restricted_on_every_road_and_erased_at_its_end(world: World) -> None:
    customer = await known_well(world)
    hold = {"law": "insurance_law_87", "reason": "claim", "until": "2099-12-31"}
    place = f"/v1/customers/{customer['id']}"
    response = (await world.agent.get(f"{place}/form-responses")).json()["items"][0]
    analysis = (await world.agent.get(f"{place}/needs-analyses")).json()["items"][0]
    tie = (await world.agent.get(f"{place}/relationships")).json()["items"][0]
    other = tie["other"]["id"]
    set_ = (await world.admin.post(f"{place}/legal-holds", json=hold)).json()
    done = await carried_out(world, customer, "erasure")
    assert (done["status"], done["outcome"], done["outcome_until"]) == ("done", "restricted", "2099-12-31")
    for read in (place, f"{place}/network", f"{place}/relationships", f"{place}/dossiers/personal",
                 f"{place}/dossier-facts", f"{place}/form-responses",
                 f"{place}/needs-analyses", f"{place}/proposals", f"{place}/coverage",
                 f"/v1/form-responses/{response['id']}", f"/v1/needs-analyses/{analysis['id']}",
                 f"/v1/customers/{other}/relationships/{tie['id']}"):  # fmt: skip
        for client in (world.agent, world.admin):
            answer = await client.get(read)
            assert answer.status_code in (200, 403), read
            if answer.status_code == 200:
                assert answer.json() == {"items": [], "next_cursor": None}, read
                continue
            told = answer.json()
            assert (told["code"], told["reason"], told["until"]) == ("customer_restricted", "legal_hold", "2099-12-31")
    fact = {"fact_key": "family_hometown", "value": "x", "source": "customer", "observed_on": "2026-11-20"}
    once = {"Idempotency-Key": uuid4().hex}
    asked = {"fields": ["id_number"], "purpose": "claim"}
    for answer in (
        await world.agent.patch(place, json={"note": "x"}, headers=if_match(customer)),
        await world.agent.delete(place, headers=if_match(customer)),
        await world.agent.post(f"{place}/reveal", json=asked, headers=once),
        await world.agent.post(f"{place}/dossier-facts", json=fact),
        await world.agent.post("/v1/form-responses", json={"customer_id": customer["id"], "form_key": "needs.fact_find",
                                                           "form_version": "1.0.0", "answers": {}}),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (403, "customer_restricted"), answer.request.url
    log = await world.agent.get(f"{place}/access-log")  # but who looked at him, he may ask at any time
    assert (log.status_code, log.json()["items"] != []) == (200, True)
    assert (await world.stranger.get(f"{place}/access-log")).status_code == 404
    assert [item["id"] for item in (await world.agent.get("/v1/customers")).json()["items"]] == [other]
    assert (await world.agent.get("/v1/customers?q=ouyang")).json()["items"] == []
    drawn = (await world.agent.get(f"/v1/customers/{other}/network")).json()
    assert customer["id"] not in orjson.dumps(drawn).decode()
    assert (await world.agent.get(f"/v1/customers/{other}/relationships")).json()["items"] == []
    # The end of the hold: an administrator lifts it, the next run erases.
    assert sum(one.held for one in await retention.run(world.db, only=[world.org_id]) if one.name == "hold_ended") >= 1
    lifted = await world.admin.delete(f"{place}/legal-holds/{set_['id']}", headers=if_match(set_))
    assert lifted.status_code == 204
    await retention.run(world.db, only=[world.org_id])
    after = await held_of(world)
    assert [word for word in SECRETS if word in after] == []
    assert (await world.agent.get(place)).status_code == 404


async def test_row_60_refusal_carries_a_reason_and_nothing_happens_unchecked(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await ask(world.agent, customer, "erasure")
    early = await world.manager.post(url(customer, made, "complete"), headers=if_match(made))
    assert (early.status_code, early.json()["code"]) == (409, "identity_not_checked")
    silent = await world.manager.post(url(customer, made, "refuse"), json={}, headers=if_match(made))
    assert silent.status_code == 422
    reason = {"reason": "identity_not_proven"}
    mine = await world.agent.post(url(customer, made, "refuse"), json=reason, headers=if_match(made))
    assert (mine.status_code, mine.json()["code"]) == (403, "scope_missing")
    told = await world.manager.post(url(customer, made, "refuse"), json=reason, headers=if_match(made))
    assert (told.json()["status"], told.json()["refusal"]) == ("refused", "identity_not_proven")
    late = world.client(world.token("manager", proven_ago=301))
    ready = await checked(world.agent, customer, "erasure")
    answer = await late.post(url(customer, ready, "complete"), headers=if_match(ready))
    assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required")
    assert (await world.agent.get(f"/v1/customers/{customer['id']}")).status_code == 200


# --- 52: erased, and yesterday's backup --------------------------------------------------------------------------


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[World]:
    """The whole service over another database, with an organisation in it if there is none."""
    assert settings.owner_database_url is not None
    with apart(settings):
        app = main.create_api(settings)
        async with app.router.lifespan_context(app):
            connection = await asyncpg.connect(settings.owner_database_url)
            try:
                yield World(uuid7(), "", main.wrap(app, settings), Contract(app.openapi()), connection)
            finally:
                await connection.close()


async def test_row_52_erased_stays_unreadable_after_yesterdays_backup_is_restored(
    settings: Settings, tmp_path: Path
) -> None:
    server = EmbeddedPostgres(Path(os.environ["RENMAI_TEST_HOME"]))
    server.start()
    name, backup = f"erased_{uuid4().hex[:8]}", f"yesterday_{uuid4().hex[:8]}"
    await prepare(server, name, owner="renmai_owner", app="renmai_app")

    def on(database: str) -> Settings:
        urls = {
            "database_url": server.dsn("renmai_app", database),
            "owner_database_url": server.dsn("renmai_owner", database),
        }
        return settings.model_copy(update=urls)

    async def copy(source: str, target: str) -> None:
        connection = await asyncpg.connect(server.dsn("postgres", "postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {target} TEMPLATE {source} OWNER renmai_owner")
        finally:
            await connection.close()

    await migrate.upgrade(server.dsn("renmai_owner", name), app_role="renmai_app", keys=keyring.derive(settings))
    async with served(on(name)) as shell:
        world = await make_world(shell.app, shell.contract, shell.db)
        customer = await known_well(world)
        other = await create_customer(world.agent, name="韩梅梅")
    await copy(name, backup)  # the dump of yesterday
    async with served(on(name)) as shell:
        today = _again(world, shell)
        assert (await carried_out(today, customer, "erasure"))["outcome"] == "erased"
        path = tmp_path / "erasures.jsonl"
        path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in await rights_requests_erase.listed(shell.db)))
        assert [word for word in SECRETS if word in path.read_text()] == []
    # Restored: without the list he is back; with it, before the service opens, he is not.
    async with served(on(backup)) as shell:
        restored = _again(world, shell)
        assert (await restored.agent.get(f"/v1/customers/{customer['id']}")).status_code == 200
    connection = await asyncpg.connect(server.dsn("renmai_owner", backup))
    try:
        entries = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        assert await rights_requests_erase.replay(connection, entries) == (1, 1)
        assert await rights_requests_erase.replay(connection, entries) == (0, 1)  # once is enough
    finally:
        await connection.close()
    async with served(on(backup)) as shell:
        restored = _again(world, shell)
        after = await held_of(restored)
        assert [word for word in SECRETS if word in after] == []
        assert (await restored.agent.get(f"/v1/customers/{customer['id']}")).status_code == 404
        assert (await restored.agent.get(f"/v1/customers/{other['id']}")).status_code == 200
        row = await shell.db.fetchrow("SELECT * FROM customers WHERE id = $1", UUID(customer["id"]))
        assert (row["id_number_enc"], row["id_number_bi"]) == (None, None)
        keys = "SELECT count(*) FROM person_keys WHERE person_id = $1"
        assert await shell.db.fetchval(keys, UUID(customer["id"])) == 0
        proof = await shell.db.fetchrow("SELECT * FROM erasures WHERE customer_id = $1", UUID(customer["id"]))
        assert (proof["basis"], str(proof["id"]), proof["replayed_at"] is not None) == (
            "request",
            entries[0]["id"],
            True,
        )
        assert proof["erased_at"].isoformat() == entries[0]["erased_at"]


def _again(world: World, shell: World) -> World:
    """The same organisation and people, on another database."""
    made = World(world.org_id, world.code, shell.app, shell.contract, shell.db, dict(world.users), dict(world.sessions))
    made.teams = dict(world.teams)
    return made


def test_row_52_no_sealed_or_indexed_column_of_a_person_is_forgotten() -> None:
    assert inventory.tables()["person_keys"].erase == "delete"
    listed = {(one.table, one.column): "sealed" for one in SEALED} | {(one.table, one.column): "blind" for one in BLIND}
    for place, stored in listed.items():
        said, table = inventory.column(*place), inventory.tables()[place[0]]
        assert said is not None, place
        assert said.stored == stored, place
        if table.is_of_persons:
            assert table.erase == "delete" or said.erased == "NULL", place
    declared = {
        (table.name, one.name)
        for table in inventory.tables().values()
        for one in table.columns.values()
        if table.is_of_persons and one.stored in ("sealed", "blind")
    }
    assert declared <= listed.keys()
