"""Recommended cover within the premium a household can add: a first draft the agent works on. Pure, no clock.

The rule, in one sentence: gaps in the order of their rank, each closed as far as what is left of the room allows. What
a year of cover costs is told by the organisation or the agent (`Band`); where nobody has told it, a recommendation
lists the sum only and takes nothing from the room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from app.domain.product_catalogue import CATEGORIES, USUAL, Peril
from app.domain.proposal_facts import Analysis, age_on, members, minor_room
from app.domain.suitability import ROUND_UP_FEN

Why = Literal["closed", "reduced", "sum_only", "no_room", "minor_limit"]
WORDS: Final[Mapping[Why, tuple[str, str]]] = {
    "closed": ("补足缺口", "closes the gap"),
    "reduced": ("受可新增保费限制，先补足一部分", "closes part of the gap: the room for premiums ends here"),
    "sum_only": ("保费待定，未占用可新增保费", "no premium is known yet; the room is not used"),
    "no_room": ("可新增保费已用完", "there is no room for its premium"),
    "minor_limit": ("未成年人身故保额已达上限", "the death cover of a minor has reached its limit"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What a year of a category costs from one age to another, both included: for each 10,000 yuan, or a policy."""

    category: str
    age_from: int
    age_to: int
    payment_years: int
    per: Literal["wan", "policy"]
    low_fen: int
    high_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A gap and what is recommended for it. `sum_insured_fen` 0: nothing, for the reason `why`."""

    insured: str
    peril: str
    category: str
    rank: int
    gap_fen: int
    sum_insured_fen: int
    premium_low_fen: int | None
    premium_high_fen: int | None
    payment_years: int | None
    why: Why
    room_before_fen: int
    room_after_fen: int


def draft(analysis: Analysis, bands: Sequence[Band], today: date) -> list[Drafted]:
    """A recommendation for every gap, the most urgent first.

    A sum is the gap rounded up to 10,000 yuan. Where the higher end of its premium does not fit into the room, it is
    the largest whole number of 10,000 yuan that does; a policy that costs the same whatever its sum fits or not.
    """
    room = (analysis["affordability"] or {}).get("room_fen") or 0
    ages = {key: age_on(member["birth_date"], today) for key, member in members(analysis).items()}
    found: list[Drafted] = []
    given: dict[str, int] = {}
    for one in sorted((one for one in analysis["results"] if one["rank"] is not None), key=lambda one: one["rank"]):
        drafted = _one(analysis, one, ages[one["insured"]], bands, room, given)
        if CATEGORIES[drafted.category].pays_at_death:
            given[drafted.insured] = given.get(drafted.insured, 0) + drafted.sum_insured_fen
        room = drafted.room_after_fen
        found.append(drafted)
    return found


def _one(
    analysis: Analysis, one: Mapping[str, Any], age: int, bands: Sequence[Band], room: int, given: Mapping[str, int]
) -> Drafted:
    peril: Peril = one["peril"]
    category = USUAL[peril]
    units, why = -(-one["gap_fen"] // ROUND_UP_FEN), "closed"
    limit = minor_room(analysis, one["insured"], age) if CATEGORIES[category].pays_at_death else None
    if limit is not None and units * ROUND_UP_FEN > limit - given.get(one["insured"], 0):
        units, why = max(0, limit - given.get(one["insured"], 0)) // ROUND_UP_FEN, "minor_limit"
    band = next((b for b in bands if b.category == category and b.age_from <= age <= b.age_to), None)
    low = high = None
    if units and band is None:
        why = "sum_only" if why == "closed" else why
    elif units and band is not None:
        if band.per == "policy":
            fits = units if band.high_fen <= room else 0
        else:
            fits = units if band.high_fen * units <= room else room // band.high_fen
        if fits < units:
            units, why = fits, "reduced" if fits else "no_room"
        count = units if band.per == "wan" else min(1, units)
        low, high = band.low_fen * count, band.high_fen * count
    return Drafted(
        insured=one["insured"],
        peril=peril,
        category=category,
        rank=one["rank"],
        gap_fen=one["gap_fen"],
        sum_insured_fen=units * ROUND_UP_FEN,
        premium_low_fen=low if units else None,
        premium_high_fen=high if units else None,
        payment_years=band.payment_years if units and band is not None else None,
        why=why,  # type: ignore[arg-type]  # one of the words above
        room_before_fen=room,
        room_after_fen=room - ((high or 0) if units else 0),
    )
