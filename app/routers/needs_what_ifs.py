"""What if: the gaps of a stored analysis under other assumptions."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import NeedsAnalysesRead
from app.looks import Look
from app.models.needs_what_ifs import NeedsWhatIf, NeedsWhatIfPublic
from app.openapi import problems
from app.services import needs_what_ifs

router = APIRouter(prefix="/v1/needs-analyses", tags=["needs-analyses"])


@router.post(
    "/{needs_analysis_id}/what-if",
    response_model=NeedsWhatIfPublic,
    summary="Try other assumptions on an analysis",
    responses=problems(409, 410),
)
async def calculate_what_if(
    request: Request, actor: NeedsAnalysesRead, needs_analysis_id: UUID, data: NeedsWhatIf
) -> Response:
    """Every gap again, as of the day of the analysis, fast enough to drag a slider over it. Nothing is stored."""
    body, customer_id = await needs_what_ifs.run(actor, needs_analysis_id, data)
    look = Look("needs_analysis.recalculated", needs_analysis_id, customer_id, ("results",))
    return await deps.shown(request, actor, Response(body, media_type="application/json"), look)
