"""What no parser should see: the shell around the application that refuses hostile or unreadable requests.

Two HTTP parsers behind the same server disagree on what they let through, and a JSON parser that is kind to its
sender lets NaN, duplicate members and half a surrogate into the database. So everything a parser could be asked to
decide is decided here, once, before routing. A request that passes has one known Host, sane headers, a readable
address without repeated parameters, and a body that is absent or strict JSON, already in memory.
"""

import asyncio
import json
import math
import re
from itertools import accumulate
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from app.errors import (
    AppError,
    HeadersTooLarge,
    Invalid,
    Issue,
    Malformed,
    NotFound,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
    UriTooLong,
)
from app.logs import ASGIApp, Message, Receive, Scope, Send, send_problem

MAX_HEADERS = 64
MAX_HEADER_BYTES = 16_384
MAX_URL_BYTES = 4_096


class BodyTimeout(AppError):
    """408: the body did not arrive in time."""

    status, code = 408, "request_timeout"


# --- JSON ------------------------------------------------------------------------------------------------------

_REASONS: dict[str, tuple[str, str]] = {
    "json_syntax": ("不符合 JSON 语法", "is not JSON"),
    "json_utf8": ("不是有效的 UTF-8", "is not UTF-8"),
    "json_depth": ("嵌套过深", "is nested too deeply"),
    "json_duplicate": ("含有重复的字段名", "has an object with the same member twice"),
    "json_number": ("含有超出范围的数字", "has a number that is out of range"),
    "json_nul": ("含有空字符 (U+0000)", "has the character U+0000"),
    "json_surrogate": ("含有不成对的代理字符", "has half of a surrogate pair"),
}

# Possessive, and content with a string that never ends: so a body of `\"\"\"…` costs one pass and no second try.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _refuse_json(reason: str) -> NoReturn:
    raise Malformed("json_invalid", issues=[Issue(reason, pointer="", message=_REASONS[reason])])


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse_json("json_duplicate")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (number := int(text)) < 2**63:
        _refuse_json("json_number")
    return number


def _fraction(text: str) -> float:
    if len(text) > 400 or not math.isfinite(number := float(text)):
        _refuse_json("json_number")
    return number


def _constant(_: str) -> NoReturn:
    _refuse_json("json_syntax")  # NaN, Infinity, -Infinity


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _check_size(body: bytes, max_depth: int, max_elements: int) -> None:
    """Bound depth and element count without parsing: strings are cut out, brackets and commas counted."""
    if body.count(b"[") + body.count(b"{") <= max_depth and body.count(b",") <= max_elements:
        return  # counts inside strings only overestimate
    skeleton = _STRING.sub(b"", body)
    brackets = skeleton.translate(None, _NOT_BRACKETS)
    if skeleton.count(b",") + len(brackets) // 2 > max_elements:
        raise TooLarge()
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > max_depth:
        _refuse_json("json_depth")


def check_json(body: bytes, *, max_depth: int = 32, max_elements: int = 50_000) -> None:
    """Refuse a body that is not strict JSON (RFC 8259, I-JSON RFC 7493 where that is stricter).

    Raises:
        Malformed: `json_invalid`: syntax, UTF-8, depth, duplicate members, NaN or Infinity, integers beyond
            int64, floats beyond double, U+0000, unpaired surrogates. The issue's code says which.
        TooLarge: more than `max_elements` members and items.
    """
    _check_size(body, max_depth, max_elements)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        _refuse_json("json_utf8")
    try:
        value = _DECODER.decode(text)
    except ValueError:
        _refuse_json("json_syntax")
    if "\\u" in text:
        if _NUL.search(text):
            _refuse_json("json_nul")
        if _SURROGATE.search(text):
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                _refuse_json("json_surrogate")


# --- address ---------------------------------------------------------------------------------------------------

_PLAIN_PATH = re.compile(rb"/|(?:/[A-Za-z0-9_~:-][A-Za-z0-9_~:.-]*+)++")
_PLAIN_QUERY = re.compile(rb"[A-Za-z0-9_~:,.=&*-]*+")
_VISIBLE = re.compile(rb"[\x21-\x7e]*+")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


def _decoded(raw: bytes) -> str:
    if not _VISIBLE.fullmatch(raw) or _BAD_ESCAPE.search(raw):
        raise Malformed()
    try:
        text = unquote_to_bytes(raw).decode()  # strict: this also refuses encoded surrogates
    except UnicodeDecodeError:
        raise Malformed() from None
    if _CONTROL.search(text):
        raise Malformed()
    return text


def _check_path(raw: bytes) -> None:
    """Refuse a second spelling of a path, which a proxy and the router could read differently."""
    if _PLAIN_PATH.fullmatch(raw):
        return
    if not raw.startswith(b"/"):
        raise Malformed()
    text = _decoded(raw)
    lowered = raw.lower()
    if text.endswith("/") or "//" in text or b"%2f" in lowered or b"%5c" in lowered or "\\" in text:
        raise NotFound()
    if any(segment in (".", "..") for segment in text.split("/")):
        raise NotFound()


def _check_query(raw: bytes) -> None:
    if _PLAIN_QUERY.fullmatch(raw):
        names = [part.partition("=")[0] for part in raw.decode().split("&")]
    else:
        _decoded(raw)
        names = [_decoded(part.partition(b"=")[0].replace(b"+", b"%20")) for part in raw.split(b"&")]
    if len(names) != len(set(names)):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        # A parameter's name is a place; anything else in that position is a value, and values are not repeated.
        raise Invalid(issues=[Issue("repeated", parameter=twice if _PARAMETER.fullmatch(twice) else "?")])


def _check_target(scope: Scope) -> None:
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    if len(path) + len(query) > MAX_URL_BYTES:
        raise UriTooLong()
    _check_path(path)
    if query:
        _check_query(query)


# --- headers ---------------------------------------------------------------------------------------------------

# Headers that decide something: two of them, or bytes outside ASCII, mean that two readers could disagree.
_DECIDING = frozenset(
    b"""accept-language authorization content-digest content-encoding content-length content-type cookie date dpop
    expect host idempotency-key if-match if-modified-since if-none-match if-unmodified-since origin
    proxy-authorization range request-id signature signature-input transfer-encoding x-api-key
    x-http-method x-http-method-override x-method-override""".split()
)
_PRINTABLE = bytes({9, *range(0x20, 0x7F), *range(0xA0, 0x100)})
_NOT_CONTROL = bytes({9, *range(0x20, 0x7F), *range(0x80, 0x100)})
_HOST = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_CHARSET = re.compile(rb'\s*charset\s*=\s*(?:utf-8|"utf-8")\s*', re.IGNORECASE)
_VERSIONS = frozenset({"1.0", "1.1", "2", "3"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_Deciding = dict[bytes, bytes]


def _bad_header(name: bytes, code: str = "invalid") -> Malformed:
    return Malformed(issues=[Issue(code, header=name.decode())])


def _unreadable(name: bytes, error: AppError) -> AppError:
    """A token nobody can read is answered like any other that is not good: there is one answer to all of them."""
    return Unauthenticated() if name == b"authorization" else error


def _check_headers(headers: list[tuple[bytes, bytes]]) -> _Deciding:
    """Bound and check all headers; the ones that decide something come back, each exactly once."""
    if len(headers) > MAX_HEADERS:
        raise HeadersTooLarge()
    size = 4 * len(headers)
    deciding: _Deciding = {}
    for name, value in headers:
        size += len(name) + len(value)
        if name in _DECIDING:
            if name in deciding:
                raise _bad_header(name, "repeated")
            if not value.isascii():
                raise _unreadable(name, _bad_header(name))
            deciding[name] = value
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge()
    if b"".join([value for _, value in headers]).translate(None, _PRINTABLE):
        for name, value in headers:
            # Some phones write their model in UTF-8 here; nobody interprets it.
            allowed = _NOT_CONTROL if name == b"user-agent" else _PRINTABLE
            if value.translate(None, allowed):
                raise _unreadable(name, Malformed())
    return deciding


def _override(scope: Scope, deciding: _Deciding) -> None:
    """WeChat mini programs cannot send PATCH. The scope is changed in place: outer layers log what was meant."""
    wanted = deciding.get(b"x-http-method-override")
    if wanted is not None:
        if scope["method"] != "POST" or wanted != b"PATCH":
            raise _bad_header(b"x-http-method-override")
        scope["method"] = "PATCH"
    for name in (b"x-http-method", b"x-method-override"):
        if name in deciding:
            raise _bad_header(name)


def _announced_length(scope: Scope, deciding: _Deciding) -> int | None:
    """The body's announced length in bytes: 0 when there is none, None when it is chunked."""
    length, coding = deciding.get(b"content-length"), deciding.get(b"transfer-encoding")
    if coding is not None:
        # A length beside a coding is how requests are smuggled (RFC 9112 6.1); HTTP/1.0 knows no coding.
        if length is not None or coding.lower() != b"chunked" or scope.get("http_version") == "1.0":
            raise _bad_header(b"transfer-encoding")
        return None
    if length is None:
        return 0
    if not length.isdigit():
        raise _bad_header(b"content-length")
    if len(length) > 12:
        raise TooLarge()
    return int(length)


def _check_media(method: str, deciding: _Deciding) -> None:
    patch = method == "PATCH"
    allowed = {"Accept": "application/json"}
    if patch:
        both = "application/merge-patch+json, application/json"
        allowed = {"Accept": both, "Accept-Patch": both}
    media, *parameters = deciding.get(b"content-type", b"").split(b";")
    essence = media.strip().lower()
    if essence != b"application/json" and not (patch and essence == b"application/merge-patch+json"):
        raise UnsupportedMedia(headers=allowed)
    if parameters and not (len(parameters) == 1 and _CHARSET.fullmatch(parameters[0])):
        raise UnsupportedMedia(headers=allowed)


# --- the shell -------------------------------------------------------------------------------------------------


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands the body over once, whole, and then waits for what the server has to say."""
    pending: list[bytes] = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


class Guard:
    """ASGI layer that answers a bad request itself and passes every other on, its body checked and in memory.

    `allowed_hosts` are lower-case names without port (None: any); `max_body` is bytes, `body_seconds` the time the
    whole body may take, `max_depth` and `max_elements` bound its JSON. WebSockets are closed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: frozenset[str] | None,
        max_body: int = 262_144,
        body_seconds: float = 30.0,
        max_depth: int = 32,
        max_elements: int = 50_000,
    ) -> None:
        self._app = app
        self._hosts = allowed_hosts
        self._max_body = max_body
        self._body_seconds = body_seconds
        self._max_depth = max_depth
        self._max_elements = max_elements

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        unread = True
        try:
            deciding = self._check_head(scope)
            announced = _announced_length(scope, deciding)
            if scope["method"] in _WITH_BODY:
                body = await self._read(scope["method"], announced, deciding, receive)
                if body is None:
                    return  # the client has gone
                unread = False
                if body:
                    check_json(body, max_depth=self._max_depth, max_elements=self._max_elements)
                receive = _replay(body, receive)
            elif announced != 0:
                raise Malformed()
        except AppError as error:
            # What is left unread on the connection may be meant as a second request.
            await send_problem(scope, send, error, close=unread)
            return
        await self._app(scope, receive, send)

    def _check_head(self, scope: Scope) -> _Deciding:
        if scope.get("http_version", "1.1") not in _VERSIONS:
            raise Malformed()
        deciding = _check_headers(scope["headers"])
        self._check_host(deciding.get(b"host", b""))
        if b"authorization" in deciding and b"x-api-key" in deciding:
            raise _bad_header(b"x-api-key", "repeated")  # two credentials: one of them would be ignored
        _check_target(scope)
        _override(scope, deciding)
        if b"content-encoding" in deciding:
            raise UnsupportedMedia(headers={"Accept-Encoding": "identity"})
        return deciding

    def _check_host(self, value: bytes) -> None:
        found = _HOST.fullmatch(value)
        if found is None or (self._hosts is not None and found[1].decode().lower() not in self._hosts):
            raise _bad_header(b"host")

    async def _read(self, method: str, announced: int | None, deciding: _Deciding, receive: Receive) -> bytes | None:
        """The whole body; None when the client left before its end."""
        if announced != 0:
            _check_media(method, deciding)  # before the first byte: `Expect: 100-continue` is answered by reading
        if announced is not None and announced > self._max_body:
            raise TooLarge()
        body = b""
        try:
            async with asyncio.timeout(self._body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._max_body:
                        raise TooLarge()
                    more = message.get("more_body", False)
        except TimeoutError:
            raise BodyTimeout() from None
        if body and announced == 0:
            _check_media(method, deciding)  # HTTP/2 servers need not announce a length
        return body
