"""Completing a form response: what it needs, that it happens once, and that it is final."""

import asyncio
from typing import Any

import pytest

from app.domain.form_types import kind_of
from app.domain.forms import Place
from app.services.form_responses_complete import METHODS
from tests.consents import consented
from tests.factories import World, create_company, create_customer, if_match
from tests.form_answers import least, said
from tests.library_forms import FORMS, RAW
from tests.life_form import ANSWERS, analysis_of, complete, create_draft, exact, places, save, url_of

SPOUSE = {"has_spouse_income": True, "spouse_income": 9_000_000, "spouse_income_years": 15}


async def test_complete_freezes_the_answers_and_names_its_analysis(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    answer = await complete(world.agent, draft)
    analysis = await analysis_of(world.agent, answer)
    response = exact(await world.agent.get(url_of(draft)))
    assert (answer.status_code, answer.headers["etag"], exact(answer)) == (201, '"2"', response)
    assert answer.headers["location"] == f"/v1/needs-analyses/{analysis['id']}"
    assert analysis["form_response_id"] == draft["id"]
    assert (response["status"], response["needs_analysis_id"], response["version"]) == ("completed", analysis["id"], 2)
    assert response["completed_at"] == response["updated_at"] > draft["updated_at"]
    assert response["answers"] == ANSWERS


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        ({}, ["/answers/family_expense", "/answers/support_years"]),
        ({"family_expense": 1, "support_years": None}, ["/answers/support_years"]),
        (
            {"family_expense": 1, "support_years": 1, "has_spouse_income": True},
            ["/answers/spouse_income", "/answers/spouse_income_years"],
        ),
        (
            {"family_expense": 1, "support_years": 1, "children": [{"cost": 1, "years_until": 1}, {"cost": 1}]},
            ["/answers/children/1/years_until"],
        ),
    ],
)
async def test_complete_needs_required_answers(world: World, answers: dict[str, Any], missing: list[str]) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    answer = await complete(world.agent, draft)
    assert (answer.status_code, places(answer)) == (422, [(pointer, "required") for pointer in missing])
    assert (await world.agent.get(url_of(draft))).json() == draft


async def test_refused_completion_does_not_use_up_its_key(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], answers={"support_years": 3})
    assert (await complete(world.agent, draft, "key-1")).status_code == 422
    fixed = (await save(world.agent, draft, {"family_expense": 100})).json()
    assert (await complete(world.agent, draft, "key-1")).status_code == 412
    assert (await complete(world.agent, fixed, "key-1")).status_code == 201


async def test_disabled_answers_stay_in_the_draft_and_leave_when_completed(world: World) -> None:
    answers = {"family_expense": 100, "support_years": 1, **SPOUSE, "children": [{"cost": 5, "years_until": 1}]}
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    off = (await save(world.agent, draft, {"has_spouse_income": False})).json()
    assert off["answers"] == {**answers, "has_spouse_income": False}
    analysis = await analysis_of(world.agent, await complete(world.agent, off))
    assert analysis["results"][0]["inputs"]["spouse_income"] is None
    assert "spouse_income" not in [step["key"] for step in analysis["results"][0]["steps"]]
    assert (await world.agent.get(url_of(draft))).json()["answers"] == {
        "family_expense": 100,
        "support_years": 1,
        "has_spouse_income": False,
        "children": [{"cost": 5, "years_until": 1}],
    }


async def test_complete_without_key_is_400_without_if_match_428_and_stale_412(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    url = f"{url_of(draft)}/complete"
    keyless = await world.agent.post(url, headers=if_match(draft))
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing")
    assert (await world.agent.post(url, headers={"Idempotency-Key": "a"})).status_code == 428
    assert (await save(world.agent, draft, {"mortgage": 1})).status_code == 200
    stale = await complete(world.agent, draft)
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    assert (await world.agent.get(url_of(draft))).json()["status"] == "in_progress"


async def test_same_key_replays_the_analysis_and_another_is_409(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    first = await complete(world.agent, draft, "once")
    again = await complete(world.agent, draft, "once")
    assert (again.status_code, again.content) == (201, first.content)
    assert (again.headers["location"], again.headers["etag"]) == (first.headers["location"], first.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"
    for held in (draft, {**draft, "version": 2}):
        other = await complete(world.agent, held)
        assert (other.status_code, other.json()["code"]) == (409, "response_completed")


async def test_key_of_one_response_is_refused_for_another(world: World) -> None:
    customer = await create_customer(world.agent)
    drafts = [await create_draft(world.agent, customer["id"]) for _ in range(2)]
    assert (await complete(world.agent, drafts[0], "shared")).status_code == 201
    refused = await complete(world.agent, drafts[1], "shared")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("same_key", [True, False])
async def test_parallel_completions_make_exactly_one_analysis(world: World, same_key: bool) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    answers = await asyncio.gather(
        *(complete(world.agent, draft, "twin" if same_key else f"key-{n}") for n in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == ([201] * 6 if same_key else [201] + [409] * 5)
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"response_completed"}
    stored = await world.db.fetchval("SELECT count(*) FROM needs_analyses WHERE org_id = $1", world.org_id)
    assert stored == 1


async def test_completed_response_is_immutable(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    await complete(world.agent, draft)
    before = await world.agent.get(url_of(draft))
    for answers in ({"mortgage": 1}, {}, {"mortgage": ANSWERS["mortgage"]}, {"nickname": 1}):
        refused = await save(world.agent, draft, answers, version=before.json()["version"])
        assert (refused.status_code, refused.json()["code"]) == (409, "response_completed")
    assert (await world.agent.delete(url_of(draft))).status_code == 405
    assert (await world.agent.get(url_of(draft))).content == before.content


async def test_result_past_exact_integers_is_422_and_keeps_the_draft(world: World) -> None:
    answers = {"family_expense": 10**13, "support_years": 80, "expense_growth": "0.20", "discount_rate": "-0.05"}
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    answer = await complete(world.agent, draft)
    assert (answer.status_code, places(answer)) == (422, [("/answers", "result_out_of_range")])
    assert (await world.agent.get(url_of(draft))).json() == draft


# --- every published form --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form_key", FORMS)
async def test_every_published_form_can_be_answered_and_completed(world: World, form_key: str) -> None:
    form = FORMS[form_key]
    customer = await (create_company if form.subject == "company" else create_customer)(world.agent)
    await consented(world.agent, customer)
    answers = least(form)
    draft = await create_draft(
        world.agent, customer["id"], form_key=form_key, form_version=form.version, answers=answers
    )
    answer = await complete(world.agent, draft)
    body = exact(answer)
    assert (answer.status_code, body["status"], body["form_key"]) == (201, "completed", form_key)
    assert {key: body["answers"][key] for key in answers} == answers
    assert (body["needs_analysis_id"] is not None) is (form_key in METHODS)
    if form_key not in METHODS:
        assert answer.headers["location"] == url_of(body)
    assert (await world.agent.get(url_of(draft))).content == answer.content
    assert (await world.agent.get(f"/v1/forms/{form_key}")).json()["definition"] == RAW[form_key]


@pytest.mark.parametrize("form_key", FORMS)
async def test_form_is_put_only_to_those_it_asks_of(world: World, form_key: str) -> None:
    form = FORMS[form_key]
    subject = "individual" if form_key == "needs.life" else form.subject
    for party, make, code in (
        ("company", create_customer, "customer_not_organization"),
        ("individual", create_company, "customer_not_individual"),
    ):
        body = {"customer_id": (await make(world.agent))["id"], "form_key": form_key, "form_version": form.version}
        answer = await world.agent.post("/v1/form-responses", json=body)
        if subject == party:
            assert (answer.status_code, answer.json()["code"]) == (409, code)
        else:
            assert answer.status_code == 201


async def test_answers_of_every_type_come_back_as_they_were_given(world: World) -> None:
    form = FORMS["visit.nine_steps"]
    kinds = {kind_of(place.item) for form in FORMS.values() for place in form.index.values()}
    assert {"choices", "text", "date", "money"} <= kinds
    answers = {link_id: said(place) for link_id, place in form.index.items() if _is_asked(place)}
    draft = await create_draft(
        world.agent,
        await consented(world.agent, await create_customer(world.agent)),
        form_key=form.form_key,
        form_version=form.version,
        answers=answers,
    )
    assert draft["answers"] == answers


def _is_asked(place: Place) -> bool:
    is_group = place.item.type in ("group", "display")
    return not is_group and place.scope is None and place.item.calculated is None


async def test_warnings_are_answered_stored_and_said_in_both_languages(world: World) -> None:
    form = FORMS["household.budget"]
    draft = await create_draft(
        world.agent,
        await consented(world.agent, await create_customer(world.agent)),
        form_key=form.form_key,
        form_version=form.version,
        answers=least(form),
    )
    computed = next(link_id for link_id, place in form.index.items() if place.item.calculated and place.scope is None)
    value = 123_456
    saved = (await save(world.agent, draft, {computed: value})).json()
    assert [one["code"] for one in saved["warnings"] if one["pointer"] == f"/answers/{computed}"] == [
        "calculated_differs"
    ]
    done = exact(await complete(world.agent, saved))
    (warning,) = [one for one in done["warnings"] if one["pointer"] == f"/answers/{computed}"]
    assert warning["message"]["zh"]
    assert warning["message"]["en"]
    assert done["answers"][computed] != value
    assert (await world.agent.get(url_of(draft))).json()["warnings"] == done["warnings"]
