"""Handing over the customers of somebody who leaves."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import DeparturesRead, DeparturesWrite, OnceRequired, SessionDep
from app.models.departures import DepartureCreate, DeparturePublic
from app.openapi import IF_NONE_MATCH, ONCE_REQUIRED, problems
from app.services import departures

router = APIRouter(prefix="/v1/users/{user_id}/departure", tags=["users"])


@router.get("", response_model=DeparturePublic, summary="Read a departure", openapi_extra=IF_NONE_MATCH)
async def get_departure(request: Request, session: SessionDep, actor: DeparturesRead, user_id: UUID) -> Response:
    """Who took over whom, and what was to be done."""
    return deps.answer(request, await departures.read(session, actor, user_id))


@router.post(
    "",
    status_code=201,
    response_model=DeparturePublic,
    summary="Let a user leave and hand over his customers",
    responses=problems(409),
    openapi_extra=ONCE_REQUIRED,
)
async def create_departure(
    session: SessionDep, actor: DeparturesWrite, once: OnceRequired, user_id: UUID, data: DepartureCreate
) -> Response:
    """Shuts him out, moves his customers by area or to one colleague, redacts his private notes.

    The answer lists what is to be done: every customer must be told within 30 days (保险销售行为管理办法 art. 36).
    """

    async def make() -> Response:
        document = await departures.create(session, actor, user_id, data)
        return deps.answer_created(document, f"/v1/users/{user_id}/departure")

    answer = await once(make)
    deps.forget_actors()
    return answer
