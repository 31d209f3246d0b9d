"""Drives an ASGI application with scopes and messages that no well-behaved client library would send."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from app.logs import ASGIApp, Message, Receive, Scope, Send

HOST = (b"host", b"api.test")
JSON = (b"content-type", b"application/json")


@dataclass
class Answer:
    """Status (None: nothing was answered), lower-case headers and body of one answer."""

    status: int | None
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


def make_scope(
    method: str = "GET",
    path: str = "/v1/things",
    *,
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (HOST,),
    **more: Any,
) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
        "client": ("192.0.2.7", 40_000),
        "scheme": "http",
        **more,
    }


async def ask(app: ASGIApp, scope: Scope, *chunks: bytes) -> Answer:
    """One request whose body arrives in `chunks`; after them the client stays silent."""
    pending: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks or (b"",)]
    pending[-1]["more_body"] = False
    return await ask_with(app, scope, pending)


async def ask_with(app: ASGIApp, scope: Scope, messages: list[Message]) -> Answer:
    """One request made of the given messages; after them the client stays silent for ever."""
    sent: list[Message] = []
    queue = messages[::-1]

    async def receive() -> Message:
        if queue:
            return queue.pop()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) <= 1
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    if not starts:
        return Answer(None, {}, body)
    return Answer(starts[0]["status"], {n.decode(): v.decode("latin-1") for n, v in starts[0]["headers"]}, body)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 200 with the body it was sent, and the method it saw in a header. Lifespan is ignored."""
    if scope["type"] != "http":
        return
    body = b""
    if scope["method"] in ("POST", "PUT", "PATCH"):
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
    headers = [(b"x-method", scope["method"].encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
