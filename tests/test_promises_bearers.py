"""The numbered promises about what strangers send as a bearer token: 2 crashes, 3 known attacks, 4 key confusion.

Everything here goes over HTTP through the whole shell. The forger knows more than a stranger can: where it makes a test
sharper, tokens are signed with the very key of the service, so that only the check in question can refuse them.
"""

import base64
import json
import random
import time
from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import serialization

from app import apikeys, passwords
from app.token_format import MAX_TOKEN_CHARS
from app.tokens import SigningKey
from tests.factories import World
from tests.raw_asgi import Answer
from tests.token_forge import Insider, Json, ask_with, b64, forge, insider, mac, status_of, told, unsigned

# One route behind FastAPI's dependencies and one on the express lane.
PATHS = ("/v1/me", "/v1/customers")
STRANGER = SigningKey.generate()


# --- 2: no token can crash the service -------------------------------------------------------------------------


def odd_payloads(known: Insider) -> Iterator[str | bytes]:
    good = json.dumps(known.payload)
    for name, value in known.payload.items():
        written = f'"{name}": {json.dumps(value)}'
        for literal in ("null", "[]", "{}", "true", "-1", "1e400", "NaN", "-Infinity", "1" + "0" * 5_000, '"\\ud800"'):
            yield good.replace(written, f'"{name}": {literal}')
        yield good[:-1] + f", {written}}}"  # the same member twice
    yield good[:-1] + ', "s\\u0075b": "' + str(uuid4()) + '"}'
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for depth in (17, 500, 900):
            yield f'{good[:-1]}, "x": {opening * depth}1{closing * depth}}}'
    yield from (good + " x", "\ufeff" + good, good.replace('"', "'"), "[]", "null", "1", '""', "", "{", f"[{good}]")
    yield from (
        good.encode("utf-16"),
        b"\xff\xfe",
        good.encode() + b"\x00",
        b"\x00" * 40,
        good[:-1] + ', "x": "\ud800"}',
    )


def odd_spellings(known: Insider) -> Iterator[str]:
    good = known.token
    head, body, signature = good.split(".")
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for depth in (17, 900, 700 if opening != "[" else 4_000):
            header = '{"alg":"ES256","typ":' + opening * depth + "1" + closing * depth + "}"
            yield f"{b64(header.encode())}.{body}.{signature}"
    for header in ("null", "[]", "1", "{", '{"alg":"ES256","alg":"none"}', '{"alg":NaN}', '{"alg":{"a":1}}', "\ud800"):
        yield f"{unsigned(known.payload, header)}.{signature}"
    # Another spelling of the last character: its unused bits.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for character in alphabet.replace(signature[-1], ""):
        yield good[:-1] + character
    yield from (good + "=", good + "==", f"{head}=.{body}.{signature}", f"{head}.{body}==.{signature}", good + ".")
    yield from (good[:-4] + "+/+/", good[:-4] + "/+==", good.replace(".", ".."), good.replace(".", "。"), good[:-1])
    yield from (
        good + "\n",
        good + "\x00",
        "\x00" + good,
        good + "\r\nX: y",
        good + "\t",
        " " + good,
        good + " " + good,
    )
    yield from (
        good + "é",
        good[:-1] + "Ａ",
        "汉.字.牌",
        good + "\ud800",
        "\udfff.\udfff.\udfff",
        good + "\u200b",
        "\x7f",
    )
    yield from (
        "",
        ".",
        "..",
        "...",
        "a",
        "a.b",
        "a.b.c",
        ".." + signature,
        f"{head}..{signature}",
        good + ".x.y",
        "null",
    )
    yield from ("a" * 60_000, "." * 60_000, "A" * MAX_TOKEN_CHARS, f"{head}.{'A' * MAX_TOKEN_CHARS}.{signature}")
    yield from ("a" * 15_000, "[" * 15_000, good + "," + good, json.dumps({"payload": body, "signature": signature}))
    yield from (apikeys.PREFIX, apikeys.PREFIX + "test_", apikeys.PREFIX + "\ud800", apikeys.PREFIX + "a" * 14_000)


def hostile(known: Insider) -> list[bytes]:
    """Authorization headers no one of which may open anything, byte for byte."""
    tokens = [forge(payload, key=known.key) for payload in odd_payloads(known)]
    tokens += odd_spellings(known)
    good = known.token.encode()
    values = [b"Bearer " + token.encode("utf-8", "surrogatepass") for token in tokens]
    values += [b"Bearer " + good + tail for tail in (b"\xe9", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\x80", b"\x1b")]
    values += [b"", b"Bearer", b"Bearer ", b"Bearer\t" + good, b"Basic " + good, b"Token " + good, good, b"=" + good]
    values += [
        b"Bearer  " + good,
        b"Bearer=" + good,
        b"Bearer:" + good,
        b"\x00",
        b"\xff" * 500,
        b"DPoP",
        b"Bearer,Bearer",
    ]
    return list(dict.fromkeys(values))


async def test_promise_02_no_token_crashes_the_service(world: World) -> None:
    known = await insider(world)
    values = hostile(known)
    assert len(values) >= 250
    answers: list[tuple[bytes, Answer]] = []
    seconds = []
    for path, value in product(PATHS, values):
        started = time.perf_counter()
        answers.append((value, await ask_with(world, value, path)))
        seconds.append(time.perf_counter() - started)
    # The headers as a whole have a limit too; under it there is one answer.
    large = {answer.status for value, answer in answers if len(value) > 16_000}
    others = [answer for value, answer in answers if len(value) <= 16_000]
    assert large == {431}
    assert [value for value, answer in answers if len(value) <= 16_000 and answer.status != 401] == []
    assert len({told(answer) for answer in others}) == 1
    assert sorted(seconds)[len(seconds) // 2] < 0.05
    assert await status_of(world, known.token) == 200


async def test_promise_02_no_changed_byte_is_accepted(world: World) -> None:
    known, chance = await insider(world), random.Random(20_260_101)
    answers = []
    for turn in range(2_000):
        changed = bytearray(known.token.encode())
        changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
        answers.append(await ask_with(world, b"Bearer " + bytes(changed), PATHS[turn % 2]))
    assert {answer.status for answer in answers} == {401}
    assert len({told(answer) for answer in answers}) == 1
    assert await status_of(world, known.token) == 200


# --- 3: known attacks ------------------------------------------------------------------------------------------

# Secrets of tutorials; the leaked passwords most often used come on top.
WEAK = (
    "secret key private public jwt token changeme your-256-bit-secret your-384-bit-secret your-512-bit-secret "
    "secretkey secret_key jwt_secret jwtsecret JWT_SECRET_KEY supersecret super-secret-key mysecret my-secret-key "
    "shhhhh hmacsecret HS256 test test123 development production default admin root renmai renmai-api at+jwt "
    "AllYourBase gfg_jwt_key qwertyuiopasdfghjklzxcvbnm123456 dev staging api example null undefined"
)


def without_signature(known: Insider) -> Iterator[str]:
    head, body, signature = known.token.split(".")
    for letters in product("nN", "oO", "nN", "eE"):
        bare = unsigned(known.payload, {**known.header, "alg": "".join(letters)})
        yield from (f"{bare}.", f"{bare}.{signature}")
    for algorithm in ("", " none", "none ", "nоne", None, False, 0, ["none"], {"none": 1}):
        yield unsigned(known.payload, {**known.header, "alg": algorithm}) + "."
    yield from (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{'A' * 86}", f"{head}.{body}.{b64(b'null')}")
    yield unsigned(known.payload, {"typ": "JWT", "alg": "none"}) + "."


def psychic(known: Insider) -> Iterator[str]:
    """CVE-2022-21449 and its neighbours: r and s that no signature has."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    head, body, _ = known.token.split(".")
    for r, s in product((0, 1, order, order - 1, 2**256 - 1), repeat=2):
        yield f"{head}.{body}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    for algorithm in ("ES256", "ES384", "ES512", "ES256K"):
        bare = unsigned(known.payload, {**known.header, "alg": algorithm})
        yield from (
            f"{bare}.{b64(bytes(64))}",
            f"{bare}.{b64(bytes.fromhex('3006020100020100'))}",
            f"{bare}.{b64(bytes(132))}",
        )


def foreign_keys(known: Insider) -> Iterator[str]:
    """A key the token brings along, or tells where to find."""
    der = STRANGER.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    brought: list[Json] = [
        {"jwk": STRANGER.public_jwk()},
        {"jwk": {**STRANGER.public_jwk(), "kid": known.key.kid}},
        {"jwk": {"kty": "oct", "k": b64(b"secret")}},
        {"jku": "https://keys.example/jwks.json"},
        {"jku": "http://test/.well-known/jwks.json"},
        {"jku": "file:///etc/passwd"},
        {"x5u": "https://keys.example/cert.pem"},
        {"x5c": [base64.b64encode(der).decode()]},
        {"x5t": b64(bytes(20))},
        {"x5t#S256": b64(bytes(32))},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
    ]
    for extra in brought:
        for kid in (known.key.kid, STRANGER.kid):
            yield forge(known.payload, key=STRANGER, **{"kid": kid, **extra})
        yield forge(known.payload, key=known.key, **extra)  # even truly signed: nobody reads such a member here
    yield from (forge(known.payload, key=STRANGER), forge(known.payload, key=STRANGER, kid=known.key.kid))


def odd_kids(known: Insider) -> Iterator[str]:
    kids: list[tuple[Any, bytes]] = [
        ("../../../../../../dev/null", b""),
        ("/dev/null", b"\x00"),
        ("file:///proc/sys/kernel/randomize_va_space", b"2"),
        ("http://keys.example/key", b"secret"),
        ("x' UNION SELECT 'secret';--", b"secret"),
        ("x' UNION SELECT 'secret' FROM signing_keys WHERE '1'='1", b"secret"),
        ("' OR 1=1 --", b""),
        (f"{known.key.kid}' --", b""),
        ("|sleep 9", b"secret"),
        ("${jndi:ldap://keys.example/a}", b"secret"),
        (f"{known.key.kid}\x00", b""),
        (known.key.kid[:-1], b""),
        (known.key.kid.swapcase(), b""),
        ("", b""),
        ("*", b""),
        (None, b""),
        (0, b""),
        (True, b""),
        ([known.key.kid], b""),
        ({"kid": known.key.kid}, b""),
        ("k" * 4_000, b""),
    ]
    for kid, secret in kids:
        yield mac(known.payload, {"alg": "HS256", "typ": "at+jwt", "kid": kid}, secret)
        yield forge(known.payload, key=known.key, kid=kid)


def changed_claims(known: Insider, mate: str) -> Iterator[str]:
    """Another person, more time: first under the old signature, then without what makes a token complete."""
    head, _, signature = known.token.split(".")
    now = int(time.time())
    changes: list[Json] = [
        {"sub": mate},
        {"sid": str(uuid4())},
        {"org": str(uuid4())},
        {"exp": now + 86_400},
        {"iat": 1},
    ]
    changes += [
        {"role": "admin"},
        {"scope": "*"},
        {"iss": "x"},
        {"aud": "x"},
        {"auth_time": now},
        {"jti": str(uuid4())},
    ]
    for change in changes:
        yield f"{head}.{b64(json.dumps({**known.payload, **change}).encode())}.{signature}"
    yield known.says(iat=now - 900, exp=now - 300, auth_time=now - 900)
    yield known.says(iat=now - 9, exp=now + 86_400)
    yield known.says(iat=now + 300, exp=now + 600)
    yield from (known.says(nbf=now + 300), known.says(role="admin"), known.says(sub=mate), known.says(exp=2**53))


def weak_secrets() -> list[bytes]:
    return [text.encode() for text in dict.fromkeys([*WEAK.split(), *passwords._leaked()[:60]])]


async def test_promise_03_known_attacks_fail(world: World) -> None:
    known = await insider(world)
    tokens = [*without_signature(known), *psychic(known), *foreign_keys(known), *odd_kids(known)]
    tokens += changed_claims(known, str(world.users["mate"]))
    tokens += [mac(known.payload, {**known.header, "alg": f"HS{size}"}, b"") for size in (256, 384, 512)]
    tokens += [mac(known.payload, {**known.header, "alg": "HS256"}, secret) for secret in weak_secrets()]
    assert len(weak_secrets()) >= 95
    assert len(set(tokens)) >= 290
    bodies = set()
    for turn, token in enumerate(tokens):
        answer = await ask_with(world, b"Bearer " + token.encode("utf-8", "surrogatepass"), PATHS[turn % 2])
        assert answer.status == 401, token
        bodies.add(told(answer))
        if turn % 50 == 0:
            assert await status_of(world, known.token) == 200
            assert await status_of(world, known.says()) == 200
    assert len(bodies) == 1


# --- 4: key confusion ------------------------------------------------------------------------------------------


async def confusion_secrets(world: World, known: Insider) -> list[bytes]:
    """Everything public about the key, in every form somebody might hand to an HMAC."""
    public, members = known.key.private.public_key(), known.key.public_jwk()
    info, point = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.UncompressedPoint
    der = public.public_bytes(serialization.Encoding.DER, info)
    pem = public.public_bytes(serialization.Encoding.PEM, info)
    found = [der, pem, base64.b64encode(der), b64(der).encode(), der.hex().encode()]
    for line_end in (b"\n", b"\r\n", b"\r", b"", b" ", b"\\n"):
        lines = line_end.join(pem.splitlines())
        found += [lines, lines + line_end, b"\n" + lines, lines + b"\n\n", lines + b"\x00"]
    found += [b"".join(pem.splitlines()[1:-1]), b"\n".join(pem.splitlines()[1:-1])]
    found.append(public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH))
    compressed = serialization.PublicFormat.CompressedPoint
    found += [public.public_bytes(serialization.Encoding.X962, form) for form in (point, compressed)]
    x, y = (base64.urlsafe_b64decode(members[name] + "=") for name in ("x", "y"))
    found += [x, y, x + y, y + x, x.hex().encode(), y.hex().encode(), (x + y).hex().encode()]
    found += [members[name].encode() for name in ("x", "y", "kid")]
    jwks = await world.client().get("/.well-known/jwks.json")
    served = next(key for key in jwks.json()["keys"] if key["kid"] == known.key.kid)
    found.append(jwks.content)
    required = {name: members[name] for name in ("crv", "kty", "x", "y")}
    for document, indent in product((members, served, required, {"keys": [members]}), (None, 1, 2, 4)):
        for separators in ((",", ":"), (", ", ": "), None):
            texts = [
                json.dumps(document, indent=indent, separators=separators, sort_keys=sort) for sort in (True, False)
            ]
            found += [text.encode() for text in texts]
    return list(dict.fromkeys(found))


async def test_promise_04_public_key_is_no_secret(world: World) -> None:
    known = await insider(world)
    secrets = await confusion_secrets(world, known)
    assert len(secrets) >= 90
    tried = set()
    for secret in secrets:
        for algorithm in ("HS256", "HS384", "HS512", "ES256"):  # the last lies about what it is
            token = mac(known.payload, {**known.header, "alg": algorithm}, secret)
            assert await status_of(world, token) == 401
            tried.add(token)
        bare = mac(known.payload, {"alg": "HS256", "typ": "JWT"}, secret)  # no kid: which key would be asked?
        assert await status_of(world, bare) == 401
    assert len(tried) >= 360
    assert await status_of(world, known.says()) == 200
