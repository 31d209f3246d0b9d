"""The project dossier as an opportunity: its stages, which may follow which, and why it was won or lost. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

STAGE: Final = "stage"
"""The key of the fact that holds the stage; there is only ever one current stage."""
DECIDED: Final = ("won", "lost")

# What may follow a stage. One step back is as common as one forward, and what was lost may come to life again.
_NEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "idea": ("collecting", "comparing", "lost"),
    "collecting": ("comparing", "idea", "lost"),
    "comparing": ("approval", "deciding", "collecting", "lost"),
    "approval": ("deciding", "comparing", "lost"),
    "deciding": ("won", "lost", "approval", "comparing"),
    "won": ("idea",),
    "lost": ("idea", "collecting", "comparing"),
}
STAGES: Final = tuple(_NEXT)


def next_stages(stage: str | None) -> tuple[str, ...]:
    """What may follow; a project nobody has placed yet may begin at any open stage."""
    return tuple(one for one in STAGES if one not in DECIDED) if stage is None else _NEXT[stage]


def stage_problem(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a stage taken as a whole: (JSON pointer below the value, code).

    Reasons are given with a decision, and only with one.
    """
    is_decided, has_reasons = value["stage"] in DECIDED, bool(value.get("reasons"))
    if is_decided is has_reasons:
        return None
    return "/reasons", "missing" if is_decided else "reasons_before_decision"


def may_follow(before: str | None, stage: str) -> bool:
    """Whether a stage may follow another; the same stage may always be told again."""
    return stage == before or stage in next_stages(before)


def in_force(policies: Any, today: date) -> int:
    """How many policies of another insurer are in force: not known to have expired. A partial day counts to its end."""
    return sum(_is_in_force(one.get("expires_on"), today) for one in policies)


def _is_in_force(expires_on: Mapping[str, int] | None, today: date) -> bool:
    if expires_on is None:
        return True
    year, month, day = expires_on["year"], expires_on.get("month", 12), expires_on.get("day", 31)
    return (year, month, day) >= (today.year, today.month, today.day)
