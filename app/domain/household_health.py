"""Health and accident cover of every member, as inputs of the methods of the registry. Pure."""

from decimal import Decimal
from typing import Any

from app.domain import household_cover
from app.domain.household_case import ADULT, Case, Plan, row_of
from app.domain.household_facts import Held
from app.domain.household_snapshot import Member
from app.domain.needs_health import Accident, Cap, CriticalIllness, Medical, MinorsLimit, limit_of_age
from app.domain.needs_methods import Source

_BILLS = {"special": 200_000_000, "private": 300_000_000, "abroad": 400_000_000}  # fen, by where one would be treated
_BILL = 100_000_000
_REIMBURSED = ("employee", "resident", "public")
_HALF = Decimal("0.5")


def critical_illness(case: Case, member: Member) -> Plan:
    """Treatment, recovery, and the member's own income while he cannot work. Debts are paid from that income.

    Who has stopped working loses none: what he lives on comes whether he is well or ill.
    """
    book = case.book
    working = None if member.role == "child" else case.working_years(member)
    horizon = max(0, ADULT - member.age) if working is None else working.value
    out = Held(book.value("recovery_years"), book.source("recovery_years"))
    if working is not None and working.value < out.value:
        out = working
    counted = [
        household_cover.weighted(one, case.as_of, horizon)
        for one in household_cover.held(case.covers, member.key, "critical_illness")
    ]
    told = CriticalIllness(
        income_fen=case.income(member),
        years_out=out.value,
        treatment_fen=book.value("treatment_fen"),
        rehabilitation_share=book.value("rehabilitation_share"),
        existing_cover_fen=household_cover.total(counted),
    )
    own: dict[str, Source] = {
        "income_fen": "customer",
        "years_out": out.source,
        "treatment_fen": book.source("treatment_fen"),
        "rehabilitation_share": book.source("rehabilitation_share"),
        "existing_cover_fen": "customer",
    }
    return Plan(member.key, "critical_illness", "critical_illness", told, own, tuple(counted))


def social_medical(case: Case, member: Member) -> str | None:
    """The kind of social medical insurance somebody has; None where nobody said."""
    if member.role == "child":
        return row_of(case, member)[0].get("child_social_medical")
    told = case.book.facts.values.get("social_medical" if member.role == "self" else "spouse_social_medical")
    return None if told is None else str(told)


def medical(case: Case, member: Member) -> Plan:
    """A severe year where the customer would like to be treated. Social insurance pays half of a general ward's bill,
    nothing elsewhere, and nothing where nobody knows whether there is any."""
    book = case.book
    choice = book.facts.values.get("hospital_choice")
    bill = book.settle("medical_bill_fen", _BILLS.get(str(choice), _BILL))
    is_paid = choice in (None, "public") and social_medical(case, member) in _REIMBURSED
    set_here = book.find("social_reimbursement")
    share = Held(_HALF if is_paid else Decimal(0), "method_default") if set_here is None else set_here
    counted = tuple(map(household_cover.whole, household_cover.held(case.covers, member.key, "medical")))
    told = Medical(
        expected_bill_fen=bill.value,
        social_reimbursement=share.value,
        deductible_fen=book.value("deductible_fen"),
        covers=tuple(Cap(cap_fen=one.counted_fen) for one in counted),
    )
    own: dict[str, Source] = {
        "expected_bill_fen": bill.source,
        "social_reimbursement": share.source,
        "deductible_fen": book.source("deductible_fen"),
    }
    own |= {f"covers.{n}.cap_fen": "customer" for n in range(len(counted))}
    return Plan(member.key, "medical", "medical", told, own, counted)


def accident(case: Case, member: Member) -> Plan:
    """Ten incomes of somebody who works, a fixed sum for the others; minors within their limit."""
    book = case.book
    income = case.income(member) if member.role != "child" and case.working_years(member).value else 0
    counted = tuple(map(household_cover.whole, household_cover.held(case.covers, member.key, "accident")))
    given: dict[str, Any] = {"income_fen": income, "existing_cover_fen": household_cover.total(list(counted))}
    own: dict[str, Source] = {"income_fen": "customer", "existing_cover_fen": "customer", "age": "customer"}
    if income:
        given["multiple"] = book.value("accident_multiple")
        own["multiple"] = book.source("accident_multiple")
    else:
        base, limit = book.value("accident_base_fen"), limit_of_age(member.age)
        if limit is not None:  # all death cover counts against it
            life = household_cover.held(case.covers, member.key, "life")
            base = min(base, max(0, limit - sum(one.sum_fen for one in life)))
        given["life_need_fen"] = base
        own["life_need_fen"] = book.source("accident_base_fen")
    kind = {"self": "occupation_class", "spouse": "spouse_occupation_class"}.get(member.role)
    told_class = None if kind is None else book.facts.values.get(kind)
    if told_class is not None:
        given["occupation_class"], own["occupation_class"] = int(str(told_class)[-1]), "customer"
    told = Accident(age=member.age, **given)
    return Plan(member.key, "accident", "accident", told, own, counted)


def minor(case: Case, member: Member) -> Plan | None:
    """The legal limit of a minor's death cover, where there is any: every death benefit counts."""
    death = household_cover.held(case.covers, member.key, "life", "accident")
    if member.age >= ADULT or all(cover.peril != "life" for cover in death):
        return None
    counted = tuple(map(household_cover.whole, death))
    told = MinorsLimit(age=member.age, existing_cover_fen=household_cover.total(list(counted)))
    sources: dict[str, Source] = {"age": "customer", "existing_cover_fen": "customer"}
    return Plan(member.key, "life", "minors_limit", told, sources, counted)
