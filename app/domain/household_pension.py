"""The pension gap of a household: what a couple would like to spend, against all pensions and what is saved. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.domain import household_cover
from app.domain.annuities import round_fen
from app.domain.household_case import Case, Plan
from app.domain.household_cover import Counted, Cover
from app.domain.household_facts import Held
from app.domain.needs_goals import PensionGap, PensionStream, RetirementStage
from app.domain.needs_methods import MethodResult, Source, calculate
from app.domain.social_pension import FIRST_AGE, LAST_AGE, SocialPension

_MOST_POLICIES = 17  # twenty pensions at most, three of which are no policies
_ACCOUNT = Decimal("0.08")  # 个人账户: the employee's own contribution


def plan(case: Case) -> Plan | None:
    """The customer's plan, for the couple; None where the time of it is past."""
    book, member = case.book, case.household.members[0]
    working = case.working_years(member)
    start = book.settle("pension_start_age", member.age + working.value, working.source)
    begins = max(start.value, member.age)
    years = min(80, book.value("pension_until_age") - begins)
    wait = begins - member.age
    if years < 1 or wait > 80:
        return None
    spending = _spending(case)
    streams, counted, sources = _pensions(case, wait, years)
    told = PensionGap(
        stages=(RetirementStage(yearly_fen=12 * spending.value, years=years),),
        years_to_retire=wait,
        growth=book.value("inflation"),
        rate_before=book.value("discount_rate"),
        rate_after=book.value("discount_rate"),
        pensions=tuple(streams),
        assets_fen=book.value("pension_savings_fen"),
    )
    own: dict[str, Source] = {
        "stages.0.yearly_fen": spending.source,
        "stages.0.years": book.source("pension_until_age"),
        "years_to_retire": start.source,
        "growth": book.source("inflation"),
        "rate_before": book.source("discount_rate"),
        "rate_after": book.source("discount_rate"),
        "assets_fen": book.source("pension_savings_fen"),
    }
    return Plan(member.key, "pension", "pension_gap", told, own | sources, tuple(counted))


def _spending(case: Case) -> Held:
    """A month in retirement: as wished, else the customary part of what is spent today."""
    book = case.book
    wished = book.find("pension_monthly_fen")
    if wished is not None:
        return wished
    yearly = sum(book.value(name) for name in ("leisure_yearly_fen", "medical_yearly_fen"))
    housed = book.value("living_monthly_fen") + book.value("rent_monthly_fen")
    monthly = (housed + Decimal(yearly) / 12) * book.value("replacement_share")
    return book.settle("pension_monthly_fen", round_fen(monthly))


def estimated(case: Case) -> MethodResult | None:
    """The customer's social pension by the rule, where he does not know it but his contributions; else None.

    Without a local wage base his own contribution base stands for it (an index of 1). Contributions go on until
    he stops working, and 8 % of the base go on filling his account.
    """
    book, told = case.book, case.book.facts.values
    base, paid = told.get("pension_base_monthly"), told.get("pension_paid_years")
    known = told.get("social_pension") in ("employee", "civil") and base is not None and paid is not None
    if not known or book.find("social_pension_monthly_fen") is not None:
        return None
    member = case.household.members[0]
    working = case.working_years(member).value
    age = min(LAST_AGE, max(FIRST_AGE, member.age + working))
    added = round_fen(int(base or 0) * _ACCOUNT * 12 * working)
    given = SocialPension(
        wage_base_fen=book.settle("wage_base_fen", base).value,
        contribution_months=min(720, 12 * (paid + working)),
        account_balance_fen=told.get("pension_account_balance", 0) + added,
        retirement_age=age,
    )
    found = calculate("social_pension", given)
    monthly = next(one.value for one in found.figures if one.key == "monthly_pension_fen")
    book.settle("social_pension_monthly_fen", monthly)
    return found


def _pensions(case: Case, wait: int, years: int) -> tuple[list[PensionStream], list[Counted], dict[str, Source]]:
    book = case.book
    streams, sources = list[PensionStream](), dict[str, Source]()

    def add(held: Held | None, kind: str, after: int = 0) -> None:
        if held is None or not held.value or after >= years:
            return
        at = f"pensions.{len(streams)}"
        growth = book.value("inflation")
        stream = PensionStream(
            kind=kind, yearly_fen=12 * held.value, years=years - after, growth=growth, price="today",
            starts_after=after,
        )  # fmt: skip
        streams.append(stream)
        sources.update({f"{at}.yearly_fen": held.source, f"{at}.growth": book.source("inflation")})

    add(book.find("social_pension_monthly_fen"), "social_pension")
    add(book.find("other_pension_monthly_fen"), "other_pension")
    spouse = case.household.find("spouse")
    if spouse is not None:
        later = case.working_years(spouse).value - wait
        add(book.find("spouse_pension_monthly_fen"), "spouse_pension", max(0, later))
    policies, counted = _policies(case, wait, years)
    for length, yearly in policies.items():
        at = f"pensions.{len(streams)}"
        streams.append(PensionStream(kind="pension_policy", yearly_fen=yearly, years=length, is_insurance=True))
        sources.update({f"{at}.yearly_fen": "customer", f"{at}.years": "customer"})
    return streams, counted, sources


def _policies(case: Case, wait: int, years: int) -> tuple[Mapping[int, int], list[Counted]]:
    """Yearly benefits of pension annuities by the years they are paid, of both adults; and what counts of each."""
    found, counted = dict[int, int](), list[Counted]()
    for member in case.household.members[:2]:
        for cover in household_cover.held(case.covers, member.key, "pension"):
            length = min(years, _length(cover, case, wait, years))
            counted.append(Counted(cover, cover.sum_fen * length, Decimal(length)))
            if length:
                found[length] = found.get(length, 0) + cover.sum_fen
    while len(found) > _MOST_POLICIES:  # never more than what they are
        longest, next_one = sorted(found, reverse=True)[:2]
        found[next_one] += found.pop(longest)
    return dict(sorted(found.items(), reverse=True)), counted


def _length(cover: Cover, case: Case, wait: int, years: int) -> int:
    if cover.until is None:
        return years
    whole = household_cover.months_between(case.as_of, cover.until) // 12
    return max(0, whole - wait)


def estimate_steps(estimate: MethodResult | None) -> list[dict[str, Any]]:
    """The lines of the estimated social pension, beside those of the gap: they belong to no total."""
    if estimate is None:
        return []
    lines = (step.to_json() for step in estimate.steps)
    return [line | {"key": f"social_pension.{line['key']}", "of": "none"} for line in lines]
