"""Organisations and their settings."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.models.base import WHOLE, Line100, TenantRow, Version, Wire, absent, decimals, utc_now


class PasswordForm(StrEnum):
    """What a password must look like: long and not on any list; or, beside that, as GB/T 22239 (等保) asks."""

    length = "length"
    mlps = "mlps"


class StrengthRule(StrEnum):
    """Which strength of a relationship counts: the greater one, what was declared, or what contacts make of it."""

    max = "max"
    declared = "declared"
    computed = "computed"


class Organization(SQLModel, table=True):
    """One insurer's branch or agency: the tenant. Its id is the `org_id` of everything below."""

    __tablename__ = "orgs"

    id: UUID = Field(primary_key=True)
    code: str
    name: str
    created_at: datetime = Field(default_factory=utc_now)


# What a contact of each kind adds before time takes it away again. The migration says it too.
WEIGHTS = {"meeting": 0.5, "meal": 0.6, "call": 0.25, "message": 0.1, "event": 0.6, "gift": 0.3, "business": 0.5,
           "introduction": 0.7}  # fmt: skip


class OrganizationSettings(TenantRow, table=True):
    """What an organisation's administrator decides; one row, whose id is the organisation's."""

    __tablename__ = "org_settings"

    password_form: PasswordForm = Field(default=PasswordForm.length, sa_column=Column(Text, nullable=False))
    is_dpop_required: bool = False
    is_second_factor_required: bool = False
    are_cross_agent_paths_allowed: bool = False
    session_idle_days: int = 7
    session_absolute_days: int = 30
    strength_rule: StrengthRule = Field(default=StrengthRule.max, sa_column=Column(Text, nullable=False))
    strength_half_life_days: int = 180
    interaction_weights: dict[str, float] = Field(
        default_factory=lambda: dict(WEIGHTS), sa_column=Column(JSONB, nullable=False)
    )
    sales_rules: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


Flag = Annotated[bool, Bound(strict=True)]
IdleDays = Annotated[int, Bound(ge=1, le=7, json_schema_extra={"format": "int32"}), WHOLE]
AbsoluteDays = Annotated[int, Bound(ge=1, le=30, json_schema_extra={"format": "int32"}), WHOLE]


HalfLife = Annotated[int, Bound(ge=7, le=3650, json_schema_extra={"format": "int32"}), WHOLE]


Weight = Annotated[
    float,
    Bound(strict=True, ge=0, le=3, json_schema_extra={"format": "double", "multipleOf": 0.01}),
    decimals(2),
]


class InteractionWeights(Wire):
    """What a contact of each kind adds to the computed strength of a relationship, 0 to 3, at most two decimals.

    0.5 alone makes 0.39 of a stranger on the day, 0.7 makes 0.5, 3 makes 0.95.
    """

    meeting: Weight
    meal: Weight
    call: Weight
    message: Weight
    event: Weight
    gift: Weight
    business: Weight
    introduction: Weight


class OrganizationUpdate(Wire):
    """A merge patch of the settings: what is absent stays; of `interaction_weights` all eight are sent.

    A change of the last three reckons at once every relationship with recorded contacts, up to 20,000 of them. Where
    there are more, a job in the background does it, usually within minutes.
    """

    password_form: PasswordForm = absent()
    is_dpop_required: Flag = absent()
    is_second_factor_required: Flag = absent()
    are_cross_agent_paths_allowed: Flag = absent()
    session_idle_days: IdleDays = absent()
    session_absolute_days: AbsoluteDays = absent()
    strength_rule: StrengthRule = absent()
    strength_half_life_days: HalfLife = absent()
    interaction_weights: InteractionWeights = absent()


class OrganizationPublic(Wire):
    """The caller's organisation and its settings.

    `mlps` asks for three kinds of characters and a new password every 90 days; `is_dpop_required` refuses sessions
    without a device key; `is_second_factor_required` leaves users without one nothing but enrolling it.
    `are_cross_agent_paths_allowed` says whether paths to an introduction may lead through a colleague's customers.
    `strength_rule`, `strength_half_life_days` and `interaction_weights` say how strong a relationship is: computed is
    1 - exp(-sum of weight * 0.5^(days ago / half-life)) over the recorded contacts.
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
    strength_rule: StrengthRule
    strength_half_life_days: HalfLife
    interaction_weights: InteractionWeights
    version: Version
