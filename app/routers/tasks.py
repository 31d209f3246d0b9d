"""Tasks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import OnceDep, SessionDep, TasksRead, TasksWrite
from app.models.tasks import TaskPage, TaskPublic, TaskQuery
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import tasks

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get("", response_model=TaskPage, summary="List tasks")
async def list_tasks(request: Request, actor: TasksRead, query: Annotated[TaskQuery, Query()]) -> Response:
    """The caller's and those of the people below him, the most urgent first."""
    return deps.answer_page(request, await tasks.search(actor, query))


@router.get(
    "/{task_id}",
    response_model=TaskPublic,
    summary="Read one task",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_task(request: Request, actor: TasksRead, task_id: UUID) -> Response:
    """It is gone (410), open or done, while the introduction it came from or its customer is deleted."""
    return deps.answer_composed(request, await tasks.read(actor, task_id))


@router.post(
    "/{task_id}/complete",
    response_model=TaskPublic,
    summary="Complete a task",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def complete_task(session: SessionDep, actor: TasksWrite, once: OnceDep, task_id: UUID) -> Response:
    """It is done; one that was done before stays as it was."""

    async def make() -> Response:
        return deps.answer_changed(await tasks.complete(session, actor, task_id))

    return await once(make)


@router.post(
    "/{task_id}/reopen",
    response_model=TaskPublic,
    summary="Reopen a task",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def reopen_task(session: SessionDep, actor: TasksWrite, once: OnceDep, task_id: UUID) -> Response:
    """It was not done after all; an open one stays as it was."""

    async def make() -> Response:
        return deps.answer_changed(await tasks.reopen(session, actor, task_id))

    return await once(make)
