"""A dossier: how complete it is, how fresh, what to ask for next, and what happens when two sources speak of one thing.

What may be known, and in which order it is asked for, is data (`fact_definitions`). Pure rules: no I/O, no clock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

FIRST_DAY: Final = date(1900, 1, 1)
# Fixed, without a time zone database: China has kept one offset since 1991 and only the present day is asked for.
_CHINA: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Standing:
    """How complete a dossier is on one day.

    Attributes:
        known: of what is asked for, how much is on record, stale facts included: 0 to `total`.
        percent: known of total, rounded down, so that 100 means all of them; 100 where nothing is asked for.
        stale: how many of the known ones should be asked again.
        ask_next: the key to ask for; None when all are known and fresh.
    """

    known: int
    total: int
    percent: int
    stale: int
    ask_next: str | None


@dataclass(frozen=True, slots=True)
class Teller:
    """Where a fact comes from: two with the same teller are two words of one source.

    Attributes:
        source: how the agent came to know.
        person: somebody of the network who said it.
        label: somebody or something else, in words.
        recorder: the user who wrote it down; he is the source of what was observed, and of what nobody is named for.
    """

    source: str
    person: UUID | None
    label: str | None
    recorder: UUID

    def is_same(self, other: "Teller") -> bool:
        """Whether both speak with one voice."""
        if (self.source, self.person, self.label) != (other.source, other.person, other.label):
            return False
        is_named = self.person is not None or self.label is not None
        return self.source == "customer" or is_named or self.recorder == other.recorder


@dataclass(frozen=True, slots=True)
class Told:
    """A current fact as far as it matters to a new one of the same key."""

    id: UUID
    teller: Teller
    observed_on: date


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a new fact does to the current ones of its key.

    Attributes:
        superseded: those it takes the place of.
        superseded_by: the one that is newer than itself: it is recorded as history.
    """

    superseded: tuple[UUID, ...]
    superseded_by: UUID | None


def china_date(now: datetime) -> date:
    """The day it is in China (UTC+8) at an aware moment."""
    return now.astimezone(_CHINA).date()


def observation_issue(observed_on: date, today: date) -> str | None:
    """The code of the rule a day of observation breaks: `in_future`, `out_of_range` (before 1900), or None."""
    if observed_on > today:
        return "in_future"
    return "out_of_range" if observed_on < FIRST_DAY else None


def review_by(observed_on: date, review_days: int) -> date:
    """The last day an observation can be relied on: one of 30 days still holds on the 30th."""
    return observed_on + timedelta(days=review_days)


def is_stale(good_until: date, today: date) -> bool:
    """True from the day after the last day it could be relied on."""
    return today > good_until


def assess(asked: Sequence[str], good_until: Mapping[str, date], today: date) -> Standing:
    """Completeness and the next question.

    What is unknown is asked for before what is stale: something new is worth more than a confirmation. Within each
    of the two, the order of asking decides.

    Args:
        asked: the keys that are asked for, in their order.
        good_until: of what is on record, the last day it can be relied on; of several facts the latest.
        today: the day in China.
    """
    unknown = [key for key in asked if key not in good_until]
    stale = [key for key in asked if key in good_until and is_stale(good_until[key], today)]
    known = len(asked) - len(unknown)
    return Standing(
        known=known,
        total=len(asked),
        percent=known * 100 // len(asked) if asked else 100,
        stale=len(stale),
        ask_next=next(iter(unknown + stale), None),
    )


def settle(
    current: Collection[Told],
    teller: Teller,
    observed_on: date,
    *,
    named: Collection[UUID] = (),
    is_single: bool = False,
) -> Settlement:
    """What becomes of the current facts of a key when one more is told.

    A source takes back its own older word and no other's: what others say stays beside it, until an agent decides.
    A source's older word that arrives late is history at once.

    Args:
        current: the current facts of the key.
        named: those the agent says are superseded, whoever told them.
        is_single: there is only ever one (the stage of a project): whoever speaks last decides.
    """
    voice = [one for one in current if is_single or one.teller.is_same(teller)]
    newer = [one for one in voice if one.observed_on > observed_on and one.id not in named]
    if newer:
        return Settlement(tuple(one.id for one in current if one.id in named), max(newer, key=_latest).id)
    chosen = {one.id for one in voice} | set(named)
    return Settlement(tuple(one.id for one in current if one.id in chosen), None)


def _latest(one: Told) -> tuple[date, UUID]:
    return one.observed_on, one.id


def contradict(values: Sequence[tuple[Any, bool]]) -> bool:
    """Whether the current facts of one key contradict each other and nobody has decided yet.

    Args:
        values: of each its value, and whether an agent has looked at it beside the others and kept it.
    """
    return any(value != values[0][0] for value, _ in values) and not all(is_kept for _, is_kept in values)
