"""Departures: a user leaves, and his customers are handed over."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import CalendarDate, Id, Line50, TenantRow, Version, Wire
from app.models.forms import Label

MAX_CUSTOMERS = 5000
Count = Annotated[int, Bound(ge=0, le=MAX_CUSTOMERS, json_schema_extra={"format": "int32"})]


class Departure(TenantRow, table=True):
    """What was handed over to whom; written once."""

    __tablename__ = "departures"

    user_id: UUID
    left_on: date
    recorded_by: UUID
    result: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class AreaRule(Wire):
    """Customers whose first address lies here go to this user; the first rule that fits decides."""

    province: Line50 | None = None
    city: Line50 | None = None
    county: Line50 | None = None
    to_user_id: Id


class DepartureCreate(Wire):
    """When the user leaves, and who takes over: by area, everybody else by `to_user_id`."""

    left_on: CalendarDate
    to_user_id: Id
    by_area: list[AreaRule] = Bound(default_factory=list, max_length=200)


class HandOver(Wire):
    """What one user took over."""

    to_user_id: UUID
    customer_count: Count
    customer_ids: list[UUID] = Bound(max_length=MAX_CUSTOMERS)


class DepartureTask(Wire):
    """What is to be done now, by whom and until when.

    `notify_customers`: tell every customer taken over who serves him from now on, within 30 days of the departure
    """

    kind: Literal["notify_customers"]
    title: Label
    assignee_id: UUID
    due_on: date
    legal_basis: Annotated[str, StringConstraints(max_length=100)]
    customer_count: Count
    customer_ids: list[UUID] = Bound(max_length=MAX_CUSTOMERS)


class DeparturePublic(Wire):
    """A departure: what moved, what was redacted, what is left to do."""

    id: UUID
    user_id: UUID
    left_on: date
    recorded_by: UUID
    handed_over: list[HandOver] = Bound(max_length=201)
    notes_redacted: Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]
    sessions_ended: Annotated[int, Bound(ge=0, le=2_147_483_647, json_schema_extra={"format": "int32"})]
    tasks: list[DepartureTask] = Bound(max_length=201)
    created_at: datetime
    version: Version
