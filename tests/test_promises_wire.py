"""Promises 31 to 33: bombs are cheap, requests cannot be smuggled, and nothing undeclared is ignored.

The first two ask the real service in a process of its own, byte by byte, over this run's database.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from tests.factories import World
from tests.hostile import bare, credential, every, plain_headers, unknown_ids
from tests.matrix import BODIES
from tests.problem import assert_problem
from tests.test_guard_wire import CHUNKED, HOSTILE, SECOND, exchange, head

REPO = Path(__file__).parents[1]
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@dataclass(frozen=True)
class Process:
    """`renmai serve`, and what its process has used."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU so far, in hundredths; its children included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident megabytes."""
        found = re.search(r"VmRSS:\s+([0-9]+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@pytest.fixture(scope="module")
def process(settings: Settings) -> Iterator[Process]:
    """The service as it is run, on one Host name, with a second's patience for a body."""
    ours = {
        "ENVIRONMENT": "test",
        "DATABASE_URL": settings.database_url or "",
        "OWNER_DATABASE_URL": settings.owner_database_url or "",
        "VAR_DIR": str(settings.var_dir),
        "PORT": "0",
        "RATE_LIMIT": "0",
        "ALLOWED_HOSTS": "api.test",
        "BODY_SECONDS": "1",
        "LOG_LEVEL": "WARNING",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENMAI_")}
    env = kept | {f"RENMAI_{name}": value for name, value in ours.items()} | {"PYTHONPATH": str(REPO)}
    args = [sys.executable, "-m", "app.cli", "serve"]
    with subprocess.Popen(args, cwd=settings.var_dir.parent, env=env, text=True, stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as child:  # fmt: skip
        assert child.stderr is not None
        said = ""
        for line in child.stderr:
            said += line
            if found := re.search(r"listens on http://[^:]+:([0-9]+)", line):
                break
        else:
            raise AssertionError(said)
        assert found is not None
        yield Process(int(found[1]), child.pid)
        child.terminate()
        child.communicate(timeout=30)


# --- 31 --------------------------------------------------------------------------------------------------------

LOGIN = "POST /v1/auth/login HTTP/1.1"


def sized(body: bytes, *lines: str) -> bytes:
    return head(f"Content-Length: {len(body)}", "Connection: close", *lines, start=LOGIN) + body


def deliver(server: Process, *parts: bytes, more: Callable[[], bytes] | None = None) -> bytes:
    """Send until the server ends the connection; `more` goes on for as long as it listens. What it said."""
    answer = b""
    with server.connect() as connection:
        connection.settimeout(30)
        with suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
            connection.setblocking(False)
            while more is not None:
                try:
                    connection.sendall(more())
                except BlockingIOError:
                    break  # the server reads no more
        connection.settimeout(30)
        with suppress(ConnectionError):
            while data := connection.recv(65_536):
                answer += data
    return answer


def million_keys() -> bytes:
    return b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000)) + b"}"


BOMBS: dict[str, tuple[Callable[[], bytes], set[int]]] = {
    "30 MB": (lambda: sized(b'"' + b"a" * 30_000_000 + b'"'), {413}),
    "million keys": (lambda: sized(million_keys()), {413}),
    "depth 100,000": (lambda: sized(b"[" * 100_000 + b"]" * 100_000), {400, 413}),
    "commas": (lambda: sized(b"[" + b"1," * 130_000 + b"1]"), {413}),
    "10,000 digits": (lambda: sized(b'{"org": ' + b"9" * 10_000 + b"}"), {400}),
    "gzip": (lambda: sized(b"\x1f\x8b" + b"\x00" * 1000, "Content-Encoding: gzip"), {415}),
    "10,000 headers": (lambda: HOSTILE["10,000 headers"], {431}),
    "200 KB header": (lambda: HOSTILE["200 KB header"], {431}),
    "200 KB address": (lambda: HOSTILE["200 KB address"], {414}),
}
ONE_CHUNK = b"4000\r\n" + b" " * 0x4000 + b"\r\n"


def used(server: Process, attack: Callable[[], bytes]) -> tuple[int, float]:
    """The status of the answer, and the CPU seconds it cost."""
    before = server.cpu()
    answer = attack()
    # A connection the server resets with bytes unread may lose the answer on its way: then it is asked for again.
    assert answer.count(b"HTTP/1.1 ") <= 1
    return (int(answer[9:12]) if answer else 0), server.cpu() - before


@linux
def test_promise_31_bombs_are_cheap(process: Process) -> None:
    warm = exchange(process.port, SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert warm.startswith(b"HTTP/1.1 404")
    memory = process.memory()
    cost = {}
    for name, (make, expected) in BOMBS.items():
        raw = make()
        status, cost[name] = used(process, lambda raw=raw: deliver(process, raw))  # type: ignore[misc]  # bound now
        # A client that goes on sending is cut off and may not get to read why.
        assert status in expected | ({0} if len(raw) > 1_000_000 else set()), name
    status, cost["endless"] = used(
        process, lambda: deliver(process, head(CHUNKED, start=LOGIN), more=lambda: ONE_CHUNK)
    )
    assert status in {413, 0}
    assert max(cost.values()) <= 0.1, cost
    assert process.memory() - memory < 50


@linux
def test_promise_31_a_body_that_trickles_in_is_cut_off(process: Process) -> None:
    """One byte, and then the next ones too late: a hundred such clients cost no more than their sockets."""
    before = process.cpu()
    waiting = [process.connect() for _ in range(100)]
    for connection in waiting:
        connection.sendall(head("Content-Length: 9", start=LOGIN) + b"{")
    for connection in waiting:
        with connection:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 408")
    assert process.cpu() - before < 2.5  # 25 ms each, on a slow and busy machine, with what else the service does


# --- 32 --------------------------------------------------------------------------------------------------------

BOMB_CASES = {"10,000 headers", "200 KB header", "200 KB address"}
SMUGGLED = [name for name in HOSTILE if name not in BOMB_CASES]


def test_promise_32_no_request_is_smuggled(process: Process) -> None:
    assert len(SMUGGLED) >= 22
    wrong = {}
    for name in SMUGGLED:
        answer = exchange(process.port, HOSTILE[name])
        if answer.count(b"HTTP/1.") != 1 or not answer.startswith(b"HTTP/1.1 400"):
            wrong[name] = answer[:60]
    assert wrong == {}


def test_promise_32_what_is_no_request_is_refused_as_everything_else_is(process: Process) -> None:
    """The server's own refusals: no plain text of a library, and the headers of every other answer."""
    answer = exchange(process.port, b"\x16\x03\x01 hello\r\n\r\n")
    top, _, body = answer.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in top.decode().split("\r\n")[1:])
    assert_problem(httpx.Response(400, headers=lines, content=body), 400, "malformed")
    assert (lines["connection"], lines["x-content-type-options"]) == ("close", "nosniff")
    assert "server" not in lines


def test_promise_32_nobody_gets_another_protocol(process: Process) -> None:
    upgrade = ("Connection: Upgrade, close", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    for wish in ("websocket", "h2c"):
        start = "GET /v1/me HTTP/1.1"
        answer = exchange(process.port, head(f"Upgrade: {wish}", *upgrade, start=start))
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"cache-control: no-store" in answer


# --- 33 --------------------------------------------------------------------------------------------------------

OTHER_MEDIA = [
    None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
    "application/jsonp", "application/json, text/plain", "application/json; charset=gbk",
    "application/json; charset=utf-16", "application/json; profile=x", "application/json; charset=utf-8; charset=gbk",
    "application/vnd.api+json", "application/json-patch+json", "*/*", "json", "",
]  # fmt: skip
# Headers that decide something, with a value each operation would take.
DECIDING = {
    "Authorization": "Bearer x", "X-API-Key": "rmk_x", "If-Match": '"1"', "If-None-Match": '"1"',
    "Idempotency-Key": "k", "Accept-Language": "en", "Host": "test",
}  # fmt: skip


async def test_promise_33_only_declared_media_types(api: FastAPI, world: World) -> None:
    client, asked = bare(world), 0
    for operation in every(api):
        headers = credential(world, operation) | plain_headers(operation)
        url, method = operation.url(unknown_ids(operation)), operation.method.upper()
        declared = operation.resolve(operation.spec.get("requestBody", {})).get("content", {})
        if declared:
            undeclared = {"application/merge-patch+json"} - set(declared)
            for media in [*OTHER_MEDIA, *undeclared]:
                given = {} if media is None else {"Content-Type": media}
                answer = await client.request(method, url, content=b"{}", headers=headers | given)
                assert_problem(answer, 415, "media_type_unsupported")
                assert set(answer.headers["accept"].split(", ")) == set(declared)
                asked += 1
        else:  # a body where none is declared
            given = {"Content-Type": "application/json"}
            answer = await client.request(method, url, content=b'{"a": 1}', headers=headers | given)
            assert answer.status_code == 400, (operation.id, answer.status_code)
            asked += 1
    assert asked > 150


async def test_promise_33_only_declared_parameters_once(api: FastAPI, world: World) -> None:
    client = bare(world)
    others = ["/metrics", "/problems/invalid"]  # served, and not described
    for operation in every(api):
        headers = credential(world, operation) | plain_headers(operation)
        url, method = operation.url(unknown_ids(operation)), operation.method.upper()
        # A public operation looks at its body first, so that has to be a good one.
        body = {"json": BODIES.get(operation.id, {})} if "requestBody" in operation.spec else {}
        kwargs: dict[str, Any] = {"headers": headers, **body}
        queries = [item["name"] for item in operation.spec.get("parameters", ()) if item["in"] == "query"]
        for name in [*queries, "colour"]:
            answer = await client.request(method, f"{url}?{name}=1&{name}=2", **kwargs)
            assert_problem(answer, 422, "invalid", (f"?{name}", "repeated"))
        answer = await client.request(method, f"{url}?colour=1", **kwargs)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), operation.id
        told = [issue["parameter"] for issue in answer.json()["errors"] if issue["code"] == "unknown"]
        assert told == ["colour"], operation.id
    for url in others:
        assert_problem(await client.get(f"{url}?colour=1"), 422, "invalid", ("?colour", "unknown"))


async def test_promise_33_deciding_headers_once(api: FastAPI, world: World) -> None:
    client = bare(world)
    for operation in every(api):
        url, method = operation.url(unknown_ids(operation)), operation.method.upper()
        own = [*(credential(world, operation) | plain_headers(operation)).items()]
        for name, value in DECIDING.items():
            rest = [pair for pair in own if pair[0] != name]
            answer = await client.request(method, url, headers=[*rest, (name, value), (name.lower(), value)])
            assert_problem(answer, 400, "malformed", (f"{name.lower()}:", "repeated"))
        both = [("Authorization", "Bearer x"), ("X-API-Key", "rmk_x")]
        answer = await client.request(method, url, headers=both)
        assert_problem(answer, 400, "malformed", ("x-api-key:", "repeated"))
