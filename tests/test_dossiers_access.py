"""The personal dossier through the API: who reaches it, what repeated and parallel requests do, the trail."""

import asyncio
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from tests.consents import give, withdraw
from tests.factories import World, create_company, create_customer, if_match
from tests.facts import SECRET, china_today, fact_body, history, learn, reveal, url_of, view
from tests.problem import assert_problem

__all__ = ["china_today"]  # no test names it: pytest runs it for every test of the module it is imported into


async def every_road(client: httpx.AsyncClient, customer_id: str, fact_id: str) -> list[int]:
    """The status of every operation on this customer and fact."""
    facts = f"/v1/customers/{customer_id}/dossier-facts"
    match = {"If-Match": '"1"'}
    return [
        (await client.get(f"/v1/customers/{customer_id}/dossiers/personal")).status_code,
        (await client.get(facts)).status_code,
        (await client.post(facts, json=fact_body("books", "红楼梦"))).status_code,
        (await client.get(f"{facts}/{fact_id}")).status_code,
        (await client.patch(f"{facts}/{fact_id}", json={"value": "x"}, headers=match)).status_code,
        (await client.delete(f"{facts}/{fact_id}", headers=match)).status_code,
        (await client.post(f"{facts}/{fact_id}/restore")).status_code,
    ]


async def test_nobody_outside_sees_or_touches_a_dossier(world: World, other_world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person)
    for client in (world.mate, world.stranger, other_world.agent, other_world.admin):
        assert await every_road(client, person["id"], made["id"]) == [404] * 7
    assert await every_road(world.auditor, person["id"], made["id"]) == [403] * 7
    assert (await world.auditor.get("/v1/fact-definitions")).status_code == 403
    partner = world.client(**{"X-API-Key": world.partner_key})
    assert await every_road(partner, person["id"], made["id"]) == [403] * 7
    assert await every_road(world.client(), person["id"], made["id"]) == [401] * 7
    assert await history(world.agent, person) == [made]


async def test_foreign_and_unknown_answers_are_the_same_bytes(world: World) -> None:
    made = await learn(world.agent, await create_customer(world.agent))
    own = await create_customer(world.stranger)
    for method, tail in (("GET", ""), ("POST", "/restore")):
        bodies = [
            {**(await world.stranger.request(method, url + tail)).json(), "request_id": ""}
            for url in (
                url_of(made),
                f"/v1/customers/{uuid7()}/dossier-facts/{uuid7()}",
                f"/v1/customers/{own['id']}/dossier-facts/{made['id']}",  # the right fact under another customer
            )
        ]
        assert bodies[0] == bodies[1] == bodies[2]


async def test_manager_and_admin_work_on_the_dossier_of_their_agent(world: World) -> None:
    person = await create_customer(world.agent)
    await learn(world.agent, person, "pets", "一只猫")
    await learn(world.manager, person, "pets", "两只猫")
    seen = await view(world.admin, person)
    assert seen["facts"][0]["recorded_by"] == {"id": str(world.users["manager"]), "name": "manager"}
    assert [item["recorded_by"]["name"] for item in await history(world.agent, person)] == ["manager", "agent"]


async def test_dossier_of_a_deleted_customer_is_410_then_404(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person)
    await world.agent.delete(f"/v1/customers/{person['id']}", headers=if_match(person))
    assert await every_road(world.agent, person["id"], made["id"]) == [410] * 7
    assert await every_road(world.stranger, person["id"], made["id"]) == [404] * 7
    await world.db.execute(
        "UPDATE customers SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(person["id"])
    )
    reads = await every_road(world.agent, person["id"], made["id"])
    assert (reads[0], reads[1], reads[3]) == (404, 404, 404)


async def test_organisation_has_no_personal_dossier(world: World) -> None:
    company = await create_company(world.agent)
    assert await every_road(world.agent, company["id"], str(uuid7())) == [409, 200, 409, 404, 404, 404, 404]
    answer = await world.agent.get(f"/v1/customers/{company['id']}/dossiers/personal")
    assert answer.json()["code"] == "customer_not_individual"
    assert (await world.stranger.get(f"/v1/customers/{company['id']}/dossiers/personal")).status_code == 404


async def test_same_id_and_body_again_is_200_and_records_once(world: World) -> None:
    person, twin = await create_customer(world.agent), await create_customer(world.agent, name="李雷")
    url, body = f"/v1/customers/{person['id']}/dossier-facts", fact_body(id=str(uuid7()))
    first, again = await world.agent.post(url, json=body), await world.agent.post(url, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert len(await history(world.agent, person)) == 1
    for client, where, sent in (
        (world.agent, url, {**body, "value": "别的"}),
        (world.agent, f"/v1/customers/{twin['id']}/dossier-facts", body),
        (world.manager, url, body),
    ):
        other = await client.post(where, json=sent)
        assert (other.status_code, other.json()["code"]) == (409, "id_taken")
        assert other.json()["errors"][0]["pointer"] == "/id"
        assert SECRET not in other.text


async def test_late_retry_does_not_supersede_what_came_after(world: World) -> None:
    person = await create_customer(world.agent)
    url, body = f"/v1/customers/{person['id']}/dossier-facts", fact_body(id=str(uuid7()))
    await world.agent.post(url, json=body)
    newer = await learn(world.agent, person, value="新的情况")
    late = await world.agent.post(url, json=body)
    assert late.status_code == 200
    assert late.json()["superseded_at"] is not None
    assert (await view(world.agent, person))["facts"][0]["id"] == newer["id"]


async def test_retry_of_a_deleted_fact_is_410(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person, id=str(uuid7()))
    await world.agent.delete(url_of(made), headers=if_match(made))
    url = f"/v1/customers/{person['id']}/dossier-facts"
    assert (await world.agent.post(url, json=fact_body(id=made["id"]))).status_code == 410


async def test_idempotency_key_replays_the_first_answer(world: World) -> None:
    person = await create_customer(world.agent)
    url, key = f"/v1/customers/{person['id']}/dossier-facts", {"Idempotency-Key": "dossier-1"}
    first = await world.agent.post(url, json=fact_body(), headers=key)
    again = await world.agent.post(url, json=fact_body(), headers=key)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), '"1"')
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await history(world.agent, person)) == 1
    other = await world.agent.post(url, json=fact_body(value="别的"), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_parallel_records_leave_one_current_fact(world: World) -> None:
    person = await create_customer(world.agent)
    made = await asyncio.gather(*(learn(world.agent, person, "pets", f"第{n}条") for n in range(8)))
    assert {fact["version"] for fact in made} == {1}
    items = await history(world.agent, person)
    assert len(items) == 8
    assert [item["superseded_at"] is None for item in items] == [True] + [False] * 7
    assert (await view(world.agent, person))["version"] == 8 + 7


async def test_every_change_is_audited_without_values_and_fed_to_the_owner(world: World) -> None:
    person = await create_customer(world.agent)
    old = await learn(world.agent, person)
    new = await learn(world.manager, person, value="换了住处")
    await world.manager.patch(url_of(new), json={"value": "换了城市"}, headers=if_match(new))
    past = next(one["id"] for one in await history(world.agent, person) if one["value"] == "换了住处")
    await world.agent.delete(url_of(new), headers={"If-Match": '"2"'})
    await world.agent.post(f"{url_of(new)}/restore")
    await world.agent.delete(url_of(new), headers={"If-Match": '"4"'})
    events = await world.db.fetch(
        "SELECT action, actor_id, object_id, detail FROM audit_events "
        "WHERE org_id = $1 AND object_type = 'dossier_fact' AND action !~ '[.](viewed|listed)$' ORDER BY at, id",
        world.org_id,
    )
    agent, manager = world.users["agent"], world.users["manager"]
    assert [(event["action"], event["actor_id"], str(event["object_id"])) for event in events] == [
        ("dossier_fact.created", agent, old["id"]),
        ("dossier_fact.created", manager, new["id"]),
        ("dossier_fact.superseded", manager, old["id"]),
        ("dossier_fact.superseded", manager, past),
        ("dossier_fact.updated", manager, new["id"]),
        ("dossier_fact.deleted", agent, new["id"]),
        ("dossier_fact.deleted", agent, past),
        ("dossier_fact.restored", agent, new["id"]),
        ("dossier_fact.restored", agent, past),
        ("dossier_fact.deleted", agent, new["id"]),
        ("dossier_fact.deleted", agent, past),
    ]
    for event in events:
        assert person["id"] in event["detail"]
        assert not any(value in event["detail"] for value in (SECRET, "换了", "2026-11-20"))
    feed = await world.db.fetch(
        "SELECT scope, id::text, removed FROM feed WHERE org_id = $1 AND collection = 'dossier_facts' ORDER BY id",
        world.org_id,
    )
    assert [tuple(row) for row in feed] == [
        (agent, old["id"], False),
        (agent, new["id"], True),
        (agent, past, True),
    ]


async def test_refused_change_leaves_no_trail(world: World) -> None:
    person = await create_customer(world.agent)
    made = await learn(world.agent, person)
    url = f"/v1/customers/{person['id']}/dossier-facts"
    await world.agent.post(url, json=fact_body(observed_on="2027-01-01"))
    await world.agent.patch(url_of(made), json={"observed_on": "2027-01-01"}, headers=if_match(made))
    count = await world.db.fetchval(
        "SELECT count(*) FROM audit_events WHERE org_id = $1 AND object_type = 'dossier_fact'", world.org_id
    )
    assert count == 1
    assert (await world.agent.get(url_of(made))).json() == made


async def test_unknown_query_members_and_keys_are_422(world: World) -> None:
    person = await create_customer(world.agent)
    url = f"/v1/customers/{person['id']}/dossier-facts"
    for query in ("fact_key=shoe_size", "factkey=pets", "limit=0", "limit=201"):
        answer = await world.agent.get(f"{url}?{query}")
        assert answer.status_code == 422, query
        assert "shoe_size" not in answer.text


async def test_fact_whose_consent_was_withdrawn_is_revealed_no_more(world: World) -> None:
    customer = await create_customer(world.agent)
    given = await give(world.agent, customer["id"], "whereabouts", purpose="service")
    await learn(world.agent, customer, "itinerary", "下周三去上海")
    field = "dossier.personal.itinerary"
    shown = await reveal(world.agent, customer, field)
    assert shown.json()["facts"][0]["value"] == "下周三去上海", shown.text
    await withdraw(world.agent, given)
    assert_problem(await reveal(world.agent, customer, field), 403, "consent_missing")
