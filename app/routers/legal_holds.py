"""Which law keeps a person's data."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import IfMatch, LegalHoldsWrite, OnceDep, RightsRead, SessionDep
from app.looks import Look
from app.models.legal_holds import LegalHoldCreate, LegalHoldList, LegalHoldPublic
from app.openapi import IF_MATCH, ONCE, problems
from app.services import legal_holds

router = APIRouter(prefix="/v1/customers/{customer_id}/legal-holds", tags=["rights"])


@router.get("", response_model=LegalHoldList, summary="List the legal holds of a customer")
async def list_legal_holds(request: Request, session: SessionDep, actor: RightsRead, customer_id: UUID) -> Response:
    """Those that follow from signed proposals and concluded policies, and those an administrator set."""
    found = await legal_holds.search(session, actor, customer_id)
    answer = Response(found.model_dump_json(), 200, None, "application/json")
    return await deps.shown(request, actor, answer, Look("legal_hold.listed", None, customer_id, ("holds",)))


@router.post(
    "",
    status_code=201,
    response_model=LegalHoldPublic,
    summary="Set a legal hold",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_legal_hold(
    session: SessionDep, actor: LegalHoldsWrite, once: OnceDep, customer_id: UUID, data: LegalHoldCreate
) -> Response:
    """While one is in force, the customer is not erased but restricted. Needs a fresh proof of presence."""

    async def make() -> Response:
        made = await legal_holds.create(session, actor, customer_id, data)
        return deps.answer_created(made, f"/v1/customers/{customer_id}/legal-holds/{made.id}")

    return await once(make)


@router.delete(
    "/{legal_hold_id}",
    status_code=204,
    response_class=Response,
    summary="Lift a legal hold",
    openapi_extra=IF_MATCH,
)
async def delete_legal_hold(
    session: SessionDep, actor: LegalHoldsWrite, customer_id: UUID, legal_hold_id: UUID, if_match: IfMatch
) -> None:
    """It stays on the list as lifted. Who was restricted because of it is erased by the next retention run."""
    await legal_holds.delete(session, actor, customer_id, legal_hold_id, if_match)
