"""Nobody reaches what is not his: every operation with an id, for everybody who might try.

Driven by the OpenAPI document. An operation with an id in its path or body, or with a body, that has no row in these
tables fails the first tests of the file. A row says how `agent` comes to have such an object, and what a valid
request looks like; what everybody else must get follows from the rules of the house.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from app import deps
from tests.factories import World, create_customer, if_match
from tests.life_form import FORM, create_analysis, create_draft
from tests.operations import Operation, operations

Ids = dict[str, str]
Make = Callable[[World, str], Awaitable[Ids]]


# --- how somebody comes to have one ----------------------------------------------------------------------------


async def customer(world: World, name: str) -> Ids:
    return {"customer_id": (await create_customer(getattr(world, name)))["id"]}


async def deleted_customer(world: World, name: str) -> Ids:
    made = await create_customer(getattr(world, name))
    await getattr(world, name).delete(f"/v1/customers/{made['id']}", headers=if_match(made))
    return {"customer_id": made["id"]}


async def session(world: World, name: str) -> Ids:
    return {"session_id": str(world.sessions[name])}


FRIEND = {"direction": "friend", "strength": 0.5}
FACT = {"fact_key": "family_hometown", "value": "襄阳", "source": "customer", "observed_on": "2026-01-05"}


async def fact(world: World, name: str) -> Ids:
    ids = await customer(world, name)
    answer = await getattr(world, name).post(f"/v1/customers/{ids['customer_id']}/dossier-facts", json=FACT)
    return {**ids, "dossier_fact_id": answer.json()["id"]}


async def deleted_fact(world: World, name: str) -> Ids:
    ids = await fact(world, name)
    url = f"/v1/customers/{ids['customer_id']}/dossier-facts/{ids['dossier_fact_id']}"
    assert (await getattr(world, name).delete(url, headers={"If-Match": '"1"'})).status_code == 204
    return ids


async def draft(world: World, name: str) -> Ids:
    owner: httpx.AsyncClient = getattr(world, name)
    made = await create_draft(owner, (await customer(world, name))["customer_id"])
    return {"form_response_id": made["id"]}


async def analysis(world: World, name: str) -> Ids:
    owner: httpx.AsyncClient = getattr(world, name)
    made = await create_analysis(owner, (await customer(world, name))["customer_id"])
    return {"needs_analysis_id": made["id"]}


async def two_customers(world: World, name: str) -> Ids:
    return {**await customer(world, name), "other_id": (await customer(world, name))["customer_id"]}


async def relationship(world: World, name: str) -> Ids:
    ids = await two_customers(world, name)
    url, body = f"/v1/customers/{ids['customer_id']}/relationships", {"other_id": ids["other_id"], **FRIEND}
    return {
        "customer_id": ids["customer_id"],
        "relationship_id": (await getattr(world, name).post(url, json=body)).json()["id"],
    }


async def deleted_relationship(world: World, name: str) -> Ids:
    ids = await relationship(world, name)
    url = f"/v1/customers/{ids['customer_id']}/relationships/{ids['relationship_id']}"
    assert (await getattr(world, name).delete(url, headers={"If-Match": '"1"'})).status_code == 204
    return ids


# --- the tables ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """`auditor`, `above`: status for the auditor, and for the manager and the administrator."""

    make: Make
    body: Any = None
    auditor: int = 403
    above: int = 200


ROWS = {
    "get_customer": Row(customer, auditor=200),
    "update_customer": Row(customer, {"note": "x"}),
    "delete_customer": Row(customer, above=204),
    "restore_customer": Row(deleted_customer),
    "delete_session": Row(session, auditor=404, above=404),
    "get_network": Row(customer, auditor=200),
    "list_relationships": Row(customer, auditor=200),
    "create_relationship": Row(two_customers, {"other_id": "{other_id}", **FRIEND}, above=201),
    "get_relationship": Row(relationship, auditor=200),
    "update_relationship": Row(relationship, {"note": "x"}),
    "delete_relationship": Row(relationship, above=204),
    "restore_relationship": Row(deleted_relationship),
    "get_dossier": Row(customer),
    "list_dossier_facts": Row(customer),
    "create_dossier_fact": Row(customer, FACT, above=201),
    "get_dossier_fact": Row(fact),
    "update_dossier_fact": Row(fact, {"value": "荆州"}),
    "delete_dossier_fact": Row(fact, above=204),
    "restore_dossier_fact": Row(deleted_fact),
    "list_form_responses": Row(customer),
    "get_form_response": Row(draft),
    "update_form_response": Row(draft, {"answers": {}}),
    "complete_form_response": Row(draft, above=201),
    "list_needs_analyses": Row(customer),
    "get_needs_analysis": Row(analysis),
}

# Operations with a body and no id in their path: a valid body. {customer_id} is one of the caller's customers.
BODIES: dict[str, Any] = {
    "create_customer": {"party_type": "individual", "name": "王永庆"},
    "create_form_response": {"customer_id": "{customer_id}", "answers": {}, **FORM},
    "login": {
        "org": "none", "username": "nobody", "password": "x" * 12,
        "device": {"id": "p", "name": "p", "platform": "ios"},
    },
    "refresh_tokens": {"refresh_token": "rmr_" + "A" * 64},
}  # fmt: skip

# (operation, member) of ids in bodies that point at something: how somebody comes to have that, and which id it is.
POINTERS: dict[tuple[str, str], tuple[Make, str]] = {
    ("create_form_response", "customer_id"): (customer, "customer_id"),
    ("create_relationship", "other_id"): (customer, "customer_id"),
}

# What no client may ever write, whatever a row is; more come from the answers of each operation.
NEVER = (
    "org_id", "tenant_id", "owner", "owner_id", "user_id", "created_by", "role", "scopes", "is_admin", "is_deleted",
    "version", "row_seq", "xid", "created_at", "updated_at", "deleted_at", "created_digest", "__class__",
)  # fmt: skip


def by_id(api: FastAPI) -> dict[str, Operation]:
    return {operation.id: operation for operation in operations(api.openapi())}


async def fingerprint(world: World) -> dict[str, str]:
    """A digest of every row of every table of the organisation; when a key was used is no change."""
    tables = await world.db.fetch("SELECT table_name FROM information_schema.columns WHERE column_name = 'org_id'")
    return {
        table: await world.db.fetchval(
            f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t WHERE org_id = $1",
            world.org_id,
        )
        for (table,) in tables
        if table != "api_keys"
    }


def said(answer: httpx.Response) -> tuple[int, Any, list[str]]:
    """All of an answer but the id of the request."""
    return answer.status_code, {**answer.json(), "request_id": ""}, sorted(set(answer.headers) - {"x-request-id"})


def unknown(ids: Ids) -> Ids:
    return {name: str(uuid7()) for name in ids}


def filled(body: Any, ids: Ids) -> Any:
    """The body with its placeholders replaced."""
    if not isinstance(body, dict):
        return body
    return {name: value.format(**ids) if isinstance(value, str) and value[:1] == "{" else filled(value, ids)
            for name, value in body.items()}  # fmt: skip


# --- a new operation needs a row -------------------------------------------------------------------------------


def test_every_operation_with_an_id_has_a_row(api: FastAPI) -> None:
    assert {operation.id for operation in operations(api.openapi()) if operation.ids} == set(ROWS)


def test_every_other_operation_with_a_body_has_one_here(api: FastAPI) -> None:
    wanted = {o.id for o in operations(api.openapi()) if "requestBody" in o.spec and not o.ids}
    assert wanted == set(BODIES)


def test_every_id_in_a_body_is_looked_at(api: FastAPI) -> None:
    found = {
        (operation.id, name)
        for operation in operations(api.openapi())
        for name, schema in operation.body_members().items()
        if name != "id" and "'format': 'uuid'" in str(schema)
    }
    assert found == set(POINTERS)


# --- ids in paths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
async def test_foreign_object_is_as_unknown(api: FastAPI, world: World, other_world: World, name: str) -> None:
    """Same team, other team, other organisation, its administrator: the same bytes as for an id nobody has."""
    operation, row = by_id(api)[name], ROWS[name]
    ids = await row.make(world, "agent")
    own = {caller: await row.make(world, caller) for caller in ("mate", "stranger")}
    before = await fingerprint(world)
    for client in (world.mate, world.stranger, other_world.agent, other_world.admin):
        body = filled(row.body, ids)
        refused = await operation.call(client, ids, body)
        assert refused.status_code == 404, refused.text
        assert said(refused) == said(await operation.call(client, unknown(ids), body))
    for caller, mine in own.items():
        for member in operation.ids if len(ids) > 1 else ():  # one's own customer with somebody else's fact
            mixed = {**mine, member: ids[member]}
            body = filled(row.body, mine)
            refused = await operation.call(getattr(world, caller), mixed, body)
            nobody = await operation.call(getattr(world, caller), {**mine, **unknown({member: ""})}, body)
            assert refused.status_code == 404, member
            assert said(refused) == said(nobody), member
    assert await fingerprint(world) == before


@pytest.mark.parametrize("name", ROWS)
async def test_who_may_not_act_at_all_is_told_so(api: FastAPI, world: World, name: str) -> None:
    """No credential, a revoked session, a partner, the auditor; then the owner proves that the request was good."""
    operation, row = by_id(api)[name], ROWS[name]
    ids = await row.make(world, "agent")
    await world.db.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", world.sessions["mate"])
    deps.forget_actors()
    before = await fingerprint(world)
    body = filled(row.body, ids)
    refused = [await operation.call(client, ids, body) for client in (world.client(), world.mate)]
    assert [answer.status_code for answer in refused] == [401, 401]
    assert said(refused[0]) == said(refused[1])
    partner = await operation.call(world.client(world.partner_key), ids, body)
    assert (partner.status_code, partner.json()["required_scope"]) == (403, operation.scopes[0])
    assert (await operation.call(world.auditor, ids, body)).status_code == row.auditor
    assert await fingerprint(world) == before
    assert (await operation.call(world.agent, ids, body)).status_code in (200, 201, 204)


@pytest.mark.parametrize("name", ROWS)
async def test_who_stands_above_reaches_it(api: FastAPI, world: World, name: str) -> None:
    operation, row = by_id(api)[name], ROWS[name]
    for caller in ("manager", "admin"):
        ids = await row.make(world, "agent")
        answer = await operation.call(getattr(world, caller), ids, filled(row.body, ids))
        assert answer.status_code == row.above, caller


@pytest.mark.parametrize("name", ROWS)
async def test_id_that_is_none_is_422_and_not_repeated(api: FastAPI, world: World, name: str) -> None:
    operation, row = by_id(api)[name], ROWS[name]
    ids = await row.make(world, "agent")
    for member in operation.ids:
        for bad in ("0", "x'--", "00000000-0000-0000-0000-00000000000g"):
            answer = await operation.call(world.agent, {**ids, member: bad}, filled(row.body, ids))
            assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, member)
            assert bad == "0" or bad not in answer.text


# --- ids in bodies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "member"), POINTERS)
async def test_foreign_id_in_a_body_is_as_unknown(
    api: FastAPI, world: World, other_world: World, name: str, member: str
) -> None:
    operation, row, (make, which) = by_id(api)[name], ROWS.get(name), POINTERS[name, member]
    body = row.body if row else BODIES[name]
    victim = (await make(world, "agent"))[which]
    for there, caller in ((world, "mate"), (world, "stranger"), (other_world, "admin")):
        client: httpx.AsyncClient = getattr(there, caller)
        ids = await row.make(there, caller) if row else await customer(there, caller)
        before = await fingerprint(world), await fingerprint(other_world)
        refused = await operation.call(client, ids, {**filled(body, ids), member: victim})
        assert refused.status_code in (404, 422), refused.text
        nobody = await operation.call(client, ids, {**filled(body, ids), member: str(uuid7())})
        assert said(refused) == said(nobody)
        assert (await fingerprint(world), await fingerprint(other_world)) == before


@pytest.mark.parametrize("name", [name for name in BODIES if name.startswith("create_")])
async def test_id_a_phone_made_says_nothing_about_other_organisations(
    api: FastAPI, world: World, other_world: World, name: str
) -> None:
    """The same id twice in two organisations is two objects; within one it is taken, and nothing of it is shown."""
    operation, body = by_id(api)[name], BODIES[name]
    taken = {"id": str(uuid7())}
    for client, there, expected in (
        (world.agent, "agent", 201), (other_world.agent, "agent", 201), (world.stranger, "stranger", 409),
    ):  # fmt: skip
        ids = await customer(other_world if client is other_world.agent else world, there)
        answer = await operation.call(client, ids, {**filled(body, ids), **taken})
        assert answer.status_code == expected
    assert set(answer.json()) == {"type", "title", "status", "code", "request_id", "errors"}


# --- members nobody may write ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*BODIES, *(name for name, row in ROWS.items() if row.body is not None)])
async def test_members_nobody_may_write_are_refused(api: FastAPI, world: World, name: str) -> None:
    """Each alone, beside an otherwise valid body: 422 that names it, and no row of any table is touched."""
    operation, row = by_id(api)[name], ROWS.get(name)
    ids = await row.make(world, "agent") if row else await customer(world, "agent")
    body = filled(row.body if row else BODIES[name], ids)
    allowed = set(operation.body_members())
    forbidden = sorted({*NEVER, "id", *operation.answer_members()} - allowed)
    assert len(forbidden) > 15
    client = world.agent if operation.scopes else world.client()
    before = await fingerprint(world)
    for member, value in zip(forbidden, cycle([str(world.users["mate"]), 7, None, True]), strict=False):
        answer = await operation.call(client, ids, {**body, member: value})
        told = [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]]
        assert (answer.status_code, told) == (422, [(f"/{member}", "unknown")]), member
    assert await fingerprint(world) == before


async def test_fingerprint_sees_a_change(world: World) -> None:
    """What the tests above rest on."""
    made = await create_customer(world.agent)
    before = await fingerprint(world)
    assert before == await fingerprint(world)
    await world.db.execute("UPDATE customers SET note = 'x' WHERE id = $1", UUID(made["id"]))
    after = await fingerprint(world)
    assert {table for table in after if after[table] != before[table]} == {"customers"}
