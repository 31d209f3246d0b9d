"""Promises 47, 50 and 53, for what is known of customers: sealed in the database, found all the same, shown masked."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from app import deps, vault
from app.config import Settings
from tests.factories import World, create_company, create_customer, if_match, searched
from tests.matrix import PRINCIPALS, ROWS, cast
from tests.operations import operations
from tests.test_identity import credit_codes, resident_ids
from tests.ties import introduce, relate

PHONE, LANDLINE, MAIL = "13900139047", "027-8591 2346", "kanarienvogel@example.cn"
ID_NUMBER = "11010519491231002X"
LABEL, PLACE, NOTE, TIE, ASKED = "二姨家座机", "解放大道七百四十七号", "欠三万元", "打麻将认识", "先别提他哥哥"
PRIVATE: dict[str, Any] = {
    "phones": [{"number": PHONE, "label": LABEL}, {"number": LANDLINE, "kind": "home"}],
    "emails": [{"address": MAIL}],
    "addresses": [{"province": "湖北省", "city": "武汉市", "detail": PLACE, "postcode": "430747"}],
}


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def reveal(client: httpx.AsyncClient, customer: dict[str, Any], *fields: str) -> Any:
    body = {"fields": list(fields), "purpose": "servicing"}
    headers = {"Idempotency-Key": uuid4().hex}
    answer = await client.post(f"/v1/customers/{customer['id']}/reveal", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- 47 --------------------------------------------------------------------------------------------------------


def shapes(text: str) -> Iterator[bytes]:
    """A text as it may stand in a file: two encodings, each as it is, in hex, in base64 at any offset; in a URL."""
    yield quote(text).encode()
    for raw in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        yield raw
        yield raw.hex().encode()
        for shift in range(3):  # what does not depend on the neighbours
            yield base64.b64encode(bytes(shift) + raw)[4 : -(-(len(raw) + shift) // 3) * 4 - 4] or raw


async def held(db: asyncpg.Connection, org_id: UUID) -> bytes:
    """Everything the database holds of an organisation, as text: bytes are hex there."""
    tables = await db.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'org_id'")
    parts = [await db.fetchval(f"SELECT string_agg(t::text, '|') FROM {name} t WHERE org_id = $1", org_id)
             for (name,) in tables]  # fmt: skip
    return "\n".join(part or "" for part in parts).encode()


async def test_row_47_database_holds_nothing_private_of_a_customer_in_clear(world: World) -> None:
    made = await create_customer(world.agent, **PRIVATE, note=NOTE, id_number=ID_NUMBER)
    other = await create_customer(world.agent, name="李雷")
    tie = await relate(world.agent, made, other, "friend", note=TIE)
    await introduce(world.agent, made, other, note=ASKED)
    changed = await world.agent.patch(f"/v1/customers/{made['id']}", json={"note": NOTE * 2}, headers=if_match(made))
    assert changed.json()["note"] == NOTE * 2
    before = f"/v1/customers/{made['id']}/relationships/{tie['id']}"
    assert (await world.agent.get(before)).json()["note"] == TIE
    text = await held(world.db, world.org_id)
    assert b"139****9047" in text  # as lists show it
    secrets = (PHONE, "02785912346", "2785912346", MAIL, ID_NUMBER, LABEL, PLACE, "430747", NOTE, TIE, ASKED)
    found = [secret for secret in secrets if any(shape in text for shape in shapes(secret))]
    assert found == []
    assert [tail for tail in ("39047", "93100", "#74093") if tail.encode() in text] == []


# --- 50 --------------------------------------------------------------------------------------------------------


async def test_row_50_whole_numbers_are_found_and_only_whole_ones(world: World, other_world: World) -> None:
    made = await create_customer(world.agent, **PRIVATE, id_number=ID_NUMBER)
    company = await create_company(world.agent, id_number="91350100M000100Y43", phones=[{"number": LANDLINE}])
    await create_customer(other_world.agent, **PRIVATE, id_number=ID_NUMBER)
    for query in (PHONE, "139 0013 9047", "+86 139-0013-9047", "8613900139047", "９０４７", "047", ID_NUMBER,
                  ID_NUMBER.lower(), "110105 19491231 002X"):  # fmt: skip
        assert await searched(world.agent, query) == [made["id"]], query
    assert await searched(world.agent, "91350100m000100y43") == [company["id"]]
    assert await searched(world.agent, LANDLINE) == [company["id"], made["id"]]
    for query in ("39047", "0139047", "1390013904", "13900139048", ID_NUMBER[:-1], ID_NUMBER[1:], "110105199001011237"):
        assert await searched(world.agent, query) == [], query
    # Visibility is that of every list, and who sees masks only searches by no number.
    for client in (world.mate, world.stranger, world.auditor):
        assert [await searched(client, query) for query in (PHONE, ID_NUMBER, "9047")] == [[], [], []]
    assert await searched(world.manager, PHONE) == [made["id"]]


async def test_row_50_index_follows_the_phones(world: World) -> None:
    made = await create_customer(world.agent, **PRIVATE)
    url = f"/v1/customers/{made['id']}"
    renamed = (await world.agent.patch(url, json={"name": "李雷", "note": "x"}, headers=if_match(made))).json()
    assert await searched(world.agent, PHONE) == await searched(world.agent, "9047") == [made["id"]]
    change = {"phones": [{"number": "13812348000"}]}
    changed = (await world.agent.patch(url, json=change, headers=if_match(renamed))).json()
    assert [await searched(world.agent, query) for query in (PHONE, "9047", "13812348000")] == [[], [], [made["id"]]]
    bare = (await world.agent.patch(url, json={"phones": []}, headers=if_match(changed))).json()
    row = await world.db.fetchrow("SELECT phones_bi, phones_bi_ver FROM customers WHERE id = $1", UUID(made["id"]))
    assert tuple(row) == (None, None)
    await world.agent.patch(url, json=change, headers=if_match(bare))
    await world.agent.delete(url, headers={"If-Match": f'"{bare["version"] + 1}"'})
    assert await searched(world.agent, "13812348000") == []
    await world.agent.post(f"{url}/restore")
    assert await searched(world.agent, "13812348000") == [made["id"]]


async def test_row_50_organisations_have_other_indexes_and_nothing_is_indexed_in_clear(
    world: World, other_world: World
) -> None:
    columns = "id_number_bi, phones_bi, id_number_bi_ver, phones_bi_ver"
    rows = []
    for one in (world, other_world):
        made = await create_customer(one.agent, phones=[{"number": PHONE}], id_number=ID_NUMBER)
        rows.append(await one.db.fetchrow(f"SELECT {columns} FROM customers WHERE id = $1", UUID(made["id"])))
        expected = await vault.blinds(one.org_id, "customers", "phone", f"+86{PHONE}")
        assert rows[-1]["phones_bi"] == expected
    assert {(len(row["id_number_bi"]), len(row["phones_bi"][0])) for row in rows} == {(16, 16)}
    assert rows[0]["id_number_bi"] != rows[1]["id_number_bi"]
    assert rows[0]["phones_bi"] != rows[1]["phones_bi"]
    assert rows[0]["phones_bi"][0] != rows[0]["id_number_bi"]
    found = await world.db.fetch(
        "SELECT DISTINCT a.attname::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attnum = ANY(i.indkey::int2[]) "
        "OR pg_get_indexdef(i.indexrelid) ~ ('\\m' || a.attname || '\\M')) "
        "WHERE c.relname = 'customers' AND a.attnum > 0"
    )
    # Of all that is indexed, two come from numbers; search_text has no more of a phone than its mask. The last ones are
    # what a picture of the network shows of everybody: it lies in the row in clear as well.
    assert {row["name"] for row in found} == {
        "org_id", "id", "owner_id", "service_team_id", "created_at", "updated_at", "deleted_at", "name_key",
        "search_text", "id_type", "id_number_bi", "phones_bi", "keep_until", "is_shadow", "known_through_id",
        "restricted_at", "restricted_until", "name", "party_type", "stage", "tier", "gender",
    }  # fmt: skip


# --- 53 --------------------------------------------------------------------------------------------------------


async def give_everybody(world: World, numbers: dict[str, Iterator[str]]) -> None:
    """All customers of the organisation get phones, an e-mail and an ID number of their own."""
    rows = await world.db.fetch(
        "SELECT id, version, party_type FROM customers WHERE org_id = $1 AND deleted_at IS NULL AND NOT is_shadow "
        "AND private_enc IS NULL",
        world.org_id,
    )
    for row in rows:
        change = {**PRIVATE, "id_number": next(numbers[row["party_type"]])}
        headers = {"If-Match": f'"{row["version"]}"'}
        answer = await world.admin.patch(f"/v1/customers/{row['id']}", json=change, headers=headers)
        assert answer.status_code == 200, answer.text


# What a person asked for of himself, his identity checked (PIPL 45): with a step-up, and on record.
HANDED_OUT = {"export_rights_package", "export_rights_package_tables"}


async def test_row_53_no_read_of_anybody_answers_a_full_value(api: FastAPI, world: World, other_world: World) -> None:
    """Every GET of the document, for every principal of the isolation matrix, about people with canaries."""
    clients = await cast(world, other_world)
    persons, companies = resident_ids(300, seed=53), credit_codes(100, seed=53)
    numbers = {"individual": iter(persons), "organization": iter(companies)}
    secrets = [PHONE, "85912346", "kanarienvogel", "example.cn", *persons, *companies]
    shown, asked = 0, set()
    for operation in operations(api.openapi()):
        if operation.method != "get":
            continue
        row = ROWS.get(operation.id)
        ids = operation.some_ids() if row is None else await row.make(world, "agent")
        await give_everybody(world, numbers)
        for principal in PRINCIPALS:
            answer = await operation.call(clients[principal], ids)
            asked.add(operation.id)
            shown += answer.status_code == 200
            if operation.id not in HANDED_OUT:
                assert [one for one in secrets if one in answer.text] == [], (operation.id, principal)
    assert {"get_customer", "list_customers", "export_customers", "get_network", "get_prefill"} <= asked
    assert shown > 200


async def test_row_53_masks_are_the_same_for_every_role(world: World) -> None:
    made = await create_customer(world.agent, **PRIVATE, id_number=ID_NUMBER, note=NOTE)
    for name in ("agent", "manager", "admin", "auditor"):
        client = getattr(world, name)
        body = (await client.get(f"/v1/customers/{made['id']}")).json()
        assert body["id_number_masked"] == "1****************X"
        assert [phone["number"] for phone in body["phones"]] == ["139****9047", "****2346"]
        assert body["emails"] == [{"address": "kan***@", "kind": "home"}]
        is_told = name != "auditor"
        assert (body["phones"][0]["label"], body["addresses"][0]["detail"]) == (
            (LABEL, PLACE) if is_told else (None, None)
        )
        assert body["note"] == (NOTE if is_told else None)
        (line,) = (await client.get("/v1/customers")).json()["items"]
        assert line["phone_masked"] == "139****9047"


async def test_row_53_full_values_come_with_reveal_only(world: World) -> None:
    """With a fresh proof of presence, a purpose, a limit, and an audit event that names the fields and no value."""
    made = await create_customer(world.agent, **PRIVATE, id_number=ID_NUMBER)
    bare = await create_customer(world.agent)
    phones = [
        {"number": "+8613900139047", "kind": "mobile", "label": LABEL},
        {"number": "+862785912346", "kind": "home", "label": None},
    ]
    shown = await reveal(world.agent, made, "emails", "id_number", "phones")
    assert shown == {"id_number": ID_NUMBER, "phones": phones, "emails": [{"address": MAIL, "kind": "home"}]}
    assert await reveal(world.manager, made, "phones") == {"phones": phones}
    assert await reveal(world.agent, bare, "phones", "emails", "id_number") == {
        "id_number": None, "phones": [], "emails": []}  # fmt: skip
    events = await world.db.fetch(
        "SELECT detail FROM audit_events WHERE object_id = $1 AND action = 'customer.revealed' ORDER BY at",
        UUID(made["id"]),
    )
    assert [event["detail"] for event in events] == [
        '{"fields": ["emails", "id_number", "phones"], "purpose": "servicing"}',
        '{"fields": ["phones"], "purpose": "servicing"}',
    ]
    stale = world.client(world.token("agent", proven_ago=301))
    body = {"fields": ["phones"], "purpose": "claim"}
    refused = await stale.post(
        f"/v1/customers/{made['id']}/reveal", json=body, headers={"Idempotency-Key": uuid4().hex}
    )
    assert (refused.status_code, refused.json()["code"]) == (401, "step_up_required")


async def test_row_53_masked_copies_do_not_outlive_a_change(world: World, settings: Settings) -> None:
    made = await create_customer(world.agent, **PRIVATE)
    url = f"/v1/customers/{made['id']}"
    change: dict[str, Any] = {"phones": [], "emails": [], "addresses": [], "note": None}
    await world.agent.patch(url, json=change, headers=if_match(made))
    row = await world.db.fetchrow("SELECT masked, private_enc FROM customers WHERE id = $1", UUID(made["id"]))
    assert tuple(row) == ('{"emails": [], "phones": [], "addresses": []}', None)
    seen = (await world.agent.get(url)).json()
    assert [seen[member] for member in change] == [[], [], [], None]
