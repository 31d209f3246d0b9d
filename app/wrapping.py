"""Key-encryption keys: what wraps the keys of organisations and of the service, and itself never enters the database.

A process asks a `KeyWrapper`. The one here keeps its keys in the environment or a file. A key service (KMS, HSM) is
another implementation of the same two calls: `wrap` sends secret and place to the service's encrypt call (the place as
its encryption context) and answers the version of the service's key with the ciphertext; `unwrap` is its decrypt call.
It is asked once an organisation in `key_seconds`, never for a row.
"""

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from app import crypto
from app.config import Settings, SettingsError, random_key
from app.crypto import Algorithm, CryptoError, Place

_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_DEFAULT = 1  # derived from the master key, unless another key is given that version


class KeyWrapper(Protocol):
    """Wraps secrets of some hundred bytes at most."""

    async def current(self) -> int:
        """The version of the key-encryption key that wraps what is new."""
        ...

    async def wrap(self, place: Place, secret: bytes) -> tuple[int, bytes]:
        """The version of the key-encryption key, and the secret wrapped under it for this place only."""
        ...

    async def unwrap(self, kek_version: int, place: Place, blob: bytes) -> bytes:
        """The inverse of `wrap`.

        Raises:
            CryptoError: an unknown version, another place, or changed bytes.
        """
        ...


class LocalKeys:
    """Key-encryption keys held by the process; the highest version wraps what is new.

    The file is read anew before anything is wrapped, when something lies under a version that is not known, and now
    and then: a line added to it takes effect in running processes, and one taken away is forgotten. Keys in the
    environment need a restart of each.

    Args:
        settings: where the keys are.
        derived: version 1 where none is given.

    Raises:
        SettingsError: a line that is none, a key that is short or visibly not random, a version or a key that
            stands twice, or one that is the master key or derived from it.
    """

    def __init__(self, settings: Settings, derived: bytes) -> None:
        self._settings = settings
        self._derived = derived
        self._algorithm = Algorithm[settings.seal_algorithm.replace("-", "_")]
        self._look()

    def versions(self) -> list[int]:
        """The versions at hand, ascending."""
        return sorted(self._keys)

    async def current(self) -> int:
        self._look()
        return max(self._keys)

    async def wrap(self, place: Place, secret: bytes) -> tuple[int, bytes]:
        version = await self.current()
        return version, crypto.wrap(self._keys[version], place, secret, self._algorithm)

    async def unwrap(self, kek_version: int, place: Place, blob: bytes) -> bytes:
        if kek_version not in self._keys:
            self._look()
        elif time.monotonic() - self._looked > self._settings.key_seconds:
            with suppress(SettingsError):  # a file that is just not there does not stop who knows its keys
                self._look()
        if kek_version not in self._keys:
            raise CryptoError(f"key-encryption key {kek_version} is not at hand")
        return crypto.unwrap(self._keys[kek_version], place, blob)

    def destroy(self, version: int) -> bool:
        """Take a key out of the file; False when it does not come from there.

        Raises:
            SettingsError: the file cannot be written.
        """
        path = self._settings.kek_file
        if path is None or version not in parse(_text(path), "RENMAI_KEK_FILE"):
            return False
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                out.write(without(_text(path), version))
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise SettingsError("RENMAI_KEK_FILE cannot be written") from None
        self._look()
        return True

    def _look(self) -> None:
        self._keys, self._looked = self._read(), time.monotonic()

    def _read(self) -> dict[int, bytes]:
        given = "" if self._settings.kek is None else self._settings.kek.get_secret_value()
        keys = parse(given, "RENMAI_KEK")
        if self._settings.kek_file is not None:
            more = parse(_text(self._settings.kek_file), "RENMAI_KEK_FILE")
            if keys.keys() & more.keys():
                raise SettingsError("RENMAI_KEK and RENMAI_KEK_FILE give a key of the same version")
            keys |= more
        keys.setdefault(_DEFAULT, self._derived)
        if len({*keys.values(), self._settings.master_secret()}) != len(keys) + 1:
            raise SettingsError("key-encryption keys must differ from each other and from RENMAI_MASTER_KEY")
        return keys


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        raise SettingsError("RENMAI_KEK_FILE cannot be read") from None


def parse(text: str, name: str) -> dict[int, bytes]:
    """Keys by version from lines `version base64`; empty lines and lines that begin with # say nothing.

    A comma ends a line as well, for what cannot hold several.

    Raises:
        SettingsError: a line that is none, an unfit key, or a version that stands twice. Never quotes the line.
    """
    keys: dict[int, bytes] = {}
    for number, line in enumerate(text.replace(",", "\n").splitlines(), 1):
        words, where = line.split(), f"{name} line {number}"
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or not _VERSION.fullmatch(words[0]):
            raise SettingsError(f"{where} must be a version and a key in base64")
        version = int(words[0])
        if version in keys:
            raise SettingsError(f"{where} repeats version {version}")
        keys[version] = random_key(words[1], where)
    return keys


def without(text: str, version: int) -> str:
    """The text of a key file without the key of one version; everything else stays as it is."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.split() or line.split()[0] != str(version)
    )
