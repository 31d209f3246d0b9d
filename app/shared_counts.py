"""Counts of requests that all workers share, in Redis. Without it, or while it is away, every worker counts alone.

Requests that ask at the same moment travel together: one script call for all of them, the next one when it is back.
That is one round trip for a request instead of the two for every window the library would make, and most of the
client's own cost is paid once for many. A request waits at most `WAIT_SECONDS`; it never connects, and while Redis is
away it does not wait at all: connecting is the business of a task beside the requests.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from limits.aio.storage import RedisStorage

from app import logs

WAIT_SECONDS = 0.1
CONNECT_SECONDS = 1.0
_AGAIN_SECONDS = 1.0
_WARN_SECONDS = 60.0
_MAX_BATCH = 64

# For each group: its first key, and the others only while the first has room. A window begins with its first hit and
# its end is kept by the clock of Redis, so that the clocks of the workers do not matter.
_SCRIPT = """
local window, at, found = tonumber(ARGV[1]), 0, {}
for group = 2, #ARGV, 2 do
  local quota, spent = tonumber(ARGV[group + 1]), false
  for number = 1, tonumber(ARGV[group]) do
    at = at + 1
    local count, rest = 0, 0
    if not spent then
      count = redis.call("INCR", KEYS[at])
      rest = redis.call("PTTL", KEYS[at])
      if rest < 0 then
        redis.call("PEXPIRE", KEYS[at], window)
        rest = window
      end
      spent = number == 1 and count > quota
    end
    found[#found + 1] = count
    found[#found + 1] = rest
  end
end
return found
"""


class _Storage(RedisStorage):
    """The library's storage, which can also count many windows in one round trip."""

    STORAGE_SCHEME = None  # type: ignore[assignment]  # not to be found by address: the library's own stays that

    def __init__(self, url: str) -> None:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),  # by default three times, with pauses
            "protocol": 2,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": WAIT_SECONDS,
        }
        super().__init__(f"async+{url}", implementation="redispy", key_prefix="renmai/limits", **options)
        bridge: Any = self.bridge  # typed as what all clients have in common
        self.client = bridge.get_connection()
        self._script = self.client.register_script(_SCRIPT)

    async def incr_groups(self, groups: Sequence[tuple[Sequence[str], int]], seconds: int) -> list[int]:
        keys = [self.bridge.prefixed_key(key) for group, _ in groups for key in group]
        sizes = [number for group, quota in groups for number in (len(group), quota)]
        found: list[int] = await self._script(keys=keys, args=[seconds * 1000, *sizes])
        return found


@dataclass(slots=True)
class _Waiter:
    keys: Sequence[str]
    quota: int
    deadline: float
    answer: asyncio.Future[list[tuple[int, float]] | None]


class SharedCounts:
    """Fixed windows of `seconds` in the Redis at `url` (`redis://`, `rediss://` or `redis+unix://`).

    It notices by itself that Redis went away, says so once a minute, and looks for it every second that has a request.
    """

    def __init__(self, url: str, *, seconds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = _Storage(url)
        self._seconds = seconds
        self._clock = clock
        self._waiting: list[_Waiter] = []
        self._travelling: list[_Waiter] = []
        self._courier: asyncio.Task[None] | None = None
        self._seeker: asyncio.Task[None] | None = None
        self._is_up = False
        self._again_at = float("-inf")
        self._warned_at = float("-inf")
        self._is_missed = False

    async def connect(self) -> None:
        """Look for Redis now; no failure is raised, and it takes a second at most."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._storage.client.ping()
        except Exception as error:
            self._lose(error)
            return
        self._is_up = True
        if self._is_missed:
            self._is_missed = False
            logs.event("limits_shared_again")

    async def hit(self, keys: Sequence[str], quota: int) -> list[tuple[int, float]] | None:
        """Count one request for every key, but for the first alone once its count is beyond `quota`.

        Returns: count and remaining seconds of each window that was counted in, or None when Redis is away.
        """
        loop = asyncio.get_running_loop()
        if not self._is_up:
            if self._clock() >= self._again_at and self._seeker is None:
                self._seeker = loop.create_task(self._seek())
            return None
        waiter = _Waiter(keys, quota, loop.time() + WAIT_SECONDS, loop.create_future())
        self._waiting.append(waiter)
        if self._courier is None:
            self._courier = loop.create_task(self._carry())
        return await waiter.answer

    async def close(self) -> None:
        """End all work and the connections."""
        self._is_up, self._again_at = False, float("inf")
        self._dismiss()  # not the courier's work: one that is ended before it began does nothing at all
        tasks = [task for task in (self._courier, self._seeker) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(Exception):
            await self._storage.client.aclose()

    async def _seek(self) -> None:
        try:
            await self.connect()
        finally:
            self._seeker = None

    async def _carry(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
                self._travelling = batch
                async with asyncio.timeout_at(batch[0].deadline):
                    found = await self._storage.incr_groups([(one.keys, one.quota) for one in batch], self._seconds)
                _deliver(batch, found)
        except Exception as error:
            self._lose(error)
        finally:
            self._courier = None
            self._dismiss()

    def _dismiss(self) -> None:
        """Let everybody count for himself who still waits."""
        left, self._waiting, self._travelling = [*self._travelling, *self._waiting], [], []
        for waiter in left:
            if not waiter.answer.done():
                waiter.answer.set_result(None)

    def _lose(self, error: Exception) -> None:
        now = self._clock()
        self._is_up, self._again_at = False, now + _AGAIN_SECONDS
        if now - self._warned_at >= _WARN_SECONDS:
            self._warned_at, self._is_missed = now, True
            logs.event("limits_shared_away", level=logging.WARNING, **logs.describe(error))


def _deliver(batch: list[_Waiter], found: list[int]) -> None:
    at = 0
    for waiter in batch:
        hits = [(found[at + 2 * n], found[at + 2 * n + 1] / 1000) for n in range(len(waiter.keys))]
        at += 2 * len(waiter.keys)
        if not waiter.answer.done():  # else its client has left
            waiter.answer.set_result(hits[:1] if hits[0][0] > waiter.quota else hits)


_current: SharedCounts | None = None


def current() -> SharedCounts | None:
    """The shared counts of this process, if it has any."""
    return _current


@asynccontextmanager
async def opened(url: str | None, *, seconds: int) -> AsyncIterator[None]:
    """Share counts over the Redis at `url` meanwhile; None shares nothing."""
    global _current
    if url is None:
        yield
        return
    counts = SharedCounts(url, seconds=seconds)
    await counts.connect()
    _current = counts
    try:
        yield
    finally:
        _current = None
        await counts.close()
