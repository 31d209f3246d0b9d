"""The sales rules of an organisation, and what qualifies an agent."""

from typing import Any

import pytest

from app.models.sales_rules import SalesRules
from app.services import sales_rules
from tests.factories import World, if_match

RULES: dict[str, Any] = {
    "thresholds": {"single_premium_incomes": "4", "yearly_premium_share": "0.20", "payment_end_age": 60},
    "authorisations": [
        {"qualification_level": 1, "max_level": 2},
        {"qualification_level": 1, "category": "whole_life", "max_level": 1},
    ],
    "premium_bands": [
        {"category": "term_life", "age_from": 30, "age_to": 39, "payment_years": 20, "per": "wan", "low_fen": 1000,
         "high_fen": 1500}
    ],
}  # fmt: skip


BAND = RULES["premium_bands"][0]


def _rules(world: World) -> str:
    return f"/v1/organizations/{world.org_id}/sales-rules"


async def test_every_threshold_is_off_until_it_is_set(world: World) -> None:
    found = (await world.agent.get(_rules(world))).json()
    assert set(found["thresholds"].values()) == {None}
    assert (found["authorisations"], found["premium_bands"]) == ([], [])


async def test_rules_are_replaced_as_a_whole(world: World) -> None:
    found = (await world.admin.get(_rules(world))).json()
    answer = await world.admin.put(_rules(world), json=RULES, headers=if_match(found))
    assert answer.status_code == 200, answer.text
    put = answer.json()
    assert (put["thresholds"]["yearly_premium_share"], put["thresholds"]["age_over"]) == ("0.20", None)
    assert put["authorisations"][1] == {"qualification_level": 1, "category": "whole_life", "max_level": 1}
    assert (await world.agent.get(_rules(world))).json() == put
    assert (await world.admin.put(_rules(world), json=RULES, headers=if_match(found))).status_code == 412
    emptied = await world.admin.put(_rules(world), json={}, headers=if_match(put))
    assert emptied.json()["authorisations"] == []
    events = (await world.admin.get("/v1/audit-events", params={"action": "sales_rules.replaced"})).json()["items"]
    assert [event["detail"] for event in events][-1] == {"authorisations": 2, "premium_bands": 1}


@pytest.mark.parametrize(
    ("part", "code", "pointer"),
    [
        ({"premium_bands": [{**BAND, "low_fen": 1501}]}, "band_reversed", "/premium_bands/0/low_fen"),
        ({"premium_bands": [{**BAND, "age_from": 40}]}, "band_reversed", "/premium_bands/0/age_from"),
        ({"authorisations": RULES["authorisations"][:1] * 2}, "repeated", "/authorisations/1"),
        ({"thresholds": {"budget_share": 1.5}}, "pattern", "/thresholds/budget_share"),
    ],
)  # fmt: skip
async def test_rules_that_contradict_themselves_are_422(world: World, part: Any, code: str, pointer: str) -> None:
    found = (await world.admin.get(_rules(world))).json()
    answer = await world.admin.put(_rules(world), json={**RULES, **part}, headers=if_match(found))
    assert answer.status_code == 422
    assert [(issue["code"], issue["pointer"]) for issue in answer.json()["errors"]] == [(code, pointer)]


def test_line_for_a_category_goes_before_one_for_all() -> None:
    rules = SalesRules.model_validate(RULES)
    assert sales_rules.max_level(rules, 1, "term_life") == 2
    assert sales_rules.max_level(rules, 1, "whole_life") == 1
    assert sales_rules.max_level(rules, 2, "term_life") is None
    assert sales_rules.max_level(rules, None, "term_life") is None


async def test_administrator_says_what_qualifies_an_agent(world: World) -> None:
    url = f"/v1/users/{world.users['agent']}"
    found = (await world.admin.get(url)).json()
    assert (found["licence_no"], found["qualification_level"]) == (None, None)
    sent = {"licence_no": "00000000000000000001", "qualification_level": 2}
    changed = (await world.admin.patch(url, json=sent, headers=if_match(found))).json()
    assert (changed["licence_no"], changed["qualification_level"]) == ("00000000000000000001", 2)
    over = await world.admin.patch(url, json={"qualification_level": 5}, headers=if_match(changed))
    assert over.status_code == 422
    cleared = await world.admin.patch(url, json={"qualification_level": None}, headers=if_match(changed))
    assert cleared.json()["qualification_level"] is None
