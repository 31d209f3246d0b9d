"""What requests say: ids that point at something foreign, and members nobody may write."""

from itertools import cycle

import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from app.access import SCOPES, Scope
from app.models.users import Role
from tests import matrix_makers as make
from tests.factories import World, create_customer
from tests.matrix import BODIES, NEEDED, POINTERS, POINTERS_IN_ITEMS, ROWS, Row, called, cast, place
from tests.operations import Operation, by_id, operations
from tests.traces import filled, fingerprint, put, said

# What no client may ever write, whatever a row is; more come from the answers of each operation.
NEVER = (
    "org_id", "tenant_id", "owner", "owner_id", "user_id", "created_by", "role", "scopes", "is_admin", "is_deleted",
    "version", "row_seq", "xid", "created_at", "updated_at", "deleted_at", "created_digest", "password_hash",
    "disabled_at", "departed_on", "team_id", "__class__",
)  # fmt: skip


def test_every_other_operation_with_a_body_has_one_here(api: FastAPI) -> None:
    wanted = {o.id for o in operations(api.openapi()) if "requestBody" in o.spec and not o.ids}
    assert wanted == set(BODIES)


def test_every_row_has_a_body_where_the_document_has_one(api: FastAPI) -> None:
    wanted = {o.id for o in operations(api.openapi()) if "requestBody" in o.spec and o.ids}
    assert wanted == {name for name, row in ROWS.items() if row.body is not None}


def test_every_id_in_a_body_is_looked_at(api: FastAPI) -> None:
    """But `id` itself, which a phone makes."""
    found = {(operation.id, path) for operation in operations(api.openapi()) for path in operation.body_ids()}
    pointing = {(name, path) for name, path in found if path.rpartition("/")[2] != "id"}
    assert pointing == {*POINTERS, *POINTERS_IN_ITEMS}


# --- ids that point at something -------------------------------------------------------------------------------


def _maker(name: str) -> make.Make:
    """How the ids in the path and in the body of an operation come to be."""
    return ROWS[name].make if name in ROWS else NEEDED.get(name, make.customer)


@pytest.mark.parametrize(("name", "path"), POINTERS)
async def test_foreign_id_in_a_body_is_as_unknown(
    api: FastAPI, world: World, other_world: World, name: str, path: str
) -> None:
    """The same bytes, and no row of either organisation changes; the rightful id then proves the request good."""
    operation, row, pointer = by_id(api.openapi())[name], ROWS.get(name), POINTERS[name, path]
    clients = await cast(world, other_world)
    for principal, whose in pointer.tries:
        home, name_there = place(principal, world, other_world)
        # His own object; managers and administrators reach an agent's.
        mine = name_there if principal in ("mate", "stranger") else "agent"
        ids = await _maker(name)(home, mine)
        body = filled(row.body if row else BODIES[name], ids)
        victim = (await pointer.make(*place(whose, world, other_world)))[pointer.which]
        before = await fingerprint(world), await fingerprint(other_world)
        refused = await operation.call(clients[principal], ids, put(body, path, victim))
        assert refused.status_code in (404, 422), (principal, whose, refused.text)
        nobody = await operation.call(clients[principal], ids, put(body, path, str(uuid7())))
        assert said(refused) == said(nobody), (principal, whose)
        assert (await fingerprint(world), await fingerprint(other_world)) == before
        rightful = ids if pointer.is_own else await pointer.make(home, mine)
        body |= {member: rightful[which] for member, which in pointer.along}
        answer = await operation.call(clients[principal], ids, put(body, path, rightful[pointer.which]))
        assert answer.status_code in (200, 201), (principal, answer.text)


@pytest.mark.parametrize(
    "name",
    ["create_customer", "create_form_response", "create_introduction", "create_shadow_contact", "create_proposal"],
)
async def test_id_a_phone_made_says_nothing_about_other_organisations(
    api: FastAPI, world: World, other_world: World, name: str
) -> None:
    """The same id twice in two organisations is two objects; within one it is taken, and nothing of it is shown."""
    operation, body = by_id(api.openapi())[name], BODIES[name]
    taken = {"id": str(uuid7())}
    for home, caller, expected in ((world, "agent", 201), (other_world, "agent", 201), (world, "stranger", 409)):
        ids = await _maker(name)(home, caller)
        answer = await operation.call(getattr(home, caller), ids, {**filled(body, ids), **taken})
        assert answer.status_code == expected
    assert set(answer.json()) == {"type", "title", "status", "code", "request_id", "errors"}


@pytest.mark.parametrize(
    "name",
    [
        "create_relationship", "create_dossier_fact", "create_relationship_interaction",
        "amend_form_response", "migrate_form_response",
    ],
)  # fmt: skip
async def test_id_a_phone_made_below_a_customer_is_taken_within_the_organisation_only(
    api: FastAPI, world: World, other_world: World, name: str
) -> None:
    operation, row, taken = by_id(api.openapi())[name], ROWS[name], {"id": str(uuid7())}
    for home, caller, expected in ((world, "agent", 201), (other_world, "agent", 201), (world, "stranger", 409)):
        ids = await row.make(home, caller)
        answer = await operation.call(getattr(home, caller), ids, {**filled(row.body, ids), **taken})
        assert answer.status_code == expected
    assert set(answer.json()) == {"type", "title", "status", "code", "request_id", "errors"}


def test_every_id_a_phone_makes_is_looked_at(api: FastAPI) -> None:
    named = {operation.id for operation in operations(api.openapi()) if "id" in operation.body_ids()}
    assert named == {
        "create_customer", "create_form_response", "create_relationship", "create_dossier_fact",
        "create_relation_type", "create_introduction",
        "create_shadow_contact", "create_relationship_interaction",
        "amend_form_response", "migrate_form_response",
        "create_product", "create_proposal", "create_consent",
    }  # fmt: skip


# --- members nobody may write ----------------------------------------------------------------------------------


def _who(operation: Operation, row: Row | None) -> str:
    """Somebody who may: of an object the first for whom the table says so, else whoever has the scope."""
    if row is not None:
        return called(row.may())
    scope = Scope(operation.scopes[0])
    return next(name for name in ("agent", "manager", "admin") if scope in SCOPES[Role(name)])


@pytest.mark.parametrize("name", [*BODIES, *(name for name, row in ROWS.items() if row.body is not None)])
async def test_promise_24_members_nobody_may_write_are_refused(api: FastAPI, world: World, name: str) -> None:
    """Each alone, beside an otherwise valid body: 422 that names it, and no row of any table is touched."""
    operation, row = by_id(api.openapi())[name], ROWS.get(name)
    ids = await _maker(name)(world, "agent")
    body = filled(row.body if row else BODIES[name], ids)
    forbidden = sorted({*NEVER, "id", *operation.answer_members()} - set(operation.body_members()))
    assert len(forbidden) > 15
    client = getattr(world, _who(operation, row)) if operation.scopes else world.client()
    before = await fingerprint(world)
    for member, value in zip(forbidden, cycle([str(world.users["mate"]), 7, None, True]), strict=False):
        answer = await operation.call(client, ids, {**body, member: value})
        told = [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]]
        assert (answer.status_code, told) == (422, [(f"/{member}", "unknown")]), member
    assert await fingerprint(world) == before


async def test_promise_24_members_of_members_nobody_may_write_are_refused(world: World) -> None:
    made = await create_customer(world.agent)
    before = await fingerprint(world)
    for member, value in (
        ("phones", [{"number": "13800138000", "owner_id": "x"}]), ("addresses", [{"org_id": "x"}]),
        ("birthday", {"year": 1980, "version": 7}), ("emails", [{"address": "a@b.cn", "id": 1}]),
    ):  # fmt: skip
        headers = {"If-Match": '"1"'}
        answer = await world.agent.patch(f"/v1/customers/{made['id']}", json={member: value}, headers=headers)
        assert [issue["code"] for issue in answer.json()["errors"]] == ["unknown"], member
    rule = {"to_user_id": str(world.users["mate"]), "role": "admin"}
    body = {"left_on": "2026-01-05", "to_user_id": str(world.users["mate"]), "by_area": [rule]}
    url, headers = f"/v1/users/{world.users['agent']}/departure", {"Idempotency-Key": "k"}
    answer = await world.manager.post(url, json=body, headers=headers)
    told = [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]]
    assert (answer.status_code, told) == (422, [("/by_area/0/role", "unknown")])
    assert await fingerprint(world) == before
