"""Organisations and their tree of teams."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.models.base import TenantRow, utc_now


class Organization(SQLModel, table=True):
    """One insurer's branch or agency: the tenant. Its id is the `org_id` of everything below."""

    __tablename__ = "orgs"

    id: UUID = Field(primary_key=True)
    code: str
    name: str
    created_at: datetime = Field(default_factory=utc_now)


class Team(TenantRow, table=True):
    """A node of the sales organisation; a manager sees the customers of his team and of all teams below."""

    __tablename__ = "teams"

    name: str
    parent_id: UUID | None = None
