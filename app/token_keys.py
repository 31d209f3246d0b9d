"""P-256 keys in the two spellings tokens use, PEM and JWK, and the one name each key has.

No JWT library is asked here: whether a key is fit is decided before a library sees it.
"""

import hashlib
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.token_format import TokenError, decoded, encoded

ALGORITHM = "ES256"

_NEEDED = frozenset({"kty", "crv", "x", "y"})
_ALLOWED = _NEEDED | {"alg", "use", "key_ops", "kid"}
_MAX_KID_CHARS = 128
_FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1  # the prime of P-256 (SP 800-186, 3.2.1.3)


def text_of_pem(pem: str | bytes) -> str:
    """A PEM as text, whichever way it came."""
    return pem if isinstance(pem, str) else pem.decode("ascii")


def load_pem(pem: str | bytes) -> ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey:
    """The key of an unencrypted PEM, private or public.

    Raises:
        ValueError: it is no P-256 key.
    """
    raw = text_of_pem(pem).encode("ascii")
    loaded = (
        serialization.load_pem_private_key(raw, password=None)
        if b"PRIVATE KEY" in raw
        else serialization.load_pem_public_key(raw)
    )
    if not isinstance(loaded, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        raise ValueError("not an elliptic curve key")
    if not isinstance(loaded.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return loaded


def public_members(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The members a JWK must have, in their one spelling."""
    numbers = public.public_numbers()
    x, y = (encoded(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def published(kid: str, members: Mapping[str, str]) -> dict[str, str]:
    """A member of a JWK set: what the key is, and what it is for."""
    return {**members, "alg": ALGORITHM, "use": "sig", "kid": kid}


def thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638: SHA-256 over the required members in lexicographic order without spaces; 43 characters."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return encoded(hashlib.sha256(canonical.encode("ascii")).digest())


def key_of_jwk(members: Mapping[str, object]) -> ec.EllipticCurvePublicKey:
    """The public P-256 signing key a JWK describes; members nobody asks for are ignored.

    Raises:
        TokenError: another kind of key, a private one, one for another use, or a point that is not on the curve.
    """
    wanted = {"kty": "EC", "crv": "P-256"}
    if "d" in members or any(members.get(name) != value for name, value in wanted.items()):
        raise TokenError("key")
    if members.get("alg", ALGORITHM) != ALGORITHM or members.get("use", "sig") != "sig":
        raise TokenError("key")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise TokenError("key")
    x, y = (_coordinate(members.get(name)) for name in ("x", "y"))
    try:
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise TokenError("key") from None


def key_of_stranger(jwk: object) -> ec.EllipticCurvePublicKey:
    """The key a token brings along itself: nothing may be said of it but what makes it a public P-256 key.

    Raises:
        TokenError: as `key_of_jwk`, and for every member that has no business there.
    """
    if not isinstance(jwk, dict) or not _NEEDED <= jwk.keys() <= _ALLOWED:
        raise TokenError("key")
    kid = jwk.get("kid", "-")
    if jwk.get("key_ops", ["verify"]) != ["verify"] or not isinstance(kid, str) or len(kid) > _MAX_KID_CHARS:
        raise TokenError("key")
    return key_of_jwk(jwk)


def _coordinate(value: object) -> int:
    raw = decoded(value) if isinstance(value, str) else b""
    number = int.from_bytes(raw, "big")
    # The library takes a number beyond the field for its remainder: a second spelling of the same point.
    if len(raw) != 32 or number >= _FIELD:
        raise TokenError("key")
    return number
