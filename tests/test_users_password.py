"""Changing one's own password: what it asks for, and whom it puts out."""

from uuid import UUID

import httpx
import pytest

from app import deps
from tests.factories import World
from tests.test_sessions import PASSWORD, credentials, give_password, me, refresh, sign_in

NEW = "Sieben-Weiden-im-Wind"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def change(client: httpx.AsyncClient, current: str = PASSWORD, new: str = NEW) -> httpx.Response:
    return await client.post("/v1/auth/password", json={"current_password": current, "new_password": new})


async def test_changed_password_ends_every_other_session_and_keeps_this_one(world: World) -> None:
    await give_password(world, "agent", "mate")
    here, there = await sign_in(world), await sign_in(world)
    mate = await sign_in(world, username="mate")
    assert (await change(world.client(here["access_token"]))).status_code == 204
    assert (await me(world, here), await me(world, there), await me(world, mate)) == (200, 401, 200)
    assert (await refresh(world, here["refresh_token"])).status_code == 200
    assert (await refresh(world, there["refresh_token"])).status_code == 401
    old = await world.client().post("/v1/auth/login", json=credentials(world))
    assert (old.status_code, old.json()["code"]) == (401, "login_failed")
    await sign_in(world, password=NEW)
    (event,) = await world.db.fetch(
        "SELECT actor_id, detail FROM audit_events WHERE org_id = $1 AND action = 'user.password_changed'", world.org_id
    )
    assert (event["actor_id"], "sessions_ended" in event["detail"]) == (world.users["agent"], True)
    reasons = await world.db.fetch(
        "SELECT DISTINCT revoked_reason FROM sessions WHERE user_id = $1 AND id <> $2",
        world.users["agent"],
        UUID(here["session_id"]),
    )
    assert {row["revoked_reason"] for row in reasons} == {"password_changed", None}  # None: the one just opened


async def test_wrong_present_password_changes_nothing(world: World) -> None:
    await give_password(world)
    there = await sign_in(world)
    refused = await change(world.agent, current="x" * 12)
    assert (refused.status_code, refused.json()["code"]) == (401, "step_up_failed")
    assert await me(world, there) == 200
    await sign_in(world)


@pytest.mark.parametrize(
    ("new", "code"),
    [(PASSWORD, "password_unchanged"), ("kurz", "password_too_short"), ("agent-am-Fluss-7", "password_context")],
)
async def test_weak_or_same_password_is_refused_and_the_old_one_stays(world: World, new: str, code: str) -> None:
    await give_password(world)
    refused = await change(world.agent, new=new)
    (issue,) = refused.json()["errors"]
    assert (refused.status_code, issue["pointer"], issue["code"]) == (422, "/new_password", code)
    assert new not in refused.text
    await sign_in(world)


async def test_present_password_can_be_guessed_ten_times(world: World) -> None:
    await give_password(world)
    tries = [await change(world.agent, current="x" * 12) for _ in range(10)]
    assert {answer.status_code for answer in tries} == {401}
    late = await change(world.agent)  # even the right one
    assert (late.status_code, late.json()["code"]) == (429, "too_many_guesses")
    await sign_in(world)
