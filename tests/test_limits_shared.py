"""Counts in Redis: one for all workers, nothing in clear, and no request that suffers when Redis does."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakeredis import TcpFakeServer
from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from pydantic import SecretStr

from app import logs, main, shared_counts
from app.config import Settings
from app.limits import WINDOW_SECONDS, RateLimit
from app.shared_counts import SharedCounts
from tests.apart import apart
from tests.raw_asgi import Answer, ask, echo, make_scope
from tests.test_limits import Clock, identify, left, scope

SECRET = bytes(range(32))
ALONE = scope(authorization="Bearer user-1")
WAIT_SECONDS = shared_counts.WAIT_SECONDS


class Redis:
    """A Redis on this machine that can end, freeze and come back empty at the same address."""

    def __init__(self) -> None:
        self._server = TcpFakeServer(("127.0.0.1", 0))
        self.port = self._server.server_address[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._run()

    def _run(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()  # waits for every connection to end
        self._thread.join()

    def begin(self) -> None:
        self._server = TcpFakeServer(("127.0.0.1", self.port))
        self._run()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections and commands are taken, nothing is answered meanwhile."""
        with self._server.fake_server.lock:
            yield

    def everything(self) -> str:
        return repr([(key, item.value) for key, item in self._server.fake_server.dbs[0]._dict.items()])


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """This Redis is a thread of the test, on a machine that is busy: whoever tests counts has time."""
    monkeypatch.setattr(shared_counts, "WAIT_SECONDS", 10.0)


@pytest.fixture
def redis() -> Iterator[Redis]:
    made = Redis()
    yield made
    made.end()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    level = logging.getLogger().level
    logs.configure_logging("INFO")
    yield capsys
    logging.getLogger().setLevel(level)


def events(lines: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.readouterr().out.splitlines()]


async def worker(
    stack: AsyncExitStack, url: str, *, per_minute: int, clock: Clock | None = None
) -> tuple[RateLimit, SharedCounts]:
    """The limiter of one worker, with a connection of its own."""
    counts = SharedCounts(url, seconds=WINDOW_SECONDS, clock=clock or Clock())
    stack.push_async_callback(counts.close)
    await counts.connect()
    limiter = RateLimit(echo, per_minute=per_minute, identify=identify, secret=lambda: SECRET, shared=lambda: counts)
    return limiter, counts


async def times(app: RateLimit, number: int) -> list[Answer]:
    return [await ask(app, ALONE) for _ in range(number)]


async def until_looked(counts: SharedCounts) -> None:
    assert counts._seeker is not None
    await counts._seeker


async def test_workers_share_one_count(redis: Redis, stack: AsyncExitStack) -> None:
    (one, _), (two, _) = [await worker(stack, redis.url, per_minute=4) for _ in range(2)]
    answers = [await ask(app, ALONE) for app in (one, two, one, two, one, two)]
    assert [answer.status for answer in answers] == [200] * 4 + [429] * 2
    assert [left(answer) for answer in answers] == [3, 2, 1, 0, 0, 0]
    assert answers[4].headers["retry-after"] in ("59", "60")
    assert (await ask(two, scope(authorization="Bearer user-2"))).status == 200


async def test_no_request_of_a_crowd_slips_through(redis: Redis, stack: AsyncExitStack) -> None:
    apps = [(await worker(stack, redis.url, per_minute=50))[0] for _ in range(2)]
    answers = await asyncio.gather(*(ask(apps[number % 2], ALONE) for number in range(300)))
    assert sorted(answer.status or 0 for answer in answers) == [200] * 50 + [429] * 250
    assert sorted(left(answer) for answer in answers if answer.status == 200) == list(range(50))


async def test_source_is_shared_and_its_end_costs_redis_nothing(redis: Redis, stack: AsyncExitStack) -> None:
    (one, counts), (two, _) = [await worker(stack, redis.url, per_minute=1) for _ in range(2)]
    for number in range(10):
        assert (await ask((one, two)[number % 2], scope(authorization=f"Bearer user-{number}"))).status == 200
    refused = [await ask(app, scope(authorization=f"Bearer user-new-{n}")) for n in range(4) for app in (one, two)]
    assert {answer.status for answer in refused} == {429}
    assert all(answer.headers["ratelimit"].startswith('"source";r=0;t=') for answer in refused)
    assert redis.everything().count("renmai/limits:") == 11
    before = redis.everything()
    with redis.frozen():  # whoever asks Redis now would wait, and count for himself afterwards
        assert [answer.status for answer in await times(one, 50)] == [429] * 50
    assert counts._is_up
    assert redis.everything() == before


async def test_nothing_in_redis_is_in_clear_and_everything_expires(redis: Redis, stack: AsyncExitStack) -> None:
    app, counts = await worker(stack, redis.url, per_minute=5)
    await ask(app, scope("203.0.113.77", authorization="Bearer user-canary", x_api_key="key-canary"))
    await ask(app, scope("2001:db8:ca:fe::1"))
    client = counts._storage.client
    keys = await client.keys("*")
    assert len(keys) == 5
    for key in keys:
        assert re.fullmatch(rb"renmai/limits:[0-9a-f]{32}(/own)?", key)
        assert await client.get(key) == b"1"
        assert 0 < await client.pttl(key) <= 60_000


async def test_window_that_lost_its_end_gets_one(redis: Redis, stack: AsyncExitStack) -> None:
    app, counts = await worker(stack, redis.url, per_minute=5)
    await ask(app, ALONE)
    client = counts._storage.client
    for key in await client.keys("*"):
        await client.persist(key)
    assert left(await ask(app, ALONE)) == 3
    assert all([await client.pttl(key) > 0 for key in await client.keys("*")])


async def test_absent_redis_is_said_once_and_costs_nobody_an_answer(
    redis: Redis, stack: AsyncExitStack, lines: pytest.CaptureFixture[str]
) -> None:
    redis.end()
    clock = Clock()
    app, counts = await worker(stack, redis.url, per_minute=3, clock=clock)
    assert [answer.status for answer in await times(app, 4)] == [200, 200, 200, 429]
    for _ in range(3):  # three more looks within the minute
        clock.now += 2
        await ask(app, ALONE)
        await until_looked(counts)
    told = events(lines)
    assert [(line["event"], line["level"]) for line in told] == [("limits_shared_away", "WARNING")]
    assert "127.0.0.1" not in json.dumps(told)
    assert str(redis.port) not in json.dumps(told)
    clock.now += 60
    await ask(app, ALONE)
    await until_looked(counts)
    assert [line["event"] for line in events(lines)] == ["limits_shared_away"]
    redis.begin()
    clock.now += 2
    assert (await ask(app, scope(authorization="Bearer user-2"))).status == 200
    await until_looked(counts)
    assert [line["event"] for line in events(lines)] == ["limits_shared_again"]
    assert redis.everything() == "[]"
    assert (await ask(app, scope(authorization="Bearer user-2"))).status == 200
    assert redis.everything().count("renmai/limits:") == 2


async def test_redis_that_dies_leaves_its_last_counts_to_each_worker(redis: Redis, stack: AsyncExitStack) -> None:
    clock = Clock()
    (one, counts), (two, _) = [await worker(stack, redis.url, per_minute=4, clock=clock) for _ in range(2)]
    assert [left(await ask(app, ALONE)) for app in (one, two, one)] == [3, 2, 1]
    redis.end()
    assert [(answer.status, left(answer)) for answer in await times(one, 2)] == [(200, 0), (429, 0)]
    assert [(answer.status, left(answer)) for answer in await times(two, 3)] == [(200, 1), (200, 0), (429, 0)]
    redis.begin()
    clock.now += 2
    assert (await ask(one, ALONE)).status == 429
    await until_looked(counts)
    assert left(await ask(one, ALONE)) == 3  # Redis has forgotten; it is believed again


async def test_frozen_redis_delays_a_request_by_a_tenth_of_a_second_and_only_once(
    redis: Redis, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    app, counts = await worker(stack, redis.url, per_minute=100, clock=clock)
    await ask(app, ALONE)
    monkeypatch.setattr(shared_counts, "WAIT_SECONDS", WAIT_SECONDS)
    now = asyncio.get_running_loop().time
    with redis.frozen():
        began = now()
        crowd = await asyncio.gather(*(ask(app, ALONE) for _ in range(70)))  # more than travel together
        waited = now() - began
        again = await times(app, 20)
        waited_again = now() - began - waited
    assert {answer.status for answer in (*crowd, *again)} == {200}
    assert WAIT_SECONDS == 0.1
    assert 0.09 < waited < 1  # it would be ten
    assert waited_again < 1  # it would be two
    monkeypatch.setattr(shared_counts, "WAIT_SECONDS", 10.0)
    clock.now += 2
    await ask(app, ALONE)
    await until_looked(counts)
    # The late answer to the call that was given up is not taken for the answer to this one.
    assert (await ask(app, scope("192.0.2.200"))).headers["ratelimit"].startswith('"default";r=99;')


async def test_redis_that_refuses_is_as_good_as_none(redis: Redis, stack: AsyncExitStack) -> None:
    app, counts = await worker(stack, redis.url, per_minute=3)
    for key in ("a", "b"):
        await counts._storage.client.set(key, "text")
    client = counts._storage.client
    await ask(app, ALONE)
    for key in await client.keys("*"):
        await client.set(key, "not a number")
    assert [answer.status for answer in await times(app, 3)] == [200, 200, 429]


async def test_client_that_leaves_disturbs_nobody(redis: Redis, stack: AsyncExitStack) -> None:
    app, _ = await worker(stack, redis.url, per_minute=10)
    leaving = [asyncio.create_task(ask(app, ALONE)) for _ in range(3)]
    staying = asyncio.create_task(ask(app, ALONE))
    await asyncio.wait([staying], timeout=0)  # all have begun
    for task in leaving:
        task.cancel()
    assert left(await staying) == 6
    assert left(await ask(app, ALONE)) == 5


@pytest.mark.parametrize("turns", [0, 1, 2, 20])  # queued, on its way, or already waiting for the answer
async def test_closing_answers_whoever_waits(
    redis: Redis, stack: AsyncExitStack, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_counts, "WAIT_SECONDS", 0.5)
    app, counts = await worker(stack, redis.url, per_minute=10)
    await ask(app, ALONE)
    with redis.frozen():
        waiting = asyncio.create_task(ask(app, ALONE))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        await counts.close()
        assert (await waiting).status == 200
    assert (await ask(app, ALONE)).status == 200
    assert counts._seeker is None


async def test_storage_stays_one_of_the_library(redis: Redis, stack: AsyncExitStack) -> None:
    _, counts = await worker(stack, redis.url, per_minute=10)
    strategy, item = FixedWindowRateLimiter(counts._storage), RateLimitItemPerMinute(2)
    assert [await strategy.hit(item, "a") for _ in range(3)] == [True, True, False]
    assert await counts._storage.incr_groups([([item.key_for("a")], 9)], 60) == [4, pytest.approx(60_000, abs=2_000)]


async def test_service_opens_and_closes_it(redis: Redis, settings: Settings) -> None:
    shared = settings.model_copy(update={"redis_url": SecretStr(redis.url), "rate_limit": 2})
    with apart(settings):
        api = main.create_api(shared)
        async with api.router.lifespan_context(api):
            shells = [main.wrap(api, shared) for _ in range(2)]
            answers = [await ask(shell, make_scope(path="/v1/me")) for shell in (*shells, *shells)]
            assert redis.everything().count("renmai/limits:") == 2
        assert shared_counts.current() is None
    assert [answer.status for answer in answers] == [401, 401, 429, 429]


async def test_service_starts_without_its_redis(redis: Redis, settings: Settings) -> None:
    redis.end()
    shared = settings.model_copy(update={"redis_url": SecretStr(redis.url), "rate_limit": 2})
    with apart(settings):
        api = main.create_api(shared)
        async with api.router.lifespan_context(api):
            shell = main.wrap(api, shared)
            assert [(await ask(shell, make_scope(path="/v1/me"))).status for _ in range(3)] == [401, 401, 429]
    redis.begin()


@pytest.mark.parametrize(("url", "per_minute"), [(None, 600), ("redis://127.0.0.1:1/0", 0)])
async def test_nothing_is_opened_that_is_not_needed(url: str | None, per_minute: int, tmp_path: Path) -> None:
    settings = Settings(redis_url=url, rate_limit=per_minute, var_dir=tmp_path, _env_file=None)
    async with shared_counts.opened(settings.redis_address(), seconds=WINDOW_SECONDS):
        assert shared_counts.current() is None
