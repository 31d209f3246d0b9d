"""Proposals: recommended on the ground of an analysis, judged by the rules, signed once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from app import db
from app.models.proposals import Proposal
from tests import household_form as family
from tests import sealed, tolerance_form
from tests.factories import World, create_customer, if_match, unguarded
from tests.household_form import WAN, analyse, life, propose, proposed, qualify, sign
from tests.life_form import create_analysis

LINKED: dict[str, Any] = {"category": "whole_life", "design": "unit_linked"}


async def _analysis(world: World, **over: Any) -> dict[str, Any]:
    await qualify(world)
    customer = await create_customer(world.agent, name="林致远")
    return await analyse(world.agent, customer["id"], **over)


def _codes(answer: Any) -> list[tuple[str, str]]:
    return [(issue["pointer"], issue["code"]) for issue in answer.json()["errors"]]


async def test_cover_within_the_gap_is_suitable_and_kept_as_it_was(world: World) -> None:
    analysis = await _analysis(world)
    answer = await propose(world.agent, analysis)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["verdict"], made["verdict_code"]) == ({"code": "suitable", "reasons": []}, "suitable")
    (cover,) = made["recommendations"]
    assert (cover["category"], cover["design"], cover["level"], cover["product"]) == ("term_life", "ordinary", 2, None)
    can = made["affordability"]
    assert (can["band"], can["room_fen"], can["proposed_low_fen"], can["proposed_high_fen"]) == (
        "green", 4_400_000, 180_000, 240_000,
    )  # fmt: skip
    assert made["agent"] == {
        "id": str(world.users["agent"]), "name": "agent", "licence_no": family.LICENCE, "qualification_level": 2,
    }  # fmt: skip
    assert (made["customer_insists"], made["statement"], made["signature"], made["tolerance"]) == (
        False, None, None, None,
    )  # fmt: skip
    assert made["number"].startswith("JH-")
    assert made["assessed_at"] == analysis["created_at"]
    assert datetime.fromisoformat(made["assessed_at"]) < datetime.fromisoformat(made["recommended_at"])
    read = await world.agent.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])
    held = {"If-None-Match": read.headers["etag"]}
    assert (await world.agent.get(answer.headers["location"], headers=held)).status_code == 304
    events = (await world.admin.get("/v1/audit-events", params={"object_id": made["id"]})).json()["items"]
    assert [event["action"] for event in events if event["action"] != "proposal.viewed"] == ["proposal.created"]


async def test_same_proposal_of_a_phone_is_one_and_another_under_its_id_is_none(world: World) -> None:
    analysis, sent = await _analysis(world), str(uuid7())
    first = await propose(world.agent, analysis, id=sent)
    again = await propose(world.agent, analysis, id=sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = await propose(world.agent, analysis, id=sent, language="en")
    assert (other.status_code, other.json()["code"]) == (409, "id_taken")


async def test_proposals_of_a_customer_are_listed_newest_first(world: World) -> None:
    analysis = await _analysis(world)
    made = [(await propose(world.agent, analysis)).json() for _ in range(2)]
    listed = (await world.agent.get(f"/v1/customers/{analysis['customer_id']}/proposals")).json()["items"]
    assert [item["id"] for item in listed] == [made[1]["id"], made[0]["id"]]
    assert listed[0] == {member: made[1][member] for member in listed[0]}


# --- what the rules refuse -------------------------------------------------------------------------------------


async def test_nothing_is_recommended_without_a_licence_or_a_grade(world: World) -> None:
    customer = await create_customer(world.agent)
    analysis = await analyse(world.agent, customer["id"])
    assert (await propose(world.agent, analysis)).json()["code"] == "licence_missing"
    await qualify(world, level=None)
    answer = await propose(world.agent, analysis)
    assert (answer.status_code, answer.json()["code"]) == (409, "proposal_incomplete")
    assert _codes(answer) == [("/recommendations/0", "agent_not_graded")]
    await qualify(world, most=1)
    answer = await propose(world.agent, analysis)
    assert (answer.status_code, answer.json()["code"]) == (409, "proposal_not_suitable")
    assert _codes(answer) == [("/recommendations/0", "agent_not_authorised")]


async def test_what_is_refused_stays_refused_however_the_customer_insists(world: World) -> None:
    analysis = await _analysis(world)
    await qualify(world, most=1)
    answer = await propose(world.agent, analysis, customer_insists=True, statement="我坚持投保")
    assert (answer.status_code, answer.json()["code"]) == (409, "proposal_not_suitable")


async def test_linked_product_wants_a_tolerance_that_holds_and_is_high_enough(world: World) -> None:
    analysis = await _analysis(world)
    customer_id, cover = analysis["customer_id"], life(**LINKED)
    answer = await propose(world.agent, analysis, cover)
    assert (answer.json()["code"], _codes(answer)) == (
        "proposal_incomplete", [("/recommendations/0", "tolerance_missing")],
    )  # fmt: skip
    held = await tolerance_form.assess(world.agent, customer_id)  # C3, and the product is P4
    answer = await propose(world.agent, analysis, cover)
    assert (answer.json()["code"], _codes(answer)) == (
        "proposal_not_suitable", [("/recommendations/0", "tolerance_exceeded")],
    )  # fmt: skip
    await tolerance_form.age(world, held["id"], timedelta(days=366))
    answer = await propose(world.agent, analysis, cover)
    assert _codes(answer) == [("/recommendations/0", "tolerance_expired")]
    bold = await tolerance_form.assess(world.agent, customer_id, tolerance_form.BOLD)
    answer = await propose(world.agent, analysis, cover)
    assert answer.status_code == 201, answer.text
    assert answer.json()["tolerance"]["assessment_id"] == bold["id"]
    assert answer.json()["assessed_at"] == bold["assessed_at"]  # the last thing that was assessed


async def test_changed_tolerance_counts_once_it_is_confirmed(world: World) -> None:
    analysis = await _analysis(world)
    await tolerance_form.assess(world.agent, analysis["customer_id"])
    bold = await tolerance_form.assess(world.agent, analysis["customer_id"], tolerance_form.BOLD)
    assert _codes(await propose(world.agent, analysis, life(**LINKED))) == [
        ("/recommendations/0", "tolerance_exceeded")
    ]
    assert (await world.agent.post(f"/v1/tolerance-assessments/{bold['id']}/confirm")).status_code == 200
    assert (await propose(world.agent, analysis, life(**LINKED))).status_code == 201


async def test_excessive_cover_is_advised_against_and_the_customer_may_insist(world: World) -> None:
    analysis = await _analysis(world)
    cover = life(sum_insured_fen=500 * WAN)
    answer = await propose(world.agent, analysis, cover)
    assert (answer.status_code, answer.json()["code"]) == (409, "proposal_advised_against")
    assert _codes(answer) == [("/recommendations/0", "over_cover")]
    silent = await propose(world.agent, analysis, cover, customer_insists=True)
    assert (silent.status_code, _codes(silent)) == (422, [("/statement", "missing")])
    said = await propose(world.agent, analysis, cover, customer_insists=True, statement="我知道风险，仍要投保。")
    assert said.status_code == 201, said.text
    made = said.json()
    assert (made["verdict_code"], made["customer_insists"]) == ("advise_stop", True)
    assert made["statement"] == "我知道风险，仍要投保。"


async def test_customer_who_need_not_insist_does_not(world: World) -> None:
    answer = await propose(world.agent, await _analysis(world), customer_insists=True, statement="想要")
    assert (answer.json()["customer_insists"], answer.json()["statement"]) == (False, "想要")


async def test_second_cover_counts_on_top_of_the_first(world: World) -> None:
    answer = await propose(world.agent, await _analysis(world), life(), life(sum_insured_fen=30 * WAN))
    assert answer.json()["code"] == "proposal_advised_against"
    assert [code for _, code in _codes(answer)] == ["over_cover"]


async def test_premium_beyond_the_surplus_is_advised_against(world: World) -> None:
    answer = await propose(world.agent, await _analysis(world), life(premium_high_fen=30 * WAN))
    assert ("/recommendations", "surplus_exceeded") in _codes(answer)
    assert ("/recommendations", "premium_unaffordable") in _codes(answer)


async def test_older_policyholder_is_taken_care_of(world: World) -> None:
    over: dict[str, Any] = {
        "birth_date": family.born(66),
        "retirement_age": 70,
        "pension_start_age": 70,
        "children": None,
    }
    analysis = await _analysis(world, **over)
    spouse = life(insured="spouse", peril="critical_illness", category="critical_illness", sum_insured_fen=20 * WAN)
    answer = await propose(world.agent, analysis, spouse)
    assert answer.status_code == 201, answer.text
    assert [reason["code"] for reason in answer.json()["verdict"]["reasons"]] == ["elderly_care"]
    assert answer.json()["verdict_code"] == "suitable_with_care"


async def test_minors_death_cover_has_its_limit(world: World) -> None:
    child = life(insured="child.0", peril="accident", category="accident", sum_insured_fen=21 * WAN)
    answer = await propose(world.agent, await _analysis(world), child)
    assert (answer.json()["code"], _codes(answer)) == (
        "proposal_not_suitable", [("/recommendations/0", "minor_death_limit")],
    )  # fmt: skip


async def test_thresholds_warn_only_where_the_organisation_wants_them(world: World) -> None:
    analysis = await _analysis(world)
    assert (await propose(world.agent, analysis)).json()["verdict_code"] == "suitable"
    await qualify(world, thresholds={"payment_end_age": 50, "yearly_premium_share": "0.01"})
    made = (await propose(world.agent, analysis)).json()
    assert [reason["code"] for reason in made["verdict"]["reasons"]] == ["yearly_premium_high", "paid_late"]


async def test_analysis_of_a_single_life_or_an_older_one_is_no_ground(world: World) -> None:
    await qualify(world)
    customer = await create_customer(world.agent)
    single = await create_analysis(world.agent, customer["id"])
    answer = await propose(world.agent, {"id": single["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "analysis_not_household")
    first = await analyse(world.agent, customer["id"])
    change = {"life_event": "income", "overrides": {"income_fen": {"value": 40 * WAN, "set_by": "customer"}}}
    newer = await world.agent.post(f"/v1/needs-analyses/{first['id']}/revise", json=change)
    assert newer.status_code == 201, newer.text
    answer = await propose(world.agent, first)
    assert (answer.status_code, answer.json()["code"]) == (409, "analysis_superseded")
    assert (await propose(world.agent, newer.json())).status_code == 201


async def test_analysis_older_than_a_year_is_reckoned_again_first(world: World) -> None:
    analysis = await _analysis(world)
    async with unguarded(world.db, "needs_analyses"):
        await world.db.execute(
            "UPDATE needs_analyses SET created_at = created_at - interval '366 days' WHERE id = $1",
            family.key(analysis["id"]),
        )
    answer = await propose(world.agent, analysis)
    assert (answer.json()["code"], _codes(answer)) == (
        "proposal_incomplete", [("/recommendations", "assessment_expired")],
    )  # fmt: skip


# --- products, and what contradicts itself ---------------------------------------------------------------------


async def _product(world: World, **over: Any) -> dict[str, Any]:
    body = {"code": "WL-1", "name": "测试终身寿险", "insurer": "测试人寿", "category": "whole_life", **over}
    made: dict[str, Any] = (await world.admin.post("/v1/products", json=body)).json()
    return made


async def test_product_brings_its_category_and_level_and_stays_as_it_was(world: World) -> None:
    analysis, product = await _analysis(world), await _product(world, design="participating")
    cover = life(category=None, product_id=product["id"])
    made = (await propose(world.agent, analysis, cover)).json()
    (kept,) = made["recommendations"]
    assert (kept["category"], kept["design"], kept["level"]) == ("whole_life", "participating", 3)
    assert kept["product"] == {
        "id": product["id"], "code": "WL-1", "name": "测试终身寿险", "insurer": "测试人寿",
    }  # fmt: skip
    url = f"/v1/products/{product['id']}"
    await world.admin.patch(url, json={"name": "改名", "is_active": False}, headers=if_match(product))
    assert (await world.agent.get(f"/v1/proposals/{made['id']}")).json()["recommendations"] == [kept]
    answer = await propose(world.agent, analysis, cover)
    assert (answer.status_code, _codes(answer)) == (422, [("/recommendations/0/product_id", "not_found")])


@pytest.mark.parametrize(
    ("over", "member", "code"),
    [
        ({"insured": "child.7"}, "insured", "insured_unknown"),
        ({"category": None}, "category", "missing"),
        ({"design": "universal"}, "design", "design_mismatch"),
        ({"premium_low_fen": None}, "premium_low_fen", "missing"),
        ({"premium_high_fen": None}, "premium_high_fen", "missing"),
        ({"premium_low_fen": 240_001}, "premium_low_fen", "band_reversed"),
        ({"payment_years": 0}, "payment_years", "out_of_range"),
    ],
)
async def test_recommendation_that_contradicts_itself_is_422(
    world: World, over: dict[str, Any], member: str, code: str
) -> None:
    answer = await propose(world.agent, await _analysis(world), life(**over))
    assert (answer.status_code, _codes(answer)) == (422, [(f"/recommendations/0/{member}", code)])


async def test_category_and_product_together_are_422(world: World) -> None:
    analysis, product = await _analysis(world), await _product(world)
    answer = await propose(world.agent, analysis, life(product_id=product["id"]))
    assert (answer.status_code, _codes(answer)) == (422, [("/recommendations/0/category", "not_both")])


async def test_alternative_says_what_it_leaves_open(world: World) -> None:
    analysis = await _analysis(world)
    covers = [{"insured": "self", "peril": "life", "sum_insured_fen": 60 * WAN}]
    lean = {"title": "精简", "description": "先补寿险", "premium_low_fen": 1, "premium_high_fen": 2, "covers": covers}
    made = (await propose(world.agent, analysis, alternatives=[lean])).json()
    whole = sum(one["gap_fen"] for one in analysis["results"])
    assert made["alternatives"] == [{**lean, "remaining_gap_fen": whole - 60 * WAN}]
    wrong = {**lean, "premium_low_fen": 3, "covers": [{**covers[0], "insured": "child.8"}]}
    answer = await propose(world.agent, analysis, alternatives=[wrong])
    assert _codes(answer) == [
        ("/alternatives/0/premium_low_fen", "band_reversed"),
        ("/alternatives/0/covers/0/insured", "insured_unknown"),
    ]


# --- signing ---------------------------------------------------------------------------------------------------


async def test_customer_signs_once_after_he_was_told(world: World) -> None:
    made = await proposed(world)
    for over, code in (
        ({"is_customer_himself": False}, "signed_for_customer"),
        ({"is_opinion_told": False}, "opinion_not_told"),
        ({"is_opinion_told": False, "is_online": True}, "opinion_not_told_online"),
    ):
        answer = await sign(world.agent, made, **over)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    signed = await sign(world.agent, made, reference="平板-7")
    assert signed.status_code == 200, signed.text
    found = signed.json()
    assert found["signature"] == {
        "signed_by": "林致远", "kind": "screen", "reference": "平板-7", "is_online": False,
        "recorded_by": str(world.users["agent"]),
    }  # fmt: skip
    times = [datetime.fromisoformat(found[name]) for name in ("assessed_at", "recommended_at", "signed_at")]
    assert times[0] < times[1] < times[2]
    changed = {"signed_at", "signature", "version"}
    assert {name: value for name, value in found.items() if name not in changed} == {
        name: value for name, value in made.items() if name not in changed
    }
    again = await sign(world.agent, made)
    assert (again.status_code, again.json()["code"]) == (409, "proposal_signed")


async def test_two_who_sign_at_once_make_one_signature(world: World) -> None:
    made = await proposed(world)
    answers = await asyncio.gather(*(sign(world.agent, made) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


async def test_database_refuses_to_change_anything_else(world: World) -> None:
    made = await proposed(world)
    for column, value in (
        ("content_enc", "NULL"),
        ("verdict", "'suitable'"),
        ("recommended_at", "now()"),
        ("number", "''"),
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with db.transaction(world.org_id) as session:
                await db.raw(session).execute(f"UPDATE proposals SET {column} = {value} WHERE id = '{made['id']}'")


async def test_what_was_overtaken_is_not_signed_any_more(world: World) -> None:
    made = await proposed(world)
    change = {"life_event": "income", "overrides": {"income_fen": {"value": 40 * WAN, "set_by": "customer"}}}
    await world.agent.post(f"/v1/needs-analyses/{made['needs_analysis_id']}/revise", json=change)
    answer = await sign(world.agent, made)
    assert (answer.status_code, answer.json()["code"]) == (409, "analysis_superseded")


@pytest.mark.parametrize(("cover", "status"), [(LINKED, 409), ({}, 200)])
async def test_tolerance_must_still_hold_where_the_opinion_rests_on_it(
    world: World, cover: dict[str, Any], status: int
) -> None:
    analysis = await _analysis(world)
    await tolerance_form.assess(world.agent, analysis["customer_id"], tolerance_form.BOLD)
    made = (await propose(world.agent, analysis, life(**cover))).json()
    content = (await sealed.opened(world, Proposal, made["id"])).content
    if content["tolerance"] is not None:
        content["tolerance"]["valid_until"] = "2020-01-01"
    await sealed.put(world, Proposal, made["id"], "content", content=content)
    answer = await sign(world.agent, made)
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "tolerance_expired"


async def test_nothing_rests_on_answers_that_were_taken_back(world: World) -> None:
    made = await proposed(world)
    analysis = (await world.agent.get(f"/v1/needs-analyses/{made['needs_analysis_id']}")).json()
    taken = await world.agent.post(f"/v1/form-responses/{analysis['form_response_id']}/retract", json={"reason": "错"})
    assert taken.status_code == 200
    for answer in (await sign(world.agent, made), await propose(world.agent, analysis)):
        assert (answer.status_code, answer.json()["code"]) == (409, "analysis_retracted")
    assert (await world.agent.get(f"/v1/proposals/{made['id']}")).json() == made
