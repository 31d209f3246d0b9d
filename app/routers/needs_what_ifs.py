"""What if: the gaps of a stored analysis under other assumptions."""

from uuid import UUID

from fastapi import APIRouter, Response

from app.deps import NeedsAnalysesRead
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
async def calculate_what_if(actor: NeedsAnalysesRead, needs_analysis_id: UUID, data: NeedsWhatIf) -> Response:
    """Every gap again, as of the day of the analysis, fast enough to drag a slider over it. Nothing is stored."""
    return Response(await needs_what_ifs.run(actor, needs_analysis_id, data), media_type="application/json")
