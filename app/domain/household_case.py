"""What the plans of a household analysis are made from, and what a plan is. Pure.

Every plan says who set each value of its input, by dotted path; what nobody set is the method's own default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.domain.household_cover import Counted, Cover
from app.domain.household_facts import Book, Held
from app.domain.household_snapshot import Household, Member
from app.domain.needs_inputs import Inputs, Part
from app.domain.needs_methods import Source
from app.domain.social_pension import retirement

ADULT = 18  # completed years; a child is provided for until then


@dataclass(frozen=True, slots=True)
class Plan:
    """One calculation to be done."""

    insured: str
    peril: str
    method: str
    inputs: Inputs
    sources: Mapping[str, Source]
    covers: tuple[Counted, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """All that the plans of one analysis are made from."""

    book: Book
    household: Household
    covers: tuple[Cover, ...]

    @property
    def as_of(self) -> date:
        return self.household.as_of

    def income(self, member: Member) -> int:
        """Yearly income in fen; children have none."""
        if member.role == "child":
            return 0
        return int(self.book.value("income_fen" if member.role == "self" else "spouse_income_fen"))

    def working_years(self, member: Member) -> Held:
        """Years until an adult stops working, 0 where that is past."""
        name = "retirement_age" if member.role == "self" else "spouse_retirement_age"
        age = self.book.settle(name, _statutory(self, member))
        return Held(min(80, max(0, age.value - member.age)), age.source)

    def other(self, member: Member) -> Member | None:
        """The other adult."""
        return self.household.find("spouse" if member.role == "self" else "self")


def _statutory(case: Case, member: Member) -> int:
    """The statutory age in the nearest whole year; 60 where the customer's sex is not known. The form does not ask
    that of a spouse: a marriage is between a man and a woman (民法典 1046)."""
    told, is_own = case.book.facts.values.get("gender"), member.role == "self"
    if told not in ("male", "female"):
        return 60
    category = "man" if (told == "male") is is_own else "woman_55"
    found = retirement(category, member.birth_date.year, member.birth_date.month)
    return found.age_years + (found.age_months >= 6)


class Listed:
    """Streams or lumps with who set what in each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Any] = []
        self.sources: dict[str, Source] = {}

    def add(self, part: Part, **sources: Source) -> None:
        at = f"{self.name}.{len(self.parts)}"
        self.sources |= {f"{at}.{member}": source for member, source in sources.items()}
        self.parts.append(part)


def row_of(case: Case, member: Member) -> tuple[Mapping[str, Any], int]:
    n = int(member.key.partition(".")[2])
    return case.book.facts.rows("children")[n], n
