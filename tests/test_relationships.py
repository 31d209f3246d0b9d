"""Relationships through the API: one fact, two sides."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app.models.relation_types import RelationType
from app.services import shadow_contacts_clock
from app.services.relation_types import Tie
from tests.factories import World, create_company, create_customer, if_match
from tests.ties import pair, relate, url

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
    assert body["other"] == {
        "id": mother["id"],
        "name": "陈秀英",
        "party_type": "individual",
        "stage": "prospect",
        "is_shadow": False,
    }
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
    row = await world.db.fetchrow(
        "SELECT left_id, right_id, direction FROM relationships WHERE id = $1", UUID(made["id"])
    )
    supplier, client = (one, other) if direction == "client" else (other, one)
    assert tuple(row) == (UUID(supplier["id"]), UUID(client["id"]), "client")


@pytest.mark.parametrize("symmetric", [True, False])
def test_fact_has_one_form_whoever_tells_it(symmetric: bool) -> None:
    low, high = UUID(int=1), UUID(int=2**127)
    kind = RelationType.model_construct(code="client", inverse_code="client" if symmetric else "supplier")
    told, mirrored = Tie(kind, is_forward=True), Tie(kind, is_forward=symmetric)
    assert told.ends(low, high) == mirrored.ends(high, low) == (low, high)
    assert told.ends(high, low) == ((low, high) if symmetric else (high, low))


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


async def test_the_last_day_there_is_cannot_be_told_and_is_refused(world: World) -> None:
    left, right = await create_customer(world.agent), await create_customer(world.agent)
    made = await relate(world.agent, left, right)
    url = f"/v1/customers/{left['id']}/relationships/{made['id']}"
    answer = await world.agent.patch(url, json={"until": "9999-12-31"}, headers=if_match(made))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "out_of_range")
    answer = await world.agent.patch(url, json={"until": "9999-12-30"}, headers=if_match(made))
    assert (answer.status_code, answer.json()["until"]) == (200, "9999-12-30")


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


async def test_tie_that_has_not_begun_is_refused_on_create_and_on_merge(world: World) -> None:
    """By the day in China, which is the day a phone there shows."""
    one, other = await pair(world)
    today = shadow_contacts_clock.today()
    tomorrow = (today + timedelta(days=1)).isoformat()
    refused = await world.agent.post(
        url(one), json={"other_id": other["id"], "direction": "friend", "since": tomorrow, "until": "2300-01-01"}
    )
    expected = [{"pointer": "/since", "code": "in_future", "message": "lies in the future"}]
    assert (refused.status_code, refused.json()["errors"]) == (422, expected)
    made = await relate(world.agent, one, other, since=today.isoformat())
    patched = await world.agent.patch(url(one, made["id"]), json={"since": tomorrow}, headers=if_match(made))
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


async def test_patch_refuses_ends_and_direction(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    for body in ({"other_id": one["id"]}, {"direction": "ally"}, {"type": "friend"}):
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
    held = (await world.agent.get(place)).headers["etag"]
    unchanged = await world.agent.get(place, headers={"If-None-Match": held})
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


async def test_tag_follows_the_other_party_and_what_strength_is_reckoned_from(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, type="schoolmate")
    path, held = url(one, made["id"]), [(await world.agent.get(url(one, made["id"]))).headers["etag"]]
    kinds = (await world.admin.get("/v1/relation-types")).json()["items"]
    kind = next(item for item in kinds if item["code"] == "schoolmate")
    for client, place, version, body in (
        (world.agent, f"/v1/customers/{other['id']}", 1, {"name": "韩梅梅"}),
        (world.agent, f"/v1/customers/{other['id']}", 2, {"stage": "customer"}),
        (world.admin, f"/v1/relation-types/{kind['id']}", 1, {"default_strength": 0.123}),
    ):
        same = await world.agent.get(path, headers={"If-None-Match": held[-1]})
        assert (same.status_code, same.headers["etag"]) == (304, held[-1])
        changed = await client.patch(place, json=body, headers={"If-Match": f'"{version}"'})
        assert changed.status_code == 200, changed.text
        read = await world.agent.get(path, headers={"If-None-Match": held[-1]})
        assert (read.status_code, read.json()["version"]) == (200, 1), body
        held.append(read.headers["etag"])
    assert len({*held}) == 4
    for tag in (held[0], '"2"'):  # what the tag says of others does not stand in the way of a change
        assert (await world.agent.patch(path, json={"role": "同学"}, headers={"If-Match": tag})).status_code == 200
    assert (await world.agent.patch(path, json={}, headers={"If-Match": held[-1]})).status_code == 412


async def test_strength_null_is_the_types_own_again(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other, type="schoolmate", strength=0.123)
    assert (made["strength"], made["declared_strength"]) == (0.123, 0.123)
    answer = await world.agent.patch(url(one, made["id"]), json={"strength": None}, headers=if_match(made))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["strength"], answer.json()["declared_strength"]) == (0.5, None)
    assert answer.json()["version"] == 2
