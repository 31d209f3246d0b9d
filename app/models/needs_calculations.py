"""Calculations of needs analysis without a record: one request class per method, one answer for all.

What a method is told is declared once, in `domain`; the wire class of its request follows from that declaration, with
the bounds, defaults and words of the document. Money is whole fen, whatever the currency; rates are decimal texts.
"""

import re
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args

from pydantic import BeforeValidator, Strict, StringConstraints, WithJsonSchema
from pydantic import Field as Bound
from pydantic_core import PydanticCustomError

from app.domain import annuities, needs_examples
from app.domain.needs_inputs import Member, Part, members
from app.domain.needs_methods import METHODS, Source, Standing
from app.domain.needs_worksheet import Of, Rounding, Sign
from app.models.base import WHOLE, Number, ResultFen, Wire
from app.models.forms import Label, LinkId

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,12})?")
_INTEGERS = {
    "money": "Whole fen (hundredths of the currency)",
    "years": "Years",
    "term_years": "Years",
    "pay_months": "Months beyond the whole years",
    "career_months": "Months",
    "age": "Completed years",
    "pension_age": "Completed years",
    "birth_year": "A year",
    "month": "A month of the year",
    "divisor": "Months",
    "occupation_class": "1 (office) to 6",
}
_DECIMALS = {
    "rate": "A year",
    "factor_rate": "A year",
    "loan_rate": "A year",
    "share": "A part of 1",
    "multiple": "Times",
    "factor": "A factor from a printed table",
    "index": "缴费指数",
    "transitional_rate": "By local rule",
}
_CHOICES = {
    "timing": "Payments at the beginning or the end of each year",
    "first_payment": "`stated`: the amount is the first payment itself. `today`: today's amount, which grows until "
    "the stream begins and is first paid unchanged. `grown`: today's amount, which grows until it is first paid: "
    "once, where that is the end of the first year",
    "sign": "Something to pay, or to pay it from",
    "payments": "Level payments a year, or a month",
    "rate_convention": "The monthly rate: `nominal` i/12, as Chinese mortgages quote it; `effective` (1+i)^(1/12)-1",
    "basis": "A share of the income for some years, or a multiple of it",
    "valued_at": "The day need and resources are valued at",
    "price": "Whether the amount is of today's price, or of that at retirement",
    "category": "Men, and women who before the reform retired at 55 or 50",
    "part_year_rule": "Divisor of an age between two years: that of the completed one, or in between",
}
_CHOICES |= dict.fromkeys(("income_timing", "expense_timing", "saving_timing"), _CHOICES["timing"])


def _only_decimal(value: Any) -> Any:
    """A rate is a text such as "0.035": a JSON number would be a binary fraction on the way."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not a text")
    if not _DECIMAL.fullmatch(value):
        raise PydanticCustomError("string_pattern_mismatch", "not a decimal")
    return Decimal(value)


def _single(member: Member) -> Any:
    """The wire type of a single value."""
    if member.kind == "choice":
        return Annotated[Literal[member.choices], Bound(description=_CHOICES[member.name])]
    if member.kind == "flag":
        return Annotated[bool, Strict()]
    if member.kind == "code":
        return Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_]*$")]
    if member.kind in annuities.COUNTS:
        first, last = annuities.COUNTS[member.kind]
        size: dict[str, Any] = {"format": "int64" if last > 2**31 - 1 else "int32"}
        return Annotated[
            int, Bound(ge=first, le=last, json_schema_extra=size, description=_INTEGERS[member.kind]), WHOLE
        ]
    low, high = annuities.RATES[member.kind]
    said = f"{_DECIMALS[member.kind]}, as a decimal text: {low} to {high}"
    shape = {"type": "string", "maxLength": 20, "pattern": f"^{_DECIMAL.pattern}$", "description": said}
    return Annotated[Decimal, BeforeValidator(_only_decimal), Bound(ge=low, le=high), WithJsonSchema(shape)]


_parts: dict[type[Part], type[Wire]] = {}


def _wire_part(part: type[Part]) -> type[Wire]:
    if part not in _parts:
        _parts[part] = _wire(f"Calculation{part.__name__}", part, {})
    return _parts[part]


def _typed(part: type[Part], member: Member) -> tuple[Any, Any]:
    """Annotation and default of one member."""
    item = next(item for item in fields(part) if item.name == member.name)
    if member.part is not None:
        within: Any = _wire_part(member.part)
        kind = Annotated[list[within], Bound(max_length=member.most)]
        return kind, Bound(default_factory=list) if item.default is not MISSING else Bound(min_length=1)
    if member.is_optional:
        return _single(member), Bound(default=None)  # may be left out, never null
    return _single(member), Bound() if item.default is MISSING else Bound(default=item.default)


def _wire(name: str, part: type[Part], more: dict[str, tuple[Any, Any]], **config: Any) -> type[Wire]:
    """A wire class with the members of a part of an input, after some of its own."""
    own: Any = part
    typed = more | {member.name: _typed(part, member) for member in members(own)}
    body: dict[str, Any] = {member: default for member, (_, default) in typed.items()}
    body["__annotations__"] = {member: annotation for member, (annotation, _) in typed.items()}
    body |= {"__module__": __name__, "__qualname__": name, "__doc__": part.__doc__}
    if config:
        body["model_config"] = {"extra": "forbid", **config}
    metaclass: Any = type(Wire)
    made: type[Wire] = metaclass(name, (Wire,), body)
    return made


_Currency = Annotated[str, StringConstraints(min_length=3, max_length=3, pattern=r"^[A-Z]{3}$")]
_SOURCES = {
    "type": "object",
    "description": "Who set an input, by its dotted path (`discount_rate`, `streams.0.growth`); else the caller did",
    "maxProperties": 500,
    "patternProperties": {r"^[a-z][a-z0-9_.]{0,99}$": {"type": "string", "enum": list(get_args(Source))}},
}
_COMMON: dict[str, tuple[Any, Any]] = {
    "currency": (_Currency, Bound(default="CNY", description="ISO 4217; repeated in the answer, nothing is converted")),
    "rounding": (Literal[get_args(Rounding)], Bound(default="half_up_fen", description="Of the totals, once")),
    # Taken as it comes: the service says which key is no input, without repeating it.
    "assumptions": (
        Annotated[dict[str, Any], Bound(max_length=500), WithJsonSchema(_SOURCES)], Bound(default_factory=dict),
    ),
}  # fmt: skip


def _request(code: str) -> type[Wire]:
    method = METHODS[code]
    name = "".join(part.title() for part in code.split("_")) + "Calculation"
    own: dict[str, tuple[Any, Any]] = {"method": (Literal[code], Bound(description=" · ".join(method.title)))}
    every = [example.body for example in needs_examples.EXAMPLES if example.body["method"] == code]
    examples = [body for index, body in enumerate(every) if body not in every[:index]]
    return _wire(name, method.inputs, own | _COMMON, json_schema_extra={"examples": examples})


REQUESTS: dict[str, type[Wire]] = {code: _request(code) for code in METHODS}
"""The wire class of every method."""

if TYPE_CHECKING:

    class NeedsCalculation(Wire):
        """What every request has; each method adds its own members."""

        method: str
        currency: str
        rounding: Rounding
        assumptions: dict[str, Any]

else:
    # `X | Y` cannot be written for as many types as there are methods.
    NeedsCalculation = Annotated[Union[tuple(REQUESTS.values())], Bound(discriminator="method")]  # noqa: UP007

_Text = Annotated[str, StringConstraints(max_length=400)]
_Long = Annotated[str, StringConstraints(max_length=2000)]
_Figure = Number | _Text
_Plain = bool | Number | _Text | None
_Parts = Annotated[dict[LinkId, _Plain], Bound(max_length=15)]


class CalculationAssumption(Wire):
    """A value the result rests on, with its unit and who set it; `method_default`: nobody did."""

    key: _Text
    value: _Figure
    unit: _Text
    source: Source


_FORMULA = (
    "In the names of `numbers`. `annuity(n, i[, growth], timing[, first_payment[, starts_in]])`: present value of 1 a "
    "period for n periods at the rate i, paid at their end and level where nothing is said. `FVIFA(n, i, timing)`: "
    "what 1 a year grows to. `table(…)`: 计发月数 of 国发〔2005〕38号. `need`: the sum of the lines above. x div y: "
    "whole times only"
)


class CalculationLine(Wire):
    """One line of the worksheet: an amount in fen that belongs to a total (`of`), or a figure on the way (`none`)."""

    key: _Text
    label: Label
    formula: _Text = Bound(description=_FORMULA)
    substituted: _Long
    numbers: dict[LinkId, _Figure] = Bound(max_length=30)
    amount_fen: Number | None
    value: _Text | None
    unit: _Text
    of: Of
    sign: Sign


class CalculationFigure(Wire):
    """A result beside the totals, such as a monthly saving; money in fen, all else as a text or a whole number."""

    key: _Text
    label: Label
    value: _Figure
    unit: _Text


class CalculationFinding(Wire):
    """Something to be told."""

    code: _Text
    label: Label


class NeedsCalculationPublic(Wire):
    """The result of a method: totals in fen (null where the method states none), and how they came about.

    The signed steps of the need add up to `need_fen`, those of the resources to `resources_fen`.
    """

    method: _Text
    method_version: _Text
    title: Label
    standing: Standing
    currency: _Currency
    rounding: Rounding
    need_fen: ResultFen | None
    resources_fen: ResultFen | None
    existing_cover_fen: ResultFen | None = Bound(description="The part of the resources that is insurance")
    gap_fen: ResultFen | None
    over_fen: ResultFen | None = Bound(description="Cover beyond the need")
    cover_ratio: _Text | None
    figures: list[CalculationFigure] = Bound(max_length=20)
    findings: list[CalculationFinding] = Bound(max_length=20)
    inputs: dict[LinkId, _Plain | Annotated[list[_Parts], Bound(max_length=50)]] = Bound(max_length=40)
    assumptions: list[CalculationAssumption] = Bound(max_length=1000)
    steps: list[CalculationLine] = Bound(max_length=200)
