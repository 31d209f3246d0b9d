"""The worksheet of a calculation: lines a person can follow, and the totals they add up to.

Every line keeps its exact amount; a line is rounded only to be read, a total once, and where the two differ a line of
its own says so. Need and resources are added up apart: `need - resources` is the gap, or nothing.
"""

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from app.domain.annuities import NeedsError, growing_annuity_factor, loan_balance, monthly_rate, round_fen
from app.domain.needs_inputs import Loan, Lump, Stream

Label = tuple[str, str]  # zh, en
Sign = Literal["add", "subtract"]
Of = Literal["need", "resources", "none"]
Rounding = Literal["half_up_fen", "half_up_yuan"]
MAX_RESULT_FEN = 2**53 - 1  # a phone's JSON numbers are exact only up to here
STEP_OF = {"half_up_fen": 1, "half_up_yuan": 100}

_ZERO, _ONE = Decimal(0), Decimal(1)
_READ = Decimal("1E-10")  # places of a factor as it is shown; the amount uses all
_COVER: Label = ("现有保障", "Existing cover")
KINDS: dict[str, Label] = {
    "living": ("遗属生活费", "Family living"),
    "parents_support": ("赡养父母", "Support of parents"),
    "education": ("子女教育金", "Education"),
    "final_expenses": ("身后费用", "Final expenses"),
    "emergency_fund": ("应急金", "Emergency fund"),
    "readjustment": ("调整期费用", "Readjustment period"),
    "debts": ("其他负债", "Other debts"),
    "mortgage": ("房贷余额", "Mortgage balance"),
    "rent": ("房租", "Rent"),
    "schooling": ("上学托育", "School and child care"),
    "income": ("收入", "Income"),
    "spouse_income": ("配偶收入", "Spouse's income"),
    "other_income": ("房租利息等收入", "Rents, interest and the like"),
    "social_benefits": ("社会保障给付", "Social benefits"),
    "social_pension": ("社会养老金", "Social pension"),
    "enterprise_annuity": ("企业年金", "Occupational pension"),
    "other_pension": ("其他养老金", "Other pensions"),
    "spouse_pension": ("配偶养老金", "Spouse's pension"),
    "pension_policy": ("商业养老年金", "Pension annuity"),
    "other": ("其他", "Other"),
}


def words(label: Label) -> dict[str, str]:
    """A label as JSON."""
    return {"zh": label[0], "en": label[1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line. `formula` in names, `substituted` in numbers; it gives an amount in fen, or a value with its unit.

    `of`: the total it belongs to, with its sign; "none": a figure on the way, or beside.
    """

    key: str
    label: Label
    formula: str
    substituted: str
    numbers: Mapping[str, int | str]
    amount_fen: int | None
    value: str | None
    unit: str
    of: Of
    sign: Sign

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key, "label": words(self.label), "formula": self.formula, "substituted": self.substituted,
            "numbers": self.numbers, "amount_fen": self.amount_fen, "value": self.value, "unit": self.unit,
            "of": self.of, "sign": self.sign,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A result that is neither need nor resources: a monthly saving, a limit, an age. Money in whole fen."""

    key: str
    label: Label
    value: int | str
    unit: str

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "label": words(self.label), "value": self.value, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be told: a limit that is passed, a cover that is there twice."""

    code: str
    label: Label

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "label": words(self.label)}


def text(value: Decimal) -> str:
    """A decimal in digits, without exponent, without trailing zeros, never "-0"."""
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def _plain(value: Any) -> int | str:
    return text(value) if isinstance(value, Decimal) else value if isinstance(value, int | str) else str(value)


def read(value: Decimal) -> Decimal:
    """A factor or rate as it is shown, with ten places."""
    return value.quantize(_READ, decimal.ROUND_HALF_UP)


@dataclass(slots=True)
class Worksheet:
    """Lines in the order they were written. Raises NeedsError("result_out_of_range") past 2^53 - 1 fen in any."""

    rounding: Rounding = "half_up_fen"
    steps: list[Step] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    assumed: list[tuple[str, int | str, str]] = field(default_factory=list)
    covered: Decimal = _ZERO  # the part of the resources that is insurance
    _exact: dict[Of, Decimal] = field(default_factory=lambda: {"need": _ZERO, "resources": _ZERO, "none": _ZERO})

    def line(
        self, of: Of, key: str, label: Label, template: str, numbers: Mapping[str, Any], exact: Decimal | int,
        sign: Sign = "add",
    ) -> Decimal:  # fmt: skip
        """A line of money; returns its exact amount. `template` names the numbers in braces."""
        exact = Decimal(exact)
        if abs(exact) > MAX_RESULT_FEN:
            raise NeedsError("result_out_of_range", key)
        self._write(of, key, label, template, numbers, round_fen(exact), None, "fen", sign)
        self._exact[of] += exact if sign == "add" else -exact
        return exact

    def value(
        self, key: str, label: Label, template: str, numbers: Mapping[str, Any], value: Decimal | int | str, unit: str
    ) -> None:
        """A line that gives no money: a rate, a factor, an age."""
        told = _plain(read(value) if isinstance(value, Decimal) else value)
        self._write("none", key, label, template, numbers, None, str(told), unit, "add")

    def _write(
        self, of: Of, key: str, label: Label, template: str, numbers: Mapping[str, Any], amount: int | None,
        value: str | None, unit: str, sign: Sign,
    ) -> None:  # fmt: skip
        plain = {name: _plain(number) for name, number in numbers.items()}
        formula, substituted = template.replace("{", "").replace("}", ""), template.format(**plain)
        self.steps.append(
            Step(
                key=key, label=label, formula=formula, substituted=substituted, numbers=plain, amount_fen=amount,
                value=value, unit=unit, of=of, sign=sign,
            )
        )  # fmt: skip

    def plain(self, of: Of, key: str, label: Label, amount_fen: int, sign: Sign = "add") -> None:
        """A line that is an amount as it was given; none where it is 0."""
        if amount_fen:
            self.line(of, key, label, "{amount_fen}", {"amount_fen": amount_fen}, amount_fen, sign)

    def cover(self, amount_fen: int, key: str = "existing_cover") -> None:
        """Insurance that is there already: a resource, and the only one that can be too much."""
        self.covered += amount_fen
        self.plain("resources", key, _COVER, amount_fen)

    def cover_due(self, amount_fen: int, rate: Decimal, years: int) -> None:
        """As `cover`, of a sum that is paid out only in so many years."""
        exact = amount_fen / (1 + rate) ** years
        numbers = {"amount_fen": amount_fen, "rate": rate, "years": years}
        if amount_fen:
            template = "{amount_fen} / (1 + {rate})^{years}"
            self.covered += self.line("resources", "existing_cover", _COVER, template, numbers, exact)

    def stream(self, key: str, stream: Stream, rate: Decimal) -> Decimal:
        """Present value of a stream, as a line of need or resources; returns the exact amount."""
        factor = growing_annuity_factor(
            stream.years, rate, stream.growth, stream.timing, stream.first_payment, stream.starts_in_years
        )
        numbers: dict[str, Any] = {"amount_fen": stream.amount_fen}
        if stream.share != 1:
            numbers["share"] = stream.share
        numbers["factor"] = read(factor)
        head = " × ".join(f"{{{name}}}" for name in numbers)
        terms = ("years", "growth", "timing", "first_payment", "starts_in_years")
        numbers |= {"rate": rate} | {name: getattr(stream, name) for name in terms}
        template = (
            f"{head}; {{factor}} = annuity({{years}}, {{rate}}, " + ", ".join(f"{{{t}}}" for t in terms[1:]) + ")"
        )
        of: Of = "need" if stream.sign == "need" else "resources"
        return self.line(of, key, label_of(stream.kind), template, numbers, stream.amount_fen * stream.share * factor)

    def lump(self, key: str, lump: Lump, rate: Decimal) -> None:
        """Present value of one amount due later, as a line of need or resources."""
        of: Of = "need" if lump.sign == "need" else "resources"
        if not lump.in_years:
            self.plain(of, key, label_of(lump.kind), lump.amount_fen)
            return
        numbers = {"amount_fen": lump.amount_fen, "growth": lump.growth, "rate": rate, "in_years": lump.in_years}
        exact = lump.amount_fen * ((1 + lump.growth) / (1 + rate)) ** lump.in_years
        template = "{amount_fen} × ((1 + {growth}) / (1 + {rate}))^{in_years}"
        self.line(of, key, label_of(lump.kind), template, numbers, exact)

    def loan(self, key: str, loan: Loan) -> Decimal:
        """What is still owed of a loan, as a line of the need; returns the exact amount."""
        monthly = loan.payments == "monthly"
        rate = monthly_rate(loan.rate, loan.rate_convention) if monthly else loan.rate
        periods = loan.years * (12 if monthly else 1)
        paid = loan.elapsed * 12 + loan.elapsed_months if monthly else loan.elapsed
        exact = loan_balance(loan.principal_fen, rate, periods, paid)
        numbers = {"principal_fen": loan.principal_fen, "rate": read(rate), "periods": periods, "paid": paid}
        numbers |= {"payments": loan.payments, "rate_convention": loan.rate_convention, "yearly_rate": loan.rate}
        template = "{principal_fen} / annuity({periods}, {rate}) × annuity({periods} - {paid}, {rate})"
        return self.line("need", key, ("贷款余额", "Loan balance"), template, numbers, exact)

    def figure(self, key: str, label: Label, value: Decimal | int | str, unit: str = "fen") -> None:
        """A result beside the totals; money is rounded as the totals are."""
        if unit == "fen":
            self.figures.append(Figure(key, label, self.rounded(Decimal(value), key), unit))
        else:
            told = read(value) if isinstance(value, Decimal) else value
            self.figures.append(Figure(key, label, _plain(told), unit))

    def assume(self, key: str, value: Decimal, unit: str) -> None:
        """A default of the method for something the input left open."""
        self.assumed.append((key, text(value), unit))

    def find(self, code: str, label: Label) -> None:
        """Something to be told."""
        self.findings.append(Finding(code, label))

    def so_far(self, of: Of) -> Decimal:
        """The exact sum of the lines of a total."""
        return self._exact[of]

    def rounded(self, exact: Decimal, key: str) -> int:
        """Money as it leaves: half-up, once."""
        if abs(exact) > MAX_RESULT_FEN:
            raise NeedsError("result_out_of_range", key)
        return round_fen(exact, STEP_OF[self.rounding])

    def total(self, of: Literal["need", "resources"]) -> int:
        """Close a total: rounded once, never below 0. Lines show what rounding and the floor make of their sum."""
        total = self.rounded(self._exact[of], f"{of}_fen")
        lines = (step for step in self.steps if step.of == of)
        shown = sum((s.amount_fen or 0) if s.sign == "add" else -(s.amount_fen or 0) for s in lines)
        if total != shown:
            sign: Sign = "add" if total > shown else "subtract"
            self.plain(of, f"{of}_rounding", ("尾差调整", "Rounding difference"), abs(total - shown), sign)
        if total < 0:
            self.plain(of, f"{of}_floor", ("不低于零", "Not below zero"), -total)
        return max(0, total)


def label_of(kind: str) -> Label:
    """The words for a kind of stream or cost; an unknown one is shown by its code."""
    zh, en = KINDS.get(kind, ("", ""))
    return (zh, en) if zh else (f"其他({kind})", f"Other ({kind})")
