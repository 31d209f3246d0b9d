"""What the agents of the demo world learned on top of it: people only known of, contacts, answers of nobody, tiers.

Only of agent1 and agent3. The customers of agent2 stay as they are: a picture in the documentation is drawn of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from app.domain.coverage import DIRECTIONS
from app.domain.demo_families import Party, Tie
from app.domain.demo_source import AS_OF, GENDERS, Gender, Source

OWNERS: Final = ("agent1", "agent3")
# What somebody who is only known of is to a person; an employer is a company.
_TO_PERSON: Final = (
    "close_friend", "schoolmate", "uncle_aunt", "neighbour", "superior", "colleague", "teacher", "employer",
)  # fmt: skip
_TO_COMPANY: Final = ("decision_maker", "executive", "gatekeeper", "supplier")
_COMPANIES: Final = ("employer", "supplier")
# How often a pair was in contact, and how; the first ones of a kind come more often.
_OFTEN: Final = (5, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1)
_AMONG_FRIENDS: Final = ("meal", "meal", "meeting", "call", "call", "message", "message", "event", "gift")
_IN_BUSINESS: Final = ("business", "business", "meeting", "meeting", "call", "message", "meal", "event")
_TWO_YEARS: Final = timedelta(days=730)
_ANSWERS: Final = 25
# Whom an agent ranks as what: the most valuable, those who can grow, those of little value, those below zero.
_TIERS: Final = {"mvc": 8, "mgc": 14, "lvc": 12, "bz": 6}


@dataclass(frozen=True, slots=True)
class DemoShadow:
    """Somebody only known of: `kind` says what he is to the customer he is known through. A company has no gender."""

    id: UUID
    tie_id: UUID
    through: Party
    name: str
    kind: str
    gender: Gender | None

    @property
    def party_type(self) -> str:
        """As the API calls it."""
        return "organization" if self.gender is None else "individual"


@dataclass(frozen=True, slots=True)
class DemoContact:
    """That the two ends of a tie were in contact."""

    id: UUID
    tie: Tie
    kind: str
    occurred_on: date


@dataclass(frozen=True, slots=True)
class DemoAnswer:
    """The customer was asked, and there is nobody in this direction."""

    customer: Party
    direction: str
    asked_on: date


@dataclass(frozen=True, slots=True)
class DemoTier:
    """What the customer is worth to his agent."""

    customer: Party
    tier: str


@dataclass(frozen=True, slots=True)
class Learned:
    """All of it, in the order in which it is recorded."""

    shadows: tuple[DemoShadow, ...] = ()
    contacts: tuple[DemoContact, ...] = ()
    answers: tuple[DemoAnswer, ...] = ()
    tiers: tuple[DemoTier, ...] = ()


def learned(source: Source, parties: Sequence[Party], ties: Sequence[Tie]) -> Learned:
    """What was learned of these customers of agent1 and agent3 until the day of the demo world."""
    known = [party for party in parties if party.owner in OWNERS]
    shadows = _shadows(source, known, {party.name for party in parties})
    told = {shadow.through.id for shadow in shadows}
    return Learned(
        shadows=shadows,
        contacts=_contacts(source, ties),
        answers=_answers(source, [party for party in known if party.id not in told], ties),
        tiers=_tiers(source, known),
    )


def _shadows(source: Source, known: Sequence[Party], names: set[str]) -> tuple[DemoShadow, ...]:
    people = [party for party in known if party.gender is not None and 26 <= party.age <= 60]
    companies = [party for party in known if party.gender is None]
    ways = [
        *zip(source.random.sample(people, len(_TO_PERSON)), _TO_PERSON, strict=True),
        *zip(source.random.sample(companies, len(_TO_COMPANY)), _TO_COMPANY, strict=True),
    ]
    found = []
    for through, kind in ways:
        gender = None if kind in _COMPANIES else source.pick(GENDERS)
        name = _name(source, through, gender, names)
        found.append(DemoShadow(source.uid(), source.uid(), through, name, kind, gender))
    return tuple(found)


def _name(source: Source, through: Party, gender: Gender | None, names: set[str]) -> str:
    """One that no customer has."""
    while True:
        born = through.born if through.gender is not None else date(source.random.randint(1966, 1992), 1, 1)
        name = source.company()[0] if gender is None else source.name(source.surname(), gender, born)
        if name not in names:
            names.add(name)
            return name


def _contacts(source: Source, ties: Sequence[Tie]) -> tuple[DemoContact, ...]:
    usable = [tie for tie in ties if tie.left.owner == tie.right.owner and tie.left.owner in OWNERS and not tie.until]
    found = []
    for tie, count in zip(source.random.sample(usable, len(_OFTEN)), _OFTEN, strict=True):
        kinds = _AMONG_FRIENDS if tie.type in ("relative", "friend") else _IN_BUSINESS
        first = max(AS_OF - _TWO_YEARS, tie.since or date.min)
        for day in sorted(source.day(first, AS_OF) for _ in range(count)):
            found.append(DemoContact(source.uid(), tie, source.pick(kinds), day))
    return tuple(found)


def _answers(source: Source, known: Sequence[Party], ties: Sequence[Tie]) -> tuple[DemoAnswer, ...]:
    """Of directions in which no tie leads from him, whoever it leads to."""
    filled = {(tie.left.id, tie.type) for tie in ties}
    filled |= {(tie.right.id, "supplier" if tie.type == "client" else tie.type) for tie in ties}
    free = [
        (party, direction)
        for party in known
        for direction in DIRECTIONS
        if (party.id, direction) not in filled and (party.gender is None or party.age >= 26)
    ]
    return tuple(
        DemoAnswer(party, direction, source.day(AS_OF - timedelta(days=400), AS_OF))
        for party, direction in source.random.sample(free, _ANSWERS)
    )


def _tiers(source: Source, known: Sequence[Party]) -> tuple[DemoTier, ...]:
    """The most valuable ones have bought already."""
    grown = [party for party in known if party.gender is None or party.age >= 26]
    source.random.shuffle(grown)
    grown.sort(key=lambda party: party.body["stage"] not in ("customer", "investor"))
    best, others = grown[: _TIERS["mvc"]], grown[_TIERS["mvc"] :]
    rest = [tier for tier, count in _TIERS.items() if tier != "mvc" for _ in range(count)]
    return tuple(
        [*(DemoTier(party, "mvc") for party in best)]
        + [DemoTier(party, tier) for party, tier in zip(source.random.sample(others, len(rest)), rest, strict=True)]
    )
