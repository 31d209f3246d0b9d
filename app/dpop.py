"""DPoP (RFC 9449): a token is of use only to the phone whose key it names.

With each request the phone sends a small signed statement, the proof: this method, this address, this token, now,
once. `check` is the twelve checks of section 4.3 but the first (one header only), which the guard does before anything
is parsed; `remember` is the "once". What is signed, and by which key, is opened by `app.tokens`.
"""

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import asyncpg

from app.token_format import TokenError, canonical_digest, encoded, positive_seconds
from app.tokens import open_proof

WINDOW_SECONDS = 60  # how far the phone's clock may be off, either way, when no nonce says what time it is
NONCE_SECONDS = 300  # one period; a nonce is good in the period it was made in and in the next
MAX_NONCE_CHARS = 64
NONCE_KEY_BYTES = 32

Reason = Literal[
    "malformed",  # no JWT, or one no honest client writes
    "header",  # typ, alg, or a header member that has no business there
    "key",  # not a public P-256 key
    "signature",
    "claims",  # a claim is missing or of another kind
    "htm",
    "htu",
    "nonce",  # missing where it is required, of another service, or too old
    "iat",
    "ath",
    "binding",  # a good proof, of another key than the token's
    "replayed",  # for whoever calls `remember`
]

_REASONS: dict[str, Reason] = {"header": "header", "key": "key", "signature": "signature", "claims": "claims"}
_JTI = re.compile(r"[\x21-\x7e]{1,128}")
_PURPOSE = b"renmai/dpop-nonce/"


class DpopError(Exception):
    """The proof does not hold for this request.

    The text never says why: it may reach a client. `reason` is a word of a closed set, for counters and for the one
    thing a client must learn, `needs_nonce`.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__("invalid proof")
        self.reason: Reason = reason

    @property
    def needs_nonce(self) -> bool:
        """True when the same phone would succeed with a fresh nonce: answer `use_dpop_nonce` and `DPoP-Nonce`."""
        return self.reason in ("nonce", "iat")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds. Times are whole Unix seconds, UTC.

    `jkt` is the thumbprint of its key, `ath` the hash of the access token it names. `issued_at` is what the phone's
    clock said; `usable_until` is when our own clock ends it, and the least time it must be remembered.
    """

    jkt: str
    jti: str
    issued_at: int
    usable_until: int
    nonce: str | None
    ath: str | None


def check(
    proof_text: str,
    *,
    method: str,
    urls: Collection[str],
    now: float,
    nonce_key: bytes,
    access_token: str | None = None,
    bound_to: str | None = None,
    is_nonce_required: bool = False,
) -> Proof:
    """The proof, if it was made for this request (RFC 9449, 4.3). Whether it was used before is for `remember`.

    Args:
        proof_text: the value of the one `DPoP` header. Two headers a proxy has folded into one are not a JWT.
        method, urls: of the request; the addresses this service is known by, without query. What a client wrote in
            another way of spelling the same (RFC 3986, 6.2.2 and 6.2.3) is equal.
        now: Unix seconds.
        nonce_key: 32 bytes, the same in every process.
        access_token: the token the request shows; the proof must then name it.
        bound_to: the `jkt` of that token, or of the session a refresh token belongs to.
        is_nonce_required: refuse proofs without a nonce, even when the phone's clock is right.

    Raises:
        DpopError: for everything else, whatever `proof_text` is.
    """
    try:
        jkt, claims = open_proof(proof_text)
        issued_at = positive_seconds(claims.get("iat"))
        ath = canonical_digest(claims["ath"]) if "ath" in claims else None
    except TokenError as error:
        raise DpopError(_REASONS.get(error.reason, "malformed")) from None
    jti, htm, htu = (_text(claims.get(name)) for name in ("jti", "htm", "htu"))
    # Other members are allowed and mean nothing to us. These two would say something about time that nobody judges.
    if not _JTI.fullmatch(jti) or not claims.keys().isdisjoint(("exp", "nbf")):
        raise DpopError("claims")
    if htm != method:
        raise DpopError("htm")
    if not _is_one_of(htu, urls):
        raise DpopError("htu")
    nonce = _text(claims["nonce"]) if "nonce" in claims else None
    usable_until = _usable_until(nonce, issued_at, now, nonce_key, is_nonce_required)
    if access_token is not None and ath != encoded(hashlib.sha256(access_token.encode()).digest()):
        raise DpopError("ath")
    if bound_to is not None and not hmac.compare_digest(jkt, bound_to):
        raise DpopError("binding")
    return Proof(jkt, jti, issued_at, usable_until, nonce, ath)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DpopError("claims")
    return value


# --- time ------------------------------------------------------------------------------------------------------


def make_nonce(key: bytes, now: float) -> str:
    """The nonce of this period: 43 base64url characters, the same from every process that has the key.

    It need not be unique (RFC 9449, 8): it tells our time to a phone whose clock is wrong, and keeps proofs from being
    made long before they are used.

    Raises:
        ValueError: the key is not 32 bytes.
    """
    return _nonce_of(key, int(now) // NONCE_SECONDS)


def _nonce_of(key: bytes, period: int) -> str:
    if len(key) != NONCE_KEY_BYTES:
        raise ValueError("the nonce key must be 32 bytes")
    return encoded(hmac.digest(key, _PURPOSE + str(period).encode("ascii"), "sha256"))


def nonce_ends_at(nonce: str, key: bytes, now: float) -> int | None:
    """When (Unix seconds) a nonce that is good now stops being it; None for every other text."""
    if len(nonce) > MAX_NONCE_CHARS or not nonce.isascii():
        return None
    current = int(now) // NONCE_SECONDS
    ends = [
        (period + 2) * NONCE_SECONDS
        for period in (current, current - 1)
        if hmac.compare_digest(nonce, _nonce_of(key, period))
    ]
    return ends[0] if ends else None


def _usable_until(nonce: str | None, issued_at: int, now: float, key: bytes, is_required: bool) -> int:
    """A nonce is our own clock, so it overrules the phone's; without one the phone's clock must be right."""
    if nonce is None:
        if is_required:
            raise DpopError("nonce")
        if abs(now - issued_at) > WINDOW_SECONDS:
            raise DpopError("iat")
        return issued_at + WINDOW_SECONDS
    ends_at = nonce_ends_at(nonce, key, now)
    if ends_at is None:
        raise DpopError("nonce")
    return ends_at


# --- addresses -------------------------------------------------------------------------------------------------

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?(?:[?#][\x21-\x7e]*)?",
    re.IGNORECASE | re.ASCII,
)
_DOT_SEGMENT = re.compile(r"/\.\.?(?:/|\Z)")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def normal_url(url: str) -> str | None:
    """The one spelling of an http(s) address, without query and fragment; None when it is no such address.

    Refused besides what is no URL: names and passwords in it, and `.` or `..` as a segment, which every client
    resolves before it asks and which the service knows no resource under.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = (match["port"] or "").lstrip("0") or ("0" if match["port"] else "")
    end = "" if port in ("", _DEFAULT_PORTS[scheme]) else f":{port}"
    path = _ESCAPE.sub(_plain, match["path"] or "/")
    return None if _DOT_SEGMENT.search(path) else f"{scheme}://{host}{end}{path}"


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _is_one_of(htu: str, urls: Collection[str]) -> bool:
    wanted = normal_url(htu)
    return wanted is not None and any(wanted == normal_url(url) for url in urls)


# --- once ------------------------------------------------------------------------------------------------------

_SKEW_SECONDS = 60  # a worker whose clock is behind must still find what one ahead would have thrown away
_SWEPT_AT_ONCE = 1024

_REMEMBER = """
INSERT INTO dpop_proofs (org_id, jkt, jti_hash, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
# SKIP LOCKED: two workers that sweep at once share the work instead of waiting for each other.
_SWEEP = """
WITH old AS MATERIALIZED (
    SELECT jkt, jti_hash FROM dpop_proofs WHERE org_id = $1 AND expires_at < $2
    ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
DELETE FROM dpop_proofs p USING old WHERE p.org_id = $1 AND p.jkt = old.jkt AND p.jti_hash = old.jti_hash
"""


async def remember(connection: asyncpg.Connection, org_id: UUID, proof: Proof, now: float) -> bool:
    """True exactly once for a proof: the first time, whatever happens in parallel on whatever worker.

    Committed when this returns. The connection must be outside a transaction; when this raises, it is in an unknown
    state and the proof must count as refused (`reads.with_connection` does the first, an error of the database the
    second). Every 256th proof or so takes the organisation's expired ones along, so nobody else has to.
    """
    digest = hashlib.sha256(proof.jti.encode("ascii")).digest()
    expires_at = datetime.fromtimestamp(proof.usable_until + _SKEW_SECONDS, UTC)
    await connection.execute(f"BEGIN; SET LOCAL app.org_id = '{UUID(str(org_id))}'")
    # A parallel twin waits here, at the primary key, until the first one has committed.
    done = await connection.execute(_REMEMBER, org_id, proof.jkt, digest, expires_at)
    if digest[0] == 0:
        await connection.execute(_SWEEP, org_id, datetime.fromtimestamp(now, UTC), _SWEPT_AT_ONCE)
    await connection.execute("COMMIT")
    is_new: bool = done == "INSERT 0 1"
    return is_new
