"""Proposals: recommended on the ground of an analysis, judged, then signed by the customer; nothing else ever changes.

The order the rules demand is kept by the server's clock: assessed, recommended, signed.
"""

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, envelopes, keyring, offline, paging, reads
from app.access import Actor
from app.domain import proposal_facts, suitability
from app.domain.dossier import china_date
from app.domain.proposal_draft import WORDS, Band, draft
from app.domain.proposal_filling import remaining_gap
from app.domain.suitability import TOLERANCE_FROM_LEVEL, SuitabilityFacts
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.forms import Label
from app.models.organizations import Organization
from app.models.proposals import (
    CalculatedRecommendation,
    CalculatedRecommendations,
    Proposal,
    ProposalCreate,
    ProposalPublic,
    ProposalSign,
    RecommendationsCalculate,
)
from app.models.rights_requests import Objectionable
from app.paging import Page
from app.services import proposals_opinion, rights_requests_objections, sales_rules, tolerance_assessments
from app.services.proposals_opinion import Basis, Opinion


async def create(session: AsyncSession, actor: Actor, data: ProposalCreate) -> tuple[Document, bool]:
    """Recommend cover; False when the phone sent the same proposal before.

    Raises:
        Invalid: unknown analysis, or as `proposals_opinion.form`. Gone: the customer is deleted.
        Conflict: `id_taken`, `purpose_objected`, and as `proposals_opinion.basis`, `form` and `refuse`.
    """
    try:
        ground = await proposals_opinion.basis(session, actor, data.needs_analysis_id)
        customer = await access.customer(session, actor, ground.customer_id, lock=True)
    except NotFound:
        raise Invalid.at("/needs_analysis_id", "not_found") from None
    sent = orjson.dumps(data.model_dump(mode="json", exclude={"id"}), option=orjson.OPT_SORT_KEYS)
    digest = offline.digest(actor, sent)
    if data.id is not None and await offline.is_sent_before(session, actor, Proposal, data.id, digest):
        return await read(session, actor, data.id), False
    await rights_requests_objections.check(session, actor.org_id, [customer.id], Objectionable.advice)
    now = utc_now()
    opinion = await proposals_opinion.form(session, actor, ground, data, now)
    proposals_opinion.refuse(opinion, data)
    proposal_id = data.id or uuid7()
    organization = (await session.exec(select(Organization).where(col(Organization.id) == actor.org_id))).one()
    content = _content(ground, opinion, data)
    row = Proposal(
        org_id=actor.org_id,
        id=proposal_id,
        customer_id=customer.id,
        needs_analysis_id=ground.id,
        number=f"JH-{china_date(now):%Y%m%d}-{proposal_id.hex[-8:].upper()}",
        language=data.language,
        verdict=opinion.verdict.code,
        prepared_by=actor.id,
        assessed_at=opinion.assessed_at,
        recommended_at=now,
        created_digest=digest,
    )
    content = {**content, "customer": {"name": customer.name}, "organization": {"name": organization.name}}
    await envelopes.put(session, row, content=content, signature=None)
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:  # the id was taken meanwhile, under another customer
        raise offline.id_taken() from None
    told = {"needs_analysis_id": str(ground.id), "verdict": row.verdict, "insists": content["customer_insists"]}
    access.record(session, actor, "proposal.created", "proposal", row.id, person=row.customer_id, **told)
    return _document(row), True


async def sign(session: AsyncSession, actor: Actor, proposal_id: UUID, data: ProposalSign) -> Document:
    """The customer confirms the proposal, once.

    Raises:
        NotFound, Gone.
        Conflict: `proposal_signed`; `signed_for_customer`: somebody else did; `opinion_not_told`,
            `opinion_not_told_online`, `signed_too_early`; `tolerance_expired`; `tolerance_exceeded`: he was assessed
            again meanwhile; `analysis_superseded`, `analysis_retracted`.
    """
    row = await find(session, actor, proposal_id, lock=True)
    if row.signed_at is not None:
        raise Conflict("proposal_signed")
    if not data.is_customer_himself:
        raise Conflict("signed_for_customer")
    now = utc_now()
    facts = SuitabilityFacts(
        at=now,
        policyholder_age=None,
        assessed_at=row.assessed_at,
        recommended_at=row.recommended_at,
        signed_at=now,
        is_online=data.is_online,
        is_opinion_told=data.is_opinion_told,
    )
    for reason in suitability.sequence(facts):
        raise Conflict(reason.code)
    await proposals_opinion.basis(session, actor, row.needs_analysis_id)
    await _check_class(session, actor, row)
    told = data.model_dump(mode="json", exclude={"is_customer_himself", "is_opinion_told"})
    await envelopes.put(session, row, signature={**told, "recorded_by": str(actor.id)})
    row.signed_at = row.updated_at = now
    await session.flush()
    access.record(session, actor, "proposal.signed", "proposal", row.id, person=row.customer_id, kind=data.kind)
    return _document(row)


async def read(session: AsyncSession, actor: Actor, proposal_id: UUID) -> Document:
    """One proposal.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    return _document(await find(session, actor, proposal_id))


async def search(actor: Actor, customer_id: UUID, *, limit: int, cursor: str | None) -> Page:
    """A customer's proposals, newest first.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    await access.check_customer(actor, customer_id)
    key = keyring.current().cursors
    bound = paging.binding("proposals", actor.org_id, actor.id, customer_id)
    position = paging.decode(key, bound, cursor)
    place = (None, None) if position is None else (position.key, position.id)
    return paging.page(
        key, bound, await reads.row(actor.org_id, actor.owners, "list_proposals", customer_id, *place, limit + 1)
    )


async def calculate(
    session: AsyncSession, actor: Actor, needs_analysis_id: UUID, data: RecommendationsCalculate
) -> tuple[bytes, UUID]:
    """A draft of what to recommend, within the premium the household can add, and for whom; nothing is stored.

    Raises:
        NotFound, Gone. Conflict: as `proposals_opinion.basis`.
    """
    ground = await proposals_opinion.basis(session, actor, needs_analysis_id)
    rules = await sales_rules.current(session, actor)
    bands = [Band(**band.model_dump()) for band in (*data.premium_bands, *rules.premium_bands)]
    found = draft(ground.analysis, bands, china_today())
    items = [
        CalculatedRecommendation(
            **{name: getattr(one, name) for name in one.__slots__},
            words=Label(zh=WORDS[one.why][0], en=WORDS[one.why][1]),
        )
        for one in found
    ]
    room = (ground.analysis["affordability"] or {}).get("room_fen") or 0
    body = CalculatedRecommendations(
        needs_analysis_id=ground.id,
        room_fen=room,
        room_left_fen=found[-1].room_after_fen if found else room,
        items=items,
    )
    return body.model_dump_json().encode(), ground.customer_id


async def find(session: AsyncSession, actor: Actor, proposal_id: UUID, *, lock: bool = False) -> Proposal:
    """The visible proposal, opened; to sign it, its customer is locked first.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    wanted = (
        col(Proposal.org_id) == actor.org_id,
        col(Proposal.id) == proposal_id,
        col(Proposal.deleted_at).is_(None),
    )
    its_own = select(Proposal.customer_id).where(*wanted).scalar_subquery()
    seen = access.visible_customers(actor).where(col(Customer.id) == its_own)
    customer = (await session.exec(seen.with_for_update() if lock else seen)).first()
    if customer is None:
        raise NotFound
    access.check_alive(customer)
    held = select(Proposal).where(*wanted)
    row = (await session.exec(held.with_for_update() if lock else held)).first()
    if row is None:  # emptied while we waited for the customer
        raise NotFound
    await envelopes.opened(session, [row])
    return row


def _content(ground: Basis, opinion: Opinion, data: ProposalCreate) -> dict[str, Any]:
    """What is kept of the proposal, as it is answered."""
    can, low, high = ground.analysis["affordability"], 0, 0
    for one in opinion.recommended:
        low, high = low + (one.premium_low_fen or 0), high + (one.premium_high_fen or 0)
    names = ("income_fen", "expense_fen", "existing_premium_fen", "cap_fen", "room_fen")
    held, agent = opinion.tolerance, opinion.agent
    alternatives = [one.model_dump(mode="json") for one in data.alternatives]
    return {
        "verdict": opinion.verdict.to_json(),
        "recommendations": [_recommendation(opinion, data, index) for index in range(len(data.recommendations))],
        "alternatives": [
            {**one, "remaining_gap_fen": remaining_gap(ground.analysis, one["covers"])} for one in alternatives
        ],
        "affordability": None
        if can is None
        else {
            "band": proposal_facts.band_of(ground.analysis, high),
            **{name: can[name] for name in names},
            "proposed_low_fen": low,
            "proposed_high_fen": high,
        },
        "tolerance": None
        if held is None
        else {
            "assessment_id": str(held.id),
            "tolerance_class": held.tolerance_class,
            "level": held.level,
            "assessed_on": held.assessed_on.isoformat(),
            "valid_until": held.valid_until.isoformat(),
        },
        "agent": {
            "id": str(agent.id),
            "name": agent.name,
            "licence_no": agent.licence_no,
            "qualification_level": agent.qualification_level,
        },
        "customer_insists": opinion.verdict.may_insist,
        "statement": data.statement,
        "judged_by": opinion.judged_by,
    }


def _recommendation(opinion: Opinion, data: ProposalCreate, index: int) -> dict[str, Any]:
    sent, judged = data.recommendations[index], opinion.recommended[index]
    product = None if sent.product_id is None else opinion.products[sent.product_id]
    names = ("category", "design", "level")
    return {
        **sent.model_dump(mode="json", exclude={"product_id", *names}),
        **{name: getattr(judged, name) for name in names},
        "product": None
        if product is None
        else {"id": str(product.id), "code": product.code, "name": product.name, "insurer": product.insurer},
    }


def _given(row: Proposal) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = row.content["recommendations"]
    return found


async def _check_class(session: AsyncSession, actor: Actor, row: Proposal) -> None:
    """What was judged by the customer's tolerance may be signed only while that holds and nothing lower was found."""
    judged = [one["level"] for one in _given(row) if _needs_class(one)]
    held = row.content["tolerance"]
    if held is None or not judged:
        return
    if held["valid_until"] < china_today().isoformat():
        raise Conflict("tolerance_expired")
    level = await tolerance_assessments.level(session, actor, row.customer_id)
    if level is None or max(judged) > level:
        raise Conflict("tolerance_exceeded")


def _needs_class(one: dict[str, Any]) -> bool:
    """Whether a recommendation was judged by the customer's tolerance."""
    return bool(one["design"] == "unit_linked" or one["level"] >= TOLERANCE_FROM_LEVEL)


def _document(row: Proposal) -> Document:
    told = {name: value for name, value in row.content.items() if name not in _UNTOLD}
    plain = {name: getattr(row, name) for name in _PLAIN}
    body = ProposalPublic.model_validate({**plain, **told, "verdict_code": row.verdict, "signature": row.signature})
    return Document(body.model_dump_json().encode(), row.version, row.id)


_UNTOLD = ("customer", "organization", "judged_by")  # kept for the document, and to form the opinion again
_PLAIN = (
    "id", "customer_id", "needs_analysis_id", "number", "language", "prepared_by", "assessed_at", "recommended_at",
    "signed_at", "version", "created_at",
)  # fmt: skip
