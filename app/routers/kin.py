"""Kin."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import NetworksRead
from app.looks import Look
from app.models.kin import KinPublic
from app.openapi import problems
from app.services import kin

router = APIRouter(prefix="/v1/customers/{customer_id}", tags=["network"])


@router.get("/kin", response_model=KinPublic, summary="Read a customer's family", responses=problems(410))
async def get_kin(request: Request, actor: NetworksRead, customer_id: UUID) -> Response:
    """Relatives that were entered, and those that follow from parents, spouses and siblings (`inferred`).

    Grandparents, in-laws, uncles, nephews and cousins need not be entered: they are computed at every question, and
    never stored.
    """
    answer = Response(await kin.read(actor, customer_id), media_type="application/json")
    return await deps.shown(request, actor, answer, Look("kin.viewed", customer_id, customer_id, ("family",)))
