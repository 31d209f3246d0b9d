"""How long a risk tolerance assessment holds, and how often somebody may be assessed. Pure, no clock.

金融机构产品适当性管理办法 (令2025年第7号) article 29: valid for 12 months, at most 2 assessments a day and 8 in 12
months, a result that differs is shown to the customer and confirmed by him. Days are China's.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

A_DAY: Final = 2
A_YEAR: Final = 8
CLASSES: Final = ("c1", "c2", "c3", "c4", "c5")
CHINA: Final = timezone(timedelta(hours=8))


def level_of(tolerance_class: str) -> int:
    """1 for C1 (only R1 products) to 5 for C5 (all).

    Raises:
        ValueError: no such class.
    """
    return CLASSES.index(tolerance_class) + 1


def last_day(assessed_on: date) -> date:
    """The last day an assessment holds: the day before the same date a year later."""
    return _months_later(assessed_on) - timedelta(days=1)


def expires_at(valid_until: date) -> datetime:
    """The moment from which it holds no longer: the midnight in China after its last day."""
    return datetime.combine(valid_until + timedelta(days=1), time(), CHINA)


def refusal(assessed_before: Iterable[date], on: date) -> str | None:
    """Why nobody may be assessed on a day; None: he may.

    Args:
        assessed_before: the days of all his assessments so far, in any order.

    Returns:
        `assessments_today` (2 on this day), `assessments_this_year` (8 in any 12 months this day would be in), None.
    """
    days = sorted(assessed_before)
    if days.count(on) >= A_DAY:
        return "assessments_today"
    near = sorted([*days, on])
    for first in near:
        if first <= on < _months_later(first) and sum(first <= day < _months_later(first) for day in near) > A_YEAR:
            return "assessments_this_year"
    return None


def _months_later(day: date) -> date:
    """Twelve months later; the 29th of February becomes the 28th."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)
