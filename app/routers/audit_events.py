"""The audit trail."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import AuditEventsRead
from app.models.audit_events import AuditEventPage, AuditEventQuery
from app.services import audit_events

router = APIRouter(prefix="/v1/audit-events", tags=["audit-events"])


@router.get("", response_model=AuditEventPage, summary="List audit events")
async def list_audit_events(
    request: Request, actor: AuditEventsRead, query: Annotated[AuditEventQuery, Query()]
) -> Response:
    """Who did what to which object, newest first. For administrators and auditors."""
    return deps.answer_page(request, await audit_events.search(actor, query))
