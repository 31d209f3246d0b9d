"""Requests that reproduce published figures: the examples of the document, and the tests that keep it honest.

A figure that was printed is named by its vector, with where it stands in the answer, as printed (in the unit of the
publication), and its tolerance. Requests without one show the shape of a method of which no figure was published.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

YUAN, WAN = 100, 1_000_000
"""One yuan (or dollar) and 万元 in hundredths."""


@dataclass(frozen=True, slots=True)
class Example:
    """One request. `place`: a total, or the key of a figure or step of the answer."""

    body: dict[str, Any]
    vector: str = ""
    place: str = ""
    printed: Decimal = Decimal(0)
    tolerance: Decimal = Decimal(0)
    unit: int = YUAN


def _example(vector: str, place: str, printed: str, tolerance: str, unit: int, **body: Any) -> Example:
    return Example(body, vector, place, Decimal(printed), Decimal(tolerance), unit)


def _stream(kind: str, amount_fen: int, years: int, timing: str, **more: Any) -> dict[str, Any]:
    stated = {"growth": "0", "first_payment": "today", "sign": "need"} | more
    return {"kind": kind, "amount_fen": amount_fen, "years": years, "timing": timing, **stated}


_HLV: dict[str, Any] = {"method": "human_life_value", "first_payment": "today"}
_USD = {"currency": "USD"}
_WORKSHEET = {
    "method": "capital_needs", **_USD, "discount_rate": "0.03", "existing_cover_fen": 98_000 * YUAN,
    "streams": [
        _stream("income", 56_000 * YUAN, 30, "end", share="0.75"),
        _stream("social_benefits", 12 * 2_725 * YUAN, 15, "end", sign="resource"),
    ],
    "lumps": [
        {"kind": "final_expenses", "amount_fen": 12_000 * YUAN},
        {"kind": "readjustment", "amount_fen": 19_000 * YUAN},
        {"kind": "debts", "amount_fen": 10_000 * YUAN},
        {"kind": "education", "amount_fen": 75_000 * YUAN},
    ],
    "assumptions": {"discount_rate": "published", "streams.0.share": "customer"},
}  # fmt: skip
_EDUCATION = {
    "method": "education", "currency": "TWD", "cost_growth": "0.03", "discount_rate": "0.06", "saving_timing": "end",
    "valued_at": "entry", "fund_fen": 50 * WAN,
    "stages": [{"kind": "education", "yearly_cost_fen": 120 * WAN, "in_years": 10, "years": 1}],
}  # fmt: skip
_PENSION = {
    "method": "pension_gap", "years_to_retire": 10, "growth": "0.03", "rate_before": "0.06", "rate_after": "0.06",
    "timing": "begin", "valued_at": "today", "assets_fen": 80 * WAN,
}  # fmt: skip

EXAMPLES: tuple[Example, ...] = (
    _example("HLV-03", "gap_fen", "58.1709", "0.0001", WAN, **_HLV, income_fen=7 * WAN, own_expense_fen=3 * WAN,
             years=20, discount_rate="0.03", income_timing="end", expense_timing="begin"),
    _example("HLV-01", "gap_fen", "550593", "1", YUAN, **_HLV, **_USD, income_fen=40_000 * YUAN, own_expense_fen=0,
             years=30, discount_rate="0.06", income_timing="end", expense_timing="end"),
    # The book rounds the factor to 11.47: the factor is what was put in. One third of the income is an amount.
    _example("HLV-02", "gap_fen", "458800", "0.5", YUAN, **_HLV, **_USD, income_fen=60_000 * YUAN, years=20,
             own_expense_fen=20_000 * YUAN, annuity_factor="11.47", income_timing="end", expense_timing="end"),
    _example("NEED-01", "gap_fen", "35.9714", "0.0001", WAN, method="capital_needs", discount_rate="0.03",
             streams=[_stream("living", 3 * WAN, 20, "begin")], assets_fen=10 * WAN),
    _example("NEED-03", "gap_fen", "61.18", "0.01", WAN, method="capital_needs", discount_rate="0.06",
             streams=[_stream("living", 6 * WAN, 45, "end", share="0.7")], assets_fen=10 * WAN,
             lumps=[{"kind": "education", "amount_fen": 10 * WAN, "in_years": 8, "growth": "0", "sign": "need"}]),
    _example("NEED-05", "gap_fen", "450848", "0.6", YUAN, **_WORKSHEET),
    _example("HEUR-02", "gap_fen", "84", "0", WAN, method="capital_needs", discount_rate="0",
             streams=[_stream("living", 12 * WAN, 10, "begin", share="0.7")]),
    _example("NEED-05a", "gap_fen", "823219", "0.6", YUAN, method="income_replacement", **_USD, basis="annuity",
             income_fen=42_000 * YUAN, share="1", years=30, discount_rate="0.03", timing="end", first_payment="today"),
    _example("NEED-05b", "gap_fen", "390370", "0.6", YUAN, method="income_replacement", **_USD, basis="annuity",
             income_fen=32_700 * YUAN, share="1", years=15, discount_rate="0.03", timing="end", first_payment="today"),
    _example("DIME-01", "gap_fen", "975000", "0", YUAN, method="dime", **_USD, debts_fen=10_000 * YUAN,
             income_fen=75_000 * YUAN, years=10, mortgage_fen=200_000 * YUAN, education_fen=100_000 * YUAN,
             final_expenses_fen=15_000 * YUAN, existing_cover_fen=100_000 * YUAN),
    _example("EDU-01", "need_fen", "161.26", "0.02", WAN, **_EDUCATION),
    _example("EDU-01b", "resources_fen", "89.54", "0.01", WAN, **_EDUCATION),
    # The page goes on with its rounded shortfall of 71.72, which here is an amount at entry.
    _example("EDU-01c", "monthly_saving_fen", "4534", "1", YUAN, **_EDUCATION | {
        "cost_growth": "0", "fund_fen": 0,
        "stages": [{"kind": "education", "yearly_cost_fen": 7172 * WAN // 100, "in_years": 10, "years": 1}]}),
    _example("EDU-03", "need_fen", "377120", "15", YUAN, **_EDUCATION | {
        "currency": "CNY", "cost_growth": "0.05", "fund_fen": 0,
        "stages": [{"kind": "education", "yearly_cost_fen": 200_000 * YUAN, "in_years": 13, "years": 1}]}),
    # The page rounds the real rate to 2.91 % and the need at retirement to 13.44: both are what was put in.
    _example("PEN-01", "gap_fen", "35.8639", "0.001", WAN, **_PENSION, real_rate="0.0291",
             stages=[{"yearly_fen": 1344 * WAN // 100, "years": 20, "price": "retirement"}]),
    _example("PEN-01 unrounded", "gap_fen", "35.8315", "0.0001", WAN, **_PENSION,
             stages=[{"yearly_fen": 10 * WAN, "years": 20, "price": "today"}]),
    _example("PEN-03", "need_fen", "909.4248", "0.01", WAN, method="pension_gap", currency="TWD", years_to_retire=0,
             real_rate="0.02", timing="end", valued_at="retirement",
             stages=[{"yearly_fen": 50 * WAN, "years": 15, "price": "retirement"},
                     {"yearly_fen": 40 * WAN, "years": 10, "price": "retirement"}]),
    _example("SOC-01", "basic", "1200", "0", YUAN, method="social_pension", wage_base_fen=6_000 * YUAN, index="1.0",
             contribution_months=240, retirement_age=60),
    _example("SOC-02", "account", "575.54", "0.005", YUAN, method="social_pension", wage_base_fen=6_000 * YUAN,
             index="1.0", contribution_months=240, account_balance_fen=80_000 * YUAN, retirement_age=60),
    Example({"method": "capital_retention", "yearly_need_fen": 6 * WAN, "discount_rate": "0.05", "growth": "0.02",
             "assets_fen": 20 * WAN, "debts_fen": 50 * WAN, "half_year_adjustment": False}),
    Example({"method": "debt_cover", "income_fen": 24 * WAN, "household_income_fen": 36 * WAN,
             "loans": [{"principal_fen": 100 * WAN, "rate": "0.049", "years": 30, "elapsed": 10, "payments": "monthly",
                        "rate_convention": "nominal"}],
             "other_debts_fen": 8 * WAN, "existing_cover_fen": 30 * WAN}),
    Example({"method": "critical_illness", "income_fen": 20 * WAN, "years_out": 5, "treatment_fen": 30 * WAN,
             "rehabilitation_share": "0.30", "existing_cover_fen": 30 * WAN}),
    Example({"method": "medical", "expected_bill_fen": 100 * WAN, "social_reimbursement": "0.5",
             "deductible_fen": WAN, "covers": [{"cap_fen": 200 * WAN}, {"cap_fen": 100 * WAN}]}),
    Example({"method": "accident", "income_fen": 20 * WAN, "multiple": "10", "occupation_class": 2,
             "existing_cover_fen": 50 * WAN}),
    Example({"method": "statutory_retirement", "category": "man", "birth_year": 2009, "birth_month": 1}),
    Example({"method": "minors_limit", "age": 8, "existing_cover_fen": 15 * WAN, "requested_cover_fen": 10 * WAN}),
    Example({"method": "ten_times", "income_fen": 20 * WAN, "existing_cover_fen": 50 * WAN,
             "yearly_premium_fen": 15_000 * YUAN}),
    Example({"method": "four_accounts", "assets_fen": 100 * WAN, "monthly_expense_fen": WAN}),
    Example({"method": "affordability", "disposable_income_fen": 30 * WAN, "existing_premium_fen": 2 * WAN,
             "proposed_premium_fen": 15_000 * YUAN, "rigid_expense_fen": 18 * WAN}),
)  # fmt: skip
