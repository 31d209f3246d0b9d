"""Social insurance of old age: the monthly pension of 国发〔2005〕38号 and the statutory retirement age from 2025.

What local rules decide (the base, the transitional rate, part years) is an input. Rules nobody has confirmed yet are
off until they are asked for.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from app.domain.annuities import NeedsError
from app.domain.expression_tables import tables
from app.domain.needs_inputs import ONE, Flag, Inputs, Money
from app.domain.needs_worksheet import Label, Worksheet, read

DIVISORS: Final = tables()["pension_months@2005"].rows
"""计发月数 by retirement age 40..70 (annex of 国发〔2005〕38号): the table forms look it up in, too."""
FIRST_AGE, LAST_AGE = min(DIVISORS), max(DIVISORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialPension(Inputs):
    """An employee's pension at today's figures. `wage_base_fen`: 计发基数, the local monthly wage it is calculated on.

    `part_year_rule`: the divisor of the completed age, or interpolated between two ages. `divisor_months`: the divisor
    itself, instead of the table. Deemed years need the local transitional rate (1.0 to 1.4 %).
    """

    wage_base_fen: Money
    index: Annotated[Decimal, "index"] = ONE
    contribution_months: Annotated[int, "career_months"]
    account_balance_fen: Money = 0
    retirement_age: Annotated[int, "pension_age"] = 60
    retirement_age_months: Annotated[int, "pay_months"] = 0
    part_year_rule: Literal["completed_years", "linear"] = "completed_years"
    divisor_months: Annotated[int, "divisor"] | None = None
    deemed_months: Annotated[int, "career_months"] = 0
    transitional_rate: Annotated[Decimal, "transitional_rate"] | None = None

    def verify(self) -> None:
        if self.deemed_months and self.transitional_rate is None:
            raise NeedsError("missing", "transitional_rate")
        if self.retirement_age == LAST_AGE and self.retirement_age_months:
            raise NeedsError("out_of_range", "retirement_age_months")
        if self.deemed_months > self.contribution_months:
            raise NeedsError("above_contribution", "deemed_months")

    def idle(self) -> frozenset[str]:
        by_divisor = {"retirement_age", "retirement_age_months", "part_year_rule"}
        return frozenset(by_divisor if self.divisor_months is not None else ())


def divisor(age: int, months: int, rule: str) -> Decimal:
    """计发月数 at an age of 40..70 years and 0..11 months."""
    here = Decimal(DIVISORS[age])
    if not months or rule == "completed_years":
        return here
    following = Decimal(DIVISORS[age + 1])
    return here - (here - following) * months / 12


def social_pension(inp: SocialPension, sheet: Worksheet) -> None:
    """Monthly pension: 基础 = W (1 + index)/2 × years × 1 %, 个人账户 = balance / 计发月数, 过渡性 = W × index × deemed
    years × 1.0-1.4 %. Years of contribution include the deemed ones. Source: 国发〔2005〕38号."""
    years = Decimal(inp.contribution_months) / 12
    numbers: dict[str, Any] = {"wage_base_fen": inp.wage_base_fen, "index": inp.index, "years": read(years)}
    basic = inp.wage_base_fen * (1 + inp.index) / 2 * years / 100
    label: Label = ("基础养老金", "Basic pension")
    template = "({wage_base_fen} + {wage_base_fen} × {index}) / 2 × {years} × 1%"
    total = sheet.line("resources", "basic", label, template, numbers, basic)
    months = divisor(inp.retirement_age, inp.retirement_age_months, inp.part_year_rule)
    if inp.divisor_months is not None:
        months = Decimal(inp.divisor_months)
    else:
        age = {"age": inp.retirement_age, "months": inp.retirement_age_months, "rule": inp.part_year_rule}
        label = ("计发月数", "Divisor")
        sheet.value("divisor", label, "table({age} years {months} months, {rule})", age, months, "months")
    numbers = {"account_balance_fen": inp.account_balance_fen, "divisor": read(months)}
    label = ("个人账户养老金", "Pension of the account")
    template, account = "{account_balance_fen} / {divisor}", inp.account_balance_fen / months
    total += sheet.line("resources", "account", label, template, numbers, account)
    if inp.deemed_months and inp.transitional_rate is not None:
        deemed = Decimal(inp.deemed_months) / 12
        numbers = {"wage_base_fen": inp.wage_base_fen, "index": inp.index, "deemed_years": read(deemed)}
        numbers |= {"transitional_rate": inp.transitional_rate}
        label, template = ("过渡性养老金", "Transitional pension"), " × ".join(f"{{{name}}}" for name in numbers)
        extra = inp.wage_base_fen * inp.index * deemed * inp.transitional_rate
        total += sheet.line("resources", "transitional", label, template, numbers, extra)
    sheet.figure("monthly_pension_fen", ("每月养老金", "Pension a month"), total)
    sheet.figure("yearly_pension_fen", ("每年养老金", "Pension a year"), total * 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatutoryRetirement(Inputs):
    """Whose retirement: a man (60 → 63), a woman retiring at 55 (→ 58) or at 50 (→ 55), by month of birth.

    `with_minimum_contribution` and `with_flexible_range` add rules that are not confirmed.
    """

    category: Literal["man", "woman_55", "woman_50"]
    birth_year: Annotated[int, "birth_year"]
    birth_month: Annotated[int, "month"]
    with_minimum_contribution: Flag = False
    with_flexible_range: Flag = False


@dataclass(frozen=True, slots=True)
class _Schedule:
    age: int  # before the reform
    step: int  # one month later for each so many months of birth
    most: int  # months


_SCHEDULES = {"man": _Schedule(60, 4, 36), "woman_55": _Schedule(55, 4, 36), "woman_50": _Schedule(50, 2, 60)}
_REFORM = 2025 * 12  # months since year 0


@dataclass(frozen=True, slots=True)
class Retirement:
    """An age in years and months, the month it is reached, and how much later than before the reform."""

    age_years: int
    age_months: int
    year: int
    month: int
    delay_months: int


def retirement(category: str, birth_year: int, birth_month: int) -> Retirement:
    """The statutory retirement from 2025-01-01 on. Who reached the old age before it is not delayed."""
    rule = _SCHEDULES[category]
    born = birth_year * 12 + birth_month - 1
    since = born + rule.age * 12 - _REFORM
    delay = 0 if since < 0 else min(rule.most, since // rule.step + 1)
    age = rule.age * 12 + delay
    return Retirement(age // 12, age % 12, (born + age) // 12, (born + age) % 12 + 1, delay)


def minimum_contribution_months(year: int) -> int:
    """Months of contribution needed to retire in a year: 15 years, from 2030 six months more a year, 20 from 2039 on.
    Not confirmed."""
    return 180 + 6 * min(10, max(0, year - 2029))


def statutory_retirement(inp: StatutoryRetirement, sheet: Worksheet) -> None:
    """法定退休年龄: men 60 → 63 and women 55 → 58, a month later for each four months of birth; women 50 → 55, for each
    two. Source: the table published with the reform, in force 2025-01-01."""
    rule, found = _SCHEDULES[inp.category], retirement(inp.category, inp.birth_year, inp.birth_month)
    since = (inp.birth_year + rule.age) * 12 + inp.birth_month - 1 - _REFORM
    numbers: dict[str, Any] = {"months_after_reform": since, "step": rule.step, "most": rule.most, "age": rule.age}
    template = "{months_after_reform} < 0: 0; min({most}, {months_after_reform} div {step} + 1)"
    sheet.value("delay_months", ("延迟月数", "Months later"), template, numbers, found.delay_months, "months")
    numbers = {"age": rule.age, "delay": found.delay_months}
    label = ("法定退休年龄", "Statutory retirement age")
    months = found.age_years * 12 + found.age_months
    sheet.value("age", label, "{age} × 12 + {delay}", numbers, months, "months")
    sheet.figure("age_years", ("退休年龄（岁）", "Retirement age, years"), found.age_years, "years")
    sheet.figure("age_months", ("退休年龄（另加月数）", "Retirement age, months beyond"), found.age_months, "months")
    label = ("退休年月", "Month of retirement")
    sheet.figure("retirement_month", label, f"{found.year:04}-{found.month:02}", "month")
    sheet.figure("delay_months", ("延迟月数", "Months later"), found.delay_months, "months")
    if inp.with_minimum_contribution:
        needed = minimum_contribution_months(found.year)
        label = ("最低缴费月数（待确认）", "Least months of contribution (not confirmed)")
        sheet.figure("minimum_contribution_months", label, needed, "months")
    if inp.with_flexible_range:
        label = ("弹性退休月数（待确认）", "Months it may be moved either way (not confirmed)")
        sheet.figure("flexible_months", label, 36, "months")
