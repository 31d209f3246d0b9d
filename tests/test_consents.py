"""Consents: recorded with text and proof, read with their history, withdrawn by one call."""

from tests.consents import consented, give, withdraw
from tests.factories import World, create_customer


async def test_a_consent_says_who_when_what_for_and_by_which_text(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await give(
        world.agent, customer["id"], "health", "financial", evidence={"reference": "卷 7", "sha256": "a" * 64}
    )
    assert (made["status"], sorted(made["carries"])) == ("given", ["financial", "health"])
    assert made["evidence"] == {"reference": "卷 7", "sha256": "a" * 64}
    assert [event["kind"] for event in made["events"]] == ["given"]
    url = f"/v1/customers/{customer['id']}/consents"
    assert (await world.agent.get(f"{url}/{made['id']}")).json() == made
    assert (await world.agent.get(url)).json()["items"] == [made]
    text = (await world.agent.get(f"/v1/consent-texts/{made['grounds'][0]['consent_text_id']}")).json()
    assert text["words"]["zh"]["text_hash"] == made["grounds"][0]["text_hash"]


async def test_consented_is_enough_for_every_form(world: World) -> None:
    customer_id = await consented(world.agent, await create_customer(world.agent))
    items = (await world.agent.get(f"/v1/customers/{customer_id}/consent-coverage")).json()["items"]
    open_ones = [one["field_group"] for one in items if one["purpose"] == "advice" and one["state"] != "given"]
    assert open_ones == ["general"]


async def test_withdrawal_is_one_call(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await give(world.agent, customer["id"], "health")
    told = await withdraw(world.agent, made)
    assert (told["consent"]["status"], told["uncovered"], told["unfounded"]) == ("withdrawn", ["health"], [])
    again = await withdraw(world.agent, made)
    assert again == told
