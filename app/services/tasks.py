"""Tasks: what a user owes somebody by a day. They come of themselves, with what gives rise to them.

A caller sees the tasks of himself and of those he looks down on, while he sees the customer they concern.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from app import access, db, keyring, paging, reads
from app.access import Actor
from app.domain.introductions import THANKS
from app.errors import NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.customers import Customer
from app.models.introductions import Introduction
from app.models.tasks import Milestone, SubjectType, Task, TaskKind, TaskQuery, TaskState
from app.paging import Page


async def read(actor: Actor, task_id: UUID) -> Document:
    """One task.

    Raises:
        NotFound: absent, somebody else's, or its customer is not visible.
        Gone: what it came from, or its customer, was deleted in the last 30 days.
    """
    return paging.document(await reads.row(actor.org_id, actor.owners, "get_task", task_id), task_id)


async def search(actor: Actor, query: TaskQuery) -> Page:
    """A page of tasks, the most urgent first.

    Raises:
        Malformed: the cursor.
    """
    key = keyring.current().cursors
    bound = paging.binding("tasks", actor.org_id, actor.id, query.state, query.due_to, query.customer_id)
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_tasks",
        None if query.state is None else query.state is TaskState.done,
        query.due_to,
        query.customer_id,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
    )
    return paging.page(key, bound, found)


async def complete(session: AsyncSession, actor: Actor, task_id: UUID) -> Document:
    """Note that it is done; one that is done stays as it is.

    Raises:
        NotFound, Gone. Forbidden: the caller is neither its owner nor answers for him.
    """
    task = await _found(session, actor, task_id)
    if task.done_at is None:
        task.done_at, task.done_by, task.updated_at = utc_now(), actor.id, utc_now()
        _leave_trail(session, actor, task, "completed")
    return await _stored(session, actor, task_id)


async def reopen(session: AsyncSession, actor: Actor, task_id: UUID) -> Document:
    """It was not done after all; an open one stays as it is.

    Raises:
        NotFound, Gone. Forbidden: as `complete`.
    """
    task = await _found(session, actor, task_id)
    if task.done_at is not None:
        task.done_at, task.done_by, task.updated_at = None, None, utc_now()
        _leave_trail(session, actor, task, "reopened")
    return await _stored(session, actor, task_id)


def owe_thanks(session: AsyncSession, actor: Actor, introduction: Introduction, milestone: str) -> None:
    """The agent of an introduction owes its introducer thanks, counted from the day of the milestone.

    The caller holds the introduction, which passes every milestone once.
    """
    task = Task(
        org_id=actor.org_id,
        owner_id=introduction.agent_id,
        customer_id=introduction.introducer_id,
        kind=TaskKind.thank_introducer,
        subject_type=SubjectType.introduction,
        subject_id=introduction.id,
        milestone=Milestone(milestone),
        due_on=introduction.status_on + timedelta(days=THANKS[milestone]),
    )
    session.add(task)
    _leave_trail(session, actor, task, "created", kind=task.kind.value, subject_id=str(introduction.id))


def ask_colleague(session: AsyncSession, actor: Actor, customer: Customer, due_on: date) -> Task:
    """Whoever has the customer is asked whether he can introduce the actor to somebody."""
    task = Task(
        org_id=actor.org_id,
        owner_id=customer.owner_id,
        customer_id=customer.id,
        kind=TaskKind.answer_colleague,
        subject_type=SubjectType.user,
        subject_id=actor.id,
        due_on=due_on,
    )
    session.add(task)
    # The audit does not tie the caller to a customer he does not know.
    db.mark(session, task, [task.owner_id])
    access.record(session, actor, "task.created", "task", task.id, kind=task.kind.value)
    return task


def owe_answer(session: AsyncSession, actor: Actor, customer: Customer, request_id: UUID, due_on: date) -> None:
    """The agent of a customer owes him an answer to a rights request."""
    task = Task(
        org_id=actor.org_id,
        owner_id=customer.owner_id,
        customer_id=customer.id,
        kind=TaskKind.answer_rights_request,
        subject_type=SubjectType.rights_request,
        subject_id=request_id,
        due_on=due_on,
    )
    session.add(task)
    _leave_trail(session, actor, task, "created", kind=task.kind.value, subject_id=str(request_id))


async def finish(session: AsyncSession, actor: Actor, subject_id: UUID) -> None:
    """The open tasks of a subject are done: it is settled."""
    for task in await _of(session, select(Task).where(col(Task.done_at).is_(None)), subject_id):
        task.done_at, task.done_by, task.updated_at = utc_now(), actor.id, utc_now()
        _leave_trail(session, actor, task, "completed")


async def withdraw(session: AsyncSession, subject_id: UUID, at: datetime) -> None:
    """All tasks of a subject go with it, also those that are done."""
    for task in await _of(session, select(Task).where(col(Task.deleted_at).is_(None)), subject_id):
        task.deleted_at = task.updated_at = at
        db.mark(session, task, [task.owner_id])


async def bring_back(session: AsyncSession, subject_id: UUID, at: datetime) -> None:
    """What went with a subject comes back with it, open or done as it was.

    Args:
        at: when the subject was deleted.
    """
    for task in await _of(session, select(Task).where(col(Task.deleted_at) == at), subject_id):
        task.deleted_at, task.updated_at = None, utc_now()
        db.mark(session, task, [task.owner_id])


async def _of(session: AsyncSession, statement: SelectOfScalar[Task], subject_id: UUID) -> Sequence[Task]:
    found = statement.where(Task.org_id == session.info["org_id"], Task.subject_id == subject_id)
    return (await session.exec(found.order_by(col(Task.id)).with_for_update())).all()


async def _found(session: AsyncSession, actor: Actor, task_id: UUID) -> Task:
    """The task, locked; its customer stays with whom he is with until this transaction ends."""
    await access.stay(session, actor)
    here = (col(Task.org_id) == actor.org_id, col(Task.id) == task_id)
    customer_id = (await session.exec(select(Task.customer_id).where(*here))).first()
    if customer_id is None:
        raise NotFound
    customer = await access.held(session, actor, [customer_id])
    task = (await session.exec(select(Task).where(*here).with_for_update())).first()
    if task is None or not customer or (actor.owners is not None and task.owner_id not in actor.owners):
        raise NotFound
    access.check_alive(customer[0])
    access.check_alive(task)
    access.check_answers_for(actor, task.owner_id)
    return task


async def _stored(session: AsyncSession, actor: Actor, task_id: UUID) -> Document:
    return paging.document(await reads.row_in(session, actor.owners, "get_task", task_id), task_id)


def _leave_trail(session: AsyncSession, actor: Actor, task: Task, verb: str, **detail: str) -> None:
    """Tell the phone of its owner, and the audit."""
    db.mark(session, task, [task.owner_id])
    access.record(session, actor, f"task.{verb}", "task", task.id, customer_id=str(task.customer_id), **detail)
