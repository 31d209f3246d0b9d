"""The discounting core, against published figures and exact fractions of our own."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import annuities
from app.domain.annuities import FirstPayment, NeedsError, Timing

D = Decimal
ZERO = D(0)
TIMINGS: tuple[Timing, ...] = ("begin", "end")
FIRST: tuple[FirstPayment, ...] = ("today", "grown", "stated")
YEARS = st.integers(0, 60)
RATES, GROWN = (st.integers(low, 2000).map(lambda basis: D(basis) / 10_000) for low in (-500, 0))


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(NeedsError) as caught:
        call()
    return caught.value.code, caught.value.field


def near(value: Decimal, printed: str, tolerance: str) -> bool:
    return abs(value - D(printed)) <= D(tolerance)


def paid_out(years: int, rate: str, growth: str, timing: str, first: str, starts_in: int = 0) -> Fraction:
    """Present value of 1, payment by payment in exact fractions: an oracle that shares no formula with the module."""
    i, g, total = Fraction(rate), Fraction(growth), Fraction(0)
    for year in range(years):
        due = starts_in + (year if timing == "begin" else year + 1)
        grown = {"stated": year, "today": starts_in + year, "grown": due}[first]
        total += (1 + g) ** grown / (1 + i) ** due
    return total


RATE_PAIRS = ["0.03 0.02", "0 0", "0 0.04", "0.04 0.04", "0.02 0.10", "-0.05 0.20", "0.2 -0.05"]


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("pair", RATE_PAIRS)
def test_growing_annuity_equals_payment_by_payment(timing: Timing, first: FirstPayment, pair: str) -> None:
    rate, growth = pair.split()
    for years, starts_in in ((0, 0), (1, 0), (2, 7), (33, 0), (80, 80)):
        factor = annuities.growing_annuity_factor(years, D(rate), D(growth), timing, first, starts_in)
        expected = paid_out(years, rate, growth, timing, first, starts_in)
        assert abs(Fraction(factor) - expected) <= expected / 10**40


def test_growing_annuity_next_to_equal_rates_keeps_its_digits() -> None:
    beside = annuities.growing_annuity_factor(40, D("0.05"), D("0.05") + D("1E-30"), "end", "stated")
    assert near(beside, str(D(40) / D("1.05")), "1E-26")


def test_real_rate_gives_printed_percentages_and_never_the_difference() -> None:
    for rate, growth, printed in (("0.06", "0.03", "2.9126"), ("0.08", "0.04", "3.8462"), ("0.06", "0.05", "0.9524")):
        assert (annuities.real_rate(D(rate), D(growth)) * 100).quantize(D("0.0001"), ROUND_HALF_UP) == D(printed)


def test_future_and_present_value_match_hand_calculation() -> None:
    assert annuities.future_value_factor(3, D("0.10"), "end") == D("3.31")
    assert annuities.future_value_factor(3, D("0.10"), "begin") == D("3.641")
    assert [annuities.future_value_factor(n, ZERO, "end") for n in (7, 0)] == [D(7), ZERO]
    assert annuities.present_value(10_816, D("0.04"), ZERO, 2) == 10_000
    assert near(annuities.present_value(100, D("0.03"), D("0.03"), 9), "100", "1E-40")


def test_loan_matches_known_payment_month_by_month_and_edges() -> None:
    payment = annuities.loan_payment(100_000_000, D("0.049") / 12, 360)
    assert annuities.round_fen(payment) == 530_727
    balance = D(100_000_000)
    for _ in range(120):
        balance = balance * (1 + D("0.049") / 12) - payment
    assert near(annuities.loan_balance(100_000_000, D("0.049") / 12, 360, 120), str(balance), "0.000001")
    assert annuities.loan_payment(1200, ZERO, 12) == 100
    assert annuities.loan_balance(1200, ZERO, 12, 5) == 700
    assert annuities.loan_balance(1200, D("0.01"), 12, 12) == 0


@pytest.mark.parametrize(("amount", "fen"), [("0.5", 1), ("1.5", 2), ("2.5", 3), ("2.4999999", 2), ("-0.5", -1)])
def test_round_fen_goes_half_up_not_half_even(amount: str, fen: int) -> None:
    assert annuities.round_fen(D(amount)) == fen


def test_tie_that_lost_its_last_digit_on_the_way_is_still_a_tie() -> None:
    """5392 fen in 192 payments, 30 of them left: 842.5 fen in fractions, 842.49… in any number of digits."""
    balance = annuities.loan_balance(5392, ZERO, 192, 162)
    assert annuities.round_fen(balance) == 843
    assert annuities.round_fen(-balance) == -843
    assert annuities.round_fen(D("842.4999999999999999")) == 842


def test_core_outside_its_bounds_is_refused() -> None:
    annuity: Any = annuities.annuity_factor
    assert refused(lambda: annuity(961, ZERO, "end")) == ("periods_out_of_range", "periods")
    assert refused(lambda: annuity(-1, ZERO, "end")) == ("periods_out_of_range", "periods")
    assert refused(lambda: annuity(True, ZERO, "end")) == ("not_integer", "periods")
    assert refused(lambda: annuity(1, D("0.31"), "end")) == ("factor_rate_out_of_range", "rate")
    assert refused(lambda: annuity(1, D("NaN"), "end")) == ("not_decimal", "rate")
    assert refused(lambda: annuity(1, 0.03, "end")) == ("not_decimal", "rate")
    assert refused(lambda: annuity(1, ZERO, "due")) == ("choice_unknown", "timing")
    assert refused(lambda: annuities.loan_payment(1, ZERO, 0)) == ("terms_out_of_range", "periods")
    assert refused(lambda: annuities.loan_balance(1, ZERO, 12, 13)) == ("periods_out_of_range", "periods")
    assert refused(lambda: annuities.future_value(10**13 + 1, ZERO, 1)) == ("money_out_of_range", "amount_fen")


def test_first_payment_conventions_differ_where_and_as_they_say() -> None:
    """One payment of 100 at 10 % growth and no discounting: what it is when it is paid."""
    paid = {
        (timing, first, starts_in): 100 * annuities.growing_annuity_factor(1, ZERO, D("0.1"), timing, first, starts_in)
        for timing in TIMINGS
        for first in FIRST
        for starts_in in (0, 1)
    }
    assert {key: str(value.normalize()) for key, value in paid.items() if value != 100} == {
        ("end", "grown", 0): "1.1E+2",
        ("begin", "today", 1): "1.1E+2",
        ("begin", "grown", 1): "1.1E+2",
        ("end", "today", 1): "1.1E+2",
        ("end", "grown", 1): "121",
    }


def test_monthly_rate_follows_its_convention() -> None:
    assert annuities.monthly_rate(D("0.06"), "nominal") == D("0.005")
    assert near((1 + annuities.monthly_rate(D("0.06"), "effective")) ** 12, "1.06", "1E-25")
    assert annuities.monthly_rate(ZERO, "effective") == 0


@settings(max_examples=60, deadline=None)
@given(YEARS, RATES, RATES)
def test_any_annuity_keeps_the_identities(n: int, i: Decimal, g: Decimal) -> None:
    """due = ordinary (1+i); FV = PV (1+i)^n; grown = stated (1+g); a loan is owed whole, then not at all."""

    def same(left: Decimal, right: Decimal) -> bool:
        return abs(left - right) <= max(abs(right), D(1)) * D("1E-22")  # of the 28 digits of the tests' own context

    ordinary, due = (annuities.annuity_factor(n, i, timing) for timing in ("end", "begin"))
    assert same(due, ordinary * (1 + i))
    assert same(annuities.future_value_factor(n, i, "end"), ordinary * (1 + i) ** n)
    stated, grown = (annuities.growing_annuity_factor(n, i, g, "end", first) for first in ("stated", "grown"))
    assert same(grown, stated * (1 + g))
    if i != g:
        assert same(stated * (i - g), 1 - ((1 + g) / (1 + i)) ** n)
    if n:
        assert same(annuities.loan_balance(10**8, i, n, 0), D(10**8))
        assert annuities.loan_balance(10**8, i, n, n) == 0


@settings(max_examples=60, deadline=None)
@given(YEARS, RATES, RATES, RATES, st.sampled_from(FIRST), st.sampled_from(TIMINGS))
def test_higher_rate_never_makes_a_present_value_larger(
    n: int, one: Decimal, other: Decimal, g: Decimal, first: FirstPayment, timing: Timing
) -> None:
    low, high = sorted((one, other))
    cheap, dear = (annuities.growing_annuity_factor(n, i, g, timing, first) for i in (high, low))
    assert cheap <= dear + dear * D("1E-25")


@settings(max_examples=40, deadline=None)
@given(YEARS, GROWN, RATES)
def test_any_annuity_begin_is_not_below_end_and_follows_the_real_rate(
    years: int, rate: Decimal, growth: Decimal
) -> None:
    begin = annuities.growing_annuity_factor(years, rate, growth, "begin", "stated")
    assert begin >= annuities.growing_annuity_factor(years, rate, growth, "end", "stated")
    real = annuities.real_rate(rate, growth)
    due = annuities.annuity_factor(years, real, "end") * (1 + real)
    assert abs(begin - due) <= begin * D("1E-25")
