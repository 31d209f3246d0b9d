"""Partial and lunar dates: which exist, when the birthday comes round, how old one is."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lunar_python import Lunar, Solar

from app.domain.lunar import InvalidDate, PartialDate, age_on, check_partial_date, next_birthday, solar_date


def lunar(year: int | None, month: int | None, day: int | None, leap_month: bool = False) -> PartialDate:
    return PartialDate(year, month, day, "lunar", leap_month)


@pytest.mark.parametrize(
    "d",
    [
        PartialDate(1980, None, None),
        PartialDate(None, 8, None),
        PartialDate(1980, 8, None),
        PartialDate(None, 2, 29),
        PartialDate(2024, 2, 29),
        PartialDate(1850, 1, 1),
        PartialDate(2150, 12, 31),
        lunar(None, 8, 30),
        lunar(2025, 1, 30),
        lunar(2025, 6, 29, leap_month=True),
        lunar(None, 6, 30, leap_month=True),
        lunar(2033, 11, None, leap_month=True),
    ],
)
def test_partial_date_possible_is_returned(d: PartialDate) -> None:
    assert check_partial_date(d) is d


@pytest.mark.parametrize(
    ("d", "code"),
    [
        (PartialDate(None, None, None), "date_empty"),
        (lunar(None, None, None), "date_empty"),
        (PartialDate(1980, None, 5), "date_day_without_month"),
        (PartialDate(None, None, 5), "date_day_without_month"),
        (PartialDate(1849, 1, 1), "date_year_range"),
        (PartialDate(2151, 1, 1), "date_year_range"),
        (PartialDate(0, 1, 1), "date_year_range"),
        (PartialDate(1980, 0, None), "date_month_range"),
        (PartialDate(1980, 13, 1), "date_month_range"),
        (lunar(1980, 13, 1), "date_month_range"),
        (lunar(1980, -6, 1), "date_month_range"),
        (PartialDate(None, 2, 30), "date_day_range"),
        (PartialDate(2023, 2, 29), "date_day_range"),
        (PartialDate(1900, 2, 29), "date_day_range"),
        (PartialDate(None, 4, 31), "date_day_range"),
        (PartialDate(1980, 1, 0), "date_day_range"),
        (PartialDate(1980, 1, -1), "date_day_range"),
        (lunar(None, 1, 31), "date_day_range"),
        (lunar(2025, 2, 30), "date_day_range"),
        (lunar(2025, 6, 30, leap_month=True), "date_day_range"),
        (lunar(2024, 6, 1, leap_month=True), "date_leap_month"),
        (lunar(2025, 5, 1, leap_month=True), "date_leap_month"),
        (lunar(2025, None, None, leap_month=True), "date_leap_month"),
        (PartialDate(2025, 6, 1, "solar", leap_month=True), "date_leap_month"),
    ],
)
def test_partial_date_impossible_is_refused(d: PartialDate, code: str) -> None:
    with pytest.raises(InvalidDate) as caught:
        check_partial_date(d)
    assert caught.value.code == str(caught.value) == code


@pytest.mark.parametrize(
    ("d", "expected"),
    [
        (PartialDate(1980, 8, 15), date(1980, 8, 15)),
        (lunar(2026, 8, 15), date(2026, 9, 25)),
        (lunar(2025, 6, 1), date(2025, 6, 25)),
        (lunar(2025, 6, 1, leap_month=True), date(2025, 7, 25)),
        (lunar(1949, 11, 12), date(1949, 12, 31)),
        (lunar(2025, 1, 1), date(2025, 1, 29)),
        (lunar(2025, 12, 29), date(2026, 2, 16)),
        (PartialDate(1980, 8, None), None),
        (PartialDate(None, 8, 15), None),
        (lunar(None, 8, 15), None),
    ],
)
def test_solar_date_of_full_dates_only(d: PartialDate, expected: date | None) -> None:
    assert solar_date(d) == expected


def test_solar_date_impossible_is_refused() -> None:
    with pytest.raises(InvalidDate):
        solar_date(lunar(2025, 2, 30))


@pytest.mark.parametrize("year", [1850, 1899, 1900, 1949, 1984, 2020, 2033, 2150])
def test_solar_date_agrees_with_the_library_day_by_day(year: int) -> None:
    # Solar to lunar is the library's other direction: it does not pass through our month table.
    first = date(year, 1, 1)
    for day in (first + timedelta(days=offset) for offset in range(59, 365, 7)):
        found = Solar.fromYmd(day.year, day.month, day.day).getLunar()
        month = found.getMonth()
        assert solar_date(lunar(found.getYear(), abs(month), found.getDay(), month < 0)) == day


@pytest.mark.parametrize(
    ("d", "on", "expected"),
    [
        (PartialDate(1980, 8, 15), date(2026, 8, 14), date(2026, 8, 15)),
        (PartialDate(1980, 8, 15), date(2026, 8, 15), date(2026, 8, 15)),
        (PartialDate(1980, 8, 15), date(2026, 8, 16), date(2027, 8, 15)),
        (PartialDate(None, 1, 1), date(2026, 12, 31), date(2027, 1, 1)),
        (PartialDate(2000, 2, 29), date(2026, 2, 1), date(2026, 3, 1)),
        (PartialDate(None, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        (PartialDate(2000, 2, 29), date(2026, 3, 2), date(2027, 3, 1)),
        (PartialDate(2026, 8, 15), date(2026, 8, 15), date(2027, 8, 15)),
        (PartialDate(2030, 8, 15), date(2026, 8, 15), date(2031, 8, 15)),
        (lunar(1949, 8, 15), date(2026, 9, 25), date(2026, 9, 25)),
        (lunar(1949, 8, 15), date(2026, 9, 26), date(2027, 9, 15)),
        # Born in the last lunar month: the birthday of lunar 2025 falls in solar 2026.
        (lunar(1970, 12, 20), date(2026, 1, 1), date(2026, 2, 7)),
        # A leap month: kept in it when the year has it, else in the plain month.
        (lunar(1960, 6, 1, leap_month=True), date(2025, 6, 26), date(2025, 7, 25)),
        (lunar(1960, 6, 1, leap_month=True), date(2026, 1, 1), date(2026, 7, 14)),
        # The 30th of a month that has 29 days.
        (lunar(None, 12, 30), date(2026, 1, 1), date(2026, 2, 16)),
        (lunar(None, 12, 30), date(2027, 1, 1), date(2027, 2, 5)),
        (PartialDate(1980, 8, None), date(2026, 1, 1), None),
        (PartialDate(1980, None, None), date(2026, 1, 1), None),
        (PartialDate(None, 8, 15), date(1700, 1, 1), None),
        (PartialDate(None, 8, 15), date.max, None),
    ],
)
def test_next_birthday_follows_the_calendar(d: PartialDate, on: date, expected: date | None) -> None:
    assert next_birthday(d, on) == expected


def test_next_birthday_short_month_agrees_with_library() -> None:
    assert Lunar.fromYmd(2025, 12, 29).next(1).getDay() == 1
    assert Lunar.fromYmd(2026, 12, 29).next(1).getDay() == 1
    assert str(Lunar.fromYmd(2026, 6, 1).getSolar().toYmd()) == "2026-07-14"


partial_dates = st.builds(
    PartialDate,
    st.none() | st.integers(1900, 2060),
    st.integers(1, 12),
    st.integers(1, 30),
    st.sampled_from(["solar", "lunar"]),
    st.booleans(),
)


@given(partial_dates, st.dates(date(1960, 1, 1), date(2060, 12, 31)))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_next_birthday_is_soon_stable_and_repeats(d: PartialDate, on: date) -> None:
    try:
        check_partial_date(d)
    except InvalidDate:
        return
    found = next_birthday(d, on)
    assert found is not None
    assert found >= on
    assert next_birthday(d, found) == found
    yearly = next_birthday(replace(d, year=None) if d.year else d, on)
    assert yearly is not None
    assert (yearly - on).days <= 385
    after = next_birthday(d, found + timedelta(days=1))
    assert after is not None
    # A birthday moves by a lunar month at most when the leap month comes or goes.
    assert 320 <= (after - found).days <= 415


@pytest.mark.parametrize(
    ("d", "on", "age"),
    [
        (PartialDate(1980, 8, 15), date(2026, 8, 14), 45),
        (PartialDate(1980, 8, 15), date(2026, 8, 15), 46),
        (PartialDate(2026, 8, 15), date(2026, 8, 15), 0),
        (PartialDate(2026, 8, 15), date(2026, 8, 14), None),
        (PartialDate(2000, 2, 29), date(2025, 2, 28), 24),
        (PartialDate(2000, 2, 29), date(2025, 3, 1), 25),
        (PartialDate(2000, 2, 29), date(2024, 2, 29), 24),
        # Lunar 1949-11-12 is 31 December 1949, and the age changes on 31 December.
        (lunar(1949, 11, 12), date(2026, 12, 30), 76),
        (lunar(1949, 11, 12), date(2026, 12, 31), 77),
        (PartialDate(None, 8, 15), date(2026, 8, 15), None),
        (PartialDate(1980, 8, None), date(2026, 8, 15), None),
        (PartialDate(1980, None, None), date(2026, 8, 15), None),
    ],
)
def test_age_counts_completed_years(d: PartialDate, on: date, age: int | None) -> None:
    assert age_on(d, on) == age
