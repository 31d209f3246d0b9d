"""Suggestions for a form from what is known already."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.deps import NeedsAnalysesRead, SessionDep
from app.models.prefills import PrefillPublic, PrefillQuery
from app.openapi import problems
from app.services import prefills

router = APIRouter(tags=["form-responses"])


@router.get(
    "/v1/customers/{customer_id}/prefill",
    response_model=PrefillPublic,
    summary="Read suggested answers to a form",
    responses=problems(409, 410),
)
async def get_prefill(
    session: SessionDep, actor: NeedsAnalysesRead, customer_id: UUID, query: Annotated[PrefillQuery, Query()]
) -> Response:
    """From profile, family and dossier, each with its source; what the caller may not see is missing.

    Nothing is stored: the customer confirms, and the phone sends the answers as any others.
    """
    body = await prefills.read(session, actor, customer_id, query.form_key, query.form_version)
    return Response(body, media_type="application/json")
