"""Every error looks the same, says where and which rule, and never what was sent."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import app as package
from app import errors, main, reads
from app.config import Settings
from app.error_words import MESSAGES, TITLES
from app.errors import AppError, pick_language
from tests.factories import World, create_customer, if_match
from tests.problem import assert_problem

CANARY = "geheim-4711"
PERSON: dict[str, Any] = {"party_type": "individual", "name": "王永庆"}
JSON = {"Content-Type": "application/json"}
AS_IT_IS = "Bearer eyJhbGciOiJub25lIn0.e30." + CANARY


@pytest.fixture
async def plain(world: World) -> Any:
    """A client whose answers are not compared with the document: for what is served and not described."""
    transport = httpx.ASGITransport(app=world.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


# --- one of each kind ------------------------------------------------------------------------------------------

# (method, path, request, status, code, places): {id} is a customer of the caller, {gone} a deleted one.
CASES: list[tuple[str, str, dict[str, Any], int, str, list[tuple[str, str]]]] = [
    ("GET", "/v1/customers?cursor=AAAA", {}, 400, "cursor_invalid", []),
    ("PATCH", "/v1/customers/{id}", {"json": {}, "headers": {"If-Match": "drei"}},
     400, "malformed", [("If-Match:", "pattern")]),
    ("GET", "/v1/me", {"headers": {"Authorization": AS_IT_IS}}, 401, "unauthenticated", []),
    ("GET", "/v1/me", {"headers": {"Authorization": f"Basic {CANARY}"}}, 401, "unauthenticated", []),
    ("GET", "/v1/partner/me", {}, 403, "scope_missing", []),
    ("GET", f"/v1/{CANARY}", {}, 404, "not_found", []),
    ("GET", "/v1/customers/", {}, 404, "not_found", []),
    ("GET", "/v1/customers/00000000-0000-7000-8000-000000000000", {}, 404, "not_found", []),
    ("PUT", "/v1/customers", {"json": PERSON}, 405, "method_not_allowed", []),
    ("POST", "/v1/customers", {"json": {**PERSON, "id": "{id}", "name": "李雷"}},
     409, "id_taken", [("/id", "invalid")]),
    ("GET", "/v1/customers/{gone}", {}, 410, "gone", []),
    ("PATCH", "/v1/customers/{id}", {"json": {}, "headers": {"If-Match": '"9"'}}, 412, "version_stale", []),
    ("POST", "/v1/customers", {"content": b'"' + b"x" * 300_000 + b'"', "headers": JSON}, 413, "too_large", []),
    ("GET", "/v1/customers?q=" + "x" * 5000, {}, 414, "uri_too_long", []),
    ("POST", "/v1/customers", {"content": b"name=" + CANARY.encode(), "headers": {"Content-Type": "text/plain"}},
     415, "media_type_unsupported", []),
    ("POST", "/v1/customers", {"json": {**PERSON, "geheim_4711": 1}}, 422, "invalid", [("/geheim_4711", "unknown")]),
    ("POST", "/v1/customers", {"json": {**PERSON, "stage": CANARY}}, 422, "invalid", [("/stage", "choice")]),
    ("POST", "/v1/customers", {"json": {**PERSON, "name": None}}, 422, "invalid", [("/name", "type")]),
    ("POST", "/v1/customers", {"json": {"name": CANARY}}, 422, "invalid", [("/party_type", "missing")]),
    ("POST", "/v1/customers", {"json": {"party_type": CANARY}}, 422, "invalid", [("/party_type", "choice")]),
    ("POST", "/v1/customers", {"json": {**PERSON, "phones": [{"number": CANARY}]}},
     422, "invalid", [("/phones/0/number", "pattern")]),
    ("POST", "/v1/customers", {"json": [CANARY]}, 422, "invalid", [("", "type")]),
    ("POST", "/v1/customers", {}, 422, "invalid", [("", "missing")]),
    ("GET", "/v1/customers?limit=0", {}, 422, "invalid", [("?limit", "out_of_range")]),
    ("GET", f"/v1/customers?limit={CANARY}", {}, 422, "invalid", [("?limit", "type")]),
    ("GET", f"/v1/customers?colour={CANARY}", {}, 422, "invalid", [("?colour", "unknown")]),
    ("GET", "/v1/customers?geheim-4711%20=1", {}, 422, "invalid", [("??", "unknown")]),
    ("GET", f"/v1/customers?q=a&q={CANARY}", {}, 422, "invalid", [("?q", "repeated")]),
    ("GET", f"/v1/customers/{CANARY}", {}, 422, "invalid", [("?customer_id", "type")]),
    ("DELETE", "/v1/customers/{id}", {}, 428, "if_match_missing", []),
    ("GET", "/v1/me", {"headers": {f"X-{n}": CANARY for n in range(70)}}, 431, "headers_too_large", []),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[3]} {case[4]} {case[1][:30]} {case[5]}")
async def test_error_says_where_and_which_rule_but_not_what(world: World, case: Any) -> None:
    method, path, request, status, code, places = case
    ids = {"id": (await create_customer(world.agent))["id"], "gone": ""}
    if "{gone}" in path:
        made = await create_customer(world.agent)
        await world.agent.delete(f"/v1/customers/{made['id']}", headers=if_match(made))
        ids["gone"] = made["id"]
    if isinstance(request.get("json"), dict) and request["json"].get("id") == "{id}":
        request = {**request, "json": {**request["json"], "id": ids["id"]}}
    answer = await world.agent.request(method, path.format(**ids) if "{" in path else path, **request)
    assert_problem(answer, status, code, *places)
    assert CANARY not in answer.text
    assert CANARY not in str(answer.headers)


BROKEN = [b"{", b"", b"nul", b'{"a":1,}', b'{"a":1,"a":2}', b"[1]x", b'{"a":NaN}', b'{"a":1e999}', b'{"a":"\\u0000"}',
          b'{"a":"\\ud800"}', b"\xff", b"[" * 40 + b"]" * 40, b'{"a":' + b"1" * 5000 + b"}", "﻿{}".encode()]  # fmt: skip


@pytest.mark.parametrize("body", [body for body in BROKEN if body])
async def test_json_that_is_none_is_400(world: World, body: bytes) -> None:
    answer = await world.agent.post("/v1/customers", content=body, headers=JSON)
    assert answer.status_code == 400
    problem = answer.json()
    assert_problem(answer, 400, problem["code"], *(("", issue["code"]) for issue in problem.get("errors", ())))


async def test_stale_version_says_the_current_one(world: World) -> None:
    made = await create_customer(world.agent)
    answer = await world.agent.delete(f"/v1/customers/{made['id']}", headers={"If-Match": '"8"'})
    assert assert_problem(answer, 412, "version_stale")["current_version"] == 1
    assert answer.headers["etag"] == '"1"'


async def test_too_many_requests_say_when_to_come_back(api: FastAPI, settings: Settings, world: World) -> None:
    limited = main.wrap(api, settings.model_copy(update={"rate_limit": 2}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=limited), base_url="http://test") as client:
        answers = [await client.get("/v1/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert_problem(answers[2], 429, "quota_exceeded")
    assert answers[2].headers["ratelimit-policy"] == '"default";q=2;w=60, "source";q=20;w=60'


async def test_broken_bodies_count_and_cost_no_parsing_beyond_the_limit(
    api: FastAPI, settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = main.wrap(api, settings.model_copy(update={"rate_limit": 1}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=limited), base_url="http://test") as client:
        first = await client.post("/v1/auth/login", content=b"{", headers=JSON)
        monkeypatch.setattr("app.guard.check_json", None)  # whoever parses now fails
        second = await client.post("/v1/auth/login", content=b"{", headers=JSON)
    assert (first.status_code, first.headers["ratelimit"][:13]) == (400, '"default";r=0')
    assert_problem(second, 429, "quota_exceeded")


async def test_fault_of_ours_is_500_and_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(reads, "row", fail)
    answer = await world.agent.get("/v1/me")
    assert_problem(answer, 500, "internal")
    assert CANARY not in answer.text
    assert "ValueError" not in answer.text


# --- language, pages, headers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [(None, "zh-CN"), ("en", "en"), ("en-GB,en;q=0.9", "en"), ("zh-CN", "zh-CN"), ("zh;q=0.3, en;q=0.8", "en"),
     ("en;q=0, zh", "zh-CN"), ("fr", "zh-CN"), ("*", "zh-CN"), ("de, en;q=0.1", "en"), (";;q=x,,", "zh-CN")],
)  # fmt: skip
async def test_title_and_messages_follow_the_language_and_codes_do_not(
    plain: httpx.AsyncClient, world: World, accepted: str | None, language: str
) -> None:
    headers = {"Authorization": f"Bearer {world.token('agent')}"}
    if accepted is not None:
        headers["Accept-Language"] = accepted
    answer = await plain.post("/v1/customers", json={**PERSON, "x": 1}, headers=headers)
    body = assert_problem(answer, 422, "invalid", ("/x", "unknown"))
    assert answer.headers["content-language"] == language == pick_language(accepted)
    assert body["errors"][0]["message"] == MESSAGES["unknown"][language == "en"]


@pytest.mark.parametrize("code", sorted(TITLES))
async def test_problem_type_leads_to_a_page_in_both_languages(plain: httpx.AsyncClient, code: str) -> None:
    page = await plain.get(f"/problems/{code.replace('_', '-')}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert all(title.replace("'", "&#x27;") in page.text for title in TITLES[code])
    assert "max-age" in page.headers["cache-control"]


@pytest.mark.parametrize("code", ["nothing", "not_found", "NOT-FOUND", "<script>", "x" * 61, "a%0ab"])
async def test_problem_page_of_no_code_is_an_error(plain: httpx.AsyncClient, code: str) -> None:
    answer = await plain.get(f"/problems/{code}")
    assert answer.status_code in (400, 404, 422)
    assert "<" not in answer.text


async def test_every_answer_carries_the_headers_of_the_house(plain: httpx.AsyncClient, world: World) -> None:
    made = await create_customer(world.agent)
    key = {"Authorization": f"Bearer {world.token('agent')}"}
    url = f"/v1/customers/{made['id']}"
    answers = [
        await plain.get("/v1/me", headers=key),
        await plain.get(url, headers=key),
        await plain.get(url, headers={**key, "If-None-Match": '"1"'}),
        await plain.get("/v1/customers", headers=key),
        await plain.get("/v1/auth/sessions", headers=key),
        await plain.patch(url, json={"note": "x"}, headers={**key, "If-Match": '"1"'}),
        await plain.delete(url, headers={**key, "If-Match": '"2"'}),
        await plain.get("/v1/partner/me", headers={"X-API-Key": world.partner_key}),
        await plain.get("/v1/nothing"),
        await plain.get("/v1/me", headers={"Host": "bad host"}),
        await plain.get("/health/live"),
        await plain.get("/metrics"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 304, 200, 200, 200, 204, 200, 404, 400, 200, 200]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
        assert "server" not in answer.headers
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_published_keys_may_be_cached_and_hold_nothing_private(world: World) -> None:
    answer = await world.client().get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in answer.json()["keys"])
    again = await world.client().get("/.well-known/jwks.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_long_list_of_issues_is_cut(world: World) -> None:
    body = {**PERSON, **{f"x{number}": 1 for number in range(80)}}
    answer = await world.agent.post("/v1/customers", json=body)
    assert len(answer.json()["errors"]) == 50


async def test_names_of_unknown_members_are_places_and_not_texts(world: World) -> None:
    """A member's name comes from the client; what is no plausible name is not repeated either."""
    answer = await world.agent.post("/v1/customers", json={**PERSON, "王永庆 13800138000": 1, "a/b~c": 1})
    assert_problem(answer, 422, "invalid", ("/?", "unknown"), ("/?", "unknown"))
    assert "13800138000" not in answer.text


# --- codes -----------------------------------------------------------------------------------------------------


def _kinds(of: type[AppError] = AppError) -> dict[str, type[AppError]]:
    """The class and all below it, wherever they are defined, by name."""
    return {of.__name__: of} | {name: kind for below in of.__subclasses__() for name, kind in _kinds(below).items()}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the source, with the name of what is called."""
    for path in sorted(Path(package.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                function = node.func
                yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", ""), node


def _texts(node: ast.expr) -> set[str]:
    """The string constants an argument may become (`a if x else b` has two)."""
    parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return {part for part in parts if isinstance(part, str)}


def test_every_error_code_in_the_source_has_a_title() -> None:
    kinds = _kinds()
    used = {kind.code for kind in kinds.values()}
    for name, call in _calls():
        used |= _texts(call.args[0]) if name in kinds and call.args else set()
    assert len(used) > 25
    assert used - set(TITLES) == set()


def test_every_issue_code_in_the_source_has_a_message() -> None:
    used: set[str] = set()
    for name, call in _calls():
        if name in ("Issue", "IdentityError", "InvalidDate", "InvalidName") and call.args:
            used |= _texts(call.args[0]) if isinstance(call.args[0], ast.Constant) else set()
        if name == "at" and len(call.args) == 2:
            used |= _texts(call.args[1])
    assert len(used) > 20
    assert used - set(MESSAGES) == set()


def test_titles_and_messages_are_complete_in_both_languages() -> None:
    for code, (zh, en) in {**TITLES, **MESSAGES}.items():
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code)
        assert re.search(r"[\u4e00-\u9fff]", zh), code
        assert en.isascii(), code
        assert not zh.endswith("。"), code
        assert not en.endswith("."), code


def test_tree_in_the_docstring_is_the_tree(api: FastAPI) -> None:
    drawn = [line.split("── ")[1].split()[:2] for line in (errors.__doc__ or "").splitlines() if "──" in line]
    own = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, AppError)}
    assert {name: int(status) for name, status in drawn} == {
        name: kind.status for name, kind in own.items() if kind is not AppError
    }
