"""Legal holds: derived from what was signed, set and lifted by administrators."""

from tests.factories import World, create_customer, if_match
from tests.household_form import proposed, sign
from tests.rights import carried_out


async def test_signed_proposal_is_a_hold_of_two_laws_for_ten_years(world: World) -> None:
    made = await proposed(world)
    place = f"/v1/customers/{made['customer_id']}/legal-holds"
    assert (await world.agent.get(place)).json()["items"] == []
    signed = await sign(world.agent, made)
    assert signed.status_code == 200, signed.text
    for _ in range(2):  # found once
        found = (await world.agent.get(place)).json()["items"]
        assert {hold["law"] for hold in found} == {"insurance_law_87", "anti_money_laundering"}
        assert {(hold["reason"], hold["source_id"], hold["set_by"]) for hold in found} == {
            ("policy_signed", made["id"], None)
        }
        assert len(found) == 2
    year = int(signed.json()["signed_at"][:4])
    assert {hold["until"][:4] for hold in found} == {str(year + 10)}
    done = await carried_out(world, {"id": made["customer_id"]}, "erasure")
    assert (done["outcome"], done["outcome_until"]) == ("restricted", found[0]["until"])


async def test_only_administrators_set_and_lift_holds(world: World) -> None:
    customer = await create_customer(world.agent)
    place = f"/v1/customers/{customer['id']}/legal-holds"
    body = {"law": "dispute", "reason": "lawsuit"}
    assert (await world.manager.post(place, json=body)).json()["code"] == "scope_missing"
    made = await world.admin.post(place, json=body)
    assert made.status_code == 201, made.text
    assert made.json()["until"] is None
    done = await carried_out(world, customer, "erasure")
    assert (done["outcome"], done["outcome_until"]) == ("restricted", None)
    one = f"{place}/{made.json()['id']}"
    assert (await world.admin.delete(one, headers={"If-Match": '"9"'})).status_code == 412
    assert (await world.admin.delete(one, headers=if_match(made.json()))).status_code == 204
    (hold,) = (await world.admin.get(place)).json()["items"]
    assert hold["lifted_by"] == str(world.users["admin"])
    assert (await world.admin.delete(f"{place}/{customer['id']}", headers={"If-Match": '"1"'})).status_code == 404


async def test_hold_that_ended_or_gives_no_reason_of_people_is_refused(world: World) -> None:
    customer = await create_customer(world.agent)
    place = f"/v1/customers/{customer['id']}/legal-holds"
    for over, pointer in (({"until": "2020-01-01"}, "/until"), ({"reason": "policy_signed"}, "/reason")):
        answer = await world.admin.post(place, json={"law": "dispute", "reason": "claim", **over})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
