"""Discounting core and the life protection need by the capital-needs method (遗属需要法). Pure, exact, no I/O.

Money enters and leaves as integer fen. Between the two edges everything is a Decimal of 50 digits in a context of
its own, so no caller's context and no float can change a result; it is rounded half-up once, at the end.

What belongs where: `need` is what insurance of any kind would have to pay, so the family's own means (liquid
assets, spouse income, social benefits) are subtracted inside it and it is never below 0. Existing cover is
insurance already bought: it leaves the need alone and is subtracted for the gap only.
"""

import decimal
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol, cast, get_args

Timing = Literal["begin", "end"]
FirstPayment = Literal["today", "stated"]
Source = Literal["customer", "form_default", "agent"]
Sign = Literal["add", "subtract"]
Label = tuple[str, str]  # zh, en
Part = tuple["Step", Decimal]  # a line as shown, and its amount before rounding
MAX_RESULT_FEN = 2**53 - 1  # a phone's JSON numbers are exact only up to here
MAX_LUMPS = 50
_TRAPS = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation]
_CONTEXT = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=_TRAPS)
_LENIENT = decimal.Context(prec=50, traps=[])  # text that is no number becomes NaN, which _check refuses
_ZERO, _ONE = Decimal(0), Decimal(1)
_COUNTS = {"years": (0, 80), "months": (0, 60), "periods": (0, 960), "terms": (1, 960), "money": (0, 10**13)}
_RATES = {"rate": (Decimal("-0.05"), Decimal("0.20")), "share": (_ZERO, _ONE)}
_RATES["factor_rate"] = (Decimal("-0.25"), Decimal("0.30"))  # wider: the real rate of two legal rates fits in
_CHOICES: dict[str, tuple[str, ...]] = {"timing": get_args(Timing), "first_payment": get_args(FirstPayment)}
_KINDS = (
    {"emergency_months": "months", "survivor_share": "share", "timing": "timing", "first_payment": "first_payment"}
    | dict.fromkeys(("support_years", "years", "in_years"), "years")
    | dict.fromkeys(("expense_growth", "discount_rate", "growth"), "rate")
)
_ARGUMENT_KINDS = _KINDS | {"rate": "factor_rate", "growth": "factor_rate", "periods": "periods"}
_STREAMS = ("spouse_income", "parents_support", "social_benefits")
_UNITS = {"money": "fen", "rate": "per_year", "timing": "code", "first_payment": "code"}


class NeedsError(ValueError):
    """An input outside what the method is defined for; `code` is stable, `field` a dotted path, never the value."""

    def __init__(self, code: str, field: str) -> None:
        super().__init__(f"{field}: {code}")
        self.code, self.field = code, field


@contextmanager
def _exact() -> Iterator[None]:
    with decimal.localcontext(_CONTEXT):
        yield


def _check(field: str, kind: str, value: object) -> None:
    if kind in _CHOICES:
        if value not in _CHOICES[kind]:
            raise NeedsError("choice_unknown", field)
        return
    wire, code = (int, "not_integer") if kind in _COUNTS else (Decimal, "not_decimal")  # exact: no bool
    if value.__class__ is not wire or (isinstance(value, Decimal) and not value.is_finite()):
        raise NeedsError(code, field)
    low, high = _COUNTS[kind] if kind in _COUNTS else _RATES[kind]
    if not low <= cast("Decimal", value) <= high:
        raise NeedsError(f"{kind}_out_of_range", field)


def _check_arguments(**values: object) -> None:
    for name, value in values.items():
        _check(name, _ARGUMENT_KINDS.get(name, "money"), value)


def _geometric(ratio: Decimal, count: int) -> Decimal:
    """q + q² + … + qⁿ, term by term: unlike the closed form it has no hole at q = 1 and loses no digits near it."""
    return sum((ratio**k for k in range(1, count + 1)), _ZERO)


@_exact()
def round_fen(amount: Decimal) -> int:
    """Whole fen, half-up (ties away from zero): the last act of every calculation, never a middle one."""
    return int(amount.quantize(_ONE, decimal.ROUND_HALF_UP))


@_exact()
def real_rate(rate: Decimal, growth: Decimal) -> Decimal:
    """Real rate 实质报酬率 r = (1+i)/(1+g) - 1 (Fisher; never i - g). Both -0.25..0.30, else NeedsError."""
    _check_arguments(rate=rate, growth=growth)
    return (1 + rate) / (1 + growth) - 1


@_exact()
def annuity_factor(periods: int, rate: Decimal, timing: Timing) -> Decimal:
    """Present value of 1 a period, "end": a(n,i) = (1-(1+i)^-n)/i, n at i = 0; "begin" (annuity-due): a(n,i)(1+i).
    Periods 0..960, rate per period -0.25..0.30, else NeedsError. Source: standard financial mathematics."""
    return growing_annuity_factor(periods, rate, _ZERO, timing, "stated")


@_exact()
def growing_annuity_factor(
    periods: int, rate: Decimal, growth: Decimal, timing: Timing, first_payment: FirstPayment
) -> Decimal:
    """Present value of payments growing by g a period, per 1 of the amount named, for 0..960 periods.
    end + "stated": the amount is the payment at the end of period 1: (1-((1+g)/(1+i))^n)/(i-g), n/(1+i) if i = g.
    end + "today":  the amount is today's and has grown once by then: the same times (1+g).
    begin:          the first payment falls now and is today's amount either way: a(n,r)(1+r) at the real rate r.
    begin >= end for i >= 0 is sure for "stated", for "today" only while g <= i. Rates -0.25..0.30, else NeedsError.
    Source: standard financial mathematics ("today": the custom of Chinese planning examples).
    """
    _check_arguments(periods=periods, rate=rate, growth=growth, timing=timing, first_payment=first_payment)
    ratio = (1 + growth) / (1 + rate)
    grown_once = _geometric(ratio, periods)
    stated = grown_once / (ratio if timing == "begin" else 1 + growth)
    return grown_once if (timing, first_payment) == ("end", "today") else stated


@_exact()
def future_value_factor(periods: int, rate: Decimal, timing: Timing) -> Decimal:
    """Final value of saving 1 a period, FVIFA = ((1+i)^n - 1)/i, n at i = 0; "begin" times (1+i). Bounds as above."""
    _check_arguments(periods=periods, rate=rate, timing=timing)
    due = _geometric(1 + rate, periods)
    return due if timing == "begin" else due / (1 + rate)


@_exact()
def future_value(amount_fen: int, rate: Decimal, years: int) -> Decimal:
    """Unrounded fen C(1+i)^n of C = 0..10^13 fen after 0..80 years at -0.25..0.30; NeedsError otherwise."""
    _check_arguments(amount_fen=amount_fen, rate=rate, years=years)
    return amount_fen * (1 + rate) ** years


@_exact()
def present_value(amount_fen: int, rate: Decimal, growth: Decimal, years: int) -> Decimal:
    """Unrounded fen to hold today for a cost at today's price due in n years: C((1+g)/(1+i))^n. Bounds as above."""
    _check_arguments(amount_fen=amount_fen, rate=rate, growth=growth, years=years)
    return amount_fen * ((1 + growth) / (1 + rate)) ** years


@_exact()
def loan_payment(principal_fen: int, rate: Decimal, periods: int) -> Decimal:
    """Unrounded level payment (等额本息) P = L/a(n,j), L/n at j = 0; j per period, 1..960 periods, else NeedsError."""
    _check("principal_fen", "money", principal_fen)
    _check("periods", "terms", periods)
    return principal_fen / annuity_factor(periods, rate, "end")


@_exact()
def loan_balance(principal_fen: int, rate: Decimal, periods: int, paid: int) -> Decimal:
    """Unrounded balance after k of n level payments, B(k) = P·a(n-k,j), 0 <= k <= n; NeedsError otherwise."""
    _check("paid", "periods", paid)
    return loan_payment(principal_fen, rate, periods) * annuity_factor(periods - paid, rate, "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Fen a year for so many years, growing by `growth` a year, paid at the beginning or the end of each year."""

    yearly_fen: int
    years: int
    timing: Timing
    growth: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lump:
    """One cost at today's price in fen, due in `in_years` years, its price growing by `growth` a year."""

    cost_fen: int
    in_years: int
    growth: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeNeedInput:
    """Everything the capital-needs method reads; an instance outside the bounds cannot exist (NeedsError).
    Money 0..10^13 fen, rates -0.05..0.20, years 0..80, months 0..60, share 0..1 (the part of today's family
    expense the survivors go on spending), at most 50 education lumps. `emergency_months` counts the whole family
    expense. `first_payment` applies to every stream. `sources` says per dotted key who set a value; what nobody is
    recorded for is the agent's, because the record must not claim that the customer said it.
    """

    family_expense_fen: int
    survivor_share: Decimal
    support_years: int
    timing: Timing
    expense_growth: Decimal
    discount_rate: Decimal
    first_payment: FirstPayment
    spouse_income: Stream | None = None
    parents_support: Stream | None = None
    social_benefits: Stream | None = None
    education: tuple[Lump, ...] = ()
    mortgage_fen: int = 0
    other_debts_fen: int = 0
    final_expenses_fen: int = 0
    emergency_months: int = 0
    liquid_assets_fen: int = 0
    existing_cover_fen: int = 0
    sources: Mapping[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.education) > MAX_LUMPS:
            raise NeedsError("too_many", "education")
        for key, kind, value in _leaves(self):
            _check(key, kind, value)


@dataclass(frozen=True, slots=True)
class Assumption:
    """One value the result rests on, with its unit (fen, per_year, share, years, months, code) and who set it."""

    key: str
    value: int | str
    unit: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the calculation: `formula` in names, `substituted` in numbers, the amount rounded for display."""

    key: str
    label: Mapping[str, str]
    formula: str
    substituted: str
    numbers: Mapping[str, int | str]
    amount_fen: int
    sign: Sign


@dataclass(frozen=True, slots=True)
class LifeNeedResult:
    """Outcome in fen. The signed steps add up to `need_fen` exactly. `cover_ratio` is existing cover / need with 4
    places, rounded down so that "1.0000" is never said of a family with a gap; None where the need is 0."""

    need_fen: int
    existing_cover_fen: int
    gap_fen: int
    over_fen: int
    cover_ratio: str | None
    inputs: Mapping[str, object]
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    method_code: str = "capital_needs"
    method_version: str = "1.0.0"
    rounding: str = "half_up_fen_at_end"

    def to_json(self) -> dict[str, object]:
        """Plain dict of ints, strings, None, lists and dicts; rates are decimal strings, nothing is a float."""
        return cast("dict[str, object]", _plain(self))


def _leaves(node: LifeNeedInput | Stream | Lump, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    for name in (f.name for f in fields(node) if f.name != "sources"):
        value = getattr(node, name)
        if isinstance(value, tuple):
            for index, lump in enumerate(value):
                yield from _leaves(lump, f"{prefix}{name}.{index}.")
        elif isinstance(value, Stream):
            yield from _leaves(value, f"{prefix}{name}.")
        elif value is not None or name not in _STREAMS:
            yield f"{prefix}{name}", _KINDS.get(name, "money"), value


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return format(value + 0, "f")  # + 0 turns -0 into 0
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "sources"}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _step(key: str, label: Label, sign: Sign, template: str, numbers: Mapping[str, object], exact: Decimal) -> Part:
    if abs(exact) > MAX_RESULT_FEN:
        raise NeedsError("result_out_of_range", key)
    plain = _plain(numbers)
    names, values = template.replace("{", "").replace("}", ""), template.format(**plain)
    both, fen = {"zh": label[0], "en": label[1]}, round_fen(exact)
    return Step(key=key, label=both, formula=names, substituted=values, numbers=plain, amount_fen=fen, sign=sign), exact


def _stream(inp: LifeNeedInput, key: str, label: Label, sign: Sign, s: Stream, share: Decimal | None = None) -> Part:
    rate, first = inp.discount_rate, inp.first_payment
    factor = growing_annuity_factor(s.years, rate, s.growth, s.timing, first)
    numbers: dict[str, object] = {"yearly_fen": s.yearly_fen} | ({} if share is None else {"share": share})
    numbers["factor"] = factor.quantize(Decimal("1E-10"), decimal.ROUND_HALF_UP)  # to read; the amount uses all
    head = " × ".join(f"{{{name}}}" for name in numbers)
    numbers |= {"years": s.years, "rate": rate, "growth": s.growth, "timing": s.timing, "first_payment": first}
    template = head + "; {factor} = annuity({years}, {rate}, {growth}, {timing}, {first_payment})"
    return _step(key, label, sign, template, numbers, s.yearly_fen * (_ONE if share is None else share) * factor)


def _plain_step(key: str, label: Label, sign: Sign, amount_fen: int) -> Part:
    return _step(key, label, sign, "{amount_fen}", {"amount_fen": amount_fen}, Decimal(amount_fen))


def _lump(inp: LifeNeedInput, index: int, lump: Lump) -> Part:
    cost, rate, growth, years = lump.cost_fen, inp.discount_rate, lump.growth, lump.in_years
    label = (f"子女教育金 {index + 1}", f"Education cost {index + 1}")
    numbers = {"cost_fen": cost, "growth": growth, "rate": rate, "in_years": years}
    template = "{cost_fen} × ((1 + {growth}) / (1 + {rate}))^{in_years}"
    return _step(f"education.{index}", label, "add", template, numbers, present_value(cost, rate, growth, years))


def _parts(inp: LifeNeedInput) -> Iterator[Part]:
    expense, years = inp.family_expense_fen, inp.support_years
    living = Stream(yearly_fen=expense, years=years, timing=inp.timing, growth=inp.expense_growth)
    yield _stream(inp, "family_living", ("遗属生活费", "Family living"), "add", living, inp.survivor_share)
    if inp.parents_support is not None:
        yield _stream(inp, "parents_support", ("赡养父母", "Support of parents"), "add", inp.parents_support)
    yield from (_lump(inp, index, lump) for index, lump in enumerate(inp.education))
    yield _plain_step("mortgage", ("房贷余额", "Mortgage balance"), "add", inp.mortgage_fen)
    yield _plain_step("other_debts", ("其他负债", "Other debts"), "add", inp.other_debts_fen)
    yield _plain_step("final_expenses", ("身后费用", "Final expenses"), "add", inp.final_expenses_fen)
    numbers = {"family_expense_fen": expense, "emergency_months": inp.emergency_months}
    template, reserve = "{family_expense_fen} × {emergency_months} / 12", Decimal(expense) * inp.emergency_months / 12
    yield _step("emergency_fund", ("应急金", "Emergency fund"), "add", template, numbers, reserve)
    yield _plain_step("liquid_assets", ("流动资产", "Liquid assets"), "subtract", inp.liquid_assets_fen)
    if inp.spouse_income is not None:
        yield _stream(inp, "spouse_income", ("配偶收入", "Spouse's income"), "subtract", inp.spouse_income)
    if inp.social_benefits is not None:
        yield _stream(inp, "social_benefits", ("社会保障给付", "Social benefits"), "subtract", inp.social_benefits)


def _steps(inp: LifeNeedInput) -> tuple[int, list[Step]]:
    """The need and its lines. Lines are rounded to be read, the total once: a line of its own shows the difference."""
    parts = list(_parts(inp))
    exact = sum((amount if step.sign == "add" else -amount for step, amount in parts), _ZERO)
    if abs(exact) > MAX_RESULT_FEN:
        raise NeedsError("result_out_of_range", "need_fen")
    steps, total = [step for step, _ in parts], round_fen(exact)
    difference = total - sum(step.amount_fen if step.sign == "add" else -step.amount_fen for step in steps)
    if difference:
        sign: Sign = "add" if difference > 0 else "subtract"
        steps.append(_plain_step("rounding", ("尾差调整", "Rounding difference"), sign, abs(difference))[0])
    if total < 0:
        steps.append(_plain_step("floor", ("不低于零", "Not below zero"), "add", -total)[0])
    return max(0, total), steps


@_exact()
def life_need(inp: LifeNeedInput) -> LifeNeedResult:
    """Life protection need by the capital-needs method 遗属需要法, version 1.0.0, in fen.
    need = max(0, PV(expense × share) + PV(parents) + Σ PV(education) + mortgage + debts + final expenses
    + months/12 × expense - liquid assets - PV(spouse income) - PV(social benefits)), rounded half-up once;
    gap = max(0, need - existing cover). NeedsError("result_out_of_range") past 2^53 - 1 fen in a line or in all.
    Source: AFP worksheet of the method (items, timing), Garman & Forgue worksheet (the same sum less cover).
    """
    (need, steps), existing = _steps(inp), inp.existing_cover_fen
    gap, over = max(0, need - existing), max(0, existing - need)
    ratio = str((Decimal(existing) / need).quantize(Decimal("1E-4"), decimal.ROUND_DOWN)) if need else None
    listed = [
        Assumption(key, _plain(value), _UNITS.get(kind, kind), inp.sources.get(key, "agent"))
        for key, kind, value in _leaves(inp)  # a sum is an assumption only where nobody but the form gave it
        if kind != "money" or inp.sources.get(key) == "form_default"
    ]
    return LifeNeedResult(need, existing, gap, over, ratio, _plain(inp), tuple(listed), tuple(steps))


class EffectiveLike(Protocol):  # what a form's effective answers must offer; no import, domain modules stay apart
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def defaulted(self) -> Collection[str]: ...


def life_input_from_answers(effective: EffectiveLike, *, answered_by: Source = "customer") -> LifeNeedInput:
    """The method's input from the effective answers of form `needs.life` 1.x, whose link_ids are the field names here.
    A source is "form_default" where the form gave the value, else `answered_by`. NeedsError("missing", link_id), or any
    NeedsError of LifeNeedInput."""
    values, sources = effective.values, dict[str, Source]()

    def read(key: str, link_id: str, row: Mapping[str, Any] = values, at: str = "/answers") -> Any:
        if (value := row.get(link_id)) is None:
            raise NeedsError("missing", link_id)
        sources[key] = "form_default" if f"{at}/{link_id}" in effective.defaulted else answered_by
        kind = _KINDS.get(key.rpartition(".")[2])
        if kind == "share" and type(value) is int:
            return Decimal(value).scaleb(-4, _CONTEXT).normalize(_CONTEXT)  # basis points of 1
        return _LENIENT.create_decimal(value) if kind == "rate" and isinstance(value, str) else value

    def stream(name: str) -> Stream:
        parts = {part: read(f"{name}.{part}", f"{name}_{part}") for part in ("years", "timing", "growth")}
        return Stream(yearly_fen=read(f"{name}.yearly_fen", name), **parts)

    def lump(n: int, row: Mapping[str, Any]) -> Lump:
        key, at = f"education.{n}", f"/answers/children/{n}"
        cost, years = read(f"{key}.cost_fen", "cost", row, at), read(f"{key}.in_years", "years_until", row, at)
        return Lump(cost_fen=cost, in_years=years, growth=read(f"{key}.growth", "education_growth"))

    given: dict[str, Any] = {name: stream(name) for name in _STREAMS if values.get(name) is not None}
    given["education"] = tuple(lump(n, row) for n, row in enumerate(values.get("children", ())))
    scalars = [f.name for f in fields(LifeNeedInput) if f.name not in (*_STREAMS, "education", "sources")]
    given |= {name: read(name, name.removesuffix("_fen")) for name in scalars}
    return LifeNeedInput(**given, sources=sources)
