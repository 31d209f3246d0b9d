"""The formulas of worksheets as a customer reads them: names in words, amounts in yuan instead of fen. Pure.

A worksheet keeps `income_fen × share` and `4200000 × 0.7`, which a phone can reckon again; paper says 年收入 × 比例 and
42,000.00 × 0.7. What is no such formula stays as it is.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

# Names of numbers, then of functions and signs, then codes: (zh, en).
NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "account_balance_fen": ("个人账户储存额", "account balance"),
    "after": ("此前年数", "years before"),
    "age": ("年龄", "age"),
    "amount_fen": ("金额", "amount"),
    "assets_fen": ("资产", "assets"),
    "at": ("估值年", "year of valuation"),
    "bill": ("需自付医疗费", "bill to pay"),
    "caps": ("保额合计", "caps in all"),
    "cost_fen": ("费用", "cost"),
    "debt_service_fen": ("年还贷", "debt service"),
    "debts": ("负债合计", "debts in all"),
    "deemed_years": ("视同缴费年限", "deemed years"),
    "delay": ("延迟月数", "months later"),
    "divisor": ("计发月数", "divisor"),
    "emergency_months": ("应急月数", "months of reserve"),
    "existing": ("已有", "existing"),
    "expected_bill_fen": ("预计医疗费", "expected bill"),
    "expense": ("月支出", "monthly expense"),
    "factor": ("系数", "factor"),
    "family_expense_fen": ("家庭年支出", "family expense"),
    "first_payment": ("首期约定", "first payment"),
    "growth": ("年增长率", "growth"),
    "household_income_fen": ("家庭年收入", "household income"),
    "in_years": ("距今年数", "years from now"),
    "income": ("年收入", "income"),
    "income_fen": ("年收入", "income"),
    "income_share": ("收入比例", "share of income"),
    "index": ("缴费指数", "index"),
    "limit_fen": ("限额", "limit"),
    "months": ("月数", "months"),
    "months_after_reform": ("改革后月数", "months after the reform"),
    "most": ("最多月数", "most months"),
    "multiple": ("倍数", "multiple"),
    "own_expense_fen": ("本人年支出", "own expense"),
    "own_share": ("本人支出比例", "own share"),
    "paid": ("已还期数", "periods paid"),
    "payment_years": ("缴费年数", "payment years"),
    "periods": ("总期数", "periods"),
    "premium": ("年保费", "premium"),
    "premium_share": ("保费比例", "premium share"),
    "principal_fen": ("贷款本金", "principal"),
    "proposed": ("拟新增", "proposed"),
    "rate": ("利率", "rate"),
    "rate_after": ("退休后收益率", "rate after retirement"),
    "rate_before": ("退休前收益率", "rate before retirement"),
    "real_rate": ("实质报酬率", "real rate"),
    "rehabilitation_share": ("康复费用比例", "share of rehabilitation"),
    "reimbursed": ("社保报销比例", "share reimbursed"),
    "requested": ("拟投保", "asked for"),
    "rigid": ("刚性支出", "rigid expense"),
    "rule": ("取值规则", "rule"),
    "share": ("比例", "share"),
    "shortfall": ("缺口", "shortfall"),
    "starts_after": ("延后年数", "years until it starts"),
    "starts_in_years": ("延后年数", "years until it starts"),
    "step": ("每级月数", "months a step"),
    "surplus_share": ("结余比例", "share of surplus"),
    "timing": ("收付时点", "timing"),
    "transitional_rate": ("过渡系数", "transitional rate"),
    "treatment_fen": ("治疗费用", "treatment"),
    "under_10_fen": ("未满10周岁限额", "limit under 10"),
    "under_18_fen": ("未满18周岁限额", "limit under 18"),
    "wage_base_fen": ("计发基数", "wage base"),
    "yearly_cost_fen": ("年费用", "yearly cost"),
    "yearly_fen": ("年金额", "yearly amount"),
    "yearly_need_fen": ("年需要额", "yearly need"),
    "years": ("年数", "years"),
    "years_out": ("收入中断年数", "years out of work"),
    "years_to_retire": ("距退休年数", "years to retirement"),
    "annuity": ("年金现值系数", "annuity factor"),
    "FVIFA": ("年金终值系数", "FVIFA"),
    "table": ("计发月数表", "table of divisors"),
    "need": ("需求", "need"),
    "div": ("整除", "div"),
    "k": ("k", "k"),
    "max": ("取大", "max"),
    "min": ("取小", "min"),
    "begin": ("期初", "begin"),
    "end": ("期末", "end"),
    "today": ("今日金额为首期", "today's amount at first"),
    "grown": ("今日金额增长至首期", "today's amount grown until paid"),
    "stated": ("所列即首期", "as first paid"),
    "completed_years": ("按满周岁", "completed years"),
    "linear": ("按月插值", "interpolated"),
}
_MONEY: Final = frozenset(
    ["bill", "caps", "debts", "existing", "expense", "income", "premium", "proposed", "requested", "rigid", "shortfall"]
)  # in fen, as every name that ends so
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE: Final = r"((?>-?[0-9]+(?:\.[0-9]+)?|[A-Za-z_][A-Za-z0-9_]*))"  # taken whole: no text makes it try again
_CENT: Final = Decimal("0.01")


def legible(formula: str, substituted: str, language: int) -> tuple[str, str]:
    """A formula and the same in numbers, in words of a language (0 zh, 1 en) and in yuan with two decimals.

    Both stay as they are where a name is unknown, or the second is not the first with numbers in the place of names.
    """
    names = _NAME.findall(formula)
    if not set(names) <= NAMES.keys():
        return formula, substituted
    shape = _VALUE.join(re.escape(piece) for piece in _NAME.split(formula))
    found = re.fullmatch(shape, substituted)
    if found is None:
        return formula, substituted
    values = iter(
        NAMES[value][language] if value in NAMES else _number(name, value)
        for name, value in zip(names, found.groups(), strict=True)
    )
    told = _NAME.sub(lambda name: NAMES[name[0]][language], formula)
    return told, _NAME.sub(lambda _: next(values), formula)


def _number(name: str, value: str) -> str:
    if (name in _MONEY or name.endswith("_fen")) and not value.isidentifier():
        return f"{Decimal(value).scaleb(-2).quantize(_CENT, ROUND_HALF_UP):,}"
    return value
