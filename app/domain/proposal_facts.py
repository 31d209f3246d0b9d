"""What a match opinion is formed from: a stored analysis, and what is recommended on top of it. Pure, no clock.

An analysis is read as it is stored: `household.members`, `results`, `affordability`, `assumptions`, `facts.values`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from app.domain import suitability
from app.domain.product_catalogue import CATEGORIES
from app.domain.suitability import Affordability, Band, Cover, Proposed, SuitabilityFacts, Tolerance

Analysis = Mapping[str, Any]
_GREEN, _AMBER = Decimal("0.10"), Decimal("0.20")  # as the method `affordability`, where the analysis says nothing
_MINORS: Final = "minors_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """Cover as it is recommended, its category and level known.

    `premium_low_fen`, `premium_high_fen`: a year of it; None: nobody knows yet. `agent_level`: the highest level the
    agent may sell in the category; None: not graded.
    """

    insured: str
    peril: str
    category: str
    design: str
    level: int
    sum_insured_fen: int | None
    premium_low_fen: int | None
    premium_high_fen: int | None
    payment_years: int | None
    agent_level: int | None

    @property
    def is_single(self) -> bool:
        """Paid at once: one payment for cover that runs on. A year's medical or accident policy is no such thing."""
        return self.payment_years == 1 and CATEGORIES[self.category].branch in ("life", "annuity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When what is judged happened, and what is known of the customer then."""

    at: datetime
    today: date
    assessed_at: datetime
    assessment_valid_until: datetime
    tolerance: Tolerance | None
    has_representative_consent: bool = False


def age_on(born: str, day: date) -> int:
    """Full years on a day, never below 0."""
    first = date.fromisoformat(born)
    return max(0, day.year - first.year - ((day.month, day.day) < (first.month, first.day)))


def members(analysis: Analysis) -> dict[str, Mapping[str, Any]]:
    """The household by key; "self" is the policyholder."""
    return {member["key"]: member for member in analysis["household"]["members"]}


def result_of(analysis: Analysis, insured: str, peril: str) -> Mapping[str, Any] | None:
    """What the analysis found for one insured and peril."""
    found = (one for one in analysis["results"] if (one["insured"], one["peril"]) == (insured, peril))
    return next(found, None)


def band_of(analysis: Analysis, added_fen: int) -> Band | None:
    """How heavy present and additional premiums are together against the income, by the shares of the analysis."""
    can = analysis["affordability"]
    if can is None or can["band"] is None:
        return None
    shares = {one["key"]: Decimal(str(one["value"])) for one in analysis["assumptions"] if one["key"] in _SHARES}
    premium, income = can["existing_premium_fen"] + added_fen, can["income_fen"]
    if premium <= income * shares.get("premium_green_share", _GREEN):
        return "green"
    return "amber" if premium <= income * shares.get("premium_amber_share", _AMBER) else "red"


_SHARES: Final = ("premium_green_share", "premium_amber_share")


def facts(analysis: Analysis, recommended: Sequence[Recommended], moment: Moment) -> SuitabilityFacts:
    """Everything the opinion needs.

    Several covers for one insured and peril count one after the other: what the first gives is there for the second.
    """
    people = members(analysis)
    added = sum(one.premium_high_fen or 0 for one in recommended)
    can = analysis["affordability"]
    names = ("income_fen", "expense_fen", "existing_premium_fen", "cap_fen", "room_fen")
    budget = next((one["value"] for one in analysis["assumptions"] if one["key"] == "premium_budget_fen"), None)
    return SuitabilityFacts(
        at=moment.at,
        policyholder_age=age_on(people["self"]["birth_date"], moment.today),
        has_representative_consent=moment.has_representative_consent,
        affordability=None
        if can is None
        else Affordability(band=band_of(analysis, added), **{name: can[name] for name in names}),
        budget_fen=budget,
        covers=tuple(_covers(analysis)),
        proposed=tuple(
            _proposed(analysis, one, recommended[:index], moment.today) for index, one in enumerate(recommended)
        ),
        tolerance=moment.tolerance,
        assessed_at=moment.assessed_at,
        assessment_valid_until=moment.assessment_valid_until,
        recommended_at=moment.at,
    )


def _covers(analysis: Analysis) -> list[Cover]:
    return [
        Cover(
            insured=one["insured"],
            peril=one["peril"],
            need_fen=one["need_fen"],
            existing_fen=one["existing_fen"],
            is_repeated=any(finding["code"] == "repeat_cover" for finding in one.get("findings", ())),
        )
        for one in analysis["results"]
        if one["method"] != _MINORS or one["over_fen"]
    ]


def _proposed(analysis: Analysis, one: Recommended, before: Sequence[Recommended], today: date) -> Proposed:
    category, found = CATEGORIES[one.category], result_of(analysis, one.insured, one.peril)
    earlier = [other for other in before if other.insured == one.insured]
    given = sum(other.sum_insured_fen or 0 for other in earlier if other.peril == one.peril)
    held, is_enough = 0, False
    if found is not None:
        held, is_enough = found["existing_fen"], found["existing_fen"] >= found["need_fen"]
    return Proposed(
        insured=one.insured,
        peril=one.peril,
        level=one.level,
        insured_age=age_on(members(analysis)[one.insured]["birth_date"], today),
        is_linked=one.design == "unit_linked",
        is_uncertain=one.design in ("participating", "universal"),
        is_indemnity=category.is_indemnity,
        holds_same_kind=bool(held and is_enough) or any(other.category == one.category for other in earlier),
        is_beside=bool(held and not is_enough),
        fits_peril=one.peril in category.perils,
        need_fen=None if found is None else found["need_fen"],
        existing_fen=None if found is None else found["existing_fen"] + given,
        sum_insured_fen=one.sum_insured_fen,
        death_fen=_death(one),
        death_held_fen=held_at_death(analysis, one.insured) + sum(map(_death, earlier)),
        premium_fen=one.premium_high_fen,
        payment_years=one.payment_years,
        is_single=one.is_single,
        agent_level=one.agent_level,
    )


def _death(one: Recommended) -> int:
    return (one.sum_insured_fen or 0) if CATEGORIES[one.category].pays_at_death else 0


def held_at_death(analysis: Analysis, insured: str) -> int:
    """What is paid already when somebody dies; of a minor, all death cover stands in one result."""
    life, accident = (result_of(analysis, insured, peril) for peril in ("life", "accident"))
    if life is not None and life["method"] == _MINORS:
        return int(life["existing_fen"])
    return sum(int(found["existing_fen"]) for found in (life, accident) if found is not None)


def minor_room(analysis: Analysis, insured: str, age: int) -> int | None:
    """How much death cover a minor may still be given; None: he is of age."""
    limit = next((fen for below, fen in suitability.MINOR_DEATH_LIMITS if age < below), None)
    return None if limit is None else max(0, limit - held_at_death(analysis, insured))
