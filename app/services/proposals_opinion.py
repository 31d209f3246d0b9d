"""The match opinion on a proposal: what it is formed from, and what it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import envelopes, paging, reads
from app.access import Actor
from app.domain import proposal_facts, suitability, tolerance
from app.domain.dossier import china_date
from app.domain.product_catalogue import CATEGORIES
from app.domain.proposal_facts import Moment, Recommended
from app.domain.suitability import Reason, Thresholds, Verdict
from app.errors import Conflict, Invalid, Issue
from app.models.needs_analyses import NeedsAnalysis
from app.models.products import Product
from app.models.proposals import ProposalCreate, RecommendationCreate
from app.models.sales_rules import SalesRules
from app.models.tolerance_assessments import ToleranceAssessment
from app.models.users import User
from app.services import products, sales_rules, tolerance_assessments


@dataclass(frozen=True, slots=True)
class Basis:
    """The analysis a proposal rests on."""

    id: UUID
    customer_id: UUID
    created_at: datetime
    analysis: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opinion:
    """The verdict, and what of its ground is kept with the proposal."""

    verdict: Verdict
    recommended: tuple[Recommended, ...]
    products: dict[UUID, Product]
    tolerance: ToleranceAssessment | None
    agent: User
    assessed_at: datetime
    judged_by: dict[str, Any]


async def basis(session: AsyncSession, actor: Actor, needs_analysis_id: UUID) -> Basis:
    """The visible analysis, if anything can be recommended on its ground.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
        Conflict: `analysis_not_household`: one of form `needs.life`; `analysis_superseded`: there is a newer one;
            `analysis_retracted`: the answers it rests on were entered in error.
    """
    found = await reads.row_in(session, actor.owners, "get_proposal_basis", needs_analysis_id)
    row = paging.alive(found)
    analysis = await opened(session, actor, row)
    if not analysis["household"]:
        raise Conflict("analysis_not_household")
    if row["is_superseded"]:
        raise Conflict("analysis_superseded")
    if row["is_retracted"]:
        raise Conflict("analysis_retracted")
    return Basis(needs_analysis_id, row["customer_id"], row["created_at"], analysis)


async def opened(session: AsyncSession, actor: Actor, row: asyncpg.Record) -> dict[str, Any]:
    """The analysis in a row of `get_proposal_basis.sql`, with what it rests on."""
    key = await envelopes.cipher(row, actor.org_id, session)
    return envelopes.merged(envelopes.texts(key, NeedsAnalysis, row["id"], row, "analysis", "facts"))


async def form(session: AsyncSession, actor: Actor, ground: Basis, data: ProposalCreate, at: datetime) -> Opinion:
    """The opinion on what is recommended, at this moment.

    Raises:
        Invalid: a recommendation that contradicts itself, or names nobody of the household or no product sold.
        Conflict: `licence_missing`: the agent has no licence number, which has to be shown before any sale.
    """
    agent = (await session.exec(select(User).where(col(User.org_id) == actor.org_id, col(User.id) == actor.id))).one()
    if agent.licence_no is None:
        raise Conflict("licence_missing")
    rules = await sales_rules.current(session, actor)
    sold = await products.sold(session, actor, {one.product_id for one in data.recommendations if one.product_id})
    _check(ground, data, sold)
    recommended = tuple(_recommended(one, sold, rules, agent) for one in data.recommendations)
    held = await tolerance_assessments.last(session, actor, ground.customer_id)
    level = await tolerance_assessments.level(session, actor, ground.customer_id)
    told_at = (
        [ground.created_at] if held is None or held.confirmed_at is None else [ground.created_at, held.confirmed_at]
    )
    made_on = china_date(ground.created_at)
    moment = Moment(
        at=at,
        today=china_date(at),
        assessed_at=max(told_at),
        assessment_valid_until=tolerance.expires_at(tolerance.last_day(made_on)),
        tolerance=None
        if held is None or level is None
        else suitability.Tolerance(level=level, valid_until=tolerance.expires_at(held.valid_until)),
        has_representative_consent=data.has_representative_consent,
    )
    facts = proposal_facts.facts(ground.analysis, recommended, moment)
    verdict = suitability.verdict(facts, Thresholds(**dict(rules.thresholds)))
    judged_by = _judged_by(recommended, moment, rules)
    return Opinion(verdict, recommended, sold, held, agent, max(told_at), judged_by)


def _judged_by(recommended: Sequence[Recommended], moment: Moment, rules: SalesRules) -> dict[str, Any]:
    """What the opinion rests on besides the analysis and what is recommended: with it anybody forms it again, years
    later and whatever became of agent, rules and assessment (令2023-2, 41).
    """
    held = moment.tolerance
    return {
        "agent_levels": [one.agent_level for one in recommended],
        "thresholds": rules.thresholds.model_dump(mode="json"),
        "tolerance": None if held is None else {"level": held.level, "valid_until": held.valid_until.isoformat()},
        "assessment_valid_until": moment.assessment_valid_until.isoformat(),
        "has_representative_consent": moment.has_representative_consent,
    }


def refuse(opinion: Opinion, data: ProposalCreate) -> None:
    """Refuse what the rules refuse, and what is advised against unless the customer insists.

    Raises:
        Conflict: `proposal_not_suitable`, whatever the customer wants (令2025-7, 12, 13, 19); `proposal_incomplete`:
            something has to be learned first; `proposal_advised_against`: he may insist (令2023-2, 28).
        Invalid: he insists and says nothing.
    """
    verdict = opinion.verdict
    codes = {"refuse": "proposal_not_suitable", "missing": "proposal_incomplete"}
    for severity, code in codes.items():
        reasons = [reason for reason in verdict.reasons if reason.severity == severity]
        if reasons:
            raise Conflict(code, issues=_issues(reasons, data))
    if not verdict.may_insist:
        return
    if not data.customer_insists:
        raise Conflict("proposal_advised_against", issues=_issues(verdict.reasons_of("stop"), data))
    if data.statement is None:
        raise Invalid.at("/statement", "missing")


def _issues(reasons: Sequence[Reason], data: ProposalCreate) -> list[Issue]:
    """Each reason at the recommendation it is about, else at all of them."""
    places = {(one.insured, str(one.peril)): index for index, one in reversed(list(enumerate(data.recommendations)))}
    found = []
    for reason in reasons:
        index = places.get((reason.insured, reason.peril))
        pointer = "/recommendations" if index is None else f"/recommendations/{index}"
        found.append(Issue(reason.code, pointer=pointer, message=(reason.zh, reason.en)))
    return found


def _check(ground: Basis, data: ProposalCreate, sold: dict[UUID, Product]) -> None:
    people = proposal_facts.members(ground.analysis)
    issues = [
        Issue(code, pointer=f"/recommendations/{index}/{member}")
        for index, one in enumerate(data.recommendations)
        for member, code in _broken(one, people, sold)
    ]
    for index, other in enumerate(data.alternatives):
        if other.premium_low_fen > other.premium_high_fen:
            issues.append(Issue("band_reversed", pointer=f"/alternatives/{index}/premium_low_fen"))
        for place, cover in enumerate(other.covers):
            if cover.insured not in people:
                issues.append(Issue("insured_unknown", pointer=f"/alternatives/{index}/covers/{place}/insured"))
    if issues:
        raise Invalid(issues=issues)


def _broken(one: RecommendationCreate, people: Any, sold: dict[UUID, Product]) -> list[tuple[str, str]]:
    """What is wrong with a recommendation: member and code."""
    found = []
    if one.insured not in people:
        found.append(("insured", "insured_unknown"))
    if one.category is None and one.product_id is None:
        found.append(("category", "missing"))
    if one.product_id is not None:
        found += [(member, "not_both") for member in ("category", "design") if getattr(one, member) is not None]
        if one.product_id not in sold:
            found.append(("product_id", "not_found"))
    if one.category is not None and one.design not in (None, *CATEGORIES[one.category].designs):
        found.append(("design", "design_mismatch"))
    low, high = one.premium_low_fen, one.premium_high_fen
    if (low is None) != (high is None):
        found.append(("premium_low_fen" if low is None else "premium_high_fen", "missing"))
    elif low is not None and high is not None and low > high:
        found.append(("premium_low_fen", "band_reversed"))
    return found


def _recommended(one: RecommendationCreate, sold: dict[UUID, Product], rules: SalesRules, agent: User) -> Recommended:
    product = None if one.product_id is None else sold[one.product_id]
    category = str(one.category) if product is None else product.category
    design = (one.design or "ordinary") if product is None else product.design
    return Recommended(
        insured=one.insured,
        peril=one.peril,
        category=category,
        design=design,
        level=CATEGORIES[category].level(design) if product is None else product.level,  # type: ignore[arg-type]  # checked
        sum_insured_fen=one.sum_insured_fen,
        premium_low_fen=one.premium_low_fen,
        premium_high_fen=one.premium_high_fen,
        payment_years=one.payment_years,
        agent_level=sales_rules.max_level(rules, agent.qualification_level, category),
    )
