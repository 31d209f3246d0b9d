"""The outermost shell: the request id and the headers that every answer carries."""

from uuid import UUID

import pytest

from app.errors import Malformed
from app.guard import Guard
from app.logs import ASGIApp, Message, Receive, RequestLog, Scope, Send
from tests.raw_asgi import HOST, ask, ask_with, echo, make_scope


def shell(app: ASGIApp, *proxies: str) -> RequestLog:
    return RequestLog(app, trusted_proxies=frozenset(proxies))


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError


async def public(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"cache-control", b"public, max-age=60"), (b"content-security-policy", b"sandbox")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"[]"})


async def test_every_answer_has_a_fresh_time_ordered_request_id() -> None:
    first, second = [await ask(shell(echo), make_scope()) for _ in range(2)]
    ids = [UUID(answer.headers["x-request-id"]) for answer in (first, second)]
    assert ids[0] != ids[1]
    assert all(one.version == 7 for one in ids)


async def test_request_id_reaches_the_app_and_its_problems() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"]["request_id"])
        raise Malformed

    answer = await ask(shell(app), make_scope())
    assert seen == [answer.headers["x-request-id"]] == [answer.json()["request_id"]]


@pytest.mark.parametrize(
    ("peer", "given", "believed"),
    [
        ("10.0.0.1", [b"abcdefgh-_123"], True),
        ("10.0.0.2", [b"abcdefgh-_123"], False),
        ("10.0.0.1", [b"short"], False),
        ("10.0.0.1", [b"a" * 65], False),
        ("10.0.0.1", [b"abcdefgh\n"], False),
        ("10.0.0.1", [b"abcdefgh;drop"], False),
        ("10.0.0.1", [b"abcdefgh-_123", b"abcdefgh-_123"], False),
        ("10.0.0.1", [], False),
    ],
)
async def test_request_id_is_believed_only_from_proxies_and_in_form(
    peer: str, given: list[bytes], believed: bool
) -> None:
    scope = make_scope(headers=[HOST, *((b"request-id", value) for value in given)], client=(peer, 1))
    answer = await ask(shell(echo, "10.0.0.1"), scope)
    assert (answer.headers["x-request-id"] == "abcdefgh-_123") is believed


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),  # the first is anybody's claim
        ("10.0.0.1", b"2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", b"203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"10.0.0.2", "10.0.0.1"),
        ("192.0.2.1", b"203.0.113.9", "192.0.2.1"),
    ],
)
async def test_client_behind_proxies_is_the_last_unknown_hop(peer: str, forwarded: bytes, client: str) -> None:
    scope = make_scope(headers=[HOST, (b"x-forwarded-for", forwarded)], client=(peer, 1))
    await ask(shell(echo, "10.0.0.1", "10.0.0.2"), scope)
    assert scope["client"][0] == client


@pytest.mark.parametrize("app", [echo, broken, Guard(echo, allowed_hosts=frozenset({"other.test"}))])
async def test_every_answer_is_uncacheable_and_locked_down(app: ASGIApp) -> None:
    headers = (await ask(shell(app), make_scope())).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"].startswith("max-age=")


async def test_what_the_app_says_about_caching_and_content_stays() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await shell(public)(make_scope(), receive, send)
    names = [name for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names))
    assert (b"cache-control", b"public, max-age=60") in sent[0]["headers"]
    assert (b"content-security-policy", b"sandbox") in sent[0]["headers"]


async def test_other_scopes_pass_untouched() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope))

    scope: Scope = {"type": "lifespan"}
    await ask_with(shell(app), scope, [])
    assert seen == [{"type": "lifespan"}]
