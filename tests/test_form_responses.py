"""Answers to forms through the API: drafts, saving them, lists of them."""

import asyncio
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.consents import give
from tests.factories import World, create_company, create_customer, if_match
from tests.life_form import ANSWERS, FORM, complete, create_draft, exact, places, save, url_of

# --- drafts ----------------------------------------------------------------------------------------------------


async def test_draft_is_pinned_to_its_form_version(world: World) -> None:
    customer = await create_customer(world.agent)
    await give(world.agent, customer["id"], "financial")
    answer = await world.agent.post(
        "/v1/form-responses", json={"customer_id": customer["id"], "answers": ANSWERS, **FORM}
    )
    body = exact(answer)
    form = (await world.agent.get("/v1/forms/needs.life/versions/1.0.0")).json()
    assert answer.status_code == 201
    assert (answer.headers["location"], answer.headers["etag"]) == (url_of(body), '"1"')
    assert (body["status"], body["answers"], body["content_hash"]) == ("draft", ANSWERS, form["content_hash"])
    assert (body["recorded_by"], body["completed_at"], body["needs_analysis_id"]) == (
        str(world.users["agent"]),
        None,
        None,
    )
    read = await world.agent.get(url_of(body))
    assert (read.content, read.headers["cache-control"]) == (answer.content, "no-store")
    assert (await world.agent.get(url_of(body), headers={"If-None-Match": '"1"'})).status_code == 304


async def test_draft_may_be_empty_or_incomplete(world: World) -> None:
    customer = await create_customer(world.agent)
    bare = await world.agent.post("/v1/form-responses", json={"customer_id": customer["id"], **FORM})
    assert (bare.status_code, bare.json()["answers"]) == (201, {})
    partly = await create_draft(world.agent, customer["id"], answers={"children": [{"cost": 1}, {}]})
    assert partly["answers"] == {"children": [{"cost": 1}, {}]}


@pytest.mark.parametrize(
    ("answers", "pointer", "code"),
    [
        ({"nickname": "阿强"}, "/answers/nickname", "unknown_link_id"),
        ({"nickname": None}, "/answers/nickname", "unknown_link_id"),
        ({"family": {"family_expense": 1}}, "/answers/family", "unknown_link_id"),
        ({"阿强的电话": 1}, "/answers", "unknown_link_id"),
        ({"family_expense": "1200000"}, "/answers/family_expense", "wrong_type"),
        ({"family_expense": True}, "/answers/family_expense", "wrong_type"),
        ({"family_expense": {"amount": 7654321}}, "/answers/family_expense", "wrong_type"),
        ({"family_expense": [7654321]}, "/answers/family_expense", "wrong_type"),
        ({"family_expense": 7654321.0}, "/answers/family_expense", "number_not_integer"),
        ({"family_expense": 1.5}, "/answers/family_expense", "number_not_integer"),
        ({"has_spouse_income": 1}, "/answers/has_spouse_income", "wrong_type"),
        ({"has_spouse_income": 1.0}, "/answers/has_spouse_income", "number_not_integer"),
        ({"discount_rate": 0.03}, "/answers/discount_rate", "number_not_integer"),
        ({"discount_rate": "3%"}, "/answers/discount_rate", "rate_invalid"),
        ({"discount_rate": "0.2001"}, "/answers/discount_rate", "out_of_range"),
        ({"timing": "noon"}, "/answers/timing", "option_unknown"),
        ({"family_expense": -1}, "/answers/family_expense", "out_of_range"),
        ({"family_expense": 10**13 + 1}, "/answers/family_expense", "out_of_range"),
        ({"family_expense": 2**53 + 1}, "/answers/family_expense", "out_of_range"),
        ({"support_years": 81}, "/answers/support_years", "out_of_range"),
        ({"children": {}}, "/answers/children", "wrong_type"),
        ({"children": [7654321]}, "/answers/children/0", "wrong_type"),
        ({"children": [{}, {"cost": 1.5}]}, "/answers/children/1/cost", "number_not_integer"),
        ({"children": [{"price": 1}]}, "/answers/children/0/price", "unknown_link_id"),
        ({"children": [{"cost": [{}]}]}, "/answers/children/0/cost", "wrong_type"),
        ({"children": [{}] * 21}, "/answers/children", "row_count"),
    ],
)
async def test_wrong_answer_is_refused_at_its_place_and_never_echoed(
    world: World, answers: dict[str, Any], pointer: str, code: str
) -> None:
    customer = await create_customer(world.agent)
    made = await world.agent.post(
        "/v1/form-responses", json={"customer_id": customer["id"], "answers": answers, **FORM}
    )
    assert (made.status_code, places(made)) == (422, [(pointer, code)])
    draft = await create_draft(world.agent, customer["id"])
    saved = await save(world.agent, draft, answers)
    assert (saved.status_code, places(saved)) == (422, [(pointer, code)])
    assert not any(echo in made.text + saved.text for echo in ("阿强", "7654321", "noon", "3%"))
    assert (await world.agent.get(url_of(draft))).json()["answers"] == ANSWERS


@pytest.mark.parametrize(("answers", "code"), [(None, "type"), ([], "type"), ("x", "type")])
async def test_answers_that_are_no_object_are_422(world: World, answers: object, code: str) -> None:
    customer = await create_customer(world.agent)
    made = await world.agent.post(
        "/v1/form-responses", json={"customer_id": customer["id"], "answers": answers, **FORM}
    )
    assert (made.status_code, places(made)) == (422, [("/answers", code)])


async def test_integer_past_int64_is_400(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    answer = await save(world.agent, draft, {"family_expense": 2**63})
    assert (answer.status_code, answer.json()["code"]) == (400, "json_invalid")


async def test_messages_of_the_form_follow_the_language(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    headers = {**if_match(draft), "Accept-Language": "zh-CN"}
    answer = await world.agent.patch(url_of(draft), json={"answers": {"timing": "noon"}}, headers=headers)
    assert answer.json()["errors"][0]["message"] == "没有这个选项"


async def test_unknown_form_or_version_is_422(world: World) -> None:
    customer = await create_customer(world.agent)
    for over, pointer in (({"form_key": "needs.other"}, "/form_key"), ({"form_version": "7.0.0"}, "/form_version")):
        answer = await world.agent.post("/v1/form-responses", json={"customer_id": customer["id"], **FORM, **over})
        assert (answer.status_code, places(answer)) == (422, [(pointer, "not_found")])


async def test_foreign_and_unknown_customer_are_the_same_422(world: World, other_world: World) -> None:
    foreign = [await create_customer(client) for client in (world.mate, world.stranger, other_world.agent)]
    answers = [
        await world.agent.post("/v1/form-responses", json={"customer_id": one, **FORM})
        for one in (str(uuid4()), *(customer["id"] for customer in foreign))
    ]
    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [422] * 4
    assert places(answers[0]) == [("/customer_id", "not_found")]
    assert all(one == told[0] for one in told)


async def test_organisation_has_no_life_need(world: World) -> None:
    company = await create_company(world.agent)
    answer = await world.agent.post("/v1/form-responses", json={"customer_id": company["id"], **FORM})
    assert (answer.status_code, answer.json()["code"]) == (409, "customer_not_individual")
    assert answer.json()["title"] == "This is for individuals, not for organisations"


# --- saving ----------------------------------------------------------------------------------------------------


async def test_patch_merges_removes_and_replaces_lists_whole(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    answer = await save(
        world.agent, draft, {"support_years": 20, "mortgage": None, "children": [{"cost": 5, "years_until": None}]}
    )
    wanted = {**ANSWERS, "support_years": 20, "children": [{"cost": 5}]}
    del wanted["mortgage"]
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert exact(answer)["answers"] == wanted
    assert answer.json()["updated_at"] > draft["updated_at"]
    assert (await world.agent.get(url_of(draft))).content == answer.content


async def test_null_counts_as_unanswered_from_the_start(world: World) -> None:
    customer = await create_customer(world.agent)
    draft = await create_draft(world.agent, customer["id"], answers={"mortgage": None, "children": [{"cost": None}]})
    assert draft["answers"] == {"children": [{}]}


async def test_patch_without_if_match_is_428_and_stale_412(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    missing = await world.agent.patch(url_of(draft), json={"answers": {"mortgage": 1}})
    assert missing.status_code == 428
    assert (await save(world.agent, draft, {"mortgage": 1})).status_code == 200
    stale = await save(world.agent, draft, {"mortgage": 2})
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    assert (await world.agent.get(url_of(draft))).json()["answers"]["mortgage"] == 1


async def test_repeated_patch_whose_answer_was_lost_changes_nothing_again(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    first = await save(world.agent, draft, {"mortgage": 7, "existing_cover": None})
    again = await save(world.agent, draft, {"mortgage": 7, "existing_cover": None})
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["etag"] == '"2"'
    events = await world.db.fetchval(
        "SELECT count(*) FROM audit_events WHERE org_id = $1 AND action = 'form_response.updated'", world.org_id
    )
    assert events == 1


async def test_patch_of_nothing_and_unknown_members(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"])
    nothing = await world.agent.patch(url_of(draft), json={}, headers=if_match(draft))
    assert (nothing.status_code, nothing.json()["version"]) == (200, 1)
    for member in ("recorded_by", "customer_id", "form_version", "needs_analysis_id"):
        answer = await world.agent.patch(url_of(draft), json={member: "x"}, headers=if_match(draft))
        assert (answer.status_code, places(answer)) == (422, [(f"/{member}", "unknown")])


async def test_parallel_patches_lose_nothing(world: World) -> None:
    draft = await create_draft(world.agent, (await create_customer(world.agent))["id"], answers={})
    fields = ("family_expense", "support_years", "mortgage", "other_debts", "liquid_assets", "existing_cover")

    async def writer(field: str) -> None:
        while (await save(world.agent, (await world.agent.get(url_of(draft))).json(), {field: 5})).status_code == 412:
            pass

    await asyncio.gather(*(writer(field) for field in fields))
    stored = (await world.agent.get(url_of(draft))).json()
    assert (stored["answers"], stored["version"]) == (dict.fromkeys(fields, 5), 7)


# --- lists -----------------------------------------------------------------------------------------------------


async def _pages(client: httpx.AsyncClient, url: str, **params: Any) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        answer = await client.get(url, params={**params, **({"cursor": cursor} if cursor else {})})
        body = exact(answer)
        pages.append([item["id"] for item in body["items"]])
        cursor = body["next_cursor"]
        assert ("link" in answer.headers) is (cursor is not None)
        if cursor is None:
            return pages


async def test_list_pages_newest_first_without_repeats_even_at_one_instant(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent)
    made = [(await create_draft(world.agent, customer["id"]))["id"] for _ in range(7)]
    await create_draft(world.agent, other["id"])
    await world.db.execute(
        "UPDATE form_responses SET created_at = '2026-03-01T08:00:00.123456Z' WHERE id = ANY($1)",
        [UUID(one) for one in made[2:6]],
    )
    url = f"/v1/customers/{customer['id']}/form-responses"
    pages = await _pages(world.agent, url, limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [*chain(*pages)] == [made[6], made[1], made[0], *sorted(made[2:6], reverse=True)]
    assert await _pages(world.agent, url, limit=7) == [[*chain(*pages)]]


async def test_list_filters_and_leaves_the_answers_out(world: World) -> None:
    customer = await create_customer(world.agent)
    drafts = [await create_draft(world.agent, customer["id"]) for _ in range(3)]
    await complete(world.agent, drafts[1])
    url = f"/v1/customers/{customer['id']}/form-responses"
    done = exact(await world.agent.get(url, params={"status": "completed"}))["items"]
    full = (await world.agent.get(url_of(drafts[1]))).json()
    assert [item["id"] for item in done] == [drafts[1]["id"]]
    assert done[0] == {key: full[key] for key in done[0]}
    assert "answers" not in done[0]
    assert len((await world.agent.get(url, params={"form_key": "needs.life", "status": "draft"})).json()["items"]) == 2
    assert (await world.agent.get(url, params={"form_key": "needs.other"})).json() == {
        "items": [],
        "next_cursor": None,
    }
    assert (await world.agent.get(url, params={"status": "lost"})).status_code == 422


async def test_cursor_of_another_list_is_400(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent)
    for one in (customer, other):
        for _ in range(2):
            await create_draft(world.agent, one["id"])
    url = f"/v1/customers/{customer['id']}/form-responses"
    cursor = (await world.agent.get(url, params={"limit": 1})).json()["next_cursor"]
    for place, params in (
        (url.replace(customer["id"], other["id"]), {}),
        (url, {"status": "draft"}),
        (url.replace("form-responses", "needs-analyses"), {}),
        (url, {"cursor": cursor[:-2] + "AA"}),
    ):
        answer = await world.agent.get(place, params={"limit": 1, "cursor": cursor, **params})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    assert (await world.manager.get(url, params={"cursor": cursor})).status_code == 400
