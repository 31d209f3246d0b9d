"""Tokens for the tests: a key, a table, and a forger that signs whatever it is told to."""

import base64
import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.tokens import AccessClaims, KeyState, KeyTable, SigningKey, TokenError

NOW = 1_790_000_000
KEY = SigningKey.generate()
Json = dict[str, Any]


def make_table(*keys: tuple[str, str | bytes, KeyState], **options: Any) -> KeyTable:
    listed = keys or ((KEY.kid, KEY.to_pem(), "active"),)
    return KeyTable(listed, **{"issuer": "renmai", "audience": "renmai-api", **options})


TABLE = make_table()


def make_claims(**changes: Any) -> AccessClaims:
    claims = TABLE.new_claims(org=uuid4(), sub=uuid4(), sid=uuid4(), auth_time=NOW - 5, now=NOW)
    return replace(claims, **changes)


def members() -> Json:
    times = {"iat": NOW, "exp": NOW + 600, "auth_time": NOW}
    ids = {name: str(uuid4()) for name in ("org", "sub", "sid", "jti")}
    return {"iss": "renmai", "aud": "renmai-api", **ids, **times}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_sign(signing_input: str) -> str:
    r, s = decode_dss_signature(KEY.private.sign(signing_input.encode(), ec.ECDSA(SHA256())))
    return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def forge(payload: Json | str | bytes, header: Json | str | bytes | None = None, **extra: Any) -> str:
    """A token with a *true* signature over whatever it says: only the other checks can refuse it."""
    header = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid, **extra} if header is None else header
    parts = [json.dumps(p) if isinstance(p, dict) else p for p in (header, payload)]
    head, body = (b64(p.encode("utf-8", "surrogatepass") if isinstance(p, str) else p) for p in parts)
    return f"{head}.{body}.{raw_sign(f'{head}.{body}')}"


def refused(token: Any, table: KeyTable = TABLE, now: float = NOW) -> str:
    with pytest.raises(TokenError) as caught:
        table.verify(token, now=now)
    assert str(caught.value) == "invalid token"
    return caught.value.reason
