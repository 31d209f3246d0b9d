"""Organisations and their settings."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from app.models.base import WHOLE, Line100, TenantRow, Version, Wire, absent, utc_now


class PasswordForm(StrEnum):
    """What a password must look like: long and not on any list; or, beside that, as GB/T 22239 (等保) asks."""

    length = "length"
    mlps = "mlps"


class Organization(SQLModel, table=True):
    """One insurer's branch or agency: the tenant. Its id is the `org_id` of everything below."""

    __tablename__ = "orgs"

    id: UUID = Field(primary_key=True)
    code: str
    name: str
    created_at: datetime = Field(default_factory=utc_now)


class OrganizationSettings(TenantRow, table=True):
    """What an organisation's administrator decides; one row, whose id is the organisation's."""

    __tablename__ = "org_settings"

    password_form: PasswordForm = Field(default=PasswordForm.length, sa_column=Column(Text, nullable=False))
    is_dpop_required: bool = False
    is_second_factor_required: bool = False
    are_cross_agent_paths_allowed: bool = False
    session_idle_days: int = 7
    session_absolute_days: int = 30


Flag = Annotated[bool, Bound(strict=True)]
IdleDays = Annotated[int, Bound(ge=1, le=7, json_schema_extra={"format": "int32"}), WHOLE]
AbsoluteDays = Annotated[int, Bound(ge=1, le=30, json_schema_extra={"format": "int32"}), WHOLE]


class OrganizationUpdate(Wire):
    """A merge patch of the settings: what is absent stays."""

    password_form: PasswordForm = absent()
    is_dpop_required: Flag = absent()
    is_second_factor_required: Flag = absent()
    are_cross_agent_paths_allowed: Flag = absent()
    session_idle_days: IdleDays = absent()
    session_absolute_days: AbsoluteDays = absent()


class OrganizationPublic(Wire):
    """The caller's organisation and its settings.

    `mlps` asks for three kinds of characters and a new password every 90 days; `is_dpop_required` refuses sessions
    without a device key; `is_second_factor_required` leaves users without one nothing but enrolling it.
    `are_cross_agent_paths_allowed` says whether introductions may lead through a colleague's customers; it is kept for
    them, and nothing reads it yet.
    """

    id: UUID
    code: str = Bound(max_length=32)
    name: Line100
    password_form: PasswordForm
    is_dpop_required: bool
    is_second_factor_required: bool
    are_cross_agent_paths_allowed: bool
    session_idle_days: IdleDays
    session_absolute_days: AbsoluteDays
    version: Version
