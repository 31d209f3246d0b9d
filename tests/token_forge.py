"""Tokens for the tests: a key, a table, and a forger that signs whatever it is told to."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app import crypto, keyring
from app.tokens import AccessClaims, KeyState, KeyTable, SigningKey, TokenError
from tests.factories import World
from tests.raw_asgi import Answer, ask, make_scope

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


def opened(segment: str) -> Json:
    """What a header or a payload says."""
    found: Json = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


def raw_sign(signing_input: str, key: SigningKey = KEY) -> str:
    r, s = decode_dss_signature(key.private.sign(signing_input.encode(), ec.ECDSA(SHA256())))
    return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def unsigned(payload: Json | str | bytes, header: Json | str | bytes) -> str:
    """The first two parts of a token, saying whatever they are told to."""
    parts = [json.dumps(p) if isinstance(p, dict) else p for p in (header, payload)]
    head, body = (b64(p.encode("utf-8", "surrogatepass") if isinstance(p, str) else p) for p in parts)
    return f"{head}.{body}"


def forge(
    payload: Json | str | bytes, header: Json | str | bytes | None = None, key: SigningKey = KEY, **extra: Any
) -> str:
    """A token with a *true* signature over whatever it says: only the other checks can refuse it."""
    header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **extra} if header is None else header
    signing_input = unsigned(payload, header)
    return f"{signing_input}.{raw_sign(signing_input, key)}"


def mac(payload: Json | str | bytes, header: Json, secret: bytes) -> str:
    """A token with an HMAC where the signature stands; the hash is the one its header names."""
    signing_input = unsigned(payload, header)
    digest = {"384": hashlib.sha384, "512": hashlib.sha512}.get(str(header["alg"])[2:], hashlib.sha256)
    return f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), digest))}"


@dataclass(frozen=True, slots=True)
class Insider:
    """Who holds the key the running service signs with, and a valid token of one of its users to vary."""

    key: SigningKey
    token: str

    @property
    def header(self) -> Json:
        return opened(self.token.split(".")[0])

    @property
    def payload(self) -> Json:
        return opened(self.token.split(".")[1])

    def says(self, **claims: Any) -> str:
        """The valid token with other claims, truly signed."""
        return forge({**self.payload, **claims}, key=self.key)


async def insider(world: World) -> Insider:
    """Signed in as the agent of this world."""
    token = world.token("agent")
    kid = str(opened(token.split(".")[0])["kid"])
    sealed = await world.db.fetchval("SELECT sealed_pem FROM signing_keys WHERE kid = $1", kid)
    return Insider(SigningKey.from_pem(crypto.open_text(keyring.current().kek, kid.encode(), sealed)), token)


async def ask_with(world: World, authorization: bytes, path: str = "/v1/me") -> Answer:
    """A request through the whole shell with this header, byte for byte as no client library would send it."""
    headers = [(b"host", b"test"), (b"authorization", authorization), (b"accept-language", b"en")]
    return await ask(world.app, make_scope(path=path, headers=headers))


async def status_of(world: World, token: str, path: str = "/v1/me") -> int | None:
    """How the service answers a bearer of this token."""
    return (await ask_with(world, b"Bearer " + token.encode("utf-8", "surrogatepass"), path)).status


def told(answer: Answer) -> str:
    """The body of a refusal but for the id of the request, which is the one thing that may differ."""
    body: Mapping[str, Any] = answer.json()
    return json.dumps({name: value for name, value in body.items() if name != "request_id"}, sort_keys=True)


def refused(token: Any, table: KeyTable = TABLE, now: float = NOW) -> str:
    with pytest.raises(TokenError) as caught:
        table.verify(token, now=now)
    assert str(caught.value) == "invalid token"
    return caught.value.reason
