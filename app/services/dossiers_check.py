"""What a fact must be before it is recorded: rules that need its definition, or the eyes of the caller."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access
from app.access import Actor
from app.domain import dossier, fact_types, opportunity
from app.domain.fact_definitions import FactDefinition, ThirdPartyBasis
from app.errors import Invalid, Issue
from app.models.customers import Customer
from app.models.dossiers import FactSource, Teller

_LONGEST_REVIEW = timedelta(days=36_500)


def check_value(definition: FactDefinition, value: Any) -> None:
    """Invalid, with the place of everything that is not of the definition's shape."""
    issues = [Issue(code, pointer=f"/value{at}") for at, code in fact_types.check(definition.shape, value)]
    if not issues and definition.key == opportunity.STAGE:
        problem = opportunity.stage_problem(value)
        issues = [] if problem is None else [Issue(problem[1], pointer=f"/value{problem[0]}")]
    if issues:
        raise Invalid(issues=issues)


def check_days(observed_on: date | None, review_by: date | None, today: date) -> None:
    """Invalid for a day that cannot be; None was not sent."""
    issues = []
    code = None if observed_on is None else dossier.observation_issue(observed_on, today)
    if code is not None:
        issues.append(Issue(code, pointer="/observed_on"))
    if review_by is not None and not dossier.FIRST_DAY <= review_by <= today + _LONGEST_REVIEW:
        issues.append(Issue("out_of_range", pointer="/review_by"))
    if issues:
        raise Invalid(issues=issues)


def check_basis(definition: FactDefinition, basis: ThirdPartyBasis | None) -> None:
    """Invalid unless data about third persons, and only those, come with a basis the definition allows."""
    if basis is None and definition.bases:
        raise Invalid.at("/basis", "missing")
    if basis is not None and basis not in definition.bases:
        raise Invalid.at("/basis", "choice")


def check_teller(source: FactSource, teller: Teller | None) -> None:
    """Invalid unless exactly one of person and label is named, and nobody beside the customer himself."""
    if teller is None:
        return
    if (teller.customer_id is None) is (teller.label is None):
        raise Invalid.at("/teller", "one_of")
    if source is FactSource.customer:
        raise Invalid.at("/teller", "teller_of_customer")


async def check_parties(
    session: AsyncSession, actor: Actor, definition: FactDefinition, value: Any, teller: Teller | None
) -> None:
    """Invalid for every customer or contact that is named and that the caller does not see."""
    named = [(f"/value{at}", one) for at, one in fact_types.parties(definition.shape, value)]
    if teller is not None and teller.customer_id is not None:
        named.append(("/teller/customer_id", teller.customer_id))
    if not named:
        return
    seen = access.visible_customers(actor, shadows=None).where(
        col(Customer.id) == any_(literal([one for _, one in named], ARRAY(Uuid()))), col(Customer.deleted_at).is_(None)
    )
    known = {one.id for one in (await session.exec(seen)).all()}
    issues = [Issue("not_found", pointer=at) for at, one in named if one not in known]
    if issues:
        raise Invalid(issues=issues)
