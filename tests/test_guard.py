"""The shell in front of the application: addresses, headers, media types, body sizes."""

import gzip
from typing import Any

import httpx
import pytest

from app.guard import Guard
from app.logs import Message, Receive, Scope, Send
from tests.raw_asgi import HOST, JSON, Answer, ask, ask_with, echo, make_scope

GUARD = Guard(echo, allowed_hosts=frozenset({"api.test"}))


async def get(path: str = "/v1/things", query: bytes = b"", **more: Any) -> Answer:
    return await ask(GUARD, make_scope(path=path, query=query, **more))


async def post(body: bytes, *headers: tuple[bytes, bytes], method: str = "POST", guard: Guard = GUARD) -> Answer:
    length = (b"content-length", str(len(body)).encode())
    return await ask(guard, make_scope(method, headers=[HOST, length, *headers]), body)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=GUARD), base_url="http://api.test")


# --- passing ---------------------------------------------------------------------------------------------------


async def test_plain_requests_pass_unchanged() -> None:
    async with client() as http:
        assert (await http.get("/v1/customers?stage=prospect,vip&limit=5")).status_code == 200
        answer = await http.post("/v1/customers", json={"name": "欧阳·娜 𠮷", "phones": [1, 2.5, None]})
    assert answer.status_code == 200
    assert answer.json() == {"name": "欧阳·娜 𠮷", "phones": [1, 2.5, None]}


async def test_body_is_replayed_byte_for_byte_in_one_message() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await echo({**scope, "method": "GET"}, receive, send)

    chunks = (b'{ "a" :', b' "\xe4\xbd', b'\xa0" }\n')
    scope = make_scope("POST", headers=[HOST, JSON, (b"transfer-encoding", b"chunked")])
    await ask(Guard(app, allowed_hosts=None), scope, *chunks)
    assert seen == [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]


async def test_after_the_body_the_app_still_hears_the_disconnect() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([(await receive())["type"], (await receive())["type"]])

    scope = make_scope("POST", headers=[HOST, JSON, (b"content-length", b"2")])
    whole: Message = {"type": "http.request", "body": b"{}", "more_body": False}
    await ask_with(Guard(app, allowed_hosts=None), scope, [whole, {"type": "http.disconnect"}])
    assert heard == ["http.request", "http.disconnect"]


async def test_lifespan_passes_and_websocket_is_closed() -> None:
    seen: list[str] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    guard = Guard(app, allowed_hosts=None)
    await guard({"type": "lifespan"}, receive, send)
    await guard({"type": "websocket", "path": "/v1/events", "headers": []}, receive, send)
    assert seen == ["lifespan"]
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_errors_of_the_app_are_not_swallowed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask(Guard(app, allowed_hosts=None), make_scope())


# --- address ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/.well-known/jwks.json", 200),
        ("/v1/codes/%E5%8C%97%E4%BA%AC", 200),
        ("/v1/things/a%2Bb@c", 200),
        ("/v1/things/", 404),
        ("//v1/things", 404),
        ("/v1//things", 404),
        ("/v1/things%2F1", 404),
        ("/v1/things%2f", 404),
        ("/v1%5Cthings", 404),
        ("/v1/../metrics", 404),
        ("/v1/%2e%2e/metrics", 404),
        ("/v1/./things", 404),
        ("/v1/things/%00", 400),
        ("/v1/things/%0a", 400),
        ("/v1/things/%7f", 400),
        ("/v1/things/%C2%85", 400),
        ("/v1/things/%ff", 400),
        ("/v1/things/%c0%af", 400),
        ("/v1/things/%ED%A0%80", 400),
        ("/v1/things/%", 400),
        ("/v1/things/%4", 400),
        ("/v1/things/%zz", 400),
        ("/v1/things/北", 400),
        ("/v1/a b", 400),
        ("*", 400),
        ("http://other.test/v1", 400),
    ],
)
async def test_path_has_one_spelling(path: str, status: int) -> None:
    assert (await get(path)).status == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"", 200),
        (b"a=1&b=1&flag", 200),
        (b"q=%E5%BC%A0&sort=-created_at", 200),
        (b"q=a+b%2Fc&next=%2Fv1", 200),
        (b"q=100%25", 200),
        (b"a=1&a=1", 422),
        (b"a=1&b=2&a", 422),
        (b"a=1&%61=2", 422),
        (b"a+b=1&a%20b=2", 422),
        (b"q=%00", 400),
        (b"q=%1b[31m", 400),
        (b"q=%ED%B0%80", 400),
        (b"q=%ff", 400),
        (b"%ff=q", 400),
        (b"q=%", 400),
        (b"q=%u4e00", 400),
        (b"q=\xe4\xbd\xa0", 400),
        (b"q=\x00", 400),
    ],
)
async def test_query_is_readable_and_unrepeated(query: bytes, status: int) -> None:
    assert (await get(query=query)).status == status


async def test_repeated_parameter_is_named_but_values_are_not() -> None:
    answer = await get(query=b"limit=1&limit=13800138000")
    assert answer.json()["errors"][0] == {"parameter": "limit", "code": "repeated", "message": "不能重复"}
    assert b"13800138000" not in answer.body
    assert "张三".encode() not in (await get(query=b"%E5%BC%A0%E4%B8%89&%E5%BC%A0%E4%B8%89")).body


async def test_long_address_is_414() -> None:
    assert (await get("/" + "a" * 4_095)).status == 200
    assert (await get("/" + "a" * 4_096)).status == 414
    assert (await get("/a", b"q=" + b"a" * 200_000)).status == 414


# --- headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ([b"api.test"], 200),
        ([b"API.test:8443"], 200),
        ([], 400),
        ([b""], 400),
        ([b"api.test", b"api.test"], 400),
        ([b"api.test, other.test"], 400),
        ([b"other.test"], 400),
        ([b"api.test:"], 400),
        ([b"api.test:80:80"], 400),
        ([b"user@api.test"], 400),
        ([b"api.test/x"], 400),
        ([b"api.test\x00"], 400),
    ],
)
async def test_exactly_one_known_host(hosts: list[bytes], status: int) -> None:
    answer = await get(headers=[(b"host", host) for host in hosts])
    assert answer.status == status


async def test_any_host_is_fine_when_none_is_configured() -> None:
    for host in (b"anything.example", b"127.0.0.1:8000", b"[::1]:8000"):
        assert (await ask(Guard(echo, allowed_hosts=None), make_scope(headers=[(b"host", host)]))).status == 200


@pytest.mark.parametrize(
    "name",
    [
        b"authorization",
        b"x-api-key",
        b"dpop",
        b"if-match",
        b"if-none-match",
        b"idempotency-key",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        b"x-http-method-override",
    ],
)
async def test_repeated_deciding_header_is_400_and_named(name: bytes) -> None:
    answer = await get(headers=[HOST, (name, b"1"), (name, b"1")])
    assert answer.status == 400
    assert answer.json()["errors"][0]["header"] == name.decode()
    assert answer.headers["connection"] == "close"


async def test_harmless_header_may_be_repeated() -> None:
    assert (await get(headers=[HOST, (b"x-forwarded-for", b"1"), (b"x-forwarded-for", b"2")])).status == 200


async def test_too_many_or_too_large_headers_are_431() -> None:
    many = [(b"x-%d" % number, b"1") for number in range(10_000)]
    assert (await get(headers=[HOST, *many])).status == 431
    assert (await get(headers=[HOST, *many[:63]])).status == 200
    assert (await get(headers=[HOST, *many[:64]])).status == 431
    assert (await get(headers=[HOST, (b"authorization", b"a" * 200_000)])).status == 431
    assert (await get(headers=[HOST, (b"authorization", b"a" * 16_000)])).status == 200


@pytest.mark.parametrize("value", [b"a\x00b", b"a\rb", b"a\nb", b"a\x1bb", b"a\x7fb", b"a\x85b"])
async def test_control_characters_in_headers_are_400(value: bytes) -> None:
    assert (await get(headers=[HOST, (b"x-client", value)])).status == 400


async def test_only_harmless_headers_may_leave_ascii() -> None:
    assert (await get(headers=[HOST, (b"x-client", b"caf\xe9\tau lait")])).status == 200
    assert (await get(headers=[HOST, (b"user-agent", "红米 手机".encode())])).status == 200
    assert (await get(headers=[HOST, (b"user-agent", b"a\x00")])).status == 400
    assert (await get(headers=[HOST, (b"x-api-key", b"caf\xe9")])).status == 400


@pytest.mark.parametrize("value", [b"Bearer caf\xe9", b"Bearer a\x00b", b"Bearer a\nb", b"Bearer a\x85b", b"\xff"])
async def test_unreadable_token_is_401_and_ends_the_connection(value: bytes) -> None:
    answer = await get(headers=[HOST, (b"authorization", value)])
    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["connection"] == "close"
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_unknown_http_version_is_400() -> None:
    assert (await get(http_version="0.9")).status == 400
    assert (await get(http_version="1.0")).status == 200


async def test_problem_speaks_the_callers_language() -> None:
    answer = await get("/v1/things/", headers=[HOST, (b"accept-language", b"en")], state={"request_id": "r-1"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "en"
    assert answer.json()["title"] == "Not found"
    assert answer.json()["request_id"] == "r-1"


# --- method override -------------------------------------------------------------------------------------------


async def test_post_with_override_becomes_patch_also_for_outer_layers() -> None:
    scope = make_scope(
        "POST",
        headers=[
            HOST,
            (b"content-type", b"application/merge-patch+json"),
            (b"content-length", b"2"),
            (b"x-http-method-override", b"PATCH"),
        ],
    )
    answer = await ask(GUARD, scope, b"{}")
    assert answer.headers["x-method"] == "PATCH"
    assert scope["method"] == "PATCH"


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("POST", b"x-http-method-override", b"DELETE"),
        ("POST", b"x-http-method-override", b"patch "),
        ("POST", b"x-http-method-override", b""),
        ("GET", b"x-http-method-override", b"PATCH"),
        ("PUT", b"x-http-method-override", b"PATCH"),
        ("POST", b"x-method-override", b"PATCH"),
        ("POST", b"x-http-method", b"DELETE"),
    ],
)
async def test_every_other_override_is_400(method: str, name: bytes, value: bytes) -> None:
    assert (await ask(GUARD, make_scope(method, headers=[HOST, (name, value)]))).status == 400


# --- media types -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [b"application/json", b"Application/JSON; Charset=UTF-8", b'application/json;charset="utf-8"']
)
async def test_json_media_types_pass(value: bytes) -> None:
    assert (await post(b"{}", (b"content-type", value))).status == 200


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"text/plain",
        b"application/jsonp",
        b"application/problem+json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=a",
        b"application/json; charset=gbk",
        b"application/json; charset=utf-16",
        b"application/json; charset=utf-8; charset=gbk",
        b"application/json; version=1",
        b"application/json, text/plain",
        b"application/merge-patch+json",
    ],
)
async def test_other_media_types_are_415_and_told_what_is_accepted(value: bytes) -> None:
    answer = await post(b"{}", (b"content-type", value))
    assert answer.status == 415
    assert answer.headers["accept"] == "application/json"


async def test_patch_takes_merge_patch_and_says_so() -> None:
    merge = (b"content-type", b"application/merge-patch+json")
    assert (await post(b"{}", merge, method="PATCH")).status == 200
    refused = await post(b"{}", (b"content-type", b"application/json-patch+json"), method="PATCH")
    assert refused.status == 415
    assert refused.headers["accept-patch"] == "application/merge-patch+json, application/json"


async def test_body_without_media_type_is_415_but_no_body_needs_none() -> None:
    assert (await post(b"{}")).status == 415
    assert (await post(b"")).status == 200
    assert (await ask(GUARD, make_scope("POST"))).status == 200
    assert (await ask(GUARD, make_scope("POST"), b"{}")).status == 415  # a body nobody announced


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"deflate", b"identity"])
async def test_encoded_body_is_415(coding: bytes) -> None:
    answer = await post(gzip.compress(b"[" * 100_000), JSON, (b"content-encoding", coding))
    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "identity"
