"""A phone that proves to hold its key (RFC 9449), and that can do every part of it wrong.

Nothing of the service is used to build a proof: what these tests accept, another client library would have made too.
"""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

Json = dict[str, Any]


class _Left:
    """The type of `LEFT_OUT`."""


LEFT_OUT = _Left()  # as a value of `proof(...)`: the member is missing


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def digest(text: str) -> str:
    """What `ath` says of an access token."""
    return b64(hashlib.sha256(text.encode()).digest())


def _without_what_is_left_out(members: Json) -> Json:
    return {name: value for name, value in members.items() if not isinstance(value, _Left)}


@dataclass
class Device:
    """A phone with a P-256 key of its own."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwk(self) -> Json:
        """The public key as a proof's header shows it."""
        numbers = self.private.public_key().public_numbers()
        x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    @property
    def jkt(self) -> str:
        """The thumbprint of the key (RFC 7638)."""
        jwk = self.jwk
        return digest(f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}')

    def sign(self, header: Json | str, payload: Json | str) -> str:
        """A compact JWS over exactly this, whatever it is."""
        parts = [json.dumps(part) if isinstance(part, dict) else part for part in (header, payload)]
        signed = ".".join(b64(part.encode("utf-8", "surrogatepass")) for part in parts)
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def proof(
        self,
        method: str,
        url: str,
        *,
        access_token: str | None = None,
        nonce: str | None = None,
        now: float | None = None,
        jwk: Any = None,
        header: Json | None = None,
        **over: Any,
    ) -> str:
        """A proof for one request, with a true signature.

        Args:
            url: as it is requested; query and fragment are left off, as clients do.
            now: the phone's clock, Unix seconds.
            jwk: another key to show instead of the one that signs.
            header, over: members of the header and of the payload to set, or to leave out with `LEFT_OUT`.
        """
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk if jwk is None else jwk, **(header or {})}
        payload = {
            "jti": str(uuid4()),
            "htm": method,
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": int(time.time() if now is None else now),
            "ath": LEFT_OUT if access_token is None else digest(access_token),
            "nonce": LEFT_OUT if nonce is None else nonce,
            **over,
        }
        return self.sign(_without_what_is_left_out(head), _without_what_is_left_out(payload))
