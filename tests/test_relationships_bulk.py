"""Many relationships in one call: a family, a board; each item with its own outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import event
from uuid_utils.compat import uuid7

from app import db, deps
from app.services import shadow_contacts_clock
from tests.factories import World, create_company, create_customer, create_service_team, if_match
from tests.shadows import CONTACTS, age, known, place
from tests.ties import Json, relate, url
from tests.traces import fingerprint

BULK = "/v1/relationships/bulk"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


def a(name: str, **over: Any) -> Json:
    """Somebody new, with an id of the phone's."""
    return {"id": str(uuid7()), "name": name, "party_type": "individual", **over}


async def send(client: httpx.AsyncClient, *items: Json, **headers: str) -> list[Json]:
    answer = await client.post(BULK, json={"items": list(items)}, headers=headers)
    assert answer.status_code == 200, answer.text
    results: list[Json] = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    for result in results:
        assert (result["problem"] is None) == (result["id"] is not None) == (result["status"] < 300), result
        if result["problem"] is not None:
            assert result["problem"]["status"] == result["status"]
    return results


def refusals(results: list[Json]) -> list[tuple[int, str, str | None]]:
    """Status, code and place of those that were refused."""
    return [
        (one["status"], one["problem"]["code"], next((e["pointer"] for e in one["problem"]["errors"]), None))
        for one in results
        if one["problem"] is not None
    ]


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement of the write road while it runs, on either side of the ORM."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        seen.append(text)

    def spy(name: str) -> Any:
        real = getattr(asyncpg.Connection, name)

        async def call(self: asyncpg.Connection, text: str, *args: Any, **kwargs: Any) -> Any:
            seen.append(text)
            return await real(self, text, *args, **kwargs)

        return call

    assert db._engine is not None
    event.listen(db._engine.sync_engine, "before_cursor_execute", note)
    with monkeypatch.context() as patch:
        for name in ("execute", "fetch", "fetchrow", "fetchval"):
            patch.setattr(asyncpg.Connection, name, spy(name))
        yield seen
    event.remove(db._engine.sync_engine, "before_cursor_execute", note)


# --- what it is for ------------------------------------------------------------------------------------------------


async def test_whole_family_in_one_call(world: World) -> None:
    man = await create_customer(world.agent, name="王永庆")
    wife = await create_customer(world.agent, name="李小萌")
    father, mother, child = a("王老五", gender="male"), a("陈秀英", gender="female"), a("王小明")
    results = await send(
        world.agent,
        {"customer_id": man["id"], "other_id": wife["id"], "type": "spouse", "since": "2010-05-01", "strength": 0.95},
        {"customer_id": man["id"], "new_contact": father, "type": "parent", "role": "父亲", "source": "customer"},
        {"customer_id": man["id"], "new_contact": mother, "type": "parent", "confidence": 0.8},
        {"customer_id": father["id"], "other_id": mother["id"], "type": "spouse"},
        {"customer_id": man["id"], "new_contact": child, "type": "child"},
        {"customer_id": wife["id"], "other_id": child["id"], "type": "child", "note": "随母姓"},
        {"customer_id": child["id"], "new_contact": a("李同学"), "type": "schoolmate"},
    )
    assert [result["status"] for result in results] == [201] * 7
    assert [result["other_id"] for result in results[1:6]] == [
        father["id"], mother["id"], mother["id"], child["id"], child["id"],
    ]  # fmt: skip
    ties = (await world.agent.get(url(man))).json()["items"]
    assert {tie["other"]["name"]: tie["type"] for tie in ties} == {
        "李小萌": "spouse", "王老五": "parent", "陈秀英": "parent", "王小明": "child",
    }  # fmt: skip
    dad = next(tie for tie in ties if tie["other"]["name"] == "王老五")
    assert (dad["label"]["zh"], dad["role"], dad["source"], dad["other"]["is_shadow"]) == (
        "父亲",
        "父亲",
        "customer",
        True,
    )
    assert dad["strength"] == dad["declared_strength"] or dad["declared_strength"] is None
    # Whoever is known through a contact is known through that contact's customer.
    friend = (await world.agent.get(f"{CONTACTS}/{results[6]['other_id']}")).json()
    assert friend["known_through_id"] == man["id"]
    assert len((await world.agent.get(CONTACTS)).json()["items"]) == 4


async def test_board_of_a_company(world: World) -> None:
    company = await create_company(world.agent)
    people = [await create_customer(world.agent, name=f"董事{n}") for n in "一二三"]
    results = await send(
        world.agent,
        *(
            {"customer_id": company["id"], "other_id": one["id"], "direction": "partner", "role": "董事"}
            for one in people
        ),
        {"customer_id": people[0]["id"], "other_id": people[1]["id"], "type": "co_founder"},
    )
    assert [result["status"] for result in results] == [201] * 4
    assert len((await world.agent.get(url(company))).json()["items"]) == 3


async def test_item_is_recorded_as_alone(world: World) -> None:
    """The same row, strength and warmth as `create_relationship` makes of the same members."""
    one, other, third = [await create_customer(world.agent) for _ in range(3)]
    members = {
        "type": "schoolmate", "role": "班长", "inverse_role": "同桌", "strength": 0.7, "since": "2001-09-01",
        "note": "秘密", "source": "document", "confidence": 0.4, "note_visibility": "everyone",
    }  # fmt: skip
    alone = await relate(world.agent, one, other, "friend", **members)
    (result,) = await send(world.agent, {"customer_id": one["id"], "other_id": third["id"], **members})
    bulk = (await world.agent.get(url(one, result["id"]))).json()
    differ = {"id", "other", "created_at", "updated_at"}
    assert {k: v for k, v in bulk.items() if k not in differ} == {k: v for k, v in alone.items() if k not in differ}
    warmth = "SELECT array_agg(DISTINCT warmth) FROM relationships WHERE org_id = $1"
    assert len(await world.db.fetchval(warmth, world.org_id)) == 1


async def test_trail_is_one_of_every_item(world: World) -> None:
    man, father = await create_customer(world.agent), a("王老五")
    results = await send(
        world.agent,
        {"customer_id": man["id"], "new_contact": father, "type": "parent", "note": "欠钱"},
        {"customer_id": man["id"], "other_id": man["id"], "direction": "friend"},
        {"customer_id": man["id"], "new_contact": a("陈秀英"), "type": "enemy"},
    )
    events = await world.db.fetch(
        "SELECT action, object_id, detail FROM audit_events WHERE org_id = $1 ORDER BY at, id OFFSET 1", world.org_id
    )
    assert sorted((event["action"], str(event["object_id"])) for event in events) == [
        ("relationship.created", results[0]["id"]), ("shadow_contact.created", father["id"]),
    ]  # fmt: skip
    assert not any(word in event["detail"] for event in events for word in ("欠钱", "王老五"))
    told = "SELECT array_agg(id) FROM feed WHERE org_id = $1 AND scope = $2"
    ids = {str(one) for one in await world.db.fetchval(told, world.org_id, world.users["agent"])}
    assert ids == {man["id"], father["id"], results[0]["id"]}


# --- each by itself ------------------------------------------------------------------------------------------------


async def test_refused_items_leave_nothing_and_disturb_nobody(world: World) -> None:
    one, other = await create_customer(world.agent), await create_customer(world.agent)
    company = await create_company(world.agent)
    existing = await relate(world.agent, one, other, "friend")
    unborn = a("不成的")
    results = await send(
        world.agent,
        {"customer_id": one["id"], "other_id": other["id"], "direction": "friend"},
        {"customer_id": one["id"], "other_id": other["id"], "direction": "ally"},
        {"customer_id": one["id"], "new_contact": unborn, "type": "employee"},
        {"customer_id": unborn["id"], "other_id": other["id"], "direction": "friend"},
        {"customer_id": one["id"], "other_id": company["id"], "type": "spouse"},
        {"customer_id": one["id"], "other_id": one["id"], "type": "spouse"},
        {"customer_id": one["id"], "other_id": str(uuid7()), "type": "spouse"},
        {"customer_id": str(uuid7()), "other_id": one["id"], "type": "spouse"},
        {"customer_id": one["id"], "other_id": other["id"], "new_contact": a("谁"), "type": "spouse"},
        {"customer_id": one["id"], "type": "spouse"},
        {"customer_id": one["id"], "other_id": other["id"]},
        {"customer_id": one["id"], "other_id": other["id"], "type": "sibling", "since": "2020-02-02",
         "until": "2020-02-01"},
        {"customer_id": one["id"], "new_contact": a(" "), "type": "sibling"},
        {"customer_id": one["id"], "new_contact": a("店", party_type="organization", gender="male"), "type": "client"},
        {"customer_id": one["id"], "new_contact": a("谁", id=other["id"]), "type": "sibling"},
        {"id": existing["id"], "customer_id": one["id"], "new_contact": a("谁"), "type": "sibling"},
        {"customer_id": one["id"], "other_id": other["id"], "direction": "client", "type": "friend"},
        {"customer_id": one["id"], "other_id": other["id"], "direction": "partner"},
        {"customer_id": one["id"], "other_id": other["id"], "type": "sibling", "since": "2300-01-01"},
    )  # fmt: skip
    assert refusals(results) == [
        (409, "relationship_exists", None),
        (422, "invalid", "/items/2/type"),
        (422, "invalid", "/items/3/customer_id"),
        (422, "invalid", "/items/4/type"),
        (422, "invalid", "/items/5/other_id"),
        (422, "invalid", "/items/6/other_id"),
        (422, "invalid", "/items/7/customer_id"),
        (422, "invalid", "/items/8/other_id"),
        (422, "invalid", "/items/9/other_id"),
        (422, "invalid", "/items/10/type"),
        (422, "invalid", "/items/11/until"),
        (422, "invalid", "/items/12/new_contact/name"),
        (422, "invalid", "/items/13/new_contact/gender"),
        (409, "id_taken", "/items/14/new_contact/id"),
        (409, "id_taken", "/items/15/id"),
        (422, "invalid", "/items/16/direction"),
        (422, "invalid", "/items/18/since"),
    ]
    assert [result["index"] for result in results if result["problem"] is None] == [1, 17]
    assert (await world.agent.get(CONTACTS)).json()["items"] == []
    assert len((await world.agent.get(url(one))).json()["items"]) == 3


async def test_failure_after_a_contact_was_confirmed_is_undone(world: World) -> None:
    """The clock of a contact moves with the tie, and not without it; later items still work with both."""
    through, made = await known(world)
    tie = (await world.agent.get(url(through))).json()["items"][0]
    await age(world, made, -10)
    before = (await world.agent.get(place(made))).json()["keep_until"]
    again = {"customer_id": through["id"], "other_id": made["id"], "type": "sibling"}
    (result,) = await send(world.agent, again)
    assert (result["status"], (await world.agent.get(place(made))).json()["keep_until"]) == (409, before)
    results = await send(world.agent, again, {**again, "type": "friend"}, again, {**again, "type": "neighbour"})
    assert [result["status"] for result in results] == [409, 201, 409, 201]
    seen = (await world.agent.get(place(made))).json()
    assert (seen["keep_until"], len(seen["relations"])) == (shadow_contacts_clock.latest().isoformat(), 3)
    assert tie["id"] in {one["relationship_id"] for one in seen["relations"]}


async def test_contact_of_a_refused_item_may_come_with_a_later_one(world: World) -> None:
    man, father = await create_customer(world.agent), a("王老五")
    wrong = {"customer_id": man["id"], "new_contact": father, "type": "employee"}
    results = await send(world.agent, wrong, {**wrong, "type": "parent"}, {**wrong, "type": "parent"})
    assert [result["status"] for result in results] == [422, 201, 409]
    assert refusals(results)[1] == (409, "id_taken", "/items/2/new_contact/id")


# --- whose ---------------------------------------------------------------------------------------------------------


async def test_foreign_and_unknown_ids_are_the_same(world: World, other_world: World) -> None:
    mine = await create_customer(world.agent)
    deleted = await create_customer(world.agent)
    await world.agent.delete(f"/v1/customers/{deleted['id']}", headers=if_match(deleted))
    hidden, foreign = await create_customer(world.stranger), await create_customer(other_world.agent)
    before = await fingerprint(world), await fingerprint(other_world)
    for member, other in (("customer_id", "other_id"), ("other_id", "customer_id")):
        items = [
            {member: one, other: mine["id"], "direction": "friend"}
            for one in (hidden["id"], foreign["id"], deleted["id"], str(uuid7()))
        ]
        results = await send(world.agent, *items)
        assert refusals(results) == [(422, "invalid", f"/items/{index}/{member}") for index in range(4)]
        assert len({result["problem"]["errors"][0]["code"] for result in results}) == 1
    assert (await fingerprint(world), await fingerprint(other_world)) == before


async def test_service_team_records_ties_but_no_contacts(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    shared, own = await create_customer(world.agent), await create_customer(world.stranger)
    version = if_match(shared)
    await world.agent.patch(f"/v1/customers/{shared['id']}", json={"service_team_id": team}, headers=version)
    results = await send(
        world.stranger,
        {"customer_id": shared["id"], "new_contact": a("王老五"), "type": "parent"},
        {"customer_id": shared["id"], "other_id": own["id"], "direction": "friend"},
    )
    assert [result["status"] for result in results] == [403, 201]
    assert refusals(results)[0] == (403, "forbidden", None)


async def test_auditors_and_partners_record_nothing(world: World) -> None:
    item = {"customer_id": str(uuid7()), "other_id": str(uuid7()), "direction": "friend"}
    for client in (world.auditor, world.client(world.partner_key)):
        assert (await client.post(BULK, json={"items": [item]})).status_code == 403


# --- again ---------------------------------------------------------------------------------------------------------


async def test_call_can_be_repeated_item_by_item(world: World) -> None:
    man, wife = await create_customer(world.agent), await create_customer(world.agent)
    items = [
        {"id": str(uuid7()), "customer_id": man["id"], "new_contact": a("王老五"), "type": "parent"},
        {"id": str(uuid7()), "customer_id": man["id"], "other_id": wife["id"], "type": "spouse"},
    ]
    first = await send(world.agent, items[0])
    second = await send(world.agent, *items)
    third = await send(world.agent, *items, items[1])
    assert [result["status"] for result in (*first, *second, *third)] == [201, 200, 201, 200, 200, 200]
    assert second[0] == {**first[0], "status": 200}
    assert {result["id"] for result in third} == {items[0]["id"], items[1]["id"]}
    changed = await send(world.agent, {**items[1], "role": "太太"}, {**items[0], "new_contact": a("别人")})
    assert refusals(changed) == [(409, "id_taken", "/items/0/id"), (409, "id_taken", "/items/1/id")]
    assert len((await world.agent.get(url(man))).json()["items"]) == 2
    # Sent by somebody else it is not the same.
    assert refusals(await send(world.manager, items[1])) == [(409, "id_taken", "/items/0/id")]


async def test_what_was_sent_before_and_deleted_is_gone(world: World) -> None:
    man, wife = await create_customer(world.agent), await create_customer(world.agent)
    item = {"id": str(uuid7()), "customer_id": man["id"], "other_id": wife["id"], "type": "spouse"}
    await send(world.agent, item)
    await world.agent.delete(url(man, item["id"]), headers={"If-Match": '"1"'})
    assert refusals(await send(world.agent, item)) == [(410, "gone", None)]
    await world.agent.post(url(man, item["id"], "restore"))
    await world.agent.delete(f"/v1/customers/{wife['id']}", headers=if_match(wife))
    assert refusals(await send(world.agent, item)) == [(404, "not_found", None)]


async def test_key_repeats_the_whole_answer(world: World) -> None:
    man = await create_customer(world.agent)
    body = {"items": [{"customer_id": man["id"], "new_contact": {"name": "某", "party_type": "individual"},
                       "direction": "friend"}]}  # fmt: skip
    answers = [await world.agent.post(BULK, json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len((await world.agent.get(CONTACTS)).json()["items"]) == 1


async def test_tie_restored_by_a_call_alone_is_the_same_as_in_bulk(world: World) -> None:
    """An id of `create_relationship` is not one of a bulk call: the body was another one."""
    man, wife = await create_customer(world.agent), await create_customer(world.agent)
    made = await relate(world.agent, man, wife, "friend", id=str(uuid7()))
    item = {"id": made["id"], "customer_id": man["id"], "other_id": wife["id"], "direction": "friend"}
    assert refusals(await send(world.agent, item)) == [(409, "id_taken", "/items/0/id")]


# --- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 101])
async def test_call_has_one_to_a_hundred_items(world: World, count: int) -> None:
    item = {"customer_id": str(uuid7()), "other_id": str(uuid7()), "direction": "friend"}
    answer = await world.agent.post(BULK, json={"items": [item] * count})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/items"


async def test_shape_is_refused_as_a_whole(world: World) -> None:
    one, other = await create_customer(world.agent), await create_customer(world.agent)
    good = {"customer_id": one["id"], "other_id": other["id"], "direction": "friend"}
    answer = await world.agent.post(BULK, json={"items": [good, {**good, "direction": "enemy"}]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/items/1/direction")
    assert (await world.agent.get(url(one))).json()["items"] == []


async def test_problems_follow_the_language(world: World) -> None:
    item = {"customer_id": str(uuid7()), "other_id": str(uuid7()), "direction": "friend"}
    titles = {}
    for language in ("zh-CN", "en"):
        answer = await world.agent.post(BULK, json={"items": [item]}, headers={"Accept-Language": language})
        assert answer.headers["content-language"] == language
        titles[language] = answer.json()["results"][0]["problem"]["errors"][0]["message"]
    assert titles == {"zh-CN": "找不到", "en": "was not found"}


async def test_an_item_costs_few_statements(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    man = await create_customer(world.agent)
    others = [await create_customer(world.agent) for _ in range(20)]
    costs = []
    for few in (others[:2], others[2:]):
        ids = (str(uuid7()) for _ in few)
        items = [{"id": next(ids), "customer_id": man["id"], "other_id": one["id"], "type": "friend"} for one in few]
        items += [{"customer_id": man["id"], "new_contact": a("某"), "type": "friend"} for _ in few]
        with counted(monkeypatch) as seen:
            results = await send(world.agent, *items)
        assert {result["status"] for result in results} == {201}
        costs.append((len(items), len(seen)))
    (few_items, few_cost), (all_items, cost) = costs
    assert (cost - few_cost) / (all_items - few_items) <= 4, costs
    assert few_cost <= 4 * few_items + 14, costs
    assert await world.db.fetchval("SELECT count(*) FROM relationships WHERE left_id = $1 OR right_id = $1",
                                   UUID(man["id"])) == 40  # fmt: skip
