"""Screens and displays: rules of thumb that ask a question, and give no need by themselves."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain.annuities import NeedsError
from app.domain.needs_inputs import ONE, ZERO, Age, Inputs, Money, Multiple, Share, Years
from app.domain.needs_worksheet import Label, Worksheet, read


@dataclass(frozen=True, slots=True, kw_only=True)
class TenTimes(Inputs):
    """双十: cover of ten yearly incomes for a tenth of one. Both are inputs."""

    income_fen: Money
    existing_cover_fen: Money = 0
    yearly_premium_fen: Money = 0
    multiple: Multiple = Decimal(10)
    premium_share: Share = Decimal("0.10")


def ten_times(inp: TenTimes, sheet: Worksheet) -> None:
    """双十原则, a screen and no advice: it began as a limit of underwriting (income at least a tenth of the sum
    insured) and was read as a recommendation later."""
    numbers: dict[str, Any] = {"income_fen": inp.income_fen, "multiple": inp.multiple}
    label: Label = ("双十参考保额", "Cover for reference")
    sheet.line("need", "cover", label, "{income_fen} × {multiple}", numbers, inp.income_fen * inp.multiple)
    numbers = {"income_fen": inp.income_fen, "premium_share": inp.premium_share}
    label, most = ("参考保费上限", "Premium limit for reference"), inp.income_fen * inp.premium_share
    sheet.line("none", "premium_limit", label, "{income_fen} × {premium_share}", numbers, most)
    sheet.cover(inp.existing_cover_fen)
    sheet.figure("premium_limit_fen", label, most)
    if inp.yearly_premium_fen > most:
        sheet.find("premium_above", ("保费超过参考比例", "The premium is above its share of the income"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FourAccounts(Inputs):
    """四账户: a picture of how assets may be spread. The shares add up to 1."""

    assets_fen: Money
    spending_share: Share = Decimal("0.1")
    protection_share: Share = Decimal("0.2")
    growth_share: Share = Decimal("0.3")
    preservation_share: Share = Decimal("0.4")
    monthly_expense_fen: Money | None = None

    def verify(self) -> None:
        if self.spending_share + self.protection_share + self.growth_share + self.preservation_share != 1:
            raise NeedsError("shares_not_one", "preservation_share")


def four_accounts(inp: FourAccounts, sheet: Worksheet) -> None:
    """四账户, for display only: no primary publication of this picture is known, and nothing follows from it."""
    accounts: dict[str, tuple[Label, Decimal]] = {
        "spending": (("日常开销账户", "Spending"), inp.spending_share),
        "protection": (("保障账户", "Protection"), inp.protection_share),
        "growth": (("增值账户", "Growth"), inp.growth_share),
        "preservation": (("稳健账户", "Preservation"), inp.preservation_share),
    }
    for name, (label, share) in accounts.items():
        numbers: dict[str, Any] = {"assets_fen": inp.assets_fen, "share": share}
        amount = sheet.line("none", name, label, "{assets_fen} × {share}", numbers, inp.assets_fen * share)
        sheet.figure(f"{name}_fen", label, amount)
    if inp.monthly_expense_fen:
        months = inp.assets_fen * inp.spending_share / inp.monthly_expense_fen
        numbers = {"assets_fen": inp.assets_fen, "share": inp.spending_share, "expense": inp.monthly_expense_fen}
        label = ("日常开销可用月数", "Months the spending account lasts")
        sheet.value("months", label, "{assets_fen} × {share} / {expense}", numbers, months, "months")
        if months < 3:
            sheet.find("spending_below_3_months", ("日常开销账户不足3个月", "Spending for less than three months"))
        if months > 6:
            sheet.find("spending_above_6_months", ("日常开销账户超过6个月", "Spending for more than six months"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Affordability(Inputs):
    """Yearly premiums, present and proposed, against the income. `age_limit`: of payment years + age; not confirmed
    by law, so without effect until it is given."""

    disposable_income_fen: Money
    existing_premium_fen: Money = 0
    proposed_premium_fen: Money = 0
    green_share: Share = Decimal("0.10")
    amber_share: Share = Decimal("0.20")
    rigid_expense_fen: Money = 0
    surplus_share: Share = ONE
    age: Age | None = None
    payment_years: Years | None = None
    age_limit: Age | None = None

    def verify(self) -> None:
        if self.amber_share < self.green_share:
            raise NeedsError("below_green", "amber_share")
        for name in ("age", "payment_years"):
            if self.age_limit is not None and getattr(self, name) is None:
                raise NeedsError("missing", name)


BANDS: dict[str, Label] = {
    "green": ("保费占比适中", "The premium is moderate"),
    "amber": ("保费占比偏高", "The premium is high"),
    "red": ("保费占比过高", "The premium is too high"),
}


def affordability(inp: Affordability, sheet: Worksheet) -> None:
    """保费承受: premium / disposable income by bands; premium <= (income - rigid expense) × share; years of payment and
    age together below a limit, where one is set. A screen."""
    income, premium = inp.disposable_income_fen, inp.existing_premium_fen + inp.proposed_premium_fen
    numbers: dict[str, Any] = {"existing": inp.existing_premium_fen, "proposed": inp.proposed_premium_fen}
    sheet.line("none", "premium", ("年保费合计", "Premiums a year"), "{existing} + {proposed}", numbers, premium)
    limits = {"green": income * inp.green_share, "amber": income * inp.amber_share}
    band = next((name for name, limit in limits.items() if premium <= limit), "red")
    if income:
        share = Decimal(premium) / income
        label: Label = ("保费收入比", "Premium in income")
        numbers = {"premium": premium, "income": income}
        sheet.value("premium_share", label, "{premium} / {income}", numbers, share, "share")
        sheet.figure("premium_share", label, read(share), "share")
    sheet.figure("band", ("承受等级", "Band"), band, "code")
    sheet.find(f"band_{band}", BANDS[band])
    numbers = {"income": income, "rigid": inp.rigid_expense_fen, "surplus_share": inp.surplus_share}
    surplus = max(0, income - inp.rigid_expense_fen) * inp.surplus_share
    label = ("可用于保费的结余", "Surplus for premiums")
    sheet.line("none", "surplus", label, "max(0, {income} - {rigid}) × {surplus_share}", numbers, surplus)
    room = max(ZERO, min(limits["green"], surplus) - inp.existing_premium_fen)
    sheet.figure("affordable_premium_fen", ("可新增保费", "Premium that can be added"), room)
    if premium > surplus:
        sheet.find("surplus_exceeded", ("保费超过家庭结余", "The premium is above the surplus"))
    if inp.age_limit is None or inp.age is None or inp.payment_years is None:
        return
    numbers, label = {"age": inp.age, "payment_years": inp.payment_years}, ("缴费期满年龄", "Age when all is paid")
    last = inp.age + inp.payment_years
    sheet.value("last_age", label, "{age} + {payment_years}", numbers, last, "years")
    if last >= inp.age_limit:
        sheet.find("paid_too_late", ("缴费年限与年龄之和达到限制", "Payment years and age reach the limit"))
