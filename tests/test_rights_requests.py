"""Requests of persons: received, identity checked, carried out, refused; by whom, and until when."""

from tests.factories import World, create_customer
from tests.rights import ask, carried_out, url


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


async def test_restricted_customer_answers_403_with_the_reason(world: World) -> None:
    customer = await create_customer(world.agent)
    await carried_out(world, customer, "restriction")
    for place in ("", "/relationships", "/network", "/form-responses", "/dossier"):
        answer = await world.agent.get(f"/v1/customers/{customer['id']}{place}")
        assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (
            403,
            "customer_restricted",
            "request",
        ), place
    assert (await world.agent.get("/v1/customers")).json()["items"] == []
    assert (await world.stranger.get(f"/v1/customers/{customer['id']}")).status_code == 404
