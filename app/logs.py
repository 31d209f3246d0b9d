"""Log lines, request ids, metrics, and the outermost shell of every answer.

What may stand in a log line: ids, codes, counts, times, route *templates*, exception *types* and places in our own
code. What never does: a body, a token, a path, a query, a header, a person, the text of an exception (database
drivers put the offending value there), or the message of a library.
"""

import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from sqlalchemy import exc as sa_exc
from uuid_utils import uuid7

from app.errors import AppError, Unavailable, pick_language, problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

Field = str | int | float | bool | UUID | None

# --- lines -----------------------------------------------------------------------------------------------------

_HERE = str(Path(__file__).resolve().parent) + os.sep
_OURS = ("renmai", "app.")
_HANDLER = "renmai-stdout"
_EVENTS = logging.getLogger("renmai")
_ACCESS = logging.getLogger("renmai.access")


class _Line(logging.LogRecord):
    """A record with fields, made without the walk up the stack that `Logger.log` pays for."""

    def __init__(self, name: str, level: int, event: str, fields: dict[str, Field]) -> None:
        super().__init__(name, level, "", 0, event, None, None)
        self.fields = fields


def _plain(value: object) -> str:
    return str(value) if isinstance(value, UUID) else type(value).__name__  # asyncpg subclasses UUID


def _message(record: logging.LogRecord) -> str:
    """One line without anybody's values."""
    ours = record.name.startswith(_OURS)
    if not ours and record.name != "uvicorn.error":
        return "library"  # f-strings of libraries hold SQL parameters, URLs, arguments: only the place is told
    if not isinstance(record.msg, str):
        return type(record.msg).__name__  # `logger.error(exception)`
    text = record.msg
    # The server's templates are safe, its arguments (addresses, paths with queries) are not.
    if ours or (isinstance(record.args, tuple) and all(isinstance(arg, int) for arg in record.args)):
        with suppress(TypeError, ValueError):  # a wrong template must not cost the line
            text = record.getMessage()
    return text.split("\n", 1)[0][:500]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts (RFC 3339, UTC), level, event, then the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"ts": datetime.fromtimestamp(record.created, UTC), "level": record.levelname}
        if isinstance(record, _Line):
            line["event"] = record.msg
            line.update(record.fields)
        else:
            line["event"] = _message(record)
            line["logger"] = record.name
            line["at"] = f"{record.module}:{record.lineno}"
        if record.exc_info and record.exc_info[1] is not None:
            line.update(describe(record.exc_info[1]))
        return orjson.dumps(line, default=_plain, option=orjson.OPT_UTC_Z).decode()


class _Stdout(logging.Handler):
    """Writes to whatever stdout is at that moment (a test or a supervisor may have replaced it)."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except Exception:
            self.handleError(record)


def configure_logging(level: str) -> None:
    """Send every logger of the process to stdout as JSON lines. Access lines are INFO, so WARNING silences them."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if handler.get_name() == _HANDLER:
            root.removeHandler(handler)
    ours = _Stdout()
    ours.set_name(_HANDLER)
    ours.setFormatter(JsonFormatter())
    root.addHandler(ours)
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    access = logging.getLogger("uvicorn.access")  # it prints whole URLs; ours replaces it
    access.handlers.clear()
    access.propagate = False
    access.setLevel(logging.CRITICAL + 1)
    logging.raiseExceptions = False  # a line that cannot be formatted would be dumped with its arguments


def event(name: str, *, level: int = logging.INFO, **fields: Field) -> None:
    """Write one line about something that happened. `fields` are ids, codes and counts."""
    if _EVENTS.isEnabledFor(level):
        _EVENTS.handle(_Line(_EVENTS.name, level, name, fields))


def describe(error: BaseException) -> dict[str, Field]:
    """What a log may say of an exception: its type, the innermost place in our own code, an SQLSTATE."""
    place, step = None, error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name.startswith(_HERE):
            place = f"{name[len(_HERE) :]}:{step.tb_lineno}"
        step = step.tb_next
    kind = type(error)
    found: dict[str, Field] = {"error": f"{kind.__module__}.{kind.__qualname__}", "where": place}
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if isinstance(state, str) and re.fullmatch(r"[0-9A-Z]{5}", state):
        found["sqlstate"] = state
    return found


# --- metrics ---------------------------------------------------------------------------------------------------

REGISTRY = CollectorRegistry()
_REQUESTS = Counter("renmai_requests", "Requests answered", ["method", "route", "status_class"], registry=REGISTRY)
_SECONDS = Histogram(
    "renmai_request_seconds",
    "Time from the first byte of the request to the last of the answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=REGISTRY,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_counters: dict[tuple[str, str, int], Counter] = {}  # label look-ups cost more than the counting
_timers: dict[str, Histogram] = {}


def metrics_text() -> bytes:
    """The metrics of this process in the Prometheus text format (each worker has its own)."""
    return generate_latest(REGISTRY)


def _count(method: str, route: str, status: int, seconds: float) -> None:
    key = (method, route, status // 100)
    counter = _counters.get(key)
    if counter is None:
        counter = _counters[key] = _REQUESTS.labels(method, route, f"{status // 100}xx")
    counter.inc()
    timer = _timers.get(route)
    if timer is None:
        timer = _timers[route] = _SECONDS.labels(route)
    timer.observe(seconds)


def route_of(scope: Scope) -> str:
    """The template of the matched route, or "unmatched": never the path itself."""
    # An included router's `route` lacks the prefixes of the routers around it; FastAPI keeps the whole one here.
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    path = getattr(found, "path", None)
    return path if isinstance(path, str) else "unmatched"


# --- failures --------------------------------------------------------------------------------------------------

_DOWN = (
    OSError,  # ConnectionError, TimeoutError, and FileNotFoundError of an absent socket
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.QueryCanceledError,  # `statement_timeout`: too busy for this now
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,  # a connection the server has ended, before the driver noticed
    sa_exc.TimeoutError,
)


class InternalError(AppError):
    """500: a mistake of ours. The client learns the request id and nothing else."""


def database_is_down(error: BaseException | None) -> bool:
    """Whether the failure says that the database cannot be reached, rather than that a query was wrong."""
    if isinstance(error, sa_exc.DBAPIError):
        if error.connection_invalidated:
            return True
        # SQLAlchemy wraps asyncpg's error in one of its own, which keeps the original as its cause.
        return database_is_down(error.orig) or database_is_down(getattr(error.orig, "__cause__", None))
    if isinstance(error, asyncpg.InterfaceError):  # also raised for misuse, which is our mistake
        return "clos" in str(error)  # "connection is closed", "pool is closing"
    return isinstance(error, _DOWN)


def classify(error: BaseException) -> AppError:
    """The answer to an exception nobody handled."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, AppError):
        return error
    return Unavailable(retry_after=2) if database_is_down(error) else InternalError()


async def send_problem(scope: Scope, send: Send, error: AppError, *, close: bool = False) -> None:
    """Answer `error` as problem+json. `close` ends the connection: what follows in it cannot be trusted."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
    body, headers = problem(
        error,
        language=pick_language(accepted.decode("latin-1")),
        request_id=scope.get("state", {}).get("request_id", ""),
    )
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    if close:
        raw.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})


# --- the shell -------------------------------------------------------------------------------------------------

DEFAULT_HEADERS: Headers = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
_BELIEVABLE_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Answer:
    """Watches one answer: completes its headers, remembers its status, holds back a 500 that is not a problem.

    Starlette answers an unhandled exception with plain text and raises it afterwards; whether that is a 500 or a
    503 is known only when the exception arrives.
    """

    __slots__ = ("_request_id", "_send", "complete", "status", "withheld")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None
        self.complete = False
        self.withheld = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Headers = list(message.get("headers", ()))
            if message["status"] == 500 and (b"content-type", b"application/problem+json") not in headers:
                self.withheld = True
                return
            self.status = message["status"]
            names = {name for name, _ in headers}
            headers += [pair for pair in DEFAULT_HEADERS if pair[0] not in names]
            headers.append((b"x-request-id", self._request_id.encode()))
            message = {**message, "headers": headers}
        elif self.withheld:
            return
        elif not message.get("more_body", False):
            self.complete = True
        await self._send(message)


class RequestLog:
    """Outermost ASGI layer: request id, headers of every answer, last-resort errors, access line, metrics.

    `trusted_proxies` are peer addresses whose `Request-Id` is believed, and whose `X-Forwarded-For` replaces the
    client address for everything inside. It puts `request_id` into `scope["state"]` and reads `org_id` and
    `user_id` (UUIDs) from there.
    """

    def __init__(self, app: ASGIApp, *, trusted_proxies: frozenset[str]) -> None:
        self._app = app
        self._trusted = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = self._identify(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        try:
            await self._app(scope, receive, answer.send)
            if answer.withheld:
                await self._fail(scope, answer, InternalError())
        except Exception as error:
            # Never raised further: the server would print the exception's text.
            await self._fail(scope, answer, error)
        finally:
            self._record(scope, answer.status, perf_counter() - started)

    def _identify(self, scope: Scope) -> str:
        client = scope.get("client")
        if not client or client[0] not in self._trusted:
            return str(uuid7())
        given: list[bytes] = [value for name, value in scope["headers"] if name == b"request-id"]
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        address = self._client_behind(forwarded.decode("latin-1"))
        if address is not None:
            scope["client"] = (address, 0)
        if len(given) == 1 and _BELIEVABLE_ID.fullmatch(given[0]):
            return given[0].decode()
        return str(uuid7())

    def _client_behind(self, forwarded: str) -> str | None:
        """The last address in the chain that is not a proxy of ours; what stands before it anybody can write."""
        for hop in reversed(forwarded.split(",")):
            if hop.strip() not in self._trusted:
                try:
                    return str(ip_address(hop.strip()))
                except ValueError:
                    return None
        return None

    async def _fail(self, scope: Scope, answer: _Answer, error: Exception) -> None:
        told = classify(error)
        if not isinstance(error, AppError) or told.status >= 500:
            event(
                "request_failed",
                level=logging.ERROR if told.status == 500 else logging.WARNING,
                request_id=scope["state"]["request_id"],
                **describe(error),
            )
        if answer.status is None:
            answer.withheld = False
            await send_problem(scope, answer.send, told)
        # Otherwise the answer has begun: returning now makes the server cut the connection, which the client sees.

    def _record(self, scope: Scope, status: int | None, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = route_of(scope)
        known = 499 if status is None else status  # 499: the client left before there was an answer
        _count(method, route, known, seconds)
        if not _ACCESS.isEnabledFor(logging.INFO):
            return
        state = scope["state"]
        fields: dict[str, Field] = {
            "request_id": state["request_id"],
            "method": method,
            "route": route,
            "status": known,
            "duration_ms": round(seconds * 1000, 2),
        }
        for name in ("org_id", "user_id"):
            value = state.get(name)
            if value is not None and _UUID.fullmatch(str(value)):
                fields[name] = str(value)
        _ACCESS.handle(_Line(_ACCESS.name, logging.INFO, "request", fields))
