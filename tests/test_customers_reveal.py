"""Showing an ID number in clear: to whom, for what, how often, and what is on record about it."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app import deps
from app.services.customers_reveal import PER_HOUR
from tests.factories import World, create_company, create_customer, create_service_team, if_match
from tests.test_sessions import PASSWORD, give_password

NUMBER, USCC = "11010519491231002X", "91350100M000100Y43"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def reveal(client: httpx.AsyncClient, customer: dict[str, Any], **over: Any) -> httpx.Response:
    body = {"fields": ["id_number"], "purpose": "claim", **over}
    headers = {"Idempotency-Key": uuid4().hex}
    return await client.post(f"/v1/customers/{customer['id']}/reveal", json=body, headers=headers)


async def looks(world: World, customer: dict[str, Any]) -> list[tuple[UUID, str]]:
    rows = await world.db.fetch(
        "SELECT actor_id, detail FROM audit_events WHERE object_id = $1 AND action = 'customer.revealed' ORDER BY at",
        UUID(customer["id"]),
    )
    return [(row["actor_id"], row["detail"]) for row in rows]


async def test_number_is_shown_to_owner_and_those_above_and_each_look_is_on_record(world: World) -> None:
    customer = await create_customer(world.agent, id_number=NUMBER)
    assert NUMBER not in str(customer)
    for name, purpose in (("agent", "claim"), ("manager", "underwriting"), ("admin", "correction")):
        answer = await reveal(getattr(world, name), customer, purpose=purpose)
        assert (answer.status_code, answer.json()) == (200, {"id_number": NUMBER})
        assert answer.headers["cache-control"] == "no-store"
    assert await looks(world, customer) == [
        (world.users["agent"], '{"fields": ["id_number"], "purpose": "claim"}'),
        (world.users["manager"], '{"fields": ["id_number"], "purpose": "underwriting"}'),
        (world.users["admin"], '{"fields": ["id_number"], "purpose": "correction"}'),
    ]


async def test_number_is_nowhere_but_in_the_answer(world: World) -> None:
    """Neither the trail nor the stored answer of an Idempotency-Key holds it, nor does any read."""
    customer = await create_customer(world.agent, id_number=NUMBER)
    url, headers = f"/v1/customers/{customer['id']}", {"Idempotency-Key": "einmal"}
    body = {"fields": ["id_number"], "purpose": "claim"}
    first, again = [await world.agent.post(f"{url}/reveal", json=body, headers=headers) for _ in range(2)]
    assert first.json() == again.json() == {"id_number": NUMBER}
    assert len(await looks(world, customer)) == 2  # an answer that is sent once more is one more look
    for place in (url, "/v1/customers", f"{url}/dossiers/personal", f"{url}/network"):
        assert NUMBER not in (await world.agent.get(place)).text
    for table in ("customers", "audit_events", "idempotency_keys"):
        rows = await world.db.fetch(f"SELECT * FROM {table} WHERE org_id = $1", world.org_id)
        assert rows
        for value in (value for row in rows for value in row.values()):
            assert NUMBER.encode() not in (value if isinstance(value, bytes) else str(value).encode()), table


async def test_company_shows_its_credit_code_and_who_has_none_null(world: World) -> None:
    company, nobody = await create_company(world.agent, id_number=USCC), await create_customer(world.agent)
    assert (await reveal(world.agent, company)).json() == {"id_number": USCC}
    assert (await reveal(world.agent, nobody)).json() == {"id_number": None}
    assert len(await looks(world, nobody)) == 1


async def test_number_is_shown_only_to_who_was_there_just_now(world: World) -> None:
    """Refused after 301 s; proving presence opens it again, on the same session."""
    await give_password(world)
    customer = await create_customer(world.agent, id_number=NUMBER)
    stale = world.client(world.token("agent", proven_ago=301))
    refused = await reveal(stale, customer)
    assert (refused.status_code, refused.json()["code"], refused.json()["max_age"]) == (401, "step_up_required", 300)
    assert await looks(world, customer) == []
    fresh = (await stale.post("/v1/auth/step-up", json={"password": PASSWORD})).json()["access_token"]
    assert (await reveal(world.client(fresh), customer)).json() == {"id_number": NUMBER}
    assert (await reveal(world.client(world.token("agent", proven_ago=240)), customer)).status_code == 200


async def test_neither_auditor_nor_partner_nor_others_are_shown_anything(world: World, other_world: World) -> None:
    customer = await create_customer(world.agent, id_number=NUMBER)
    for client in (world.auditor, world.client(world.partner_key)):
        answer = await reveal(client, customer)
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "customers:reveal")
    for client in (world.mate, world.stranger, other_world.admin):
        assert (await reveal(client, customer)).status_code == 404
    assert (await reveal(world.client(), customer)).status_code == 401
    assert await looks(world, customer) == []


async def test_service_team_may_look_while_it_looks_after_the_customer(world: World) -> None:
    team = await create_service_team(world, "agent", "stranger")
    deps.forget_actors()
    customer = await create_customer(world.agent, id_number=NUMBER)
    url = f"/v1/customers/{customer['id']}"
    given = await world.agent.patch(url, json={"service_team_id": team}, headers=if_match(customer))
    assert (await reveal(world.stranger, customer)).json() == {"id_number": NUMBER}
    await world.agent.patch(url, json={"service_team_id": None}, headers=if_match(given.json()))
    assert (await reveal(world.stranger, customer)).status_code == 404
    assert [actor for actor, _detail in await looks(world, customer)] == [world.users["stranger"]]


async def test_sixty_first_look_within_an_hour_is_refused(world: World) -> None:
    """Counted for the person, not for the customer or the device; others go on looking."""
    customer, other = await create_customer(world.agent, id_number=NUMBER), await create_customer(world.agent)
    for _ in range(PER_HOUR):
        assert (await reveal(world.agent, customer)).status_code == 200
    assert PER_HOUR == 60
    for one in (customer, other):
        answer = await reveal(world.agent, one)
        assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
        assert 3000 < int(answer.headers["retry-after"]) <= 3600
    assert len(await looks(world, customer)) == PER_HOUR
    assert (await reveal(world.manager, customer)).status_code == 200
    await world.db.execute("UPDATE guess_counts SET until = now() - interval '1 second'")
    assert (await reveal(world.agent, customer)).status_code == 200


async def test_deleted_customer_is_gone_and_restored_shows_again(world: World) -> None:
    customer = await create_customer(world.agent, id_number=NUMBER)
    url = f"/v1/customers/{customer['id']}"
    await world.agent.delete(url, headers=if_match(customer))
    assert (await reveal(world.agent, customer)).status_code == 410
    assert await looks(world, customer) == []
    await world.agent.post(f"{url}/restore")
    assert (await reveal(world.agent, customer)).json() == {"id_number": NUMBER}


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"fields": []}, "/fields"), ({"fields": ["id_number", "id_number"]}, "/fields"), ({"fields": None}, "/fields"),
        ({"fields": ["note"]}, "/fields/0"), ({"purpose": "curiosity"}, "/purpose"), ({"purpose": None}, "/purpose"),
        ({"reason": "x"}, "/reason"),
    ],
)  # fmt: skip
async def test_look_needs_a_field_and_a_purpose_from_the_list(world: World, over: dict[str, Any], pointer: str) -> None:
    customer = await create_customer(world.agent, id_number=NUMBER)
    answer = await reveal(world.agent, customer, **over)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await looks(world, customer) == []
