"""A company as an agent looks at it before he goes there."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import NetworksRead
from app.looks import Look
from app.models.companies import CompanyPublic, CompanyQuery
from app.openapi import problems
from app.services import companies

router = APIRouter(prefix="/v1/customers/{customer_id}", tags=["network"])


@router.get(
    "/company", response_model=CompanyPublic, summary="Read the people and chains of a company",
    responses=problems(409, 410),
)  # fmt: skip
async def get_company(
    request: Request, actor: NetworksRead, customer_id: UUID, query: Annotated[CompanyQuery, Query()]
) -> Response:
    """Its people by type, who decides and which of the caller's customers knows them best, suppliers and clients up to
    three levels, and its alliances; only parties the caller sees. A person is answered 409.
    """
    answer = Response(await companies.read(actor, customer_id, query), media_type="application/json")
    return await deps.shown(request, actor, answer, Look("company.viewed", customer_id, customer_id, ("company",)))
