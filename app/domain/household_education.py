"""A child's education as an input of the education method. Pure."""

from datetime import date
from decimal import Decimal

from app.domain import household_cover
from app.domain.household_case import Case, Plan, row_of
from app.domain.household_cover import Counted, Cover
from app.domain.household_snapshot import Member
from app.domain.needs_goals import Education, EducationStage
from app.domain.needs_methods import Source


def education(case: Case, member: Member) -> Plan | None:
    """One child's education, valued today like every other need, less what is put aside and education annuities."""
    book, facts = case.book, case.book.facts
    row, n = row_of(case, member)
    if row["education_goal"] == "none":
        return None
    first, years = max(0, row["education_start_age"] - member.age), row["education_years"]
    counted = [
        Counted(one, one.sum_fen * paid, Decimal(paid))
        for one in household_cover.held(case.covers, member.key, "education")
        if (paid := _paid_years(one, case.as_of, first, years)) or one.until is not None
    ]
    told = Education(
        stages=(EducationStage(yearly_cost_fen=row["education_cost_yearly"], in_years=first, years=years),),
        fund_fen=row.get("education_fund", 0),
        existing_cover_fen=household_cover.total(counted),
        cost_growth=book.value("education_growth"),
        discount_rate=book.value("discount_rate"),
        valued_at="today",
    )
    own: dict[str, Source] = {
        "stages.0.yearly_cost_fen": "customer",
        "stages.0.in_years": facts.source("education_start_age", "children", n),
        "stages.0.years": facts.source("education_years", "children", n),
        "fund_fen": "customer",
        "existing_cover_fen": "customer",
        "cost_growth": book.source("education_growth"),
        "discount_rate": book.source("discount_rate"),
    }
    return Plan(member.key, "education", "education", told, own, tuple(counted))


def _paid_years(cover: Cover, as_of: date, first: int, years: int) -> int:
    """The years of the education a yearly benefit is paid in."""
    if cover.until is None:
        return years
    whole = household_cover.months_between(as_of, cover.until) // 12
    return max(0, min(years, whole - first + 1))
