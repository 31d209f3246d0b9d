"""Calculations over HTTP: published figures with their conventions said, refusals with their places, no floats."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI

from app.domain.needs_examples import EXAMPLES, Example
from app.domain.needs_methods import METHODS
from app.models.needs_calculations import REQUESTS
from tests.factories import World
from tests.problem import assert_problem
from tests.vectors import needs_vectors

URL = "/v1/needs-analyses/calculate"
YUAN, WAN = 100, 1_000_000
D = Decimal
Json = dict[str, Any]


async def calculate(client: httpx.AsyncClient, body: Json) -> Json:
    answer = await client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    found: Json = json.loads(answer.text, parse_float=pytest.fail)
    return found


def at(answer: Json, place: str) -> Decimal:
    """A total, a figure or a line of the answer, in fen."""
    figures = {figure["key"]: figure["value"] for figure in answer["figures"]}
    lines = {step["key"]: step["amount_fen"] for step in answer["steps"]}
    return D((answer | lines | figures)[place])


def signed(answer: Json, of: str) -> int:
    return sum(
        step["amount_fen"] if step["sign"] == "add" else -step["amount_fen"]
        for step in answer["steps"]
        if step["of"] == of
    )


# --- published figures -----------------------------------------------------------------------------------------

# In fen, as recalculated outside this repository: they hold where the file of vectors is not at hand.
RECALCULATED = {
    "HLV-01": 55_059_325, "HLV-02": 45_880_000, "HLV-03": 58_170_927, "NEED-01": 35_971_397, "NEED-03": 61_188_619,
    "NEED-05": 45_084_806, "NEED-05a": 82_321_854, "NEED-05b": 39_037_048, "HEUR-02": 84_000_000,
    "DIME-01": 97_500_000, "EDU-01": 161_269_966, "EDU-01b": 89_542_385, "EDU-01c": 453_437, "EDU-03": 37_712_983,
    "PEN-01": 35_863_906, "PEN-01 unrounded": 35_831_465, "PEN-03": 909_430_894, "SOC-01": 120_000, "SOC-02": 57_554,
}  # fmt: skip
PUBLISHED = {example.vector: example for example in EXAMPLES if example.vector}
# No family's need: forms reproduce them, test_needs_business_figures.py.
OUT_OF_SCOPE = {"HEUR-01", "SQ-01", *(f"SEED-0{n}" for n in range(1, 9))}


@pytest.mark.parametrize("vector", PUBLISHED)
async def test_published_figure_is_reproduced(world: World, vector: str) -> None:
    example = PUBLISHED[vector]
    found = at(await calculate(world.agent, example.body), example.place)
    assert abs(found / example.unit - example.printed) <= example.tolerance
    assert found == RECALCULATED[vector]


def stream(kind: str, amount: Any, years: int, timing: str, **more: Any) -> Json:
    return {"kind": kind, "amount_fen": amount, "years": years, "timing": timing, "first_payment": "today", **more}


def fen(amount: Any, unit: int) -> int:
    exact = D(amount) * unit
    assert exact == int(exact)
    return int(exact)


def hlv(x: Json, unit: int, income: str, own: int, timing: str, **more: Any) -> Json:
    body: Json = {"method": "human_life_value", "income_fen": fen(x[income], unit), "own_expense_fen": own}
    terms: Json = {
        "years": x["years"],
        "discount_rate": str(x["rate"]),
        "income_timing": "end",
        "expense_timing": timing,
    }
    return body | terms | more


def worksheet(x: Json) -> Json:
    streams = [
        stream("income", fen(x["income"], YUAN), x["years"], "end", share=str(x["replacement"])),
        stream("social_benefits", fen(x["ss_monthly"] * 12, YUAN), x["ss_years"], "end", sign="resource"),
    ]
    lumps = [{"amount_fen": fen(x[name], YUAN)} for name in ("final", "readjustment", "debts", "college")]
    cover = {"assets_fen": fen(x["assets"], YUAN), "existing_cover_fen": fen(x["existing_life"], YUAN)}
    rate = str(x["rate"])
    return {"method": "capital_needs", "discount_rate": rate, "streams": streams, "lumps": lumps, **cover}


def replacement(x: Json) -> Json:
    terms = {"share": "1", "years": x["years"], "discount_rate": str(x["rate"]), "timing": "end"}
    return {"method": "income_replacement", "basis": "annuity", "income_fen": fen(x["amount"], YUAN), **terms}


def school(cost: int, growth: Any, years: int, rate: Any, fund: int = 0) -> Json:
    stage = {"yearly_cost_fen": cost, "in_years": years}
    terms = {"cost_growth": str(growth), "discount_rate": str(rate), "saving_timing": "end", "valued_at": "entry"}
    return {"method": "education", "stages": [stage], "fund_fen": fund, **terms}


def capital(x: Json, timing: str) -> Json:
    streams = [stream("living", fen(x.get("expense", x.get("family_expense")), WAN), x["years"], timing,
                      share=str(x.get("adjustment", 1)))]  # fmt: skip
    lumps = [{"amount_fen": fen(cost, WAN), "in_years": years} for cost, years in x.get("education", ())]
    body = {"streams": streams, "lumps": lumps, "assets_fen": fen(x["assets"], WAN), "discount_rate": str(x["rate"])}
    return {"method": "capital_needs", **body}


def dime(x: Json) -> Json:
    money = {"debts_fen": "debt", "income_fen": "income", "mortgage_fen": "mortgage", "education_fen": "education"}
    money |= {"final_expenses_fen": "final", "existing_cover_fen": "existing"}
    return {"method": "dime", "years": x["years"], **{name: fen(x[key], YUAN) for name, key in money.items()}}


def pension(x: Json, real: str, need: str) -> Json:
    stage = {"yearly_fen": fen(need, WAN), "years": x["years_retired"], "price": "retirement"}
    terms: Json = {"growth": str(x["inflation"]), "rate_before": str(x["rate"]), "real_rate": real, "timing": "begin"}
    terms |= {"years_to_retire": x["years_to_retire"], "assets_fen": fen(x["assets"], WAN), "valued_at": "today"}
    return {"method": "pension_gap", "stages": [stage], **terms}


def stages(x: Json) -> Json:
    listed = [{"yearly_fen": fen(cost, WAN), "years": n, "price": "retirement"} for n, cost in x["stages"]]
    terms: Json = {"real_rate": str(x["real_rate"]), "timing": "end", "valued_at": "retirement", "years_to_retire": 0}
    return {"method": "pension_gap", "stages": listed, **terms}


def social(**more: Any) -> Json:
    return {"method": "social_pension", "wage_base_fen": 0, "contribution_months": 0, **more}


# The inputs of a vector as a request, with every convention said.
BODIES: dict[str, Callable[[Json], Json]] = {
    "HLV-01": lambda x: hlv(x, YUAN, "annual_to_family", 0, "end"),
    "HLV-02": lambda x: hlv(x, YUAN, "income", fen(x["income"], YUAN) // 3, "end", annuity_factor=str(x["factor"])),
    "HLV-03": lambda x: hlv(x, WAN, "income", fen(x["own_expense"], WAN), x["expense_timing"]),
    "NEED-01": lambda x: capital(x, "begin"),
    "NEED-03": lambda x: capital(x, "end"),
    "NEED-05": worksheet,
    "NEED-05a": replacement,
    "NEED-05b": replacement,
    "HEUR-02": lambda x: capital({"expense": 12 * x["monthly_expense"], "years": x["years"], "rate": 0, "assets": 0,
                                  "adjustment": "0.7"}, "begin"),
    "DIME-01": dime,
    "EDU-01": lambda x: school(fen(x["cost"], WAN), x["growth"], x["years"], 0),
    "EDU-01b": lambda x: school(0, 0, x["years"], x["rate"], fen(x["fund"], WAN)),
    "EDU-01c": lambda x: school(fen(x["shortfall"], WAN), 0, x["years"], x["rate"]),
    "EDU-03": lambda x: school(fen(x["cost"], YUAN), x["growth"], x["years"], 0),
    "PEN-01": lambda x: pension(x, "0.0291", "13.44"),
    "PEN-03": stages,
    "SOC-01": lambda x: social(wage_base_fen=fen(x["avg_wage"], YUAN), index=str(x["index"]),
                               contribution_months=12 * x["years"]),
    "SOC-02": lambda x: social(account_balance_fen=fen(x["balance"], YUAN), divisor_months=x["months"]),
}  # fmt: skip


async def test_every_vector_of_the_file_is_reproduced_or_out_of_scope(world: World) -> None:
    vectors = needs_vectors()
    assert set(vectors) == BODIES.keys() | OUT_OF_SCOPE
    for name, body in BODIES.items():
        vector, example = vectors[name], PUBLISHED[name]
        answer = await calculate(world.agent, body(vector["inputs"]))
        found = at(answer, example.place) / example.unit
        assert abs(found - vector["expected"]) <= vector["tolerance"], name
        assert (example.printed, example.tolerance) == (vector["expected"], vector["tolerance"]), name


async def test_rule_that_is_no_present_value_is_not_shipped(world: World) -> None:
    body = {"method": "heur_01", "years": 25, "monthly_net_fen": 500_000, "uplift": "0.05"}
    assert_problem(await world.agent.post(URL, json=body), 422, "invalid", ("/method", "choice"))
    assert len(METHODS) == 17


async def test_request_as_the_document_of_the_service_writes_it(world: World) -> None:
    """Streams with growth, a lump, a loan: added up here payment by payment."""
    i, g = D("0.08"), D("0.04")
    body = {
        "method": "capital_needs", "currency": "CNY", "assumptions": {"discount_rate": "customer"},
        "streams": [
            {"kind": "living", "amount_fen": 6 * WAN, "growth": "0.04", "years": 20, "timing": "end",
             "first_payment": "grown", "sign": "need"},
            {"kind": "spouse_income", "amount_fen": 2 * WAN, "growth": "0.04", "years": 20, "timing": "end",
             "first_payment": "today", "sign": "resource"},
        ],
        "lumps": [{"amount_fen": 10 * WAN, "in_years": 9}],
        "loans": [{"principal_fen": 50 * WAN, "rate": "0.07", "years": 20, "elapsed": 3}],
        "assets_fen": 10 * WAN, "discount_rate": "0.08",
    }  # fmt: skip
    answer = await calculate(world.agent, body)
    living = sum(6 * WAN * ((1 + g) / (1 + i)) ** year for year in range(1, 21))
    spouse = sum(2 * WAN * (1 + g) ** (year - 1) / (1 + i) ** year for year in range(1, 21))
    payment = 50 * WAN * D("0.07") / (1 - D("1.07") ** -20)
    balance = payment * (1 - D("1.07") ** -17) / D("0.07")
    need = living + 10 * WAN / (1 + i) ** 9 + balance
    assert answer["need_fen"] == int(need + D("0.5"))
    assert answer["resources_fen"] == int(spouse + 10 * WAN + D("0.5"))
    assert answer["gap_fen"] == answer["need_fen"] - answer["resources_fen"]
    assert (signed(answer, "need"), signed(answer, "resources")) == (answer["need_fen"], answer["resources_fen"])


@pytest.mark.parametrize(
    ("rate", "growth", "years", "timing", "expected"),
    [
        ("0", "0", 10, "end", 10 * WAN),  # nothing is discounted
        ("0.05", "0.05", 10, "begin", 10 * WAN),  # growth undoes the discount
        ("0.03", "0.05", 2, "begin", int(WAN + WAN * D("1.05") / D("1.03") + D("0.5"))),  # growth above the rate
        ("0.03", "0.05", 0, "begin", 0),  # no year at all
    ],
)
async def test_degenerate_rates_and_terms_are_answered(
    world: World, rate: str, growth: str, years: int, timing: str, expected: int
) -> None:
    flow = stream("living", WAN, years, timing, growth=growth)
    answer = await calculate(world.agent, {"method": "capital_needs", "discount_rate": rate, "streams": [flow]})
    assert (answer["need_fen"], answer["gap_fen"]) == (expected, expected)


# --- what the answer says --------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(len(EXAMPLES)))
async def test_every_example_of_the_document_is_answered_in_steps(world: World, index: int) -> None:
    example: Example = EXAMPLES[index]
    answer = await calculate(world.agent, example.body)
    method = METHODS[example.body["method"]]
    assert (answer["method"], answer["method_version"], answer["standing"]) == (
        method.code, method.version, method.standing,
    )  # fmt: skip
    assert answer["currency"] == example.body.get("currency", "CNY")
    assert answer["steps"] or answer["figures"]
    for of, total in (("need", "need_fen"), ("resources", "resources_fen")):
        assert answer[total] is None or signed(answer, of) == answer[total]
    if method.gives == "need":
        assert answer["gap_fen"] == max(0, answer["need_fen"] - answer["resources_fen"])
    for step in answer["steps"]:
        assert "{" not in step["formula"] + step["substituted"]
        assert (step["amount_fen"] is None) is (step["value"] is not None)
        assert step["label"]["zh"]
        assert step["label"]["en"]


def test_every_method_is_documented_with_an_example(api: FastAPI) -> None:
    document = api.openapi()
    schema = document["paths"][URL]["post"]["requestBody"]["content"]["application/json"]["schema"]
    mapping = schema["discriminator"]["mapping"]
    assert mapping.keys() == METHODS.keys() == REQUESTS.keys()
    for code, place in mapping.items():
        shown = document["components"]["schemas"][place.rpartition("/")[2]]
        whole = {**shown, "components": document["components"]}
        assert shown["examples"], code
        assert all(jsonschema_rs.is_valid(whole, example) for example in shown["examples"]), code
        assert shown["description"], code
        assert shown["properties"]["timing" if code == "income_replacement" else "rounding"]["default"], code


async def test_assumptions_say_who_set_them(world: World) -> None:
    body = {
        "method": "capital_needs", "streams": [{"kind": "living", "amount_fen": WAN, "years": 20, "growth": "0.02"}],
        "assumptions": {"streams.0.growth": "customer"},
    }  # fmt: skip
    answer = await calculate(world.agent, body)
    by_key = {item["key"]: (item["value"], item["unit"], item["source"]) for item in answer["assumptions"]}
    assert by_key["streams.0.growth"] == ("0.02", "per_year", "customer")
    assert by_key["streams.0.years"] == (20, "years", "agent")
    assert by_key["streams.0.timing"] == ("begin", "code", "method_default")
    assert by_key["discount_rate"] == ("0.03", "per_year", "method_default")
    assert "streams.0.amount_fen" not in by_key


async def test_defaults_nobody_set_are_assumptions_and_idle_inputs_are_none(world: World) -> None:
    answer = await calculate(world.agent, {"method": "human_life_value", "income_fen": WAN, "years": 9})
    assert {"key": "own_share", "value": "0.3", "unit": "share", "source": "method_default"} in answer["assumptions"]
    body = {"method": "human_life_value", "income_fen": WAN, "own_share": "0", "years": 9, "annuity_factor": "8.5"}
    keys = {item["key"] for item in (await calculate(world.agent, body))["assumptions"]}
    assert keys == {"own_share", "years", "annuity_factor", "existing_cover_fen"}


async def test_rounding_to_the_yuan_happens_once_and_is_shown(world: World) -> None:
    body = {"method": "income_replacement", "income_fen": 1_234_567, "years": 7, "discount_rate": "0.03"}
    exact = await calculate(world.agent, body)
    yuan = await calculate(world.agent, body | {"rounding": "half_up_yuan"})
    assert yuan["need_fen"] == (exact["need_fen"] + 50) // 100 * 100
    assert yuan["steps"][-1]["key"] == "need_rounding"
    assert signed(yuan, "need") == yuan["need_fen"]


async def test_currency_is_repeated_and_nothing_is_stored(world: World) -> None:
    before = await world.db.fetchval("SELECT count(*) FROM audit_events WHERE org_id = $1", world.org_id)
    body = {"method": "dime", "income_fen": 100, "currency": "TWD"}
    assert (await calculate(world.agent, body))["currency"] == "TWD"
    assert await world.db.fetchval("SELECT count(*) FROM audit_events WHERE org_id = $1", world.org_id) == before


async def test_who_may_read_analyses_may_calculate(world: World) -> None:
    body = {"method": "dime", "income_fen": 100}
    for name in ("agent", "manager", "admin"):
        await calculate(getattr(world, name), body)
    assert (await world.auditor.post(URL, json=body)).status_code == 403
    assert (await world.client().post(URL, json=body)).status_code == 401


# --- refusals --------------------------------------------------------------------------------------------------

LIVING = {"kind": "living", "amount_fen": WAN, "years": 20}
LOAN = {"principal_fen": WAN, "rate": "0.05", "years": 20}
REFUSED: list[tuple[Json, str, str]] = [
    ({}, "/method", "missing"),
    ({"method": "none"}, "/method", "choice"),
    ({"method": "dime"}, "/income_fen", "missing"),
    ({"method": "dime", "income_fen": 1.5}, "/income_fen", "invalid"),
    ({"method": "dime", "income_fen": "1"}, "/income_fen", "type"),
    ({"method": "dime", "income_fen": -1}, "/income_fen", "out_of_range"),
    ({"method": "dime", "income_fen": 1, "currency": "yuan"}, "/currency", "too_long"),
    ({"method": "dime", "income_fen": 1, "colour": 1}, "/colour", "unknown"),
    ({"method": "dime", "income_fen": 1, "assets_fen": None}, "/assets_fen", "type"),
    ({"method": "capital_needs", "discount_rate": 0.03}, "/discount_rate", "type"),
    ({"method": "capital_needs", "discount_rate": "3%"}, "/discount_rate", "pattern"),
    ({"method": "capital_needs", "discount_rate": "0.21"}, "/discount_rate", "out_of_range"),
    ({"method": "capital_needs", "streams": [LIVING, LIVING | {"timing": "noon"}]}, "/streams/1/timing", "choice"),
    ({"method": "capital_needs", "streams": [LIVING | {"years": 81}]}, "/streams/0/years", "out_of_range"),
    ({"method": "capital_needs", "streams": [LIVING] * 51}, "/streams", "too_long"),
    ({"method": "capital_needs", "loans": [LOAN | {"elapsed": 21}]}, "/loans/0/elapsed", "out_of_range"),
    ({"method": "capital_needs", "loans": [LOAN | {"elapsed_months": 1}]}, "/loans/0/elapsed_months",
     "months_of_yearly_loan"),
    ({"method": "capital_needs", "assumptions": {"streams.0.growth": "agent"}}, "/assumptions", "assumption_unknown"),
    ({"method": "capital_needs", "assumptions": {"method": "agent"}}, "/assumptions", "assumption_unknown"),
    ({"method": "capital_needs", "assumptions": {"discount_rate": "fate"}}, "/assumptions/discount_rate", "choice"),
    ({"method": "capital_needs", "assumptions": {"discount_rate": ["agent"]}}, "/assumptions/discount_rate", "choice"),
    ({"method": "human_life_value", "income_fen": 1, "years": 1, "own_share": "0.3", "own_expense_fen": 1},
     "/own_share", "not_both"),
    ({"method": "income_replacement", "income_fen": 1}, "/years", "missing"),
    ({"method": "capital_retention", "yearly_need_fen": 1, "discount_rate": "0.02", "growth": "0.02"},
     "/discount_rate", "rate_not_positive"),
    ({"method": "capital_retention", "yearly_need_fen": 10**13, "real_rate": "0.000000000001"}, "",
     "result_out_of_range"),
    ({"method": "debt_cover", "income_fen": 2, "household_income_fen": 1}, "/income_fen", "above_household_income"),
    ({"method": "debt_cover", "income_fen": 2}, "/household_income_fen", "missing"),
    ({"method": "education", "stages": []}, "/stages", "too_short"),
    ({"method": "education", "stages": [{"yearly_cost_fen": 1, "in_years": 60, "years": 30}]}, "/stages/0/years",
     "out_of_range"),
    ({"method": "pension_gap", "years_to_retire": 1, "stages": [{"yearly_fen": 1, "years": 41}] * 2},
     "/stages/1/years", "out_of_range"),
    ({"method": "social_pension", "wage_base_fen": 1, "contribution_months": 9, "deemed_months": 9},
     "/transitional_rate", "missing"),
    ({"method": "social_pension", "wage_base_fen": 1, "contribution_months": 9, "index": "3.1"}, "/index",
     "out_of_range"),
    ({"method": "statutory_retirement", "category": "man", "birth_year": 1980, "birth_month": 13}, "/birth_month",
     "out_of_range"),
    ({"method": "four_accounts", "assets_fen": 1, "growth_share": "0.4"}, "/preservation_share", "shares_not_one"),
    ({"method": "affordability", "disposable_income_fen": 1, "amber_share": "0.05"}, "/amber_share", "below_green"),
    ({"method": "affordability", "disposable_income_fen": 1, "age_limit": 60}, "/age", "missing"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "place", "code"), REFUSED)
async def test_refusal_says_where_and_which_rule(world: World, body: Json, place: str, code: str) -> None:
    assert_problem(await world.agent.post(URL, json=body), 422, "invalid", (place, code))


async def test_no_member_of_any_body_is_named_as_a_method(api: FastAPI) -> None:
    """The place of an error in a union begins with the method, which is left out of its pointer."""
    schemas = api.openapi()["components"]["schemas"]
    bodies = {name: shape for name, shape in schemas.items() if name.endswith(("Create", "Update", "Calculation"))}
    assert {name for name, shape in bodies.items() if shape.get("properties", {}).keys() & METHODS.keys()} == set()


async def test_address_is_no_analysis(world: World) -> None:
    answer = await world.agent.get(URL)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
