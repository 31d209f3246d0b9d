"""Proofs of possession: the checks of RFC 9449, 4.3, each with a proof that is right in all but one thing."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import dpop
from app.dpop import DpopError, Proof, make_nonce, normal_url
from tests.dpop_forge import LEFT_OUT, Device, Json, b64, digest

NOW = 1_790_000_100  # a boundary of nonce periods: 1_790_000_100 = 300 x 5_966_667
KEY = bytes(range(32))
URL = "https://api.renmai.example/v1/customers/0190b2e4-aaaa-7bbb-8ccc-0123456789ab"
TOKEN = "head.body.signature"
DEVICE, OTHER = Device(), Device()
RIGHT: Json = {
    "method": "PATCH", "urls": (URL,), "now": NOW, "nonce_key": KEY, "access_token": TOKEN, "bound_to": DEVICE.jkt,
}  # fmt: skip


def made(device: Device = DEVICE, /, **over: Any) -> str:
    return device.proof("PATCH", URL, **{"access_token": TOKEN, "now": NOW, **over})


def checked(proof: Any, **over: Any) -> Proof:
    return dpop.check(proof, **{**RIGHT, **over})


def refused(proof: Any, **over: Any) -> str:
    with pytest.raises(DpopError) as caught:
        checked(proof, **over)
    assert str(caught.value) == "invalid proof"
    return caught.value.reason


def test_right_proof_is_accepted_and_told() -> None:
    # Everything below is a variation of this one; were it refused, the refusals would prove nothing.
    proof = checked(made(jti="once"))
    assert proof == Proof(DEVICE.jkt, "once", NOW, NOW + 60, None, digest(TOKEN))


def test_proofs_of_the_standard_are_accepted() -> None:
    """The two examples of RFC 9449 (5 and 7.1), with the thumbprint and the hash printed there."""
    head = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs"
        "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2"
        "In19"
    )
    asking = (
        "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwi"
        "aWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    using = (
        "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0"
        "ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
        ".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    token, jkt = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    one = dpop.check(f"{head}.{asking}", method="POST", urls=["https://server.example.com/token?a=b"],
                     now=1562262616, nonce_key=KEY)  # fmt: skip
    two = dpop.check(f"{head}.{using}", method="GET", urls=["https://resource.example.org/protectedresource"],
                     now=1562262618, nonce_key=KEY, access_token=token, bound_to=jkt)  # fmt: skip
    assert (one.jkt, two.jkt, two.ath) == (jkt, jkt, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")


# --- the twelve checks -----------------------------------------------------------------------------------------

WRONG: list[tuple[str, str, str]] = [
    # Two headers are refused by the guard; a proxy that folds them into one leaves this.
    ("1 one header", "malformed", f"{made()}, {made()}"),
    ("2 a JWT", "malformed", made().rpartition(".")[0]),
    ("2 a JWT", "malformed", DEVICE.sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": DEVICE.jwk}, "[]")),
    *[("3 all claims", "claims", made(**{name: LEFT_OUT})) for name in ("jti", "htm", "htu", "iat")],
    ("4 typ", "header", made(header={"typ": "at+jwt"})),
    ("4 typ", "header", made(header={"typ": "JWT"})),
    ("4 typ", "header", made(header={"typ": LEFT_OUT})),
    *[("5 alg", "header", made(header={"alg": alg})) for alg in ("none", "HS256", "RS256", "ES384", LEFT_OUT)],
    ("6 signature", "signature", made(OTHER, jwk=DEVICE.jwk)),
    ("7 no private key", "key", made(jwk={**DEVICE.jwk, "d": b64(bytes(31) + b"\1")})),
    ("8 htm", "htm", made(htm="GET")),
    ("8 htm", "htm", made(htm="patch")),
    ("9 htu", "htu", made(htu=URL + "0")),
    ("9 htu", "htu", made(htu=URL.replace("api.", "evil."))),
    ("9 htu", "htu", made(htu=URL.replace("https", "http"))),
    ("10 nonce", "nonce", made(nonce=make_nonce(bytes(32), NOW))),
    ("10 nonce", "nonce", made(nonce=make_nonce(KEY, NOW - 601))),
    ("11 time", "iat", made(iat=NOW - 61)),
    ("11 time", "iat", made(iat=NOW + 61)),
    ("12 ath", "ath", made(ath=LEFT_OUT)),
    ("12 ath", "ath", made(ath=digest(TOKEN + "x"))),
    ("12 key of the token", "binding", made(OTHER)),
]


@pytest.mark.parametrize(("reason", "proof"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_promise_09_proof_wrong_in_one_thing_is_refused(reason: str, proof: str) -> None:
    assert refused(proof) == reason


def test_every_check_of_the_standard_is_among_them() -> None:
    assert {int(name.split()[0]) for name, _, _ in WRONG} == set(range(1, 13))


def test_promise_09_random_byte_changes_are_refused() -> None:
    chance, proof, accepted = random.Random(20_260_909), made().encode(), 0
    for _ in range(2_000):
        changed = bytearray(proof)
        changed[chance.randrange(len(changed))] ^= chance.randrange(1, 256)
        try:
            checked(changed.decode("latin-1"))
            accepted += 1
        except DpopError:
            pass
    assert accepted == 0


ODD: tuple[Any, ...] = (True, 7, -1, 0, "", [], {}, ["PATCH"], "\x00", "\ud800", "﷽", "x" * 129, 1.5, None)


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "ath"])
@pytest.mark.parametrize("value", ODD)
def test_claim_of_another_kind_is_refused(name: str, value: object) -> None:
    assert refused(made(**{name: value})) in ("claims", "malformed", name)


@pytest.mark.parametrize("value", ODD[:-1])  # None leaves the nonce out
def test_odd_nonce_is_refused(value: Any) -> None:
    assert refused(made(nonce=value)) in ("claims", "malformed", "nonce")


def test_jti_has_1_to_128_visible_characters() -> None:
    for jti in ("~", "!" * 128):
        assert checked(made(jti=jti)).jti == jti
    for jti in ("", "!" * 129, "a b", "a\n", "\x7f", "é", "\t"):
        assert refused(made(jti=jti)) == "claims"


def test_other_members_are_allowed_but_no_second_clock() -> None:
    assert checked(made(iss="phone", aud=["x"], extra={"a": 1}))
    for name in ("exp", "nbf"):
        assert refused(made(**{name: NOW})) == "claims"


def test_proof_without_a_token_need_not_name_one() -> None:
    asking = {"access_token": None, "bound_to": None}
    assert checked(made(access_token=None), **asking).ath is None
    assert checked(made(), **asking).ath == digest(TOKEN)
    assert refused(made(access_token=None)) == "ath"
    assert refused(made(OTHER, access_token=None), access_token=None) == "binding"


def test_address_may_be_one_of_several() -> None:
    assert checked(made(), urls=["http://10.0.0.7:8000/v1/x", URL + "?limit=7"])
    assert refused(made(), urls=[]) == "htu"


# --- time and nonces -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [-60, 0, 60])
def test_phone_clock_may_be_off_by_a_minute(off: int) -> None:
    proof = made(now=NOW + off)
    assert checked(proof).usable_until == NOW + off + 60
    assert checked(proof, now=NOW + off + 60)
    assert refused(proof, now=NOW + off + 60.5) == "iat"
    assert refused(proof, now=NOW + off - 61) == "iat"


@pytest.mark.parametrize("clock", [1, NOW - 86_400, NOW + 400 * 86_400])
def test_phone_with_a_wrong_clock_works_with_a_nonce(clock: int) -> None:
    with pytest.raises(DpopError) as caught:
        checked(made(now=clock))
    assert (caught.value.reason, caught.value.needs_nonce) == ("iat", True)
    proof = checked(made(now=clock, nonce=make_nonce(KEY, NOW)))
    assert (proof.issued_at, proof.usable_until) == (clock, NOW + 600)


def test_nonce_is_good_for_its_period_and_the_next() -> None:
    nonce = make_nonce(KEY, NOW)
    assert make_nonce(KEY, NOW + 299.9) == nonce != make_nonce(KEY, NOW + 300)
    proof = made(nonce=nonce)
    for moment in (NOW, NOW + 299.9, NOW + 300, NOW + 599.9):
        assert checked(proof, now=moment).usable_until == NOW + 600
    for moment in (NOW - 0.1, NOW + 600):
        assert refused(proof, now=moment) == "nonce"


@settings(deadline=None)
@given(st.integers(1, 10**10), st.integers(-1300, 1300))
def test_nonce_is_judged_by_its_period_alone(made_at: int, later: int) -> None:
    ends_at = dpop.nonce_ends_at(make_nonce(KEY, made_at), KEY, made_at + later)
    is_good = (made_at + later) // 300 - made_at // 300 in (0, 1)
    assert ends_at == ((made_at // 300 + 2) * 300 if is_good else None)


def test_nonce_is_short_unguessable_and_of_one_key() -> None:
    nonces = {make_nonce(KEY, NOW + 300 * n) for n in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {43}
    assert dpop.nonce_ends_at(make_nonce(bytes(32), NOW), KEY, NOW) is None
    for text in ("", "x" * 65, "é" * 43, make_nonce(KEY, NOW)[:-1], make_nonce(KEY, NOW) + "A", str(NOW)):
        assert dpop.nonce_ends_at(text, KEY, NOW) is None
    with pytest.raises(ValueError, match="32 bytes"):
        make_nonce(b"short", NOW)


def test_required_nonce_is_asked_for() -> None:
    with pytest.raises(DpopError) as caught:
        checked(made(), is_nonce_required=True)
    assert (caught.value.reason, caught.value.needs_nonce) == ("nonce", True)
    assert checked(made(nonce=make_nonce(KEY, NOW)), is_nonce_required=True)


def test_nothing_else_is_cured_by_a_nonce() -> None:
    cured = {reason for reason in dpop.Reason.__args__ if DpopError(reason).needs_nonce}  # type: ignore[attr-defined]  # typing hides it
    assert cured == {"nonce", "iat"}


# --- addresses -------------------------------------------------------------------------------------------------

SCHEMES = st.sampled_from(["http", "https"])
HOSTS = st.sampled_from(["api.renmai.example", "10.0.0.7", "[2001:db8::1]", "localhost"])
PATHS = st.lists(st.text("abz09-_~!$&'()*+,;=:@", min_size=1, max_size=8), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


def spelled(text: str, chance: random.Random, *, escaped: bool) -> str:
    """The same thing in another way: case, or escapes of what needs none."""

    def one(character: str) -> str:
        if not escaped:
            return chance.choice([character.lower(), character.upper()])
        is_free = character.isalnum() or character in "-_~"
        return chance.choice([character, f"%{ord(character):02x}", f"%{ord(character):02X}"]) if is_free else character

    return "".join(one(character) for character in text)


@settings(deadline=None)
@given(SCHEMES, HOSTS, PATHS, st.randoms(use_true_random=False))
def test_every_spelling_of_an_address_is_the_same(scheme: str, host: str, path: str, chance: random.Random) -> None:
    port = chance.choice(["", ":", ":443" if scheme == "https" else ":80", ":0443" if scheme == "https" else ":0080"])
    ends = chance.choice(["", "?", "?a=b/../c", "#", "#x", "?q=%E4%BA%BA#/y"])
    other = f"{spelled(scheme, chance, escaped=False)}://{spelled(host, chance, escaped=False)}{port}"
    other += ("" if path == "/" and chance.random() < 0.5 else spelled(path, chance, escaped=True)) + ends
    plain = f"{scheme}://{host}{path}"
    assert normal_url(other) == normal_url(plain) == plain
    assert normal_url(plain.replace("://" + host, f"://{host}:8443", 1)) == f"{scheme}://{host}:8443{path}"


@settings(deadline=None)
@given(st.tuples(SCHEMES, HOSTS, PATHS), st.tuples(SCHEMES, HOSTS, PATHS))
def test_different_addresses_stay_different(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    plain = ["{}://{}{}".format(*parts) for parts in (one, two)]
    assert (normal_url(plain[0]) == normal_url(plain[1])) is (one == two)


@settings(deadline=None)
@given(st.text() | st.text("htps:/.[]@%2eE?#aA0_\\ \x00", max_size=40).map(lambda end: "https://" + end))
def test_any_text_has_one_normal_form_or_none(text: str) -> None:
    normal = normal_url(text)
    assert normal is None or normal_url(normal) == normal


@pytest.mark.parametrize("url", [
    "", "/v1/x", "//h/x", "ftp://h/x", "https:/h/x", "https:///x", "https://h:x/", "https://h:123456/",
    "https://u:p@h/x", "https://u@h/x", "https://h\\x", "https://h/a/../b", "https://h/./b", "https://h/..",
    "https://h/%2e%2E/b", "https://h/a b", "https://h/%", "https://h/%g0", "https://h/人", "https://例.cn/",
    "https://h/x\n", " https://h/x", "https://[::1/x", "https://h/[x]", "https://%68/x", "https://h,i/x",
    "https://\u212a/x",
])  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    assert normal_url(url) is None


def test_reserved_escapes_keep_their_meaning() -> None:
    assert normal_url("https://h/a%2fb%3f") == "https://h/a%2Fb%3F" != normal_url("https://h/a/b")
