"""Settings of an organisation: who reads and changes them, and that they count at once."""

from typing import Any

import httpx
import pytest

from app import deps
from tests.factories import World
from tests.test_sessions import credentials, give_password, me, sign_in


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def change(world: World, **settings: Any) -> httpx.Response:
    url = f"/v1/organizations/{world.org_id}"
    version = (await world.admin.get(url)).headers["etag"]
    return await world.admin.patch(url, json=settings, headers={"If-Match": version})


async def test_everybody_reads_the_settings_and_the_administrator_changes_them(world: World) -> None:
    url = f"/v1/organizations/{world.org_id}"
    before = (await world.agent.get(url)).json()
    assert before["password_form"] == "length"
    assert (before["session_idle_days"], before["session_absolute_days"], before["is_dpop_required"]) == (7, 30, False)
    answer = await change(world, session_idle_days=3, are_cross_agent_paths_allowed=True)
    assert answer.status_code == 200
    after = (await world.agent.get(url)).json()
    assert after == {**before, "session_idle_days": 3, "are_cross_agent_paths_allowed": True, "version": 2}
    for client in (world.agent, world.manager, world.auditor):
        assert (await client.patch(url, json={}, headers={"If-Match": '"2"'})).status_code == 403


async def test_settings_stay_within_what_the_house_promises(world: World) -> None:
    for wrong in (
        {"session_idle_days": 8}, {"session_absolute_days": 31}, {"session_idle_days": 0}, {"password_form": "short"},
        {"is_dpop_required": "yes"}, {"is_dpop_required": None}, {"code": "other"},
    ):  # fmt: skip
        assert (await change(world, **wrong)).status_code == 422, wrong


async def test_lengths_of_sessions_are_the_organisations(world: World) -> None:
    await give_password(world)
    await change(world, session_idle_days=2, session_absolute_days=5)
    tokens = await sign_in(world)
    row = await world.db.fetchrow(
        "SELECT idle_expires_at - created_at AS idle, absolute_expires_at - created_at AS longest FROM sessions "
        "WHERE id = $1::uuid",
        tokens["session_id"],
    )
    assert (round(row["idle"].total_seconds() / 86400), round(row["longest"].total_seconds() / 86400)) == (2, 5)


async def test_required_device_key_refuses_sessions_without_one_at_once(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    assert await me(world, tokens) == 200
    refused = await change(world, is_dpop_required=True)  # he would shut himself out
    assert (refused.status_code, refused.json()["code"]) == (409, "own_session_unbound")
    await world.db.execute("UPDATE sessions SET dpop_jkt = 'x' WHERE id = $1", world.sessions["admin"])
    assert (await change(world, is_dpop_required=True)).status_code == 200
    assert await me(world, tokens) == 401
    answer = await world.client().post("/v1/auth/login", json=credentials(world))
    assert (answer.status_code, answer.json()["code"]) == (401, "dpop_required")


async def test_required_second_factor_leaves_nothing_but_enrolling(world: World) -> None:
    await change(world, is_second_factor_required=True)
    deps.forget_actors()
    body = (await world.agent.get("/v1/me")).json()
    assert (body["pending"], body["scopes"]) == (["enrol_second_factor"], ["session:own"])
    answer = await world.agent.get("/v1/customers")
    assert (answer.status_code, answer.json()["code"]) == (403, "pending_enrol_second_factor")


async def test_classified_protection_wants_a_new_password_every_ninety_days(world: World) -> None:
    await change(world, password_form="mlps")
    assert (await world.agent.get("/v1/me")).json()["pending"] == []
    await world.db.execute(
        "UPDATE users SET password_changed_at = now() - interval '91 days' WHERE id = $1", world.users["agent"]
    )
    deps.forget_actors()
    assert (await world.agent.get("/v1/me")).json()["pending"] == ["change_password"]
    assert (await world.agent.get("/v1/customers")).json()["code"] == "pending_change_password"


async def test_other_organisation_is_as_unknown(world: World, other_world: World) -> None:
    url = f"/v1/organizations/{other_world.org_id}"
    assert (await world.admin.get(url)).status_code == 404
    assert (await world.admin.patch(url, json={}, headers={"If-Match": '"1"'})).status_code == 404
