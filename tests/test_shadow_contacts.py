"""Shadow contacts: recorded with their first tie, confirmed, listed, exported, promoted."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app.services import shadow_contacts_clock
from tests.factories import World, create_company, create_customer, if_match
from tests.shadows import CONTACTS, age, know, known, place, stored
from tests.ties import Json, network, relate, url

YEAR = timedelta(days=365)


def a_year_from_now() -> str:
    return shadow_contacts_clock.latest().isoformat()


# --- recording ---------------------------------------------------------------------------------------------------


async def test_tie_of_a_contact_has_begun(world: World) -> None:
    through = await create_customer(world.agent)
    body = {
        "name": "王老五", "party_type": "individual", "known_through_id": through["id"],
        "relation": {"type": "parent", "since": (shadow_contacts_clock.today() + timedelta(days=1)).isoformat()},
    }  # fmt: skip
    answer = await world.agent.post(CONTACTS, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "in_future")
    assert (await world.agent.get(CONTACTS)).json()["items"] == []


async def test_create_records_the_contact_and_what_he_is_to_the_customer(world: World) -> None:
    through = await create_customer(world.agent)
    relation = {
        "type": "parent", "role": "父亲", "inverse_role": "长子", "strength": 0.8, "since": "1980-01-01",
        "source": "customer", "confidence": 0.9,
    }  # fmt: skip
    body = {
        "name": " 王 老五 ", "party_type": "individual", "gender": "male", "known_through_id": through["id"],
        "relation": relation,
    }  # fmt: skip
    answer = await world.agent.post(CONTACTS, json=body)
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, place(made))
    assert (made["party_type"], made["gender"], made["version"]) == ("individual", "male", 1)
    assert (made["known_through_id"], made["keep_until"]) == (through["id"], a_year_from_now())
    assert made["owner_id"] == str(world.users["agent"])
    (tie,) = made["relations"]
    assert (tie["other"]["id"], tie["other"]["is_shadow"]) == (through["id"], False)
    # Read from the contact: what the customer is to him.
    assert (tie["type"], tie["role"], tie["strength"]) == ("child", "长子", 0.8)
    seen = (await world.agent.get(url(through, tie["relationship_id"]))).json()
    assert (seen["type"], seen["role"], seen["other"]["id"]) == ("parent", "父亲", made["id"])
    assert (seen["source"], seen["confidence"], seen["since"]) == ("customer", 0.9, "1980-01-01")
    assert seen["other"]["is_shadow"]
    assert seen["label"]["zh"] == "父亲"  # his gender counts
    assert (await world.agent.get(place(made))).json() == made


async def test_name_is_normalised_and_searchable_as_a_customers(world: World) -> None:
    _, made = await known(world, name="李　小萌")
    row = await stored(world, made)
    twin = await create_customer(world.agent, name="李　小萌")
    other = await stored(world, twin)
    for member in ("name", "name_key", "search_text", "masked"):
        assert row[member] == other[member], member


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"name": " "}, "/name", "name_empty"),
        ({"name": "陈\u200b"}, "/name", "name_invisible"),
        ({"party_type": "organization", "gender": "male"}, "/gender", "unknown"),
        ({"relation": {}}, "/relation/type", "missing"),
        ({"relation": {"type": "enemy"}}, "/relation/type", "relation_type_unknown"),
        ({"relation": {"type": "sibling", "direction": "ally"}}, "/relation/direction", "direction_mismatch"),
        ({"party_type": "organization"}, "/relation/type", "party_kind_mismatch"),
        ({"relation": {"type": "sibling", "note": "x"}}, "/relation/note", "unknown"),
        ({"phones": []}, "/phones", "unknown"),
        ({"note": "x"}, "/note", "unknown"),
        ({"birthday": {"year": 1980}}, "/birthday", "unknown"),
        ({"keep_until": "2030-01-01"}, "/keep_until", "unknown"),
    ],
)
async def test_create_refuses(world: World, change: Json, pointer: str, code: str) -> None:
    through = await create_customer(world.agent)
    body = {"name": "陈建国", "party_type": "individual", "known_through_id": through["id"]}
    answer = await world.agent.post(CONTACTS, json={**body, "relation": {"type": "sibling"}, **change})
    assert answer.status_code == 422, answer.text
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    assert await world.db.fetchval("SELECT count(*) FROM customers WHERE org_id = $1", world.org_id) == 1


async def test_known_through_is_a_living_visible_customer(world: World, other_world: World) -> None:
    through, shadow = await known(world)
    deleted = await create_customer(world.agent)
    await world.agent.delete(f"/v1/customers/{deleted['id']}", headers=if_match(deleted))
    hidden, foreign = await create_customer(world.stranger), await create_customer(other_world.agent)
    answers = []
    for one in (shadow["id"], deleted["id"], hidden["id"], foreign["id"], str(uuid7())):
        body = {"name": "某", "party_type": "individual", "known_through_id": one, "relation": {"type": "friend"}}
        answer = await world.agent.post(CONTACTS, json=body)
        answers.append((answer.status_code, {**answer.json(), "request_id": ""}))
    assert answers[0][1]["errors"][0]["pointer"] == "/known_through_id"
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 422
    assert through["id"]


async def test_id_of_a_phone_is_recorded_once(world: World) -> None:
    through = await create_customer(world.agent)
    contact, tie = str(uuid7()), str(uuid7())
    body = {
        "id": contact, "name": "陈建国", "party_type": "individual", "known_through_id": through["id"],
        "relation": {"id": tie, "type": "sibling"},
    }  # fmt: skip
    answers = [await world.agent.post(CONTACTS, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["id"], answers[0].json()["relations"][0]["relationship_id"]) == (contact, tie)
    for change, pointer in (({"name": "别人"}, "/id"), ({"id": str(uuid7())}, "/relation/id")):
        taken = await world.agent.post(CONTACTS, json={**body, **change})
        assert (taken.status_code, taken.json()["code"]) == (409, "id_taken")
        assert taken.json()["errors"][0]["pointer"] == pointer
    assert len((await world.agent.get(url(through))).json()["items"]) == 1
    assert len((await world.agent.get(CONTACTS)).json()["items"]) == 1


async def test_id_of_a_customer_is_taken(world: World) -> None:
    through = await create_customer(world.agent)
    body = {"name": "某", "party_type": "individual", "known_through_id": through["id"], "relation": {"type": "friend"}}
    answer = await world.agent.post(CONTACTS, json={**body, "id": through["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")


async def test_company_can_be_a_contact(world: World) -> None:
    person = await create_customer(world.agent)
    made = await know(world.agent, person, "汉江旧友贸易", party_type="organization", relation={"type": "employer"})
    assert (made["party_type"], made["relations"][0]["type"]) == ("organization", "employee")


# --- the clock ---------------------------------------------------------------------------------------------------


async def test_update_changes_the_name_and_confirms(world: World) -> None:
    _, made = await known(world)
    await age(world, made, -10)
    answer = await world.agent.patch(place(made), json={"name": "陈建华", "gender": "male"}, headers=if_match(made))
    changed = answer.json()
    assert (answer.status_code, changed["name"], changed["gender"]) == (200, "陈建华", "male")
    assert (changed["keep_until"], changed["version"]) == (a_year_from_now(), 2)
    assert "chenjianhua" in (await stored(world, made))["search_text"]
    assert (await world.agent.patch(place(made), json={}, headers=if_match(made))).status_code == 412


async def test_empty_update_confirms(world: World) -> None:
    _, made = await known(world)
    await age(world, made, -10)
    answer = await world.agent.patch(place(made), json={}, headers=if_match(made))
    assert answer.json()["keep_until"] == a_year_from_now()


@pytest.mark.parametrize(("days", "status"), [(-1, 422), (0, 200), (30, 200), (365, 200), (366, 422)])
async def test_keep_until_lies_within_a_year(world: World, days: int, status: int) -> None:
    _, made = await known(world)
    day = (shadow_contacts_clock.today() + timedelta(days=days)).isoformat()
    answer = await world.agent.patch(place(made), json={"keep_until": day}, headers=if_match(made))
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["keep_until"] == day
    else:
        assert answer.json()["errors"] == [
            {"pointer": "/keep_until", "code": "out_of_range", "message": "is out of range"}
        ]


@pytest.mark.parametrize("end", ["contact", "customer"])
async def test_new_tie_confirms_whichever_end_it_is_told_from(world: World, end: str) -> None:
    _, made = await known(world)
    other = await create_customer(world.agent)
    await age(world, made, -10)
    one, two = (made, other) if end == "contact" else (other, made)
    await relate(world.agent, one, two, "friend")
    seen = (await world.agent.get(place(made))).json()
    assert (seen["keep_until"], seen["version"]) == (a_year_from_now(), 2)
    feed = "SELECT count(*) FROM feed WHERE collection = 'customers' AND id = $1 AND NOT removed"
    assert await world.db.fetchval(feed, UUID(made["id"])) == 1


async def test_reading_and_changing_a_tie_do_not_confirm(world: World) -> None:
    through, made = await known(world)
    await age(world, made, -10)
    before = (await world.agent.get(place(made))).json()["keep_until"]
    tie = (await world.agent.get(url(through))).json()["items"][0]
    await world.agent.patch(url(through, tie["id"]), json={"role": "二哥"}, headers=if_match(tie))
    assert (await world.agent.get(place(made))).json()["keep_until"] == before


# --- reading -----------------------------------------------------------------------------------------------------


async def test_tag_follows_the_ties_and_is_good_for_a_change(world: World) -> None:
    _, made = await known(world)
    first = await world.agent.get(place(made))
    held = first.headers["etag"]
    assert (await world.agent.get(place(made), headers={"If-None-Match": held})).status_code == 304
    await relate(world.agent, made, await create_customer(world.agent), "ally")
    second = await world.agent.get(place(made), headers={"If-None-Match": held})
    assert (second.status_code, second.json()["version"], len(second.json()["relations"])) == (200, 1, 2)
    tag = second.headers["etag"]
    assert tag != held
    answer = await world.agent.patch(place(made), json={"gender": "male"}, headers={"If-Match": tag})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (await world.agent.patch(place(made), json={}, headers={"If-Match": tag})).status_code == 412


async def test_contact_shows_present_ties_only_the_strongest_first(world: World) -> None:
    through, made = await known(world, relation={"strength": 0.3})
    others = [await create_customer(world.agent, name=f"第{n}位") for n in range(3)]
    ended = await relate(world.agent, made, others[0], "friend", strength=0.9, until="2020-01-01")
    await relate(world.agent, made, others[1], "friend", strength=0.7)
    gone = await relate(world.agent, made, others[2], "friend", strength=0.6)
    await world.agent.delete(url(made, gone["id"]), headers=if_match(gone))
    seen = (await world.agent.get(place(made))).json()["relations"]
    assert [tie["other"]["id"] for tie in seen] == [others[1]["id"], through["id"]]
    assert ended["until"] == "2020-01-01"
    listed = (await world.agent.get(url(made))).json()["items"]
    assert {tie["other"]["id"] for tie in listed} == {others[0]["id"], others[1]["id"], through["id"]}


async def test_list_goes_by_the_time_that_is_left(world: World) -> None:
    through = await create_customer(world.agent)
    made = [await know(world.agent, through, f"陈{n}") for n in "一二三四五"]
    for contact, days in zip(made, (-40, -10, -30, -20, -50), strict=True):
        await age(world, contact, days)
    order = [made[index]["id"] for index in (1, 3, 2, 0, 4)]
    whole = (await world.agent.get(CONTACTS)).json()
    assert ([item["id"] for item in whole["items"]], whole["next_cursor"]) == (order, None)
    paged: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while params.get("cursor", "") is not None:
        page = (await world.agent.get(CONTACTS, params=params)).json()
        paged += [item["id"] for item in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert paged == order
    day = (shadow_contacts_clock.today() + timedelta(days=30)).isoformat()
    soon = (await world.agent.get(CONTACTS, params={"expiring_to": day})).json()["items"]
    assert [item["id"] for item in soon] == order[:2]
    assert date.fromisoformat(soon[1]["keep_until"]) < date.fromisoformat(day)


async def test_list_filters_by_whom_they_are_known_through(world: World) -> None:
    one, first = await known(world)
    _, second = await known(world)
    found = (await world.agent.get(CONTACTS, params={"known_through_id": one["id"]})).json()["items"]
    assert [item["id"] for item in found] == [first["id"]]
    assert set(found[0]) == {*first} - {"relations"}
    assert second["id"] != first["id"]


# --- a customer at last --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["contact", "prospect"])
async def test_promoted_contact_is_a_customer_with_his_ties(world: World, stage: str) -> None:
    through, made = await known(world)
    answer = await world.agent.post(place(made, "promote"), json={"stage": stage})
    customer = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (200, f"/v1/customers/{made['id']}")
    assert answer.headers["etag"] == '"2"'
    assert (customer["id"], customer["stage"], customer["version"]) == (made["id"], stage, 2)
    assert (customer["known_through_id"], customer["owner_id"]) == (through["id"], made["owner_id"])
    assert (await world.agent.get(place(made))).status_code == 404
    assert (await world.agent.get(CONTACTS)).json()["items"] == []
    assert (await world.agent.post(place(made, "promote"), json={})).status_code == 404
    assert (await world.agent.get(f"/v1/customers/{made['id']}")).json() == customer
    tie = (await world.agent.get(url(through))).json()["items"][0]
    assert (tie["other"]["id"], tie["other"]["is_shadow"]) == (made["id"], False)
    phone = {"phones": [{"number": "13800000000"}]}
    changed = await world.agent.patch(f"/v1/customers/{made['id']}", json=phone, headers=if_match(customer))
    assert changed.status_code == 200
    found = (await world.agent.get("/v1/customers", params={"q": "chenjianguo"})).json()["items"]
    assert [item["id"] for item in found] == [made["id"]]
    assert (await stored(world, made))["keep_until"] is None


async def test_promote_can_be_repeated_with_its_key(world: World) -> None:
    _, made = await known(world)
    key = {"Idempotency-Key": "once"}
    answers = [await world.agent.post(place(made, "promote"), json={}, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].headers["location"] == f"/v1/customers/{made['id']}"
    assert answers[0].json()["stage"] == "contact"


@pytest.mark.parametrize("stage", ["customer", "investor", None, "shadow"])
async def test_contact_does_not_become_more_at_once(world: World, stage: str | None) -> None:
    _, made = await known(world)
    assert (await world.agent.post(place(made, "promote"), json={"stage": stage})).status_code == 422


# --- in the network ----------------------------------------------------------------------------------------------


async def test_contact_stands_in_the_network_and_can_be_its_root(world: World) -> None:
    through, made = await known(world)
    seen = await network(world.agent, UUID(through["id"]))
    node = next(node for node in seen["nodes"] if node["id"] == made["id"])
    assert node["is_shadow"]
    assert {one["id"] for one in (await network(world.agent, UUID(made["id"])))["nodes"]} == {
        made["id"],
        through["id"],
    }


async def test_contact_lasts_when_the_customer_he_is_known_through_is_deleted(world: World) -> None:
    through, made = await known(world)
    await world.agent.delete(f"/v1/customers/{through['id']}", headers=if_match(through))
    seen = (await world.agent.get(place(made))).json()
    assert (seen["known_through_id"], seen["relations"]) == (through["id"], [])
    assert (await world.agent.get(place(made, "export"))).status_code == 200
    company = await create_company(world.agent)
    await relate(world.agent, made, company, type="employer", direction="partner")
    changed = await world.agent.patch(place(made), json={"name": "陈建华"}, headers=if_match(made))
    assert changed.status_code == 200
    await world.agent.post(f"/v1/customers/{through['id']}/restore")
    assert len((await world.agent.get(place(made))).json()["relations"]) == 2
    assert (await world.agent.post(place(made, "promote"), json={})).status_code == 200
