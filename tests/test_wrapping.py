"""Key-encryption keys: where they come from, which are refused, and how a running process learns of a new one."""

import base64
import os
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import SecretStr

from app import aead, crypto, keyring, wrapping
from app.config import Settings, SettingsError
from app.crypto import Algorithm, CryptoError, Place
from app.wrapping import LocalKeys

MASTER, DERIVED, ORG = bytes(range(1, 33)), bytes(range(150, 182)), uuid4()
PLACE = Place.key("org", ORG, 1)


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def settings(tmp_path: Path, kek: str | None = None, file: str | None = None, **over: object) -> Settings:
    made = Settings(var_dir=tmp_path, master_key=SecretStr(text(MASTER)), _env_file=None)
    changes: dict[str, object] = {"kek": None if kek is None else SecretStr(kek), **over}
    if file is not None:
        changes["kek_file"] = tmp_path / "kek"
        (tmp_path / "kek").write_text(file)
    return made.model_copy(update=changes)


def test_without_a_key_the_derived_one_is_version_1(tmp_path: Path) -> None:
    assert LocalKeys(settings(tmp_path), DERIVED).versions() == [1]


async def test_databases_of_before_open(tmp_path: Path) -> None:
    old = crypto.wrap_key(DERIVED, ORG, 1, MASTER)
    keys = LocalKeys(settings(tmp_path, kek=f"2 {text(os.urandom(32))}"), DERIVED)
    assert await keys.unwrap(1, PLACE, old) == MASTER
    assert await keys.current() == 2
    version, wrapped = await keys.wrap(PLACE, MASTER)
    assert version == 2
    assert await keys.unwrap(2, PLACE, wrapped) == MASTER
    with pytest.raises(CryptoError):
        await keys.unwrap(1, PLACE, wrapped)


def test_keys_come_from_both_places_and_lines_may_say_nothing(tmp_path: Path) -> None:
    lines = f"# of 2026\n\n 3   {text(os.urandom(32))}  \n"
    keys = LocalKeys(settings(tmp_path, f"1 {text(os.urandom(32))},2 {text(os.urandom(32))}", lines), DERIVED)
    assert keys.versions() == [1, 2, 3]


_A, _B = text(bytes(range(40, 72))), text(bytes(range(90, 122)))


@pytest.mark.parametrize(
    ("kek", "file"),
    [
        ("1", None), ("x", None), (f"0 {_A}", None), (f"-1 {_A}", None), (f"１ {_A}", None), (f"1 {_A} 2", None),
        (f"9999999999 {_A}", None), ("2 secret", None), (f"2 {text(bytes(32))}", None),
        (f"2 {text(bytes(range(16)))}", None),
        (f"2 {_A}\n2 {_B}", None), (f"2 {_A}\n3 {_A}", None), (f"2 {_A}", f"2 {_B}"), (f"2 {_A}", f"3 {_A}"),
        (f"2 {text(MASTER)}", None), (f"2 {text(DERIVED)}", None), (None, f"1 {text(MASTER)}"),
        ("2 " + text(b"changeme" * 4), None),
    ],
)  # fmt: skip
def test_start_refuses_default_short_equal_and_duplicate_keys(
    tmp_path: Path, kek: str | None, file: str | None
) -> None:
    with pytest.raises(SettingsError, match=r"RENMAI_KEK|must differ") as caught:
        LocalKeys(settings(tmp_path, kek, file), DERIVED)
    assert not [one for one in (_A, _B, text(MASTER)) if one in str(caught.value)]


@pytest.mark.parametrize("kek", [f"2 {_A}\n2 {_B}", f"2 {text(bytes(32))}", "2 short"])
def test_no_process_has_keys_with_an_unfit_one_among_them(tmp_path: Path, kek: str) -> None:
    with pytest.raises(SettingsError):
        keyring.derive(settings(tmp_path, kek))


async def test_missing_file_stops_the_start_but_nobody_who_knows_its_keys(tmp_path: Path) -> None:
    here = settings(tmp_path, file=f"2 {_A}")
    keys = LocalKeys(here, DERIVED)
    _, wrapped = await keys.wrap(PLACE, MASTER)
    (tmp_path / "kek").unlink()
    keys._looked -= 1000
    assert await keys.unwrap(2, PLACE, wrapped) == MASTER
    for refused in (keys.wrap(PLACE, MASTER), keys.unwrap(3, PLACE, wrapped)):
        with pytest.raises(SettingsError, match="cannot be read"):
            await refused
    with pytest.raises(SettingsError, match="cannot be read"):
        LocalKeys(here, DERIVED)


async def test_running_process_learns_a_new_key_and_forgets_one_that_is_gone(tmp_path: Path) -> None:
    here = settings(tmp_path, file=f"2 {_A}\n")
    one, other = LocalKeys(here, DERIVED), LocalKeys(here, DERIVED)
    _, before = await one.wrap(PLACE, MASTER)
    (tmp_path / "kek").write_text(f"2 {_A}\n3 {_B}\n")
    version, wrapped = await one.wrap(PLACE, MASTER)
    assert version == 3
    assert await other.unwrap(3, PLACE, wrapped) == MASTER
    assert one.destroy(2)
    assert (tmp_path / "kek").read_text() == f"3 {_B}\n"
    assert (tmp_path / "kek").stat().st_mode & 0o077 == 0
    assert not one.destroy(2)
    assert not one.destroy(1)
    other._looked -= 1000
    assert await other.unwrap(3, PLACE, wrapped) == MASTER
    assert other.versions() == [1, 3]
    with pytest.raises(CryptoError, match="not at hand"):
        await other.unwrap(2, PLACE, before)


def test_comments_stay_when_a_key_leaves_the_file() -> None:
    assert wrapping.without(f"# 2 old\n2 {_A}\n22 {_B}\n\n", 2) == f"# 2 old\n22 {_B}\n\n"


def test_empty_word_for_the_file_is_none() -> None:
    assert Settings(kek_file="", _env_file=None).kek_file is None


async def test_chosen_algorithm_wraps_and_both_open(tmp_path: Path) -> None:
    aes, sm4 = (
        LocalKeys(settings(tmp_path, f"2 {_A}", seal_algorithm=name), DERIVED) for name in ("aes-256-gcm", "sm4-gcm")
    )
    for keys, number in ((aes, 1), (sm4, 2)):
        _, wrapped = await keys.wrap(PLACE, MASTER)
        assert wrapped[1] == number
        assert await aes.unwrap(2, PLACE, wrapped) == await sm4.unwrap(2, PLACE, wrapped) == MASTER


def test_openssl_without_sm4_gcm_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking:
        def __init__(self, *_: object) -> None:
            raise UnsupportedAlgorithm("no")

    monkeypatch.setattr(aead, "Cipher", Lacking)
    with pytest.raises(CryptoError, match="no SM4-GCM"):
        keyring.derive(settings(tmp_path, seal_algorithm="sm4-gcm"))
    assert keyring.derive(settings(tmp_path)).algorithm is Algorithm.aes_256_gcm
