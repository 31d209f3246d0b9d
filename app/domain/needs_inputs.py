"""What the methods of needs analysis are told: kinds of values, their bounds, and the parts several methods share.

A member's annotation says its kind, and the kind its bounds (`annuities`). The input of a method is checked whole when
it is made, so one outside the bounds cannot exist; its parts are checked with it, by their place in it.
"""

import types
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from app.domain import annuities
from app.domain.annuities import FirstPayment, NeedsError, RateConvention, Timing

Money = Annotated[int, "money"]
Years = Annotated[int, "years"]
TermYears = Annotated[int, "term_years"]
Months = Annotated[int, "months"]
Rate = Annotated[Decimal, "rate"]
RealRate = Annotated[Decimal, "factor_rate"]
LoanRate = Annotated[Decimal, "loan_rate"]
Share = Annotated[Decimal, "share"]
Multiple = Annotated[Decimal, "multiple"]
Factor = Annotated[Decimal, "factor"]
Flag = Annotated[bool, "flag"]
Code = Annotated[str, "code"]
Age = Annotated[int, "age"]
Side = Literal["need", "resource"]
ValuedAt = Literal["today", "retirement"]

ZERO, ONE = Decimal(0), Decimal(1)
THREE_PERCENT = Decimal("0.03")
MANY, SOME = 50, 20  # streams and single costs; loans, stages, covers

UNITS = {
    "money": "fen", "rate": "per_year", "factor_rate": "per_year", "loan_rate": "per_year", "share": "share",
    "multiple": "times", "factor": "factor", "index": "factor", "transitional_rate": "share", "years": "years",
    "term_years": "years", "age": "years", "pension_age": "years", "birth_year": "year", "months": "months",
    "pay_months": "months", "career_months": "months", "divisor": "months", "month": "month", "flag": "flag",
}  # fmt: skip
"""Unit of every kind of value; what is not here is a code."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an input: its kind, the choices of a code, whether it may be None, how many parts a list holds."""

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    is_optional: bool = False
    most: int = 0
    part: "type[Part] | None" = None


def _member(name: str, hint: Any) -> Member:
    is_optional = get_origin(hint) in (Union, types.UnionType)
    if is_optional:
        (hint,) = (choice for choice in get_args(hint) if choice is not type(None))
    if get_origin(hint) is Literal:
        return Member(name, "choice", get_args(hint), is_optional)
    kind, told = get_args(hint)
    if isinstance(told, int):
        return Member(name, "parts", most=told, part=get_args(kind)[0])
    return Member(name, told, (), is_optional)


@cache
def members(cls: Any) -> tuple[Member, ...]:
    """The members of an input class, read from its annotations once."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_member(item.name, hints[item.name]) for item in fields(cls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What stands inside an input: a stream, a loan. Checked with the input it stands in."""

    def leaves(self) -> "list[Leaf]":
        """Every single value that is given: its dotted path (`streams.0.growth`), its member, itself."""
        found: list[Leaf] = []
        self._collect("", found)
        return found

    def _collect(self, prefix: str, found: "list[Leaf]") -> None:
        own: Any = self.__class__
        for member in members(own):
            value = getattr(self, member.name)
            if member.kind == "parts":
                if len(value) > member.most:
                    raise NeedsError("too_many", f"{prefix}{member.name}")
                for index, part in enumerate(value):
                    part._collect(f"{prefix}{member.name}.{index}.", found)
            elif value is not None or not member.is_optional:
                found.append((f"{prefix}{member.name}", member, value))


Leaf = tuple[str, Member, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(Part):
    """The input of a method. Raises NeedsError when a value is outside its bounds, or does not go with another."""

    def __post_init__(self) -> None:
        for path, member, value in self.leaves():
            if member.kind != "choice":
                annuities.check(path, member.kind, value)
            elif value not in member.choices:
                raise NeedsError("choice_unknown", path)
        self.verify()

    def verify(self) -> None:
        """What single bounds cannot say."""

    def idle(self) -> frozenset[str]:
        """Members without effect beside the others as they are: no assumption of the result."""
        return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Part):
    """Fen a year for so many years. Defaults: begins now, paid at the beginning of each year, today's amount."""

    kind: Code
    amount_fen: Money
    years: Years
    share: Share = ONE  # the part of the amount that counts (生活费调整比例)
    growth: Rate = ZERO
    timing: Timing = "begin"
    first_payment: FirstPayment = "today"
    starts_in_years: Years = 0
    sign: Side = "need"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lump(Part):
    """One amount at today's price, due in so many years; its price grows until then."""

    kind: Code = "other"
    amount_fen: Money
    in_years: Years = 0
    growth: Rate = ZERO
    sign: Side = "need"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan(Part):
    """A level-payment loan 等额本息 of which `elapsed` years (and months) are paid.

    `payments`: once a year or every month; monthly the yearly rate is quoted as nominal (i/12, Chinese mortgages) or
    effective ((1+i)^(1/12)-1).
    """

    principal_fen: Money
    rate: LoanRate
    years: TermYears
    elapsed: Years = 0
    elapsed_months: Annotated[int, "pay_months"] = 0
    payments: Literal["yearly", "monthly"] = "yearly"
    rate_convention: RateConvention = "nominal"

    def check(self, place: str) -> None:
        """Raises NeedsError: more is paid than there was to pay, or months of a loan that is paid by the year."""
        if self.payments == "yearly" and self.elapsed_months:
            raise NeedsError("months_of_yearly_loan", f"{place}.elapsed_months")
        if 12 * self.elapsed + self.elapsed_months > 12 * self.years:
            raise NeedsError("out_of_range", f"{place}.elapsed")


def idle_of_loans(loans: tuple[Loan, ...]) -> frozenset[str]:
    """What only a monthly loan is asked, of those that are paid by the year."""
    yearly = (index for index, loan in enumerate(loans) if loan.payments == "yearly")
    return frozenset(f"loans.{index}.{name}" for index in yearly for name in ("elapsed_months", "rate_convention"))


def check_loans(loans: tuple[Loan, ...]) -> None:
    """Raises NeedsError: a loan that cannot be."""
    for index, loan in enumerate(loans):
        loan.check(f"loans.{index}")


Streams = Annotated[tuple[Stream, ...], MANY]
Lumps = Annotated[tuple[Lump, ...], MANY]
Loans = Annotated[tuple[Loan, ...], SOME]
