"""Relationships through the API: one fact, two sides."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app.models.relationships import Direction
from app.services import relationships
from tests.factories import World, create_company, create_customer, if_match

Json = dict[str, Any]


def url(customer: Json, *parts: object) -> str:
    return "/".join([f"/v1/customers/{customer['id']}/relationships", *(str(part) for part in parts)])


async def relate(client: httpx.AsyncClient, one: Json, other: Json, direction: str = "friend", **over: Any) -> Json:
    body = {"other_id": other["id"], "direction": direction, **over}
    answer = await client.post(url(one), json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def pair(world: World) -> tuple[Json, Json]:
    """Two customers of the agent; the first has the smaller id."""
    first, second = await create_customer(world.agent, name="王永庆"), await create_customer(world.agent, name="李雷")
    return (first, second) if UUID(first["id"]) < UUID(second["id"]) else (second, first)


async def across(world: World) -> tuple[Json, Json, Json]:
    """A customer of the agent, one of the team mate, and what the manager recorded between them."""
    mine, theirs = await create_customer(world.agent, name="我的"), await create_customer(world.mate, name="同事的")
    return mine, theirs, await relate(world.manager, mine, theirs, "partner")


# --- two sides -----------------------------------------------------------------------------------------------------


async def test_create_answers_the_relationship_from_this_side(world: World) -> None:
    son, mother = await create_customer(world.agent, name="王小明"), await create_customer(world.agent, name="陈秀英")
    answer = await world.agent.post(
        url(son),
        json={
            "other_id": mother["id"],
            "direction": "relative",
            "role": "母亲",
            "inverse_role": "儿子",
            "strength": 0.925,
            "since": "1990-05-01",
            "note": "同住",
        },
    )
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == url(son, body["id"])
    assert answer.headers["etag"] == '"1"'
    assert body["other"] == {"id": mother["id"], "name": "陈秀英", "party_type": "individual", "stage": "prospect"}
    assert (body["customer_id"], body["direction"], body["version"]) == (son["id"], "relative", 1)
    assert (body["role"], body["inverse_role"], body["strength"], body["note"]) == ("母亲", "儿子", 0.925, "同住")
    assert (body["since"], body["until"]) == ("1990-05-01", None)
    assert (await world.agent.get(url(son, body["id"]))).json() == body


@pytest.mark.parametrize("swapped", [False, True])
async def test_other_side_reads_mirrored(world: World, swapped: bool) -> None:
    one, other = await pair(world)
    if swapped:
        one, other = other, one
    made = await relate(world.agent, one, other, "friend", role="师傅", inverse_role="徒弟", strength=1)
    seen = (await world.agent.get(url(other, made["id"]))).json()
    assert (seen["customer_id"], seen["other"]["id"]) == (other["id"], one["id"])
    assert (seen["direction"], seen["role"], seen["inverse_role"], seen["strength"]) == ("friend", "徒弟", "师傅", 1)


@pytest.mark.parametrize(("direction", "inverse"), [("client", "supplier"), ("supplier", "client")])
@pytest.mark.parametrize("swapped", [False, True])
async def test_client_and_supplier_are_inverse(world: World, direction: str, inverse: str, swapped: bool) -> None:
    one, other = await pair(world)
    if swapped:
        one, other = other, one
    made = await relate(world.agent, one, other, direction, role="甲方", inverse_role="乙方")
    assert (made["direction"], made["role"], made["inverse_role"]) == (direction, "甲方", "乙方")
    seen = (await world.agent.get(url(other, made["id"]))).json()
    assert (seen["direction"], seen["role"], seen["inverse_role"]) == (inverse, "乙方", "甲方")
    row = await world.db.fetchrow("SELECT left_id, right_id, type FROM relationships WHERE id = $1", UUID(made["id"]))
    supplier, client = (one, other) if direction == "client" else (other, one)
    assert tuple(row) == (UUID(supplier["id"]), UUID(client["id"]), "client")


@pytest.mark.parametrize("direction", ["relative", "friend", "partner", "ally"])
def test_symmetric_fact_has_one_form_whoever_tells_it(direction: str) -> None:
    low, high = UUID(int=1), UUID(int=2**127)
    told = Direction(direction)
    assert relationships.canonical(low, high, told) == relationships.canonical(high, low, told) == (low, high, told)


def test_client_fact_keeps_who_serves_whom() -> None:
    low, high = UUID(int=1), UUID(int=2**127)
    served = relationships.canonical(low, high, Direction.client)
    assert served == relationships.canonical(high, low, Direction.supplier) == (low, high, Direction.client)
    assert relationships.canonical(high, low, Direction.client) == (high, low, Direction.client)


@pytest.mark.parametrize(("told", "again"), [("friend", "friend"), ("client", "supplier"), ("supplier", "client")])
async def test_same_fact_from_the_other_side_is_409(world: World, told: str, again: str) -> None:
    one, other = await pair(world)
    await relate(world.agent, one, other, told)
    answer = await world.agent.post(url(other), json={"other_id": one["id"], "direction": again})
    assert (answer.status_code, answer.json()["code"]) == (409, "relationship_exists")


async def test_other_kind_or_period_or_turn_is_another_fact(world: World) -> None:
    one, other = await pair(world)
    await relate(world.agent, one, other, "relative", role="姐夫")
    await relate(world.agent, one, other, "supplier")
    await relate(world.agent, one, other, "client")
    await relate(world.agent, one, other, "relative", since="2020-01-01")
    twice = await world.agent.post(
        url(other), json={"other_id": one["id"], "direction": "relative", "since": "2020-01-01"}
    )
    assert twice.json()["code"] == "relationship_exists"
    assert len((await world.agent.get(url(other))).json()["items"]) == 4


async def test_person_and_company_are_equal_ends(world: World) -> None:
    person, company = await create_customer(world.agent), await create_company(world.agent)
    made = await relate(world.agent, company, person, "partner", role="法定代表人")
    assert made["other"]["party_type"] == "individual"
    assert (await world.agent.get(url(person))).json()["items"][0]["other"]["party_type"] == "organization"


# --- what is refused -------------------------------------------------------------------------------------------------


async def test_self_unknown_foreign_and_deleted_other_are_refused(world: World, other_world: World) -> None:
    mine, deleted = await create_customer(world.agent), await create_customer(world.agent)
    await world.agent.delete(f"/v1/customers/{deleted['id']}", headers=if_match(deleted))
    hidden = await create_customer(world.stranger)
    foreign = await create_customer(other_world.agent)
    answers = []
    for other in (deleted["id"], hidden["id"], foreign["id"], str(uuid7())):
        answer = await world.agent.post(url(mine), json={"other_id": other, "direction": "friend"})
        assert answer.status_code == 422
        answers.append({**answer.json(), "request_id": ""})
    assert answers[0]["errors"] == [{"pointer": "/other_id", "code": "not_found", "message": "was not found"}]
    assert all(answer == answers[0] for answer in answers)
    same = await world.agent.post(url(mine), json={"other_id": mine["id"], "direction": "friend"})
    assert (same.status_code, same.json()["errors"][0]["code"]) == (422, "same_customer")


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("strength", 0.1234, "pattern"),
        ("strength", 0.5000000001, "pattern"),
        ("strength", 1.001, "out_of_range"),
        ("strength", -0.001, "out_of_range"),
        ("strength", "0.5", "type"),
        ("strength", True, "type"),
        ("strength", None, "type"),
        ("direction", "enemy", "choice"),
        ("direction", None, "choice"),
        ("since", "2024-02-30", "type"),
        ("since", "2024-02-03T00:00:00", "pattern"),
        ("since", 0, "type"),
        ("role", "", "too_short"),
        ("role", "字" * 51, "too_long"),
        ("note", "字" * 2001, "too_long"),
        ("left_id", "01890000-0000-7000-8000-000000000000", "unknown"),
    ],
)
async def test_broken_member_is_422_at_its_place(world: World, member: str, value: object, code: str) -> None:
    one, other = await pair(world)
    body = {"other_id": other["id"], "direction": "friend", member: value}
    answer = await world.agent.post(url(one), json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(f"/{member}", code)]


@pytest.mark.parametrize("strength", [0, 1, 0.001, 0.3, 0.999, 0.009000000000000001])
async def test_strength_is_kept_to_the_third_decimal(world: World, strength: float) -> None:
    one, other = await pair(world)
    assert (await relate(world.agent, one, other, strength=strength))["strength"] == round(strength, 3)


async def test_strength_is_one_half_unless_told(world: World) -> None:
    assert (await relate(world.agent, *await pair(world)))["strength"] == 0.5


async def test_until_before_since_is_refused_on_create_and_on_merge(world: World) -> None:
    one, other = await pair(world)
    body = {"other_id": other["id"], "direction": "friend", "since": "2024-05-02", "until": "2024-05-01"}
    refused = await world.agent.post(url(one), json=body)
    expected = [{"pointer": "/until", "code": "until_before_since", "message": "ends before it begins"}]
    assert (refused.status_code, refused.json()["errors"]) == (422, expected)
    made = await relate(world.agent, one, other, since="2024-05-02", until="2024-05-02")
    patched = await world.agent.patch(url(one, made["id"]), json={"until": "2024-05-01"}, headers=if_match(made))
    assert (patched.status_code, patched.json()["errors"]) == (422, expected)
    assert (await world.agent.get(url(one, made["id"]))).json() == made


async def test_same_id_and_body_again_is_200_other_body_409(world: World) -> None:
    one, other = await pair(world)
    third = await create_customer(world.agent)
    body = {"id": str(uuid7()), "other_id": other["id"], "direction": "friend", "strength": 0.7}
    first = await world.agent.post(url(one), json=body)
    again = await world.agent.post(url(one), json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    for customer, changed in ((one, {**body, "strength": 0.8}), (third, body)):
        answer = await world.agent.post(url(customer), json=changed)
        assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")
    await world.agent.delete(url(one, body["id"]), headers={"If-Match": '"1"'})
    assert (await world.agent.post(url(one), json=body)).status_code == 410


async def test_idempotency_key_answers_the_first_answer(world: World) -> None:
    one, other = await pair(world)
    body = {"other_id": other["id"], "direction": "friend"}
    first = await world.agent.post(url(one), json=body, headers={"Idempotency-Key": "k1"})
    again = await world.agent.post(url(one), json=body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())


async def test_the_same_fact_told_twice_at_once_is_stored_once(world: World) -> None:
    one, other = await pair(world)
    told = [(one, other, "client"), (other, one, "supplier")] * 3
    answers = await asyncio.gather(
        *(world.agent.post(url(a), json={"other_id": b["id"], "direction": d}) for a, b, d in told)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]


# --- change, delete, restore -----------------------------------------------------------------------------------------


async def test_patch_from_the_other_side_changes_its_own_view(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, "client", role="大客户", note="旧", strength=0.4)
    answer = await world.agent.patch(
        url(other, made["id"]),
        json={"role": "供货商", "note": None, "strength": 0.9, "since": "2021-01-01"},
        headers=if_match(made),
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (answer.json()["direction"], answer.json()["role"], answer.json()["inverse_role"]) == (
        "supplier", "供货商", "大客户",
    )  # fmt: skip
    seen = (await world.agent.get(url(one, made["id"]))).json()
    assert (seen["role"], seen["inverse_role"], seen["note"]) == ("大客户", "供货商", None)
    assert (seen["strength"], seen["since"], seen["version"]) == (0.9, "2021-01-01", 2)


async def test_patch_refuses_ends_direction_and_null_strength(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    for body in ({"other_id": one["id"]}, {"direction": "ally"}, {"strength": None}):
        answer = await world.agent.patch(url(one, made["id"]), json=body, headers=if_match(made))
        assert answer.status_code == 422, body


async def test_patch_into_another_fact_is_409(world: World) -> None:
    one, other = await pair(world)
    await relate(world.agent, one, other, since="2020-01-01")
    made = await relate(world.agent, one, other)
    answer = await world.agent.patch(url(one, made["id"]), json={"since": "2020-01-01"}, headers=if_match(made))
    assert (answer.status_code, answer.json()["code"]) == (409, "relationship_exists")


async def test_if_match_is_required_and_checked(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    place = url(other, made["id"])
    assert (await world.agent.patch(place, json={"role": "x"})).status_code == 428
    assert (await world.agent.delete(place)).status_code == 428
    assert (await world.agent.patch(place, json={"role": "x"}, headers=if_match(made))).status_code == 200
    for stale in (
        await world.agent.patch(place, json={"role": "y"}, headers=if_match(made)),
        await world.agent.delete(place, headers=if_match(made)),
    ):
        assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    unchanged = await world.agent.get(place, headers={"If-None-Match": '"2"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_parallel_patches_from_both_sides_lose_nothing(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)

    async def writer(place: str, member: str) -> None:
        done = 0
        while done < 4:
            version = (await world.agent.get(place)).json()["version"]
            answer = await world.agent.patch(place, json={member: str(done)}, headers={"If-Match": f'"{version}"'})
            assert answer.status_code in (200, 412)
            done += answer.status_code == 200

    await asyncio.gather(*(writer(url(end, made["id"]), "role") for end in (one, other)))
    seen = (await world.agent.get(url(one, made["id"]))).json()
    assert (seen["version"], seen["role"], seen["inverse_role"]) == (9, "3", "3")


async def test_delete_then_410_then_restore(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    place = url(one, made["id"])
    assert (await world.agent.delete(place, headers=if_match(made))).status_code == 204
    assert (await world.agent.get(place)).status_code == 410
    assert (await world.agent.get(url(other, made["id"]))).status_code == 410
    assert (await world.agent.patch(place, json={}, headers={"If-Match": '"2"'})).status_code == 410
    assert (await world.agent.get(url(one))).json()["items"] == []
    back = await world.agent.post(url(other, made["id"]) + "/restore")
    assert (back.status_code, back.json()["version"]) == (200, 3)
    assert (await world.agent.post(place + "/restore")).json()["version"] == 3  # restoring the living changes nothing
    assert len((await world.agent.get(url(one))).json()["items"]) == 1


async def test_restore_is_refused_when_it_was_recorded_anew(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    await world.agent.delete(url(one, made["id"]), headers=if_match(made))
    await relate(world.agent, other, one)
    answer = await world.agent.post(url(one, made["id"]) + "/restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "relationship_exists")


async def test_deleted_more_than_thirty_days_ago_is_404(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    await world.db.execute(
        "UPDATE relationships SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(made["id"])
    )
    place = url(one, made["id"])
    assert (await world.agent.get(place)).status_code == 404
    assert (await world.agent.post(place + "/restore")).status_code == 404
    assert (await world.agent.delete(place, headers=if_match(made))).status_code == 404


# --- who sees what ---------------------------------------------------------------------------------------------------


async def test_relationship_is_seen_only_with_both_ends(world: World) -> None:
    mine, theirs, made = await across(world)
    for name, customer, expected in (
        ("manager", mine, 200), ("manager", theirs, 200), ("admin", mine, 200), ("auditor", theirs, 200),
        ("agent", mine, 404), ("agent", theirs, 404), ("mate", theirs, 404), ("stranger", mine, 404),
    ):  # fmt: skip
        client = getattr(world, name)
        assert (await client.get(url(customer, made["id"]))).status_code == expected, (name, expected)
    assert (await world.agent.get(url(mine))).json()["items"] == []
    assert [row["id"] for row in (await world.manager.get(url(mine))).json()["items"]] == [made["id"]]
    assert (await world.agent.get(url(theirs))).status_code == 404


async def test_relationship_with_a_hidden_end_cannot_be_changed(world: World) -> None:
    mine, _, made = await across(world)
    place = url(mine, made["id"])
    assert (await world.agent.patch(place, json={"role": "x"}, headers=if_match(made))).status_code == 404
    assert (await world.agent.delete(place, headers=if_match(made))).status_code == 404
    await world.manager.delete(place, headers=if_match(made))
    assert (await world.agent.get(place)).status_code == 404
    assert (await world.agent.post(place + "/restore")).status_code == 404


async def test_relationship_of_two_others_is_404_below_a_third(world: World) -> None:
    one, other = await pair(world)
    third = await create_customer(world.agent)
    made = await relate(world.agent, one, other)
    place = url(third, made["id"])
    assert (await world.agent.get(place)).status_code == 404
    assert (await world.agent.patch(place, json={"role": "x"}, headers=if_match(made))).status_code == 404
    assert (await world.agent.delete(place, headers=if_match(made))).status_code == 404
    assert (await world.agent.post(place + "/restore")).status_code == 404


async def test_deleting_a_customer_hides_his_relationships_until_he_is_back(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    await world.agent.delete(f"/v1/customers/{other['id']}", headers=if_match(other))
    assert (await world.agent.get(url(one))).json()["items"] == []
    assert (await world.agent.get(url(one, made["id"]))).status_code == 404
    assert (await world.agent.patch(url(one, made["id"]), json={}, headers=if_match(made))).status_code == 404
    assert (await world.agent.get(url(other))).status_code == 410
    assert (await world.agent.get(url(other, made["id"]))).status_code == 410
    assert (await world.agent.post(url(other), json={"other_id": one["id"], "direction": "ally"})).status_code == 410
    await world.agent.post(f"/v1/customers/{other['id']}/restore")
    assert (await world.agent.get(url(one, made["id"]))).json() == made


async def test_auditor_reads_without_notes_and_cannot_write(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, note="离婚中", role="前夫")
    seen = (await world.auditor.get(url(one, made["id"]))).json()
    assert (seen["note"], seen["role"]) == (None, "前夫")
    assert "离婚中" not in (await world.auditor.get(url(other))).text
    refused = await world.auditor.post(url(one), json={"other_id": other["id"], "direction": "ally"})
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "relationships:write")


async def test_other_organisation_sees_nothing(world: World, other_world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    for path in (url(one), url(one, made["id"])):
        assert (await other_world.admin.get(path)).status_code == 404


# --- list -----------------------------------------------------------------------------------------------------------


async def star(world: World, arms: list[tuple[str, float]], **over: Any) -> tuple[Json, list[Json]]:
    """A customer and what he is related to, from both ends in turn."""
    centre = await create_customer(world.agent)
    made = []
    for index, (direction, strength) in enumerate(arms):
        other = await create_customer(world.agent, name=f"第{index}位")
        made.append(await relate(world.agent, centre, other, direction, strength=strength, **over))
    return centre, made


async def test_list_goes_from_strong_to_weak_and_pages_meet(world: World) -> None:
    arms = [("friend", 0.5), ("client", 0.9), ("supplier", 0.5), ("ally", 0.1), ("client", 0.5), ("relative", 1.0)]
    centre, made = await star(world, arms)
    whole = (await world.agent.get(url(centre))).json()
    by_id = {row["id"]: row for row in made}
    expected = sorted(by_id, key=lambda key: (by_id[key]["strength"], key), reverse=True)
    assert [row["id"] for row in whole["items"]] == expected
    assert whole["next_cursor"] is None
    assert all(row == by_id[row["id"]] for row in whole["items"])
    paged: list[str] = []
    page = await world.agent.get(url(centre), params={"limit": 2})
    while True:
        paged += [row["id"] for row in page.json()["items"]]
        if page.json()["next_cursor"] is None:
            break
        assert 'rel="next"' in page.headers["link"]
        page = await world.agent.get(url(centre), params={"limit": 2, "cursor": page.json()["next_cursor"]})
    assert paged == expected


async def test_list_filters_by_direction_as_seen_from_here(world: World) -> None:
    centre, made = await star(world, [("friend", 0.5), ("client", 0.9), ("supplier", 0.8), ("client", 0.7)])

    async def listed(customer: Json, direction: str) -> set[str]:
        rows = (await world.agent.get(url(customer), params={"direction": direction})).json()["items"]
        return {row["id"] for row in rows}

    assert await listed(centre, "client") == {made[1]["id"], made[3]["id"]}
    assert await listed(centre, "supplier,friend") == {made[0]["id"], made[2]["id"]}
    assert await listed(made[1]["other"], "supplier") == {made[1]["id"]}
    assert await listed(made[1]["other"], "client") == set()


async def test_list_separates_running_from_ended(world: World) -> None:
    centre, made = await star(world, [("friend", 0.5), ("client", 0.9), ("supplier", 0.8), ("ally", 0.2)])
    for row, day in ((made[1], "2020-01-01"), (made[2], "2999-12-31")):  # a day to come counts as ended too
        await world.agent.patch(url(centre, row["id"]), json={"until": day}, headers=if_match(row))

    async def listed(**params: str) -> list[str]:
        rows = (await world.agent.get(url(centre), params=params)).json()["items"]
        return [row["id"] for row in rows]

    assert await listed(current="true") == [made[0]["id"], made[3]["id"]]
    assert await listed(current="false") == [made[1]["id"], made[2]["id"]]
    assert len(await listed()) == 4


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("current=1", "current"), ("direction=enemy", "direction"), ("direction=", "direction"), ("limit=0", "limit"),
     ("limit=201", "limit"), ("type=friend", "type")],
)  # fmt: skip
async def test_unknown_filter_is_422(world: World, query: str, parameter: str) -> None:
    customer = await create_customer(world.agent)
    answer = await world.agent.get(f"{url(customer)}?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


async def test_cursor_belongs_to_customer_filter_and_caller(world: World) -> None:
    centre, made = await star(world, [("friend", 0.5), ("friend", 0.4), ("friend", 0.3)])
    cursor = (await world.agent.get(url(centre), params={"limit": 1})).json()["next_cursor"]
    assert (await world.agent.get(url(centre), params={"cursor": cursor})).status_code == 200
    for client, customer, extra in (
        (world.agent, made[0]["other"], {}),
        (world.agent, centre, {"current": "true"}),
        (world.agent, centre, {"direction": "friend"}),
        (world.manager, centre, {}),
    ):
        answer = await client.get(url(customer), params={"cursor": cursor, **extra})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_empty_list_differs_from_absent_customer(world: World) -> None:
    customer = await create_customer(world.agent)
    assert (await world.agent.get(url(customer))).json() == {"items": [], "next_cursor": None}
    assert (await world.agent.get(url({"id": uuid7()}))).status_code == 404
    assert (await world.stranger.get(url(customer))).status_code == 404


# --- trail ----------------------------------------------------------------------------------------------------------


async def test_every_change_is_audited_without_content(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, role="同学", note="秘密")
    place = url(one, made["id"])
    await world.agent.patch(place, json={"role": "战友", "strength": 0.6}, headers=if_match(made))
    await world.agent.delete(place, headers={"If-Match": '"2"'})
    await world.agent.post(place + "/restore")
    events = await world.db.fetch(
        "SELECT action, object_type, actor_id, detail FROM audit_events WHERE object_id = $1 ORDER BY at, id",
        UUID(made["id"]),
    )
    assert [event["action"] for event in events] == [
        "relationship.created", "relationship.updated", "relationship.deleted", "relationship.restored",
    ]  # fmt: skip
    assert {(event["object_type"], event["actor_id"]) for event in events} == {("relationship", world.users["agent"])}
    assert '"fields": ["role", "strength"]' in events[1]["detail"]
    assert not any(word in event["detail"] for event in events for word in ("同学", "战友", "秘密"))


async def test_both_owners_hear_of_every_change(world: World) -> None:
    mine, _, made = await across(world)
    owners = {world.users["agent"], world.users["mate"]}

    async def told() -> dict[UUID, bool]:
        rows = await world.db.fetch(
            "SELECT scope, removed FROM feed WHERE collection = 'relationships' AND id = $1", UUID(made["id"])
        )
        return {row["scope"]: row["removed"] for row in rows}

    assert await told() == dict.fromkeys(owners, False)
    before = await world.db.fetchval("SELECT max(seq) FROM feed WHERE id = $1", UUID(made["id"]))
    await world.manager.patch(url(mine, made["id"]), json={"role": "x"}, headers=if_match(made))
    after = await world.db.fetch("SELECT seq FROM feed WHERE id = $1", UUID(made["id"]))
    assert [row["seq"] > before for row in after] == [True, True]
    await world.manager.delete(url(mine, made["id"]), headers={"If-Match": '"2"'})
    assert await told() == dict.fromkeys(owners, True)
    await world.manager.post(url(mine, made["id"]) + "/restore")
    assert await told() == dict.fromkeys(owners, False)


async def test_refused_change_leaves_no_trail(world: World) -> None:
    one, other = await pair(world)
    await relate(world.agent, one, other)
    count = "SELECT count(*) FROM audit_events WHERE org_id = $1 AND object_type = 'relationship'"
    assert await world.db.fetchval(count, world.org_id) == 1
    await world.agent.post(url(other), json={"other_id": one["id"], "direction": "friend"})
    assert await world.db.fetchval(count, world.org_id) == 1
