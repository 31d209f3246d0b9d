"""From answers to profile and dossier: only from completed responses, linked, and never over what stands there."""

from typing import Any

import httpx
import pytest

from app.domain import form_sources
from app.domain.consents import FieldGroup, Purpose
from app.domain.fact_definitions import shipped
from app.domain.form_sources import Extracted
from tests.consents import consented
from tests.factories import World, create_company, create_customer, if_match
from tests.facts import consent, reveal
from tests.form_answers import least
from tests.library_forms import FORMS
from tests.life_form import complete, create_draft, exact, places, save, url_of

_DOSSIER = FORMS["dossier.personal"]
_SCHOOL = next(key for key, place in _DOSSIER.index.items() if place.item.extract == "dossier.personal.school")
_FAMILY = FORMS["needs.fact_find"]
_JOB = next(key for key, place in _FAMILY.index.items() if place.item.extract == "customer.occupation")


async def _draft(world: World, customer: dict[str, Any], form: Any, **answers: Any) -> dict[str, Any]:
    return await create_draft(
        world.agent,
        customer["id"],
        form_key=form.form_key,
        form_version=form.version,
        answers=least(form) | answers,
    )


async def _done(world: World, customer: dict[str, Any], form: Any, **answers: Any) -> dict[str, Any]:
    made: dict[str, Any] = exact(await complete(world.agent, await _draft(world, customer, form, **answers)))
    return made


def _states(items: list[dict[str, Any]]) -> dict[str, str]:
    return {one["target"]: one["state"] for one in items}


async def _apply(client: httpx.AsyncClient, response: dict[str, Any], *link_ids: str) -> httpx.Response:
    return await client.post(f"{url_of(response)}/apply-extraction", json={"link_ids": list(link_ids)})


async def _dossier(world: World, customer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    listed = (await world.agent.get(f"/v1/customers/{customer['id']}/dossier-facts")).json()["items"]
    return {one["id"]: one for one in listed}


async def test_new_fact_is_stored_and_linked_to_its_answer(world: World) -> None:
    customer = await create_customer(world.agent)
    said = {"source": "observed", "observed_on": "2026-03-04"}
    draft = await _draft(world, customer, _DOSSIER, **{_SCHOOL: "华中师范大学", **said})
    assert (draft["extracted"], await _dossier(world, customer)) == ([], {})  # nothing from a draft
    done = exact(await complete(world.agent, draft))
    (one,) = [one for one in done["extracted"] if one["link_id"] == _SCHOOL]
    assert (one["target"], one["state"]) == ("dossier.personal.school", "stored")
    fact = (await _dossier(world, customer))[one["dossier_fact_id"]]
    assert (fact["value"], fact["source"], fact["observed_on"]) == ("华中师范大学", "observed", "2026-03-04")
    assert (fact["form_response_id"], fact["link_id"]) == (done["id"], _SCHOOL)
    again = await _done(world, customer, _DOSSIER, **{_SCHOOL: "华中师范大学"})
    assert _states(again["extracted"])["dossier.personal.school"] == "same"
    assert (await world.agent.get(url_of(done))).json() == done


async def test_another_fact_is_a_conflict_until_it_is_applied(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await _done(world, customer, _DOSSIER, **{_SCHOOL: "华中师范大学"})
    second = await _done(world, customer, _DOSSIER, **{_SCHOOL: "武汉大学"})
    assert _states(second["extracted"])["dossier.personal.school"] == "conflict"
    current = [one for one in (await _dossier(world, customer)).values() if one["fact_key"] == "school"]
    assert [one["value"] for one in current] == ["华中师范大学"]
    answer = await _apply(world.agent, second, _SCHOOL)
    (item,) = exact(answer)["items"]
    assert (answer.status_code, item["state"]) == (200, "stored")
    facts = await _dossier(world, customer)
    assert facts[item["dossier_fact_id"]]["value"] == "武汉大学"
    (old,) = [one for one in facts.values() if one["value"] == "华中师范大学"]
    assert old["superseded_at"] is not None
    again = exact(await _apply(world.agent, second, _SCHOOL, _SCHOOL))["items"]
    assert [(one["state"], one["dossier_fact_id"]) for one in again] == [("same", item["dossier_fact_id"])]
    assert (await world.agent.get(url_of(second))).json() == second
    assert first["answers"][_SCHOOL] == "华中师范大学"


async def test_profile_is_filled_where_it_is_empty_and_never_overwritten(world: World) -> None:
    empty = await create_customer(world.agent)
    await consented(world.agent, empty)
    done = await _done(world, empty, _FAMILY, **{_JOB: "中学教师"})
    assert _states(done["extracted"])["customer.occupation"] == "stored"
    profile = (await world.agent.get(f"/v1/customers/{empty['id']}")).json()
    assert (profile["occupation"], profile["version"]) == ("中学教师", empty["version"] + 1)
    other = await _done(world, empty, _FAMILY, **{_JOB: "校长"})
    assert _states(other["extracted"])["customer.occupation"] == "conflict"
    assert (await world.agent.get(f"/v1/customers/{empty['id']}")).json()["occupation"] == "中学教师"
    assert _states(exact(await _apply(world.agent, other, _JOB))["items"]) == {"customer.occupation": "stored"}
    assert (await world.agent.get(f"/v1/customers/{empty['id']}")).json()["occupation"] == "校长"
    same = await _done(world, empty, _FAMILY, **{_JOB: "校长"})
    assert set(_states(same["extracted"]).values()) == {"same"}


async def test_birthday_of_either_calendar_is_compared_as_a_day(world: World) -> None:
    form = FORMS["needs.fact_find"]
    born = next(key for key, place in form.index.items() if place.item.extract == "customer.birthday")
    lunar = {"year": 1985, "month": 8, "day": 15, "calendar": "lunar"}
    known = await create_customer(world.agent, birthday=lunar, gender="male")
    await consented(world.agent, known)
    for day, state in (("1985-09-29", "same"), ("1985-09-30", "conflict")):
        done = await _done(world, known, form, **{born: day})
        assert _states(done["extracted"])["customer.birthday"] == state
    stored = (await world.agent.get(f"/v1/customers/{known['id']}")).json()["birthday"]
    assert (stored["calendar"], stored["day"]) == ("lunar", 15)
    await _apply(world.agent, done, born)
    stored = (await world.agent.get(f"/v1/customers/{known['id']}")).json()["birthday"]
    assert (stored["calendar"], stored["day"]) == ("solar", 30)


@pytest.mark.parametrize("name", ["corporate", "competitor", "project"])
async def test_every_field_of_every_dossier_is_stored_with_its_basis(world: World, name: str) -> None:
    form = FORMS[f"dossier.{name}"]
    customer = await create_company(world.agent)
    fields = {place.item.extract: key for key, place in form.index.items() if place.item.extract}
    answers: dict[str, Any] = {key: f"关于{target}" for target, key in fields.items()}
    if name == "competitor":
        answers["rep_lawful"] = True
    done = await _done(world, customer, form, **answers)
    assert _states(done["extracted"]) == dict.fromkeys(fields, "stored")
    facts = {f"dossier.{one['dossier']}.{one['fact_key']}": one for one in (await _dossier(world, customer)).values()}
    assert set(facts) == set(fields)
    for target, fact in facts.items():
        definition = shipped().current(fact["fact_key"])
        assert definition is not None
        assert (fact["basis"] is not None) is bool(definition.bases)
        assert fact["value"] == (None if definition.is_masked else f"关于{target}")
        assert (fact["form_response_id"], fact["link_id"]) == (done["id"], fields[target])
    shown = (await reveal(world.agent, customer, *fields)).json()["facts"]
    assert {one["field"]: one["value"] for one in shown} == {target: f"关于{target}" for target in fields}
    again = await _done(world, customer, form, **answers)
    assert set(_states(again["extracted"]).values()) == {"same"}


async def test_a_third_person_is_not_recorded_without_a_stated_basis(world: World) -> None:
    form = FORMS["dossier.competitor"]
    done = await _done(world, await create_company(world.agent), form, company="一家同业")
    assert _states(done["extracted"]) == {"dossier.competitor.company": "stored"}
    rep = Extracted("rep", "dossier.competitor.rep", "小林", "小林")
    assert not [one for one in form_sources.extractions(form, done["answers"]) if one.target == rep.target]


async def test_whereabouts_are_not_recorded_without_consent(world: World) -> None:
    customer = await create_customer(world.agent)
    await consent(world, customer, FieldGroup.whereabouts, Purpose.advice)  # to be asked in a form is another purpose
    done = await _done(world, customer, _DOSSIER, itinerary="下周去泉州")
    assert _states(done["extracted"])["dossier.personal.itinerary"] == "no_consent"
    given = await consent(world, customer, FieldGroup.whereabouts, Purpose.service)
    (item,) = exact(await _apply(world.agent, done, "itinerary"))["items"]
    fact = (await _dossier(world, customer))[item["dossier_fact_id"]]
    assert (item["state"], fact["consent_ids"], fact["value"]) == ("stored", [given], None)


async def test_only_answers_of_the_latest_completed_revision_are_applied(world: World) -> None:
    customer = await create_customer(world.agent)
    draft = await _draft(world, customer, _DOSSIER, **{_SCHOOL: "武汉大学"})
    assert (await _apply(world.agent, draft, _SCHOOL)).json()["code"] == "response_not_completed"
    done = exact(await complete(world.agent, draft))
    unknown = await _apply(world.agent, done, _SCHOOL, "nothing")
    assert (unknown.status_code, places(unknown)) == (422, [("/link_ids/1", "not_found")])
    revision = (await world.agent.post(f"{url_of(done)}/amend", json={})).json()
    assert (await _apply(world.agent, done, _SCHOOL)).json()["code"] == "response_amended"
    saved = (await save(world.agent, revision, {_SCHOOL: "华中科技大学"})).json()
    amended = exact(await complete(world.agent, saved))
    assert _states(amended["extracted"])["dossier.personal.school"] == "conflict"
    assert (await _apply(world.agent, amended, _SCHOOL)).status_code == 200


async def test_extraction_is_audited_and_fed_without_values(world: World) -> None:
    customer = await create_customer(world.agent)
    done = await _done(world, customer, _DOSSIER, **{_SCHOOL: "翠鸟大学"})
    events = await world.db.fetch(
        "SELECT action, detail::text AS detail FROM audit_events WHERE org_id = $1 AND action = 'dossier_fact.created'",
        world.org_id,
    )
    assert len(events) == len([one for one in done["extracted"] if one["state"] == "stored"]) >= 1
    assert all(done["id"] in event["detail"] for event in events)
    trail = await world.db.fetchval(
        "SELECT string_agg(detail::text, ' ') FROM audit_events WHERE org_id = $1", world.org_id
    )
    assert "翠鸟" not in trail
    fed = await world.db.fetchval(
        "SELECT count(*) FROM feed WHERE org_id = $1 AND collection = 'dossier_facts'", world.org_id
    )
    assert fed == len(events)


async def test_others_apply_nothing(world: World, other_world: World) -> None:
    customer = await create_customer(world.agent)
    done = await _done(world, customer, _DOSSIER, **{_SCHOOL: "武汉大学"})
    for client, status in ((world.mate, 404), (other_world.agent, 404), (world.auditor, 403)):
        assert (await _apply(client, done, _SCHOOL)).status_code == status


async def test_change_of_the_profile_says_in_the_trail_which_response_it_came_from(world: World) -> None:
    customer = await create_customer(world.agent)
    await consented(world.agent, customer)
    done = await _done(world, customer, _FAMILY, **{_JOB: "中学教师"})
    details = await world.db.fetch(
        "SELECT detail ->> 'form_response_id' AS came_from, detail -> 'fields' AS fields FROM audit_events"
        " WHERE org_id = $1 AND action = 'customer.updated' ORDER BY id",
        world.org_id,
    )
    assert {one["came_from"] for one in details} == {done["id"]}
    assert '["occupation"]' in {one["fields"] for one in details}


async def test_profile_that_changed_since_it_was_looked_at_stays_as_it_is(world: World) -> None:
    customer = await create_customer(world.agent, occupation="中学教师")
    await consented(world.agent, customer)
    done = await _done(world, customer, _FAMILY, **{_JOB: "医生"})
    url = f"/v1/customers/{customer['id']}"
    seen = (await world.agent.get(url)).json()

    async def applied() -> str:
        body = {"link_ids": [_JOB], "customer_version": seen["version"]}
        (item,) = exact(await world.agent.post(f"{url_of(done)}/apply-extraction", json=body))["items"]
        return str(item["state"])

    assert [await applied() for _ in range(2)] == ["stored", "same"]  # a retry that finds it done
    now = (await world.agent.get(url)).json()
    assert (await world.agent.patch(url, json={"occupation": "校长"}, headers=if_match(now))).status_code == 200
    assert await applied() == "conflict"
    assert (await world.agent.get(url)).json()["occupation"] == "校长"
