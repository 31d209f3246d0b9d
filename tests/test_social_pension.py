"""Social insurance of old age: the three parts of a pension, and when it begins."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain import social_pension
from app.domain.needs_methods import MethodResult, calculate

D = Decimal
YUAN = 100


def figure(result: MethodResult, key: str) -> Any:
    return next(item.value for item in result.figures if item.key == key)


def test_social_pension_has_three_parts() -> None:
    told = social_pension.SocialPension(
        wage_base_fen=8_000 * YUAN, index=D("1.5"), contribution_months=366, account_balance_fen=139_000 * YUAN,
        deemed_months=60, transitional_rate=D("0.012"),
    )  # fmt: skip
    result = calculate("social_pension", told)
    parts = {step.key: step.amount_fen for step in result.steps}
    assert (parts["basic"], parts["account"], parts["transitional"]) == (305_000, 100_000, 72_000)
    assert (figure(result, "monthly_pension_fen"), result.resources_fen) == (477_000, 477_000)


@pytest.mark.parametrize(("age", "months", "rule", "divisor"), [
    (40, 0, "linear", "233"), (50, 0, "linear", "195"), (60, 0, "linear", "139"), (63, 0, "linear", "117"),
    (70, 0, "linear", "56"), (60, 6, "linear", "135.5"), (60, 6, "completed_years", "139"),
])  # fmt: skip
def test_divisor_is_that_of_the_table(age: int, months: int, rule: str, divisor: str) -> None:
    assert social_pension.divisor(age, months, rule) == D(divisor)


def test_table_of_divisors_falls_from_age_to_age() -> None:
    assert len(social_pension.DIVISORS) == 31
    months = [social_pension.DIVISORS[age] for age in range(40, 71)]
    assert months == sorted(months, reverse=True)


@pytest.mark.parametrize(("category", "born", "age", "on", "delay"), [
    ("man", "1964-12", (60, 0), (2024, 12), 0),
    ("man", "1965-01", (60, 1), (2025, 2), 1),
    ("man", "1965-04", (60, 1), (2025, 5), 1),
    ("man", "1965-05", (60, 2), (2025, 7), 2),
    ("man", "1976-08", (62, 11), (2039, 7), 35),
    ("man", "1976-09", (63, 0), (2039, 9), 36),
    ("man", "2009-01", (63, 0), (2072, 1), 36),
    ("woman_55", "1969-12", (55, 0), (2024, 12), 0),
    ("woman_55", "1970-01", (55, 1), (2025, 2), 1),
    ("woman_55", "1981-09", (58, 0), (2039, 9), 36),
    ("woman_50", "1975-01", (50, 1), (2025, 2), 1),
    ("woman_50", "1975-03", (50, 2), (2025, 5), 2),
    ("woman_50", "1984-11", (55, 0), (2039, 11), 60),
    ("woman_50", "2009-01", (55, 0), (2064, 1), 60),
])  # fmt: skip
def test_statutory_retirement_follows_the_published_table(
    category: str, born: str, age: tuple[int, int], on: tuple[int, int], delay: int
) -> None:
    year, month = map(int, born.split("-"))
    got = social_pension.retirement(category, year, month)
    assert ((got.age_years, got.age_months), (got.year, got.month), got.delay_months) == (age, on, delay)


def test_rules_nobody_confirmed_are_off_until_asked_for() -> None:
    told = social_pension.StatutoryRetirement(category="man", birth_year=2009, birth_month=1)
    plain = {item.key for item in calculate("statutory_retirement", told).figures}
    assert not plain & {"minimum_contribution_months", "flexible_months"}
    asked = replace(told, with_minimum_contribution=True, with_flexible_range=True)
    assert figure(calculate("statutory_retirement", asked), "minimum_contribution_months") == 240
    by_year = {year: social_pension.minimum_contribution_months(year) for year in (2029, 2030, 2038, 2039, 2050)}
    assert by_year == {2029: 180, 2030: 186, 2038: 234, 2039: 240, 2050: 240}
