"""The household year by year, as far as it told: what comes in and what it goes to. Pure, no clock.

Incomes grow until their earner retires, then the pensions that were named take their place; spending grows with
prices; debts and premiums last as long as was said. The years end where an earner retires on a pension nobody knows.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from app.domain.proposal_facts import Analysis, age_on, members
from app.domain.proposal_report import MAX_FEN, Year

YEARS: Final = 30
_RETIREMENT: Final = {"self": 63, "spouse": 58}  # where the analysis has none: it then says nothing else either
_EARNERS: Final = (("self", ""), ("spouse", "spouse_"))


def years(analysis: Analysis, first: date) -> tuple[Year, ...]:
    """At most thirty years from the year of `first`; none where the analysis keeps no answers of the household."""
    facts = (analysis.get("facts") or {}).get("values")
    if not facts:
        return ()
    flow = _Flow(facts, {one["key"]: one["value"] for one in analysis["assumptions"]}, analysis, first)
    return tuple(flow.year(n) for n in range(flow.known()))


class _Flow:
    def __init__(self, facts: Mapping[str, Any], assumed: Mapping[str, Any], analysis: Analysis, first: date) -> None:
        self.facts, self.assumed, self.first = facts, assumed, first
        self.ages = {key: age_on(one["birth_date"], first) for key, one in members(analysis).items()}
        self.premium = (analysis["affordability"] or {}).get("existing_premium_fen", 0)

    def fact(self, name: str) -> int:
        value = self.facts.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def known(self) -> int:
        """For how many years everything is known that comes in."""
        return min([YEARS, *(max(0, self.works(key, before)) for key, before in _EARNERS if self.is_open(key, before))])

    def works(self, key: str, before: str) -> int:
        """Years until somebody retires."""
        return int(self.assumed.get(f"{before}retirement_age") or _RETIREMENT[key]) - self.ages[key]

    def is_open(self, key: str, before: str) -> bool:
        """Whether somebody earns, will have a social pension, and nobody knows how much."""
        if key not in self.ages or not self.fact(f"{before}income"):
            return False
        name = "social_pension_monthly" if key == "self" else "spouse_pension_monthly"
        return self.facts.get(f"{before}social_pension") != "none" and self.pension(name) is None

    def pension(self, name: str) -> int | None:
        """A pension a month: as it was named, else as it was estimated."""
        value = self.facts.get(name) or self.assumed.get(f"{name}_fen")
        return value if isinstance(value, int) and value else None

    def grown(self, fen: int, rate: str, n: int) -> int:
        growth = 1 + Decimal(str(self.assumed.get(rate, 0)))
        return min(int((fen * growth**n).quantize(Decimal(1), ROUND_HALF_UP)), MAX_FEN)

    def year(self, n: int) -> Year:
        living = 12 * (self.fact("living_monthly") + self.fact("rent_monthly"))
        living += self.fact("leisure_yearly") + self.fact("medical_yearly")
        living += self.fact("parents_support") if n < self.fact("parents_support_years") else 0
        return Year(
            year=self.first.year + n,
            income_fen=min(sum(self.incomes(n)) + self.fact("rental_yearly"), MAX_FEN),
            living_fen=self.grown(living, "inflation", n),
            debt_fen=min(sum(self.debts(n)), MAX_FEN),
            education_fen=min(sum(self.schooling(n)), MAX_FEN),
            premium_fen=min(sum(self.premiums(n)), MAX_FEN),
        )

    def incomes(self, n: int) -> Iterator[int]:
        for key, before in _EARNERS:
            if key not in self.ages:
                continue
            if n < self.works(key, before):
                yield self.grown(self.fact(f"{before}income"), "income_growth", n)
            elif key == "self":
                pension = (self.pension("social_pension_monthly") or 0) + self.fact("other_pension_monthly")
                yield self.grown(12 * pension, "inflation", n)
            else:
                yield self.grown(12 * self.fact("spouse_pension_monthly"), "inflation", n)

    def debts(self, n: int) -> Iterator[int]:
        for row in self.facts.get("debts") or ():
            yearly, left = 12 * row.get("debt_monthly", 0), row.get("debt_years_left")
            if left is None:  # as long as it takes to pay what is owed
                left = -(-row.get("debt_balance", 0) // yearly) if yearly else 0
            if n < left:
                yield yearly

    def schooling(self, n: int) -> Iterator[int]:
        """What is paid for school now, until the first child's goal begins; then the goals."""
        starts = []
        for number, row in enumerate(self.facts.get("children") or ()):
            age, start = self.ages.get(f"child.{number}", 0), row.get("education_start_age")
            if start is None:
                continue
            starts.append(start - age)
            if 0 <= n - (start - age) < row.get("education_years", 0):
                yield self.grown(row.get("education_cost_yearly", 0), "education_growth", n)
        if n < max(starts, default=0):
            yield self.grown(self.fact("schooling_yearly"), "education_growth", n)

    def premiums(self, n: int) -> Iterator[int]:
        """As long as each is due; one without an end goes on."""
        rows = self.facts.get("policies")
        if rows is None:
            yield self.premium
        for row in rows or ():
            if n < row.get("policy_premium_years", YEARS):
                yield row.get("policy_premium", 0)
