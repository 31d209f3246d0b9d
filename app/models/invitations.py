"""Invitations: how a user gets his first password, or a new one. The link is shown once and good once."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.models.base import Id, Line100, PageQuery, TenantRow, Version, Wire
from app.models.sessions import Password
from app.models.users import Role, Username


class Purpose(StrEnum):
    """Why somebody is to choose a password."""

    new_account = "new_account"
    reset_password = "reset_password"  # noqa: S105  the name of a purpose


class Invitation(TenantRow, table=True):
    """An open door for one person; only a keyed hash of its token is kept. Deleted means taken back."""

    __tablename__ = "invitations"

    purpose: Purpose = Field(sa_column=Column(Text, nullable=False))
    username: str
    name: str
    role: Role = Field(sa_column=Column(Text, nullable=False))
    team_id: UUID | None = None
    user_id: UUID | None = None
    invited_by: UUID | None = None
    token_hash: bytes
    expires_at: datetime
    accepted_at: datetime | None = None


class InvitationCreate(Wire):
    """Who is invited, and as what."""

    username: Username
    name: Line100
    role: Role
    team_id: Id | None = None


class InvitationPublic(Wire):
    """An invitation; `accepted_at` is set once it was used. Null in `invited_by`: the operator."""

    id: UUID
    purpose: Purpose
    username: str = Bound(max_length=32)
    name: Line100
    role: Role
    team_id: UUID | None
    user_id: UUID | None
    invited_by: UUID | None
    expires_at: datetime
    accepted_at: datetime | None
    created_at: datetime
    version: Version


class InvitationNew(InvitationPublic):
    """A fresh invitation with its token, which is never shown again."""

    token: str = Bound(max_length=200)


class InvitationQuery(PageQuery):
    """Filters of the list."""

    state: Literal["open", "accepted", "expired"] | None = Bound(default=None, description="What became of them")


class InvitationPage(Wire):
    """A page of invitations, the newest first; those taken back are missing."""

    items: list[InvitationPublic] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class InvitationAccept(Wire):
    """The token of the link and the password the person chose."""

    token: Annotated[str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
    password: Password
