"""Promises 22, 23 and 25 to 27: nobody reaches what is not his, by whatever road (24: `test_isolation_bodies`)."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app import db, deps, reads
from app.access import FRESH_SCOPES, PARTNER_SCOPES, SCOPES
from app.models.base import TenantRow
from app.models.teams import Team
from app.models.users import Role
from tests import matrix_makers as make
from tests.factories import USERS, World, create_customer, create_service_team
from tests.household_form import analyse, propose, qualify
from tests.life_form import FORM, create_analysis, create_draft
from tests.matrix import OK, PRINCIPALS, ROWS
from tests.matrix_makers import Ids
from tests.operations import METHODS, Operation, by_id, operations
from tests.test_database import tenant_tables
from tests.test_promises_sessions import _Clock
from tests.tolerance_form import assess
from tests.traces import filled, fingerprint


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


@pytest.fixture
def every(api: FastAPI) -> list[Operation]:
    """The operations of the document; signing out comes last, as nothing works after it."""
    return sorted(operations(api.openapi()), key=lambda operation: operation.id == "logout")


# --- 22: the matrix --------------------------------------------------------------------------------------------


def test_promise_22_matrix_has_a_cell_for_every_operation_and_every_principal(every: list[Operation]) -> None:
    """That each cell is as the table says is proven row by row in `test_isolation`; here, that none is missing."""
    cells = {(name, principal): row.expected(principal) for name, row in ROWS.items() for principal in PRINCIPALS}
    wanted = {(operation.id, principal) for operation in every if operation.ids for principal in PRINCIPALS}
    assert set(cells) == wanted
    assert {"owner", "mate", "stranger", "foreign_agent", "partner", "other_partner", "revoked"} < set(PRINCIPALS)
    assert len(cells) >= 46 * 14
    statuses = Counter(cells.values())
    assert set(statuses) == {200, 201, 204, 401, 403, 404}
    for name, row in ROWS.items():
        assert {row.expected(who) for who in ("revoked", "disabled", "anonymous")} == {401}, name
        assert {row.expected(who) for who in ("partner", "other_partner")} == {403}, name
        assert {row.expected(who) for who in ("foreign_agent", "foreign_admin", "rival")} <= {403, 404, row.good}, name
        assert row.expected("foreign_admin") == 404, name


# --- 23: functions ---------------------------------------------------------------------------------------------


def _callers(world: World) -> Iterator[tuple[str, httpx.AsyncClient, set[str]]]:
    for name in USERS:
        role = Role(name) if name in set(Role) else Role.agent
        yield name, getattr(world, name), {scope.value for scope in SCOPES[role]}
    yield "partner", world.client(world.partner_key), {scope.value for scope in PARTNER_SCOPES}
    yield "anonymous", world.client(), set()


async def test_promise_23_operation_is_open_to_exactly_those_with_its_scope(
    world: World, every: list[Operation]
) -> None:
    """Every operation for every kind of caller, before anything of the request itself is looked at."""
    refused = admitted = 0
    callers = list(_callers(world))
    for operation in every:
        for scope in operation.scopes:
            for name, client, held in callers:
                answer = await operation.call(client, operation.some_ids(), operation.empty_body())
                if scope in held:
                    assert answer.status_code not in (401, 403), (operation.id, name)
                    admitted += 1
                elif name == "anonymous":
                    assert answer.status_code == 401, operation.id
                else:
                    told = (answer.status_code, answer.json()["code"], answer.json().get("required_scope"))
                    assert told == (403, "scope_missing", scope), (operation.id, name)
                    refused += 1
    assert min(refused, admitted) > 150


async def test_promise_23_undeclared_method_is_405_with_the_exact_allow(world: World, every: list[Operation]) -> None:
    """HEAD and OPTIONS included: phones ask conditionally with GET, and browsers of other origins are not served."""
    declared: dict[str, set[str]] = {}
    for operation in every:
        declared.setdefault(operation.path, set()).add(operation.method.upper())
    shapes = {other: re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(other)) for other in declared}
    callers = {name: client for name, client, _held in _callers(world)}
    tried = 0
    for operation in {operation.path: operation for operation in every}.values():
        url = operation.url(operation.some_ids())
        matching = {m for other, shape in shapes.items() if re.fullmatch(shape, url) for m in declared[other]}
        matching = declared.get(url, matching)  # a path without parameters goes before one with them
        assert declared[operation.path] <= matching
        for method in {name.upper() for name in METHODS} - matching:
            for name in ("agent", "admin", "partner", "anonymous"):
                has_body = method in ("POST", "PUT", "PATCH")
                answer = await callers[name].request(method, url, json={} if has_body else None)
                told = (answer.status_code, answer.headers.get("allow"))
                assert told == (405, ", ".join(sorted(matching))), (method, operation.path, name)
                tried += 1
    assert tried > 1000


# Of `session:own`, what weakens or replaces a way in.
FRESH_OWN = {"create_second_factor", "delete_second_factor"}


async def test_promise_23_what_decides_about_others_wants_somebody_who_was_there_just_now(
    world: World, every: list[Operation]
) -> None:
    """After 301 s each of them refuses, whatever is sent, and everything else does not; after 240 s none refuses."""
    fresh = {operation.id for operation in every if set(operation.scopes) & {scope.value for scope in FRESH_SCOPES}}
    assert len(fresh) >= 10
    before = await fingerprint(world)
    stale, recent = [world.client(world.token("admin", proven_ago=seconds)) for seconds in (301, 240)]
    refused = set()
    for operation in every:
        body = operation.empty_body()
        if operation.id in fresh | FRESH_OWN:
            answer = await operation.call(stale, operation.some_ids(), body)
            assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required"), operation.id
            assert answer.json()["max_age"] == 300
            assert 'error="insufficient_user_authentication"' in answer.headers["www-authenticate"]
    assert await fingerprint(world) == before
    for operation in every:
        for client in (recent,) if operation.id in fresh | FRESH_OWN else (stale,):
            answer = await operation.call(client, operation.some_ids(), operation.empty_body())
            if "step_up_required" in answer.text:
                refused.add(operation.id)
    assert refused == set()


# --- 25: the database denies by itself -------------------------------------------------------------------------


async def _on_the_same_connection(pid: int, statements: list[str], bound: UUID | None) -> list[Any]:
    """What the pooled connection with this server process answers, bound as told."""
    assert db._engine is not None
    held = []
    try:
        for _ in range(20):
            held.append(await db._engine.connect())
            if (await held[-1].execute(text("SELECT pg_backend_pid()"))).scalar_one() == pid:
                break
        else:
            raise AssertionError("the pool has no such connection")
        begin = "BEGIN" if bound is None else f"BEGIN; SET LOCAL app.org_id = '{bound}'"
        driver = (await held[-1].get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute(begin)
        try:
            return [await driver.fetchval(statement) for statement in statements]
        finally:
            await driver.execute("ROLLBACK")
    finally:
        for connection in held:
            await connection.close()


async def test_promise_25_database_shows_nothing_without_the_right_organisation(
    world: World, other_world: World
) -> None:
    """Catalogue, no tenant, another tenant, and the connection another tenant has just committed on."""
    tables = await tenant_tables(world.db)
    walls = await world.db.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid WHERE c.relrowsecurity "
        "AND pg_get_expr(p.polqual, c.oid) = '(org_id = app_org())' AND c.relname = ANY($1)",
        tables,
    )
    assert sorted(row["relname"] for row in walls) == tables
    role = await world.db.fetchrow("SELECT rolbypassrls, rolsuper, oid FROM pg_roles WHERE rolname = 'renmai_app'")
    assert (role["rolbypassrls"], role["rolsuper"]) == (False, False)
    owned = "SELECT count(*) FROM pg_class WHERE relowner = $1"
    assert await world.db.fetchval(owned, role["oid"]) == 0

    await make.departed_person(world, "agent")
    await make.relationship(world, "agent")
    async with db.transaction(world.org_id) as session:
        pid = await db.raw(session).fetchval("SELECT pg_backend_pid()")
        session.add(Team(org_id=world.org_id, name="刚提交"))
    count_all = [f"SELECT count(*) FROM {table}" for table in tables]
    ours = [f"{statement} WHERE org_id = '{world.org_id}'" for statement in count_all]
    visible = await _on_the_same_connection(pid, ours, world.org_id)
    assert sum(count > 0 for count in visible) >= 8  # the test would be worth nothing over empty tables
    assert await _on_the_same_connection(pid, ["SELECT current_user", "SELECT app_org()"], None) == ["renmai_app", None]
    assert set(await _on_the_same_connection(pid, count_all, None)) == {0}
    assert set(await _on_the_same_connection(pid, ours, other_world.org_id)) == {0}
    for bound in (None, other_world.org_id):
        forged = f"INSERT INTO teams (org_id, id, name) VALUES ('{world.org_id}', gen_random_uuid(), '别家')"
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await _on_the_same_connection(pid, [forged], bound)


async def test_promise_25_read_pool_shows_nothing_without_an_organisation(world: World) -> None:
    await create_customer(world.agent)
    assert len((await world.agent.get("/v1/customers")).json()["items"]) == 1
    tables = await tenant_tables(world.db)

    async def count(connection: asyncpg.Connection) -> list[int]:
        return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]

    assert await reads.with_connection(count) == [0] * len(tables)


# --- 26: ids ---------------------------------------------------------------------------------------------------


def test_promise_26_ten_thousand_ids_are_random_where_it_counts() -> None:
    """UUIDv7: the time may be public (customers are listed by it); behind it nobody can count or guess."""
    ids = [Team(org_id=UUID(int=0), name="x").id for _ in range(10_000)]
    assert len(set(ids)) == 10_000
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    assert all(model.model_fields["id"].default_factory is Team.model_fields["id"].default_factory
               for model in TenantRow.__subclasses__())  # fmt: skip
    for bit in range(32):  # no counter, and none hidden: every bit is as often set as not (ten standard deviations)
        assert 4_500 < sum(one.int >> bit & 1 for one in ids) < 5_500, bit
    steps = {after.int - before.int for before, after in pairwise(ids)}
    assert len(steps) > 9_900


def _ids_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            is_id = name == "id" or (name.endswith("_id") and name not in ("request_id", "device_id"))
            if is_id and isinstance(value, str):  # a package says what the columns of these names are
                yield value
            if name.endswith("_ids") and isinstance(value, list):
                yield from value
            yield from _ids_in(value)
    if isinstance(node, list):
        for item in node:
            yield from _ids_in(item)


async def test_promise_26_ids_in_answers_are_uuids_and_numbers_of_rows_are_not_told(
    api: FastAPI, world: World, every: list[Operation]
) -> None:
    found = by_id(api.openapi())
    seen: set[str] = set()
    for name, row in ROWS.items():
        if found[name].method == "get":
            ids = await row.make(world, "agent")
            answer = await found[name].call(world.admin if row.kind["admin"] == 0 else world.agent, ids)
            if "json" in answer.headers["content-type"]:  # the others are pictures and files
                seen |= set(_ids_in(answer.json()))
    for _ in range(100):
        seen.add((await create_customer(world.agent))["id"])
    assert len(seen) > 120
    assert {UUID(one).version for one in seen} == {7}
    for schema in api.openapi()["components"]["schemas"].values():
        for name, member in schema.get("properties", {}).items():
            if name == "id" or name.endswith("_id"):
                assert "integer" not in str(member), name
            assert name not in ("row_seq", "seq", "xid"), name
    for operation in every:
        for parameter in operation.spec.get("parameters", ()):
            if parameter["name"].endswith("_id"):
                assert parameter["schema"]["format"] == "uuid", operation.id


# --- 27: changes count at once ---------------------------------------------------------------------------------


async def _all_about_a_customer(world: World) -> Ids:
    """A customer of the agent with one of everything that hangs on him."""
    ids = await make.relationship(world, "agent")
    place = f"/v1/customers/{ids['customer_id']}"
    tie = (await world.agent.get(f"{place}/relationships/{ids['relationship_id']}")).json()
    fact = (await world.agent.post(f"{place}/dossier-facts", json=make.FACT)).json()
    await qualify(world)
    offered = await propose(world.agent, await analyse(world.agent, ids["customer_id"]))
    return {
        **ids, "other_id": tie["other"]["id"], "dossier_fact_id": fact["id"],
        "form_response_id": (await create_draft(world.agent, ids["customer_id"]))["id"],
        "needs_analysis_id": (await create_analysis(world.agent, ids["customer_id"]))["id"],
        "tolerance_assessment_id": (await assess(world.agent, ids["customer_id"]))["id"],
        "proposal_id": offered.json()["id"],
    }  # fmt: skip


async def _places_that_name(client: httpx.AsyncClient, ids: Ids) -> set[str]:
    """Lists, searches, and what hangs on the customer at the other end, where the customer can be found."""
    other = f"/v1/customers/{ids['other_id']}"
    urls = (
        "/v1/customers",
        "/v1/customers?q=wyq",
        "/v1/customers?sort=name",
        f"{other}/network",
        f"{other}/relationships",
    )
    answers = {url: await client.get(url) for url in urls}
    assert {answer.status_code for answer in answers.values()} <= {200, 404}
    return {url for url, answer in answers.items() if ids["customer_id"] in answer.text}


async def test_promise_27_moved_customer_is_gone_from_his_former_agent_at_the_next_request(
    api: FastAPI, world: World
) -> None:
    """Every operation on him and on what hangs on him, every list and network; with the caller still in memory."""
    ids, found = (
        {**await _all_about_a_customer(world), "direction": "ally", "dossier": "personal", **FORM},
        by_id(api.openapi()),
    )
    below = [name for name, row in ROWS.items() if row.kind["owner"] == OK and set(found[name].ids) <= set(ids)]
    assert len(below) > 20
    assert len(await _places_that_name(world.agent, ids)) == 5
    remembered = dict(deps._actors)
    moved = await world.manager.post(
        f"/v1/customers/{ids['customer_id']}/transfer", json={"to_user_id": str(world.users["mate"])}
    )
    assert moved.status_code == 200
    started = time.perf_counter()
    deps._actors.update(remembered)  # as on another worker, which heard of nothing
    first = await world.agent.get(f"/v1/customers/{ids['customer_id']}")
    assert (first.status_code, time.perf_counter() - started < 1) == (404, True)
    before = await fingerprint(world)
    for name in below:
        answer = await found[name].call(world.agent, ids, filled(ROWS[name].body, ids))
        assert answer.status_code == 404, name
    assert await fingerprint(world) == before
    assert await _places_that_name(world.agent, ids) == set()
    assert len(await _places_that_name(world.mate, ids)) == 3  # the other end stayed with the agent
    reading = [name for name in below if found[name].method == "get" and "relationship_id" not in found[name].ids]
    reading.remove("get_company")  # he is none: 409
    assert {(await found[name].call(world.mate, ids)).status_code for name in reading} == {200}


async def test_promise_27_repeated_key_shows_a_former_agent_no_number(world: World) -> None:
    """A stored answer is no way round: what was revealed once is not revealed again to who lost the customer."""
    customer = await create_customer(world.agent, id_number="11010519491231002X")
    url, headers = f"/v1/customers/{customer['id']}", {"Idempotency-Key": "einmal"}
    body = {"fields": ["id_number"], "purpose": "claim"}
    for _ in range(2):
        shown = await world.agent.post(f"{url}/reveal", json=body, headers=headers)
        assert shown.json() == {"id_number": "11010519491231002X"}
    await world.manager.post(f"{url}/transfer", json={"to_user_id": str(world.users["mate"])})
    assert (await world.agent.post(f"{url}/reveal", json=body, headers=headers)).status_code == 404


async def test_promise_27_leaving_a_service_team_counts_within_a_second_on_another_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _Clock()
    monkeypatch.setattr(deps, "time", clock)
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    ids = await make.relationship(world, "agent")
    url = f"/v1/customers/{ids['customer_id']}"
    given = await world.agent.patch(url, json={"service_team_id": team}, headers={"If-Match": '"1"'})
    assert given.status_code == 200
    asked = [url, f"{url}/network", f"{url}/relationships", f"{url}/dossiers/personal"]
    assert [(await world.stranger.get(one)).status_code for one in asked] == [200] * 4
    assert len((await world.stranger.get("/v1/customers?q=wyq")).json()["items"]) == 1
    remembered = dict(deps._actors)
    assert (await world.admin.delete(f"/v1/teams/{team}/members/{world.users['stranger']}")).status_code == 204
    deps._actors.update(remembered)
    clock.now += deps.ACTOR_SECONDS
    assert deps.ACTOR_SECONDS < 1
    assert [(await world.stranger.get(one)).status_code for one in asked] == [404] * 4
    assert (await world.stranger.get("/v1/customers")).json()["items"] == []
