"""Methods of the life protection need: what a family would lack if one of its earners died.

Each writes the lines of its worksheet. Own means and existing cover are resources; what is left is the gap.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from app.domain.annuities import FirstPayment, NeedsError, Timing, growing_annuity_factor, real_rate
from app.domain.needs_inputs import (
    ONE,
    THREE_PERCENT,
    ZERO,
    Factor,
    Flag,
    Inputs,
    Loans,
    Lumps,
    Money,
    Multiple,
    Rate,
    RealRate,
    Share,
    Streams,
    Years,
    check_loans,
    idle_of_loans,
)
from app.domain.needs_worksheet import Label, Worksheet, read

_ASSETS: Label = ("流动资产", "Liquid assets")


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanLifeValue(Inputs):
    """Income after tax until retirement, less what the earner would have used up himself.

    Own use is an amount or a share of the income, not both; 30 % where neither is said. `annuity_factor`: a factor
    from a printed table, used instead of the exact ones of both streams.
    """

    income_fen: Money
    years: Years
    own_expense_fen: Money | None = None
    own_share: Share | None = None
    discount_rate: Rate = THREE_PERCENT
    income_growth: Rate = ZERO
    expense_growth: Rate = ZERO
    income_timing: Timing = "end"
    expense_timing: Timing = "begin"
    first_payment: FirstPayment = "today"
    annuity_factor: Factor | None = None
    existing_cover_fen: Money = 0

    def verify(self) -> None:
        if self.own_expense_fen is not None and self.own_share is not None:
            raise NeedsError("not_both", "own_share")

    def idle(self) -> frozenset[str]:
        by_factor = {"discount_rate", "income_growth", "expense_growth", "income_timing", "expense_timing"}
        return frozenset(by_factor | {"first_payment"} if self.annuity_factor is not None else ())


OWN_SHARE = Decimal("0.30")
"""Own use where nothing is said: the middle of the customary 25 to 35 % of income."""


def human_life_value(inp: HumanLifeValue, sheet: Worksheet) -> None:
    """人生价值法: HLV = PV(income) - PV(own use), 0 at least. Source: Huebner's four steps; AFP answers for the timing
    (income at the end, expense at the beginning of the year)."""

    def part(label: Label, key: str, amounts: dict[str, Any], growth: Decimal, timing: Timing) -> None:
        exact = inp.annuity_factor
        factor = exact
        if factor is None:
            factor = growing_annuity_factor(inp.years, inp.discount_rate, growth, timing, inp.first_payment)
        names = [*amounts, "factor"]
        numbers: dict[str, Any] = amounts | {"factor": read(factor)}
        template = " × ".join(f"{{{name}}}" for name in names)
        if exact is None:
            numbers |= {"years": inp.years, "rate": inp.discount_rate, "growth": growth, "timing": timing}
            numbers |= {"first_payment": inp.first_payment}
            template += "; {factor} = annuity({years}, {rate}, {growth}, {timing}, {first_payment})"
        amount = factor
        for value in amounts.values():
            amount *= value
        sheet.line("need", key, label, template, numbers, amount, "add" if key == "income" else "subtract")

    part(("收入现值", "Income"), "income", {"income_fen": inp.income_fen}, inp.income_growth, inp.income_timing)
    own: dict[str, Any] = {"own_expense_fen": inp.own_expense_fen}
    if inp.own_expense_fen is None:
        own = {"income_fen": inp.income_fen, "own_share": OWN_SHARE if inp.own_share is None else inp.own_share}
        if inp.own_share is None:
            sheet.assume("own_share", OWN_SHARE, "share")
    part(("本人支出现值", "Own use"), "own_expense", own, inp.expense_growth, inp.expense_timing)
    sheet.cover(inp.existing_cover_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomeReplacement(Inputs):
    """A share of the income for so many years ("annuity"), or a multiple of it ("multiple")."""

    income_fen: Money
    basis: Literal["annuity", "multiple"] = "annuity"
    years: Years | None = None  # to the youngest child's independence; needed for "annuity"
    share: Share = Decimal("0.75")
    multiple: Multiple = Decimal(10)
    discount_rate: Rate = THREE_PERCENT
    growth: Rate = ZERO
    timing: Timing = "end"
    first_payment: FirstPayment = "today"
    assets_fen: Money = 0
    existing_cover_fen: Money = 0

    def verify(self) -> None:
        if self.basis == "annuity" and self.years is None:
            raise NeedsError("missing", "years")

    def idle(self) -> frozenset[str]:
        if self.basis == "annuity":
            return frozenset({"multiple"})
        return frozenset({"years", "share", "discount_rate", "growth", "timing", "first_payment"})


def income_replacement(inp: IncomeReplacement, sheet: Worksheet) -> None:
    """收入替代/倍数法: need = income × share × a(n, i), or income × multiple.
    Source: Garman & Forgue style worksheet."""
    label = ("收入替代", "Income to replace")
    if inp.basis == "multiple" or inp.years is None:
        numbers: dict[str, Any] = {"income_fen": inp.income_fen, "multiple": inp.multiple}
        sheet.line("need", "income", label, "{income_fen} × {multiple}", numbers, inp.income_fen * inp.multiple)
    else:
        factor = growing_annuity_factor(inp.years, inp.discount_rate, inp.growth, inp.timing, inp.first_payment)
        numbers = {"income_fen": inp.income_fen, "share": inp.share, "factor": read(factor), "years": inp.years}
        numbers |= {"rate": inp.discount_rate, "growth": inp.growth, "timing": inp.timing}
        numbers |= {"first_payment": inp.first_payment}
        template = "{income_fen} × {share} × {factor}; "
        template += "{factor} = annuity({years}, {rate}, {growth}, {timing}, {first_payment})"
        sheet.line("need", "income", label, template, numbers, inp.income_fen * inp.share * factor)
    sheet.plain("resources", "assets", _ASSETS, inp.assets_fen)
    sheet.cover(inp.existing_cover_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalNeeds(Inputs):
    """Everything the family will have to pay, and what it can pay it from."""

    discount_rate: Rate = THREE_PERCENT
    streams: Streams = ()
    lumps: Lumps = ()
    loans: Loans = ()
    assets_fen: Money = 0
    existing_cover_fen: Money = 0

    def verify(self) -> None:
        check_loans(self.loans)

    def idle(self) -> frozenset[str]:
        return idle_of_loans(self.loans)


def capital_needs(inp: CapitalNeeds, sheet: Worksheet) -> None:
    """遗属需要法 (capital is used up): Σ PV(needs) + debts, against Σ PV(other income) + liquid assets + cover.
    Source: AFP worksheet of the method; Garman & Forgue worksheet."""
    for index, stream in enumerate(inp.streams):
        sheet.stream(f"streams.{index}", stream, inp.discount_rate)
    for index, lump in enumerate(inp.lumps):
        sheet.lump(f"lumps.{index}", lump, inp.discount_rate)
    for index, loan in enumerate(inp.loans):
        sheet.loan(f"loans.{index}", loan)
    sheet.plain("resources", "assets", _ASSETS, inp.assets_fen)
    sheet.cover(inp.existing_cover_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalRetention(Inputs):
    """A capital whose yield alone pays the yearly need. `real_rate` is used as it is; without it, it is calculated."""

    yearly_need_fen: Money
    discount_rate: Rate = Decimal("0.05")
    growth: Rate = Decimal("0.02")
    real_rate: RealRate | None = None
    assets_fen: Money = 0
    debts_fen: Money = 0
    half_year_adjustment: Flag = False
    existing_cover_fen: Money = 0

    def verify(self) -> None:
        if self.rate() <= 0:
            raise NeedsError("rate_not_positive", "discount_rate" if self.real_rate is None else "real_rate")

    def idle(self) -> frozenset[str]:
        return frozenset() if self.real_rate is None else frozenset({"discount_rate", "growth"})

    def rate(self) -> Decimal:
        """The real rate the capital earns."""
        return real_rate(self.discount_rate, self.growth) if self.real_rate is None else self.real_rate


def capital_retention(inp: CapitalRetention, sheet: Worksheet) -> None:
    """资本保留法: S = E/r - A + D, with E/2 more where the first half year is paid from the capital. r > 0."""
    rate, need = inp.rate(), inp.yearly_need_fen
    if inp.real_rate is None:
        numbers: dict[str, Any] = {"rate": inp.discount_rate, "growth": inp.growth}
        label = ("实质报酬率", "Real rate")
        sheet.value("real_rate", label, "(1 + {rate}) / (1 + {growth}) - 1", numbers, rate, "per_year")
    numbers = {"yearly_need_fen": need, "real_rate": read(rate)}
    label = ("本金", "Capital that is kept")
    sheet.line("need", "capital", label, "{yearly_need_fen} / {real_rate}", numbers, need / rate)
    if inp.half_year_adjustment:
        label = ("半年调整", "Half-year adjustment")
        numbers = {"yearly_need_fen": need}
        sheet.line("need", "half_year", label, "{yearly_need_fen} / 2", numbers, Decimal(need) / 2)
    sheet.plain("need", "debts", ("负债", "Debts"), inp.debts_fen)
    sheet.plain("resources", "assets", _ASSETS, inp.assets_fen)
    sheet.cover(inp.existing_cover_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dime(Inputs):
    """Debt, Income, Mortgage, Education, and final expenses; nothing is discounted."""

    income_fen: Money
    years: Years = 10
    debts_fen: Money = 0
    mortgage_fen: Money = 0
    education_fen: Money = 0
    final_expenses_fen: Money = 0
    assets_fen: Money = 0
    existing_cover_fen: Money = 0


def dime(inp: Dime, sheet: Worksheet) -> None:
    """DIME: debt + income × years + mortgage + education + final expenses. A rule of thumb without discounting."""
    sheet.plain("need", "debts", ("负债", "Debts"), inp.debts_fen)
    numbers = {"income_fen": inp.income_fen, "years": inp.years}
    sheet.line("need", "income", ("收入", "Income"), "{income_fen} × {years}", numbers, inp.income_fen * inp.years)
    sheet.plain("need", "mortgage", ("房贷", "Mortgage"), inp.mortgage_fen)
    sheet.plain("need", "education_cost", ("教育金", "Education"), inp.education_fen)
    sheet.plain("need", "final_expenses", ("身后费用", "Final expenses"), inp.final_expenses_fen)
    sheet.plain("resources", "assets", _ASSETS, inp.assets_fen)
    sheet.cover(inp.existing_cover_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtCover(Inputs):
    """The household's debts, and the part of them one earner answers for.

    The part is `share`, or his income in that of the household; all of it where nothing is said.
    """

    loans: Loans = ()
    other_debts_fen: Money = 0
    share: Share | None = None
    income_fen: Money | None = None
    household_income_fen: Money | None = None
    existing_cover_fen: Money = 0

    def verify(self) -> None:
        check_loans(self.loans)
        if (self.income_fen is None) != (self.household_income_fen is None):
            raise NeedsError("missing", "income_fen" if self.income_fen is None else "household_income_fen")
        if self.income_fen is None or self.household_income_fen is None:
            return
        if self.share is not None:
            raise NeedsError("not_both", "share")
        if self.household_income_fen == 0:
            raise NeedsError("out_of_range", "household_income_fen")
        if self.income_fen > self.household_income_fen:
            raise NeedsError("above_household_income", "income_fen")

    def idle(self) -> frozenset[str]:
        return idle_of_loans(self.loans)


def debt_cover(inp: DebtCover, sheet: Worksheet) -> None:
    """债务覆盖: Σ B(k) + other debts, of which one insured carries his share of the household's income."""
    for index, loan in enumerate(inp.loans):
        sheet.loan(f"loans.{index}", loan)
    sheet.plain("need", "other_debts", ("其他负债", "Other debts"), inp.other_debts_fen)
    share = ONE if inp.share is None else inp.share
    if inp.income_fen is not None and inp.household_income_fen is not None:
        share = Decimal(inp.income_fen) / inp.household_income_fen
        numbers: dict[str, Any] = {"income_fen": inp.income_fen, "household_income_fen": inp.household_income_fen}
        label = ("收入占比", "Share of the income")
        sheet.value("share", label, "{income_fen} / {household_income_fen}", numbers, share, "share")
    if share < 1:
        debts = sheet.so_far("need")
        label = ("其他成员承担", "Carried by the others")
        numbers = {"debts": read(debts), "share": read(share)}
        sheet.line("need", "others", label, "{debts} × (1 - {share})", numbers, debts * (1 - share), "subtract")
    sheet.cover(inp.existing_cover_fen)
