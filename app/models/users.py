"""The people who work with Renmai."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.models.base import WHOLE, Id, Line100, PageQuery, ScopeName, TenantRow, Version, Wire, absent, utc_now

Username = Annotated[str, StringConstraints(min_length=2, max_length=32, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


LicenceNo = Annotated[str, StringConstraints(min_length=4, max_length=30, pattern=r"^[0-9A-Z]+$")]
QualificationLevel = Annotated[int, Bound(ge=1, le=4, json_schema_extra={"format": "int32"}), WHOLE]


class Role(StrEnum):
    """What a user is; the scopes and the visibility follow from it (`access`)."""

    agent = "agent"
    manager = "manager"
    admin = "admin"
    auditor = "auditor"


class User(TenantRow, table=True):
    """An agent, manager, administrator or auditor of one organisation."""

    __tablename__ = "users"

    username: str
    name: str
    role: Role = Field(sa_column=Column(Text, nullable=False))
    team_id: UUID | None = None
    password_hash: str
    password_changed_at: datetime = Field(default_factory=utc_now)
    disabled_at: datetime | None = None
    departed_on: date | None = None
    licence_no: str | None = None
    qualification_level: int | None = None


class Me(Wire):
    """Who the caller is and what he may do.

    `pending` is what he must do before he gets any other scope than `session:own`.
    """

    id: UUID
    org_id: UUID
    org_code: str = Bound(max_length=32)
    org_name: Line100
    username: str = Bound(max_length=32)
    name: Line100
    role: Role
    team_id: UUID | None
    has_second_factor: bool
    pending: list[Literal["change_password", "enrol_second_factor"]] = Bound(max_length=2)
    scopes: list[ScopeName] = Bound(max_length=100)
    session_id: UUID


class UserUpdate(Wire):
    """A merge patch: what is absent stays. A new role or team counts within a second, on every device."""

    name: Line100 = absent()
    role: Role = absent()
    team_id: Id | None = None
    licence_no: LicenceNo | None = Bound(default=None, description="执业证编号, shown before any sale")
    qualification_level: QualificationLevel | None = Bound(default=None, description="What he may sell: `sales-rules`")


class UserPublic(Wire):
    """A user as his manager or administrator sees him."""

    id: UUID
    username: str = Bound(max_length=32)
    name: Line100
    role: Role
    team_id: UUID | None
    is_disabled: bool
    has_second_factor: bool
    departed_on: date | None
    licence_no: str | None = Bound(max_length=30)
    qualification_level: QualificationLevel | None
    created_at: datetime
    updated_at: datetime
    version: Version


class UserQuery(PageQuery):
    """Filters of the list."""

    role: Role | None = Bound(default=None, description="Users with this role")
    team_id: UUID | None = Bound(default=None, description="Users of this sales team, not of those below")
    is_disabled: bool | None = Bound(default=None, description="Only those who are shut out, or only the others")


class UserPage(Wire):
    """A page of users, by user name."""

    items: list[UserPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
