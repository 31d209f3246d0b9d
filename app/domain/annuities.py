"""The discounting core: present and future values, annuities, loans. Pure, exact, no I/O.

Money enters as integer fen. From there everything is a Decimal of 50 digits in a context of its own, so no caller's
context and no float can change a result; who asks rounds half-up, once, at the end (`round_fen`).
"""

import decimal
import re
from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Literal, ParamSpec, TypeVar, cast, get_args

_P = ParamSpec("_P")
_T = TypeVar("_T")

Timing = Literal["begin", "end"]
FirstPayment = Literal["today", "grown", "stated"]
RateConvention = Literal["nominal", "effective"]
Bounds = tuple[Decimal | int, Decimal | int]

_TRAPS = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation]
_CONTEXT = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=_TRAPS)
_ZERO, _ONE = Decimal(0), Decimal(1)
_TIE = Decimal("1E-20")  # of a fen: what the 50 digits of a third or a twelfth left out on the way is less
_BESIDE_ONE = Decimal("0.0001")  # nearer to 1 than this the closed form of a sum would lose digits
# Integers and decimals a calculation may be given, by kind. `factor_rate`: wider, the real rate of two rates fits in.
COUNTS: dict[str, tuple[int, int]] = {
    "money": (0, 10**13),
    "years": (0, 80),
    "months": (0, 60),
    "periods": (0, 960),
    "terms": (1, 960),
    "term_years": (1, 80),
    "pay_months": (0, 11),  # months beyond whole years
    "career_months": (0, 720),
    "age": (0, 120),
    "pension_age": (40, 70),
    "divisor": (1, 480),
    "birth_year": (1925, 2100),
    "month": (1, 12),
    "occupation_class": (1, 6),
}
RATES: dict[str, tuple[Decimal, Decimal]] = {
    "rate": (Decimal("-0.05"), Decimal("0.20")),
    "share": (_ZERO, _ONE),
    "factor_rate": (Decimal("-0.25"), Decimal("0.30")),
    "loan_rate": (_ZERO, Decimal("0.30")),
    "multiple": (_ZERO, Decimal(100)),
    "factor": (_ZERO, Decimal(1000)),
    "index": (Decimal("0.6"), Decimal("3.0")),  # 缴费指数
    "transitional_rate": (Decimal("0.010"), Decimal("0.014")),
}
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
CHOICES: dict[str, tuple[str, ...]] = {
    "timing": get_args(Timing),
    "first_payment": get_args(FirstPayment),
    "rate_convention": get_args(RateConvention),
}
_FLAWS = {"flag": "not_boolean", "code": "choice_unknown"}
_ARGUMENTS = {
    "rate": "factor_rate", "growth": "factor_rate", "periods": "periods", "years": "years", "timing": "timing",
    "first_payment": "first_payment", "starts_in": "years",
}  # fmt: skip


class NeedsError(ValueError):
    """An input outside what the method is defined for; `code` is stable, `field` a dotted path, never the value."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(f"{field}: {code}")
        self.code, self.field = code, field


class exact:  # used as a decorator and after `with`
    """The context every calculation runs in: 50 digits, and floats are refused.

    One calculation calls hundreds of others, so what runs in it already is called as it is.
    """

    def __enter__(self) -> None:
        self._before = decimal.getcontext()
        decimal.setcontext(_CONTEXT)

    def __exit__(self, *raised: object) -> None:
        decimal.setcontext(self._before)

    def __call__(self, function: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(function)
        def inside(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            if decimal.getcontext() is _CONTEXT:
                return function(*args, **kwargs)
            with exact():
                return function(*args, **kwargs)

        return inside


def check(field: str, kind: str, value: object) -> None:
    """Refuse a value that is not of its kind: exact type (no bool for an integer, no float), finite, within bounds.

    Raises:
        NeedsError: `choice_unknown`, `not_integer`, `not_decimal`, or `{kind}_out_of_range`.
    """
    if kind in CHOICES:
        if value not in CHOICES[kind]:
            raise NeedsError("choice_unknown", field)
        return
    if kind in _FLAWS:
        fits = value.__class__ is bool if kind == "flag" else isinstance(value, str) and _CODE.fullmatch(value)
        if not fits:
            raise NeedsError(_FLAWS[kind], field)
        return
    wire, code = (int, "not_integer") if kind in COUNTS else (Decimal, "not_decimal")
    if value.__class__ is not wire or (isinstance(value, Decimal) and not value.is_finite()):
        raise NeedsError(code, field)
    low, high = COUNTS[kind] if kind in COUNTS else RATES[kind]
    if not low <= cast("Decimal", value) <= high:
        raise NeedsError(f"{kind}_out_of_range", field)


def _check_arguments(**values: object) -> None:
    for name, value in values.items():
        check(name, _ARGUMENTS.get(name, "money"), value)


def _geometric(ratio: Decimal, count: int) -> Decimal:
    """q + q² + … + qⁿ: the closed form, but next to q = 1, where it has a hole and loses digits, term by term."""
    if abs(ratio - 1) > _BESIDE_ONE:
        return ratio * (ratio**count - 1) / (ratio - 1)
    total, power = _ZERO, _ONE
    for _ in range(count):
        power *= ratio
        total += power
    return total


@exact()
def round_fen(amount: Decimal, step: int = 1) -> int:
    """Whole fen (or whole steps of 100: yuan), half-up (ties away from zero): the last act, never a middle one.

    A twelfth of a sum times six is half of it by the rules of fractions, but a little less in any number of digits:
    what is nearer to a tie than 1E-20 fen is one.
    """
    exactly = (amount / step).quantize(_TIE)
    return int(exactly.quantize(_ONE, decimal.ROUND_HALF_UP)) * step


@exact()
def real_rate(rate: Decimal, growth: Decimal) -> Decimal:
    """Real rate 实质报酬率 r = (1+i)/(1+g) - 1 (Fisher; never i - g). Both -0.25..0.30, else NeedsError."""
    _check_arguments(rate=rate, growth=growth)
    return (1 + rate) / (1 + growth) - 1


@exact()
def monthly_rate(rate: Decimal, convention: RateConvention) -> Decimal:
    """Rate a month of a yearly rate: "nominal" i/12 (as Chinese mortgages quote it), "effective" (1+i)^(1/12) - 1."""
    _check_arguments(rate=rate)
    check("rate_convention", "rate_convention", convention)
    return rate / 12 if convention == "nominal" else (1 + rate) ** (_ONE / 12) - 1


@exact()
def annuity_factor(periods: int, rate: Decimal, timing: Timing) -> Decimal:
    """Present value of 1 a period, "end": a(n,i) = (1-(1+i)^-n)/i, n at i = 0; "begin" (annuity-due): a(n,i)(1+i).
    Periods 0..960, rate per period -0.25..0.30, else NeedsError. Source: standard financial mathematics."""
    return growing_annuity_factor(periods, rate, _ZERO, timing, "stated")


@exact()
def growing_annuity_factor(
    periods: int, rate: Decimal, growth: Decimal, timing: Timing, first_payment: FirstPayment, starts_in: int = 0
) -> Decimal:
    """Present value, per 1 of the amount named, of payments that grow by g a period, for 0..960 periods.

    The first of them falls after `starts_in` = 0..80 periods ("begin") or at the end of the next one ("end"):
    "stated": the amount is that first payment.
    "grown":  the amount is today's and grows until it is first paid: C(1+g) at the end of period 1, C if paid now.
    "today":  the amount is today's and grows until the stream starts; it is first paid unchanged, C, even at the end
    of period 1. Without a deferral that is the number of "stated".
    end + stated: (1-((1+g)/(1+i))^n)/(i-g), n/(1+i) if i = g; end + grown: that times (1+g); begin: a(n,r)(1+r) at
    the real rate r. Rates -0.25..0.30, else NeedsError. Source: standard financial mathematics.
    """
    _check_arguments(periods=periods, rate=rate, growth=growth, timing=timing, first_payment=first_payment)
    _check_arguments(starts_in=starts_in)
    ratio = (1 + growth) / (1 + rate)
    paid = _geometric(ratio, periods)  # payments (1+g)^k at the end of period k
    paid /= ratio if timing == "begin" else (_ONE if first_payment == "grown" else 1 + growth)
    if starts_in:
        paid *= (1 / (1 + rate) if first_payment == "stated" else ratio) ** starts_in
    return paid


@exact()
def future_value_factor(periods: int, rate: Decimal, timing: Timing) -> Decimal:
    """Final value of saving 1 a period, FVIFA = ((1+i)^n - 1)/i, n at i = 0; "begin" times (1+i). Bounds as above."""
    _check_arguments(periods=periods, rate=rate, timing=timing)
    due = _geometric(1 + rate, periods)
    return due if timing == "begin" else due / (1 + rate)


@exact()
def future_value(amount_fen: int, rate: Decimal, years: int) -> Decimal:
    """Unrounded fen C(1+i)^n of C = 0..10^13 fen after 0..80 years at -0.25..0.30; NeedsError otherwise."""
    _check_arguments(amount_fen=amount_fen, rate=rate, years=years)
    return amount_fen * (1 + rate) ** years


@exact()
def present_value(amount_fen: int, rate: Decimal, growth: Decimal, years: int) -> Decimal:
    """Unrounded fen to hold today for a cost at today's price due in n years: C((1+g)/(1+i))^n. Bounds as above."""
    _check_arguments(amount_fen=amount_fen, rate=rate, growth=growth, years=years)
    return amount_fen * ((1 + growth) / (1 + rate)) ** years


@exact()
def loan_payment(principal_fen: int, rate: Decimal, periods: int) -> Decimal:
    """Unrounded level payment (等额本息) P = L/a(n,j), L/n at j = 0; j per period, 1..960 periods, else NeedsError."""
    check("principal_fen", "money", principal_fen)
    check("periods", "terms", periods)
    return principal_fen / annuity_factor(periods, rate, "end")


@exact()
def loan_balance(principal_fen: int, rate: Decimal, periods: int, paid: int) -> Decimal:
    """Unrounded balance after k of n level payments, B(k) = P·a(n-k,j), 0 <= k <= n; NeedsError otherwise."""
    check("paid", "periods", paid)
    return loan_payment(principal_fen, rate, periods) * annuity_factor(periods - paid, rate, "end")
