"""The life protection need of form `needs.life` by the capital-needs method (遗属需要法). Pure, exact, no I/O.

Money enters and leaves as integer fen; between the two edges `annuities` calculates with full precision, and the
need is rounded half-up once, at the end.

What belongs where: `need` is what insurance of any kind would have to pay, so the family's own means (liquid
assets, spouse income, social benefits) are subtracted inside it and it is never below 0. Existing cover is
insurance already bought: it leaves the need alone and is subtracted for the gap only.
"""

import decimal
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol, cast

from app.domain import annuities
from app.domain.annuities import NeedsError as NeedsError  # said again: who completes a form catches it
from app.domain.annuities import Timing, growing_annuity_factor, present_value, round_fen

FirstPayment = Literal["today", "stated"]  # as the form asks: today's amount, grown by the first payment; or that one
Source = Literal["customer", "form_default", "agent"]
Sign = Literal["add", "subtract"]
Label = tuple[str, str]  # zh, en
Part = tuple["Step", Decimal]  # a line as shown, and its amount before rounding
MAX_RESULT_FEN = 2**53 - 1  # a phone's JSON numbers are exact only up to here
MAX_LUMPS = 50
_LENIENT = decimal.Context(prec=50, traps=[])  # text that is no number becomes NaN, which is refused
_ZERO, _ONE = Decimal(0), Decimal(1)
_FIRST: dict[str, annuities.FirstPayment] = {"today": "grown", "stated": "stated"}
_KINDS = (
    {"emergency_months": "months", "survivor_share": "share", "timing": "timing", "first_payment": "first_payment"}
    | dict.fromkeys(("support_years", "years", "in_years"), "years")
    | dict.fromkeys(("expense_growth", "discount_rate", "growth"), "rate")
)
_STREAMS = ("spouse_income", "parents_support", "social_benefits")
_UNITS = {"money": "fen", "rate": "per_year", "timing": "code", "first_payment": "code"}


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
            annuities.check(key, kind, _FIRST.get(str(value)) if kind == "first_payment" else value)


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
    factor = growing_annuity_factor(s.years, rate, s.growth, s.timing, _FIRST[first])
    numbers: dict[str, object] = {"yearly_fen": s.yearly_fen} | ({} if share is None else {"share": share})
    numbers["factor"] = factor.quantize(Decimal("1E-10"), decimal.ROUND_HALF_UP)  # to read; the amount uses all
    head = " × ".join(f"{{{name}}}" for name in numbers)
    numbers |= {"years": s.years, "rate": rate, "growth": s.growth, "timing": s.timing, "first_payment": _FIRST[first]}
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


@annuities.exact()
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
            return Decimal(value).scaleb(-4, _LENIENT).normalize(_LENIENT)  # basis points of 1
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
