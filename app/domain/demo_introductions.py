"""The introductions of the demo world: who was asked for whom, how far it came, and thanks that are given or due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from app.domain.demo_families import Party, Tie
from app.domain.demo_source import AS_OF, Source
from app.domain.introductions import DECLINED, STEPS

INTRODUCTIONS: Final = 25
# Where they stand, in the order in which they are made: the first ones have come furthest, and chains begin there.
_ENDS: Final = (
    "policy", "policy", "policy", "analysis", "policy", "met", "policy", "analysis", "met", "policy", "introduced",
    "declined", "met", "agreed", "policy", "asked", "introduced", "declined", "analysis", "agreed", "asked", "met",
    "introduced", "asked", "declined",
)  # fmt: skip
_LONGEST: Final = timedelta(days=240)
_LEAST: Final = timedelta(days=30)
_REASONS: Final = ("introducer_declined", "target_declined", "has_agent", "no_need", "not_now")
_NOTES: Final = (None, None, "饭局上提起,先加微信", "等孩子中考后再约", "由介绍人先打招呼")


@dataclass(frozen=True, slots=True)
class Step:
    """What happened, and on which day; `reason` with a decline."""

    status: str
    happened_on: date
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DemoIntroduction:
    """An introduction along a tie between two customers of one agent; of the steps the first is the asking."""

    id: UUID
    tie: Tie
    introducer: Party
    target: Party
    note: str | None
    steps: tuple[Step, ...]
    is_thanked: bool


def introductions(source: Source, ties: Sequence[Tie]) -> tuple[DemoIntroduction, ...]:
    """Introductions among grown persons and companies; most are asked of somebody who was introduced himself."""
    usable = [
        tie
        for tie in ties
        if tie.left.owner == tie.right.owner and tie.until is None and _is_grown(tie.left) and _is_grown(tie.right)
    ]
    source.random.shuffle(usable)
    ways = [(tie, *ends) for tie in usable for ends in ((tie.left, tie.right), (tie.right, tie.left))]
    found: list[DemoIntroduction] = []
    arrived: dict[UUID, date] = {}  # who was introduced, and on which day: only then he introduces others
    met: set[UUID] = set()  # nobody is introduced twice, or by somebody who came through him
    for status in _ENDS:
        free = [way for way in ways if way[2].id not in met and way[1].gender is not None and _fits(way[2], status)]
        chained = [way for way in free if way[1].id in arrived]
        is_chained = bool(chained) and source.chance(0.6)
        tie, introducer, target = source.pick(chained if is_chained else [way for way in free if way[1].id not in met])
        steps = _steps(source, status, arrived.get(introducer.id, AS_OF - _LONGEST))
        met |= {introducer.id, target.id}
        day = next((step.happened_on for step in steps if step.status in STEPS[2:]), None)
        if day is not None and status != DECLINED and day <= AS_OF - _LEAST:
            arrived[target.id] = day
        found.append(
            DemoIntroduction(
                source.uid(), tie, introducer, target, source.pick(_NOTES), steps, is_thanked=source.chance(0.5)
            )
        )
    return tuple(found)


def _is_grown(party: Party) -> bool:
    return party.gender is None or 26 <= party.age <= 68


def _fits(target: Party, status: str) -> bool:
    """Whoever has a policy is a customer by now."""
    return status != STEPS[-1] or target.body["stage"] in ("customer", "investor")


def _steps(source: Source, status: str, since: date) -> tuple[Step, ...]:
    """The way to this status between two days: all steps, or with some skipped."""
    end = source.random.randrange(1, 4) if status == DECLINED else STEPS.index(status)
    way = ["asked", *(step for step in STEPS[1:end] if source.chance(0.8))]
    way += [status] if status != "asked" else []
    days = sorted(source.random.sample(range(1, (AS_OF - since).days), len(way)))
    reason = source.pick(_REASONS) if status == DECLINED else None
    return tuple(
        Step(step, since + timedelta(days=day), reason if step == DECLINED else None)
        for step, day in zip(way, days, strict=True)
    )
