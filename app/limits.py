"""Requests a minute for each user, API key and source, announced on every answer.

The headers are those of draft-ietf-httpapi-ratelimit-headers.

Counts live in the memory of the process, and in Redis for all workers together when there is one (`shared_counts`);
memory then mirrors what Redis said last, and goes on from there while Redis is away. The library's own memory
storage starts a thread that walks over all keys every 10 ms (half a core at 50,000 callers), so the counts are kept
in a storage of ours.
"""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address
from math import ceil
from typing import NamedTuple, Protocol

from limits.storage import Storage

from app.errors import TooManyRequests
from app.logs import ASGIApp, Headers, Message, Receive, Scope, Send, send_problem

FRESH_PER_ADDRESS = 10
"""How many times the quota of one caller all callers behind one address have together.

The room is for an office or a mobile carrier that stands behind one address; the end is for somebody who multiplies
users, keys or credentials without end, and for the memory their counters take.
"""

WINDOW_SECONDS = 60

_FREE = frozenset({"/health/live", "/health/ready", "/metrics"})
_MAX_GENUINE = 10_000

Hit = tuple[int, float]
"""What a window holds after a request was counted: the count, and the seconds until the window ends."""


class Callers(NamedTuple):
    """Whom a request names: `proven` ones showed it by a signature, `claimed` ones only wrote a well-formed key.

    `local` ones count for the address they come from: a token that is worth nothing without its device's key may have
    been stolen, and whoever shows it elsewhere must not spend its owner's quota. The values are opaque, and
    different for a user and a key.
    """

    proven: Sequence[bytes] = ()
    claimed: Sequence[bytes] = ()
    local: Sequence[bytes] = ()


class Shared(Protocol):
    """Counts outside this process."""

    def hit(self, keys: Sequence[str], quota: int) -> Awaitable[list[Hit] | None]:
        """Count one request for every key, but for the first alone once its count is beyond `quota`.

        None: they cannot be reached now.
        """


class Windows(Storage):
    """Fixed windows in two generations: what was not hit for a whole window is dropped with its generation."""

    STORAGE_SCHEME = None
    base_exceptions = ValueError

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._turned = 0.0
        self._young: dict[str, tuple[int, float]] = {}
        self._old: dict[str, tuple[int, float]] = {}

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self.hit(key, expiry, amount)[0]

    def hit(self, key: str, expiry: float, amount: int = 1) -> Hit:
        """Count in the window of `key`, which lasts `expiry` seconds from its first hit."""
        now = self._turn(expiry)
        count, until = self._young.get(key) or self._old.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + expiry
        count += amount
        self._young[key] = (count, until)
        return count, until - now

    def put(self, key: str, hit: Hit, expiry: float) -> None:
        """Take over what another storage says of the window of `key`."""
        now = self._turn(expiry)
        self._young[key] = (hit[0], now + hit[1])

    def peek(self, key: str) -> Hit:
        """The window of `key` as it is."""
        now = self._clock()
        count, until = self._young.get(key) or self._old.get(key, (0, now))
        return (count, until - now) if until > now else (0, 0.0)

    def _turn(self, expiry: float) -> float:
        now = self._clock()
        if now - self._turned >= expiry:
            self._old = self._young if now - self._turned < 2 * expiry else {}
            self._young, self._turned = {}, now
        return now

    def get(self, key: str) -> int:
        return self.peek(key)[0]

    def get_expiry(self, key: str) -> float:
        now = self._clock()
        _, until = self._young.get(key) or self._old.get(key, (0, now))
        return max(until, now)

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        size = len(self._young.keys() | self._old.keys())
        self._young, self._old = {}, {}
        return size

    def clear(self, key: str) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)


def network(address: str) -> str:
    """The address a caller cannot change at will: an IPv6 host owns its whole /64."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or f"{int(parsed) >> 64:x}::/64")


def _hashed(secret: bytes, identity: bytes) -> str:
    """A table of these, here or in Redis, holds nothing that could be compared with a list of keys or addresses."""
    return blake2b(identity, digest_size=16, key=secret).hexdigest()


@lru_cache(maxsize=4096)
def _source(secret: bytes, address: str) -> tuple[str, str]:
    """The keys of everything that comes from an address, and of what comes from there without a name."""
    whole = _hashed(secret, b"source:" + network(address).encode())
    return whole, f"{whole}/own"


def _nobody(_headers: Headers) -> Callers:
    return Callers()


def _nowhere() -> None:
    return None


class RateLimit:
    """ASGI layer: `per_minute` requests for each caller, ten times that for each client address; 0 switches it off.

    The caller is whoever `identify` finds in the headers, else the address. A key that is only claimed counts for the
    address as well, until an answer of the application showed it to be good (`actor` in `scope["state"]`): otherwise
    every invented key would bring a quota of its own. Reading `/metrics` and `/health/…` is never counted.

    Args:
        identify: the callers a request names; it is asked only while the address has room, because it may be costly.
        secret: the key of the hashes counts are filed under, at most 64 bytes; the same in all workers that share.
        shared: counts outside this process, if there are any at this moment.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        per_minute: int,
        identify: Callable[[Headers], Callers] = _nobody,
        secret: Callable[[], bytes] | None = None,
        shared: Callable[[], Shared | None] = _nowhere,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._identify = identify
        random = os.urandom(32)
        self._secret = secret or (lambda: random)
        self._shared = shared
        self._windows = Windows(clock)
        self._genuine: set[str] = set()
        self._quota, self._room = per_minute, per_minute * FRESH_PER_ADDRESS
        policy = f'"default";q={self._quota};w={WINDOW_SECONDS}, "source";q={self._room};w={WINDOW_SECONDS}'
        self._policy = (b"ratelimit-policy", policy.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._quota or scope["type"] != "http" or (scope["path"] in _FREE and scope["method"] == "GET"):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        secret = self._secret()
        source, own = _source(secret, client[0] if client else "-")
        known = self._windows.peek(source)
        doubtful = None
        if known[0] > self._room:
            hits = [known]  # nothing can change before this window ends: neither a signature nor Redis is asked
        else:
            keys, doubtful = self._keys(secret, scope["headers"], source, own)
            hits = await self._count(keys)
        allowed, seconds, told = self._judge(hits)
        announced = [self._policy, (b"ratelimit", told)]

        async def announce(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *announced]}
            await send(message)

        if allowed:
            await self._app(scope, receive, announce)
            if doubtful is not None:
                self._learn(scope, doubtful)
        else:
            # A body nobody has read may be meant as a second request.
            unread = scope["method"] != "GET"
            await send_problem(scope, announce, TooManyRequests(headers={"Retry-After": str(seconds)}), close=unread)

    def _keys(self, secret: bytes, headers: Headers, source: str, own: str) -> tuple[list[str], str | None]:
        """What a request counts for, the address first; and the key that an answer might show to be good.

        A request with two credentials counts for both: neither may be used to hide the other.
        """
        proven, claimed, local = self._identify(headers)
        proven = [*proven, *(identity + source.encode() for identity in local)]
        keys = [source, *(_hashed(secret, identity) for identity in proven)]
        if not claimed:
            return (keys if proven else [source, own]), None
        claims = [_hashed(secret, identity) for identity in claimed]
        keys += claims
        if proven or not self._genuine.isdisjoint(claims):
            return keys, None
        return [*keys, own], claims[0] if len(claims) == 1 else None

    def _learn(self, scope: Scope, key: str) -> None:
        actor = scope.get("state", {}).get("actor")
        if getattr(actor, "kind", None) == "partner":
            if len(self._genuine) >= _MAX_GENUINE:
                self._genuine.clear()
            self._genuine.add(key)

    async def _count(self, keys: list[str]) -> list[Hit]:
        windows = self._windows
        shared = self._shared()
        if shared is not None:
            found = await shared.hit(keys, self._room)
            if found is not None:
                for key, hit in zip(keys, found, strict=False):
                    windows.put(key, hit, WINDOW_SECONDS)
                return found
        first = windows.hit(keys[0], WINDOW_SECONDS)
        if first[0] > self._room:
            return [first]
        return [first, *[windows.hit(key, WINDOW_SECONDS) for key in keys[1:]]]

    def _judge(self, hits: list[Hit]) -> tuple[bool, int, bytes]:
        """Whether the request may go on, when to come back otherwise, and what the tightest window announces."""
        count, wait = hits[0]
        name, least, allowed = "source", max(0, self._room - count), count <= self._room
        for count, seconds in hits[1:]:
            left = max(0, self._quota - count)
            allowed = allowed and count <= self._quota
            if left < least or (left == least and seconds > wait):  # of two that are spent, the one that lasts longer
                name, least, wait = "default", left, seconds
        rest = max(1, ceil(wait))
        return allowed, rest, f'"{name}";r={least};t={rest}'.encode()
