"""Methods of health and accident cover, and the limit of minors' death cover.

No official formula exists for critical illness, medical and accident cover: these are rules of thumb, and say so.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from app.domain.annuities import NeedsError, Timing, annuity_factor
from app.domain.expression_tables import tables
from app.domain.needs_inputs import ONE, SOME, ZERO, Age, Inputs, Money, Multiple, Part, Rate, Share, Years
from app.domain.needs_worksheet import Worksheet, read

YUAN = 100
MINORS_LIMITS: Final = tables()["minors_death_limit@2016"].rows
"""Fen of death cover by age in completed years: the table forms look it up in, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalIllness(Inputs):
    """Years out of work after a severe illness. Rehabilitation is an amount, or a share of the treatment."""

    income_fen: Money
    years_out: Years = 5  # the five years of survival oncology counts
    income_share: Share = ONE
    treatment_fen: Money = 300_000 * YUAN  # paid by oneself
    rehabilitation_fen: Money | None = None
    rehabilitation_share: Share | None = None
    debt_service_fen: Money = 0  # a year
    discount_rate: Rate = ZERO
    timing: Timing = "begin"
    existing_cover_fen: Money = 0

    def verify(self) -> None:
        if self.rehabilitation_fen is not None and self.rehabilitation_share is not None:
            raise NeedsError("not_both", "rehabilitation_share")


REHABILITATION_SHARE = Decimal("0.30")


def critical_illness(inp: CriticalIllness, sheet: Worksheet) -> None:
    """重疾: self-paid treatment + rehabilitation + (income + debt service) × years out of work. Rule of thumb."""
    sheet.plain("need", "treatment", ("自费治疗", "Treatment paid by oneself"), inp.treatment_fen)
    label = ("康复费用", "Rehabilitation")
    if inp.rehabilitation_fen is None:
        share = REHABILITATION_SHARE
        if inp.rehabilitation_share is None:
            sheet.assume("rehabilitation_share", share, "share")
        else:
            share = inp.rehabilitation_share
        numbers: dict[str, Any] = {"treatment_fen": inp.treatment_fen, "rehabilitation_share": share}
        template = "{treatment_fen} × {rehabilitation_share}"
        sheet.line("need", "rehabilitation", label, template, numbers, inp.treatment_fen * share)
    else:
        sheet.plain("need", "rehabilitation", label, inp.rehabilitation_fen)
    factor = annuity_factor(inp.years_out, inp.discount_rate, inp.timing)
    terms = {"factor": read(factor), "years_out": inp.years_out, "rate": inp.discount_rate, "timing": inp.timing}
    tail = " × {factor}; {factor} = annuity({years_out}, {rate}, {timing})"
    numbers = {"income_fen": inp.income_fen, "income_share": inp.income_share} | terms
    label = ("收入损失", "Income lost")
    amount = inp.income_fen * inp.income_share * factor
    sheet.line("need", "income", label, "{income_fen} × {income_share}" + tail, numbers, amount)
    if inp.debt_service_fen:
        numbers, label = {"debt_service_fen": inp.debt_service_fen} | terms, ("还贷", "Debt service")
        sheet.line("need", "debt_service", label, "{debt_service_fen}" + tail, numbers, inp.debt_service_fen * factor)
    sheet.cover(inp.existing_cover_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap(Part):
    """An indemnity product: what it pays at most in a year."""

    cap_fen: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Medical(Inputs):
    """One severe year: the bill, what social insurance pays of it, what one carries oneself."""

    expected_bill_fen: Money = 1_000_000 * YUAN
    social_reimbursement: Share = Decimal("0.5")
    deductible_fen: Money = 10_000 * YUAN
    covers: Annotated[tuple[Cap, ...], SOME] = ()


def medical(inp: Medical, sheet: Worksheet) -> None:
    """医疗: bill × (1 - social reimbursement) - deductible, against the caps of the products held. Rule of thumb.

    Indemnity never pays twice: a cover without which the others would do is told (`repeat_cover`; 令2023-2 art. 28).
    """
    numbers: dict[str, Any] = {"expected_bill_fen": inp.expected_bill_fen, "reimbursed": inp.social_reimbursement}
    borne = inp.expected_bill_fen * (1 - inp.social_reimbursement)
    label = ("社保报销后自付", "Bill after social insurance")
    sheet.line("need", "bill", label, "{expected_bill_fen} × (1 - {reimbursed})", numbers, borne)
    sheet.plain("need", "deductible", ("免赔额自担", "Deductible"), inp.deductible_fen, "subtract")
    caps = [cover.cap_fen for cover in inp.covers]
    for index, cap in enumerate(caps):
        sheet.cover(cap, f"covers.{index}")
    wanted = max(ZERO, sheet.so_far("need"))
    beyond = max(ZERO, sum(caps) - wanted)
    if beyond:
        numbers, label = (
            {"caps": sum(caps), "bill": read(wanted)},
            ("超出费用部分不赔付", "Beyond the bill nothing is paid"),
        )
        sheet.covered -= sheet.line("resources", "beyond_bill", label, "{caps} - {bill}", numbers, beyond, "subtract")
    held = [cap for cap in caps if cap]
    if len(held) > 1 and sum(held) - min(held) >= wanted:
        sheet.find("repeat_cover", ("重复保障：费用补偿型不会重复赔付", "Repeat cover: indemnity does not pay twice"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accident(Inputs):
    """Death and disability by accident: the life need where it is known, else a multiple of the income."""

    income_fen: Money
    multiple: Multiple = Decimal(10)
    life_need_fen: Money | None = None
    medical_fen: Money = 20_000 * YUAN  # accident medical expense
    age: Age | None = None  # under 18 the death cover is limited
    occupation_class: Annotated[int, "occupation_class"] | None = None
    existing_cover_fen: Money = 0
    existing_medical_fen: Money = 0

    def idle(self) -> frozenset[str]:
        return frozenset() if self.life_need_fen is None else frozenset({"multiple"})


def accident(inp: Accident, sheet: Worksheet) -> None:
    """意外: up to the life need or 10 × income, for minors not above 保监发〔2015〕90号; accident medical
    stands beside. Rule of thumb. The occupational class 1-6 decides acceptance and price, not the need."""
    label = ("意外身故伤残", "Accidental death and disability")
    if inp.life_need_fen is None:
        numbers: dict[str, Any] = {"income_fen": inp.income_fen, "multiple": inp.multiple}
        sheet.line("need", "death", label, "{income_fen} × {multiple}", numbers, inp.income_fen * inp.multiple)
    else:
        sheet.plain("need", "death", label, inp.life_need_fen)
    limit = None if inp.age is None else limit_of_age(inp.age)
    above = ZERO if limit is None else sheet.so_far("need") - limit
    if limit is not None and above > 0:
        numbers, label = {"limit_fen": limit, "age": inp.age}, ("超过未成年人限额", "Above the limit of minors")
        sheet.line("need", "limit", label, "need - {limit_fen} (age {age})", numbers, above, "subtract")
        sheet.find("minor_limit", ("未成年人身故保额有限额", "Minors' death cover is limited"))
    sheet.cover(inp.existing_cover_fen)
    missing = max(0, inp.medical_fen - inp.existing_medical_fen)
    sheet.figure("medical_gap_fen", ("意外医疗缺口", "Gap of accident medical cover"), missing)
    if inp.occupation_class is not None:
        sheet.figure("occupation_class", ("职业类别", "Occupational class"), inp.occupation_class, "class")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinorsLimit(Inputs):
    """Death cover of one insured over all insurers. Not to be counted: premiums paid or cash value, cover for
    flying, cover for major natural disasters."""

    age: Age
    existing_cover_fen: Money = 0
    requested_cover_fen: Money = 0


def limit_of_age(age: int) -> int | None:
    """Fen of death cover allowed at an age in completed years: 20万 under 10, 50万 under 18, None from then on.
    Source: 保监发〔2015〕90号, in force 2016-01-01."""
    return MINORS_LIMITS.get(age)


def minors_limit(inp: MinorsLimit, sheet: Worksheet) -> None:
    """未成年人身故保额限额: what may still be bought, and whether what is held or asked for is too much."""
    limit = limit_of_age(inp.age)
    wanted = inp.existing_cover_fen + inp.requested_cover_fen
    if limit is None:
        sheet.find("no_limit", ("已满18周岁，不适用限额", "No limit from 18 years on"))
        return
    table = "{age} < 10: {under_10_fen}; {age} < 18: {under_18_fen}"
    numbers: dict[str, Any] = {"age": inp.age, "under_10_fen": MINORS_LIMITS[9], "under_18_fen": MINORS_LIMITS[17]}
    sheet.line("none", "limit", ("限额", "Limit"), table, numbers, limit)
    numbers = {"existing": inp.existing_cover_fen, "requested": inp.requested_cover_fen}
    label = ("已有与拟投保额", "Held and asked for")
    sheet.line("none", "wanted", label, "{existing} + {requested}", numbers, wanted)
    sheet.figure("limit_fen", ("限额", "Limit"), limit)
    sheet.figure("room_fen", ("剩余额度", "Still allowed"), max(0, limit - inp.existing_cover_fen))
    sheet.figure("excess_fen", ("超出额度", "Above the limit"), max(0, wanted - limit))
    if wanted > limit:
        sheet.find("above_limit", ("超过未成年人身故保额限额", "Above the limit of minors' death cover"))
