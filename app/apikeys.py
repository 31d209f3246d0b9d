"""Partner API keys: `rmk_<live|test>_<key id 16>_<secret 32><checksum 6>`, always 64 characters.

The prefix lets secret scanners (and our own bearer check) recognise a key, the checksum refuses a typing error
without asking the database, and the key id finds the row; only a keyed hash of the whole text is stored.
"""

import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Literal, cast

Environment = Literal["live", "test"]

PREFIX = "rmk_"
"""What every key starts with; a JWT cannot (its first character is `e`)."""
KEY_CHARS = 64
SECRET_CHARS = 32  # log2(62) * 32 = 190.5 bits

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKSUM_CHARS = 6  # 62^6 > 2^32
_FORM = re.compile(r"rmk_(live|test)_([0-9a-f]{16})_[0-9A-Za-z]{38}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment its text exists. `secret_hash` is what is stored."""

    text: str = field(repr=False)
    key_id: str
    secret_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key: not yet known to exist."""

    environment: Environment
    key_id: str
    text: str = field(repr=False)


def generate(environment: Environment, pepper: bytes) -> NewKey:
    """A new random key: 64-bit public id, 190-bit secret.

    Raises:
        ValueError: another environment than live or test.
    """
    if environment not in ("live", "test"):
        raise ValueError("the environment of a key is live or test")
    key_id = secrets.token_hex(8)
    secret = "".join(secrets.choice(_BASE62) for _ in range(SECRET_CHARS))
    body = f"{PREFIX}{environment}_{key_id}_{secret}"
    text = body + _checksum(body)
    return NewKey(text=text, key_id=key_id, secret_hash=hash_key(pepper, text))


def parse(text: str) -> ParsedKey | None:
    """The parts of a key, or None for anything that is not one. Pure; refuses every single wrong character.

    CRC-32 finds all errors within 32 adjacent bits, so no one-character slip passes; it is no protection against
    forgery, which the stored hash is.
    """
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None or _checksum(text[:-_CHECKSUM_CHARS]) != text[-_CHECKSUM_CHARS:]:
        return None
    return ParsedKey(environment=cast("Environment", match[1]), key_id=match[2], text=text)


def hash_key(pepper: bytes, text: str) -> bytes:
    """HMAC-SHA-256 (32 bytes) of the whole key under the pepper. A plain hash is enough for 190 random bits.

    Raises:
        ValueError: a pepper under 32 bytes.
    """
    if len(pepper) < 32:
        raise ValueError("the pepper needs 32 bytes")
    return hmac.digest(pepper, b"renmai/api-key/1\0" + text.encode("utf-8"), "sha256")


def matches(pepper: bytes, key: ParsedKey, stored: bytes) -> bool:
    """Whether `key` is the one whose hash was stored, in constant time."""
    return hmac.compare_digest(hash_key(pepper, key.text), stored)


def _checksum(body: str) -> str:
    """CRC-32 of the text before it, in base 62, most significant character first."""
    number, characters = zlib.crc32(body.encode("ascii")), ""
    for _ in range(_CHECKSUM_CHARS):
        number, digit = divmod(number, 62)
        characters = _BASE62[digit] + characters
    return characters
