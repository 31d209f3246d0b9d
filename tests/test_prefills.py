"""Suggestions for a form: from profile, family and dossier, each with its source, and only what the caller sees."""

from typing import Any

import httpx
import pytest

from tests.factories import World, create_company, create_customer
from tests.library_forms import FORMS
from tests.life_form import exact
from tests.own_forms import KEY, pet, publish
from tests.ties import relate

_WANG = {
    "name": "王永庆",
    "gender": "male",
    "birthday": {"year": 1985, "month": 8, "day": 15},
    "occupation": "中学教师",
    "phones": [{"number": "13800138000"}],
    "addresses": [{"province": "湖北省", "city": "武汉市", "detail": "江汉路1号"}],
}


def _url(customer: dict[str, Any], form_key: str, version: str = "1.0.0") -> str:
    return f"/v1/customers/{customer['id']}/prefills/{form_key}/versions/{version}"


async def _prefill(client: httpx.AsyncClient, customer: dict[str, Any], form_key: str, version: str = "1.0.0") -> Any:
    answer = await client.get(_url(customer, form_key, version))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return exact(answer)


def _sources(body: dict[str, Any]) -> dict[str, str]:
    return {one["pointer"].removeprefix("/answers/"): one["source"] for one in body["sources"]}


async def test_profile_is_suggested_with_its_sources(world: World) -> None:
    customer = await create_customer(world.agent, **_WANG)
    body = await _prefill(world.agent, customer, "needs.fact_find")
    form = FORMS["needs.fact_find"]
    items = {place.item.prefill: link_id for link_id, place in form.index.items() if place.item.prefill}
    wanted = {
        "customer.name": "王永庆",
        "customer.gender": "male",
        "customer.birthday": "1985-08-15",
        "customer.occupation": "中学教师",
    }
    told = _sources(body)
    for source, value in wanted.items():
        assert told[items[source]] == source
        assert body["answers"][items[source]] == value
    assert {one["source"] for one in body["missing"]} == {"household.children", "household.spouse"}
    assert body["content_hash"] == form.content_hash
    visit = await _prefill(world.agent, customer, "visit.nine_steps")
    assert set(_sources(visit).values()) == {"customer.address"}
    assert "customer.phone" in {one["source"] for one in visit["missing"]}  # in full it is revealed only
    assert "00138000" not in str(visit)


async def test_suggestions_can_be_sent_as_answers(world: World) -> None:
    customer = await create_customer(world.agent, **_WANG)
    for form_key in ("needs.fact_find", "visit.nine_steps", "dossier.personal", "policy.review"):
        body = await _prefill(world.agent, customer, form_key)
        sent = {
            "customer_id": customer["id"],
            "form_key": form_key,
            "form_version": "1.0.0",
            "answers": body["answers"],
        }
        assert (await world.agent.post("/v1/form-responses", json=sent)).status_code == 201


async def test_lunar_birthday_is_suggested_as_the_day_it_was(world: World) -> None:
    born = {"year": 1985, "month": 8, "day": 15, "calendar": "lunar"}
    customer = await create_customer(world.agent, birthday=born)
    answers = (await _prefill(world.agent, customer, "needs.fact_find"))["answers"]
    assert "1985-09-29" in answers.values()
    partial = await create_customer(world.agent, birthday={"month": 8, "day": 15})
    gaps = (await _prefill(world.agent, partial, "needs.fact_find"))["missing"]
    assert "customer.birthday" in {one["source"] for one in gaps}


async def test_family_is_suggested_as_far_as_it_is_seen(world: World) -> None:
    customer = await create_customer(world.agent, **_WANG)
    wife = await create_customer(world.agent, name="李秀英", gender="female")
    younger = await create_customer(world.agent, name="王小虎", birthday={"year": 2018, "month": 3, "day": 2})
    elder = await create_customer(world.agent, name="王小梅", birthday={"year": 2012, "month": 5, "day": 9})
    theirs = await create_customer(world.stranger, name="外人")
    await relate(world.agent, customer, wife, "relative", type="spouse")
    for child in (younger, elder):
        await relate(world.agent, child, customer, "relative", type="parent")
    body = await _prefill(world.agent, customer, "needs.fact_find")
    assert body["answers"]["spouse_name"] == "李秀英"
    assert body["answers"]["children"] == [
        {"child_name": "王小梅", "child_birth_date": "2012-05-09"},
        {"child_name": "王小虎", "child_birth_date": "2018-03-02"},
    ]
    assert _sources(body)["children"] == "household.children"
    assert theirs["name"] not in str(body)


async def test_dossier_is_suggested_with_the_day_of_the_observation(world: World) -> None:
    customer = await create_customer(world.agent)
    fact = {"fact_key": "school", "value": "华中师范大学", "source": "customer", "observed_on": "2026-03-04"}
    assert (await world.agent.post(f"/v1/customers/{customer['id']}/dossier-facts", json=fact)).status_code == 201
    body = await _prefill(world.agent, customer, "dossier.personal")
    (source,) = body["sources"]
    assert (source["source"], source["observed_on"]) == ("dossier.personal.school", "2026-03-04")
    assert list(body["answers"].values()) == ["华中师范大学"]
    assert len(body["missing"]) >= 10


async def test_what_is_no_answer_to_the_question_is_told_and_not_bent(world: World) -> None:
    items = [
        {"link_id": "job", "type": "choice", "label": {"zh": "职业类别？", "en": "Which class of occupation?"},
         "prefill": "customer.occupation", "options": [{"code": "teacher", "label": {"zh": "教师", "en": "Teacher"}}]},
        {"link_id": "sex", "type": "choice", "label": {"zh": "性别？", "en": "Gender?"}, "prefill": "customer.gender",
         "options": [{"code": "male", "label": {"zh": "男", "en": "Male"}}]},
        {"link_id": "years", "type": "integer", "label": {"zh": "周岁？", "en": "Age?"}, "prefill": "customer.age"},
        {"link_id": "place", "type": "text", "label": {"zh": "住址？", "en": "Where do you live?"},
         "prefill": "customer.address"},
        {"link_id": "party", "type": "text", "label": {"zh": "类型？", "en": "Person or company?"},
         "prefill": "customer.party_type"},
    ]  # fmt: skip
    await publish(world.admin, pet(items=items))
    body = await _prefill(world.agent, await create_customer(world.agent, **_WANG), KEY)
    assert body["unfit"] == [{"link_id": "job", "source": "customer.occupation"}]
    assert body["answers"]["sex"] == "male"
    assert body["answers"]["years"] in range(40, 150)
    assert body["answers"]["place"] == "湖北省武汉市江汉路1号"
    assert body["answers"]["party"] == "个人"
    teacher = await create_customer(world.agent, **{**_WANG, "occupation": "教师"})
    assert (await _prefill(world.agent, teacher, KEY))["answers"]["job"] == "teacher"


@pytest.mark.parametrize(("form_key", "version", "status"), [
    ("needs.nothing", "1.0.0", 404), ("needs.life", "7.0.0", 404), ("needs.life", "1", 422),
    ("needs.life", "1.0.0", 200),
])  # fmt: skip
async def test_the_version_must_be_there(world: World, form_key: str, version: str, status: int) -> None:
    customer = await create_customer(world.agent)
    assert (await world.agent.get(_url(customer, form_key, version))).status_code == status


async def test_only_who_sees_the_customer_is_told_anything(world: World, other_world: World) -> None:
    customer, company = await create_customer(world.agent, **_WANG), await create_company(world.agent)
    url = _url(customer, "needs.fact_find")
    for client, status in (
        (world.manager, 200), (world.mate, 404), (world.stranger, 404), (other_world.admin, 404), (world.auditor, 403),
        (world.client(), 401),
    ):  # fmt: skip
        assert (await client.get(url)).status_code == status
    refused = await world.agent.get(_url(company, "needs.fact_find"))
    assert (refused.status_code, refused.json()["code"]) == (409, "customer_not_individual")
    listed = await world.agent.get(f"/v1/customers/{customer['id']}/form-responses")
    assert listed.json()["items"] == []  # nothing was stored
