"""Requests a minute for each caller, announced on every answer (draft-ietf-httpapi-ratelimit-headers).

Counts live in the memory of each process: with n workers a caller may get n times as much. The library's own memory
storage starts a thread that walks over all keys every 10 ms (half a core at 50,000 callers), so the counts are kept
in a storage of ours behind the same strategy.
"""

import os
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address
from math import ceil

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from app.errors import TooManyRequests
from app.logs import ASGIApp, Message, Receive, Scope, Send, send_problem

FRESH_PER_ADDRESS = 10
"""How many times the quota an address may spend on credentials seen for the first time in their window.

Somebody who invents a new credential for every request would otherwise never meet a limit, nor would the memory
their counters take. The room is for an office or a mobile carrier that stands behind one address.
"""

_WINDOW_SECONDS = 60
_FREE = frozenset({"/health/live", "/health/ready", "/metrics"})
_CREDENTIALS = frozenset({b"authorization", b"x-api-key"})


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
        self.last: tuple[int, float] = (0, 0.0)  # count and remaining seconds of the window that was hit last

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = self._clock()
        if now - self._turned >= expiry:
            self._old = self._young if now - self._turned < 2 * expiry else {}
            self._young, self._turned = {}, now
        count, until = self._young.get(key) or self._old.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + expiry
        count += amount
        self._young[key] = (count, until)
        self.last = (count, until - now)
        return count

    def _window(self, key: str) -> tuple[int, float]:
        now = self._clock()
        count, until = self._young.get(key) or self._old.get(key, (0, now))
        return (count, until) if until > now else (0, now)

    def get(self, key: str) -> int:
        return self._window(key)[0]

    def get_expiry(self, key: str) -> float:
        return self._window(key)[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        size = len(self._young.keys() | self._old.keys())
        self._young, self._old = {}, {}
        return size

    def clear(self, key: str) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """The address a caller cannot change at will: an IPv6 host owns its whole /64."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or f"{int(parsed) >> 64:x}::/64")


class RateLimit:
    """ASGI layer: `per_minute` requests for each credential, else for each client address; 0 switches it off.

    Reading `/metrics` and `/health/…` is never counted.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int, clock: Callable[[], float] = time.time) -> None:
        self._app = app
        self._quota = per_minute
        self._windows = Windows(clock)
        self._strategy = FixedWindowRateLimiter(self._windows)
        self._own = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._fresh = RateLimitItemPerMinute(per_minute * FRESH_PER_ADDRESS, namespace="FRESH")
        self._secret = os.urandom(16)
        self._policy = (b"ratelimit-policy", f'"default";q={per_minute};w={_WINDOW_SECONDS}'.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._own is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in _FREE and scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        allowed, left, seconds = self._hit(scope, self._own)
        announced = [self._policy, (b"ratelimit", f'"default";r={left};t={seconds}'.encode())]

        async def announce(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *announced]}
            await send(message)

        if allowed:
            await self._app(scope, receive, announce)
        else:
            # A body nobody has read may be meant as a second request.
            unread = scope["method"] != "GET"
            await send_problem(scope, announce, TooManyRequests(headers={"Retry-After": str(seconds)}), close=unread)

    def _hit(self, scope: Scope, item: RateLimitItemPerMinute) -> tuple[bool, int, int]:
        """Count one request: whether it may go on, how many are left, seconds until the window ends."""
        client = scope.get("client")
        address = network(client[0]) if client else "-"
        # Keyed hashes, so that the table holds nothing that could be compared with a list of tokens. A request
        # with two credentials counts for both: neither may be used to hide the other.
        callers = [
            blake2b(value, digest_size=16, key=self._secret).hexdigest()
            for name, value in scope["headers"]
            if name in _CREDENTIALS
        ]
        allowed, left, wait = True, self._quota, 0.0
        for caller in callers or [address]:
            allowed &= self._strategy.hit(item, caller)
            count, seconds = self._windows.last
            left, wait = min(left, max(0, self._quota - count)), max(wait, seconds)
            if callers and count == 1 and not self._strategy.hit(self._fresh, address):
                allowed, left, wait = False, 0, self._windows.last[1]
        return allowed, left, max(1, ceil(wait))
