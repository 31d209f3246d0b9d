"""Assessments: how long they hold and how many there may be, day by day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain import tolerance
from app.domain.tolerance import expires_at, last_day, level_of, refusal

DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("assessed", "last"),
    [
        (DAY, date(2027, 11, 19)),
        (date(2027, 1, 1), date(2027, 12, 31)),
        (date(2028, 2, 29), date(2029, 2, 27)),
        (date(2027, 3, 1), date(2028, 2, 29)),
    ],
)
def test_assessment_holds_for_twelve_months(assessed: date, last: date) -> None:
    assert last_day(assessed) == last


def test_it_ends_with_its_last_day_in_china() -> None:
    assert expires_at(date(2027, 11, 19)) == datetime(2027, 11, 19, 16, tzinfo=UTC)


def test_levels_are_the_numbers_of_the_classes() -> None:
    assert [level_of(name) for name in tolerance.CLASSES] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="not in tuple"):
        level_of("c6")


def test_third_of_a_day_is_refused() -> None:
    assert refusal([], DAY) is None
    assert refusal([DAY], DAY) is None
    assert refusal([DAY, DAY], DAY) == "assessments_today"
    assert refusal([DAY, DAY], DAY + timedelta(days=1)) is None


def test_ninth_in_twelve_months_is_refused() -> None:
    days = [DAY + timedelta(days=30 * n) for n in range(8)]
    assert refusal(days[:7], days[7]) is None
    assert refusal(days, date(2027, 11, 19)) == "assessments_this_year"
    assert refusal(days, date(2027, 11, 20)) is None  # the first one is a year old


def test_one_that_is_recorded_late_counts_where_it_was_made() -> None:
    days = [DAY + timedelta(days=10 * n) for n in range(8)]
    assert refusal(days, DAY - timedelta(days=30)) == "assessments_this_year"
    assert refusal(days, DAY - timedelta(days=365)) is None
    assert refusal(days, DAY - timedelta(days=296)) is None  # the eighth is then outside
    assert refusal(days, DAY - timedelta(days=294)) == "assessments_this_year"
