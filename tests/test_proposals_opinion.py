"""What a proposal may rest on: answers that stand, cover that is really enough, the lowest tolerance that was found."""

from typing import Any
from uuid import UUID

import pytest
from asyncpg import InsufficientPrivilegeError

from tests import household_form as family
from tests import tolerance_form
from tests.factories import World, create_customer, if_match
from tests.household_form import WAN, analyse, life, propose, proposed, qualify, sign

LINKED: dict[str, Any] = {"category": "whole_life", "design": "unit_linked"}


async def _analysis(world: World, **over: Any) -> dict[str, Any]:
    await qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    return await analyse(world.agent, customer["id"], **over)


def _codes(answer: Any) -> list[tuple[str, str]]:
    return [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]]


async def test_analysis_of_answers_entered_in_error_is_no_ground(world: World) -> None:
    analysis = await _analysis(world)
    made = (await propose(world.agent, analysis)).json()
    response = (await world.agent.get(f"/v1/form-responses/{analysis['form_response_id']}")).json()
    url, body = f"/v1/form-responses/{response['id']}/retract", {"reason": "记成了别人的收入"}
    assert (await world.agent.post(url, json=body, headers=if_match(response))).status_code == 200
    word = {"kind": "signature", "reference": "纸质第 1 号", "confirmed_at": analysis["created_at"]}
    confirmed = await world.agent.post(f"/v1/needs-analyses/{analysis['id']}/confirm", json=word)
    drafted = await world.agent.post(f"/v1/needs-analyses/{analysis['id']}/recommendations", json={})
    for answer in (await propose(world.agent, analysis), await sign(world.agent, made), confirmed, drafted):
        assert (answer.status_code, answer.json()["code"]) == (409, "analysis_retracted")
    assert (await world.agent.get(f"/v1/proposals/{made['id']}")).status_code == 200


async def test_signature_is_never_written_again_by_anybody(world: World) -> None:
    made = await proposed(world)
    assert (await sign(world.agent, made)).status_code == 200
    with pytest.raises(InsufficientPrivilegeError):
        await world.db.execute("UPDATE proposals SET signed_at = now() WHERE id = $1", UUID(made["id"]))


async def test_employers_small_medical_cover_does_not_forbid_a_real_one(world: World) -> None:
    """Both have a cap; the dearer need is met by a usual policy of two million, which pays only what was spent."""
    held = family.answers()["policies"][0] | {
        "policy_peril": "medical", "policy_sum": 2 * WAN, "policy_group": True, "policy_premium": 0,
    }  # fmt: skip
    analysis = await _analysis(world, policies=[held])
    wanted = life(peril="medical", category="medical", sum_insured_fen=200 * WAN, payment_years=1)
    answer = await propose(world.agent, analysis, wanted)
    assert answer.status_code == 201, answer.text
    assert "indemnity_beside" in [one["code"] for one in answer.json()["verdict"]["reasons"]]
    twice = await propose(world.agent, analysis, wanted, wanted)
    assert twice.json()["code"] == "proposal_advised_against"
    drafted = await world.agent.post(f"/v1/needs-analyses/{analysis['id']}/recommendations", json={})
    (one,) = (i for i in drafted.json()["items"] if (i["insured"], i["peril"]) == ("self", "medical"))
    assert (one["why"], one["sum_insured_fen"]) == ("sum_only", 47 * WAN)


async def test_lower_class_nobody_has_confirmed_yet_already_forbids(world: World) -> None:
    analysis = await _analysis(world)
    await tolerance_form.assess(world.agent, analysis["customer_id"], tolerance_form.BOLD)
    made = await propose(world.agent, analysis, life(**LINKED))
    assert made.status_code == 201, made.text
    await tolerance_form.assess(world.agent, analysis["customer_id"], tolerance_form.CAREFUL)
    again = await propose(world.agent, analysis, life(**LINKED))
    assert _codes(again) == [("/recommendations/0", "tolerance_exceeded")]
    answer = await sign(world.agent, made.json())
    assert (answer.status_code, answer.json()["code"]) == (409, "tolerance_exceeded")
