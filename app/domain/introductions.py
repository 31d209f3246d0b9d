"""The rules of introductions: how they go on, what is owed for them, what they are worth.

An introduction moves asked → agreed → introduced → met → analysis → policy. A step may be skipped, none is taken back;
from anywhere before the policy it may be declined, and a declined one may be taken up where it stood.

Credit. An introduction is worth what became of it: introduced 0.1, met 0.25, analysis 0.5, policy 1; asked, agreed and
declined ones nothing. Whoever made it gets all of that, who introduced him half, and so on: an ancestor at distance d
gets ½^(d-1) of it, up to six generations. If a party is reached along several chains, it counts once: by the shortest,
among equally short ones by the introduction worth most, then the one asked for first. The weights, thresholds and days
are the product's own.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

STEPS: Final = ("asked", "agreed", "introduced", "met", "analysis", "policy")
DECLINED: Final = "declined"
POINTS: Final[dict[str, Decimal]] = {
    "introduced": Decimal("0.1"),
    "met": Decimal("0.25"),
    "analysis": Decimal("0.5"),
    "policy": Decimal(1),
}
GENERATIONS: Final = 6
SHARES: Final[tuple[Decimal, ...]] = tuple(Decimal(1) / 2**distance for distance in range(GENERATIONS))
"""What an ancestor at distance 1, 2, … gets of the points."""
TIERS: Final[tuple[tuple[str, Decimal], ...]] = (
    ("bronze", Decimal(0)),
    ("silver", Decimal(1)),
    ("gold", Decimal(3)),
    ("platinum", Decimal(6)),
    ("diamond", Decimal(12)),
)
"""Introducer tiers with the credit from which they begin; 1 is the worth of one policy introduced directly."""
THANKS: Final[dict[str, int]] = {"introduced": 3, "policy": 7}
"""Milestones at which the introducer is thanked, and within how many days."""


def may_follow(status: str, wanted: str) -> bool:
    """Whether an introduction that stands at `status` may go on to `wanted` (reopening is another act)."""
    if status in (DECLINED, STEPS[-1]):
        return False
    return wanted == DECLINED or STEPS.index(wanted) > STEPS.index(status)


def thanks_due(before: str, after: str) -> str | None:
    """The milestone passed on the way, the last one when there are two: nobody is thanked twice on one day."""
    if after == DECLINED:
        return None
    passed = STEPS[STEPS.index(before) + 1 : STEPS.index(after) + 1]
    return next((milestone for milestone in reversed(passed) if milestone in THANKS), None)


def tier(credit: Decimal) -> str:
    """The tier of an introducer with this credit (not negative)."""
    return next(name for name, least in reversed(TIERS) if credit >= least)


def credit(generations: Sequence[Sequence[str]]) -> Decimal:
    """The credit for outcomes by generation: the statuses of the introductions at distance 1, 2, …

    Those beyond the sixth generation count for nothing.
    """
    return sum(
        (
            POINTS.get(status, Decimal(0)) * share
            for share, statuses in zip(SHARES, generations, strict=False)
            for status in statuses
        ),
        Decimal(0),
    )
