"""The written form of a token, before any key is asked: strict where parsers are generous.

Python's base64 and JSON readers accept several spellings of one value, recurse as deep as a stranger asks and keep
the last of two equal members. Each of these has been an attack on a token library, so all of it is refused here.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Literal, Never
from uuid import UUID

MAX_TOKEN_CHARS = 6 * 1024

Reason = Literal[
    "shape",
    "encoding",
    "json",
    "header",
    "key",
    "signature",
    "claims",
    "origin",
    "expired",
    "future",
    "lifetime",
    "fault",
]

_SEGMENTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
_MAX_BRACKETS = 16  # counted on the bytes, because a parser that recurses has already lost
_MAX_DIGITS = 15


class TokenError(Exception):
    """The token is not one of ours, or no longer valid.

    The text never says why: it may reach a client. `reason` is a word of a closed set, for counters only.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__("invalid token")
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Compact:
    """The parts of a compact JWS (RFC 7515, 7.1); nothing about them is verified yet."""

    header: dict[str, object]
    payload: bytes
    signing_input: bytes
    signature: bytes


def split(token: str) -> Compact:
    """Take a compact JWS with a 64-byte signature apart.

    Raises:
        TokenError: not text, over 6 KiB, not three segments in the one spelling of their bytes, or an odd header.
    """
    is_short_text = isinstance(token, str) and len(token) <= MAX_TOKEN_CHARS
    match = _SEGMENTS.fullmatch(token) if is_short_text else None
    if match is None:
        raise TokenError("shape")
    header, payload, signature = match.groups()
    return Compact(
        header=strict_object(decoded(header)),
        payload=decoded(payload),
        signing_input=token[: -len(signature) - 1].encode("ascii"),
        signature=decoded(signature),
    )


def decoded(segment: str) -> bytes:
    """Strict base64url: without re-encoding, the last character of a segment has up to four accepted spellings."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise TokenError("encoding") from None
    if encoded(raw) != segment:
        raise TokenError("encoding")
    return raw


def encoded(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse(_: str) -> Never:
    raise ValueError("only integers here")


def _small_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("number too long")
    return int(digits)


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_refuse, parse_constant=_refuse, parse_int=_small_int)


def strict_object(raw: bytes) -> dict[str, object]:
    """A JSON object of at most 16 brackets, without equal members, fractions or numbers over 15 digits.

    Raises:
        TokenError: anything else.
    """
    if raw.count(b"{") + raw.count(b"[") > _MAX_BRACKETS:
        raise TokenError("json")
    try:
        value = _JSON.decode(raw.decode("utf-8"))
    except ValueError:
        raise TokenError("json") from None
    if not isinstance(value, dict):
        raise TokenError("json")
    return value


def canonical_uuid(value: object) -> UUID:
    """A claim that is a UUID in its lower-case hyphenated form, else `TokenError`."""
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != value:  # UUID() also takes braces, urn: and upper case
        raise TokenError("claims")
    return found


def canonical_digest(value: object) -> str:
    """A claim that is SHA-256 in the one base64url spelling of its 32 bytes, else `TokenError`."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value) or len(decoded(value)) != 32:
        raise TokenError("claims")
    return value


def positive_seconds(value: object) -> int:
    """A claim that is a whole number of Unix seconds above 0, else `TokenError`."""
    if type(value) is not int or value <= 0:  # bool is an int to isinstance
        raise TokenError("claims")
    return value
