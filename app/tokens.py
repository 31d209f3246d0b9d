"""Access tokens: the only module that knows python-jose.

python-jose 3.5.0 is used for one thing, ECDSA over P-256 with keys built beforehand. Everything it is known to
get wrong (algorithms chosen by the header, lax base64, duplicate or missing claims, crashes on odd JSON) is decided
before it (`token_format`) or after it, so that a bad token has exactly one outcome: `TokenError`. Its JWE half,
`jose.jwt` and the HMAC algorithms are never touched; replacing the library means rewriting this file only.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from jose.backends.base import Key

from app.token_format import MAX_TOKEN_CHARS as MAX_TOKEN_CHARS
from app.token_format import TokenError as TokenError
from app.token_format import canonical_digest, canonical_uuid, positive_seconds, split, strict_object
from app.token_keys import ALGORITHM as ALGORITHM
from app.token_keys import key_of_jwk, key_of_stranger, load_pem, public_members, published, text_of_pem, thumbprint

TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 media type, not a secret
PROOF_TYPE = "dpop+jwt"
MAX_TTL_SECONDS = 600
MAX_LEEWAY_SECONDS = 30
MAX_AHEAD_SECONDS = 60
CACHE_SECONDS = 60

KeyState = Literal["active", "verify_only"]
_T = TypeVar("_T")

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = frozenset({"alg", "typ", "kid"})
_CLAIMS = frozenset({"iss", "aud", "org", "sub", "sid", "jti", "iat", "exp", "auth_time"})
_BOUND_CLAIMS = _CLAIMS | {"cnf"}
_PROOF_HEADER = frozenset({"alg", "typ", "jwk"})


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says. Times are whole Unix seconds, UTC.

    `auth_time` is the moment the person last proved who they are; step-up checks compare it with the clock. `jkt`
    is the thumbprint of the phone's key (RFC 7638, 43 characters): whoever brings the token must prove to hold that
    key (RFC 9449). None: whoever brings the token may use it.
    """

    org: UUID
    sub: UUID
    sid: UUID
    jti: UUID
    issued_at: int
    expires_at: int
    auth_time: int
    jkt: str | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A P-256 private key; its `kid` is the RFC 7638 thumbprint, so one key can never carry two names."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        return cls._named(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: str | bytes) -> Self:
        """Read an unencrypted PEM.

        Raises:
            ValueError: the text is not the PEM of a P-256 private key.
        """
        loaded = load_pem(pem)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("the PEM holds no private key")
        return cls._named(loaded)

    @classmethod
    def _named(cls, private: ec.EllipticCurvePrivateKey) -> Self:
        return cls(kid=thumbprint(public_members(private.public_key())), private=private)

    def to_pem(self) -> bytes:
        """PKCS#8, unencrypted: seal it before it goes anywhere that is kept."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def public_jwk(self) -> dict[str, str]:
        """The public half as a member of a JWK set (RFC 7517)."""
        return published(self.kid, public_members(self.private.public_key()))


class KeyTable:
    """The keys of this service and the rules of its access tokens; immutable, replaced as a whole on rotation.

    Args:
        keys: `(kid, PEM of a private or public P-256 key, state)`, oldest first. `verify_only` keys never sign;
            with several `active` ones the last signs.
        issuer, audience: exact values of `iss` and `aud`.
        ttl: lifetime of new tokens in seconds, 1..600. Verification always allows up to 600, so that lowering the
            setting does not log anybody out.
        leeway: clock difference in seconds forgiven at expiry, 0..30.

    Raises:
        ValueError: a key, kid, state, ttl or leeway outside these rules.
    """

    def __init__(
        self,
        keys: Iterable[tuple[str, str | bytes, KeyState]],
        *,
        issuer: str,
        audience: str,
        ttl: int = MAX_TTL_SECONDS,
        leeway: int = 10,
    ) -> None:
        if not 1 <= ttl <= MAX_TTL_SECONDS or not 0 <= leeway <= MAX_LEEWAY_SECONDS:
            raise ValueError("ttl must be 1..600 seconds and leeway 0..30")
        if not issuer or not audience:
            raise ValueError("issuer and audience must not be empty")
        self.issuer, self.audience, self.ttl, self.leeway = issuer, audience, ttl, leeway
        self._verifiers: dict[str, Key] = {}
        self._published: list[dict[str, str]] = []
        self._signer: tuple[str, Key] | None = None
        for kid, pem, state in keys:
            self._add(kid, pem, state)

    def _add(self, kid: str, pem: str | bytes, state: KeyState) -> None:
        if not _KID.fullmatch(kid) or kid in self._verifiers:
            raise ValueError("every key needs a kid of its own: 1..64 of A-Z a-z 0-9 - _")
        if state not in ("active", "verify_only"):
            raise ValueError("the state of a key is active or verify_only")
        loaded = load_pem(pem)
        is_private = isinstance(loaded, ec.EllipticCurvePrivateKey)
        public = loaded.public_key() if isinstance(loaded, ec.EllipticCurvePrivateKey) else loaded
        self._verifiers[kid] = _verify_key(public)
        self._published.append(published(kid, public_members(public)))
        if state == "active":
            if not is_private:
                raise ValueError("an active key must be private")
            self._signer = (kid, jwk.construct(text_of_pem(pem), ALGORITHM))

    def new_claims(
        self, *, org: UUID, sub: UUID, sid: UUID, auth_time: int, now: float | None = None, jkt: str | None = None
    ) -> AccessClaims:
        """Claims of a fresh token: issued now (Unix seconds), living `ttl`, with a random `jti`."""
        issued = int(time.time() if now is None else now)
        return AccessClaims(
            org=org,
            sub=sub,
            sid=sid,
            jti=uuid4(),
            issued_at=issued,
            expires_at=issued + self.ttl,
            auth_time=auth_time,
            jkt=jkt,
        )

    def sign(self, claims: AccessClaims) -> str:
        """The compact token for `claims`.

        Raises:
            ValueError: no active key, a lifetime outside 1..ttl seconds, or a `jkt` that is no thumbprint.
        """
        if self._signer is None:
            raise ValueError("no active signing key")
        if not 1 <= claims.expires_at - claims.issued_at <= self.ttl:
            raise ValueError("the lifetime of a token must be 1..ttl seconds")
        kid, key = self._signer
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "org": str(claims.org),
            "sub": str(claims.sub),
            "sid": str(claims.sid),
            "jti": str(claims.jti),
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            "auth_time": claims.auth_time,
        }
        if claims.jkt is not None:
            payload["cnf"] = {"jkt": _thumbprint_to_sign(claims.jkt)}
        return jws.sign(payload, key, headers={"typ": TOKEN_TYPE, "kid": kid}, algorithm=ALGORITHM)

    def verify(self, token: str, *, now: float | None = None) -> AccessClaims:
        """The claims of a valid token at `now` (Unix seconds, default the clock).

        Raises:
            TokenError: for everything else, whatever `token` is.
        """
        moment = time.time() if now is None else now
        return _guarded(lambda: self._claims(strict_object(_opened(token, self._find)), moment))

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set, for whoever verifies our tokens elsewhere."""
        return {"keys": [dict(key) for key in self._published]}

    def _find(self, header: Mapping[str, object]) -> Key:
        if header.keys() != _HEADER or header["typ"] != TOKEN_TYPE:
            raise TokenError("header")
        kid = header["kid"]
        key = self._verifiers.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenError("key")
        return key

    def _claims(self, members: Mapping[str, object], now: float) -> AccessClaims:
        # We are the only issuer: a member we do not write is as suspicious as one that is missing.
        if members.keys() != _CLAIMS and members.keys() != _BOUND_CLAIMS:
            raise TokenError("claims")
        if members["iss"] != self.issuer or members["aud"] != self.audience:
            raise TokenError("origin")
        claims = AccessClaims(
            org=canonical_uuid(members["org"]),
            sub=canonical_uuid(members["sub"]),
            sid=canonical_uuid(members["sid"]),
            jti=canonical_uuid(members["jti"]),
            issued_at=positive_seconds(members["iat"]),
            expires_at=positive_seconds(members["exp"]),
            auth_time=positive_seconds(members["auth_time"]),
            jkt=_bound_to(members["cnf"]) if "cnf" in members else None,
        )
        if claims.expires_at <= now - self.leeway:
            raise TokenError("expired")
        if claims.issued_at > now + MAX_AHEAD_SECONDS or claims.auth_time > claims.issued_at + MAX_AHEAD_SECONDS:
            raise TokenError("future")
        if not 1 <= claims.expires_at - claims.issued_at <= MAX_TTL_SECONDS:
            raise TokenError("lifetime")
        return claims


class CachedVerifier:
    """Remembers verified tokens until `exp`, at most 60 s, so that a busy phone pays for one signature a minute.

    Two generations instead of one ordered map: when the young one is full it becomes the old one and the old one is
    dropped. Lookup, insert and eviction are all one dict operation, and never more than `max_entries` are held.
    A revoked session is none of its business: revocation is looked up per request, after this.
    """

    def __init__(self, table: KeyTable, max_entries: int = 10_000) -> None:
        if max_entries < 2:
            raise ValueError("max_entries must be at least 2")
        self._table = table
        self._half = max_entries // 2
        self._young: dict[str, tuple[float, AccessClaims]] = {}
        self._old: dict[str, tuple[float, AccessClaims]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def replace(self, table: KeyTable) -> None:
        """Use new keys; what the former ones verified is forgotten, so that a retired key is really retired."""
        self._table = table
        self._young, self._old = {}, {}

    def verify(self, token: str, *, now: float | None = None) -> AccessClaims:
        """As `KeyTable.verify`; a failure is never remembered.

        Raises:
            TokenError: the token is not valid.
        """
        if not isinstance(token, str):  # an unhashable value must not get as far as the dict
            raise TokenError("shape")
        moment = time.time() if now is None else now
        entry = self._young.get(token)
        if entry is None:
            entry = self._old.pop(token, None)
            if entry is not None and moment < entry[0]:
                self._keep(token, entry)
        if entry is not None and moment < entry[0]:
            return entry[1]
        claims = self._table.verify(token, now=moment)
        self._keep(token, (min(float(claims.expires_at), moment + CACHE_SECONDS), claims))
        return claims

    def _keep(self, token: str, entry: tuple[float, AccessClaims]) -> None:
        if len(self._young) >= self._half and token not in self._young:
            self._old, self._young = self._young, {}
        self._young[token] = entry


def verify_es256(token: str, public_jwk: Mapping[str, object]) -> bytes:
    """The payload of a compact ES256 JWS made with the key `public_jwk`: the signature half of `KeyTable.verify`.

    The same shape, header and signature rules hold; only `typ` may be absent and the payload may be anything.

    Raises:
        TokenError: the signature does not hold, or the key is not a public P-256 signing key.
    """

    def find(header: Mapping[str, object]) -> Key:
        if not header.keys() <= _HEADER:
            raise TokenError("header")
        if "kid" in header and "kid" in public_jwk and header["kid"] != public_jwk["kid"]:
            raise TokenError("key")
        return _verify_key(key_of_jwk(public_jwk))

    return _guarded(lambda: _opened(token, find))


def open_proof(text: str) -> tuple[str, dict[str, object]]:
    """Open a DPoP proof (RFC 9449, 4.2): the thumbprint of the key it brings along, and what it says.

    Only the form, the key and the signature are checked; what the members mean is for `app.dpop`.

    Raises:
        TokenError: no `dpop+jwt` signed with ES256 by exactly the public key in its header, whatever `text` is.
    """
    found: list[str] = []

    def find(header: Mapping[str, object]) -> Key:
        if header.keys() != _PROOF_HEADER or header["typ"] != PROOF_TYPE:
            raise TokenError("header")
        public = key_of_stranger(header["jwk"])
        found.append(thumbprint(public_members(public)))
        return _verify_key(public)

    members = _guarded(lambda: strict_object(_opened(text, find)))
    return found[0], members


def _bound_to(confirmation: object) -> str:
    if not isinstance(confirmation, dict) or confirmation.keys() != {"jkt"}:
        raise TokenError("claims")
    return canonical_digest(confirmation["jkt"])


def _thumbprint_to_sign(jkt: str) -> str:
    try:
        return canonical_digest(jkt)
    except TokenError:
        raise ValueError("jkt is no RFC 7638 thumbprint") from None


def _guarded(check: Callable[[], _T]) -> _T:
    try:
        return check()
    except TokenError:
        raise
    except Exception:
        # Whatever a hostile token makes a library do, the caller sees one error and no fragment of the token.
        raise TokenError("fault") from None


def _opened(token: str, find: Callable[[Mapping[str, object]], Key]) -> bytes:
    """The payload bytes, after shape, header and signature were checked in this order."""
    parts = split(token)
    key = find(parts.header)
    # Every key in every table is ES256, so the header may only repeat what the table says.
    if parts.header.get("alg") != ALGORITHM:
        raise TokenError("header")
    if not key.verify(parts.signing_input, parts.signature):
        raise TokenError("signature")
    return parts.payload


def _verify_key(public: ec.EllipticCurvePublicKey) -> Key:
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return jwk.construct(pem, ALGORITHM)
