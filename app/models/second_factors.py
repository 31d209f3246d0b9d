"""Second factors: a time-based one-time password (TOTP, RFC 6238) and recovery codes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

from app.models.base import TenantRow, Wire


class SecondFactor(TenantRow, table=True):
    """A TOTP secret; it counts from its confirmation on. `last_step` is the last time step a code was taken for."""

    __tablename__ = "second_factors"

    user_id: UUID
    secret_enc: bytes
    confirmed_at: datetime | None = None
    last_step: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class RecoveryCode(SQLModel, table=True):
    """A code for the day the phone is lost; each is good once, and only its keyed hash is kept."""

    __tablename__ = "recovery_codes"

    org_id: UUID = Field(primary_key=True)
    second_factor_id: UUID = Field(primary_key=True)
    code_hash: bytes = Field(primary_key=True)
    used_at: datetime | None = None


# Six digits of the authenticator, or a recovery code.
SecondFactorCode = Annotated[
    str, StringConstraints(min_length=6, max_length=14, pattern=r"^([0-9]{6}|[0-9A-Za-z]{4}(-?[0-9A-Za-z]{4}){2})$")
]
TotpCode = Annotated[str, StringConstraints(min_length=6, max_length=6, pattern=r"^[0-9]{6}$")]


class SecondFactorNew(Wire):
    """What the authenticator needs; shown once. It counts after it was confirmed with a first code."""

    secret: str = Bound(max_length=64, description="Base32, for typing")
    otpauth_uri: str = Bound(max_length=300, description="For the QR code")


class SecondFactorConfirm(Wire):
    """The first code the authenticator shows."""

    code: TotpCode


class RecoveryCodes(Wire):
    """Ten codes, each good once instead of the authenticator's; shown once."""

    recovery_codes: list[Annotated[str, StringConstraints(max_length=14)]] = Bound(max_length=10)
