"""The fact find walked through with invented households, and what no shipped form may ask or accept."""

from typing import Any

import pytest

from tests.library_forms import FORMS, found, items, results
from tests.test_form_library import TOLERANCE
from tests.test_form_library_answers import FAMILY, SINGLE, WAN, policy

FACTS = "needs.fact_find"


def test_single_tenant_is_not_asked_about_a_spouse() -> None:
    tenant = SINGLE | {"rent_monthly": 300_000, "support_years": 0}
    tenant |= {"supports_parents": True, "parents_support": 1 * WAN, "parents_support_years": 20}
    assert found(FACTS, tenant) == set()
    made = results(FACTS, tenant)
    assert made["expense_total"] == 6 * WAN + 3_600_000 + 1 * WAN
    # Nobody shares the support of the parents, so no share is assumed either.
    assert not [name for name in made if name.startswith("spouse") or name == "parents_support_share"]
    assert results(FACTS, FAMILY)["parents_support_share"] == 5000


RETIRED: dict[str, Any] = SINGLE | {
    "birth_date": "1958-03-01",
    "marital": "married",
    "employment": "retired",
    "income": 0,
    "retirement_age": 60,
    "social_pension_monthly": 450_000,
    "spouse_birth_date": "1958-09-01",
    "spouse_has_income": False,
    "spouse_retired": True,
    "spouse_pension_monthly": 350_000,
    "living_monthly": 600_000,
    "support_years": 0,
    "children": [{"child_birth_date": "1985-06-01", "education_goal": "none"}],
    "home_value": 200 * WAN,
    "policies": [policy("child", "life", 100 * WAN, 500_000, policy_child=1)],
}


def test_retired_couple_lives_on_its_pensions() -> None:
    assert found(FACTS, RETIRED) == set()
    made = results(FACTS, RETIRED)
    assert (made["age"], made["spouse_age"]) == (68, 68)
    assert (made["income_total"], made["surplus"]) == (9_600_000, 9_600_000 - 7_200_000 - 500_000)
    # A pension still to come is no income of today.
    assert results(FACTS, FAMILY | {"social_pension_monthly": 450_000})["income_total"] == 46 * WAN
    waiting = RETIRED | {"spouse_retired": False}
    assert results(FACTS, waiting)["income_total"] == 5_400_000
    working = {name: value for name, value in RETIRED.items() if name != "employment"}
    assert ("warning", "constraint_broken", "retirement_age") in found(FACTS, working)


@pytest.mark.parametrize(
    ("born", "sum_wan", "warned"),
    [
        (["2018-05-01"], 20, False),
        (["2018-05-01"], 21, True),  # eight years old: 200,000 over all insurers
        (["2016-11-20"], 50, False),  # ten today
        (["2016-11-20"], 51, True),
        (["2008-11-20"], 100, False),  # of age today
        (["2018-05-01", "2014-01-01"], 50, False),  # whose policy it is the rule cannot know
        (["2018-05-01", "2014-01-01"], 51, True),
    ],
)
def test_death_cover_of_minors_is_warned_of_by_age(born: list[str], sum_wan: int, warned: bool) -> None:
    children = [{"child_birth_date": day, "education_goal": "none"} for day in born]
    told = SINGLE | {"children": children, "policies": [policy("child", "life", sum_wan * WAN, 0, policy_child=1)]}
    broken = ("warning", "constraint_broken", "policies/0/policy_sum")
    assert found(FACTS, told) == ({broken} if warned else set())


def test_policy_is_of_a_child_that_is_listed() -> None:
    for number, wrong in ((1, set[Any]()), (2, {("warning", "constraint_broken", "policies/0/policy_child")})):
        told = FAMILY | {"policies": [policy("child", "medical", 100 * WAN, 0, policy_child=number)]}
        assert found(FACTS, told) == wrong


def test_nothing_is_chosen_together_with_none() -> None:
    exclusive = set[str]()
    for key, form in FORMS.items():
        for link_id, place in form.index.items():
            codes = [option.code for option in place.item.options]
            if not place.item.multiple or "none" not in codes:
                continue
            exclusive.add(f"{key}/{link_id}")
            broken = ("error", "constraint_broken", link_id)
            other = next(code for code in codes if code != "none")
            assert broken in found(key, {link_id: ["none", other]})
            for fine in (["none"], [other], [code for code in codes if code != "none"]):
                assert broken not in found(key, {link_id: fine})
            assert broken not in found(key, {})
    assert len(exclusive) == 7


def test_what_money_somebody_has_is_marked_as_sensitive() -> None:
    named = "income spouse_income rental_yearly cash deposits bonds equities pension_savings home_value property_value"
    pensions = "pension_base_monthly social_pension_monthly other_pension_monthly spouse_pension_monthly"
    for name in f"{named} {pensions} education_cost_yearly debt_balance".split():
        assert items(FACTS)[name].sensitivity == "sensitive", name
    budget = items("household.budget")
    assert {budget[f"income_{name}"].sensitivity for name in ("self", "family", "other")} == {"sensitive"}


def test_questions_do_not_say_what_others_answer() -> None:
    leading = ("多数", "大家都", "一般人", "通常的家庭", "最好", "应该选", "建议选")
    for form in FORMS.values():
        for place in form.index.values():
            item = place.item
            texts = [item.label.zh, item.help.zh if item.help else "", *(option.label.zh for option in item.options)]
            assert not [text for text in texts if any(word in text for word in leading)], item.link_id
            assert item.help is None or "most families" not in item.help.en.lower()


def test_bands_of_the_tolerance_do_not_overlap() -> None:
    asked = items("risk.tolerance")
    bands = ("age_band", "income_band", "debt_burden", "asset_share", "horizon", "experience_years", "loss_limit")
    assert set(bands) <= set(TOLERANCE)
    for name in bands:
        inner = [option.label.zh for option in asked[name].options][1:-1]
        if name != "age_band":  # whole years: 31 to 45, 46 to 55
            assert all("不超过" in label or "不到" in label for label in inner), name
    assert next(option.label.en for option in asked["age_band"].options) == "66 or older"  # 65 is in the band before
