"""Legal holds: a law that keeps a person's data although he wants it erased."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlmodel import Field

from app.models.base import CalendarDate, TenantRow, Version, Wire


class Law(StrEnum):
    """Which law.

    `insurance_law_87` (保险法 87): papers of a policy, five years from its end, ten where it runs longer than a year.
    `anti_money_laundering` (反洗钱法 2024, 34): ten years. `dispute`, `authority`: as long as it takes.
    """

    insurance_law_87 = "insurance_law_87"
    anti_money_laundering = "anti_money_laundering"
    dispute = "dispute"
    authority = "authority"


class HoldReason(StrEnum):
    """What brought it about; the first two are found by the service itself."""

    policy_signed = "policy_signed"
    policy_concluded = "policy_concluded"
    claim = "claim"
    complaint = "complaint"
    lawsuit = "lawsuit"
    investigation = "investigation"


class LegalHold(TenantRow, table=True):
    """A hold on a customer, until a day or until it is lifted."""

    __tablename__ = "legal_holds"

    customer_id: UUID
    law: Law = Field(sa_column=Column(Text, nullable=False))
    reason: HoldReason = Field(sa_column=Column(Text, nullable=False))
    until: date | None = None
    source_type: str | None = None
    source_id: UUID | None = None
    set_by: UUID | None = None
    lifted_at: datetime | None = None
    lifted_by: UUID | None = None


class LegalHoldCreate(Wire):
    """A hold an administrator sets."""

    law: Law
    reason: HoldReason
    until: CalendarDate | None = Bound(default=None, description="Its last day; null: until it is lifted")


class LegalHoldPublic(Wire):
    """A hold. Those with a source were derived from it: a signed proposal, an introduction that led to a policy."""

    id: UUID
    customer_id: UUID
    law: Law
    reason: HoldReason
    until: date | None
    source_type: Literal["proposal", "introduction"] | None
    source_id: UUID | None
    set_by: UUID | None
    lifted_at: datetime | None
    lifted_by: UUID | None
    version: Version
    created_at: datetime


class LegalHoldList(Wire):
    """All holds of a customer, the lifted ones as well, the latest first."""

    items: list[LegalHoldPublic] = Bound(max_length=2000)
