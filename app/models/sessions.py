"""Sessions: one per sign-in on one device, kept alive by rotating refresh tokens."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlmodel import Field, SQLModel

from app.models.base import Line100, TenantRow, Wire, utc_now
from app.models.second_factors import SecondFactorCode


class Platform(StrEnum):
    """What the agent holds in his hand."""

    ios = "ios"
    android = "android"
    harmony = "harmony"
    wechat = "wechat"
    web = "web"
    cli = "cli"


class LoginSession(TenantRow, table=True):
    """One sign-in. It ends when revoked, idle too long, or at its absolute end."""

    __tablename__ = "sessions"

    user_id: UUID
    device_id: str
    device_name: str
    platform: str
    auth_at: datetime = Field(default_factory=utc_now)
    last_used_at: datetime = Field(default_factory=utc_now)
    idle_expires_at: datetime
    absolute_expires_at: datetime
    dpop_jkt: str | None = None
    revoked_at: datetime | None = None
    revoked_reason: str | None = None


class RefreshToken(SQLModel, table=True):
    """A link of the rotation chain; only a keyed hash of the token is kept."""

    __tablename__ = "refresh_tokens"

    org_id: UUID = Field(primary_key=True)
    token_hash: bytes = Field(primary_key=True)
    session_id: UUID
    created_at: datetime = Field(default_factory=utc_now)
    used_at: datetime | None = None
    successor_hash: bytes | None = None
    successor_sealed: bytes | None = None


DeviceToken = Annotated[str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]
DeviceId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]


class Device(Wire):
    """The device that signs in, as it names itself."""

    id: DeviceId
    name: Line100
    platform: Platform
    token: DeviceToken | None = Bound(
        default=None, description="The `device_token` of an earlier sign-in: guesses made elsewhere cannot lock it out"
    )


# Counted before composition: 128 characters may arrive as several hundred. What may be chosen is said by `passwords`.
Password = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


class Login(Wire):
    """User name and password of one organisation; `code` is asked for when a second factor is enrolled."""

    org: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9-]+$")]
    username: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$")]
    password: Password
    code: SecondFactorCode | None = None
    device: Device


class Refresh(Wire):
    """The refresh token of the last answer; each is good for one exchange."""

    refresh_token: Annotated[str, StringConstraints(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")]


TokenType = Literal["Bearer", "DPoP"]
Lifetime = Annotated[int, Bound(ge=1, le=600, json_schema_extra={"format": "int32"})]


class Tokens(Wire):
    """A short-lived access token and the refresh token for the next one."""

    access_token: str = Bound(max_length=2000)
    token_type: TokenType = "Bearer"  # noqa: S105  the type of the token, not a secret
    expires_in: Lifetime
    refresh_token: str = Bound(max_length=200)
    device_token: str | None = Bound(
        default=None, max_length=200, description="At sign-in only: send it as `device.token` of the next one"
    )
    session_id: UUID


class StepUp(Wire):
    """The password; or the second factor, when one is enrolled."""

    password: Password | None = None
    code: SecondFactorCode | None = None


class FreshToken(Wire):
    """An access token that proves the person was there just now; the session and its refresh token stay."""

    access_token: str = Bound(max_length=2000)
    token_type: TokenType
    expires_in: Lifetime
    auth_time: Annotated[int, Bound(ge=1, le=2**53, json_schema_extra={"format": "int64"}, description="Unix seconds")]


class PasswordChange(Wire):
    """The present password and the one to be used from now on."""

    current_password: Password
    new_password: Password


class SessionPublic(Wire):
    """One sign-in on one device; `is_current` marks the caller's own present one."""

    id: UUID
    device_id: str = Bound(max_length=64)
    device_name: Line100
    platform: Platform
    created_at: datetime
    last_used_at: datetime
    is_bound: bool = Bound(description="Its tokens are good only with the key of the device (DPoP)")
    is_current: bool


class SessionList(Wire):
    """A user's live sessions, the last used first."""

    items: list[SessionPublic] = Bound(max_length=200)
