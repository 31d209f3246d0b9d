"""Requests a minute: counted for each caller and each source, announced on every answer, refused beyond."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from app.limits import FRESH_PER_ADDRESS, Callers, RateLimit, Windows
from app.logs import Headers, Receive, Scope, Send
from tests.raw_asgi import HOST, Answer, ask, ask_with, echo, make_scope


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def identify(headers: Headers) -> Callers:
    """As the service does it, but `Bearer user-…` is a good token and any `X-API-Key` well formed."""
    given = dict(headers)
    token = given.get(b"authorization", b"").removeprefix(b"Bearer ")
    return Callers(
        (token,) if token.startswith(b"user-") else (),
        (given[b"x-api-key"],) if b"x-api-key" in given else (),
        (given[b"authorization"],) if given.get(b"authorization", b"").startswith(b"DPoP ") else (),
    )


async def service(scope: Scope, receive: Receive, send: Send) -> None:
    """Lets in whoever brings the key `genuine`, and says so where the service does."""
    if scope["type"] == "http" and dict(scope["headers"]).get(b"x-api-key") == b"genuine":
        scope.setdefault("state", {})["actor"] = Partner()
    await echo(scope, receive, send)


@dataclass
class Partner:
    kind: str = "partner"


def limiter(per_minute: int) -> tuple[RateLimit, Clock]:
    clock = Clock()
    return RateLimit(service, per_minute=per_minute, identify=identify, clock=clock), clock


def scope(address: str = "192.0.2.1", path: str = "/v1/things", **credentials: str) -> Scope:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in credentials.items()]
    return make_scope(path=path, headers=[HOST, *headers], client=(address, 1))


def left(answer: Answer) -> int:
    found = re.fullmatch(r'"(default|source)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert found is not None
    return int(found[2])


async def statuses(app: RateLimit, *scopes: Scope) -> list[int | None]:
    return [(await ask(app, each)).status for each in scopes]


async def test_limit_is_announced_counts_down_and_then_refuses() -> None:
    app, _ = limiter(3)
    answers = [await ask(app, scope()) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [left(answer) for answer in answers] == [2, 1, 0, 0, 0]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=3;w=60, "source";q=30;w=60'}
    assert answers[3].json()["code"] == "quota_exceeded"
    assert answers[3].headers["retry-after"] == "60"


async def test_window_ends_after_sixty_seconds_and_not_before() -> None:
    app, clock = limiter(1)
    assert (await ask(app, scope())).headers["ratelimit"] == '"default";r=0;t=60'
    clock.now += 59.5
    refused = await ask(app, scope())
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    clock.now += 0.5
    assert (await ask(app, scope())).status == 200


async def test_window_outlives_the_turn_of_a_generation() -> None:
    app, clock = limiter(2)
    await ask(app, scope("192.0.2.9"))  # the first generation begins
    clock.now += 50
    await ask(app, scope())
    clock.now += 20  # the second has begun; the window of 192.0.2.1 ends in 40 s
    assert left(await ask(app, scope())) == 0
    clock.now += 39
    assert (await ask(app, scope())).status == 429
    clock.now += 1
    assert (await ask(app, scope())).status == 200


async def test_callers_do_not_share_a_quota() -> None:
    app, _ = limiter(1)
    callers = [
        scope(authorization="Bearer user-1"),
        scope(authorization="Bearer user-2"),
        scope("192.0.2.3", x_api_key="one"),
        scope("192.0.2.4", x_api_key="two"),
        scope(),
        scope("192.0.2.2"),
    ]
    assert await statuses(app, *callers) == [200] * 6
    assert await statuses(app, *callers) == [429] * 6


@pytest.mark.parametrize("credential", [{"authorization": "Bearer user-1"}, {"x_api_key": "one"}])
async def test_same_credential_is_one_caller_from_anywhere(credential: dict[str, str]) -> None:
    app, _ = limiter(1)
    assert await statuses(app, *(scope(address, **credential) for address in ("192.0.2.1", "192.0.2.2"))) == [200, 429]


async def test_second_credential_cannot_hide_a_spent_one() -> None:
    app, _ = limiter(2)
    for number in range(2):
        assert (await ask(app, scope(authorization=f"Bearer user-{number}", x_api_key="one"))).status == 200
    assert (await ask(app, scope(authorization="Bearer user-3", x_api_key="one"))).status == 429
    assert (await ask(app, scope(authorization="Bearer user-1", x_api_key="two"))).status == 200
    assert (await ask(app, scope(authorization="Bearer user-1", x_api_key="three"))).status == 429


async def test_unknown_credentials_count_as_the_source() -> None:
    app, _ = limiter(2)
    assert await statuses(app, *(scope(authorization=f"Bearer {number}") for number in range(4))) == [
        200,
        200,
        429,
        429,
    ]
    assert await statuses(app, scope(), scope(authorization="Bearer user-1")) == [429, 200]


async def test_invented_keys_count_as_the_source_too() -> None:
    app, _ = limiter(2)
    assert await statuses(app, *(scope(x_api_key=f"invented-{n}") for n in range(4))) == [200, 200, 429, 429]
    assert await statuses(app, scope()) == [429]
    assert await statuses(app, scope("192.0.2.2", x_api_key="genuine")) == [200]  # and cost nobody else anything


async def test_key_that_was_let_in_once_does_not_depend_on_strangers_behind_its_address() -> None:
    app, clock = limiter(2)
    assert await statuses(app, scope(x_api_key="genuine"), scope(), scope()) == [200, 200, 429]
    assert await statuses(app, scope(x_api_key="genuine"), scope(x_api_key="genuine")) == [200, 429]
    clock.now += 60
    assert await statuses(app, scope(), scope(), scope(x_api_key="genuine")) == [200, 200, 200]


async def test_key_that_rides_on_anothers_success_stays_unknown() -> None:
    async def lets_in(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["actor"] = Partner(kind="user")
        await echo(scope, receive, send)

    app = RateLimit(lets_in, per_minute=2, identify=identify)
    assert await statuses(app, *(scope(x_api_key=f"invented-{n}") for n in range(3))) == [200, 200, 429]


async def test_source_has_room_for_ten_callers_and_no_more() -> None:
    app, clock = limiter(2)
    callers = [scope(authorization=f"Bearer user-{number}") for number in range(FRESH_PER_ADDRESS)]
    assert await statuses(app, *callers, *callers) == [200] * 2 * FRESH_PER_ADDRESS
    refused = await ask(app, scope(authorization="Bearer user-new"))
    assert (refused.status, refused.headers["ratelimit"]) == (429, '"source";r=0;t=60')
    assert refused.headers["retry-after"] == "60"
    assert await statuses(app, scope("192.0.2.2", authorization="Bearer user-new")) == [200]
    clock.now += 60
    assert await statuses(app, scope(authorization="Bearer user-new")) == [200]


async def test_tighter_policy_is_announced() -> None:
    app, clock = limiter(3)
    for number in range(9):
        await ask(app, scope(authorization=f"Bearer user-{number}"))
        await ask(app, scope(authorization=f"Bearer user-{number}"))
    clock.now += 10.5
    for number in range(9):
        await ask(app, scope(authorization=f"Bearer user-{number}"))
    new = [await ask(app, scope(authorization=f"Bearer user-{name}")) for name in ("a", "b")]
    assert [answer.headers["ratelimit"] for answer in new] == ['"default";r=2;t=60', '"source";r=1;t=50']


async def test_of_two_spent_windows_the_longer_one_is_waited_for() -> None:
    app, clock = limiter(1)
    await ask(app, scope(authorization="Bearer user-1"))
    clock.now += 30
    await ask(app, scope(authorization="Bearer user-2", x_api_key="one"))
    refused = await ask(app, scope(authorization="Bearer user-1", x_api_key="one"))
    assert (refused.status, refused.headers["retry-after"]) == (429, "60")
    assert refused.headers["ratelimit"] == '"default";r=0;t=60'


async def test_spent_source_costs_neither_a_signature_nor_memory() -> None:
    asked: list[Headers] = []

    def costly(headers: Headers) -> Callers:
        asked.append(headers)
        return identify(headers)

    app = RateLimit(echo, per_minute=1, identify=costly, clock=Clock())
    for number in range(50):
        await ask(app, scope(authorization=f"Bearer user-{number}"))
    assert len(asked) == FRESH_PER_ADDRESS + 1
    assert app._windows.reset() == FRESH_PER_ADDRESS + 1  # the source and those who had room in it


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff::9", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "not:an:address", False),
    ],
)
async def test_ipv6_network_is_one_caller(first: str, second: str, same: bool) -> None:
    app, _ = limiter(1)
    await ask(app, scope(first))
    assert (await ask(app, scope(second))).status == (429 if same else 200)


async def test_unknown_address_is_still_limited() -> None:
    app, _ = limiter(1)
    nobody = make_scope(client=None)
    assert [(await ask(app, nobody)).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_health_and_metrics_are_never_counted(path: str) -> None:
    app, _ = limiter(1)
    for _ in range(3):
        answer = await ask(app, scope(path=path))
        assert answer.status == 200
        assert "ratelimit" not in answer.headers
    assert left(await ask(app, scope())) == 0


async def test_sending_something_to_health_is_counted() -> None:
    app, _ = limiter(1)
    assert [(await ask(app, make_scope("POST", "/health/live"))).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(("method", "connection"), [("POST", "close"), ("GET", None)])
async def test_refused_body_is_not_left_in_the_connection(method: str, connection: str | None) -> None:
    app, _ = limiter(1)
    answers = [await ask(app, make_scope(method, "/v1/things")) for _ in range(2)]
    assert (answers[1].status, answers[1].headers.get("connection")) == (429, connection)


async def test_path_that_only_looks_like_health_is_counted() -> None:
    app, _ = limiter(1)
    paths = ("/healthy", "/metrics/x", "/v1/health/")
    assert [(await ask(app, scope(path=path))).status for path in paths] == [200, 429, 429]


async def test_zero_switches_it_off() -> None:
    app, _ = limiter(0)
    answers = [await ask(app, scope()) for _ in range(50)]
    assert {answer.status for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers


async def test_lifespan_passes() -> None:
    app, _ = limiter(1)
    assert (await ask_with(app, {"type": "lifespan"}, [])).status is None


def test_table_holds_no_credential_and_forgets_old_callers() -> None:
    clock = Clock()
    windows = Windows(clock)
    for number in range(1_000):
        windows.incr(f"caller-{number}", 60)
    clock.now += 61
    windows.incr("later", 60)
    clock.now += 61
    windows.incr("latest", 60)
    assert windows.reset() == 2


async def test_credentials_are_stored_hashed() -> None:
    app, _ = limiter(5)
    await ask(app, scope("2001:db8:ca:fe::1", authorization="Bearer user-canary", x_api_key="key-canary"))
    await ask(app, scope("2001:db8:ca:fe::1", x_api_key="genuine"))
    kept = [*app._windows._young, *app._windows._old, *app._genuine]
    assert len(kept) == 6
    assert all(re.fullmatch("[0-9a-f]{32}(/own)?", key) for key in kept)


def test_storage_keeps_the_contract_of_the_library() -> None:
    clock = Clock()
    windows = Windows(clock)
    strategy, item = FixedWindowRateLimiter(windows), RateLimitItemPerMinute(2)
    assert windows.check()
    assert strategy.test(item, "a")
    assert [strategy.hit(item, "a") for _ in range(3)] == [True, True, False]
    assert strategy.get_window_stats(item, "a") == (clock.now + 60, 0)
    assert not strategy.test(item, "a")
    assert strategy.get_window_stats(item, "b") == (clock.now, 2)
    strategy.clear(item, "a")
    assert strategy.test(item, "a")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 90)), max_size=60))
def test_windows_agree_with_a_plain_model(hits: list[tuple[str, int]]) -> None:
    clock = Clock()
    windows = Windows(clock)
    model: dict[str, tuple[int, float]] = {}
    for key, wait in hits:
        clock.now += wait
        count, until = model.get(key, (0, 0.0))
        if until <= clock.now:
            count, until = 0, clock.now + 60
        model[key] = (count + 1, until)
        assert windows.incr(key, 60) == count + 1
        assert windows.get_expiry(key) == until
        assert windows.peek(key) == (count + 1, until - clock.now)


async def test_stolen_token_of_a_device_spends_nothing_of_its_owner() -> None:
    app, _ = limiter(2)
    theft = [scope("192.0.2.66", authorization="DPoP user-1") for _ in range(3)]
    assert await statuses(app, *theft) == [200, 200, 429]
    assert await statuses(app, scope("192.0.2.1", authorization="DPoP user-1")) == [200]
