"""Whom a request names, for the rate limit: before the guard has read it and long before it is let in.

Who may come in is decided later, in `deps`; what is not proven here is counted as nobody's.
"""

from app import apikeys, keyring
from app.limits import Callers
from app.logs import Headers
from app.tokens import TokenError

_NOBODY = Callers()
_SCHEMES = ("bearer", "dpop")


def identify(headers: Headers) -> Callers:
    """The user of a token that verifies, and every API key that is well formed.

    A token counts for its user (`org` and `sub`), so that a refreshed one brings no new quota. A header that is there
    twice names nobody: the guard will refuse it, and each further value would cost a signature.
    """
    authorization: bytes | None = None
    key: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if authorization is not None:
                return _NOBODY
            authorization = value
        elif name == b"x-api-key":
            if key is not None:
                return _NOBODY
            key = value
    if authorization is None and key is None:
        return _NOBODY
    user, bound, claimed = None, None, set()
    if authorization is not None:
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() in _SCHEMES:
            if token.startswith(apikeys.PREFIX):
                claimed.add(token)
            else:
                user, bound = _user(token)
    if key is not None:
        claimed.add(key.decode("latin-1"))
    good = tuple(b"key" + text.encode() for text in claimed if apikeys.parse(text) is not None)
    return Callers((user,) if user else (), good, (bound,) if bound else ())


def secret() -> bytes:
    """The key of the hashes counts are filed under: the same in all workers."""
    return keyring.current().limits


def _user(token: str) -> tuple[bytes | None, bytes | None]:
    """The user of a token: as one who is proven, or as one whose device has yet to prove it."""
    verifier = keyring.current().verifier
    if verifier is None:
        return None, None
    try:
        claims = verifier.verify(token)  # remembered, so that asking again costs nothing
    except TokenError:
        return None, None
    user = b"user" + claims.org.bytes + claims.sub.bytes
    return (user, None) if claims.jkt is None else (None, user)
