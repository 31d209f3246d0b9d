"""Access tokens: claims, lifetimes, keys and their rotation, the cache of verified tokens."""

import ast
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.tokens import AccessClaims, CachedVerifier, KeyTable, SigningKey, TokenError, verify_es256
from tests.token_forge import KEY, NOW, TABLE, Json, b64, forge, make_claims, make_table, members, refused


def test_signed_claims_come_back_unchanged() -> None:
    claims = make_claims()
    assert TABLE.verify(TABLE.sign(claims), now=NOW) == claims
    assert isinstance(claims.org, UUID)


def test_hand_made_token_is_accepted() -> None:
    # The hostile tokens below are variations of this one; were it refused, they would prove nothing.
    assert TABLE.verify(forge(members()), now=NOW).issued_at == NOW


def test_clock_is_the_default_moment() -> None:
    claims = TABLE.new_claims(org=uuid4(), sub=uuid4(), sid=uuid4(), auth_time=1)
    assert TABLE.verify(TABLE.sign(claims)) == claims
    assert refused(TABLE.sign(make_claims(issued_at=1_000, expires_at=1_600, auth_time=1_000))) == "expired"


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (NOW + 609, None),  # leeway of 10 s
        (NOW + 610, "expired"),
        (NOW - 60, None),
        (NOW - 61, "future"),
    ],
)
def test_validity_ends_exactly_where_promised(now: int, outcome: str | None) -> None:
    token = TABLE.sign(make_claims())
    if outcome is None:
        TABLE.verify(token, now=now)
    else:
        assert refused(token, now=now) == outcome


def test_lifetime_over_ten_minutes_is_refused() -> None:
    assert refused(forge({**members(), "exp": NOW + 601})) == "lifetime"
    assert refused(forge({**members(), "iat": NOW + 5, "exp": NOW + 5})) == "lifetime"


def test_auth_time_after_issue_is_refused() -> None:
    assert refused(forge({**members(), "auth_time": NOW + 61})) == "future"


@pytest.mark.parametrize("options", [{"ttl": 0}, {"ttl": 601}, {"leeway": 31}, {"leeway": -1}, {"issuer": ""}])
def test_table_outside_the_limits_is_refused(options: Json) -> None:
    with pytest.raises(ValueError, match="must"):
        make_table(**options)


def test_signing_a_long_life_is_refused() -> None:
    with pytest.raises(ValueError, match="lifetime"):
        make_table(ttl=300).sign(make_claims())


def test_shorter_ttl_setting_keeps_older_tokens_valid() -> None:
    make_table(ttl=30).verify(TABLE.sign(make_claims()), now=NOW)


# --- claims and header --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(members()))
def test_missing_claim_is_refused(name: str) -> None:
    rest = {key: value for key, value in members().items() if key != name}
    assert refused(forge(rest)) == "claims"


@pytest.mark.parametrize("name", sorted(members()))
@pytest.mark.parametrize("value", [None, [], {}, True, "", "1790000000", -1, 0, ["renmai-api"], "\x00", "﷽"])
def test_claim_of_another_kind_is_refused(name: str, value: object) -> None:
    assert refused(forge({**members(), name: value})) in ("claims", "origin")


@pytest.mark.parametrize("name", ["org", "sub", "sid", "jti"])
def test_id_in_another_spelling_is_refused(name: str) -> None:
    plain = "0190b2e4-aaaa-7bbb-8ccc-0123456789ab"
    for spelling in (plain.upper(), plain.replace("-", ""), "{" + plain + "}", "urn:uuid:" + plain, plain + " "):
        assert refused(forge({**members(), name: spelling})) == "claims"
    TABLE.verify(forge({**members(), name: plain}), now=NOW)


def test_foreign_issuer_or_audience_is_refused() -> None:
    token = TABLE.sign(make_claims())
    assert refused(token, make_table(issuer="renmai2")) == "origin"
    assert refused(token, make_table(audience="renmai-ap")) == "origin"


@pytest.mark.parametrize("name", ["alg", "typ", "kid"])
def test_missing_header_member_is_refused(name: str) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}
    del header[name]
    assert refused(forge(members(), header)) == "header"


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"jwk": KEY.public_jwk()},
        {"jku": "https://keys.example/jwks"},
        {"x5c": []},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"typ": "JWT"},
        {"typ": "AT+JWT"},
        {"typ": None},
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": ["ES256", None]},
        {"alg": None},
        {"kid": "unknown"},
        {"kid": None},
        {"kid": ["x"]},
        {"kid": {}},
        {"kid": 1},
        {"kid": "../../dev/null"},
    ],
)
def test_header_we_did_not_write_is_refused(extra: Json) -> None:
    assert refused(forge(members(), **extra)) in ("header", "key")


# --- the key a token is bound to (RFC 9449, 6.1) ------------------------------------------------------------

JKT = b64(bytes(range(32)))


def test_bound_token_says_its_key_and_nothing_else_changes() -> None:
    claims = TABLE.new_claims(org=uuid4(), sub=uuid4(), sid=uuid4(), auth_time=NOW, now=NOW, jkt=JKT)
    token = TABLE.sign(claims)
    payload = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert said.keys() == {*members(), "cnf"}
    assert said["cnf"] == {"jkt": JKT}
    assert TABLE.verify(token, now=NOW) == claims
    assert TABLE.verify(TABLE.sign(make_claims()), now=NOW).jkt is None


@pytest.mark.parametrize("cnf", [
    None, {}, [], [JKT], JKT, True, 7, {"jkt": None}, {"jkt": 7}, {"jkt": [JKT]}, {"jkt": {"jkt": JKT}}, {"jkt": ""},
    {"jkt": JKT[:-1]}, {"jkt": JKT + "A"}, {"jkt": JKT + "="}, {"jkt": JKT[:-1] + "9"}, {"jkt": JKT[:-1] + "!"},
    {"jkt": JKT + "\n"}, {"jkt": "é" * 43}, {"jkt": b64(bytes(31))}, {"jkt": b64(bytes(33))}, {"JKT": JKT},
    {"jkt": JKT, "kid": "x"}, {"jkt": JKT, "jwk": {}}, {"jkt": JKT, "x5t#S256": JKT}, {"x5t#S256": JKT},
])  # fmt: skip
def test_odd_binding_is_refused(cnf: object) -> None:
    assert TABLE.verify(forge({**members(), "cnf": {"jkt": JKT}}), now=NOW).jkt == JKT
    assert refused(forge({**members(), "cnf": cnf})) in ("claims", "encoding")


def test_binding_beside_a_stranger_or_instead_of_a_claim_is_refused() -> None:
    bound = {**members(), "cnf": {"jkt": JKT}}
    assert refused(forge({**bound, "nbf": NOW})) == "claims"
    assert refused(forge({name: value for name, value in bound.items() if name != "sid"})) == "claims"
    assert refused(forge(json.dumps(bound)[:-1] + ', "cnf": {"jkt": "' + JKT + '"}}')) == "json"


@pytest.mark.parametrize("jkt", ["", "x", JKT + "A", JKT[:-1] + "9", JKT + "="])
def test_unfit_thumbprint_is_never_signed(jkt: str) -> None:
    with pytest.raises(ValueError, match="thumbprint"):
        TABLE.sign(make_claims(jkt=jkt))


def test_cache_keeps_the_binding() -> None:
    cache, token = CachedVerifier(TABLE), TABLE.sign(make_claims(jkt=JKT))
    assert [cache.verify(token, now=NOW).jkt for _ in range(2)] == [JKT, JKT]


# --- keys ---------------------------------------------------------------------------------------------------


def test_rotation_keeps_old_tokens_until_the_key_is_removed() -> None:
    young = SigningKey.generate()
    old_token = TABLE.sign(make_claims())
    both = make_table((KEY.kid, KEY.to_pem(), "verify_only"), (young.kid, young.to_pem(), "active"))
    new_token = both.sign(make_claims())
    both.verify(old_token, now=NOW)
    both.verify(new_token, now=NOW)
    after = make_table((young.kid, young.to_pem(), "active"))
    assert refused(old_token, after) == "key"
    assert after.verify(new_token, now=NOW)
    assert refused(new_token, TABLE) == "key"


def test_kid_of_another_key_is_refused() -> None:
    impostor = make_table((KEY.kid, SigningKey.generate().to_pem(), "active"))
    assert refused(impostor.sign(make_claims())) == "signature"


def test_last_active_key_signs() -> None:
    young = SigningKey.generate()
    both = make_table((KEY.kid, KEY.to_pem(), "active"), (young.kid, young.to_pem(), "active"))
    assert refused(both.sign(make_claims()), TABLE) == "key"


def test_public_pem_verifies_but_never_signs() -> None:
    public = KEY.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    reader = make_table((KEY.kid, public.decode(), "verify_only"))
    assert reader.verify(TABLE.sign(make_claims()), now=NOW)
    with pytest.raises(ValueError, match="no active"):
        reader.sign(make_claims())
    with pytest.raises(ValueError, match="private"):
        make_table((KEY.kid, public, "active"))


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_unfit_keys_are_refused() -> None:
    good = KEY.to_pem()
    rows: list[list[tuple[str, str | bytes, Any]]] = [
        [("k", pem_of(ec.generate_private_key(ec.SECP384R1())), "active")],
        [("k", pem_of(rsa.generate_private_key(65537, 2048)), "active")],
        [("k", "secret", "active")],
        [("k", good, "active"), ("k", good, "verify_only")],
        [("", good, "active")],
        [("a b", good, "active")],
        [("k", good, "revoked")],
    ]
    for row in rows:
        with pytest.raises(ValueError, match=r"."):
            make_table(*row)


def test_signing_key_survives_pem_and_shows_no_secret() -> None:
    again = SigningKey.from_pem(KEY.to_pem())
    assert again.kid == KEY.kid
    assert set(KEY.public_jwk()) == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert "private" not in repr(KEY)
    verify_es256(TABLE.sign(make_claims()), again.public_jwk())


def test_jwks_publishes_every_key_and_no_secret() -> None:
    young = SigningKey.generate()
    both = make_table((KEY.kid, KEY.to_pem(), "verify_only"), (young.kid, young.to_pem(), "active"))
    assert both.jwks() == {"keys": [KEY.public_jwk(), young.public_jwk()]}
    assert all("d" not in key for key in both.jwks()["keys"])


def test_unfit_jwk_is_refused() -> None:
    token, good = TABLE.sign(make_claims()), KEY.public_jwk()
    verify_es256(token, good)
    changes: list[Json] = [
        {"kty": "oct"},
        {"crv": "P-384"},
        {"x": good["y"], "y": good["x"]},
        {"x": good["x"] + "="},
        {"x": "AA" + good["x"]},
        {"y": None},
        {"alg": "HS256"},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"kid": "other"},
        {"d": b64(bytes(32))},
    ]
    for change in changes:
        with pytest.raises(TokenError):
            verify_es256(token, {**good, **change})


# --- cache --------------------------------------------------------------------------------------------------


def count_calls(table: KeyTable, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    real: Callable[..., AccessClaims] = table.verify

    def counted(token: str, *, now: float | None = None) -> AccessClaims:
        calls.append(token)
        return real(token, now=now)

    monkeypatch.setattr(table, "verify", counted)
    return calls


def test_cache_asks_again_after_a_minute_or_at_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table()
    calls, cache, token = count_calls(table, monkeypatch), CachedVerifier(table), table.sign(make_claims())
    for moment, expected in [(0, 1), (59.9, 1), (60, 2), (580, 3), (599.9, 3), (600, 4)]:
        assert cache.verify(token, now=NOW + moment)
        assert len(calls) == expected
    with pytest.raises(TokenError):
        cache.verify(token, now=NOW + 610)


def test_cache_never_keeps_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table()
    calls, cache = count_calls(table, monkeypatch), CachedVerifier(table)
    for _ in range(3):
        with pytest.raises(TokenError):
            cache.verify("a.b.c", now=NOW)
    assert len(calls) == 3
    assert len(cache) == 0


def test_cache_is_bounded_and_keeps_the_busy_token(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table()
    calls, cache, busy = (
        count_calls(table, monkeypatch),
        CachedVerifier(table, max_entries=8),
        table.sign(make_claims()),
    )
    for _ in range(50):
        cache.verify(busy, now=NOW)
        cache.verify(table.sign(make_claims()), now=NOW)
        assert len(cache) <= 8
    assert calls.count(busy) == 1


def test_cache_forgets_when_keys_are_replaced() -> None:
    cache, token = CachedVerifier(TABLE), TABLE.sign(make_claims())
    cache.verify(token, now=NOW)
    cache.replace(make_table((SigningKey.generate().kid, SigningKey.generate().to_pem(), "active")))
    with pytest.raises(TokenError):
        cache.verify(token, now=NOW)


# --- the fence around the library ---------------------------------------------------------------------------


def test_only_one_module_imports_jose() -> None:
    importers = set()
    for path in (Path(__file__).parents[1] / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "jose" for name in names):
                importers.add(path.name)
    assert importers == {"tokens.py"}
