"""Life cover of an earner: what those who are left would need, as an input of the capital-needs method. Pure."""

from decimal import Decimal

from app.domain import household_cover
from app.domain.annuities import round_fen
from app.domain.household_case import ADULT, Case, Listed, Plan, row_of
from app.domain.household_facts import Held
from app.domain.household_snapshot import Member
from app.domain.needs_inputs import Lump, Stream
from app.domain.needs_life import CapitalNeeds
from app.domain.needs_methods import Source

DEBTS = {"mortgage": "mortgage", "fund_mortgage": "mortgage"}
_HALF = Decimal("0.5")


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
    streams, lumps = Listed("streams"), Listed("lumps")
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
    told = CapitalNeeds(
        discount_rate=book.value("discount_rate"),
        streams=tuple(streams.parts),
        lumps=tuple(lumps.parts),
        assets_fen=assets.value + funds,
        existing_cover_fen=household_cover.total(counted),
    )
    own: dict[str, Source] = {"discount_rate": book.source("discount_rate"), "assets_fen": assets.source}
    own["existing_cover_fen"] = "customer"
    sources = own | streams.sources | lumps.sources
    return Plan(member.key, "life", "capital_needs", told, sources, tuple(counted))


def _living(case: Case, streams: Listed) -> None:
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
    left = max((ADULT - child.age for child in case.household.children), default=0)
    return int(max(0, min(left, case.book.value("support_years"))))


def _parents(case: Case, member: Member, streams: Listed) -> None:
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


def _schools(case: Case, streams: Listed) -> None:
    growth = case.book.value("education_growth")
    for child in case.household.children:
        row, n = row_of(case, child)
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


def _survivor(case: Case, member: Member, streams: Listed) -> None:
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


def _debts(case: Case, member: Member, lumps: Listed) -> None:
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
