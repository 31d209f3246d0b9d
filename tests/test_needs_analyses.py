"""Needs analyses end to end: the figures, where they come from, who sees them, and that they never change."""

from decimal import ROUND_HALF_UP, Decimal
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.config import Settings
from app.models.needs_analyses import NeedsAnalysis
from tests import sealed
from tests.factories import World, create_customer, if_match, unguarded
from tests.life_form import ANSWERS, analysis_of, complete, create_analysis, create_draft, exact, paid, signed

# What the form gives where the customer said nothing; typed in, so that a changed default is noticed.
SHARE, MONTHS, FINAL = Decimal("0.7"), 6, 3_000_000
GROWTH, EDUCATION_GROWTH, RATE = "0.02", "0.04", "0.03"


def _by_hand(answers: dict[str, Any]) -> Decimal:
    """The need in unrounded fen, added up payment by payment from the answers."""
    rate = answers.get("discount_rate", RATE)
    expense = answers["family_expense"]
    living = paid(expense, answers["support_years"], GROWTH, rate, at_end=False)
    need = living * SHARE + Decimal(expense) * MONTHS / 12
    if answers.get("supports_parents"):
        years, growth = answers["parents_support_years"], answers["parents_support_growth"]
        need += paid(answers["parents_support"], years, growth, rate, at_end=False)
    if answers.get("has_spouse_income"):
        years = answers["spouse_income_years"]
        need -= paid(answers["spouse_income"], years, GROWTH, rate, at_end=True)
    for child in answers.get("children", ()):
        dearer = (1 + Decimal(EDUCATION_GROWTH)) / (1 + Decimal(rate))
        need += child["cost"] * dearer ** child["years_until"]
    known = answers.get("mortgage", 0) + answers.get("final_expenses", FINAL) - answers.get("liquid_assets", 0)
    return need + Decimal(known)


def _fen(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _url(analysis: dict[str, Any]) -> str:
    return f"/v1/needs-analyses/{analysis['id']}"


# --- figures ---------------------------------------------------------------------------------------------------


async def test_need_and_gap_equal_what_is_added_up_by_hand(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    need = _fen(_by_hand(ANSWERS))
    assert analysis["need_fen"] == need > 100_000_000
    assert analysis["existing_cover_fen"] == 50_000_000
    [result] = analysis["results"]
    assert (result["need_fen"], result["existing_fen"], result["gap_fen"], result["over_fen"]) == (
        need,
        50_000_000,
        need - 50_000_000,
        0,
    )
    assert analysis["gap_fen"] == result["gap_fen"]
    assert result["cover_ratio"] == f"{int(Decimal(50_000_000) / need * 10_000) / Decimal(10_000):.4f}"
    assert (analysis["method_code"], result["insured"], result["peril"], result["rank"], analysis["currency"]) == (
        "capital_needs",
        "self",
        "life",
        1,
        "CNY",
    )
    assert (analysis["household"], analysis["affordability"], analysis["diff"], analysis["confirmation"]) == (None,) * 4


@pytest.mark.parametrize("answers", [{"family_expense": 1, "support_years": 1}, {**ANSWERS, "discount_rate": "0"}])
async def test_small_and_undiscounted_figures_match_too(world: World, answers: dict[str, Any]) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    assert analysis["need_fen"] == _fen(_by_hand(answers))


async def test_steps_add_up_to_the_need_in_both_languages(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    steps = analysis["results"][0]["steps"]
    assert signed(steps, "need") == analysis["need_fen"]
    assert signed(steps, "resources") == analysis["existing_cover_fen"]
    by_key = {step["key"]: step for step in steps}
    living = paid(15_000_000, 18, "0.02", "0.035", at_end=False) * Decimal("0.7")
    assert by_key["family_living"]["amount_fen"] == _fen(living)
    assert by_key["spouse_income"]["amount_fen"] == _fen(paid(9_000_000, 15, "0.02", "0.035", at_end=True))
    assert {"education.0", "education.1", "mortgage", "final_expenses", "emergency_fund"} <= set(by_key)
    assert all(step["label"]["zh"] and step["label"]["en"] and step["substituted"] for step in steps)


@pytest.mark.parametrize(
    ("existing", "gap", "over", "ratio"),
    [
        (0, 1_400_000, 0, "0.0000"),
        (1_399_999, 1, 0, "0.9999"),
        (1_400_000, 0, 0, "1.0000"),
        (2_100_001, 0, 700_001, "1.5000"),
    ],
)
async def test_existing_cover_is_subtracted_once_as_gap_or_over(
    world: World, existing: int, gap: int, over: int, ratio: str
) -> None:
    answers = {
        "family_expense": 2_000_000,
        "support_years": 1,
        "emergency_months": 0,
        "final_expenses": 0,
        "existing_cover": existing,
    }
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    assert analysis["need_fen"] == 1_400_000  # 70 % of one year, paid now
    [result] = analysis["results"]
    assert (result["existing_fen"], result["gap_fen"], result["over_fen"], result["cover_ratio"]) == (
        existing,
        gap,
        over,
        ratio,
    )


async def test_family_with_enough_has_no_need_and_no_ratio(world: World) -> None:
    answers = {"family_expense": 100, "support_years": 1, "liquid_assets": 10**13, "existing_cover": 5}
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    [result] = analysis["results"]
    assert (result["need_fen"], result["gap_fen"], result["over_fen"], result["cover_ratio"]) == (0, 0, 5, None)
    assert (result["rank"], result["priority"]) == (None, "0")


async def test_largest_exact_results_go_over_the_wire(world: World) -> None:
    answers = {"family_expense": 10**13, "support_years": 80, "expense_growth": "0.05", "survivor_share": 10_000}
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    wanted = paid(10**13, 80, "0.05", "0.03", at_end=False) + Decimal(10**13) / 2 + 3_000_000
    assert 10**15 < analysis["need_fen"] == _fen(wanted) < 2**53


# --- where they come from --------------------------------------------------------------------------------------


async def test_every_answer_is_among_the_inputs(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    inputs = analysis["results"][0]["inputs"]
    for name in ("family_expense", "mortgage", "liquid_assets", "existing_cover"):
        assert inputs[f"{name}_fen"] == ANSWERS[name]
    assert (inputs["support_years"], inputs["discount_rate"]) == (18, "0.035")
    assert inputs["spouse_income"] == {"yearly_fen": 9_000_000, "years": 15, "timing": "end", "growth": "0.02"}
    assert inputs["parents_support"] == {"yearly_fen": 2_400_000, "years": 12, "timing": "begin", "growth": "0.03"}
    assert inputs["social_benefits"] is None
    assert inputs["education"] == [
        {"cost_fen": 20_000_000, "in_years": 6, "growth": "0.04"},
        {"cost_fen": 32_500_050, "in_years": 11, "growth": "0.04"},
    ]


async def test_assumptions_say_who_set_them(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    told = {one["key"]: (one["value"], one["unit"], one["source"]) for one in analysis["results"][0]["assumptions"]}
    assert told == {
        "survivor_share": ("0.7", "share", "form_default"),
        "support_years": (18, "years", "customer"),
        "timing": ("begin", "code", "form_default"),
        "expense_growth": ("0.02", "per_year", "form_default"),
        "discount_rate": ("0.035", "per_year", "customer"),
        "first_payment": ("today", "code", "form_default"),
        "spouse_income.years": (15, "years", "customer"),
        "spouse_income.timing": ("end", "code", "form_default"),
        "spouse_income.growth": ("0.02", "per_year", "form_default"),
        "parents_support.years": (12, "years", "customer"),
        "parents_support.timing": ("begin", "code", "form_default"),
        "parents_support.growth": ("0.03", "per_year", "customer"),
        "education.0.in_years": (6, "years", "customer"),
        "education.0.growth": ("0.04", "per_year", "form_default"),
        "education.1.in_years": (11, "years", "customer"),
        "education.1.growth": ("0.04", "per_year", "form_default"),
        "emergency_months": (6, "months", "form_default"),
        "other_debts_fen": (0, "fen", "form_default"),
        "final_expenses_fen": (3_000_000, "fen", "form_default"),
    }


async def test_default_that_the_customer_confirmed_is_the_customers(world: World) -> None:
    answers = {"family_expense": 100, "support_years": 1, "expense_growth": "0.02", "final_expenses": 3_000_000}
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"], answers=answers)
    told = {one["key"]: one["source"] for one in analysis["results"][0]["assumptions"]}
    assert (told["expense_growth"], told["discount_rate"]) == ("customer", "form_default")
    assert "final_expenses_fen" not in told  # an amount the customer named is no assumption but an input
    assert analysis["results"][0]["inputs"]["final_expenses_fen"] == 3_000_000


# --- reading ---------------------------------------------------------------------------------------------------


async def test_completing_leads_to_the_analysis(world: World) -> None:
    customer = await create_customer(world.agent)
    draft = await create_draft(world.agent, customer["id"])
    made = await complete(world.agent, draft)
    analysis = await analysis_of(world.agent, made)
    read = await world.agent.get(_url(analysis))
    assert (made.headers["location"], made.json()["needs_analysis_id"]) == (_url(analysis), analysis["id"])
    assert (read.headers["etag"][:3], read.headers["cache-control"]) == ('"1.', "no-store")
    assert (analysis["customer_id"], analysis["form_response_id"], analysis["prepared_by"], analysis["version"]) == (
        customer["id"],
        draft["id"],
        str(world.users["agent"]),
        1,
    )
    assert (await world.agent.get(_url(analysis), headers={"If-None-Match": read.headers["etag"]})).status_code == 304


async def test_list_pages_newest_first_without_repeats_even_at_one_instant(world: World) -> None:
    customer, other = await create_customer(world.agent), await create_customer(world.agent)
    made = [await create_analysis(world.agent, customer["id"]) for _ in range(5)]
    await create_analysis(world.agent, other["id"])
    ids = [analysis["id"] for analysis in made]
    async with unguarded(world.db, "needs_analyses"):
        await world.db.execute(
            "UPDATE needs_analyses SET created_at = '2026-03-01T08:00:00.000001Z' WHERE id = ANY($1)",
            [UUID(one) for one in ids[1:4]],
        )
    url, cursor = f"/v1/customers/{customer['id']}/needs-analyses", None
    pages: list[list[str]] = []
    while not pages or cursor is not None:
        answer = await world.agent.get(url, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        cursor = exact(answer)["next_cursor"]
        assert ("link" in answer.headers) is (cursor is not None)
        pages.append([item["id"] for item in answer.json()["items"]])
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [*chain(*pages)] == [ids[4], ids[0], *sorted(ids[1:4], reverse=True)]


async def test_list_gives_the_summary_only(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    url = f"/v1/customers/{analysis['customer_id']}/needs-analyses"
    [item] = exact(await world.agent.get(url))["items"]
    assert item == {key: analysis[key] for key in item}
    assert {"need_fen", "gap_fen", "existing_cover_fen", "method_code"} <= set(item)
    assert not {"results", "household", "assumptions", "affordability", "diff"} & set(item)
    assert (await world.agent.get(url, params={"form_key": "needs.life"})).status_code == 422
    assert (await world.agent.get(url, params={"limit": 201})).status_code == 422


# --- who sees them, and that they stay -------------------------------------------------------------------------


async def test_visibility_follows_the_customer(world: World, other_world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    listed = f"/v1/customers/{analysis['customer_id']}/needs-analyses"
    for client in (world.manager, world.admin):
        assert (await client.get(_url(analysis))).json() == analysis
        assert len((await client.get(listed)).json()["items"]) == 1
    absent = (await world.agent.get(f"/v1/needs-analyses/{uuid4()}")).json()
    for client in (world.mate, world.stranger, other_world.agent, other_world.admin):
        for url in (_url(analysis), listed):
            answer = await client.get(url)
            assert answer.status_code == 404
            assert {**answer.json(), "request_id": ""} == {**absent, "request_id": ""}
    for client, status in ((world.auditor, 403), (world.client(), 401)):
        for url in (_url(analysis), listed):
            assert (await client.get(url)).status_code == status


async def test_deleted_customer_is_410_and_later_404(world: World) -> None:
    customer = await create_customer(world.agent)
    analysis = await create_analysis(world.agent, customer["id"])
    await world.agent.delete(f"/v1/customers/{customer['id']}", headers=if_match(customer))
    urls = (_url(analysis), f"/v1/customers/{customer['id']}/needs-analyses")
    for url in urls:
        assert (await world.agent.get(url)).status_code == 410
        assert (await world.stranger.get(url)).status_code == 404
    await world.db.execute(
        "UPDATE customers SET deleted_at = now() - interval '31 days' WHERE id = $1", UUID(customer["id"])
    )
    for url in urls:
        assert (await world.agent.get(url)).status_code == 404


async def test_no_method_changes_an_analysis(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        body = None if method == "DELETE" else {"gap_fen": 0}
        answer = await world.agent.request(method, _url(analysis), json=body, headers=if_match(analysis))
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET"), method
    assert (await world.agent.get(_url(analysis))).json() == analysis


@pytest.mark.parametrize("statement", ["UPDATE needs_analyses SET summary_enc = NULL", "DELETE FROM needs_analyses"])
async def test_database_denies_the_service_any_change(settings: Settings, world: World, statement: str) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute(f"SET app.org_id = '{world.org_id}'")
        assert await connection.fetchval("SELECT count(*) FROM needs_analyses") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"{statement} WHERE id = $1", UUID(analysis["id"]))
        await connection.execute(f"SET app.org_id = '{uuid4()}'")
        assert await connection.fetchval("SELECT count(*) FROM needs_analyses") == 0
    finally:
        await connection.close()


async def test_columns_of_the_table_equal_the_stored_result(world: World) -> None:
    analysis = await create_analysis(world.agent, (await create_customer(world.agent))["id"])
    row = await sealed.opened(world, NeedsAnalysis, analysis["id"])
    told = ("need_fen", "existing_cover_fen", "gap_fen", "results", "method_code", "method_version", "version")
    assert [getattr(row, name) for name in told] == [analysis[name] for name in told]


async def test_each_completed_response_has_its_own_analysis(world: World) -> None:
    customer = await create_customer(world.agent)
    first = await create_analysis(world.agent, customer["id"])
    second = await create_analysis(world.agent, customer["id"], answers={**ANSWERS, "existing_cover": 0})
    assert second["need_fen"] == first["need_fen"]
    assert second["gap_fen"] == first["gap_fen"] + 50_000_000
    assert (await world.agent.get(_url(first))).json() == first
