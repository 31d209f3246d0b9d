"""Customers as a spreadsheet: what the caller sees and no more, masked, on record, and only for who is there."""

import csv
import io
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.services.customers_export import COLUMNS, MAX_ROWS
from tests.factories import World, create_company, create_customer, create_service_team, if_match

PATH = "/v1/customer-exports"
FULL = {
    "gender": "female",
    "occupation": "教师",
    "phones": [{"number": "13800138000"}, {"number": "13912345678"}],
    "emails": [{"address": "xuemei@example.com"}],
    "addresses": [{"province": "湖北省", "city": "武汉市", "county": "江汉区", "detail": "解放大道688号"}],
    "tags": ["vip", "茶友"],
    "note": "周末有空",
    "id_number": "11010519491231002X",
}


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    """The rows of an export, by column."""
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def names(client: httpx.AsyncClient, query: str = "") -> set[str]:
    return {row["name"] for row in rows_of(await client.get(f"{PATH}{query}"))}


async def exports(world: World) -> list[Any]:
    """What the trail says of exports: who, and the detail."""
    found = await world.db.fetch(
        "SELECT actor_id, object_type, object_id, detail FROM audit_events "
        "WHERE org_id = $1 AND action = 'customers.exported' ORDER BY id",
        world.org_id,
    )
    return [(row["actor_id"], row["object_type"], row["object_id"], json.loads(row["detail"])) for row in found]


@pytest.mark.parametrize("caller", ["manager", "admin"])
async def test_row_shows_the_summary_with_contact_data_masked(world: World, caller: str) -> None:
    person = await create_customer(world.agent, name="欧阳雪梅", **FULL)
    company = await create_company(world.mate)
    answer = await getattr(world, caller).get(PATH)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="customers.csv"'
    assert answer.headers["cache-control"] == "no-store"
    lines = answer.content.split(b"\r\n")
    assert lines[0] == b"\xef\xbb\xbf" + ",".join(f'"{name}"' for name in COLUMNS).encode()
    assert (len(lines), lines[-1], b"\n" in answer.content.replace(b"\r\n", b"")) == (4, b"", False)
    newest, oldest = rows_of(answer)
    assert oldest == {
        "id": person["id"],
        "party_type": "individual",
        "stage": "prospect",
        "name": "欧阳雪梅",
        "gender": "female",
        "occupation": "教师",
        "phone_masked": "138****8000",
        "email_masked": "xue***@",
        "city": "武汉市",
        "county": "江汉区",
        "tags": "vip|茶友",
        "owner": "agent",
        "created_at": person["created_at"],
        "updated_at": person["updated_at"],
    }
    assert (newest["id"], newest["owner"]) == (company["id"], "mate")
    assert {newest[name] for name in ("gender", "occupation", "phone_masked", "email_masked", "city", "tags")} == {""}
    for secret in ("13800138000", "xuemei", "解放大道", "周末有空", "11010519491231002X", "13912345678"):
        assert secret not in answer.text


async def test_export_shows_whom_the_caller_sees(world: World, other_world: World) -> None:
    await create_customer(world.agent, name="甲")
    await create_customer(world.mate, name="乙")
    shared = await create_customer(world.stranger, name="丙")
    gone = await create_customer(world.agent, name="丁")
    await world.agent.delete(f"/v1/customers/{gone['id']}", headers=if_match(gone))
    await create_customer(other_world.agent, name="戊")
    assert await names(world.manager) == {"甲", "乙"}
    assert await names(world.admin) == {"甲", "乙", "丙"}
    assert await names(other_world.admin) == {"戊"}
    team_id = await create_service_team(world, "stranger", "agent")
    given = await world.stranger.patch(
        f"/v1/customers/{shared['id']}", json={"service_team_id": team_id}, headers=if_match(shared)
    )
    assert given.status_code == 200
    listed = {row["name"] for row in (await world.manager.get("/v1/customers")).json()["items"]}
    assert await names(world.manager) == listed


async def test_filters_are_those_of_the_list(world: World) -> None:
    await create_customer(world.agent, name="甲", stage="customer", tags=["vip"])
    await create_customer(world.agent, name="乙", stage="contact", tags=["vip"])
    await create_customer(world.agent, name="丙", stage="investor")
    assert await names(world.manager, "?stage=customer,investor") == {"甲", "丙"}
    assert await names(world.manager, "?tag=vip") == {"甲", "乙"}
    assert await names(world.manager, "?tag=vip&stage=customer") == {"甲"}
    assert await names(world.manager, "?tag=v") == set()
    for query in ("?stage=none", "?limit=5", "?q=wyq", "?tag="):
        assert (await world.manager.get(f"{PATH}{query}")).status_code == 422, query
    manager = world.users["manager"]
    assert await exports(world) == [
        (manager, "customer", None, {"count": 2, "filters": ["stage"]}),
        (manager, "customer", None, {"count": 2, "filters": ["tag"]}),
        (manager, "customer", None, {"count": 1, "filters": ["stage", "tag"]}),
        (manager, "customer", None, {"count": 0, "filters": ["tag"]}),
    ]


async def test_export_wants_somebody_who_is_there_and_may(world: World) -> None:
    await create_customer(world.agent)
    for name in ("agent", "auditor"):
        refused = await getattr(world, name).get(PATH)
        assert (refused.status_code, refused.json()["required_scope"]) == (403, "customers:export")
    stale = await world.client(world.token("manager", proven_ago=301)).get(PATH)
    assert (stale.status_code, stale.json()["code"]) == (401, "step_up_required")
    assert (await world.client().get(PATH)).status_code == 401
    assert await exports(world) == []
    assert (await world.client(world.token("manager", proven_ago=200)).get(PATH)).status_code == 200
    assert len(await exports(world)) == 1


async def test_export_of_nobody_has_a_header_and_no_row(world: World) -> None:
    answer = await world.manager.get(PATH)
    assert rows_of(answer) == []
    assert answer.content.count(b"\r\n") == 1


async def test_largest_export_has_twenty_thousand_rows_and_one_more_is_409(world: World) -> None:
    full = {**FULL, "id_number": None, "tags": ["a,b", 'c"d', "e;f"]}
    one = await create_customer(world.agent, name='"引号",逗号', **full)
    columns = [
        row["column_name"]
        for row in await world.db.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'customers' "
            "AND is_generated = 'NEVER' AND is_identity = 'NO' AND column_name <> 'id'"
        )
    ]
    copied = ", ".join(columns)
    copy = f"INSERT INTO customers (id, {copied}) SELECT gen_random_uuid(), {copied} FROM customers, \
generate_series(1, $3) WHERE org_id = $1 AND id = $2"
    await world.db.execute(copy, world.org_id, UUID(one["id"]), MAX_ROWS - 1)
    rows = rows_of(await world.manager.get(PATH))
    assert (len(rows), len({row["id"] for row in rows})) == (MAX_ROWS, MAX_ROWS)
    assert {(row["name"], row["tags"]) for row in rows} == {('"引号",逗号', 'a,b|c"d|e;f')}
    await world.db.execute(copy, world.org_id, UUID(one["id"]), 1)
    refused = await world.manager.get(PATH, headers={"Accept-Language": "zh-CN"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_rows")
    assert "缩小导出范围" in refused.json()["title"]
    assert [detail["count"] for _, _, _, detail in await exports(world)] == [MAX_ROWS]
    assert rows_of(await world.manager.get(f"{PATH}?stage=investor")) == []


async def test_export_is_only_read_and_stands_in_the_place_of_no_id(world: World) -> None:
    for method in ("POST", "PATCH", "DELETE"):
        wrong = await world.manager.request(method, PATH)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET"), method
    for path in (f"{PATH}/", f"{PATH}.csv", f"{PATH}/{uuid4()}"):
        assert (await world.manager.get(path)).status_code == 404, path
