"""Settings of the process, read once from the environment (`RENMAI_*`) or a `.env` file."""

import base64
import binascii
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_NEVER_SECRET = {"", "secret", "changeme", "change-me", "postgres", "renmai", "password", "example"}


class SettingsError(ValueError):
    """The environment does not describe a service that may be started."""


class Settings(BaseSettings):
    """Everything an operator may set. Outside development, secrets have no defaults."""

    model_config = SettingsConfigDict(env_prefix="RENMAI_", env_file=".env", extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "test", "production"] = "development"
    database_url: str | None = Field(default=None, description="Application role; none starts a private server")
    owner_database_url: str | None = Field(default=None, description="Owner role: migrations and commands only")
    sealer_database_url: str | None = Field(
        default=None, description="Role `renmai_sealer`: seals the audit trail; without it the owner's role does"
    )
    app_role: str = Field(default="renmai_app", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    var_dir: Path = Path("var")
    master_key: SecretStr | None = Field(default=None, description="32 random bytes, base64; wraps all other keys")
    kek: SecretStr | None = Field(default=None, description="Key-encryption keys: `version base64`, one a line")
    kek_file: Path | None = Field(default=None, description="The same in a file, read anew for an unknown version")
    seal_algorithm: Literal["aes-256-gcm", "sm4-gcm"] = Field(
        default="aes-256-gcm", description="What is sealed anew; both are read"
    )
    key_seconds: int = Field(
        default=60, ge=1, le=300, description="How long a process keeps the keys of an organisation in memory"
    )
    issuer: str = "renmai"
    audience: str = "renmai-api"
    access_ttl_seconds: int = Field(default=600, ge=30, le=600)
    allowed_hosts: str = Field(default="*", description="Comma separated Host names; * allows all")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
        description="What clients call this service (https://api.example.com), when a proxy stands before it",
    )
    trusted_proxies: str = Field(default="", description="Comma separated addresses whose Request-Id is believed")
    rate_limit: int = Field(default=600, ge=0, description="Requests a minute per caller; 0 switches it off")
    redis_url: SecretStr | None = Field(default=None, description="Where workers share the counts of the rate limit")
    body_seconds: float = Field(default=30, ge=1, le=300, description="Time a whole body may take to arrive")
    write_pool_size: int = Field(default=10, ge=1, le=100)
    read_pool_size: int = Field(
        default=6, ge=1, le=100, description="Reads at work at once, a worker: about three a core of the database"
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    jobs: Literal["inside", "off"] = Field(
        default="inside", description="Background jobs in the processes of the service, or only in `renmai work`"
    )
    erasure_list: Path | None = Field(
        default=None, description="Written by `renmai erasures export`: replayed before the service opens"
    )
    demo_password: SecretStr = SecretStr("renmai-demo-2026")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("redis_url")
    @classmethod
    def _refuse_odd_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None  # compose.yaml passes what is not set as an empty word
        try:
            parts = urlsplit(url.get_secret_value())
            is_good = bool(parts.path) if parts.scheme == "redis+unix" else bool(parts.hostname and parts.port != 0)
        except ValueError:
            is_good = False
        if not is_good or not re.fullmatch(r"rediss?|redis\+unix", parts.scheme):
            raise ValueError("must be redis://host:port, rediss://host:port or redis+unix:///path")
        return url

    @field_validator("kek_file", mode="before")
    @classmethod
    def _no_file(cls, path: object) -> object:
        return path or None  # compose.yaml again

    @model_validator(mode="after")
    def _refuse_unsafe_production(self) -> Self:
        if self.environment != "production":
            return self
        if not self.database_url:
            raise ValueError("RENMAI_DATABASE_URL is required in production")
        if self.master_key is None:
            raise ValueError("RENMAI_MASTER_KEY is required in production")
        _decode_master(self.master_key.get_secret_value())
        if self.allowed_hosts.strip() == "*":
            raise ValueError("RENMAI_ALLOWED_HOSTS must name the hosts in production")
        password = self.database_url.rsplit("@", 1)[0].rsplit(":", 1)[-1]
        if "@" in self.database_url and password.lower() in _NEVER_SECRET:
            raise ValueError("RENMAI_DATABASE_URL carries a default password")
        return self

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    def redis_address(self) -> str | None:
        """Where the counts of the rate limit are shared, if they are and there is a limit."""
        return self.redis_url.get_secret_value() if self.redis_url is not None and self.rate_limit else None

    def master_secret(self) -> bytes:
        """The 32-byte root key. In development a missing key is made once and kept in `var_dir` (mode 0600).

        Raises:
            SettingsError: the key is not 32 bytes of base64, or visibly not random.
        """
        if self.master_key is not None:
            return _decode_master(self.master_key.get_secret_value())
        return _development_master(self.var_dir)


def _decode_master(text: str) -> bytes:
    return random_key(text, "RENMAI_MASTER_KEY")


def random_key(text: str, name: str) -> bytes:
    """The 32 bytes of a key in base64.

    Raises:
        SettingsError: it is not base64, not 32 bytes, or visibly not random.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(f"{name} is not base64") from None
    if len(raw) != 32 or len(set(raw)) < 12:
        raise SettingsError(f"{name} must be 32 random bytes: openssl rand -base64 32")
    return raw


def _development_master(var_dir: Path) -> bytes:
    import os

    path = var_dir / "master.key"
    if not path.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(base64.b64encode(os.urandom(32)))
        try:
            os.link(draft, path)  # two processes starting together: the first one wins, both read its key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _decode_master(path.read_text())


@lru_cache
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()
