"""Methods of goals with a day: a child's education, one's own old age. What is missing, and what to save for it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from app.domain.annuities import (
    FirstPayment,
    NeedsError,
    Timing,
    annuity_factor,
    future_value_factor,
    growing_annuity_factor,
    real_rate,
)
from app.domain.needs_inputs import (
    ONE,
    SOME,
    THREE_PERCENT,
    ZERO,
    Code,
    Inputs,
    Money,
    Part,
    Rate,
    RealRate,
    Share,
    TermYears,
    ValuedAt,
    Years,
)
from app.domain.needs_worksheet import Label, Worksheet, label_of, read

_FIRST: dict[str, FirstPayment] = {"today": "today", "retirement": "stated"}
"""Of a pension: an amount of today's price grows until its first payment, one of retirement's price is that payment."""
_SPENDING: Label = ("退休后支出", "Spending in retirement")


@dataclass(frozen=True, slots=True, kw_only=True)
class EducationStage(Part):
    """A stage of one child's education: cost of a year at today's price, first paid in so many years from now."""

    kind: Code = "education"
    yearly_cost_fen: Money
    in_years: Years
    years: TermYears = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Education(Inputs):
    """One child. Need and resources are valued when the first stage begins ("entry"), or today."""

    stages: Annotated[tuple[EducationStage, ...], SOME]
    fund_fen: Money = 0  # what is put aside already
    existing_cover_fen: Money = 0  # education annuity and endowment sums due at entry
    cost_growth: Rate = Decimal("0.04")
    discount_rate: Rate = THREE_PERCENT
    saving_timing: Timing = "end"
    valued_at: Literal["entry", "today"] = "entry"

    def verify(self) -> None:
        if not self.stages:
            raise NeedsError("missing", "stages")
        for index, stage in enumerate(self.stages):
            if stage.in_years + stage.years > 80:
                raise NeedsError("out_of_range", f"stages.{index}.years")


def education(inp: Education, sheet: Worksheet) -> None:
    """子女教育金: each year's cost C(1+e)^(t+k), discounted to the entry at t; shortfall = pool - fund (1+i)^t; monthly
    saving = shortfall / FVIFA / 12. Source: TABF e-book p. 93-94, whose tables save by the year and divide by 12."""
    entry = min(stage.in_years for stage in inp.stages)
    at = entry if inp.valued_at == "entry" else 0
    rate, growth = inp.discount_rate, inp.cost_growth
    for index, stage in enumerate(inp.stages):
        ratio = (1 + growth) / (1 + rate)
        paid = sum((ratio**year for year in range(stage.years)), ZERO)
        factor = (1 + growth) ** stage.in_years / (1 + rate) ** (stage.in_years - at) * paid
        numbers: dict[str, Any] = {"yearly_cost_fen": stage.yearly_cost_fen, "factor": read(factor), "at": at}
        numbers |= {"in_years": stage.in_years, "years": stage.years, "growth": growth, "rate": rate}
        template = "{yearly_cost_fen} × {factor}; {factor} = Σ (1 + {growth})^({in_years} + k) / "
        template += "(1 + {rate})^({in_years} + k - {at}), k = 0 … {years} - 1"
        label = label_of(stage.kind)
        sheet.line("need", f"stages.{index}", label, template, numbers, stage.yearly_cost_fen * factor)
    fund: Label = ("已备教育金", "Fund put aside")
    _grown(sheet, "fund", fund, inp.fund_fen, rate, at)
    sheet.cover_due(inp.existing_cover_fen, rate, entry - at)
    gap = max(ZERO, sheet.so_far("need") - sheet.so_far("resources"))
    _saving(sheet, gap * (1 + rate) ** (entry - at), rate, entry, inp.saving_timing, ("入学时", "at entry"))


def _grown(sheet: Worksheet, key: str, label: Label, amount_fen: int, rate: Decimal, years: int) -> None:
    """What is there already, with its yield until the day of valuation."""
    if amount_fen:
        numbers = {"amount_fen": amount_fen, "rate": rate, "years": years}
        exact = amount_fen * (1 + rate) ** years
        sheet.line("resources", key, label, "{amount_fen} × (1 + {rate})^{years}", numbers, exact)


def _saving(sheet: Worksheet, shortfall: Decimal, rate: Decimal, years: int, timing: Timing, when: Label) -> None:
    """The shortfall on the day it is needed and today, and the saving a month that fills it; none is left at t = 0."""
    sheet.figure("shortfall_at_goal_fen", (f"{when[0]}缺口", f"Shortfall {when[1]}"), shortfall)
    sheet.figure("shortfall_today_fen", ("缺口现值", "Shortfall today"), shortfall / (1 + rate) ** years)
    if not years:
        return
    factor = future_value_factor(years, rate, timing)
    saving = shortfall / factor / 12
    numbers = {"shortfall": read(shortfall), "factor": read(factor), "years": years, "rate": rate, "timing": timing}
    template = "{shortfall} / {factor} / 12; {factor} = FVIFA({years}, {rate}, {timing})"
    label = ("每月储蓄", "Saving a month")
    sheet.line("none", "monthly_saving", label, template, numbers, saving)
    sheet.figure("monthly_saving_fen", label, saving)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetirementStage(Part):
    """Consecutive years of retirement with one standard of living; `share`: a replacement ratio of the amount."""

    yearly_fen: Money
    years: TermYears
    share: Share = ONE
    price: Literal["today", "retirement"] = "today"


@dataclass(frozen=True, slots=True, kw_only=True)
class PensionStream(Part):
    """A pension from retirement on (or some years later), raised by `growth` a year; of today's price it has grown by
    then at that rate too. `is_insurance`: a pension annuity that is bought already."""

    kind: Code = "social_pension"
    yearly_fen: Money
    years: TermYears
    growth: Rate = ZERO
    price: Literal["today", "retirement"] = "retirement"
    starts_after: Years = 0
    timing: Timing = "begin"
    is_insurance: Annotated[bool, "flag"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PensionGap(Inputs):
    """Needs of retirement by stages, pensions, and savings. `real_rate`: used as it is instead of the Fisher rate of
    `rate_after` and `growth`. Valued today, or at retirement."""

    stages: Annotated[tuple[RetirementStage, ...], SOME]
    years_to_retire: Years
    growth: Rate = Decimal("0.02")
    rate_before: Rate = Decimal("0.04")
    rate_after: Rate = THREE_PERCENT
    real_rate: RealRate | None = None
    timing: Timing = "begin"
    pensions: Annotated[tuple[PensionStream, ...], SOME] = ()
    assets_fen: Money = 0
    saving_timing: Timing = "end"
    valued_at: ValuedAt = "today"

    def verify(self) -> None:
        if not self.stages:
            raise NeedsError("missing", "stages")
        if sum(stage.years for stage in self.stages) > 80:
            raise NeedsError("out_of_range", f"stages.{len(self.stages) - 1}.years")

    def idle(self) -> frozenset[str]:
        if self.real_rate is None:
            return frozenset()
        unused = {"growth"} if all(stage.price == "retirement" for stage in self.stages) else set[str]()
        return frozenset(unused if self.pensions else unused | {"rate_after"})


def pension_gap(inp: PensionGap, sheet: Worksheet) -> None:
    """养老金缺口: Σ stages N(1+g)^t a(m, r)(1+r), less pensions, less assets (1+i)^t; monthly saving by FVIFA.

    Everything is valued at retirement and brought to today at the rate before retirement where that is asked.
    Source: AFP answers; TABF examination for the stages.
    """
    t, rate = inp.years_to_retire, inp.rate_before
    back = (1 + rate) ** (t if inp.valued_at == "today" else 0)
    real = inp.real_rate
    if real is None:
        real = real_rate(inp.rate_after, inp.growth)
        numbers: dict[str, Any] = {"rate": inp.rate_after, "growth": inp.growth}
        label: Label = ("实质报酬率", "Real rate")
        sheet.value("real_rate", label, "(1 + {rate}) / (1 + {growth}) - 1", numbers, real, "per_year")
    _stages(inp, sheet, real, back)
    for index, pension in enumerate(inp.pensions):
        _pension(inp, sheet, f"pensions.{index}", pension, back)
    _grown(sheet, "assets", ("已备养老资产", "Savings"), inp.assets_fen, rate, 0 if inp.valued_at == "today" else t)
    gap = max(ZERO, sheet.so_far("need") - sheet.so_far("resources"))
    _saving(sheet, gap * back, rate, t, inp.saving_timing, ("退休时", "at retirement"))


def _stages(inp: PensionGap, sheet: Worksheet, real: Decimal, back: Decimal) -> None:
    """What retirement costs, stage after stage."""
    t, rate = inp.years_to_retire, inp.rate_before
    elapsed = 0
    for index, stage in enumerate(inp.stages):
        grown = (1 + inp.growth) ** (t if stage.price == "today" else 0)
        factor = annuity_factor(stage.years, real, inp.timing) / (1 + real) ** elapsed * grown / back
        numbers: dict[str, Any] = {"yearly_fen": stage.yearly_fen, "share": stage.share, "factor": read(factor)}
        numbers |= {"growth": inp.growth, "price": stage.price, "years_to_retire": t, "years": stage.years}
        numbers |= {"real_rate": real if inp.real_rate is not None else read(real), "timing": inp.timing}
        numbers |= {"after": elapsed, "rate_before": rate, "valued_at": inp.valued_at}
        template = "{yearly_fen} × {share} × {factor}; {factor} = annuity({years}, {real_rate}, {timing}) / "
        template += "(1 + {real_rate})^{after}" + (" × (1 + {growth})^{years_to_retire}" if grown != 1 else "")
        template += " / (1 + {rate_before})^{years_to_retire}" if inp.valued_at == "today" else ""
        amount = stage.yearly_fen * stage.share * factor
        sheet.line("need", f"stages.{index}", _SPENDING, template, numbers, amount)
        elapsed += stage.years


def _pension(inp: PensionGap, sheet: Worksheet, key: str, pension: PensionStream, back: Decimal) -> None:
    """A pension as a resource: its payments discounted to retirement at the rate after it."""
    t, first = inp.years_to_retire, _FIRST[pension.price]
    grown = (1 + pension.growth) ** (t if pension.price == "today" else 0)
    terms = (pension.years, inp.rate_after, pension.growth, pension.timing, first, pension.starts_after)
    factor = growing_annuity_factor(*terms) * grown / back
    numbers: dict[str, Any] = {"yearly_fen": pension.yearly_fen, "factor": read(factor), "years": pension.years}
    numbers |= {"rate_after": inp.rate_after, "growth": pension.growth, "timing": pension.timing}
    numbers |= {"first_payment": first, "valued_at": inp.valued_at}
    numbers |= {"starts_after": pension.starts_after, "years_to_retire": t, "rate_before": inp.rate_before}
    template = "{yearly_fen} × {factor}; {factor} = annuity({years}, {rate_after}, {growth}, {timing}, "
    template += "{first_payment}, {starts_after})" + (" × (1 + {growth})^{years_to_retire}" if grown != 1 else "")
    template += " / (1 + {rate_before})^{years_to_retire}" if inp.valued_at == "today" else ""
    amount = sheet.line("resources", key, label_of(pension.kind), template, numbers, pension.yearly_fen * factor)
    if pension.is_insurance:
        sheet.covered += amount
