"""Keys of partner banks: recognisable, scoped, expiring; only a keyed hash is stored."""

from datetime import datetime

from pydantic import Field as Bound
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from app.models.base import Line100, ScopeName, TenantRow, Wire


class ApiKey(TenantRow, table=True):
    """One key of one partner."""

    __tablename__ = "api_keys"

    key_id: str
    partner_name: str
    key_hash: bytes
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class PartnerMe(Wire):
    """What a partner's key is and may do."""

    key_id: str = Bound(max_length=32)
    partner_name: Line100
    org_name: Line100
    scopes: list[ScopeName] = Bound(max_length=50)
    expires_at: datetime
