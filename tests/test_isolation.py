"""Nobody reaches what is not his: every operation with an id, for everybody who might try (tables: `tests/matrix.py`).

Driven by the OpenAPI document: an operation with an id in its path that has no row fails the first test of the file.
"""

from uuid import UUID

import pytest
from fastapi import FastAPI

from tests.factories import World, add_user, create_customer
from tests.matrix import BELOW_MANAGER, NESTED, OK, PEOPLE, PRINCIPALS, ROWS, called, cast, place
from tests.operations import Operation, by_id, operations
from tests.traces import filled, fingerprint, said, unknown


def test_every_operation_with_an_id_has_a_row(api: FastAPI) -> None:
    assert {operation.id for operation in operations(api.openapi()) if operation.ids} == set(ROWS)


def test_every_success_of_a_row_is_declared(api: FastAPI) -> None:
    for name, operation in by_id(api.openapi()).items():
        if name in ROWS:
            assert str(ROWS[name].good) in operation.spec["responses"], name


# --- operation × principal -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
async def test_promise_22_every_principal_gets_what_the_table_says(
    api: FastAPI, world: World, other_world: World, name: str
) -> None:
    """Refused: in the same bytes as for an id nobody has, and nothing changes. Then who may proves the request good."""
    operation, row = by_id(api.openapi())[name], ROWS[name]
    clients = await cast(world, other_world)
    ids = await row.make(world, "agent")
    body, before = filled(row.body, ids), await fingerprint(world)
    got, nobody = {}, set()
    for principal in PRINCIPALS:
        if row.kind[principal] == OK:
            continue
        refused = await operation.call(clients[principal], ids, body)
        twin = await operation.call(clients[principal], {**ids, **unknown(*operation.ids)}, body)
        assert said(refused) == said(twin), principal
        got[principal] = refused.status_code
        if refused.status_code == 403:
            told = (refused.json()["code"], refused.json()["required_scope"])
            assert told == ("scope_missing", operation.scopes[0]), principal
        if refused.status_code == 401:
            nobody.add(str(said(refused)))
    assert await fingerprint(world) == before
    assert len(nobody) == 1
    for principal in set(PRINCIPALS) - set(got):
        ids = await row.make(world, "agent")
        got[principal] = (await operation.call(clients[principal], ids, filled(row.body, ids))).status_code
    assert got == {principal: row.expected(principal) for principal in PRINCIPALS}


async def test_those_who_lost_their_access_had_it(world: World, other_world: World) -> None:
    """What their columns of the table rest on."""
    clients = await cast(world, other_world)
    await world.db.execute("UPDATE sessions SET revoked_at = NULL WHERE id = $1", world.sessions["revoked"])
    await world.db.execute("UPDATE users SET disabled_at = NULL WHERE id = $1", world.users["disabled"])
    for name in ("revoked", "disabled"):
        assert (await clients[name].get("/v1/me")).json()["role"] == "admin"
    for name in ("partner", "other_partner"):
        assert (await clients[name].get("/v1/partner/me")).status_code == 200


# --- one's own object with an id below it that is somebody else's ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "principal"),
    [(name, tries) for name in NESTED for tries in ("mate", "foreign_admin") if ROWS[name].kind[tries] == 404],
)
async def test_own_object_is_no_way_to_a_foreign_one_below_it(
    api: FastAPI, world: World, other_world: World, name: str, principal: str
) -> None:
    operation, row = by_id(api.openapi())[name], ROWS[name]
    home, name_there = place(principal, world, other_world)
    caller = getattr(home, name_there)
    own = await row.make(home, "agent" if principal == "foreign_admin" else name_there)
    theirs, before = await row.make(world, "agent"), await fingerprint(world)
    body = filled(row.body, own)
    for member in operation.ids:
        mixed = await operation.call(caller, {**own, member: theirs[member]}, body)
        nobody = await operation.call(caller, {**own, **unknown(member)}, body)
        assert mixed.status_code == 404, member
        assert said(mixed) == said(nobody), member
    assert await fingerprint(world) == before


def test_every_operation_with_two_ids_is_nested(api: FastAPI) -> None:
    assert {operation.id for operation in operations(api.openapi()) if len(operation.ids) > 1} == set(NESTED)


# --- the manager: whom he answers for --------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEOPLE)
async def test_manager_reaches_only_the_people_below_him(
    api: FastAPI, world: World, other_world: World, name: str
) -> None:
    """Another team, administrators, auditors, other organisations, and he himself: as somebody who does not exist."""
    operation, row = by_id(api.openapi())[name], ROWS[name]
    await add_user(world, "rival", "manager", "two")
    objects = {}
    for target in BELOW_MANAGER:
        objects[target] = await row.make(*place(target, world, other_world))
    objects["himself"] = {
        **objects["owner"], "user_id": str(world.users["manager"]), "session_id": str(world.sessions["manager"]),
    }  # fmt: skip
    got = {}
    for target, ids in sorted(objects.items(), key=lambda item: item[0] == "owner"):
        body = filled(row.body, {**ids, "receiver_id": str(world.users["mate"])})
        answer = await operation.call(world.manager, ids, body)
        got[target] = answer.status_code
        if target != "owner":
            twin = await operation.call(world.manager, {**ids, **unknown(*operation.ids)}, body)
            assert said(answer) == said(twin), target
    assert got == {target: status or row.good for target, status in {**BELOW_MANAGER, "himself": 404}.items()}


async def test_every_operation_on_people_a_manager_may_call_is_in_that_table(api: FastAPI) -> None:
    found = by_id(api.openapi())
    allowed = {name for name, row in ROWS.items() if row.kind["manager"] == OK}
    assert {name for name in allowed if found[name].ids[0] == "user_id"} == set(PEOPLE)


# --- what is no id ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
async def test_id_that_is_none_is_422_and_not_repeated(api: FastAPI, world: World, name: str) -> None:
    operation, row = by_id(api.openapi())[name], ROWS[name]
    caller = getattr(world, called(row.may()))
    ids = operation.some_ids()
    body = filled(row.body, {**ids, "receiver_id": ids[operation.ids[0]], "other_id": ids[operation.ids[0]]})
    for member in operation.ids:
        for bad in ("0", "x'--", "00000000-0000-0000-0000-00000000000g"):
            answer = await operation.call(caller, {**ids, member: bad}, body)
            assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, member)
            assert bad == "0" or bad not in answer.text


async def test_fingerprint_sees_a_change(world: World) -> None:
    """What the tests above rest on."""
    made = await create_customer(world.agent)
    before = await fingerprint(world)
    assert before == await fingerprint(world)
    await world.db.execute("UPDATE customers SET occupation = 'x' WHERE id = $1", UUID(made["id"]))
    after = await fingerprint(world)
    assert {table for table in after if after[table] != before[table]} == {"customers"}


def test_operations_are_told_apart(api: FastAPI) -> None:
    found: list[Operation] = list(operations(api.openapi()))
    assert len(by_id(api.openapi())) == len(found) > 60
