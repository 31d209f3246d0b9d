"""The numbered promises about tokens and passwords: 1 signatures, 5 claims, 12 passwords, 13 rotation.

What strangers send over HTTP (2, 3, 4) is in `test_promises_bearers.py`; the numbers are those of the list of promises.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from argon2 import extract_parameters

from app import db, keyring, passwords, reads
from app.config import Settings
from app.models.users import Role
from app.passwords import Passwords, WeakPassword, check_strength
from app.services import users
from app.tokens import (
    MAX_AHEAD_SECONDS,
    MAX_LEEWAY_SECONDS,
    MAX_TTL_SECONDS,
    KeyTable,
    TokenError,
    verify_es256,
)
from tests.factories import World
from tests.token_forge import Insider, Json, forge, insider, opened, refused, status_of

VECTORS = Path(__file__).parents[2] / "shared/vectors/wycheproof"
PASSWORD = "Osmanthus-by-the-lake-88"

# --- 1: only tokens we signed ----------------------------------------------------------------------------------


def wycheproof(name: str) -> Iterator[tuple[Json, Json]]:
    """Key and case of every JWS vector of a file."""
    for group in json.loads((VECTORS / f"{name}_test.json").read_text("utf-8"))["testGroups"]:
        for case in group["tests"]:
            if "jws" in case:
                yield group.get("public") or group["private"], case


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the public Wycheproof vectors are not on this machine")
@pytest.mark.parametrize(
    ("name", "total", "invalid", "accepted"),
    [("json_web_signature", 401, 355, 2), ("json_web_key", 26, 21, 0), ("json_web_crypto", 49, 45, 1)],
)
def test_promise_01_only_true_signatures_are_accepted(name: str, total: int, invalid: int, accepted: int) -> None:
    outcomes: list[str] = []
    cases = list(wycheproof(name))
    for key, case in cases:
        refused(case["jws"])  # by the table of a service that has never seen the key: TokenError and nothing else
        try:
            verify_es256(case["jws"], key)
            outcomes.append(case["result"])
        except TokenError:
            pass
    assert (len(cases), sum(case["result"] == "invalid" for _, case in cases)) == (total, invalid)
    # The valid ones of ES256; other valid ones use algorithms outside our policy.
    assert outcomes == ["valid"] * accepted


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the public Wycheproof vectors are not on this machine")
async def test_promise_01_vectors_are_refused_over_http(world: World) -> None:
    names = ("json_web_signature", "json_web_key", "json_web_crypto")
    tokens = [case["jws"] for name in names for _, case in wycheproof(name) if isinstance(case["jws"], str)]
    assert len(tokens) >= 470
    assert {await status_of(world, token) for token in tokens} == {401}
    assert await status_of(world, world.token("agent")) == 200


# --- 5: claims are complete and short-lived --------------------------------------------------------------------

CLAIMS = ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "org", "auth_time")


async def test_promise_05_every_claim_is_wanted(world: World) -> None:
    known = await insider(world)
    assert set(CLAIMS) <= known.payload.keys()
    assert await status_of(world, known.says()) == 200
    for name in CLAIMS:
        rest = {key: value for key, value in known.payload.items() if key != name}
        assert await status_of(world, forge(rest, key=known.key)) == 401, name
    for name in ("typ", "alg", "kid"):
        header = {key: value for key, value in known.header.items() if key != name}
        assert await status_of(world, forge(known.payload, header, known.key)) == 401, name


async def test_promise_05_every_altered_claim_is_refused(world: World, other_world: World) -> None:
    known = await insider(world)
    strange: dict[str, list[object]] = {name: [None, "", 0, -1, True, [], {}, "x", "\x00"] for name in CLAIMS}
    strange["iss"] += [known.payload["iss"] + "/", known.payload["iss"].upper(), [known.payload["iss"]]]
    strange["aud"] += [known.payload["aud"] + "2", known.payload["aud"].upper(), [known.payload["aud"]]]
    strange["sub"] += [str(world.users["mate"]), str(other_world.users["agent"]), str(uuid4())]
    strange["sid"] += [str(world.sessions["mate"]), str(other_world.sessions["agent"]), str(uuid4())]
    strange["org"] += [str(other_world.org_id), str(uuid4())]
    for name in ("sub", "sid", "org", "jti"):
        strange[name] += [str(known.payload[name]).upper(), str(known.payload[name]).replace("-", "")]
    for name in ("iat", "exp", "auth_time"):
        strange[name] += [str(known.payload[name]), 1e400, known.payload[name] + 0.5, known.payload[name] * 10**6]
    for name, values in strange.items():
        for value in values:
            assert await status_of(world, known.says(**{name: value})) == 401, (name, value)
    kinds: list[object] = ["JWT", "jwt", "AT+JWT", "application/at+jwt", "dpop+jwt", "", None, []]
    for kind in kinds:
        assert await status_of(world, forge(known.payload, key=known.key, typ=kind)) == 401, kind
    assert await status_of(world, known.says()) == 200


def at(known: Insider, *, issued: int, expires: int) -> str:
    """The valid token with other times, in seconds from now."""
    now = int(time.time())
    return known.says(iat=now + issued, exp=now + expires, auth_time=now + min(issued, 0))


async def test_promise_05_tokens_live_ten_minutes_at_most(world: World) -> None:
    known, ring = await insider(world), keyring.current()
    assert ring.table is not None
    assert known.payload["exp"] - known.payload["iat"] == ring.table.ttl <= MAX_TTL_SECONDS == 600
    assert ring.table.leeway <= MAX_LEEWAY_SECONDS == 30
    assert await status_of(world, at(known, issued=-1, expires=599)) == 200
    assert await status_of(world, at(known, issued=-1, expires=600)) == 401
    assert await status_of(world, at(known, issued=0, expires=0)) == 401
    for options in ({"ttl": 601}, {"leeway": 31}):
        with pytest.raises(ValueError, match="must"):
            KeyTable([], issuer="renmai", audience="renmai-api", **options)


async def test_promise_05_time_is_read_exactly(world: World) -> None:
    known, table = await insider(world), keyring.current().table
    assert table is not None
    # The clock moves while the request does: five seconds on the side where they matter. To the second: test_tokens.py.
    assert await status_of(world, at(known, issued=-500, expires=5 - table.leeway)) == 200
    assert await status_of(world, at(known, issued=-500, expires=-table.leeway)) == 401
    assert await status_of(world, at(known, issued=MAX_AHEAD_SECONDS, expires=300)) == 200
    assert await status_of(world, at(known, issued=MAX_AHEAD_SECONDS + 5, expires=300)) == 401
    assert MAX_AHEAD_SECONDS == 60


# --- 12: the password store survives a dump --------------------------------------------------------------------


async def add(world: World, username: str, password: str) -> None:
    """A user with this password, as an administrator makes one."""
    async with db.transaction(world.org_id) as session:
        await users.create(
            session,
            world.org_id,
            org_code=world.code,
            username=username,
            name="李测试",
            role=Role.agent,
            team_id=world.teams["one"],
            password=password,
        )


async def stored(world: World, username: str) -> str:
    statement = "SELECT password_hash FROM users WHERE org_id = $1 AND username = $2"
    return str(await world.db.fetchval(statement, world.org_id, username))


async def test_promise_12_stored_passwords_are_slow_and_peppered(world: World) -> None:
    await add(world, "first", PASSWORD)
    await add(world, "second", PASSWORD)
    kept = await stored(world, "first")
    found = extract_parameters(kept)
    assert kept.startswith("$argon2id$")
    assert found.memory_cost >= 19_456
    assert found.time_cost >= 2
    assert kept != await stored(world, "second")
    assert await Passwords(keyring.current().passwords).verify(kept, PASSWORD)
    assert not await Passwords(bytes(32)).verify(kept, PASSWORD)
    assert not await Passwords(keyring.current().refresh).verify(kept, PASSWORD)


def refuses(password: str) -> bool:
    try:
        check_strength(password)
    except WeakPassword:
        return True
    return False


def test_promise_12_the_3000_commonest_passwords_are_refused() -> None:
    top = passwords._leaked()[:3_000]
    assert len(set(top)) == 3_000
    assert [word for word in top if not refuses(word)] == []
    # Most are shorter than twelve characters: the length alone refuses them. So make them long enough.
    assert [word for word in top if not refuses(word * -(-passwords.MIN_LENGTH // len(word)))] == []
    words = [word for word in top if word.isalpha() and len(word) >= 5]
    assert len(words) > 2_300
    for form in ("{}20261231!", "2026-{}-2026!", "!!{}_@#$%^&*", "{0}-{0}-7294"):
        assert [word for word in words if not refuses(form.format(word.title()))] == []


@pytest.mark.parametrize("length", [64, 100, 128])
async def test_promise_12_long_passphrases_open_a_session(world: World, length: int) -> None:
    words = "acorn badge 茶馆 Ember fable glove harbor igloo 老槐树 ladder mango noodle onion paddle quilt "
    phrase = (words * 2)[:length]
    assert len(phrase) == length
    await add(world, "long", phrase)
    answer = await login(world, "long", phrase)
    assert answer.status_code == 200
    assert (await login(world, "long", phrase[:-1])).status_code == 401


async def login(world: World, username: str, password: str) -> httpx.Response:
    device = {"id": "phone-1", "name": "测试手机", "platform": "ios"}
    body = {"org": world.code, "username": username, "password": password, "device": device}
    return await world.client().post("/v1/auth/login", json=body)


# --- 13: signing keys rotate without downtime ------------------------------------------------------------------


async def load(ring: keyring.Keyring) -> None:
    await reads.with_connection(lambda connection: keyring.load_signing_keys(connection, ring))


async def pass_time(owner_db: asyncpg.Connection, seconds: float, *rings: keyring.Keyring) -> None:
    """Nobody waits in a test: what happened is moved back instead."""
    ago = "UPDATE signing_keys SET created_at = created_at - $1::interval, retired_at = retired_at - $1::interval"
    await owner_db.execute(ago, timedelta(seconds=seconds))
    for ring in rings:
        ring.loaded_at -= seconds


def signed(world: World, ring: keyring.Keyring) -> str:
    """A token as the process of this ring would sign it."""
    assert ring.table is not None
    now = int(time.time())
    sub, sid = world.users["agent"], world.sessions["agent"]
    return ring.table.sign(ring.table.new_claims(org=world.org_id, sub=sub, sid=sid, auth_time=now))


def kid_of(token: str) -> str:
    return str(opened(token.split(".")[0])["kid"])


async def stream(world: World, tokens: list[str], times: int = 60) -> list[int | None]:
    """So many requests at once, taking turns with the tokens."""
    return await asyncio.gather(*(status_of(world, tokens[turn % len(tokens)]) for turn in range(times)))


async def test_promise_13_keys_rotate_under_load(
    world: World, settings: Settings, owner_db: asyncpg.Connection
) -> None:
    here, there = keyring.current(), keyring.derive(settings)  # two processes; requests reach the first
    await pass_time(owner_db, keyring.PUBLISHED_AHEAD_SECONDS)
    await load(here)
    await load(there)
    old = signed(world, here)
    answers = await stream(world, [old, signed(world, there)])
    kid, during = await asyncio.gather(keyring.rotate_signing_keys(owner_db, here), stream(world, [old]))
    answers += during
    # The other process learns of it at once, the first has just looked: what the other signs must be good here.
    await load(there)
    assert kid_of(signed(world, there)) == kid_of(old)
    answers += await stream(world, [old, signed(world, here), signed(world, there)])
    await pass_time(owner_db, keyring.PUBLISHED_AHEAD_SECONDS, here, there)
    await load(there)
    assert kid_of(signed(world, there)) == kid
    answers += await stream(world, [old, signed(world, there), signed(world, here)])
    await load(here)
    assert kid_of(signed(world, here)) == kid
    answers += await stream(world, [old, signed(world, there), signed(world, here)])
    assert len(answers) == 300
    assert set(answers) == {200}


async def test_promise_13_retired_key_is_refused_after_its_grace(world: World, owner_db: asyncpg.Connection) -> None:
    ring, jwks = keyring.current(), world.client()
    await pass_time(owner_db, keyring.PUBLISHED_AHEAD_SECONDS)
    await load(ring)
    old = signed(world, ring)
    before = await jwks.get("/.well-known/jwks.json")
    kid = await keyring.rotate_signing_keys(owner_db, ring)
    await pass_time(owner_db, 600 + MAX_LEEWAY_SECONDS)
    await load(ring)
    new = signed(world, ring)
    assert kid_of(new) == kid
    changed = await jwks.get("/.well-known/jwks.json", headers={"If-None-Match": before.headers["etag"]})
    assert changed.status_code == 200
    assert {kid, kid_of(old)} <= {key["kid"] for key in changed.json()["keys"]}
    again = await jwks.get("/.well-known/jwks.json", headers={"If-None-Match": changed.headers["etag"]})
    assert again.status_code == 304
    assert [await status_of(world, token) for token in (old, new)] == [200, 200]
    await pass_time(owner_db, keyring.PUBLISHED_AHEAD_SECONDS + keyring.SIGNER_SECONDS)
    await load(ring)
    assert [await status_of(world, token) for token in (old, new)] == [401, 200]
    assert [key["kid"] for key in (await jwks.get("/.well-known/jwks.json")).json()["keys"]] == [kid]


async def test_promise_13_first_key_signs_at_once(world: World, settings: Settings) -> None:
    """Two processes that start together on an empty database may make a key each; both sign with the older one."""
    assert settings.owner_database_url is not None
    connection = await asyncpg.connect(settings.owner_database_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("DELETE FROM signing_keys")
        first, second = keyring.derive(settings), keyring.derive(settings)
        await keyring.load_signing_keys(connection, first)
        await connection.execute("UPDATE signing_keys SET created_at = created_at - interval '1 second'")
        await keyring.add_signing_key(connection, second)
        await keyring.load_signing_keys(connection, second)
        assert kid_of(signed(world, first)) == kid_of(signed(world, second))
    finally:
        await transaction.rollback()
        await connection.close()
