"""The outermost shell: log lines without people, last-resort errors, metrics."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import exc as sa_exc
from uuid_utils import UUID as FastUUID

from app import logs
from app.errors import Conflict
from app.guard import Guard
from app.limits import RateLimit
from app.logs import ASGIApp, Receive, RequestLog, Scope, Send, configure_logging, metrics_text
from tests.raw_asgi import HOST, JSON, Answer, ask, echo, make_scope

NAMES = ("", "uvicorn", "uvicorn.error", "uvicorn.access")
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Switches logging on and gives what was printed since the last call; puts everything back afterwards."""
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    raising = logging.raiseExceptions
    configure_logging("INFO")
    yield lambda: [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    logging.raiseExceptions = raising
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


def shell(app: ASGIApp, *proxies: str) -> RequestLog:
    return RequestLog(app, trusted_proxies=frozenset(proxies))


def raising(error: BaseException) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def answering(status: int, *headers: tuple[bytes, bytes], then: Exception | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"plain text"})
        if then is not None:
            raise then

    return app


# --- last resort -----------------------------------------------------------------------------------------------


class Adapted(Exception):
    """Stands for the exception that SQLAlchemy puts between its own and the driver's."""


def wrapped(cause: Exception, *, lost: bool = False) -> sa_exc.DBAPIError:
    adapted = Adapted("adapted")
    adapted.__cause__ = cause
    return sa_exc.DBAPIError("SELECT 1", None, adapted, connection_invalidated=lost)


DOWN = [
    ConnectionRefusedError(),
    FileNotFoundError("socket"),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError("x"),
    asyncpg.CannotConnectNowError("x"),
    asyncpg.TooManyConnectionsError("x"),
    asyncpg.AdminShutdownError("x"),
    asyncpg.QueryCanceledError("x"),
    asyncpg.DiskFullError("x"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InterfaceError("pool is closing"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    sa_exc.TimeoutError("QueuePool limit"),
    wrapped(asyncpg.ConnectionFailureError("x")),
    wrapped(asyncpg.QueryCanceledError("x")),
    wrapped(asyncpg.DataError("x"), lost=True),
    wrapped(asyncpg.InterfaceError("connection is closed")),
    sa_exc.OperationalError("SELECT 1", None, ConnectionResetError()),
    ExceptionGroup("unhandled", [ConnectionResetError()]),
]
BROKEN = [
    ValueError("x"),
    KeyError("x"),
    RecursionError(),
    asyncpg.DataError("x"),
    asyncpg.UniqueViolationError("x"),
    asyncpg.InterfaceError("another operation is in progress"),
    wrapped(asyncpg.DataError("x")),
    ExceptionGroup("unhandled", [ConnectionResetError(), ValueError()]),
]


@pytest.mark.parametrize("error", DOWN, ids=repr)
async def test_unreachable_database_is_503_with_retry_after(error: Exception) -> None:
    answer = await ask(shell(raising(error)), make_scope())
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["code"] == "unavailable"


@pytest.mark.parametrize("error", BROKEN, ids=repr)
async def test_every_other_failure_is_500_and_tells_nothing(error: Exception) -> None:
    answer = await ask(shell(raising(error)), make_scope())
    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "code", "request_id"}
    assert answer.json()["code"] == "internal"


async def test_errors_of_our_own_tree_keep_their_status(lines: Lines) -> None:
    assert (await ask(shell(raising(Conflict("id_taken"))), make_scope())).json()["code"] == "id_taken"
    assert [line["event"] for line in lines()] == ["request"]  # nothing failed


@pytest.mark.parametrize(("error", "status"), [(ConnectionResetError(), 503), (ValueError(), 500), (None, 500)])
async def test_plain_text_500_of_a_framework_becomes_a_problem(error: Exception | None, status: int) -> None:
    answer = await ask(shell(answering(500, (b"content-type", b"text/plain"), then=error)), make_scope())
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"plain text" not in answer.body


async def test_real_framework_failure_is_one_problem() -> None:
    api = FastAPI()

    @api.get("/v1/broken")
    async def broken() -> None:
        raise asyncpg.DataError("invalid input: 110105199003078888")

    answer = await ask(shell(api), make_scope(path="/v1/broken"))
    assert (answer.status, answer.json()["code"]) == (500, "internal")


async def test_failure_after_the_answer_began_is_logged_and_cuts_the_answer(lines: Lines) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[1,", "more_body": True})
        raise ValueError

    answer = await ask(shell(app), make_scope())
    assert (answer.status, answer.body) == (200, b"[1,")
    assert [line["event"] for line in lines()] == ["request_failed", "request"]


# --- lines -----------------------------------------------------------------------------------------------------


async def test_access_line_has_ids_and_the_route_template_only(lines: Lines) -> None:
    org, user = UUID(int=1), FastUUID(int=2)
    api = FastAPI()
    inner = APIRouter(prefix="/customers")

    @inner.get("/{customer_id}")
    async def get_customer(customer_id: str) -> str:
        return customer_id

    outer = APIRouter(prefix="/v1")
    outer.include_router(inner)
    api.include_router(outer)
    scope = make_scope(path="/v1/customers/42", query=b"q=1", state={"org_id": org, "user_id": user})
    answer = await ask(shell(api), scope)
    (line,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line.pop("ts"))
    assert line.pop("duration_ms") >= 0
    assert line == {
        "level": "INFO",
        "event": "request",
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "route": "/v1/customers/{customer_id}",
        "status": 200,
        "org_id": str(org),
        "user_id": str(user),
    }


async def test_ids_that_are_no_ids_stay_out(lines: Lines) -> None:
    await ask(shell(echo), make_scope(state={"org_id": "上海分公司", "user_id": "zhang.wei@example.cn"}))
    assert not {"org_id", "user_id"} & lines()[0].keys()


async def test_access_lines_can_be_switched_off_and_failures_stay(lines: Lines) -> None:
    configure_logging("WARNING")
    await ask(shell(echo), make_scope())
    await ask(shell(raising(ValueError())), make_scope())
    assert [line["event"] for line in lines()] == ["request_failed"]


async def test_failure_line_has_type_place_and_sqlstate(lines: Lines) -> None:
    await ask(shell(raising(asyncpg.UniqueViolationError("secret"))), make_scope())
    failed = lines()[0]
    assert failed["level"] == "ERROR"
    assert failed["error"] == "asyncpg.exceptions.UniqueViolationError"
    assert re.fullmatch(r"logs\.py:\d+", failed["where"])
    assert failed["sqlstate"] == "23505"


async def test_client_that_left_is_counted_as_499(lines: Lines) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        return

    assert (await ask(shell(app), make_scope())).status is None
    assert lines()[0]["status"] == 499


def test_configuring_twice_prints_once(lines: Lines) -> None:
    configure_logging("INFO")
    logs.event("started", workers=2, org_id=UUID(int=3))
    (line,) = lines()
    assert (line["event"], line["workers"], line["org_id"]) == ("started", 2, str(UUID(int=3)))


def test_server_access_log_is_silent_and_its_other_lines_lose_their_values(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info('%s - "%s"', "192.0.2.1", "/v1/customers?q=张三")
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" 403', "192.0.2.1", "/v1/events?token=secret")
    assert [line["event"] for line in lines()] == ["Started server process [7]", '%s - "WebSocket %s" 403']


# --- canaries --------------------------------------------------------------------------------------------------

CANARIES = ("欧阳金丝雀", "110105199003078888", "13800138000", "tok-canary-5f2e", "canary@example.cn")
SECRET = " ".join(CANARIES)


def failures() -> list[BaseException]:
    return [
        asyncpg.DataError(f"invalid input for query argument $1: {SECRET}"),
        ValueError(SECRET),
        OSError(SECRET),
        sa_exc.IntegrityError(f"INSERT {SECRET}", {"name": SECRET}, ValueError(SECRET)),
        Conflict(extra={"current_version": 3}),
    ]


def leaked(text: str) -> list[str]:
    escaped = [canary.encode("unicode_escape").decode() for canary in CANARIES]
    quoted = [str(httpx.QueryParams({"q": canary}))[2:] for canary in CANARIES]
    return [canary for canary in (*CANARIES, *escaped, *quoted) if canary in text]


async def test_no_person_and_no_token_reaches_the_log(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    headers = [
        HOST,
        JSON,
        (b"authorization", b"Bearer tok-canary-5f2e"),
        (b"x-client", b"13800138000"),
        (b"user-agent", SECRET.encode()),
        (b"transfer-encoding", b"chunked"),
    ]
    query = f"{httpx.QueryParams({'q': SECRET, 'id': '110105199003078888'})}".encode()
    path = "/v1/customers/110105199003078888"
    bodies = [orjson.dumps({"name": SECRET}), orjson.dumps({"name": SECRET})[:-1], SECRET.encode()]
    answers: list[Answer] = []
    for app in (echo, *map(raising, failures())):
        whole = shell(RateLimit(Guard(app, allowed_hosts=None), per_minute=100))
        answers += [await ask(whole, make_scope("POST", path, query=query, headers=headers), body) for body in bodies]
        answers.append(await ask(whole, make_scope("GET", path, query=query + b"&q=1", headers=headers[:-1])))
        answers.append(await ask(whole, make_scope("GET", path, query=query, headers=headers[:-1])))
    assert {200, 400, 409, 422, 500, 503} <= {answer.status for answer in answers}
    assert leaked(b"".join(answer.body for answer in answers if answer.status != 200).decode()) == []
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) > len(answers)
    assert leaked(printed.out + printed.err) == []
    assert leaked(metrics_text().decode()) == []


def test_libraries_and_tracebacks_cannot_leak(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("asyncio", "sqlalchemy.engine.Engine", "httpx", "asyncpg", "uvicorn.error"):
        library = logging.getLogger(name)
        library.error("value %s", SECRET)
        library.error(ValueError(SECRET))
        try:
            raise ValueError(SECRET)
        except ValueError:
            library.exception("Exception in ASGI application\n")
        if name != "uvicorn.error":
            library.error(f"Exception in callback f({SECRET})")
    logging.getLogger("app.reads").error("too %d few %d arguments", SECRET)  # cannot be formatted
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 20
    assert "builtins.ValueError" in printed.out
    assert leaked(printed.out + printed.err) == []


# --- metrics ---------------------------------------------------------------------------------------------------


def counted(text: str, **labels: str) -> float:
    for line in text.splitlines():
        if line.startswith("renmai_requests_total{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


async def test_metrics_count_by_route_and_class_with_bounded_labels() -> None:
    labels = {"method": "OTHER", "route": "unmatched", "status_class": "2xx"}
    before = counted(metrics_text().decode(), **labels)
    for number in range(30):
        await ask(shell(echo), make_scope(f"METHOD{number}", f"/v1/unknown/{number}"))
    text = metrics_text().decode()
    assert counted(text, **labels) == before + 30
    assert "METHOD" not in text
    assert "/v1/unknown" not in text
    assert 'renmai_request_seconds_bucket{le="0.1",route="unmatched"}' in text
