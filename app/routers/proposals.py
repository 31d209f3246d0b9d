"""Proposals: what is recommended, the match opinion on it, the customer's signature, the printed document."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps, etags
from app.deps import OnceDep, ProposalsRead, ProposalsWrite, SessionDep
from app.looks import Look, customer_of
from app.models.base import PageQuery
from app.models.proposals import (
    CalculatedRecommendations,
    ProposalCreate,
    ProposalPage,
    ProposalPublic,
    ProposalSign,
    RecommendationsCalculate,
)
from app.openapi import IF_NONE_MATCH, ONCE, PDF, problems
from app.services import proposals, proposals_document

router = APIRouter(tags=["proposals"])

_PAPER_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


@router.get(
    "/v1/proposals/{proposal_id}",
    response_model=ProposalPublic,
    summary="Read one proposal",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_proposal(request: Request, session: SessionDep, actor: ProposalsRead, proposal_id: UUID) -> Response:
    """Recommended cover, the opinion with every reason, and what it was formed from."""
    document = await proposals.read(session, actor, proposal_id)
    look = Look("proposal.viewed", proposal_id, customer_of(document), ("proposal",))
    return await deps.shown(request, actor, deps.answer(request, document), look)


@router.get(
    "/v1/customers/{customer_id}/proposals",
    response_model=ProposalPage,
    summary="List a customer's proposals",
    responses=problems(410),
)
async def list_proposals(
    request: Request, actor: ProposalsRead, customer_id: UUID, query: Annotated[PageQuery, Query()]
) -> Response:
    """Newest first."""
    page = await proposals.search(actor, customer_id, limit=query.limit, cursor=query.cursor)
    look = Look("proposal.listed", None, customer_id, ("proposal",))
    return await deps.shown(request, actor, deps.answer_page(request, page), look)


@router.post(
    "/v1/proposals",
    status_code=201,
    response_model=ProposalPublic,
    summary="Recommend cover",
    responses={200: {"model": ProposalPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_proposal(session: SessionDep, actor: ProposalsWrite, once: OnceDep, data: ProposalCreate) -> Response:
    """On the ground of a household's analysis. The match opinion is formed here, and refuses with its reasons.

    409 `proposal_not_suitable`: whatever the customer wants. `proposal_incomplete`: learn what is missing first.
    `proposal_advised_against`: he may insist, with a statement.
    """

    async def make() -> Response:
        document, is_new = await proposals.create(session, actor, data)
        return deps.answer_created(document, f"/v1/proposals/{document.id}", status=201 if is_new else 200)

    return await once(make)


@router.post(
    "/v1/proposals/{proposal_id}/sign",
    response_model=ProposalPublic,
    summary="Sign a proposal",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def sign_proposal(
    session: SessionDep, actor: ProposalsWrite, once: OnceDep, proposal_id: UUID, data: ProposalSign
) -> Response:
    """The customer confirms it himself, once, after he was told the opinion. Nothing of a proposal changes but this."""

    async def make() -> Response:
        return deps.answer_changed(await proposals.sign(session, actor, proposal_id, data))

    return await once(make)


@router.get(
    "/v1/proposals/{proposal_id}/document.pdf",
    response_class=Response,
    summary="Print a proposal",
    responses={200: PDF, **problems(409, 410)},
    openapi_extra=IF_NONE_MATCH,
)
async def export_proposal_document(request: Request, actor: ProposalsRead, proposal_id: UUID) -> Response:
    """The proposal 计划书 as a PDF, in its language. Whoever prints one is on record."""
    what = await proposals_document.prepare(actor, proposal_id)
    tag = etags.tag_with(what.version, what.tag)
    if etags.is_unchanged(request.headers.get("if-none-match"), tag[1:-1]):
        look = Look("proposal.exported", proposal_id, what.row.customer_id, ("proposal",), detail={"format": "pdf"})
        return await deps.shown(request, actor, Response(status_code=304, headers={"ETag": tag}), look)
    pdf = await proposals_document.export(actor, what, request.scope["state"].get("request_id", ""))
    headers = {
        "ETag": tag,
        "Content-Disposition": f'attachment; filename="{what.number}.pdf"',
        "Content-Security-Policy": _PAPER_POLICY,
    }
    return Response(pdf, 200, headers, "application/pdf")


@router.post(
    "/v1/needs-analyses/{needs_analysis_id}/recommendations",
    response_model=CalculatedRecommendations,
    summary="Draft recommendations",
    responses=problems(409, 410),
)
async def calculate_recommendations(
    request: Request, session: SessionDep, actor: ProposalsRead, needs_analysis_id: UUID, data: RecommendationsCalculate
) -> Response:
    """Gaps in the order of their rank, each closed as far as the room for premiums allows; nothing is stored.

    What cover costs is told by the organisation's sales rules or by the caller; without it, sums only.
    """
    body, customer_id = await proposals.calculate(session, actor, needs_analysis_id, data)
    look = Look("needs_analysis.drafted_from", needs_analysis_id, customer_id, ("results",))
    return await deps.shown(request, actor, Response(body, 200, None, "application/json"), look)
