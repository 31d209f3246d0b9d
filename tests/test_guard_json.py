"""Strict JSON: what the guard lets through to any parser."""

import json
from time import process_time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AppError
from app.guard import Guard, check_json
from tests.raw_asgi import HOST, JSON, ask, echo, make_scope

GUARD = Guard(echo, allowed_hosts=None)


def verdict(body: bytes) -> str:
    try:
        check_json(body)
    except AppError as error:
        return error.issues[0].code if error.issues else error.code
    return "ok"


async def status(body: bytes) -> int | None:
    length = (b"content-length", str(len(body)).encode())
    return (await ask(GUARD, make_scope("POST", headers=[HOST, JSON, length]), body)).status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": [1, -2.5e3, true, null, "\xe4\xbd\xa0"]}', "ok"),
        (b'  "text"\r\n', "ok"),
        (b'{"a": 1, "b": {"a": 1}}', "ok"),
        (b"9223372036854775807", "ok"),
        (b"-9223372036854775808", "ok"),
        (b'"\\ud83d\\ude00"', "ok"),
        (b'"\\\\u0000"', "ok"),  # a backslash and then text, not an escape
        (b'"\\\\ud800"', "ok"),
        (b'"110105194912310021234567890"', "ok"),  # digits in a string are not a number
        (b"", "json_syntax"),
        (b"   ", "json_syntax"),
        (b"{} {}", "json_syntax"),
        (b"{'a': 1}", "json_syntax"),
        (b'{"a": 1,}', "json_syntax"),
        (b"[01]", "json_syntax"),
        (b'"a\x00b"', "json_syntax"),
        (b'"a\nb"', "json_syntax"),
        (b"NaN", "json_syntax"),
        (b"[-Infinity]", "json_syntax"),
        (b"\xef\xbb\xbf{}", "json_syntax"),
        (b'"\xff"', "json_utf8"),
        (b'"\xed\xa0\x80"', "json_utf8"),
        ("{}".encode("utf-16"), "json_utf8"),
        (b'{"a": 1, "a": 1}', "json_duplicate"),
        (b'{"a": 1, "\\u0061": 2}', "json_duplicate"),
        (b'[{"x": {"b": 1, "b": 2}}]', "json_duplicate"),
        (b"9223372036854775808", "json_number"),
        (b"-9223372036854775809", "json_number"),
        (b"1e999", "json_number"),
        (b'{"a": [-1E400]}', "json_number"),
        (b"1" * 10_000, "json_number"),
        (b"0." + b"1" * 10_000, "json_number"),
        (b'"\\u0000"', "json_nul"),
        (b'{"a\\u0000": 1}', "json_nul"),
        (b'"\\\\\\u0000"', "json_nul"),
        (b'"\\ud800"', "json_surrogate"),
        (b'"\\uDC00\\uD800"', "json_surrogate"),
        (b'{"\\udfff": 1}', "json_surrogate"),
    ],
)
def test_json_verdicts(body: bytes, expected: str) -> None:
    assert verdict(body) == expected


def test_depth_is_counted_outside_strings() -> None:
    assert verdict(b"[" * 32 + b"]" * 32) == "ok"
    assert verdict(b"[" * 33 + b"]" * 33) == "json_depth"
    assert verdict(b'{"a":' * 33 + b"1" + b"}" * 33) == "json_depth"
    assert verdict(b'["' + b"[" * 100 + b'", "\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]') == "ok"
    assert verdict(b"[" + b"[]," * 99 + b"[]]") == "ok"


def test_element_count_is_bounded() -> None:
    assert verdict(b"[" + b"1," * 49_000 + b"1]") == "ok"
    assert verdict(b"[" + b"1," * 60_000 + b"1]") == "too_large"
    assert verdict(b"[" + b"[]," * 40_000 + b"1]") == "too_large"
    assert verdict(b'"' + b"," * 200_000 + b'"') == "ok"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 262_144,
        b"[]" * 131_072,
        b'{"a":' * 50_000,
        b'{"a":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[' + b'\\"' * 131_000,
        b'["' + b"\\\\" * 131_000,
        b'"' + b"\\u0000" * 43_000 + b'"',
        b'"' + b"\\" * 262_143,
        b'"' + b"\\ud83d" * 43_000 + b'"',
        b"-" + b"9" * 262_143,
        b"{" + b'"a":1,' * 43_000 + b'"a":1}',
    ],
    ids=range(10),
)
def test_bombs_are_refused_cheaply(body: bytes) -> None:
    begun = process_time()
    assert verdict(body) != "ok"
    assert process_time() - begun < 1.0  # CPU time; about 0.02 in fact, minutes if a pattern were quadratic


async def test_refusal_names_the_reason_and_never_the_content() -> None:
    scope = make_scope("POST", headers=[HOST, JSON, (b"accept-language", b"en"), (b"transfer-encoding", b"chunked")])
    answer = await ask(GUARD, scope, b'{"name": "Zhang", "name": "Canary"}')
    assert answer.status == 400
    assert answer.json()["code"] == "json_invalid"
    assert answer.json()["errors"] == [
        {"pointer": "", "code": "json_duplicate", "message": "has an object with the same member twice"}
    ]
    assert b"Canary" not in answer.body


async def test_million_keys_and_thirty_megabytes_are_413() -> None:
    million = b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000)) + b"}"
    assert await status(million) == 413
    assert await status(b'"' + b"a" * 30_000_000 + b'"') == 413


# --- any value ------------------------------------------------------------------------------------------------

plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain,
    lambda inner: st.lists(inner) | st.dictionaries(plain, inner),
    max_leaves=20,
)


@given(values, st.booleans())
def test_everything_another_encoder_writes_is_accepted(value: object, escaped: bool) -> None:
    assert verdict(json.dumps(value, ensure_ascii=escaped).encode()) == "ok"


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nothing_is_accepted_that_a_second_parser_refuses(body: bytes) -> None:
    if verdict(body) == "ok":
        orjson.loads(body)
