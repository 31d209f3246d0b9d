"""Tasks: what a user owes somebody by a day."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.models.base import CalendarDate, PageQuery, TenantRow, Version, Wire
from app.models.network_paths import Colleague
from app.models.relationships import OtherCustomer


class TaskKind(StrEnum):
    """What is to be done.

    `thank_introducer`: thank the customer for an introduction, or for what became of it. `answer_colleague`: a
    colleague asks whether the customer can introduce him to somebody. `answer_rights_request`: the customer wants one
    of his rights kept, and the law says until when.
    """

    thank_introducer = "thank_introducer"
    answer_colleague = "answer_colleague"
    answer_rights_request = "answer_rights_request"


class SubjectType(StrEnum):
    """What a task came from."""

    introduction = "introduction"
    user = "user"
    rights_request = "rights_request"


class Milestone(StrEnum):
    """How far the subject had come when the task arose."""

    introduced = "introduced"
    policy = "policy"


class TaskState(StrEnum):
    """To be done, or done."""

    open = "open"
    done = "done"


class Task(TenantRow, table=True):
    """What `owner_id` owes `customer_id`. It goes with the customer to his next agent while it is open."""

    __tablename__ = "tasks"
    __collection__: ClassVar[str | None] = "tasks"

    owner_id: UUID
    customer_id: UUID
    kind: TaskKind = Field(sa_column=Column(Text, nullable=False))
    subject_type: SubjectType = Field(sa_column=Column(Text, nullable=False))
    subject_id: UUID
    milestone: Milestone | None = Field(default=None, sa_column=Column(Text))
    due_on: date
    done_at: datetime | None = None
    done_by: UUID | None = None


class TaskQuery(PageQuery):
    """Filters of the list."""

    state: TaskState | None = None
    due_to: CalendarDate | None = Bound(default=None, description="Due before this day")
    customer_id: UUID | None = None


class TaskPublic(Wire):
    """A task. `subject_id` says what it came from: an introduction, which the caller may see or not."""

    id: UUID
    kind: TaskKind
    owner_id: UUID
    customer: OtherCustomer = Bound(description="Whom it concerns")
    subject_type: SubjectType
    subject_id: UUID
    requested_by: Colleague | None = Bound(description="The colleague who asks, where one does")
    milestone: Milestone | None
    due_on: date
    done_at: datetime | None
    done_by: UUID | None
    version: Version
    created_at: datetime
    updated_at: datetime


class TaskPage(Wire):
    """A page of tasks, the most urgent first."""

    items: list[TaskPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
