"""Promises 39, 54 and 55: errors help and never leak, logs carry no person, nothing sensitive is cached.

One walk over every operation of the document, with canaries wherever something can be written, feeds all three.
"""

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from app import main, reads
from app.config import Settings
from app.error_words import MESSAGES, TITLES
from app.logs import configure_logging
from tests import private_day
from tests.contract import Contract
from tests.factories import World, make_world
from tests.hostile import (
    body_schema,
    credential,
    every,
    free_places,
    good,
    is_free,
    placed,
    plain_headers,
    unknown_ids,
)
from tests.operations import METHODS, Operation
from tests.overheard import overheard
from tests.problem import assert_problem

NAME, PHONE, MAIL = "欧阳金丝雀", "13900139047", "kanarienvogel@example.cn"
ID_NUMBER, SECRET, PLACE = "11010519491231002X", "tok-kanarie-5f2e", "解放大道七百四十七号"
EVERYWHERE = (NAME, PHONE, MAIL, ID_NUMBER, SECRET, PLACE)
CANARIES = (*EVERYWHERE, *private_day.MARKS)
ALL = " ".join(EVERYWHERE)
ASCII = f"{PHONE} {MAIL} {ID_NUMBER} {SECRET}"
JSON = {"Content-Type": "application/json"}
# What an answer says only when something of the inside shows.
INSIDE = ("traceback", "asyncpg", "sqlalchemy", "pydantic", "starlette", "fastapi", "uvicorn", "postgres", "select ",
          "insert ", "python", "/app/", ".py", "exception", "errno")  # fmt: skip


# Places whose codes are the form engine's, which brings its own words.
OWN_WORDS = "/answers|/definition|/migrations"


def leaked(text: str) -> list[str]:
    """The canaries in a text, as they are and as they look escaped, quoted or encoded."""
    shapes = {canary: {canary, quote(canary), canary.encode("unicode_escape").decode(), json.dumps(canary)[1:-1],
                       canary.encode().hex()} for canary in CANARIES}  # fmt: skip
    return [canary for canary, forms in shapes.items() if any(form in text for form in forms)]


@dataclass
class Walk:
    """Every answer with what it was asked, and everything that was printed meanwhile."""

    answers: list[tuple[str, httpx.Response]] = field(default_factory=list)
    printed: str = ""
    metrics: str = ""
    # Every statement sent; what PostgreSQL tells of its connections: their names, and now and then the last statement.
    statements: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add(self, kind: str, answer: httpx.Response) -> httpx.Response:
        self.answers.append((kind, answer))
        return answer

    async def look(self, db: asyncpg.Connection) -> None:
        """What whoever may watch the database sees of us at this moment."""
        told = "SELECT query, application_name FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query <> ''"
        for row in await db.fetch(told):
            self.statements.add(row["query"])
            self.names.add(row["application_name"])


# --- what is asked ---------------------------------------------------------------------------------------------

Attempt = tuple[str, set[int], dict[str, Any]]


def wrong_addresses(operation: Operation, url: str) -> Iterator[Attempt]:
    """Canaries in the query and the path."""
    said = quote(ALL)
    queries = [item["name"] for item in operation.spec.get("parameters", ()) if item["in"] == "query"]
    yield "unknown query", {422}, {"url": f"{url}?colour={said}"}
    yield "query that is no name", {422}, {"url": f"{url}?{said}=1"}
    yield "repeated query", {422}, {"url": f"{url}?{said}=1&{said}=2"}
    for name in queries:
        yield f"query {name}", {200, 400, 404, 422}, {"url": f"{url}?{name}={said}"}
    for name in re.findall(r"\{(\w+)\}", operation.path):
        for text in (ALL, PHONE):
            there = operation.url({**unknown_ids(operation), name: quote(text)})
            yield f"path {name}", {404, 422}, {"url": there}
    yield "path below", {404, 422, 405}, {"url": f"{url}/{said}"}
    yield "broken escape", {400}, {"url": f"{url}?q=%zz{PHONE}"}


def wrong_headers(operation: Operation) -> Iterator[Attempt]:
    """Canaries in headers; credentials that are none."""
    for name in ("Authorization", "X-API-Key"):
        for value in (ASCII, f"Bearer {SECRET}", f"Bearer rmk_test_{SECRET}"):
            expected = {401} if operation.scopes else {200, 400, 401, 422, 428, 503}
            yield f"header {name}", expected, {"headers": {name: value}, "bare": True}
    for name in operation.headers:
        yield f"header {name}", {200, 400, 401, 404, 412, 422, 428}, {"headers": {name: ASCII}}
    yield "content coding", {415}, {"headers": {"Content-Encoding": ASCII}}
    yield "control character", {400}, {"headers": {"X-Client": f"{PHONE}\x01"}}
    yield "too many headers", {431}, {"headers": {f"X-{n}": PHONE for n in range(70)}}


def wrong_bodies(operation: Operation) -> Iterator[Attempt]:
    """Canaries in every member, in members that do not exist, in what is no JSON, and in a body nobody reads."""
    members = operation.body_members()
    if not members:
        yield "body where none is declared", {400}, {"content": json.dumps({NAME: ALL}), "headers": JSON}
        return
    for name in members:
        for value in (ALL, [ALL], {ALL: ALL}, {NAME: [PHONE]}, 11010519491231002):
            # 201: a name may be any text, and some things need nothing else. 200: a report of what is wrong.
            yield f"member {name}", {200, 201, 400, 401, 404, 409, 422}, {"json": {name: value}}
    wrong: list[Any] = [{ALL: 1}, {PHONE: {}}, {f"/{NAME}~": ALL}, [ALL], ALL]
    for body in wrong:
        yield "wrong body", {422}, {"json": body}
    text = json.dumps({"name": ALL}, ensure_ascii=False)
    for broken in (text[:-1], text.replace('"}', '\\u0000"}'), f'{{"{NAME}":1,"{NAME}":2}}', "[" * 40 + text,
                   text.replace('"}', '\\ud800"}'), f'{{"n":{PHONE * 9}}}'):  # fmt: skip
        yield "no JSON", {400}, {"content": broken.encode(), "headers": JSON}
    yield "media type", {415}, {"content": text.encode(), "headers": {"Content-Type": "text/plain"}}
    yield "charset", {415}, {"content": text.encode(), "headers": {"Content-Type": f"application/json; x={PHONE}"}}
    yield "too large", {413}, {"content": (ALL * 5000).encode(), "headers": JSON}


async def ask_wrongly(walk: Walk, world: World, client: httpx.AsyncClient, operation: Operation) -> None:
    """All wrong requests to one operation, every other one by somebody who reads Chinese."""
    own, url = credential(world, operation), operation.url(unknown_ids(operation))
    has_body = "requestBody" in operation.spec
    attempts = [*wrong_addresses(operation, url), *wrong_headers(operation), *wrong_bodies(operation)]
    for number, (kind, expected, given) in enumerate(attempts):
        headers = plain_headers(operation) | ({} if given.pop("bare", False) else own)
        headers |= {"Accept-Language": "zh-CN"} if number % 2 else {}
        given["headers"] = headers | given.get("headers", {})
        if has_body and not {"json", "content"} & set(given):
            given["json"] = {}
            expected = expected | {422}
        answer = await client.request(operation.method.upper(), given.pop("url", url), **given)
        walk.add(f"{operation.id}: {kind}", answer)
        assert answer.status_code in expected, (operation.id, kind, answer.status_code, answer.text)


async def ask_well(walk: Walk, world: World, client: httpx.AsyncClient, operation: Operation) -> None:
    """A good request with canaries in all free texts; the same one stale, conditional, and by the wrong methods."""
    ids, body = await good(world, operation)
    schema = body_schema(operation)
    if schema is not None:
        texts = {place: ALL[:20] if place[-1] == 0 else NAME for place in free_places(operation, schema)}
        body = placed(operation, schema, body, {place: text for place, text in texts.items() if place[0] != "answers"})
    own = credential(world, operation)
    for version in ('"77"', '"1"', f'"{PHONE}"'):
        headers = own | plain_headers(operation, version) | {"If-None-Match": version}
        walk.add(f"{operation.id}: good", await client.request(operation.method.upper(), operation.url(ids), json=body,
                                                              headers=headers))  # fmt: skip
    for method in METHODS:
        answer = await client.request(method.upper(), operation.url(unknown_ids(operation)), headers=own)
        walk.add(f"{operation.id}: by {method}", answer)


async def ask_otherwise(walk: Walk, world: World, client: httpx.AsyncClient, api: FastAPI, settings: Settings) -> None:
    """What belongs to no operation: failing logins, searches, unknown places, the limits, a fault of ours."""
    agent = {"Authorization": f"Bearer {world.token('agent')}"}
    device = {"id": SECRET, "name": NAME, "platform": "ios"}
    for org, user in ((world.code, "agent"), (world.code, PHONE), ("no-such", SECRET)):
        body = {"org": org, "username": user, "password": ALL, "device": device}
        assert walk.add("failing login", await client.post("/v1/auth/login", json=body)).status_code == 401
    for query in (NAME, PHONE, MAIL, PLACE, PHONE[-4:]):
        answer = await client.get("/v1/customers", params={"q": query, "tag": NAME}, headers=agent)
        assert walk.add("search", answer).status_code == (422 if query == PHONE else 200)
        answer = await client.post("/v1/customers/search", json={"q": query, "tag": NAME}, headers=agent)
        assert walk.add("search in a body", answer).status_code == 200
    for path in (f"/v1/{quote(NAME)}", f"/{PHONE}", f"/v1/customers/{PHONE}/", f"//{SECRET}", "/v1/%ff", "/metrics",
                 "/health/live", "/openapi.json", f"/problems/{PHONE}", "/problems/not-found"):  # fmt: skip
        walk.add("somewhere", await client.get(path, headers=agent))
    walk.add("long address", await client.get("/v1/customers?q=" + NAME * 500, headers=agent))
    walk.add("no host", await client.get("/v1/me", headers={"Host": f"{PHONE}!"}))
    limited = main.wrap(api, settings.model_copy(update={"rate_limit": 1}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=limited), base_url="http://test") as once:
        for _ in range(2):
            last = walk.add("limit", await once.get("/v1/me", headers={"Authorization": f"Bearer {SECRET}"}))
    assert last.status_code == 429

    async def fail(*_args: object) -> None:
        raise RuntimeError(ALL)

    async def drop(*_args: object) -> None:
        raise ConnectionRefusedError(ALL)

    for broken, status in ((fail, 500), (drop, 503)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reads, "row", broken)
            answer = await client.get(f"/v1/customers/{uuid4()}", headers=agent)
        assert walk.add("fault", answer).status_code == status


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Everything printed, by loggers that say as much as they can; then they are as before."""
    loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    raising, out = logging.raiseExceptions, io.StringIO()
    configure_logging("DEBUG")
    try:
        with redirect_stdout(out), redirect_stderr(out):
            yield out
    finally:
        logging.raiseExceptions = raising
        for one, handlers, level, propagate in before:
            one.handlers[:], one.propagate = handlers, propagate
            one.setLevel(level)


@pytest.fixture(scope="module")
async def walk(api: FastAPI, settings: Settings, contract: Contract, owner_db: asyncpg.Connection) -> Walk:
    """The walk, once for all tests of this file."""
    app, taken = main.wrap(api, settings), Walk()
    looking = await asyncpg.connect(settings.database_url)

    async def told(answer: httpx.Response) -> None:
        await answer.aread()
        request = answer.request
        taken.add(f"{request.method} /{request.url.path.rpartition('/')[2]}", answer)
        await taken.look(looking)

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        client.headers["Accept-Language"] = "en"
        with logged() as printed, overheard(taken.statements):
            for operation in every(api):  # each in an organisation of its own: some end a session or a user
                world = await make_world(app, contract, owner_db)
                await ask_wrongly(taken, world, client, operation)
                await taken.look(looking)
                await ask_well(taken, world, client, operation)
                await taken.look(looking)
                await world.close()
            world = await make_world(app, contract, owner_db)
            await ask_otherwise(taken, world, client, api, settings)
            await private_day.spend(world, told)
            taken.metrics = (await client.get("/metrics")).text
        taken.printed = printed.getvalue()
    await looking.close()
    return taken


# --- 39 --------------------------------------------------------------------------------------------------------


def test_promise_39_errors_help_and_never_leak(walk: Walk) -> None:
    refused = [(kind, answer) for kind, answer in walk.answers
               if answer.status_code >= 400 and answer.request.method != "HEAD"]  # fmt: skip
    assert len(refused) > 1000
    languages, statuses = set(), set()
    for kind, answer in refused:
        body = answer.json()
        places = [next((f"{mark}{issue[name]}{end}" for name, mark, end in
                        (("pointer", "", ""), ("parameter", "?", ""), ("header", "", ":")) if name in issue))
                  for issue in body.get("errors", ())]  # fmt: skip
        codes = [issue["code"] for issue in body.get("errors", ())]
        assert_problem(answer, answer.status_code, body["code"], *zip(places, codes, strict=True))
        assert body["code"] in TITLES
        assert set(codes) <= {*MESSAGES, "json_syntax", "json_utf8", "json_depth", "json_duplicate", "json_number",
                              "json_nul", "json_surrogate"} or re.search(OWN_WORDS, str(places)), kind  # fmt: skip
        said = answer.text + str(answer.headers.multi_items())
        assert leaked(said) == [], kind
        inside = [word for word in INSIDE if word in said.lower()]
        assert inside == [], (kind, said)
        assert not re.search(r"\b[0-9]+\.[0-9]+\.[0-9]+\b", answer.text), kind
        languages.add(answer.headers["content-language"])
        statuses.add(answer.status_code)
    assert languages == {"en", "zh-CN"}
    assert statuses >= {400, 401, 403, 404, 405, 412, 413, 414, 415, 422, 428, 429, 431, 500, 503} - {403, 428}


# --- 54 --------------------------------------------------------------------------------------------------------

# The searches whose words have no other way to come: agents look people up by them.
SEARCHES = {
    ("list_customers", "q"),
    ("list_customers", "tag"),
    ("export_customers", "tag"),
    ("list_network_paths", "to_tag"),
}


def test_row_54_walk_saw_everything_private_told_and_shown(walk: Walk) -> None:
    """Or it would prove nothing: each was carried out, and the marks came out where they belong."""
    good = [(kind, answer) for kind, answer in walk.answers if answer.is_success]
    assert {kind for kind, _ in good} >= private_day.DONE
    for kind, marks in (("POST /reveal", {private_day.PLAN}), ("GET /personal", {private_day.FACT}),
                        ("GET /package.json", {private_day.FACT, private_day.PLAN, private_day.EVIDENCE}),
                        ("POST /consents", {private_day.EVIDENCE, private_day.GUARDIAN})):  # fmt: skip
        shown = "".join(answer.text for other, answer in good if other == kind)
        assert marks <= set(leaked(shown)), kind
    assert leaked("".join(answer.text for kind, answer in good if kind == "GET /access-log")) == []


def test_row_54_metrics_have_labels_of_closed_lists_only(api: FastAPI, walk: Walk) -> None:
    labels: dict[str, set[str]] = {}
    for name, value in re.findall(r'([a-z_]+)="([^"]*)"', walk.metrics):
        labels.setdefault(name, set()).add(value)
    assert "/v1/customers/search" in labels["route"]
    assert labels.pop("route") <= {*api.openapi()["paths"], "/metrics", "/problems/{code}", "unmatched", ""}
    assert labels.pop("status_class") <= {"2xx", "3xx", "4xx", "5xx"}
    assert labels.pop("method") <= {method.upper() for method in METHODS} | {"other"}
    assert all(re.fullmatch(r"[0-9.+Inf]+", value) for value in labels.pop("le"))
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", value) for value in labels.pop("event"))
    assert labels == {}


def test_row_54_database_tells_statements_without_values(walk: Walk) -> None:
    """Whoever may watch the connections sees their last statements: all that is of a person is a parameter."""
    assert sum("$1" in text for text in walk.statements) > 100
    assert leaked("\n".join(walk.statements)) == []
    assert {name for name in walk.names if name.startswith("renmai")} >= {"renmai"}
    assert leaked(" ".join(walk.names)) == []


def test_row_54_logs_and_metrics_carry_no_person(walk: Walk) -> None:
    lines = [json.loads(line) for line in walk.printed.splitlines()]
    ours = [line for line in lines if line["event"] == "request"]
    assert len(ours) > len(walk.answers)
    assert {answer.status_code for _, answer in walk.answers} >= {200, 201, 204, 304, 401, 422, 500}
    assert leaked(walk.printed) == []
    assert leaked(walk.metrics) == []
    assert 'route="/v1/customers/{customer_id}"' in walk.metrics
    for line in ours:
        assert "?" not in line["route"]
        assert set(line) <= {"ts", "level", "event", "request_id", "method", "route", "status", "duration_ms",
                             "org_id", "user_id"}  # fmt: skip


def test_row_54_no_personal_value_has_a_place_in_an_address(api: FastAPI) -> None:
    found = set()
    for operation in every(api):
        for item in operation.spec.get("parameters", ()):
            if item["in"] in ("path", "query"):
                schema = operation.resolve(item["schema"])
                assert schema.get("type") != "string" or {"enum", "const", "format", "pattern"} & set(schema), item[
                    "name"
                ]
                if is_free(schema):
                    found.add((operation.id, item["name"]))
    assert found == SEARCHES


# --- 55 --------------------------------------------------------------------------------------------------------

PUBLIC = re.compile(r"/v1/forms(/.*)?|/\.well-known/jwks\.json|/problems/[a-z-]+")


def test_row_55_nothing_sensitive_is_cached(walk: Walk) -> None:
    cached = set()
    for kind, answer in walk.answers:
        control = answer.headers.get_list("cache-control")
        if control != ["no-store"]:
            path = answer.request.url.path
            assert answer.status_code in (200, 304), kind
            assert PUBLIC.fullmatch(path), kind
            assert re.fullmatch(r"(public|private), max-age=[0-9]{3,4}", control[0]), kind
            cached.add(path.split("/")[1])
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], kind
        assert answer.headers.get_list("strict-transport-security") == ["max-age=63072000; includeSubDomains"], kind
        policy = answer.headers.get_list("content-security-policy")
        assert len(policy) == 1, kind
        assert policy[0].startswith("default-src 'none'"), kind
        assert leaked(str(answer.headers.multi_items())) == [], kind
    assert cached == {"v1", ".well-known", "problems"}
    methods = {answer.request.method for _, answer in walk.answers}
    assert {"HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE"} <= methods
