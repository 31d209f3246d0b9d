"""The hostile half: nothing a stranger sends is accepted or gives another error than TokenError."""

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization

from app.tokens import MAX_TOKEN_CHARS, CachedVerifier, TokenError, verify_es256
from tests.token_forge import KEY, NOW, TABLE, Json, b64, forge, make_claims, members, refused

VECTORS = Path(__file__).parents[2] / "shared/vectors/wycheproof"


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


def test_random_byte_changes_are_refused() -> None:
    chance, token = random.Random(20_260_101), TABLE.sign(make_claims()).encode()
    accepted = 0
    for _ in range(2_000):
        changed = bytearray(token)
        changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
        try:
            TABLE.verify(changed.decode("latin-1"), now=NOW)
            accepted += 1
        except TokenError:
            pass
    assert accepted == 0


def test_failure_inside_the_library_is_a_token_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> bool:
        raise RecursionError

    token = TABLE.sign(make_claims())
    monkeypatch.setattr("jose.backends.cryptography_backend.CryptographyECKey.verify", crash)
    assert refused(token) == "fault"


def confusion_secrets() -> Iterator[bytes]:
    public, jwk = KEY.private.public_key(), KEY.public_jwk()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    point = serialization.PublicFormat.UncompressedPoint
    pem = public.public_bytes(serialization.Encoding.PEM, info)
    yield from (pem, pem.strip(), public.public_bytes(serialization.Encoding.DER, info), b"", b"\0", b"secret")
    yield public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    x, y = (base64.urlsafe_b64decode(jwk[name] + "=") for name in ("x", "y"))
    yield from (x, y, x + y, public.public_bytes(serialization.Encoding.X962, point))
    yield from (json.dumps(jwk).encode(), json.dumps(jwk, separators=(",", ":")).encode(), jwk["x"].encode())


SECRETS = list(confusion_secrets())


@pytest.mark.parametrize("secret", SECRETS, ids=[f"secret-{n}" for n in range(len(SECRETS))])
@pytest.mark.parametrize("algorithm", ["HS256", "HS512", "ES256"])
def test_public_key_as_mac_secret_is_refused(secret: bytes, algorithm: str) -> None:
    head, body, _ = forge(members(), alg=algorithm).split(".")
    digest = hashlib.sha512 if algorithm != "HS256" else hashlib.sha256
    mac = hmac.new(secret, f"{head}.{body}".encode(), digest).digest()
    refused(f"{head}.{body}.{b64(mac)}")


def wycheproof() -> Iterator[tuple[Json, Json]]:
    for name in ("json_web_signature", "json_web_key", "json_web_crypto"):
        for group in json.loads((VECTORS / f"{name}_test.json").read_text("utf-8"))["testGroups"]:
            for case in group["tests"]:
                if "jws" in case:
                    yield group.get("public") or group["private"], case


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the public Wycheproof vectors are not on this machine")
def test_wycheproof_signatures() -> None:
    accepted: list[str] = []
    total = invalid = 0
    for key, case in wycheproof():
        total, invalid = total + 1, invalid + (case["result"] == "invalid")
        refused(case["jws"])
        try:
            verify_es256(case["jws"], key)
            accepted.append(case["result"])
        except TokenError:
            pass
    assert (total, invalid) == (476, 421)
    assert accepted == ["valid"] * 3  # the ES256 ones; the others are outside our policy
