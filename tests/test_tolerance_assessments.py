"""Risk tolerance assessments: recorded by completing the form, counted, valid for a year."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.domain import tolerance
from app.models.base import china_today
from app.models.form_responses import FormResponse
from tests import sealed
from tests import tolerance_form as form
from tests.factories import World, create_customer, unguarded
from tests.household_form import analyse
from tests.life_form import create_analysis
from tests.traces import said


def _of(customer: dict[str, Any]) -> str:
    return f"/v1/customers/{customer['id']}/tolerance-assessments"


def _current(customer: dict[str, Any]) -> str:
    return f"/v1/customers/{customer['id']}/tolerance"


async def test_completing_the_form_is_the_assessment(world: World) -> None:
    customer = await create_customer(world.agent)
    assert (await world.agent.get(_current(customer))).status_code == 404
    made = await form.assess(world.agent, customer["id"])
    assert (made["tolerance_class"], made["level"], made["score"]) == ("c3", 3, "50")
    assert (made["answered_by"], made["recorded_by"]) == ("customer", str(world.users["agent"]))
    assert (made["is_current"], made["differs_from"]) == (True, None)
    assert made["confirmed_at"] == made["assessed_at"]
    assert made["valid_until"] == (china_today().replace(year=china_today().year + 1) - timedelta(days=1)).isoformat()
    read = await world.agent.get(_current(customer))
    assert read.json() == made
    again = await world.agent.get(_current(customer), headers={"If-None-Match": read.headers["etag"]})
    assert again.status_code == 304
    events = (await world.admin.get("/v1/audit-events", params={"object_id": made["id"]})).json()["items"]
    assert [event["action"] for event in events if event["action"] != "tolerance_assessment.viewed"] == [
        "tolerance_assessment.created"
    ]


async def test_day_of_the_visit_counts_where_the_phone_came_later(world: World) -> None:
    customer, day = await create_customer(world.agent), china_today() - timedelta(days=10)
    draft = await form.draft(world.agent, customer["id"])
    assert (await form.finish(world.agent, draft, answered_on=day.isoformat())).status_code == 201
    made = (await world.agent.get(_current(customer))).json()
    assert made["valid_until"] == (tolerance.last_day(day)).isoformat()


async def test_analysis_keeps_the_tolerance_that_held(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await form.assess(world.agent, customer["id"])
    analysis = await analyse(world.agent, customer["id"])
    held = analysis["tolerance"]
    assert (held["class"], held["level"], held["assessment_id"]) == ("c3", 3, made["id"])
    ends = tolerance.expires_at(date.fromisoformat(made["valid_until"]))
    assert datetime.fromisoformat(held["valid_until"]) == ends


async def test_who_accepts_no_loss_is_c1(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await form.assess(world.agent, customer["id"], form.CAREFUL)
    assert (made["tolerance_class"], made["level"]) == ("c1", 1)


async def test_answering_for_the_customer_is_refused(world: World) -> None:
    customer = await create_customer(world.agent)
    body = {"customer_id": customer["id"], "answers": form.answers(2, answered_by_self=False), **form.FORM}
    draft = (await world.agent.post("/v1/form-responses", json=body)).json()
    answer = await form.finish(world.agent, draft)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/answers/answered_by_self")
    assert (await world.agent.get(_of(customer))).json()["items"] == []


async def test_only_a_completed_response_of_his_own_is_recorded(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent, name="李四")
    draft = await form.draft(world.agent, customer["id"])
    body = {"form_response_id": draft["id"]}
    assert (await world.agent.post(_of(customer), json=body)).json()["code"] == "response_not_completed"
    assert (await world.agent.post(_of(other), json=body)).status_code == 422
    life = await create_analysis(world.agent, customer["id"])
    answer = await world.agent.post(_of(customer), json={"form_response_id": life["form_response_id"]})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "form_mismatch")


async def test_foreign_response_is_as_unknown(world: World, other_world: World) -> None:
    mine = await create_customer(world.agent)
    theirs = [
        (await form.assess(client, (await create_customer(client))["id"]))["form_response_id"]
        for client in (world.mate, world.stranger, other_world.agent)
    ]
    answers = [await world.agent.post(_of(mine), json={"form_response_id": one}) for one in (*theirs, str(uuid7()))]
    assert [answer.status_code for answer in answers] == [422] * 4
    assert all(said(answer) == said(answers[0]) for answer in answers)


async def test_response_completed_before_there_were_assessments_is_recorded_once(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await form.assess(world.agent, customer["id"])
    await world.db.execute("DELETE FROM tolerance_assessments WHERE id = $1", UUID(made["id"]))
    body = {"form_response_id": made["form_response_id"]}
    first = await world.agent.post(_of(customer), json=body)
    again = await world.agent.post(_of(customer), json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["assessed_at"] == made["assessed_at"]
    assert again.json() == first.json()


async def test_stored_answers_without_his_word_or_a_class_make_none(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await form.assess(world.agent, customer["id"])
    await world.db.execute("DELETE FROM tolerance_assessments WHERE id = $1", UUID(made["id"]))
    body, response = {"form_response_id": made["form_response_id"]}, made["form_response_id"]
    for without, code in (("tolerance_class", "assessment_incomplete"), ("answered_by_self", "answered_for_customer")):
        said = (await sealed.opened(world, FormResponse, response)).answers
        async with unguarded(world.db, "form_responses"):
            rest = {link_id: value for link_id, value in said.items() if link_id != without}
            await sealed.put(world, FormResponse, response, "answers", answers=rest)
        answer = await world.agent.post(_of(customer), json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


# --- how often -------------------------------------------------------------------------------------------------


async def test_third_assessment_of_a_day_is_refused_and_its_draft_stays(world: World) -> None:
    customer = await create_customer(world.agent)
    for _ in range(2):
        await form.assess(world.agent, customer["id"])
    draft = await form.draft(world.agent, customer["id"])
    answer = await form.finish(world.agent, draft)
    assert (answer.status_code, answer.json()["code"]) == (409, "assessments_today")
    assert (await world.agent.get(f"/v1/form-responses/{draft['id']}")).json()["status"] != "completed"
    other = await create_customer(world.agent, name="李四")
    await form.assess(world.agent, other["id"])


async def test_ninth_assessment_in_twelve_months_is_refused(world: World) -> None:
    customer = await create_customer(world.agent)
    for n in range(8):
        made = await form.assess(world.agent, customer["id"])
        await form.age(world, made["id"], timedelta(days=360 - 30 * n))
    answer = await form.finish(world.agent, await form.draft(world.agent, customer["id"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "assessments_this_year")


async def test_two_at_once_are_not_both_the_second_of_the_day(world: World) -> None:
    customer = await create_customer(world.agent)
    await form.assess(world.agent, customer["id"])
    drafts = [await form.draft(world.agent, customer["id"]) for _ in range(4)]
    answers = await asyncio.gather(*(form.finish(world.agent, draft) for draft in drafts))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len((await world.agent.get(_of(customer))).json()["items"]) == 2


# --- how long, and another result ------------------------------------------------------------------------------


async def test_expired_assessment_counts_no_longer(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await form.assess(world.agent, customer["id"])
    await form.age(world, made["id"], timedelta(days=364))
    assert (await world.agent.get(_current(customer))).json()["id"] == made["id"]
    await form.age(world, made["id"], timedelta(days=2))
    assert (await world.agent.get(_current(customer))).status_code == 404
    assert (await world.agent.get(f"/v1/tolerance-assessments/{made['id']}")).json()["is_current"] is False


async def test_same_class_again_counts_at_once(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await form.assess(world.agent, customer["id"])
    second = await form.assess(world.agent, customer["id"])
    assert (second["is_current"], second["differs_from"]) == (True, None)
    listed = (await world.agent.get(_of(customer))).json()["items"]
    assert [(item["id"], item["is_current"]) for item in listed] == [(second["id"], True), (first["id"], False)]


async def test_other_class_counts_once_the_customer_confirms_it(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await form.assess(world.agent, customer["id"])
    second = await form.assess(world.agent, customer["id"], form.BOLD)
    assert (second["tolerance_class"], second["differs_from"], second["confirmed_at"]) == ("c5", first["id"], None)
    assert (await world.agent.get(_current(customer))).json()["id"] == first["id"]
    url = f"/v1/tolerance-assessments/{second['id']}/confirm"
    confirmed = await world.agent.post(url)
    assert (confirmed.status_code, confirmed.json()["is_current"], confirmed.json()["version"]) == (200, True, 2)
    assert (await world.agent.post(url)).json() == confirmed.json()
    assert (await world.agent.get(_current(customer))).json()["id"] == second["id"]


async def test_nothing_differs_from_what_has_expired(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await form.assess(world.agent, customer["id"])
    await form.age(world, first["id"], timedelta(days=366))
    second = await form.assess(world.agent, customer["id"], form.BOLD)
    assert (second["differs_from"], second["is_current"]) == (None, True)


async def test_what_a_later_one_has_overtaken_is_not_confirmed_any_more(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await form.assess(world.agent, customer["id"])
    await form.age(world, first["id"], timedelta(days=2))
    second = await form.assess(world.agent, customer["id"], form.BOLD)
    await form.age(world, second["id"], timedelta(days=1))
    await form.assess(world.agent, customer["id"])
    answer = await world.agent.post(f"/v1/tolerance-assessments/{second['id']}/confirm")
    assert (answer.status_code, answer.json()["code"]) == (409, "assessment_superseded")


async def test_assessment_of_answers_that_were_taken_back_counts_no_longer(world: World) -> None:
    customer = await create_customer(world.agent)
    made = await form.assess(world.agent, customer["id"])
    async with unguarded(world.db, "form_responses"):
        await world.db.execute(
            "UPDATE form_responses SET status = 'entered_in_error' WHERE id = $1", UUID(made["form_response_id"])
        )
    assert (await world.agent.get(_current(customer))).status_code == 404
