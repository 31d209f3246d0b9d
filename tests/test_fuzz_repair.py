"""What the fuzzer sends as valid is valid."""

import string
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import forms, identity, lunar, names
from tests import fuzz_repair as repair
from tests.fuzz_needs import calculation

DIGITS_18 = st.text("0123456789", min_size=18, max_size=18)


@given(st.text(min_size=1, max_size=100))
def test_repaired_name_is_one(text: str) -> None:
    assert names.normalise_name(repair.name(text))


@given(st.from_regex(r"\A[+＋(（]?[0-9０-９][0-9０-９ ()（）－-]{4,28}\Z"))
def test_repaired_phone_can_be_called(text: str) -> None:
    assert identity.check_phone(repair.phone(text)).startswith("+")


@given(DIGITS_18)
def test_repaired_resident_id_is_one(text: str) -> None:
    assert identity.check_resident_id(repair.resident_id(text)).number


@given(st.text(string.ascii_letters + string.digits, min_size=18, max_size=18))
def test_repaired_uscc_is_one(text: str) -> None:
    assert identity.check_uscc(repair.uscc(text))


def test_what_is_right_stays_as_it_is() -> None:
    assert repair.resident_id("11010519491231002X") == "11010519491231002X"
    assert repair.uscc("91350100M000100Y43") == "91350100M000100Y43"
    assert repair.phone("13800138000") == "13800138000"
    assert repair.name("王永庆") == "王永庆"
    assert repair.birthday({"year": 1988, "month": 2, "day": 29}) == {
        "year": 1988, "month": 2, "day": 29, "calendar": "solar", "leap_month": False}  # fmt: skip
    assert repair.past_day("2025-02-28") == "2025-02-28"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "year": st.none() | st.integers(1850, 2150),
            "month": st.none() | st.integers(1, 12),
            "day": st.none() | st.integers(1, 31) | st.integers(1, 31).map(float),
            "calendar": st.sampled_from(["solar", "lunar"]),
            "leap_month": st.booleans(),
        },
    )
)
def test_repaired_birthday_exists(drawn: dict[str, Any]) -> None:
    parts: dict[str, Any] = {"year": None, "month": None, "day": None, **repair.birthday(drawn)}
    parts["day"] = None if parts["day"] is None else int(parts["day"])
    assert lunar.check_partial_date(lunar.PartialDate(**parts))


@given(st.dates())
def test_repaired_day_is_past(day: date) -> None:
    assert "1900-01-01" <= repair.past_day(day.isoformat()) <= "2026-01-01"


@pytest.mark.parametrize("complete", [True, False])
@given(drawn=st.dictionaries(st.text(max_size=3), st.integers()))
def test_made_answers_fit_the_form(drawn: dict[str, int], complete: bool) -> None:
    made = repair.answers("needs.life", drawn, complete=complete)
    assert forms.check_answers(repair.FORMS["needs.life"], made, complete=complete) == []
    assert repair.answers("needs.life", drawn, complete=complete) == made


REFUSED_BODIES: list[dict[str, Any]] = [
    {"method": "capital_needs", "discount_rate": "9.9", "assumptions": {"streams.0.growth": "agent"}},
    {"method": "capital_needs", "loans": [{"principal_fen": 1, "rate": "0.05", "years": 2, "elapsed": 9}]},
    {"method": "human_life_value", "income_fen": 1, "years": 1, "own_share": "0.3", "own_expense_fen": 1},
    {"method": "income_replacement", "income_fen": 1},
    {"method": "capital_retention", "yearly_need_fen": 10**13, "real_rate": "0.000000000001"},
    {"method": "debt_cover", "income_fen": 2, "household_income_fen": 0, "share": "1"},
    {"method": "education", "stages": [{"yearly_cost_fen": 1, "in_years": 60, "years": 30}]},
    {"method": "pension_gap", "years_to_retire": 1, "stages": [{"yearly_fen": 1, "years": 41}] * 2},
    {"method": "social_pension", "wage_base_fen": 1, "contribution_months": 9, "deemed_months": 9},
    {"method": "four_accounts", "assets_fen": 1, "growth_share": "0.4"},
    {"method": "affordability", "disposable_income_fen": 1, "amber_share": "0.05", "age_limit": 60},
]


@pytest.mark.parametrize("body", REFUSED_BODIES)
def test_calculation_is_mended_and_stays_of_its_method(body: dict[str, Any]) -> None:
    mended = calculation(body)
    assert mended["method"] == body["method"]
    assert calculation(mended) == mended
