"""That an ID number is taken is told, but not to somebody who tries one after the other."""

import asyncio

from tests import canaries
from tests.factories import World, create_customer, if_match

RESIDENT_ID = "11010519491231002X"  # the national standard's own sample


async def test_whose_numbers_are_known_cannot_be_tried_out(world: World) -> None:
    await create_customer(world.agent, id_number=RESIDENT_ID)
    body = {"party_type": "individual", "name": "韩梅梅", "id_number": RESIDENT_ID}
    mine = await create_customer(world.mate)
    for _ in range(25):  # neither a mistake nor a number that is free counts
        wrong = await world.mate.post("/v1/customers", json={**body, "id_number": "110105194912310021"})
        assert wrong.status_code == 422
    for turn in range(20):
        if turn % 2:
            answer = await world.mate.post("/v1/customers", json=body)
        else:
            change = {"id_number": RESIDENT_ID}
            answer = await world.mate.patch(f"/v1/customers/{mine['id']}", json=change, headers=if_match(mine))
        assert (answer.status_code, answer.json()["code"]) == (409, "id_number_taken")
    late = await world.mate.post("/v1/customers", json=body)
    assert (late.status_code, late.json()["code"]) == (429, "too_many_guesses")
    assert int(late.headers["Retry-After"]) > 3000
    assert (await world.mate.post("/v1/customers", json=body)).status_code == 429
    await create_customer(world.mate, name="没有号码也能建")
    await create_customer(world.agent, id_number="110101199003070134")  # a colleague has tries of his own


async def test_many_numbers_at_once_do_not_use_up_the_hour(world: World) -> None:
    bodies = [
        {"party_type": "individual", "name": "陆听雨", "id_number": canaries.person(number)["id_number"]}
        for number in range(40)
    ]
    answers = await asyncio.gather(*(world.agent.post("/v1/customers", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} <= {201, 429}
    for body, answer in zip(bodies, answers, strict=True):
        if answer.status_code == 429:
            assert (await world.agent.post("/v1/customers", json=body)).status_code == 201
