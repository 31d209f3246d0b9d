"""Birthdays that may be partial and may follow the Chinese (lunar) calendar. Pure rules, no clock."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from lunar_python import LunarYear

_YEARS: Final = range(1850, 2151)
_JULIAN_DAY_OF_ORDINAL_0: Final = 1_721_425  # the Julian day that begins at noon of date.toordinal() 0
_LEAP_YEAR: Final = 2000  # any leap year: what a solar day without a year is measured against


class InvalidDate(ValueError):
    """A partial date that cannot exist; `code` is stable snake_case and is all the text says."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date of which some parts may be unknown; unchecked until it went through `check_partial_date`.

    `year` (1850..2150), `month` (1..12) and `day` count in `calendar`; `leap_month` marks the second of two lunar
    months with the same number (闰六月 is month 6 with the flag).
    """

    year: int | None
    month: int | None
    day: int | None
    calendar: Literal["solar", "lunar"] = "solar"
    leap_month: bool = False


@dataclass(frozen=True, slots=True)
class _LunarMonth:
    first_on: date
    days: int


def check_partial_date(d: PartialDate) -> PartialDate:
    """Return `d` when some real date can match it.

    29 February without a year is possible, 30 February is not; a lunar month has 29 or 30 days and its real
    length counts when the year is known. Raises InvalidDate: `date_empty`, `date_day_without_month`,
    `date_year_range`, `date_month_range`, `date_leap_month` or `date_day_range`.
    """
    if d.year is None and d.month is None and d.day is None:
        raise InvalidDate("date_empty")
    if d.day is not None and d.month is None:
        raise InvalidDate("date_day_without_month")
    if d.year is not None and d.year not in _YEARS:
        raise InvalidDate("date_year_range")
    if d.month is not None and not 1 <= d.month <= 12:
        raise InvalidDate("date_month_range")
    if d.leap_month and not _may_be_leap(d):
        raise InvalidDate("date_leap_month")
    if d.month is not None and d.day is not None and not 1 <= d.day <= _longest(d, d.month):
        raise InvalidDate("date_day_range")
    return d


def solar_date(d: PartialDate) -> date | None:
    """Return the Gregorian date of a checked full date, None when a part is unknown.

    Raises InvalidDate when the date does not exist.
    """
    if d.year is None or d.month is None or d.day is None:
        return None
    check_partial_date(d)
    if d.calendar == "solar":
        return date(d.year, d.month, d.day)
    return _lunar_months(d.year)[_key(d)].first_on + timedelta(days=d.day - 1)


def next_birthday(d: PartialDate, on: date) -> date | None:
    """Return the first birthday on or after `on` and after the day of birth itself; None without month and day.

    29 February is kept on 1 March of common years. A birthday in a lunar leap month is kept in the plain month of
    years without it, one on the 30th of a month that is short on the 29th (the usage families follow).
    `on` runs from 1850 to 2150, else the answer is None. Raises InvalidDate when `d` does not exist.
    """
    if d.month is None or d.day is None or on.year not in _YEARS:
        return None
    check_partial_date(d)
    # The lunar year that runs in January began in the year before.
    first = on.year - 1 if d.calendar == "lunar" else on.year
    if d.year is not None:
        first = max(first, d.year + 1)
    occurrences = (_birthday_in(d, d.month, d.day, year) for year in range(first, first + 3))
    return next((day for day in occurrences if day >= on), None)


def age_on(d: PartialDate, on: date) -> int | None:
    """Return the completed years (周岁) on a date; None when the birthday is not fully known or lies after `on`.

    The law counts by the Gregorian calendar, so a lunar birthday is converted first. A year is complete on the
    birthday itself, for 29 February on 1 March of common years.
    """
    born_on = solar_date(d)
    if born_on is None or on < born_on:
        return None
    return on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day))


def _may_be_leap(d: PartialDate) -> bool:
    if d.calendar != "lunar" or d.month is None:
        return False
    return d.year is None or -d.month in _lunar_months(d.year)


def _longest(d: PartialDate, month: int) -> int:
    if d.calendar == "solar":
        return monthrange(_LEAP_YEAR if d.year is None else d.year, month)[1]
    return 30 if d.year is None else _lunar_months(d.year)[_key(d)].days


def _birthday_in(d: PartialDate, month: int, day: int, year: int) -> date:
    if d.calendar == "solar":
        if (month, day) == (2, 29) and monthrange(year, 2)[1] == 28:
            return date(year, 3, 1)
        return date(year, month, day)
    months = _lunar_months(year)
    found = months.get(_key(d)) or months[month]
    return found.first_on + timedelta(days=min(day, found.days) - 1)


def _key(d: PartialDate) -> int:
    """The key of a month in `_lunar_months`: its number, negative for the leap month."""
    assert d.month is not None
    return -d.month if d.leap_month else d.month


@lru_cache(maxsize=512)
def _lunar_months(year: int) -> Mapping[int, _LunarMonth]:
    # One year costs the library about 5 ms, and it keeps only the last one; reminders walk over many.
    found = {
        int(month.getMonth()): _LunarMonth(
            first_on=date.fromordinal(round(month.getFirstJulianDay()) - _JULIAN_DAY_OF_ORDINAL_0),
            days=int(month.getDayCount()),
        )
        for month in LunarYear.fromYear(year).getMonthsInYear()
    }
    return MappingProxyType(found)
