"""Sales rules of one's own organisation."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import IfMatch, ProductsRead, ProductsWrite, SessionDep
from app.models.sales_rules import SalesRules, SalesRulesPublic
from app.openapi import IF_MATCH, IF_NONE_MATCH
from app.services import sales_rules

router = APIRouter(prefix="/v1/organizations/{organization_id}/sales-rules", tags=["products"])


@router.get("", response_model=SalesRulesPublic, summary="Read the sales rules", openapi_extra=IF_NONE_MATCH)
async def get_sales_rules(
    request: Request, session: SessionDep, actor: ProductsRead, organization_id: UUID
) -> Response:
    """Who may sell what, which warnings are on, and what cover costs a year by category and age."""
    return deps.answer(request, await sales_rules.read(session, actor, organization_id))


@router.put("", response_model=SalesRulesPublic, summary="Replace the sales rules", openapi_extra=IF_MATCH)
async def replace_sales_rules(
    session: SessionDep, actor: ProductsWrite, organization_id: UUID, if_match: IfMatch, data: SalesRules
) -> Response:
    """They count for every match opinion from now on; opinions already given stay as they were.

    Nobody may sell before authorisations say so: an agent without a level gets the opinion `incomplete`.
    """
    return deps.answer_changed(await sales_rules.replace(session, actor, organization_id, if_match, data))
