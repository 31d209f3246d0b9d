"""Formulas in words: every formula a method writes has them, and its amounts are yuan."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.annuities import NeedsError
from app.domain.formula_words import NAMES, legible
from app.domain.needs_methods import METHODS, calculate
from tests.needs_inputs import inputs
from tests.proposals import household

CHINESE_WITHOUT = {"k"}


@pytest.mark.parametrize("code", METHODS)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_every_formula_of_every_method_has_words(code: str, data: st.DataObject) -> None:
    try:
        steps = calculate(code, data.draw(inputs(code))).steps
    except NeedsError:
        return
    for step in steps:
        told, with_numbers = legible(step.formula, step.substituted, 0)
        assert not set(re.findall("[A-Za-z_]+", told + with_numbers)) - CHINESE_WITHOUT, step.formula
        assert "_" not in "".join(legible(step.formula, step.substituted, 1))


@pytest.mark.parametrize(
    ("formula", "substituted", "zh", "en"),
    [
        ("income_fen × share", "4200050 × 0.7", ("年收入 × 比例", "42,000.50 × 0.7"),
         ("income × share", "42,000.50 × 0.7")),
        ("debts × (1 - share)", "89095812.7669481374 × (1 - 0.6)", ("负债合计 × (1 - 比例)", "890,958.13 × (1 - 0.6)"),
         ("debts in all × (1 - share)", "890,958.13 × (1 - 0.6)")),
        ("factor = annuity(years, timing)", "2 = annuity(2, begin)", ("系数 = 年金现值系数(年数, 收付时点)",
         "2 = 年金现值系数(2, 期初)"), ("factor = annuity factor(years, timing)", "2 = annuity factor(2, begin)")),
        ("need - limit_fen (age age)", "need - 20000000 (age 8)", ("需求 - 限额 (年龄 年龄)",
         "需求 - 200,000.00 (年龄 8)"), ("need - limit (age age)", "need - 200,000.00 (age 8)")),
    ],
)  # fmt: skip
def test_names_become_words_and_fen_become_yuan(
    formula: str, substituted: str, zh: tuple[str, str], en: tuple[str, str]
) -> None:
    assert (legible(formula, substituted, 0), legible(formula, substituted, 1)) == (zh, en)


@pytest.mark.parametrize(
    ("formula", "substituted"),
    [
        ("300,000 元", ""),
        ("income_fen × unheard_of", "1 × 2"),
        ("income_fen × share", "1 + 2"),
        ("", ""),
        ("收入", "12"),
    ],
)
def test_what_is_no_formula_of_a_worksheet_stays_as_it_is(formula: str, substituted: str) -> None:
    assert legible(formula, substituted, 0) == (formula, substituted)


def test_text_that_fits_in_many_ways_takes_no_longer() -> None:
    formula, substituted = "k.1" * 300, "1.1" * 300 + "!"
    assert legible(formula, substituted, 0) == (formula, substituted)


def test_words_are_in_both_languages() -> None:
    assert [name for name, (zh, en) in NAMES.items() if not zh or not en or (zh == en) is not (name == "k")] == []


def test_form_of_the_household_prints_no_name_of_a_program() -> None:
    steps = household().calculations[0].steps
    printed = [line for step in steps for line in legible(step.formula, step.substituted, 0)]
    assert not re.findall("[a-z]+_[a-z]+", " ".join(printed))
    assert printed[1].startswith("180,000.00 × 0.70 × 17.4939181348")
    assert printed[1].endswith("年金现值系数(20, 0.045, 0.03, 期初, 今日金额增长至首期)")
