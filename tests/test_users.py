"""Users: made from the command line; whatever changes about one counts at once."""

import asyncio

import httpx
import pytest

from app import db, deps, reads
from app.models.users import Role
from app.passwords import WeakPassword
from app.services import users
from tests.factories import USERS, World, create_customer
from tests.test_sessions import PASSWORD, give_password, me, refresh, sign_in


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    """Each test begins as a process that remembers no caller."""
    deps.forget_actors()


async def test_created_user_has_an_argon2id_hash_and_can_sign_in(world: World) -> None:
    async with db.transaction(world.org_id) as session:
        user = await users.create(
            session, world.org_id, org_code=world.code, username="Neu.Er", name="新人", role=Role.agent,
            team_id=world.teams["one"], password=PASSWORD,
        )  # fmt: skip
    assert user.username == "neu.er"
    assert user.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await sign_in(world, username="neu.er")


async def test_created_user_may_not_have_a_weak_password(world: World) -> None:
    for weak in ("password1234", "neu.er-passt-hier", f"mein {world.code} wort", "kurz"):
        async with db.transaction(world.org_id) as session:
            with pytest.raises(WeakPassword):
                await users.create(
                    session, world.org_id, org_code=world.code, username="neu.er", name="新人", role=Role.agent,
                    team_id=None, password=weak,
                )  # fmt: skip
    assert await world.db.fetchval("SELECT count(*) FROM users WHERE org_id = $1", world.org_id) == 6


async def test_role_the_visibility_statement_does_not_know_sees_nobody(world: World) -> None:
    """No owners at all means everybody's customers: the day a role is added, that must not be what it gets."""
    asked = reads.statement("actor_state", None)
    change = world.db.transaction()
    await change.start()
    try:
        await world.db.execute("ALTER TABLE users DROP CONSTRAINT users_role_check")
        seen = {}
        for role in ("apprentice", "agent", "admin"):
            await world.db.execute("UPDATE users SET role = $2 WHERE id = $1", world.users["agent"], role)
            row = await world.db.fetchrow(asked, world.org_id, None, world.users["agent"], world.sessions["agent"])
            seen[role] = row["owners"]
    finally:
        await change.rollback()
    assert seen == {"apprentice": [], "agent": [world.users["agent"]], "admin": None}


# --- whom one answers for ---------------------------------------------------------------------------------------


async def managed(world: World, client: httpx.AsyncClient) -> set[str]:
    """The users a caller answers for: the same ones in the list and one by one, with their sessions."""
    listed = {item["username"] for item in (await client.get("/v1/users")).json()["items"]}
    for name, user in world.users.items():
        status = 200 if name in listed else 404
        assert (await client.get(f"/v1/users/{user}")).status_code == status, name
        assert (await client.get(f"/v1/users/{user}/sessions")).status_code == status, name
    return listed


async def test_manager_answers_for_the_agents_and_managers_below_and_nobody_else(
    world: World, other_world: World
) -> None:
    assert await managed(world, world.manager) == {"agent", "mate"}
    assert await managed(world, world.admin) == set(USERS)
    await world.db.execute(  # the top of the tree, where the administrator and the auditor are too
        "UPDATE users SET team_id = $1 WHERE id = $2", world.teams["branch"], world.users["manager"]
    )
    deps.forget_actors()
    assert await managed(world, world.manager) == {"agent", "mate", "stranger"}
    assert (await other_world.admin.get(f"/v1/users/{world.users['agent']}")).status_code == 404


async def test_manager_ends_no_session_and_no_employment_of_others(world: World) -> None:
    leave = {"left_on": "2026-01-01", "to_user_id": str(world.users["agent"])}
    for name in ("stranger", "admin", "auditor"):
        url = f"/v1/users/{world.users[name]}"
        ended = await world.manager.delete(f"{url}/sessions/{world.sessions[name]}")
        left = await world.manager.post(f"{url}/departure", json=leave, headers={"Idempotency-Key": name})
        assert (ended.status_code, left.status_code) == (404, 404), name
        deps.forget_actors()
        assert (await getattr(world, name).get("/v1/me")).status_code == 200


# --- what changes about a user counts at once ------------------------------------------------------------------


async def test_disabled_user_is_out(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    await world.db.execute("UPDATE users SET disabled_at = now() WHERE id = $1", world.users["agent"])
    assert await me(world, tokens) == 401
    assert (await refresh(world, tokens["refresh_token"])).status_code == 401


async def test_deleted_user_is_out(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    await world.db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", world.users["agent"])
    assert await me(world, tokens) == 401
    assert (await refresh(world, tokens["refresh_token"])).status_code == 401


async def test_new_role_counts_for_tokens_already_given(world: World) -> None:
    await create_customer(world.agent)
    await world.db.execute("UPDATE users SET role = 'auditor' WHERE id = $1", world.users["agent"])
    deps.forget_actors()
    answer = await world.agent.post("/v1/customers", json={"party_type": "individual", "name": "某"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert (await world.agent.get("/v1/me")).json()["role"] == "auditor"


async def test_team_move_counts_at_once_for_the_manager(world: World) -> None:
    url = f"/v1/customers/{(await create_customer(world.stranger))['id']}"
    assert (await world.manager.get(url)).status_code == 404
    await world.db.execute("UPDATE users SET team_id = $1 WHERE id = $2", world.teams["one"], world.users["stranger"])
    deps.forget_actors()
    assert (await world.manager.get(url)).status_code == 200
    await world.db.execute("UPDATE users SET role = 'agent' WHERE id = $1", world.users["manager"])
    deps.forget_actors()
    assert (await world.manager.get(url)).status_code == 404


async def test_what_a_process_remembers_of_a_caller_lasts_less_than_a_second(world: World) -> None:
    assert deps.ACTOR_SECONDS < 1
    assert (await world.agent.get("/v1/me")).status_code == 200
    until, _actor = deps._actors[world.sessions["agent"]]
    assert until - asyncio.get_running_loop().time() <= deps.ACTOR_SECONDS
    await world.db.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", world.sessions["agent"])
    deps._actors[world.sessions["agent"]] = (0.0, _actor)  # that time has passed
    assert (await world.agent.get("/v1/me")).status_code == 401
    assert world.sessions["agent"] not in deps._actors
