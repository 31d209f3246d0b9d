"""The shipped forms: what the founding documents name is asked, in both languages, and scores come out as by hand."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from app.domain.fact_definitions import DossierName, shipped
from tests.factories import World
from tests.library_forms import FORMS, RAW, items

DOSSIERS = {
    "personal": (
        "family_hometown school leisure food pets books vacation itinerary work_role colleagues year_goals ambitions"
    ),
    "corporate": "organization contact address managers production business industry reputation key_clients",
    "competitor": "company product_use satisfaction rep rep_relation company_relation",
    "project": "purchase_plan problem deciders timetable budget process",
}
SPENDING = [
    "food",
    "alcohol",
    "housing",
    "clothing",
    "transport",
    "health",
    "recreation",
    "personal_care",
    "reading",
    "education",
    "tobacco",
    "cash_gifts",
]
MONEY_TYPES = ["hunter", "gatherer", "protector", "splurger", "striver", "nester", "idealist"]
RATER = {"reliability": 5, "assurance": 4, "tangibles": 4, "empathy": 5, "responsiveness": 4}
TOLERANCE = [
    "age_band",
    "income_source",
    "income_band",
    "debt_burden",
    "asset_share",
    "horizon",
    "liquidity_need",
    "experience",
    "experience_years",
    "knowledge",
    "loss_limit",
    "loss_reaction",
]
NAMED = {
    # What the methods read, then the items other than dossier facts that the founding documents name.
    "needs.fact_find": (
        "birth_date income own_upkeep_share retirement_age occupation_class social_medical social_pension "
        "social_pension_monthly pension_account_balance spouse_income children education_cost_yearly "
        "education_start_age education_years education_fund parents_support parents_support_years "
        "living_monthly survivor_share support_years final_expenses emergency_months debts debt_rate "
        "debt_years_left cash pension_savings policies policy_insured policy_peril policy_sum policy_until "
        "policy_premium policy_group illness_recovery_years hospital_choice pension_wish_monthly "
        "pension_until_age premium_budget discount_rate"
    ),
    "household.budget": " ".join(f"spend_{name} share_{name}" for name in SPENDING),
    "money.personality": "motto " + " ".join(f"{name}_1 {name}_2 {name}_score" for name in MONEY_TYPES),
    "risk.tolerance": " ".join(TOLERANCE),
    "service.rater": " ".join(
        f"{name}_{part}" for name, n in RATER.items() for part in ("expected", "weight", *range(1, n + 1))
    ),
    "service.satisfaction": "satisfaction effort recommend agent_rating bad_reasons good_reasons expectation",
    "visit.nine_steps": " ".join(f"step_{n}" for n in range(1, 10))
    + " notice_delivered due_rows due_riders survival_benefits covers_present account_check balance_reminded"
    " receipt_from id_check home_address mobile backup_address backup_phone relatives requests papers next_at"
    " card_left ended_at",
    "policy.review": "events contact_changed policies beneficiary_right account_right actions next_review_on",
    **{f"dossier.{name}": fields for name, fields in DOSSIERS.items()},
}
SENSITIVE = {
    "needs.fact_find": "spouse_income child_birth_date child_name parents_support medical_yearly debt_balance cash",
    "dossier.personal": "itinerary food_avoided",
    "visit.nine_steps": "id_number",
    "policy.review": "treated",
    "household.budget": "income_family spend_health",
}
# Of other persons, or told in confidence: kept while the consent holds.
CONSENTED = {
    "dossier.personal": DOSSIERS["personal"],
    "dossier.corporate": "contact managers",
    "dossier.competitor": "rep rep_relation company_relation",
    "dossier.project": "deciders participant attitude",
    "visit.nine_steps": "relative_name relative_phone",
    "money.personality": "motto money_type",
}
SOURCES = {
    *(
        f"customer.{name}"
        for name in ["name", "gender", "birthday", "age", "occupation", "party_type", "phone", "address", "id_type"]
    ),
    "household.children",
    "household.spouse",
}
TARGETS = {"customer.occupation", "customer.birthday", "customer.gender"}
FACTS = {f"dossier.{name}.{key}" for name, keys in DOSSIERS.items() for key in keys.split()}


def texts(node: Any) -> Iterator[Mapping[str, str]]:
    """Every {zh, en} of a definition."""
    if isinstance(node, dict):
        if node.keys() == {"zh", "en"}:
            yield node
        for part in node.values():
            yield from texts(part)
    elif isinstance(node, list):
        for part in node:
            yield from texts(part)


# --- the library -----------------------------------------------------------------------------------------------


def test_library_has_its_forms() -> None:
    assert RAW.keys() == {"needs.life", *NAMED}
    assert {raw["version"] for raw in RAW.values()} == {"1.0.0"}


@pytest.mark.parametrize("key", sorted(NAMED))
def test_every_field_of_the_founding_documents_is_there(key: str) -> None:
    assert not set(NAMED[key].split()) - items(key).keys()


@pytest.mark.parametrize("key", sorted(NAMED))
def test_words_are_chinese_and_english(key: str) -> None:
    for text in texts(RAW[key]):
        assert text["zh"] != text["en"]
        assert any("\u4e00" <= sign <= "\u9fff" for sign in text["zh"])
        assert text["en"].isascii()
        assert max(len(text["zh"]), len(text["en"])) <= 200


@pytest.mark.parametrize("key", sorted(NAMED))
def test_answers_come_from_and_go_to_known_places(key: str) -> None:
    for item in items(key).values():
        assert item.prefill is None or item.prefill in SOURCES | FACTS
        assert item.extract is None or item.extract in TARGETS | FACTS


@pytest.mark.parametrize("key", sorted(SENSITIVE))
def test_sensitive_items_are_marked(key: str) -> None:
    assert {items(key)[name].sensitivity for name in SENSITIVE[key].split()} == {"sensitive"}


@pytest.mark.parametrize("key", sorted(CONSENTED))
def test_what_is_told_of_others_or_in_confidence_is_kept_by_consent(key: str) -> None:
    assert {items(key)[name].retention for name in CONSENTED[key].split()} == {"consent"}
    assert "none" not in {items(key)[name].sensitivity for name in CONSENTED[key].split()}


@pytest.mark.parametrize("name", sorted(DOSSIERS))
def test_every_field_of_a_dossier_is_read_and_written(name: str) -> None:
    wanted = {f"dossier.{name}.{key}" for key in DOSSIERS[name].split()}
    asked = items(f"dossier.{name}").values()
    assert {item.extract for item in asked if item.extract} == wanted
    assert {item.prefill for item in asked if item.prefill and item.prefill.startswith("dossier.")} == wanted


def test_personal_dossier_asks_as_the_dossier_does() -> None:
    asked = items("dossier.personal")
    kinds = shipped().of(DossierName.personal)
    assert {kind.key for kind in kinds} == set(DOSSIERS["personal"].split())
    assert {(asked[kind.key].label.zh, asked[kind.key].label.en) for kind in kinds} == {
        (kind.question.zh, kind.question.en) for kind in kinds
    }


def test_few_answers_are_required_at_the_door() -> None:
    form = FORMS["needs.fact_find"]
    questions = [place for place in form.index.values() if place.item.type not in ("group", "display")]
    asked = [place for place in questions if place.item.calculated is None]
    always = [
        place
        for place in asked
        if place.item.required
        and not place.item.enable_when
        and place.scope is None
        and not form.index[place.parent or ""].item.enable_when
    ]
    assert (len(asked), len(always)) == (91, 9)


async def test_library_is_published(world: World) -> None:
    listed = (await world.agent.get("/v1/forms")).json()["items"]
    assert {(key, "1.0.0") for key in RAW} <= {(form["form_key"], form["version"]) for form in listed}
