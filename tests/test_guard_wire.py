"""Bodies and bytes: how a request is framed, and what two real HTTP parsers make of hostile bytes."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import uvicorn

from app.guard import Guard
from app.logs import Message, Receive, RequestLog, Scope, Send
from tests.raw_asgi import HOST, JSON, ask, ask_with, echo, make_scope

GUARD = Guard(echo, allowed_hosts=frozenset({"api.test"}))


# --- body framing and size -------------------------------------------------------------------------------------


async def sized(body: bytes, *, method: str = "POST") -> int | None:
    length = (b"content-length", str(len(body)).encode())
    return (await ask(GUARD, make_scope(method, headers=[HOST, JSON, length]), body)).status


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_body_where_none_belongs_is_400(method: str) -> None:
    assert await sized(b"{}", method=method) == 400
    assert await sized(b"", method=method) == 200
    chunked = make_scope(method, headers=[HOST, (b"transfer-encoding", b"chunked")])
    assert (await ask(GUARD, chunked, b"{}")).status == 400


@pytest.mark.parametrize(
    "framing",
    [
        [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"identity")],
        [(b"transfer-encoding", b"\x0bchunked")],
        [(b"content-length", b"+2")],
        [(b"content-length", b"-2")],
        [(b"content-length", b"2, 2")],
        [(b"content-length", b"0x2")],
        [(b"content-length", b"")],
    ],
)
async def test_ambiguous_framing_is_400_and_ends_the_connection(framing: list[tuple[bytes, bytes]]) -> None:
    answer = await ask(GUARD, make_scope("POST", headers=[HOST, JSON, *framing]), b"{}")
    assert answer.status == 400
    assert answer.headers["connection"] == "close"


async def test_chunked_in_http_1_0_is_400() -> None:
    headers = [HOST, JSON, (b"transfer-encoding", b"chunked")]
    assert (await ask(GUARD, make_scope("POST", headers=headers, http_version="1.0"), b"{}")).status == 400


async def test_announced_large_body_is_413_before_a_byte_is_read() -> None:
    for length in (b"262145", b"31457280", b"9" * 40):
        scope = make_scope("POST", headers=[HOST, JSON, (b"content-length", length)])
        answer = await ask_with(GUARD, scope, [])  # reading would wait for ever
        assert answer.status == 413
        assert answer.headers["connection"] == "close"


async def test_body_at_the_limit_passes_and_one_more_byte_is_413() -> None:
    body = b'"' + b"a" * 262_142 + b'"'
    assert await sized(body) == 200
    chunked = [HOST, JSON, (b"transfer-encoding", b"chunked")]
    assert (await ask(GUARD, make_scope("POST", headers=chunked), body, b" ")).status == 413


async def test_endless_chunks_are_413_after_the_limit() -> None:
    served = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal served
        while True:
            served += 1
            yield b" " * 16_384

    transport = httpx.ASGITransport(app=GUARD)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
        answer = await http.post("/v1/things", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert served <= 18


async def test_slow_body_is_408() -> None:
    guard = Guard(echo, allowed_hosts=None, body_seconds=0.01)
    scope = make_scope("POST", headers=[HOST, JSON, (b"content-length", b"9")])
    answer = await ask_with(guard, scope, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert answer.status == 408
    assert answer.headers["connection"] == "close"


async def test_client_that_leaves_gets_no_answer_and_reaches_nobody() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("half a body must not get here")

    scope = make_scope("POST", headers=[HOST, JSON, (b"content-length", b"9")])
    half: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert (await ask_with(Guard(app, allowed_hosts=None), scope, half)).status is None


# --- real parsers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["httptools", "h11"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The name of the parser and the port of a server that guards the echo application."""
    app = RequestLog(GUARD, trusted_proxies=frozenset())
    config = uvicorn.Config(app, http=request.param, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield request.param, listener.getsockname()[1]
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


def exchange(port: int, request: bytes) -> bytes:
    """Everything the server says to these bytes until it closes the connection (or stays silent)."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.sendall(request)
        try:
            while data := connection.recv(65_536):
                answer += data
        except ConnectionResetError:
            pass  # closed with bytes of ours unread
    return answer


def head(*lines: str, start: str = "POST /v1/things HTTP/1.1", host: str = "Host: api.test") -> bytes:
    return "\r\n".join([start, host, "Content-Type: application/json", *lines, "", ""]).encode("latin-1")


SECOND = b"GET /v1/smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
EMPTY = b"0\r\n\r\n"

HOSTILE = {
    "length and coding": head("Content-Length: 6", CHUNKED) + EMPTY + SECOND,
    "coding and length": head(CHUNKED, "Content-Length: 6") + EMPTY + SECOND,
    "two lengths": head("Content-Length: 2", "Content-Length: 40") + b"{}" + SECOND,
    "two equal lengths": head("Content-Length: 2", "Content-Length: 2") + b"{}" + SECOND,
    "list of lengths": head("Content-Length: 2, 40") + b"{}" + SECOND,
    "signed length": head("Content-Length: +2") + b"{}" + SECOND,
    "negative length": head("Content-Length: -2") + b"{}" + SECOND,
    "hexadecimal length": head("Content-Length: 0x2") + b"{}" + SECOND,
    "unknown coding": head("Transfer-Encoding: xchunked") + EMPTY + SECOND,
    "coding list": head("Transfer-Encoding: chunked, identity") + EMPTY + SECOND,
    "two codings": head(CHUNKED, "Transfer-Encoding: identity") + EMPTY + SECOND,
    "coding with vertical tab": head("Transfer-Encoding: \x0bchunked") + EMPTY + SECOND,
    "space before colon": head("Transfer-Encoding : chunked") + EMPTY + SECOND,
    "coding in HTTP/1.0": head(CHUNKED, start="POST /v1/things HTTP/1.0") + EMPTY + SECOND,
    "lone CR in header": head("X-Client: a\rContent-Length: 6") + SECOND,
    "NUL in header": head("X-Client: a\x00b") + SECOND,
    "NUL in header name": head("X-Cli\x00ent: a") + SECOND,
    "hexadecimal chunk": head(CHUNKED) + b"0x2\r\n{}\r\n" + EMPTY + SECOND,
    "negative chunk": head(CHUNKED) + b"-2\r\n{}\r\n" + EMPTY + SECOND,
    "chunk longer than said": head(CHUNKED) + b"1\r\n{}\r\n" + EMPTY + SECOND,
    "body of GET": head("Content-Length: 40", start="GET /v1/things HTTP/1.1") + SECOND + b" " * 40,
    "no host": b"GET /v1/things HTTP/1.1\r\nAccept: */*\r\n\r\n" + SECOND,
    "two hosts": head("Host: other.test", start="GET /v1/things HTTP/1.1") + SECOND,
    "foreign host": head(host="Host: other.test", start="GET /v1/things HTTP/1.1") + SECOND,
    "HTTP/0.9": b"GET /v1/things\r\n\r\n" + SECOND,
    "HTTP/9.9": head(start="GET /v1/things HTTP/9.9") + SECOND,
    "10,000 headers": head(*["X-Client: a"] * 10_000, start="GET /v1/things HTTP/1.1"),
    "200 KB header": head("X-Client: " + "a" * 200_000, start="GET /v1/things HTTP/1.1"),
    "200 KB address": head(start=f"GET /{'a' * 200_000} HTTP/1.1"),
    "control in path": head(start="GET /v1/a\x01b HTTP/1.1") + SECOND,
    "bare LF": head(start="GET /v1/things HTTP/1.1").replace(b"\r\n", b"\n") + SECOND,
    "bare LF in header": head("X-Client: a\nX-Other: b", start="GET /v1/things HTTP/1.1") + SECOND,
    "folded header": head("X-Client: a", " Content-Length: 6", start="GET /v1/things HTTP/1.1") + SECOND,
}

READ_BY_H11 = {"two equal lengths", "bare LF", "bare LF in header", "folded header"}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bytes_get_one_refusal_and_a_closed_connection(case: str, served: tuple[str, int]) -> None:
    parser, port = served
    if parser == "h11" and case in READ_BY_H11:
        pytest.skip("h11 repairs this as RFC 9112 allows and shows no trace of it; the service runs on httptools")
    answer = exchange(port, HOSTILE[case])
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_two_honest_requests_share_a_connection(served: tuple[str, int]) -> None:
    last = SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = exchange(served[1], head("Content-Length: 2") + b"{}" + last)
    assert answer.count(b"HTTP/1.1 200") == 2


def test_honest_chunks_arrive_whole(served: tuple[str, int]) -> None:
    request = head(CHUNKED, "Connection: close") + b'4\r\n{"a"\r\n3\r\n:1}\r\n' + EMPTY
    assert exchange(served[1], request).endswith(b'{"a":1}')
