"""Whom a request counts for: real tokens and keys, through the whole service."""

import re
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from app import apikeys, callers, keyring, main
from app.config import Settings
from app.limits import Callers
from app.tokens import CachedVerifier
from tests.factories import World
from tests.problem import assert_problem
from tests.test_sessions import give_password, refresh, sign_in
from tests.token_forge import TABLE


def well_formed(body: str) -> str:
    return body + apikeys._checksum(body)


KEY = well_formed("rmk_test_0123456789abcdef_" + "A" * 32)
NOBODY = Callers()
OTHER = well_formed("rmk_live_0123456789abcdef_" + "B" * 32)


@pytest.fixture
def verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CachedVerifier:
    ring = keyring.derive(Settings(var_dir=tmp_path, master_key=None, _env_file=None))
    ring.verifier = made = CachedVerifier(TABLE)
    monkeypatch.setattr(keyring, "_ring", ring)
    return made


def token(**ids: object) -> str:
    claims = {"org": uuid4(), "sub": uuid4(), "sid": uuid4(), "auth_time": int(time.time()), **ids}
    return TABLE.sign(TABLE.new_claims(**claims))  # type: ignore[arg-type]  # the ids are what `claims` holds


def named(*headers: tuple[str, str]) -> Callers:
    return callers.identify([(name.encode(), value.encode("latin-1")) for name, value in headers])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "DPoP", "dpop"])
def test_token_that_verifies_names_its_user(verifier: CachedVerifier, scheme: str) -> None:
    org, sub = uuid4(), uuid4()
    found = named(("authorization", f"{scheme} {token(org=org, sub=sub)}"))
    assert found == Callers(proven=(b"user" + org.bytes + sub.bytes,))


def test_token_of_a_device_counts_for_its_user_where_it_is_shown(verifier: CachedVerifier) -> None:
    """It may be stolen, and is worth nothing without the key: nobody shall spend the owner's quota with it."""
    org, sub = uuid4(), uuid4()
    found = named(("authorization", f"DPoP {token(org=org, sub=sub, jkt='A' * 43)}"))
    assert found == Callers(local=(b"user" + org.bytes + sub.bytes,))


def test_every_token_of_a_user_names_the_same(verifier: CachedVerifier) -> None:
    org, sub = uuid4(), uuid4()
    ways = (
        {"org": org, "sub": sub},
        {"org": org, "sub": sub},
        {"org": uuid4(), "sub": sub},
        {"org": org, "sub": uuid4()},
    )
    first, again, elsewhere, other = (named(("authorization", f"Bearer {token(**ids)}")).proven for ids in ways)
    assert first == again
    assert len({tuple(first), tuple(elsewhere), tuple(other)}) == 3


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "{}", "Bearer  {}", "Token {}", "Bearer {}x", "\xff \xfe"],
)
def test_what_does_not_verify_names_nobody(verifier: CachedVerifier, value: str) -> None:
    assert named(("authorization", value.format(token()))) == NOBODY


def test_token_of_a_key_nobody_knows_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "_ring", keyring.derive(Settings(var_dir=tmp_path, master_key=None, _env_file=None)))
    assert named(("authorization", f"Bearer {token()}")) == NOBODY  # no key has been loaded yet


@pytest.mark.parametrize("headers", [[("x-api-key", KEY)], [("authorization", f"Bearer {KEY}")]])
def test_well_formed_key_is_claimed(verifier: CachedVerifier, headers: list[tuple[str, str]]) -> None:
    assert named(*headers) == Callers(claimed=(b"key" + KEY.encode(),))


@pytest.mark.parametrize(
    "text", ["", "x", KEY[:-1], KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), KEY + "0", "\xe9" * 64]
)
def test_malformed_key_is_nobodys(verifier: CachedVerifier, text: str) -> None:
    assert named(("x-api-key", text)) == NOBODY


def test_two_credentials_are_two_callers(verifier: CachedVerifier) -> None:
    user = named(("authorization", f"Bearer {token()}"), ("x-api-key", KEY))
    assert (len(user.proven), len(user.claimed)) == (1, 1)
    assert len(named(("authorization", f"Bearer {KEY}"), ("x-api-key", OTHER)).claimed) == 2
    assert len(named(("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)).claimed) == 1


@pytest.mark.parametrize("header", [("authorization", f"Bearer {KEY}"), ("x-api-key", KEY)])
def test_repeated_header_names_nobody(verifier: CachedVerifier, header: tuple[str, str]) -> None:
    assert named(header, header) == NOBODY


def test_secret_is_the_root_keys_and_no_other_purposes(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path, master_key=None, _env_file=None)
    first, again = keyring.derive(settings), keyring.derive(settings)
    assert first.limits == again.limits
    assert first.limits not in (first.refresh, first.api_keys, first.cursors, first.digests, first.kek)


# --- through the whole service ---------------------------------------------------------------------------------


@pytest.fixture
def limited(api: FastAPI, settings: Settings, world: World) -> World:
    """The organisation behind a shell that lets each caller ask three times a minute."""
    world.app = main.wrap(api, settings.model_copy(update={"rate_limit": 3}))
    return world


def rest(answer: httpx.Response) -> tuple[str, int]:
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=\d+', answer.headers["ratelimit"])
    assert found is not None
    return found[1], int(found[2])


async def test_refreshing_brings_no_new_quota(limited: World) -> None:
    await give_password(limited)
    tokens = await sign_in(limited)
    assert (await limited.client(tokens["access_token"]).get("/v1/me")).status_code == 200
    fresh = (await refresh(limited, tokens["refresh_token"])).json()
    assert fresh["access_token"] != tokens["access_token"]
    answers = [await limited.client(fresh["access_token"]).get("/v1/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    other_session = await limited.client(limited.token("agent")).get("/v1/me")
    assert other_session.status_code == 429


async def test_real_key_is_not_hurt_by_wrong_ones(limited: World) -> None:
    real = limited.client(**{"X-API-Key": limited.partner_key})
    assert (await real.get("/v1/partner/me")).status_code == 200
    wrong = limited.client(**{"X-API-Key": well_formed(limited.partner_key[:-38] + "x" * 32)})
    assert [(await wrong.get("/v1/partner/me")).status_code for _ in range(3)] == [
        401,
        401,
        429,
    ]  # one was the real one's
    assert rest(await real.get("/v1/partner/me")) == ("default", 1)


async def test_promise_46_limits_are_announced_and_real(limited: World, other_world: World) -> None:
    other_world.app = limited.app
    answers = [await limited.agent.get("/v1/me") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
    assert [rest(answer) for answer in answers] == [("default", left) for left in (2, 1, 0, 0, 0, 0)]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=3;w=60, "source";q=30;w=60'}
    for answer in answers[3:]:
        assert_problem(answer, 429, "quota_exceeded")
        assert int(answer.headers["retry-after"]) >= int(answer.headers["ratelimit"].rsplit("t=", 1)[1]) > 0
    assert (await limited.agent.get("/health/live")).status_code == 200
    neighbour = await other_world.agent.get("/v1/me")
    assert (neighbour.status_code, rest(neighbour)) == (200, ("default", 2))
