"""Ids made by phones: the same request under one id is carried out once, however its copies overtake each other."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from tests.factories import World, create_customer, if_match
from tests.test_customers import RESIDENT_ID

COPIES = 12


async def sent_at_once(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(client.post(url, json=body) for _ in range(COPIES))))


def assert_carried_out_once(answers: list[httpx.Response]) -> None:
    assert sorted(answer.status_code for answer in answers) == [200] * (COPIES - 1) + [201]
    assert len({answer.content for answer in answers}) == 1


async def events(world: World, row_id: str) -> list[str]:
    rows = await world.db.fetch(
        "SELECT action FROM audit_events WHERE org_id = $1 AND object_id = $2", world.org_id, UUID(row_id)
    )
    return [row["action"] for row in rows]


@pytest.mark.parametrize("number", [None, RESIDENT_ID])
async def test_customer_sent_many_times_at_once_is_stored_once(world: World, number: str | None) -> None:
    """With an ID number two unique indexes are in the way of the copies."""
    body = {"id": str(uuid7()), "party_type": "individual", "name": "王永庆", "id_number": number}
    assert_carried_out_once(await sent_at_once(world.agent, "/v1/customers", body))
    assert await events(world, body["id"] or "") == ["customer.created"]


async def test_relationship_sent_many_times_at_once_is_stored_once(world: World) -> None:
    here, other = await create_customer(world.agent), await create_customer(world.agent, name="李雷")
    body = {"id": str(uuid7()), "other_id": other["id"], "direction": "friend"}
    assert_carried_out_once(await sent_at_once(world.agent, f"/v1/customers/{here['id']}/relationships", body))
    assert await events(world, body["id"]) == ["relationship.created"]


async def test_fact_sent_many_times_at_once_is_stored_once(world: World) -> None:
    here = await create_customer(world.agent)
    body = {"id": str(uuid7()), "fact_key": "family_hometown", "value": "两个孩子", "source": "customer",
            "observed_on": "2026-01-02"}  # fmt: skip
    assert_carried_out_once(await sent_at_once(world.agent, f"/v1/customers/{here['id']}/dossier-facts", body))
    assert await events(world, body["id"]) == ["dossier_fact.created"]


async def test_two_users_with_one_id_at_once_leave_one_row(world: World) -> None:
    body = {"id": str(uuid7()), "party_type": "individual", "name": "王永庆"}
    answers = await asyncio.gather(*(client.post("/v1/customers", json=body) for client in (world.agent, world.mate)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert [answer.json()["code"] for answer in answers if answer.status_code == 409] == ["id_taken"]


async def test_different_customers_created_at_once_do_not_hinder_each_other(world: World) -> None:
    bodies = [{"id": str(uuid7()), "party_type": "individual", "name": f"客户{number}"} for number in range(COPIES)]
    answers = await asyncio.gather(*(world.agent.post("/v1/customers", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {201}


async def test_retry_for_a_deleted_customer_is_410_then_409(world: World) -> None:
    body = {"id": str(uuid7()), "party_type": "individual", "name": "王永庆"}
    made = (await world.agent.post("/v1/customers", json=body)).json()
    await world.agent.delete(f"/v1/customers/{made['id']}", headers=if_match(made))
    assert (await world.agent.post("/v1/customers", json=body)).status_code == 410
    await world.db.execute(
        "UPDATE customers SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(made["id"])
    )
    late = await world.agent.post("/v1/customers", json=body)
    assert (late.status_code, late.json()["code"]) == (409, "id_taken")


async def test_retry_for_a_customer_given_away_is_409(world: World) -> None:
    body = {"id": str(uuid7()), "party_type": "individual", "name": "王永庆"}
    await world.agent.post("/v1/customers", json=body)
    await world.db.execute(
        "UPDATE customers SET owner_id = $2 WHERE id = $1", UUID(body["id"]), world.users["stranger"]
    )
    assert (await world.agent.post("/v1/customers", json=body)).json()["code"] == "id_taken"
