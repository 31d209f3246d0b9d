"""What only holds when all parts fit: a person of whom everything is on record is erased, packed, restricted, and
sealed under a new key, and nothing is forgotten.
"""

from typing import Any, Literal
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import FastAPI

from app import key_rows, retention, rotation
from app.domain import inventory
from app.models.base import utc_now
from app.sealed import BLIND, SEALED, BlindColumn, SealedColumn
from app.services import consents_unfounded
from tests import household_form
from tests.consents import body as consent_body
from tests.consents import post as decide
from tests.consents import withdraw
from tests.factories import World, create_customer
from tests.facts import learn
from tests.key_times import work
from tests.matrix import ROWS, cast
from tests.operations import by_id
from tests.rights import SECRETS, Json, carried_out, checked, company_known_well, everything, held_of, url
from tests.test_looks_operations import NO_LOOK
from tests.ties import relate
from tests.traces import filled

# Whom the world does not fill for a customer: of the organisation itself.
_NOT_HIS = {"second_factors.secret_enc"}
ALL: tuple[SealedColumn | BlindColumn, ...] = (*SEALED, *BLIND)


def where(table: inventory.Table) -> str:
    return inventory.of_person(table).replace("p_org", "$1").replace("p_ids", "$2::uuid[]")


async def rows_of(world: World, table: inventory.Table, customer: Json) -> int:
    count = f"SELECT count(*) FROM {table.name} WHERE org_id = $1 AND ({where(table)})"
    found: int = await world.db.fetchval(count, world.org_id, [UUID(customer["id"])])
    return found


async def filled_columns(world: World) -> set[str]:
    """The sealed and indexed columns that hold something in this organisation."""
    found = set()
    for one in ALL:
        sql = f"SELECT EXISTS (SELECT FROM {one.table} WHERE org_id = $1 AND {one.column} IS NOT NULL)"
        if await world.db.fetchval(sql, world.org_id):
            found.add(f"{one.table}.{one.column}")
    return found


async def test_person_with_everything_fills_every_sealed_column_and_every_table(world: World) -> None:
    """What the tests below rest on: a sealed column or a table of persons that is new must be filled here."""
    customer = await everything(world)
    assert {f"{one.table}.{one.column}" for one in ALL} - await filled_columns(world) == _NOT_HIS
    await checked(world.agent, customer, "copy")
    await world.admin.get(f"/v1/customers/{customer['id']}/legal-holds")
    empty = {
        table.name
        for table in inventory.tables().values()
        if table.is_of_persons and not await rows_of(world, table, customer)
    }
    assert empty == {"erasures"}


async def test_row_60_person_with_everything_is_erased_to_the_last_row(world: World) -> None:
    customer = await everything(world)
    company = await company_known_well(world)
    held = await carried_out(world, customer, "erasure")
    assert held["outcome"] == "restricted"  # a signed proposal: a law keeps it
    await world.db.execute(
        "UPDATE legal_holds SET until = '2020-01-01' WHERE org_id = $1 AND customer_id = $2",
        world.org_id, UUID(customer["id"]),
    )  # fmt: skip
    await retention.run(world.db, only=[world.org_id])
    assert (await carried_out(world, company, "erasure"))["outcome"] == "erased"
    after = await held_of(world)
    assert [word for word in (*SECRETS, "翠鸟") if word in after] == []
    for one in (customer, company):
        for table in inventory.tables().values():
            if table.erase == "delete":
                assert await rows_of(world, table, one) == 0, table.name
        for sealed in ALL:
            table = inventory.tables()[sealed.table]
            if table.erase == "keep":
                sql = f"SELECT count({sealed.column}) FROM {table.name} WHERE org_id = $1 AND ({where(table)})"
                assert await world.db.fetchval(sql, world.org_id, [UUID(one["id"])]) == 0, sealed
    # That he agreed and took it back is proof for three years; what he showed for it is gone.
    proof = await world.db.fetch("SELECT * FROM consents WHERE customer_id = $1", UUID(customer["id"]))
    assert proof
    assert {(row["details_enc"], row["created_digest"]) for row in proof} == {(None, b"")}
    await world.db.execute("UPDATE customers SET erased_at = now() - interval '4 years' WHERE id = $1", UUID(one["id"]))
    await world.db.execute(
        "UPDATE customers SET erased_at = now() - interval '4 years' WHERE id = $1", UUID(customer["id"])
    )
    await retention.run(world.db, only=[world.org_id])
    assert await world.db.fetchval("SELECT count(*) FROM consents WHERE org_id = $1", world.org_id) == 0


async def test_row_59_package_of_a_person_with_everything_opens_everything(world: World) -> None:
    customer = await everything(world)
    request = await checked(world.agent, customer, "copy")
    answer = await world.manager.get(url(customer, request, "package.json"))
    assert answer.status_code == 200, answer.text
    tables = answer.json()["tables"]
    for table in inventory.tables().values():
        if table.package:
            assert len(tables[table.name]["rows"]) == await rows_of(world, table, customer), table.name
    places = {(one.table, one.column) for one in SEALED}
    for name, table in tables.items():
        for row in table["rows"]:
            for column, value in row.items():
                if (name, column) in places and value is not None:
                    assert not isinstance(value, str) or not value.startswith("01010000"), (name, column)
    text = orjson.dumps(tables).decode()
    for word in ("翠鸟计划", "沙茶面", "翠鸟填错", "13900139047", "解放大道七百四十七号"):
        assert word in text, word
    assert "翠鸟邻居" not in text  # who told it is another person


async def test_row_51_keys_of_persons_rotate_through_the_whole_registry(world: World) -> None:
    """Guarded or not, every sealed column moves, and everything is read as before."""
    customer = await everything(world)
    company = await company_known_well(world)
    before = await _said(world, customer, company)
    layers: tuple[Literal["person", "org", "blind"], ...] = ("person", "org", "blind")
    for layer in layers:
        job = work(world.db)
        if layer == "person":
            await rotation.rotate_persons(job, world.org_id)
        else:
            await rotation.rotate_organisation(job, layer, world.org_id)
        lying = [one for one in await key_rows.count(world.db, world.org_id) if one.layer == layer]
        assert {one.version for one in lying} == {2}
        if layer == "person":
            theirs = {f"{one.table}.{one.column}" for one in SEALED if one.owner == "person"}
            assert {one.place for one in lying} == theirs
        assert await rotation.retire(work(world.db), layer, world.org_id) > 0
        assert await _said(world, customer, company) == before


async def _said(world: World, customer: Json, company: Json) -> dict[str, Any]:
    """What the service says of both, wherever it says something."""
    found: dict[str, Any] = {}
    place, other = f"/v1/customers/{customer['id']}", f"/v1/customers/{company['id']}"
    reads = [place, other, f"{place}/consents", f"{place}/dossier-facts", f"{place}/dossiers/personal",
             f"{place}/dossiers/project", f"{other}/dossiers/corporate", f"{other}/dossiers/competitor",
             f"{place}/relationships", f"{place}/form-responses", f"{place}/needs-analyses", f"{place}/proposals",
             f"{place}/tolerance-assessments", "/v1/introductions"]  # fmt: skip
    for read in reads:
        found[read] = await _read(world.agent, read)
    looked_up = await world.agent.post("/v1/customers/search", json={"q": "13900139047"})
    assert len(looked_up.json()["items"]) == 1, looked_up.text
    for noun in ("form-responses", "needs-analyses", "proposals", "tolerance-assessments"):
        for item in found[f"{place}/{noun}"]["items"]:
            found[item["id"]] = await _read(world.agent, f"/v1/{noun}/{item['id']}")
    fields = ["id_number", "phones", "emails", "dossier.personal.ambitions"]
    asked = {"fields": fields, "purpose": "claim"}
    answer = await world.agent.post(f"{place}/reveal", json=asked, headers={"Idempotency-Key": f"r{len(str(found))}"})
    assert answer.status_code == 200, answer.text
    return {**found, "revealed": answer.json()}


async def _read(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


# --- restricted: every read of one person --------------------------------------------------------------------------

_KEPT_OPEN = {"list_rights_requests", "get_rights_request", "list_legal_holds", "export_rights_package",
              "export_rights_package_tables"}  # fmt: skip


async def test_row_60_restricted_person_is_read_by_no_operation(api: FastAPI, world: World, other_world: World) -> None:
    """Whoever may read something of him is told that he is restricted, or, in a list, nothing."""
    clients, wrong = await cast(world, other_world), []
    of = "SELECT person_id FROM audit_events WHERE org_id = $1 AND person_id IS NOT NULL ORDER BY id DESC LIMIT 1"
    for name, operation in by_id(api.openapi()).items():
        if operation.method.lower() != "get" or name not in ROWS or name in NO_LOOK or name in _KEPT_OPEN:
            continue
        row = ROWS[name]
        ids = await row.make(world, "agent")
        body, client = filled(row.body, ids), clients[row.may()]
        assert (await operation.call(client, ids, body)).status_code == 200, name
        person = await world.db.fetchval(of, world.org_id)
        await world.db.execute(
            "UPDATE customers SET restricted_at = now(), restriction = 'request' WHERE id = $1", person
        )
        answer = await operation.call(client, ids, body)
        told = answer.json()
        if answer.status_code == 200 and told == {"items": [], "next_cursor": None}:
            continue
        if (answer.status_code, told.get("code")) != (403, "customer_restricted"):
            wrong.append((name, answer.status_code))
    assert wrong == []


# --- withdrawn, and past its day -----------------------------------------------------------------------------------


async def count(world: World, rule: str, *, is_dry: bool) -> dict[str, tuple[int, int]]:
    """Rows of this organisation the rule found and, unless it is dry, emptied; and those a law keeps."""
    rules = {"consent_withdrawn": consents_unfounded.withdrawn, "facts_expired": consents_unfounded.expired}
    undo = world.db.transaction()
    await undo.start()
    found = await rules[rule](world.db, world.org_id, utc_now())
    await (undo.rollback() if is_dry else undo.commit())
    return {table: (rows, held) for table, rows, held in consents_unfounded.tables(found)}


async def _agreed(world: World, customer: Json, *groups: str, purpose: str = "advice") -> Json:
    said = await consent_body(world.agent, *groups, purpose=purpose)
    return await decide(world.agent, customer["id"], said)


async def _days_pass(world: World, customer: Json, days: int) -> None:
    await world.db.execute("ALTER TABLE consents DISABLE TRIGGER USER")
    await world.db.execute(
        "UPDATE consents SET withdrawn_at = withdrawn_at - make_interval(days => $2), "
        "decided_at = decided_at - make_interval(days => $2) WHERE customer_id = $1",
        UUID(customer["id"]), days,
    )  # fmt: skip
    await world.db.execute("ALTER TABLE consents ENABLE TRIGGER USER")


@pytest.mark.parametrize("is_held", [False, True])
async def test_withdrawn_consent_takes_its_facts_with_it_unless_a_law_keeps_them(world: World, is_held: bool) -> None:
    customer = await create_customer(world.agent)
    consent = await _agreed(world, customer, "whereabouts", purpose="service")
    trip = await learn(world.agent, customer, "itinerary", "翠鸟岛", observed_on="2026-11-26")
    await learn(world.agent, customer, "food", "沙茶面")
    told = await withdraw(world.agent, consent)
    assert told["unfounded"] == [
        {"object_type": "dossier_fact", "object_id": trip["id"], "field_groups": ["whereabouts"]}
    ]
    refused = await world.agent.post(
        f"/v1/customers/{customer['id']}/dossier-facts",
        json={"fact_key": "itinerary", "value": "x", "source": "customer", "observed_on": "2026-11-26"},
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_missing")
    if is_held:
        hold = {"law": "dispute", "reason": "claim"}
        await world.admin.post(f"/v1/customers/{customer['id']}/legal-holds", json=hold)
    assert await count(world, "consent_withdrawn", is_dry=True) == {}  # he may think better of it for 15 days
    await _days_pass(world, customer, 16)
    wanted = {"dossier_facts": (0, 1) if is_held else (1, 0)}
    for is_dry in (True, False):
        assert await count(world, "consent_withdrawn", is_dry=is_dry) == wanted
    await retention.run(world.db, only=[world.org_id])
    row = await world.db.fetchrow("SELECT value_enc FROM dossier_facts WHERE id = $1", UUID(trip["id"]))
    assert (row is None) is not is_held
    seen = (await world.agent.get(f"/v1/customers/{customer['id']}/dossier-facts")).json()["items"]
    assert len(seen) == (2 if is_held else 1)
    assert (await world.agent.get(f"/v1/customers/{customer['id']}/dossiers/personal")).status_code == 200
    assert await count(world, "consent_withdrawn", is_dry=False) == ({} if not is_held else wanted)


async def test_withdrawn_and_given_again_keeps_what_rests_on_it(world: World) -> None:
    customer = await create_customer(world.agent)
    consent = await _agreed(world, customer, "whereabouts", purpose="service")
    await learn(world.agent, customer, "itinerary", "翠鸟岛", observed_on="2026-11-26")
    await withdraw(world.agent, consent)
    await _days_pass(world, customer, 16)
    await _agreed(world, customer, "whereabouts", purpose="service")
    assert await count(world, "consent_withdrawn", is_dry=False) == {}


async def test_withdrawn_consent_takes_response_analysis_and_draft_of_a_proposal(world: World) -> None:
    proposal = await household_form.proposed(world)
    analysis = (await world.agent.get(f"/v1/needs-analyses/{proposal['needs_analysis_id']}")).json()
    customer = {"id": analysis["customer_id"]}
    place = f"/v1/customers/{customer['id']}"
    given = (await world.agent.get(f"{place}/consents")).json()["items"]
    for consent in given:
        told = await withdraw(world.agent, consent)
    kinds = {one["object_type"] for one in told["unfounded"]}
    assert kinds <= {"form_response", "needs_analysis"}
    again = {"form_response_id": analysis["form_response_id"]}
    for answer in (
        await world.agent.post("/v1/needs-analyses", json=again),
        await world.agent.post(
            f"/v1/needs-analyses/{analysis['id']}/revise",
            json={"life_event": "income", "overrides": {"inflation": {"value": "0.03", "set_by": "agent"}}},
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "consent_missing"), answer.text
    await _days_pass(world, customer, 16)
    found = await count(world, "consent_withdrawn", is_dry=False)
    assert {table: rows for table, (rows, _) in found.items()} == {
        "form_responses": 1,
        "needs_analyses": 1,
        "proposals": 1,
    }
    for read in (f"{place}/form-responses", f"{place}/needs-analyses", f"{place}/proposals"):
        assert (await world.agent.get(read)).json()["items"] == [], read
    for read in (f"form-responses/{again['form_response_id']}", f"needs-analyses/{analysis['id']}",
                 f"proposals/{proposal['id']}"):  # fmt: skip
        assert (await world.agent.get(f"/v1/{read}")).status_code in (404, 410), read
    await retention.run(world.db, only=[world.org_id])
    for table in ("form_responses", "needs_analyses", "proposals"):
        assert await world.db.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", world.org_id) == 0, table


async def test_fact_past_its_day_goes(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await learn(world.agent, customer, "colleagues", "翠鸟同事", basis="agreed")
    assert made["expires_on"] is not None
    await world.db.execute("UPDATE dossier_facts SET expires_on = current_date + 1 WHERE id = $1", UUID(made["id"]))
    assert await count(world, "facts_expired", is_dry=True) == {}
    await world.db.execute("UPDATE dossier_facts SET expires_on = current_date - 2 WHERE id = $1", UUID(made["id"]))
    assert await count(world, "facts_expired", is_dry=True) == {"dossier_facts": (1, 0)}
    assert await world.db.fetchval("SELECT true FROM dossier_facts WHERE id = $1", UUID(made["id"]))
    await retention.run(world.db, only=[world.org_id])
    assert await world.db.fetchval("SELECT true FROM dossier_facts WHERE id = $1", UUID(made["id"])) is None


# --- objections ----------------------------------------------------------------------------------------------------


async def test_objection_to_advice_ends_revisions(world: World) -> None:
    customer = await create_customer(world.agent, name="林致远")
    analysis = await household_form.analyse(world.agent, customer["id"])
    await carried_out(world, customer, "objection", purpose="advice")
    body = {"life_event": "income", "overrides": {"inflation": {"value": "0.03", "set_by": "agent"}}}
    answer = await world.agent.post(f"/v1/needs-analyses/{analysis['id']}/revise", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "purpose_objected"), answer.text


async def test_nobody_who_objects_or_is_restricted_stands_on_a_path(world: World) -> None:
    start, middle, around, target = [
        await create_customer(world.agent, name=name, stage=stage)
        for name, stage in (("王甲", "customer"), ("李乙", "contact"), ("李丙", "contact"), ("赵丁", "contact"))
    ]
    await relate(world.agent, start, middle)
    await relate(world.agent, middle, target)
    await relate(world.agent, start, around)
    await relate(world.agent, around, target)
    ways = {"to": target["id"]}

    async def through() -> set[str]:
        answer = await world.agent.get("/v1/network/paths", params={**ways, "k": 5})
        assert answer.status_code == 200, answer.text
        return {party["name"] for path in answer.json()["items"] for party in path["parties"]}

    assert await through() >= {"王甲", "赵丁"}
    await carried_out(world, middle, "objection", purpose="introductions")
    assert await through() == {"王甲", "李丙", "赵丁"}
    await world.db.execute(
        "UPDATE customers SET restricted_at = now(), restriction = 'request' WHERE id = $1", UUID(around["id"])
    )
    assert await through() == set()
    await carried_out(world, target, "objection", purpose="introductions")
    for who in (world.agent, world.admin):
        answer = await who.get("/v1/network/paths", params=ways)
        assert (answer.status_code, answer.json()["code"]) == (409, "purpose_objected")
