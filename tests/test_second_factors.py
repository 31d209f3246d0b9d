"""The second factor: enrolling, signing in with it, and the day the phone is lost."""

import time
from typing import Any
from uuid import UUID

import httpx
import pyotp
import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.services import second_factors
from tests.factories import World
from tests.test_sessions import PASSWORD, credentials, give_password, me, sign_in


class _Clock:
    """The clock codes are made and read by; it can stand still."""

    stands_at: float | None = None

    def time(self) -> float:
        return time.time() if self.stands_at is None else self.stands_at


_clock = _Clock()


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


@pytest.fixture(autouse=True)
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code is good for a step of the clock: a test must not be overtaken by the next one."""
    monkeypatch.setattr(_clock, "stands_at", time.time())
    monkeypatch.setattr(second_factors, "time", _clock)


def code_of(secret: str, steps: int = 0) -> str:
    """What the authenticator shows so many time steps from now."""
    return pyotp.TOTP(secret).at(int(_clock.time()) + 30 * steps)


async def enrolled(world: World, client: httpx.AsyncClient | None = None) -> tuple[str, list[str]]:
    """The secret and the recovery codes of a freshly confirmed factor; its present code is used up."""
    client = client or world.agent
    secret: str = (await client.post("/v1/auth/second-factor")).json()["secret"]
    answer = await client.post("/v1/auth/second-factor/confirm", json={"code": code_of(secret)})
    assert answer.status_code == 200, answer.text
    return secret, answer.json()["recovery_codes"]


async def forget_steps(world: World) -> None:
    """As if some minutes had passed since the last code."""
    await world.db.execute("UPDATE second_factors SET last_step = 0 WHERE org_id = $1", world.org_id)


async def attempt(world: World, **over: Any) -> httpx.Response:
    return await world.client().post("/v1/auth/login", json=credentials(world, **over))


async def test_enrolled_factor_is_asked_for_at_sign_in(world: World) -> None:
    await give_password(world)
    assert (await world.agent.get("/v1/me")).json()["has_second_factor"] is False
    secret, codes = await enrolled(world)
    assert (await world.agent.get("/v1/me")).json()["has_second_factor"] is True
    assert len(set(codes)) == 10
    without = await attempt(world)
    assert (without.status_code, without.json()["code"]) == (401, "second_factor_required")
    await forget_steps(world)
    assert (await attempt(world, code=code_of(secret))).status_code == 200


async def test_right_code_with_the_wrong_password_is_the_one_refusal(world: World) -> None:
    await give_password(world)
    secret, _ = await enrolled(world)
    await forget_steps(world)
    wrong = [await attempt(world, code=code_of(secret), password="x" * 12), await attempt(world, code="000000")]
    assert {answer.json()["code"] for answer in wrong} == {"login_failed"}
    assert (await attempt(world, code=code_of(secret))).status_code == 200  # the code was not used up by that


async def test_code_is_good_once_and_for_one_step_either_way(world: World) -> None:
    await give_password(world)
    secret, _ = await enrolled(world)
    assert (await attempt(world, code=code_of(secret))).status_code == 401  # the one that confirmed it
    for steps, status in ((-2, 401), (2, 401), (-1, 200), (0, 200), (0, 401), (-1, 401), (1, 200)):
        if steps == -1 and status == 200:
            await forget_steps(world)
        assert (await attempt(world, code=code_of(secret, steps))).status_code == status, steps


async def test_recovery_code_is_good_once_in_any_spelling(world: World) -> None:
    await give_password(world)
    _, codes = await enrolled(world)
    assert (await attempt(world, code=codes[0].replace("-", "").lower())).status_code == 200
    assert (await attempt(world, code=codes[0])).status_code == 401
    assert (await attempt(world, code=codes[1])).status_code == 200


async def test_guesses_at_codes_count_though_the_password_was_right(world: World) -> None:
    await give_password(world)
    secret, _ = await enrolled(world)
    await forget_steps(world)
    for _ in range(10):
        assert (await attempt(world, code="AAAA-AAAA-AAAA")).status_code == 401
    assert (await attempt(world, code=code_of(secret))).status_code == 429
    await world.db.execute("UPDATE guess_counts SET until = now() - interval '1 second'")
    for _ in range(12):  # who knows the password and is asked for the code has guessed nothing
        assert (await attempt(world)).json()["code"] == "second_factor_required"
    assert (await attempt(world, code=code_of(secret))).status_code == 200


async def test_unconfirmed_factor_asks_nobody_for_anything(world: World) -> None:
    await give_password(world)
    first = (await world.agent.post("/v1/auth/second-factor")).json()
    second = (await world.agent.post("/v1/auth/second-factor")).json()  # the QR code was lost: begin again
    assert first["secret"] != second["secret"]
    assert first["otpauth_uri"].startswith("otpauth://totp/Renmai:agent?secret=")
    await sign_in(world)
    wrong = await world.agent.post("/v1/auth/second-factor/confirm", json={"code": code_of(first["secret"])})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "code_wrong")
    right = await world.agent.post("/v1/auth/second-factor/confirm", json={"code": code_of(second["secret"])})
    assert right.status_code == 200
    assert (await world.agent.post("/v1/auth/second-factor")).json()["code"] == "second_factor_exists"
    again = await world.agent.post("/v1/auth/second-factor/confirm", json={"code": code_of(second["secret"], 1)})
    assert again.json()["code"] == "second_factor_absent"


async def test_enrolling_and_removing_need_somebody_who_is_there(world: World) -> None:
    stale = world.client(world.token("agent", proven_ago=301))
    for answer in (await stale.post("/v1/auth/second-factor"), await stale.delete("/v1/auth/second-factor")):
        assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required")


async def test_step_up_asks_for_the_code_and_not_for_the_password(world: World) -> None:
    await give_password(world)
    secret, _ = await enrolled(world)
    await forget_steps(world)
    password = await world.agent.post("/v1/auth/step-up", json={"password": PASSWORD})
    assert (password.status_code, password.json()["errors"][0]["pointer"]) == (422, "/code")
    assert (await world.agent.post("/v1/auth/step-up", json={"code": "000000"})).json()["code"] == "step_up_failed"
    assert (await world.agent.post("/v1/auth/step-up", json={"code": code_of(secret)})).status_code == 200


async def test_removed_factor_is_not_asked_for(world: World) -> None:
    await give_password(world)
    await enrolled(world)
    assert (await world.agent.delete("/v1/auth/second-factor")).status_code == 204
    assert (await world.agent.delete("/v1/auth/second-factor")).status_code == 404
    await sign_in(world)


async def test_administrator_helps_who_lost_everything_and_his_sessions_end(world: World) -> None:
    await give_password(world)
    _, codes = await enrolled(world)
    tokens = (await attempt(world, code=codes[0])).json()
    url = f"/v1/users/{world.users['agent']}/second-factor"
    assert (await world.manager.delete(url)).status_code == 403
    assert (await world.admin.delete(url)).status_code == 204
    assert await me(world, tokens) == 401
    await sign_in(world)
    own = f"/v1/users/{world.users['admin']}/second-factor"
    assert (await world.admin.delete(own)).json()["code"] == "own_account"


async def test_secret_and_codes_lie_nowhere_in_clear(world: World) -> None:
    secret, codes = await enrolled(world)
    for table in ("second_factors", "recovery_codes", "audit_events"):
        rows = await world.db.fetch(f"SELECT * FROM {table} WHERE org_id = $1", world.org_id)
        for value in (value for row in rows for value in row.values()):
            stored = value if isinstance(value, bytes) else str(value).encode()
            assert not [one for one in (secret, *codes) if one.encode() in stored], table
    actions = [
        row["action"]
        for row in await world.db.fetch("SELECT action FROM audit_events WHERE org_id = $1 ORDER BY id", world.org_id)
    ]
    assert actions == ["second_factor.enrolled", "second_factor.confirmed"]
    factor = await world.db.fetchval("SELECT id FROM second_factors WHERE org_id = $1", world.org_id)
    assert isinstance(factor, UUID)


async def test_tag_of_a_user_follows_his_second_factor(world: World) -> None:
    url = f"/v1/users/{world.users['agent']}"
    before = await world.admin.get(url)
    held = {"If-None-Match": before.headers["etag"]}
    assert (await world.admin.get(url, headers=held)).status_code == 304
    await world.db.execute(
        "INSERT INTO second_factors (org_id, id, user_id, secret_enc, confirmed_at) VALUES ($1, $2, $3, '', now())",
        world.org_id,
        uuid7(),
        world.users["agent"],
    )
    after = await world.admin.get(url, headers=held)
    assert (after.status_code, after.json()["has_second_factor"]) == (200, True)
    assert after.json()["version"] == before.json()["version"]
