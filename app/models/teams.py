"""Teams: the tree of the sales organisation, and service teams that look after customers together."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from app.models.base import Id, Line100, PageQuery, TenantRow, Version, Wire, absent


class TeamKind(StrEnum):
    """Managers look down the tree of sales teams; the members of a service team share the customers given to it."""

    sales = "sales"
    service = "service"


class Team(TenantRow, table=True):
    """A node of the sales organisation, or a service team (which stands in no tree)."""

    __tablename__ = "teams"

    kind: TeamKind = Field(default=TeamKind.sales, sa_column=Column(Text, nullable=False))
    name: str
    parent_id: UUID | None = None


class TeamMember(SQLModel, table=True):
    """Who serves in a service team; an agent may serve in several."""

    __tablename__ = "team_members"

    org_id: UUID = Field(primary_key=True)
    team_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)


class TeamCreate(Wire):
    """A new team; only sales teams have a team above."""

    name: Line100
    kind: TeamKind = TeamKind.sales
    parent_id: Id | None = None


class TeamUpdate(Wire):
    """A merge patch: what is absent stays."""

    name: Line100 = absent()
    parent_id: Id | None = None


class TeamPublic(Wire):
    """A team; `member_ids` are those who serve in a service team (the people of a sales team name it themselves)."""

    id: UUID
    kind: TeamKind
    name: Line100
    parent_id: UUID | None
    member_ids: list[UUID] = Bound(max_length=200)
    version: Version


class TeamQuery(PageQuery):
    """Filters of the list."""

    kind: TeamKind | None = Bound(default=None, description="Sales or service teams only")


class TeamPage(Wire):
    """A page of teams, the oldest first."""

    items: list[TeamPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)
