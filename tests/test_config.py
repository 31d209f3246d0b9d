"""Production refuses to start with missing, default or visibly weak secrets, and says which."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.config import Settings, SettingsError

GOOD: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql://renmai_app:x9Qe-not-a-default@db/renmai",
    "master_key": base64.b64encode(bytes(range(32))).decode(),
    "allowed_hosts": "api.example",
}


def production(**over: Any) -> Settings:
    return Settings(**{**GOOD, **over}, _env_file=None)


def test_complete_production_settings_are_taken() -> None:
    assert production().is_production
    assert production().master_secret() == bytes(range(32))


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"database_url": None}, "RENMAI_DATABASE_URL"),
        ({"database_url": "postgresql://renmai_app:postgres@db/renmai"}, "RENMAI_DATABASE_URL"),
        ({"master_key": None}, "RENMAI_MASTER_KEY"),
        ({"master_key": ""}, "RENMAI_MASTER_KEY"),
        ({"master_key": "not base64!"}, "RENMAI_MASTER_KEY"),
        ({"master_key": base64.b64encode(bytes(16)).decode()}, "RENMAI_MASTER_KEY"),
        ({"master_key": base64.b64encode(bytes(32)).decode()}, "RENMAI_MASTER_KEY"),
        ({"allowed_hosts": "*"}, "RENMAI_ALLOWED_HOSTS"),
    ],
)
def test_weak_production_settings_are_refused_by_name(over: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        production(**over)
    assert named in str(refused.value)


def test_access_tokens_never_live_longer_than_ten_minutes() -> None:
    with pytest.raises(ValidationError):
        production(access_ttl_seconds=601)


def test_development_makes_one_root_key_and_keeps_it(tmp_path: Path) -> None:
    first = Settings(var_dir=tmp_path, master_key=None, _env_file=None).master_secret()
    again = Settings(var_dir=tmp_path, master_key=None, _env_file=None).master_secret()
    assert first == again
    assert len(first) == 32
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


def test_spoilt_root_key_file_is_an_error_not_a_new_key(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_bytes(os.urandom(8).hex().encode())
    with pytest.raises(SettingsError, match="RENMAI_MASTER_KEY"):
        Settings(var_dir=tmp_path, master_key=None, _env_file=None).master_secret()


def test_address_of_redis_is_optional_and_hidden() -> None:
    assert production().redis_address() is None
    assert production(redis_url="").redis_address() is None
    settings = production(redis_url="redis://:x9Qe-hidden@cache:6379/0")
    assert settings.redis_address() == "redis://:x9Qe-hidden@cache:6379/0"
    assert "hidden" not in repr(settings)
    assert production(redis_url="redis://cache", rate_limit=0).redis_address() is None


@pytest.mark.parametrize("url", ["rediss://u:p@cache:6380/1?db=2", "redis+unix:///run/redis.sock"])
def test_other_ways_to_redis_are_taken(url: str) -> None:
    assert production(redis_url=url).redis_address() == url


@pytest.mark.parametrize(
    "url",
    ["cache:6379", "http://hidden", "redis://", "redis://:hidden@", "redis://hidden:x", "redis://h:0", "redis+unix:"],
)
def test_odd_address_of_redis_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        production(redis_url=url)
    assert "redis_url" in str(refused.value)
    assert "hidden" not in str(refused.value)
