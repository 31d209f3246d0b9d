"""The form of a proof, before anybody asks what it says: one key, one signature, one spelling, one error."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app import dpop
from app.tokens import MAX_TOKEN_CHARS, TokenError, open_proof
from tests.dpop_forge import Device, Json, b64
from tests.token_forge import TABLE, make_claims
from tests.token_forge import refused as refused_as_access_token

NOW = 1_790_000_000
URL = "https://api.renmai.example/v1/customers"
DEVICE, OTHER = Device(), Device()


def made(**over: Any) -> str:
    return DEVICE.proof("GET", URL, now=NOW, **over)


def refused(text: Any) -> str:
    """Why `open_proof` refuses; `check` refuses too, whatever else is right."""
    with pytest.raises(dpop.DpopError, match="invalid proof"):
        dpop.check(text, method="GET", urls=[URL], now=NOW, nonce_key=bytes(32))
    with pytest.raises(TokenError, match="invalid token") as caught:
        open_proof(text)
    return caught.value.reason


def test_opened_proof_tells_its_key_and_what_it_says() -> None:
    jkt, members = open_proof(made(jti="once"))
    assert jkt == DEVICE.jkt
    assert members == {"jti": "once", "htm": "GET", "htu": URL, "iat": NOW}


def test_no_token_passes_for_another() -> None:
    assert refused(TABLE.sign(make_claims())) == "header"
    assert refused_as_access_token(made()) == "header"


# --- the key it brings along -----------------------------------------------------------------------------------

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B  # of the curve (SP 800-186, 3.2.1.3)


def unfit_keys() -> Iterator[Any]:
    good = DEVICE.jwk
    x, y = good["x"], good["y"]
    large = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    yield {"kty": "RSA", "n": b64(bytes(255) + b"\1"), "e": "AQAB"}
    yield {"kty": "OKP", "crv": "Ed25519", "x": x}
    yield {"kty": "oct", "k": b64(b"secret")}
    yield {"kty": "EC", "crv": "P-384", "x": b64(large.x.to_bytes(48, "big")), "y": b64(large.y.to_bytes(48, "big"))}
    changes: list[Json] = [
        {"crv": "P-384"}, {"crv": "P-256K"}, {"crv": "p-256"}, {"kty": "ec"}, {"kty": ["EC"]}, {"crv": None},
        {"x": y, "y": x}, {"x": x + "="}, {"y": y + "A"}, {"x": "AA" + x}, {"x": b64(bytes(32))}, {"y": x},
        {"x": b64(bytes(33))}, {"x": b64(b"\xff" * 32)},
        {"x": "", "y": ""}, {"x": None}, {"y": 5}, {"x": [x]}, {"x": x[:-1] + "!"},
        {"d": b64(bytes(32))}, {"d": ""}, {"d": None}, {"k": "AA"}, {"n": "AA"}, {"p": "AA"}, {"x5c": []},
        {"alg": "HS256"}, {"alg": "ES384"}, {"alg": None}, {"use": "enc"}, {"use": None}, {"kid": 7},
        {"kid": "k" * 129}, {"key_ops": None}, {"key_ops": []}, {"key_ops": ["sign"]},
        {"key_ops": ["verify", "sign"]}, {"key_ops": "verify"},
    ]  # fmt: skip
    yield from ({**good, **change} for change in changes)
    yield from ({name: value for name, value in good.items() if name != left} for left in good)
    yield from (None, 7, "jwk", [], [good], {}, {"keys": [good]}, json.dumps(good), True)


@pytest.mark.parametrize("jwk", list(unfit_keys()), ids=lambda jwk: "key")
def test_promise_09_unfit_key_is_refused(jwk: Any) -> None:
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
    assert refused(DEVICE.sign(head, {"jti": "x"})) in ("key", "encoding", "json")


def test_coordinate_beyond_the_field_is_refused() -> None:
    """A point has one spelling: were x + P taken for x, one key would have two thumbprints."""
    x, square = next((x, s) for x in range(5, 99) if pow(s := (x**3 - 3 * x + B) % P, (P - 1) // 2, P) == 1)
    y = b64(pow(square, (P + 1) // 4, P).to_bytes(32, "big"))
    for number, reason in ((x, "signature"), (x + P, "key")):
        assert refused(made(jwk={"kty": "EC", "crv": "P-256", "x": b64(number.to_bytes(32, "big")), "y": y})) == reason


def test_key_may_say_what_it_is_for() -> None:
    said = {**DEVICE.jwk, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "kid": "phone"}
    assert open_proof(made(jwk=said))[0] == DEVICE.jkt


def test_thumbprint_is_of_the_key_and_not_of_its_spelling() -> None:
    turned = dict(reversed(DEVICE.jwk.items()))
    assert open_proof(made(jwk={**turned, "kid": "x"}))[0] == DEVICE.jkt != OTHER.jkt


# --- hostile shapes --------------------------------------------------------------------------------------------


def hostile_texts() -> Iterator[Any]:
    good = made()
    head, body, signature = good.split(".")
    jwk = json.dumps(DEVICE.jwk)
    yield from (
        None,
        7,
        b"a.b.c",
        good.encode(),
        [good],
        {},
        "",
        ".",
        "..",
        "a.b.c",
        good + ".",
        good + "=",
        " " + good,
    )
    yield from (good + "\n", good + "\x00", "\ud800" + good, "DPoP " + good, "A" * 60_000, "." * 60_000, "证.明.书")
    yield from (f"{head}.{body}.{'A' * 86}", f"{head}.{body}.", f"{head}..{signature}", f"{head}=.{body}.{signature}")
    yield f"{head}.{'A' * MAX_TOKEN_CHARS}.{signature}"
    for deep in (17, 1000, 100_000):
        yield f"{b64(('[' * deep).encode())}.e30.{'A' * 86}"
        yield DEVICE.sign(f'{{"typ":"dpop+jwt","alg":"ES256","jwk":{"[" * deep}{"]" * deep}}}', "{}")
        yield DEVICE.sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": DEVICE.jwk}, '{"a":' * deep + "1" + "}" * deep)
    yield DEVICE.sign(f'{{"typ":"dpop+jwt","alg":"none","alg":"ES256","jwk":{jwk}}}', "{}")
    yield DEVICE.sign(f'{{"typ":"dpop+jwt","alg":"ES256","jwk":{{}},"jwk":{jwk}}}', "{}")
    yield DEVICE.sign(f'{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk[:-1]},"x":"AA"}}}}', "{}")
    yield DEVICE.sign("[]", "{}")
    good_claims = f'"jti":"x","htm":"GET","htu":"{URL}"'
    for more in (
        f'"iat":{NOW},"iat":{NOW}',
        f'"iat":{NOW},"\\u0069at":1',
        '"iat":1e400',
        '"iat":NaN',
        f'"iat":{NOW}.0',
    ):
        yield DEVICE.sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": DEVICE.jwk}, f"{{{good_claims},{more}}}")
    extras: list[Json] = [
        {"kid": "x"},
        {"crit": ["b64"]},
        {"b64": False},
        {"x5c": []},
        {"jku": "https://x"},
        {"zip": "DEF"},
    ]
    yield from (made(header=extra) for extra in extras)


@pytest.mark.parametrize("text", list(hostile_texts()), ids=lambda text: type(text).__name__)
def test_hostile_text_is_refused_with_one_error(text: Any) -> None:
    refused(text)


def test_only_alg_none_without_signature_is_refused_too() -> None:
    head, body, _ = made(header={"alg": "none"}).split(".")
    assert refused(f"{head}.{body}.") == "shape"
