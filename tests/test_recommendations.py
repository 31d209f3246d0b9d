"""Next best introductions: who is recommended, in which order, through whom and why; and dismissals."""

import math
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.models.base import china_today
from tests.factories import World, create_company, create_customer, create_service_team, if_match
from tests.ties import Json, link, people, recommended, relate, tie


def ids(items: list[Json]) -> list[str]:
    return [item["person"]["id"] for item in items]


def dismissal(customer_id: UUID | str) -> str:
    return f"/v1/network/recommendation-dismissals/{customer_id}"


async def circle(world: World, **over: Any) -> tuple[Json, Json]:
    """A customer of the agent and a contact he is a schoolmate of."""
    introducer = await create_customer(world.agent, name="王永庆", stage="customer")
    contact = await create_customer(world.agent, name="李雷", stage="contact", gender="male", **over)
    await relate(world.agent, introducer, contact, type="schoolmate", direction="friend", strength=0.5)
    return introducer, contact


# --- one answer, in full ---------------------------------------------------------------------------------------------


async def test_contact_of_a_customer_is_recommended_with_all_that_is_said(world: World) -> None:
    introducer, contact = await circle(world)
    (item,) = await recommended(world.agent)
    assert item["person"] == {
        "id": contact["id"], "name": "李雷", "party_type": "individual", "stage": "contact", "tier": None,
        "gender": "male", "is_shadow": False,
    }  # fmt: skip
    assert item["introducers"] == [
        {
            "id": introducer["id"], "name": "王永庆", "direction": "friend", "type": "schoolmate",
            "label": {"zh": "同学", "en": "schoolmate"}, "strength": 0.5, "last_interaction_on": None,
        }
    ]  # fmt: skip
    assert item["introducer_count"] == 1
    # warmth 0.5 * 0.95 * 0.9 = 0.428; one tie, one acquaintance who knows a friend: no direction is rare.
    closeness = 1 - math.exp(-2.5 * 0.428 * 0.9 / math.log(3))
    novelty = (0.5 * (1 - (0.05 / 0.55) ** 2) + 0.3) / 0.8
    assert item["parts"] == {
        "closeness": round(closeness, 3), "value": 0.25, "coverage": 0, "novelty": round(novelty, 3),
    }  # fmt: skip
    assert item["score"] == pytest.approx(0.4 * round(closeness, 3) + 0.0625 + 0.2 * round(novelty, 3), abs=1e-9)
    assert item["reasons"] == [
        {
            "code": "introduced_by", "zh": "由王永庆引荐：同学，强度0.5，尚无往来记录",
            "en": "Through 王永庆: schoolmate, strength 0.5, no contact between them recorded",
        },
        {
            "code": "moderate_tie", "zh": "适度的弱关系，新信息多", "en": "A moderately weak tie: much that is new",
        },
    ]  # fmt: skip


async def test_label_is_read_from_the_introducer_and_bears_the_gender(world: World) -> None:
    mother = await create_customer(world.agent, name="王母", stage="investor")
    son = await create_customer(world.agent, name="王子", stage="contact", gender="male")
    await relate(world.agent, son, mother, type="parent", direction="relative")
    (item,) = await recommended(world.agent)
    (introducer,) = item["introducers"]
    assert (introducer["type"], introducer["label"]) == ("child", {"zh": "儿子", "en": "son"})


async def test_new_direction_is_said_where_few_customers_have_it(world: World) -> None:
    for number in range(3):
        await create_customer(world.agent, name=f"第{number}位")
    introducer = await create_company(world.agent, stage="customer")
    factory = await create_company(world.agent, stage="contact", name="江城建材有限公司")
    await relate(world.agent, introducer, factory, "supplier", strength=0.9)
    (item,) = await recommended(world.agent)
    assert item["parts"]["coverage"] == 0.75
    assert [reason["code"] for reason in item["reasons"]] == ["introduced_by", "new_direction", "company"]
    assert item["reasons"][1]["zh"] == "开辟新方向：供应商"


async def test_tie_to_a_valuable_customer_and_a_second_way_are_worth_something(world: World) -> None:
    introducer, contact = await circle(world)
    investor = await create_customer(world.agent, name="赵投", stage="investor")
    before = (await recommended(world.agent))[0]
    await relate(world.agent, investor, contact, "friend", strength=0.9)
    (item,) = await recommended(world.agent)
    assert [one["id"] for one in item["introducers"]] == [investor["id"], introducer["id"]]
    assert item["parts"]["value"] == before["parts"]["value"] + 0.15 + 0.1
    assert item["parts"]["novelty"] < before["parts"]["novelty"]
    assert [reason["code"] for reason in item["reasons"]] == ["introduced_by", "several_introducers", "knows_valuable"]


# --- who is one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["prospect", "customer", "investor"])
async def test_whom_the_agent_knows_already_is_not_recommended(world: World, stage: str) -> None:
    _, contact = await circle(world)
    await world.agent.patch(f"/v1/customers/{contact['id']}", json={"stage": stage}, headers=if_match(contact))
    assert await recommended(world.agent) == []


async def test_contacts_introduce_nobody(world: World) -> None:
    introducer, _ = await circle(world)
    await world.agent.patch(
        f"/v1/customers/{introducer['id']}", json={"stage": "contact"}, headers=if_match(introducer)
    )
    assert await recommended(world.agent) == []


async def test_nobodys_customers_are_poached(world: World) -> None:
    """Neither a colleague's contact nor a colleague's customer as a way, also for those who see both."""
    introducer, contact = await circle(world)
    theirs = await create_customer(world.mate, name="韩梅", stage="contact")
    other = await create_customer(world.mate, name="同事的客户", stage="customer")
    await relate(world.manager, introducer, theirs, "friend")
    await relate(world.manager, other, contact, "friend")
    (item,) = await recommended(world.agent)
    assert (ids([item]), item["introducer_count"]) == ([contact["id"]], 1)
    for name in ("mate", "manager", "admin", "auditor", "stranger"):
        assert await recommended(getattr(world, name)) == []


async def test_customer_shared_with_a_service_team_is_nobodys_recommendation_but_his_owners(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    introducer, contact = await circle(world)
    for one in (introducer, contact):
        body = {"service_team_id": team}
        assert (
            await world.agent.patch(f"/v1/customers/{one['id']}", json=body, headers=if_match(one))
        ).status_code == 200
    assert ids(await recommended(world.agent)) == [contact["id"]]
    assert await recommended(world.stranger) == []


async def test_only_through_one_customer(world: World) -> None:
    introducer, contact = await circle(world)
    other, (second,) = await create_customer(world.agent, name="赵投", stage="investor"), await people(world, 1)
    await link(world, [tie(UUID(other["id"]), second), tie(UUID(other["id"]), UUID(contact["id"]))])
    assert set(ids(await recommended(world.agent))) == {contact["id"], str(second)}
    (item,) = await recommended(world.agent, customer_id=introducer["id"])
    assert (ids([item]), item["introducer_count"]) == ([contact["id"]], 1)
    assert [one["id"] for one in item["introducers"]] == [introducer["id"]]
    assert await recommended(world.agent, customer_id=contact["id"]) == []
    assert await recommended(world.agent, customer_id=str(uuid7())) == []
    assert await recommended(world.mate, customer_id=introducer["id"]) == []


@pytest.mark.parametrize("query", ["limit=0", "limit=51", "customer_id=x", "cursor=x"])
async def test_parameter_out_of_bounds_is_422(world: World, query: str) -> None:
    answer = await world.agent.get(f"/v1/network/recommendations?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.split("=")[0]]


# --- dismissals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["known_already", "not_suitable", "not_now", "asked_not_to"])
async def test_dismissed_one_is_gone_until_it_is_taken_back(world: World, reason: str) -> None:
    _, contact = await circle(world)
    answer = await world.agent.put(dismissal(contact["id"]), json={"reason": reason})
    assert answer.status_code == 200
    until = (china_today() + timedelta(days=90)).isoformat() if reason == "not_now" else None
    found = answer.json()
    assert (found["customer_id"], found["reason"], found["dismissed_until"]) == (contact["id"], reason, until)
    assert (await world.agent.put(dismissal(contact["id"]), json={"reason": reason})).json() == found
    assert await recommended(world.agent) == []
    for _ in range(2):
        assert (await world.agent.delete(dismissal(contact["id"]))).status_code == 204
    assert ids(await recommended(world.agent)) == [contact["id"]]
    actions = await world.db.fetch(
        "SELECT action FROM audit_events WHERE org_id = $1 AND action LIKE 'recommendation.%' ORDER BY id",
        world.org_id,
    )
    assert [row["action"] for row in actions] == ["recommendation.dismissed", "recommendation.undismissed"]


@pytest.mark.parametrize(("days", "is_back"), [(89, False), (90, True)])
async def test_not_now_comes_back_after_ninety_days(world: World, days: int, is_back: bool) -> None:
    _, contact = await circle(world)
    await world.agent.put(dismissal(contact["id"]), json={"reason": "not_now"})
    move = "UPDATE recommendation_dismissals SET dismissed_until = dismissed_until - $2::int WHERE org_id = $1"
    await world.db.execute(move, world.org_id, days)
    assert ids(await recommended(world.agent)) == ([contact["id"]] if is_back else [])


async def test_last_reason_counts(world: World) -> None:
    _, contact = await circle(world)
    for reason, is_for_good in (("not_now", False), ("asked_not_to", True), ("not_now", False)):
        found = (await world.agent.put(dismissal(contact["id"]), json={"reason": reason})).json()
        assert (found["reason"], found["dismissed_until"] is None) == (reason, is_for_good)


async def test_dismissal_is_the_users_own(world: World) -> None:
    _, contact = await circle(world)
    assert (await world.manager.put(dismissal(contact["id"]), json={"reason": "not_suitable"})).status_code == 200
    assert ids(await recommended(world.agent)) == [contact["id"]]


async def test_shadow_contact_is_recommended_and_can_be_dismissed(world: World) -> None:
    introducer = await create_customer(world.agent, stage="customer")
    (contact,) = await people(world, 1)
    await world.db.execute(
        "UPDATE customers SET is_shadow = true, known_through_id = $1, keep_until = '2999-01-01' WHERE id = $2",
        UUID(introducer["id"]),
        contact,
    )
    await link(world, [tie(UUID(introducer["id"]), contact)])
    (item,) = await recommended(world.agent)
    assert (item["person"]["id"], item["person"]["is_shadow"]) == (str(contact), True)
    assert (await world.agent.put(dismissal(contact), json={"reason": "not_suitable"})).status_code == 200
    assert await recommended(world.agent) == []


@pytest.mark.parametrize("body", [{}, {"reason": None}, {"reason": "ugly"}, {"reason": "not_now", "note": "x"}])
async def test_wrong_dismissal_is_422(world: World, body: Json) -> None:
    _, contact = await circle(world)
    assert (await world.agent.put(dismissal(contact["id"]), json=body)).status_code == 422


async def test_another_community_is_new_where_communities_are_known(world: World) -> None:
    """Persons are one community here, companies another."""
    company = await create_company(world.agent, stage="customer")
    person = await create_customer(world.agent, stage="customer")
    stranger = await create_customer(world.agent, name="李雷", stage="contact")
    await relate(world.agent, company, stranger, "partner", strength=0.45)
    (before,) = await recommended(world.agent)
    assert before["parts"]["novelty"] == 1  # communities unknown: the rest is all there is
    await world.db.execute(
        "INSERT INTO network_scores (org_id, scope_id, customer_id, pagerank, betweenness, degree, value_degree, "
        "community, is_bridge, participation, influence, computed_at) "
        "SELECT org_id, owner_id, id, 0.1, 0, 1, 1, CASE party_type WHEN 'individual' THEN 1 ELSE 2 END, false, 0, 1, "
        "now() FROM customers WHERE org_id = $1",
        world.org_id,
    )
    (apart,) = await recommended(world.agent)
    assert apart["parts"]["novelty"] == 1
    assert "another_community" in [reason["code"] for reason in apart["reasons"]]
    await relate(world.agent, person, stranger, "friend", strength=0.45)
    (half,) = await recommended(world.agent)
    assert half["parts"]["novelty"] == 0.5 + 0.3 / 2 + 0.2 / 2
    (same,) = await recommended(world.agent, customer_id=person["id"])
    assert same["parts"]["novelty"] == 0.8
    assert "another_community" not in [reason["code"] for reason in same["reasons"]]


async def test_manager_is_recommended_his_own_contacts_only(world: World) -> None:
    """All he sees of his agents makes the degrees of his customers, and nobody to meet."""
    introducer = await create_customer(world.manager, name="经理的客户", stage="customer")
    contact = await create_customer(world.manager, name="经理的熟人", stage="contact")
    theirs = await create_customer(world.agent, name="下属的熟人", stage="contact")
    await relate(world.manager, introducer, contact, "friend", strength=0.5)
    (alone,) = await recommended(world.manager)
    await relate(world.manager, introducer, theirs, "friend", strength=0.5)
    (item,) = await recommended(world.manager)
    assert ids([item]) == [contact["id"]]
    assert item["parts"]["closeness"] < alone["parts"]["closeness"]


async def test_tie_to_somebody_invisible_changes_nothing(world: World) -> None:
    introducer, contact = await circle(world)
    before = await recommended(world.agent)
    hidden = await create_customer(world.mate, name="藏者", stage="investor")
    await relate(world.manager, introducer, hidden, "partner")
    await relate(world.manager, contact, hidden, "ally")
    assert await recommended(world.agent) == before
