"""Requests of persons: received, identity checked, carried out, refused; by whom, and until when."""

from uuid import UUID

import pytest

from app import deps
from tests.fact_find import completed
from tests.factories import World, create_customer, create_service_team, if_match
from tests.life_form import complete, create_draft, url_of
from tests.rights import ask, carried_out, checked, url
from tests.ties import recommended, relate


async def test_request_is_due_in_fifteen_calendar_days_and_a_task(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await ask(world.agent, customer, "access", received_on="2026-11-20")
    assert (made["status"], made["due_on"]) == ("received", "2026-12-05")
    (task,) = (await world.agent.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["subject_id"], task["due_on"]) == ("answer_rights_request", made["id"], "2026-12-05")
    done = await carried_out(world, customer, "access")
    assert (done["status"], done["outcome"]) == ("done", "provided")
    states = {task["subject_id"]: task["done_at"] for task in (await world.agent.get("/v1/tasks")).json()["items"]}
    assert states[made["id"]] is None
    assert states[done["id"]] is not None
    assert (await world.agent.get(url(customer, made))).json() == made
    page = (await world.agent.get(url(customer))).json()
    assert [item["id"] for item in page["items"]] == [done["id"], made["id"]]


async def test_erased_customer_is_gone_on_every_road_and_the_request_stays(world: World) -> None:
    customer = await create_customer(world.agent, phones=[{"number": "13800138000"}], note="秘密")
    done = await carried_out(world, customer, "erasure")
    assert (done["status"], done["outcome"]) == ("done", "erased")
    assert (await world.agent.get(f"/v1/customers/{customer['id']}")).status_code == 404
    assert (await world.manager.get(url(customer, done))).json() == done
    restored = await world.agent.post(f"/v1/customers/{customer['id']}/restore")
    assert restored.status_code == 404


async def test_what_else_an_erased_person_asked_for_is_closed(world: World) -> None:
    customer = await create_customer(world.agent)
    left = [await ask(world.agent, customer, "access"), await checked(world.agent, customer, "copy")]
    done = await carried_out(world, customer, "erasure")
    for before in left:
        now = (await world.manager.get(url(customer, before))).json()
        assert (now["status"], now["refusal"], now["version"]) == ("refused", "no_such_data", before["version"] + 1)
    assert (await world.manager.get(url(customer, done))).json()["status"] == "done"
    tasks = (await world.agent.get("/v1/tasks")).json()["items"]
    assert [task for task in tasks if task["done_at"] is None] == []


async def test_restricted_customer_answers_403_with_the_reason(world: World) -> None:
    customer = await create_customer(world.agent)
    await carried_out(world, customer, "restriction")
    for place in ("", "/relationships", "/network", "/form-responses", "/dossiers/personal", "/consents"):
        answer = await world.agent.get(f"/v1/customers/{customer['id']}{place}")
        assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (
            403,
            "customer_restricted",
            "request",
        ), place
    assert (await world.agent.get("/v1/customers")).json()["items"] == []
    assert (await world.stranger.get(f"/v1/customers/{customer['id']}")).status_code == 404


async def test_restricted_customer_is_in_nobodys_network(world: World) -> None:
    customer, other, far = [await create_customer(world.agent) for _ in range(3)]
    await relate(world.agent, customer, other)
    await relate(world.agent, customer, far)
    await carried_out(world, customer, "restriction")
    for client in (world.agent, world.manager, world.admin, world.auditor):
        for place in ("network?depth=3", "network?depth=1&on=2026-11-20", "network.svg"):
            answer = await client.get(f"/v1/customers/{other['id']}/{place}")
            assert answer.status_code == 200, (place, answer.text)
            assert customer["id"] not in answer.text, place
        drawn = (await client.get(f"/v1/customers/{other['id']}/network?depth=3")).json()
        assert ([node["id"] for node in drawn["nodes"]], drawn["edges"]) == ([other["id"]], [])


async def test_objection_ends_recommendations_and_introductions_until_it_is_lifted(world: World) -> None:
    introducer = await create_customer(world.agent, name="王永庆", stage="customer")
    contact = await create_customer(world.agent, name="李雷", stage="contact")
    await relate(world.agent, introducer, contact)
    assert len(await recommended(world.agent)) == 1
    unasked = await carried_out(world, contact, "objection", purpose="proactive_contact")
    assert unasked["outcome"] == "stopped"
    assert await recommended(world.agent) == []
    lifted = await world.manager.post(url(contact, unasked, "reopen"), headers=if_match(unasked))
    assert (lifted.json()["status"], lifted.json()["outcome"]) == ("withdrawn", "lifted")
    assert len(await recommended(world.agent)) == 1
    await carried_out(world, introducer, "objection", purpose="introductions")
    assert await recommended(world.agent) == []
    body = {"introducer_id": introducer["id"], "target_id": contact["id"]}
    answer = await world.agent.post("/v1/introductions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "purpose_objected")


async def test_objection_to_advice_ends_analyses(world: World) -> None:
    customer = await create_customer(world.agent)
    response = await completed(world.agent, customer["id"])
    await carried_out(world, customer, "objection", purpose="advice")
    answer = await world.agent.post("/v1/needs-analyses", json={"form_response_id": response})
    assert (answer.status_code, answer.json()["code"]) == (409, "purpose_objected")
    draft = await create_draft(world.agent, customer["id"])
    answer = await complete(world.agent, draft)  # of this form, completing is analysing
    assert (answer.status_code, answer.json()["code"]) == (409, "purpose_objected")
    assert (await world.agent.get(url_of(draft))).json()["status"] == "draft"


async def test_lifted_restriction_brings_the_customer_back(world: World) -> None:
    customer = await create_customer(world.agent)
    done = await carried_out(world, customer, "restriction")
    answer = await world.manager.post(url(customer, done, "reopen"), headers=if_match(done))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "lifted")
    assert (await world.agent.get(f"/v1/customers/{customer['id']}")).status_code == 200
    told = "SELECT removed FROM feed WHERE org_id = $1 AND id = $2 AND scope = $3"
    scope = world.users["agent"]
    assert await world.db.fetchval(told, world.org_id, UUID(customer["id"]), scope) is False


async def test_lifting_one_restriction_leaves_the_other_in_force(world: World) -> None:
    customer = await create_customer(world.agent)
    own = await carried_out(world, customer, "restriction")
    hold = {"law": "dispute", "reason": "lawsuit", "until": "2099-12-31"}
    place = f"/v1/customers/{customer['id']}"
    assert (await world.admin.post(f"{place}/legal-holds", json=hold)).status_code == 201
    waiting = await carried_out(world, customer, "erasure")
    assert waiting["outcome"] == "restricted"
    lifted = await world.manager.post(url(customer, own, "reopen"), headers=if_match(own))
    assert (lifted.status_code, lifted.json()["outcome"]) == (200, "lifted")
    answer = await world.agent.get(place)
    told = answer.json()
    assert (answer.status_code, told.get("reason"), told.get("until")) == (403, "legal_hold", "2099-12-31")
    assert (await world.manager.post(url(customer, waiting, "reopen"), headers=if_match(waiting))).status_code == 200
    assert (await world.agent.get(place)).status_code == 200


async def test_restriction_asked_for_while_an_erasure_waits_outlives_it(world: World) -> None:
    customer = await create_customer(world.agent)
    hold = {"law": "dispute", "reason": "lawsuit", "until": "2099-12-31"}
    place = f"/v1/customers/{customer['id']}"
    assert (await world.admin.post(f"{place}/legal-holds", json=hold)).status_code == 201
    waiting = await carried_out(world, customer, "erasure")
    await carried_out(world, customer, "restriction")
    assert (await world.manager.post(url(customer, waiting, "reopen"), headers=if_match(waiting))).status_code == 200
    told = (await world.agent.get(place)).json()
    assert (told.get("code"), told.get("reason"), told.get("until")) == ("customer_restricted", "request", None)


@pytest.mark.parametrize("kind", ["access", "erasure"])
async def test_what_is_final_is_not_reopened(world: World, kind: str) -> None:
    customer = await create_customer(world.agent)
    done = await carried_out(world, customer, kind)
    answer = await world.manager.post(url(customer, done, "reopen"), headers=if_match(done))
    assert answer.status_code == (404 if kind == "erasure" else 409)


async def test_closed_request_is_closed(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await ask(world.agent, customer, "access")
    stale = await world.agent.post(url(customer, made, "withdraw"), headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    gone = (await world.agent.post(url(customer, made, "withdraw"), headers=if_match(made))).json()
    assert gone["status"] == "withdrawn"
    for action, body in (("withdraw", None), ("check", {"method": "id_document"})):
        answer = await world.agent.post(url(customer, made, action), json=body, headers=if_match(gone))
        assert (answer.status_code, answer.json()["code"]) == (409, "rights_request_closed")
    unknown = {**made, "id": customer["id"]}
    assert (await world.agent.get(url(customer, unknown))).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "objection"}, "/purpose"),
        ({"kind": "access", "purpose": "advice"}, "/purpose"),
        ({"kind": "access", "fields": ["name"]}, "/fields"),
        ({"kind": "access", "received_on": "2199-01-01"}, "/received_on"),
    ],
)
async def test_request_that_says_too_much_or_too_little_is_refused(
    world: World, body: dict[str, str], pointer: str
) -> None:
    customer = await create_customer(world.agent)
    answer = await world.agent.post(url(customer), json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_who_sees_him_with_a_service_team_only_does_not_decide(world: World) -> None:
    customer = await create_customer(world.agent)
    team = await create_service_team(world, "agent", "manager")
    await world.db.execute("UPDATE users SET team_id = $2 WHERE id = $1", world.users["manager"], world.teams["two"])
    changed = {"service_team_id": team}
    place = f"/v1/customers/{customer['id']}"
    assert (await world.agent.patch(place, json=changed, headers=if_match(customer))).status_code == 200
    deps.forget_actors()
    made = await checked(world.agent, customer, "erasure")
    answer = await world.manager.post(url(customer, made, "complete"), headers=if_match(made))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
