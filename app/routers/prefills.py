"""Suggestions for a form from what is known already."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from app import deps
from app.deps import NeedsAnalysesRead, SessionDep
from app.looks import Look
from app.models.forms import FormKey, FormVersionNumber
from app.models.prefills import PrefillPublic
from app.openapi import problems
from app.services import prefills

router = APIRouter(tags=["form-responses"])


@router.get(
    "/v1/customers/{customer_id}/prefills/{form_key}/versions/{form_version}",
    response_model=PrefillPublic,
    summary="Read suggested answers to a form",
    responses=problems(409, 410),
)
async def get_prefill(
    request: Request,
    session: SessionDep,
    actor: NeedsAnalysesRead,
    customer_id: UUID,
    form_key: Annotated[FormKey, Path()],
    form_version: Annotated[FormVersionNumber, Path()],
) -> Response:
    """From profile, family and dossier, each with its source; what the caller may not see is missing.

    Nothing is stored: the customer confirms, and the phone sends the answers as any others.
    """
    body = await prefills.read(session, actor, customer_id, form_key, form_version)
    look = Look("prefill.viewed", customer_id, customer_id, ("profile", "dossier.personal"), detail={"form": form_key})
    return await deps.shown(request, actor, Response(body, media_type="application/json"), look)
