"""Needs analysis without a record: any method, from what the caller says."""

from fastapi import APIRouter, Response

from app import deps
from app.deps import NeedsAnalysesRead
from app.models.needs_calculations import NeedsCalculation, NeedsCalculationPublic
from app.services import needs_calculations

router = APIRouter(prefix="/v1/needs-analyses", tags=["needs-analyses"])
router.add_route("/v1/needs-analyses/calculate", deps.no_such_method, methods=deps.NOT_POST, include_in_schema=False)


@router.post("/calculate", response_model=NeedsCalculationPublic, summary="Calculate a need by any method")
async def calculate_needs(actor: NeedsAnalysesRead, data: NeedsCalculation) -> Response:
    """Need, resources and gap of one insured and peril, with every assumption and step. Nothing is stored.

    `method` decides which other members there are; each has its published examples. Timing, first payment, rates and
    rounding are members with stated defaults, and the answer says which of them nobody set.
    """
    return Response(needs_calculations.run(data), media_type="application/json")
