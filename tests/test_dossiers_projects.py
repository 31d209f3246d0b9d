"""The project and the competitor dossier, and which dossiers a person and a company have."""

from typing import Any

import pytest

from app.domain.fact_definitions import DossierName, shipped
from tests.factories import World, create_company, create_customer, if_match
from tests.facts import china_today, fact_body, learn, reveal, url_of, view

__all__ = ["china_today"]  # no test names it: pytest runs it for every test of the module it is imported into


def values(seen: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(fact["fact_key"], fact["value"]) for fact in seen["facts"]]


async def stage(world: World, customer: dict[str, Any], name: str, **over: Any) -> Any:
    value = {"stage": name, **over}
    return await world.agent.post(f"/v1/customers/{customer['id']}/dossier-facts", json=fact_body("stage", value))


async def test_a_project_walks_its_stages_and_remembers_them(world: World) -> None:
    company = await create_company(world.agent)
    empty = (await view(world.agent, company, "project"))["opportunity"]
    assert (empty["stage"], empty["history"]) == (None, [])
    assert (await stage(world, company, "won", reasons=["price"])).json()["code"] == "stage_not_reachable"
    for name in ("idea", "comparing", "deciding"):
        assert (await stage(world, company, name)).status_code == 201
    bare = await stage(world, company, "lost")
    assert (bare.status_code, bare.json()["errors"][0]["pointer"]) == (422, "/value/reasons")
    lost = await stage(world, company, "lost", reasons=["competitor", "price"], note="差在保费")
    assert lost.status_code == 201
    seen = await view(world.agent, company, "project")
    found = seen["opportunity"]
    assert (found["stage"], found["next_stages"]) == ("lost", ["idea", "collecting", "comparing"])
    assert [one["stage"] for one in found["history"]] == ["lost", "deciding", "comparing", "idea"]
    assert found["history"][0]["reasons"] == ["competitor", "price"]
    assert seen["conflicts"] == []
    made = lost.json()
    other = await world.agent.patch(url_of(made), json={"value": {"stage": "idea"}}, headers=if_match(made))
    assert (other.status_code, other.json()["code"]) == (409, "stage_not_reachable")
    right = {"value": {"stage": "lost", "reasons": ["timing"]}}
    assert (await world.agent.patch(url_of(made), json=right, headers=if_match(made))).status_code == 200
    again = (await view(world.agent, company, "project"))["opportunity"]["history"]
    assert [(one["stage"], one["reasons"]) for one in again][:2] == [("lost", ["timing"]), ("deciding", [])]


async def test_a_project_has_people_money_and_days(world: World) -> None:
    person, wife = await create_customer(world.agent), await create_customer(world.agent, name="李秀英")
    unit = [
        {"party": person["id"], "role": "decider"},
        {"party": wife["id"], "role": "influencer", "attitude": "doubts"},
    ]
    told = {
        "decision_unit": unit,
        "budget_yearly": 1_200_000,
        "milestones": [{"what": "体检", "on": {"year": 2027, "month": 3}}],
        "steps": [{"step": "填投保单", "state": "open", "due_on": {"year": 2027}}],
        "entry_lever": "relation",
    }
    for key, value in told.items():
        await learn(world.agent, person, key, value, **({"basis": "agreed"} if key == "decision_unit" else {}))
    seen = {one["fact_key"]: one["value"] for one in (await view(world.agent, person, "project"))["facts"]}
    masked = {"decision_unit": None, "budget_yearly": None}
    assert seen == told | masked
    shown = (await reveal(world.agent, person, "dossier.project.decision_unit")).json()["facts"]
    assert shown[0]["value"] == unit


async def test_policies_held_elsewhere_are_counted_while_in_force(world: World) -> None:
    person = await create_customer(world.agent)
    assert (await view(world.agent, person, "competitor"))["policies_in_force"] is None
    base = {"insurer": "某寿险", "category": "life", "sum_insured": 50_000_000, "yearly_premium": 600_000}
    rows = [
        base,
        {**base, "expires_on": {"year": 2026, "month": 10}},
        {**base, "expires_on": {"year": 2026, "month": 12}},
    ]
    await learn(world.agent, person, "policies", rows)
    await learn(world.agent, person, "satisfaction_score", 4)
    seen = await view(world.agent, person, "competitor")
    assert seen["policies_in_force"] == 2
    assert ("satisfaction_score", 4) in values(seen)
    assert ("policies", None) in values(seen)
    url = f"/v1/customers/{person['id']}/dossier-facts"
    for key, value, pointer in (
        ("satisfaction_score", 6, "/value"),
        ("policies", [{**base, "sum_insured": -1}], "/value/0/sum_insured"),
        ("policies", [{"insurer": "某寿险"}], "/value/0/category"),
    ):
        refused = await world.agent.post(url, json=fact_body(key, value))
        assert [one["pointer"] for one in refused.json()["errors"]] == [pointer]


@pytest.mark.parametrize("name", [name.value for name in DossierName])
async def test_every_dossier_asks_in_both_languages(world: World, name: str) -> None:
    is_person = name == "personal"
    who = await (create_customer if is_person else create_company)(world.agent)
    url = f"/v1/customers/{who['id']}/dossiers/{name}"
    first = shipped().of(DossierName(name))[0]
    for language, text in (("zh-CN", first.question.zh), ("en", first.question.en)):
        asked = (await world.agent.get(url, headers={"Accept-Language": language})).json()["next_question"]
        assert (asked["fact_key"], asked["question"]) == (first.key, text)


async def test_persons_and_companies_have_the_dossiers_that_fit_them(world: World) -> None:
    person, company = await create_customer(world.agent), await create_company(world.agent)
    for who, misfit, code in (
        (person, "corporate", "customer_not_organization"),
        (company, "personal", "customer_not_individual"),
    ):
        for name in DossierName:
            answer = await world.agent.get(f"/v1/customers/{who['id']}/dossiers/{name.value}")
            assert answer.status_code == (409 if name == misfit else 200)
        assert (await world.agent.get(f"/v1/customers/{who['id']}/dossiers/{misfit}")).json()["code"] == code
    assert (await world.agent.get(f"/v1/customers/{person['id']}/dossiers/gossip")).status_code == 422
