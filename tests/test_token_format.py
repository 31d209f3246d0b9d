"""The hostile half: nothing a stranger sends is accepted or gives another error than TokenError.

The public vectors and what is sent over HTTP are in `test_promises_tokens.py` and `test_promises_bearers.py`.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from app.tokens import MAX_TOKEN_CHARS, CachedVerifier, TokenError, verify_es256
from tests.token_forge import KEY, NOW, TABLE, b64, forge, make_claims, members, refused


def hostile_payloads() -> Iterator[str]:
    good = json.dumps(members())
    for literal in (
        "1e400",
        "-1e400",
        "1790000600.0",
        "1.79e9",
        "NaN",
        "Infinity",
        "-Infinity",
        "9" * 400,
        "1" + "0" * 5000,
    ):
        yield good.replace(str(NOW + 600), literal)
    yield good[:-1] + ', "nbf": null}'
    yield good[:-1] + ', "sub": "' + str(uuid4()) + '"}'
    yield good[:-1] + ', "s\\u0075b": "' + str(uuid4()) + '"}'
    yield good[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}"
    yield good[:-1] + ', "x": "\ud800"}'
    yield from (good + " x", "\ufeff" + good, good.replace('"', "'"), "[]", "null", "1", '""', "", "{", f"[{good}]")


@pytest.mark.parametrize("payload", list(hostile_payloads()))
def test_truly_signed_odd_payload_is_refused(payload: str) -> None:
    assert refused(forge(payload)) in ("json", "claims", "shape")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [17, 500, 900, 1_000_000])
def test_deep_nesting_is_refused_before_parsing(opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    nested = f'{{"alg":"ES256","typ":{opening * depth}1{closing * depth}}}'
    assert refused(f"{b64(nested.encode())}.e30.{'A' * 86}") in ("json", "shape")


def odd_tokens() -> Iterator[Any]:
    good = forge(members())
    head, body, signature = good.split(".")
    yield from (None, 7, True, b"a.b.c", good.encode(), [good], {}, object(), "", ".", "..", "...", "a.b", good + ".x")
    yield from (good + "=", f"{head}=.{body}.{signature}", f"{head}.{body}==.{signature}", good + "\n", " " + good)
    yield from (good + "\x00", f"\x00{good}", good.replace(".", ".."), good.replace(".", "。"), "Bearer " + good)
    yield from (good.replace(signature, ""), f"{head}..{signature}", f".{body}.{signature}", f"{head}.{signature}")
    yield from ("\ud800" + good, good[:-1] + "\udfff", good + "é", good[:-1] + "Ａ", "汉.字.牌")
    yield from ("a" * 60_000, ".".join(["A" * 20_000] * 3), f"{head}.{'A' * MAX_TOKEN_CHARS}.{signature}", "." * 60_000)
    yield from (f"{head}.{body}.{'A' * 86}", f"{head}.{body}.{'_' * 86}", f"{head}.{body}.{signature[:-1]}")
    yield from (
        json.dumps({"payload": body, "protected": head, "signature": signature}),
        f"{head}.{body}.+/{signature[2:]}",
    )


@pytest.mark.parametrize("token", list(odd_tokens()), ids=lambda token: type(token).__name__)
def test_odd_text_is_refused(token: Any) -> None:
    refused(token)
    with pytest.raises(TokenError):
        CachedVerifier(TABLE).verify(token, now=NOW)
    with pytest.raises(TokenError):
        verify_es256(token, KEY.public_jwk())


def test_unused_bits_of_last_characters_are_refused() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = TABLE.sign(make_claims())
    for end in [len(part) for part in (token[: token.index(".")], token[: token.rindex(".")], token)]:
        for character in alphabet.replace(token[end - 1], ""):
            refused(token[: end - 1] + character + token[end:])


def test_failure_inside_the_library_is_a_token_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> bool:
        raise RecursionError

    token = TABLE.sign(make_claims())
    monkeypatch.setattr("jose.backends.cryptography_backend.CryptographyECKey.verify", crash)
    assert refused(token) == "fault"
