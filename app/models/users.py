"""The people who work with Renmai."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.models.base import Line100, ScopeName, TenantRow, Wire


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
    disabled_at: datetime | None = None


class Me(Wire):
    """Who the caller is and what he may do."""

    id: UUID
    org_id: UUID
    org_code: str = Bound(max_length=32)
    org_name: Line100
    username: str = Bound(max_length=32)
    name: Line100
    role: Role
    team_id: UUID | None
    scopes: list[ScopeName] = Bound(max_length=50)
    session_id: UUID
