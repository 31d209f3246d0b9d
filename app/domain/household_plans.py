"""How a household's answers become the inputs of the methods: one plan for each insured and peril. Pure.

Every plan says who set each value of its input, by dotted path; what nobody set is the method's own default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain import household_cover, needs_goals, needs_health, needs_life
from app.domain.annuities import round_fen
from app.domain.household_cover import Counted, Cover
from app.domain.household_facts import Book, Held
from app.domain.household_snapshot import Household, Member
from app.domain.needs_inputs import Inputs, Lump, Part, Stream
from app.domain.needs_methods import Source
from app.domain.social_pension import retirement

ADULT, INDEPENDENT = 18, 18  # completed years; a child's severe illness is provided for until then
DEBTS = {"mortgage": "mortgage", "fund_mortgage": "mortgage"}
_HALF = Decimal("0.5")
_BILLS = {"special": 200_000_000, "private": 300_000_000, "abroad": 400_000_000}  # fen, by where one would be treated
_BILL = 100_000_000
_REIMBURSED = ("employee", "resident", "public")


@dataclass(frozen=True, slots=True)
class Plan:
    """One calculation to be done."""

    insured: str
    peril: str
    method: str
    inputs: Inputs
    sources: Mapping[str, Source]
    covers: tuple[Counted, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """All that the plans of one analysis are made from."""

    book: Book
    household: Household
    covers: tuple[Cover, ...]

    @property
    def as_of(self) -> date:
        return self.household.as_of

    def income(self, member: Member) -> int:
        """Yearly income in fen; children have none."""
        if member.role == "child":
            return 0
        return int(self.book.value("income_fen" if member.role == "self" else "spouse_income_fen"))

    def working_years(self, member: Member) -> Held:
        """Years until an adult stops working, 0 where that is past."""
        name = "retirement_age" if member.role == "self" else "spouse_retirement_age"
        age = self.book.settle(name, _statutory(self, member))
        return Held(min(80, max(0, age.value - member.age)), age.source)

    def other(self, member: Member) -> Member | None:
        """The other adult."""
        return self.household.find("spouse" if member.role == "self" else "self")


def _statutory(case: Case, member: Member) -> int:
    """The statutory age in completed years; 60 where the sex is not known (the form does not ask it of a spouse)."""
    kinds = {"male": "man", "female": "woman_55"}
    kind = kinds.get(str(case.book.facts.values.get("gender"))) if member.role == "self" else None
    return 60 if kind is None else retirement(kind, member.birth_date.year, member.birth_date.month).age_years


def _defaults(inputs: Part) -> dict[str, Source]:
    return dict.fromkeys((path for path, _, _ in inputs.leaves()), "method_default")


class _Listed:
    """Streams or lumps with who set what in each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Any] = []
        self.sources: dict[str, Source] = {}

    def add(self, part: Part, **sources: Source) -> None:
        at = f"{self.name}.{len(self.parts)}"
        self.sources |= {f"{at}.{member}": source for member, source in sources.items()}
        self.parts.append(part)


def plans(case: Case) -> Iterator[Plan]:
    """Every calculation of the household, member by member."""
    for member in case.household.members:
        if member.role == "child":
            yield from _child(case, member)
            continue
        if case.income(member):
            yield life(case, member)
        yield critical_illness(case, member)
        yield medical(case, member)
        yield accident(case, member)


def _child(case: Case, member: Member) -> Iterator[Plan]:
    row, n = _row(case, member)
    if row["education_goal"] != "none":
        yield education(case, member, row, n)
    yield critical_illness(case, member)
    yield medical(case, member)
    yield accident(case, member)
    death = household_cover.held(case.covers, member.key, "life", "accident")
    if member.age < ADULT and any(cover.peril == "life" for cover in death):
        counted = tuple(map(household_cover.whole, death))  # the limit counts every death benefit
        told = needs_health.MinorsLimit(age=member.age, existing_cover_fen=household_cover.total(list(counted)))
        sources: dict[str, Source] = {"age": "customer", "existing_cover_fen": "customer"}
        yield Plan(member.key, "life", "minors_limit", told, sources, counted)


def _row(case: Case, member: Member) -> tuple[Mapping[str, Any], int]:
    n = int(member.key.partition(".")[2])
    return case.book.facts.rows("children")[n], n


# --- life ------------------------------------------------------------------------------------------------------


def debt_share(case: Case, member: Member) -> Decimal:
    """The part of joint debts one earner answers for: his income in that of both."""
    other = case.other(member)
    if other is None:
        return Decimal(1)
    own, both = case.income(member), case.income(member) + case.income(other)
    return Decimal(own) / both if both else _HALF


def life(case: Case, member: Member) -> Plan:
    """Capital needs of those who would be left if this earner died: their living while there is a family, support of
    parents, every child's education, debts, last expenses; against the survivor's income and money at hand.
    """
    book = case.book
    streams, lumps = _Listed("streams"), _Listed("lumps")
    _living(case, streams)
    _parents(case, member, streams)
    _schools(case, streams)
    _survivor(case, member, streams)
    _debts(case, member, lumps)
    months, monthly = book.value("emergency_months"), book.value("living_monthly_fen")
    final = book.settle("final_expenses_fen", 6 * monthly)
    lumps.add(Lump(kind="final_expenses", amount_fen=final.value), amount_fen=final.source)
    source = book.source("emergency_months")
    lumps.add(Lump(kind="emergency_fund", amount_fen=months * monthly), amount_fen=source)
    years = book.value("support_years")
    counted = [
        household_cover.weighted(one, case.as_of, years)
        for one in household_cover.held(case.covers, member.key, "life")
    ]
    assets, funds = liquid_assets(case), education_funds(case)
    told = needs_life.CapitalNeeds(
        discount_rate=book.value("discount_rate"),
        streams=tuple(streams.parts),
        lumps=tuple(lumps.parts),
        assets_fen=assets.value + funds,
        existing_cover_fen=household_cover.total(counted),
    )
    own: dict[str, Source] = {"discount_rate": book.source("discount_rate"), "assets_fen": assets.source}
    own["existing_cover_fen"] = "customer"
    sources = _defaults(told) | own | streams.sources | lumps.sources
    return Plan(member.key, "life", "capital_needs", told, sources, tuple(counted))


def _living(case: Case, streams: _Listed) -> None:
    """Nobody has to be provided for where nobody else is in the household."""
    book = case.book
    if len(case.household.members) == 1:
        return
    years, inflation = book.value("support_years"), book.value("inflation")
    terms: dict[str, Source] = {"years": book.source("support_years"), "growth": book.source("inflation")}
    basic = 12 * book.value("living_monthly_fen")
    basic += book.value("leisure_yearly_fen") + book.value("medical_yearly_fen")
    share = book.value("survivor_share")
    stream = Stream(kind="living", amount_fen=basic, years=years, share=share, growth=inflation)
    source = book.source("living_monthly_fen")
    streams.add(stream, **terms, share=book.source("survivor_share"), amount_fen=source)
    rent = 12 * book.value("rent_monthly_fen")
    if rent:
        stream = Stream(kind="rent", amount_fen=rent, years=years, growth=inflation)
        streams.add(stream, **terms, amount_fen=book.source("rent_monthly_fen"))
    school, left = book.value("schooling_yearly_fen"), _schooling_years(case)
    if school and left:
        stream = Stream(kind="schooling", amount_fen=school, years=left, growth=book.value("education_growth"))
        growth = book.source("education_growth")
        streams.add(stream, years="method_default", growth=growth, amount_fen=book.source("schooling_yearly_fen"))


def _schooling_years(case: Case) -> int:
    """Until the youngest child comes of age, and not longer than the family is looked after."""
    left = max((INDEPENDENT - child.age for child in case.household.children), default=0)
    return max(0, min(left, case.book.value("support_years")))


def _parents(case: Case, member: Member, streams: _Listed) -> None:
    book = case.book
    if not book.value("parents_support_fen"):
        return
    share = book.value("parents_support_share")
    if case.other(member) is None:
        share = Decimal(1)
    elif member.role == "spouse":
        share = 1 - share
    stream = Stream(
        kind="parents_support",
        amount_fen=book.value("parents_support_fen"),
        years=book.value("parents_support_years"),
        share=share,
        growth=book.value("inflation"),
    )
    streams.add(
        stream,
        amount_fen=book.source("parents_support_fen"),
        years=book.source("parents_support_years"),
        share=book.source("parents_support_share"),
        growth=book.source("inflation"),
    )


def _schools(case: Case, streams: _Listed) -> None:
    growth = case.book.value("education_growth")
    for child in case.household.children:
        row, n = _row(case, child)
        if row["education_goal"] == "none":
            continue
        stream = Stream(
            kind="education",
            amount_fen=row["education_cost_yearly"],
            years=row["education_years"],
            growth=growth,
            starts_in_years=max(0, row["education_start_age"] - child.age),
        )
        streams.add(
            stream,
            amount_fen="customer",
            years=case.book.facts.source("education_years", "children", n),
            starts_in_years=case.book.facts.source("education_start_age", "children", n),
            growth=case.book.source("education_growth"),
        )


def _survivor(case: Case, member: Member, streams: _Listed) -> None:
    """What goes on coming in: the other's income while he works, rents and interest."""
    book, other = case.book, case.other(member)
    support, source = book.value("support_years"), book.source("support_years")
    if other is not None and case.income(other):
        working = case.working_years(other)
        stream = Stream(
            kind="spouse_income", amount_fen=case.income(other), years=min(support, working.value), timing="end",
            growth=book.value("income_growth"), sign="resource",
        )  # fmt: skip
        name = "spouse_income_fen" if other.role == "spouse" else "income_fen"
        growth = book.source("income_growth")
        streams.add(stream, amount_fen=book.source(name), years=working.source, growth=growth)
    rents = book.value("rental_yearly_fen")
    if rents:
        stream = Stream(
            kind="other_income", amount_fen=rents, years=support, timing="end", growth=book.value("inflation"),
            sign="resource",
        )  # fmt: skip
        growth = book.source("inflation")
        streams.add(stream, amount_fen=book.source("rental_yearly_fen"), years=source, growth=growth)


def _debts(case: Case, member: Member, lumps: _Listed) -> None:
    """His own debts, and of joint ones the part of his income; alone he answers for all of them."""
    share = debt_share(case, member)
    for row in case.book.facts.rows("debts"):
        owner = row["debt_owner"] if case.other(member) is not None else member.role
        part = share if owner == "joint" else Decimal(owner == member.role)
        amount = round_fen(row["debt_balance"] * part)
        if amount:
            kind = DEBTS.get(row["debt_kind"], "debts")
            lumps.add(Lump(kind=kind, amount_fen=amount), amount_fen="customer")


def liquid_assets(case: Case) -> Held:
    """Money at hand: cash, deposits, bonds, shares; neither savings for old age nor property."""
    told = [case.book.facts.values.get(name) for name in ("cash", "deposits", "bonds", "equities")]
    known = [amount for amount in told if amount is not None]
    return case.book.settle("liquid_assets_fen", sum(known), "customer" if known else "method_default")


def education_funds(case: Case) -> int:
    """What is put aside for the children's education, in fen."""
    return sum(row.get("education_fund", 0) for row in case.book.facts.rows("children"))


# --- health and accident ---------------------------------------------------------------------------------------


def critical_illness(case: Case, member: Member) -> Plan:
    """Treatment, recovery, and the member's own income while he cannot work. Debts are paid from that income."""
    book = case.book
    if member.role == "child":
        horizon = max(0, INDEPENDENT - member.age)
    else:
        horizon = case.working_years(member).value
    counted = [
        household_cover.weighted(one, case.as_of, horizon)
        for one in household_cover.held(case.covers, member.key, "critical_illness")
    ]
    told = needs_health.CriticalIllness(
        income_fen=case.income(member),
        years_out=book.value("recovery_years"),
        treatment_fen=book.value("treatment_fen"),
        rehabilitation_share=book.value("rehabilitation_share"),
        existing_cover_fen=household_cover.total(counted),
    )
    own: dict[str, Source] = {
        "income_fen": "customer",
        "years_out": book.source("recovery_years"),
        "treatment_fen": book.source("treatment_fen"),
        "rehabilitation_share": book.source("rehabilitation_share"),
        "existing_cover_fen": "customer",
    }
    return Plan(member.key, "critical_illness", "critical_illness", told, _defaults(told) | own, tuple(counted))


def social_medical(case: Case, member: Member) -> str | None:
    """The kind of social medical insurance somebody has; None where nobody said."""
    if member.role == "child":
        return _row(case, member)[0].get("child_social_medical")
    told = case.book.facts.values.get("social_medical" if member.role == "self" else "spouse_social_medical")
    return None if told is None else str(told)


def medical(case: Case, member: Member) -> Plan:
    """A severe year where the customer would like to be treated. Social insurance pays half of a general ward's bill and
    nothing elsewhere, and nothing where nobody knows whether there is any."""
    book = case.book
    choice = book.facts.values.get("hospital_choice")
    bill = book.settle("medical_bill_fen", _BILLS.get(str(choice), _BILL))
    is_paid = choice in (None, "public") and social_medical(case, member) in _REIMBURSED
    set_here = book.find("social_reimbursement")
    share = Held(_HALF if is_paid else Decimal(0), "method_default") if set_here is None else set_here
    counted = tuple(map(household_cover.whole, household_cover.held(case.covers, member.key, "medical")))
    told = needs_health.Medical(
        expected_bill_fen=bill.value,
        social_reimbursement=share.value,
        deductible_fen=book.value("deductible_fen"),
        covers=tuple(needs_health.Cap(cap_fen=one.counted_fen) for one in counted),
    )
    own: dict[str, Source] = {
        "expected_bill_fen": bill.source,
        "social_reimbursement": share.source,
        "deductible_fen": book.source("deductible_fen"),
    }
    own |= {f"covers.{n}.cap_fen": "customer" for n in range(len(counted))}
    return Plan(member.key, "medical", "medical", told, _defaults(told) | own, counted)


def accident(case: Case, member: Member) -> Plan:
    """Ten incomes of an earner, a fixed sum for the others; minors within their limit."""
    book, income = case.book, case.income(member)
    counted = tuple(map(household_cover.whole, household_cover.held(case.covers, member.key, "accident")))
    given: dict[str, Any] = {"income_fen": income, "existing_cover_fen": household_cover.total(list(counted))}
    own: dict[str, Source] = {"income_fen": "customer", "existing_cover_fen": "customer", "age": "customer"}
    if income:
        given["multiple"] = book.value("accident_multiple")
        own["multiple"] = book.source("accident_multiple")
    else:
        given["life_need_fen"] = book.value("accident_base_fen")
        own["life_need_fen"] = book.source("accident_base_fen")
    kind = {"self": "occupation_class", "spouse": "spouse_occupation_class"}.get(member.role)
    told_class = None if kind is None else book.facts.values.get(kind)
    if told_class is not None:
        given["occupation_class"], own["occupation_class"] = int(str(told_class)[-1]), "customer"
    told = needs_health.Accident(age=member.age, **given)
    return Plan(member.key, "accident", "accident", told, _defaults(told) | own, counted)


# --- education -------------------------------------------------------------------------------------------------


def education(case: Case, member: Member, row: Mapping[str, Any], n: int) -> Plan:
    """One child's education, valued today like every other need, less what is put aside and education annuities."""
    book, facts = case.book, case.book.facts
    first, years = max(0, row["education_start_age"] - member.age), row["education_years"]
    counted = [
        Counted(one, one.sum_fen * paid, Decimal(paid))
        for one in household_cover.held(case.covers, member.key, "education")
        if (paid := _paid_years(one, case.as_of, first, years)) or one.until is not None
    ]
    told = needs_goals.Education(
        stages=(needs_goals.EducationStage(yearly_cost_fen=row["education_cost_yearly"], in_years=first, years=years),),
        fund_fen=row.get("education_fund", 0),
        existing_cover_fen=household_cover.total(counted),
        cost_growth=book.value("education_growth"),
        discount_rate=book.value("discount_rate"),
        valued_at="today",
    )
    own: dict[str, Source] = {
        "stages.0.yearly_cost_fen": "customer",
        "stages.0.in_years": facts.source("education_start_age", "children", n),
        "stages.0.years": facts.source("education_years", "children", n),
        "fund_fen": "customer",
        "existing_cover_fen": "customer",
        "cost_growth": book.source("education_growth"),
        "discount_rate": book.source("discount_rate"),
    }
    return Plan(member.key, "education", "education", told, _defaults(told) | own, tuple(counted))


def _paid_years(cover: Cover, as_of: date, first: int, years: int) -> int:
    """The years of the education a yearly benefit is paid in."""
    if cover.until is None:
        return years
    whole = household_cover.months_between(as_of, cover.until) // 12
    return max(0, min(years, whole - first + 1))
