"""Users: made from the command line, administered over HTTP; whatever changes about one counts at once."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import db, deps, reads
from app.errors import Conflict
from app.models.users import Role
from app.passwords import WeakPassword
from app.services import users
from tests.factories import USERS, World, add_user, create_customer, create_service_team, if_match
from tests.matrix_makers import departed_person, person_with_second_factor
from tests.test_sessions import PASSWORD, credentials, give_password, me, refresh, sign_in


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


# --- over HTTP: reading ----------------------------------------------------------------------------------------


async def names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/v1/users{query}")
    assert answer.status_code == 200, answer.text
    return [item["username"] for item in answer.json()["items"]]


async def person(world: World, name: str = "agent") -> dict[str, Any]:
    answer = await world.admin.get(f"/v1/users/{world.users[name]}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def change(world: World, who: str, *, by: str = "admin", **members: Any) -> httpx.Response:
    headers = if_match(await person(world, who))
    client: httpx.AsyncClient = getattr(world, by)
    return await client.patch(f"/v1/users/{world.users[who]}", json=members, headers=headers)


async def last_event(world: World, name: str) -> tuple[str, str]:
    row = await world.db.fetchrow(
        "SELECT action, detail, actor_id FROM audit_events WHERE object_id = $1 ORDER BY at DESC, id DESC LIMIT 1",
        world.users[name],
    )
    assert row["actor_id"] == world.users["admin"]
    return row["action"], row["detail"]


async def test_everybody_lists_those_he_answers_for(world: World, other_world: World) -> None:
    everybody = ["admin", "agent", "auditor", "manager", "mate", "stranger"]
    assert await names(world.admin) == everybody
    assert await names(world.auditor) == everybody
    assert await names(world.manager) == ["agent", "mate"]
    assert (await world.agent.get("/v1/users")).status_code == 403


async def test_users_are_filtered_and_paged(world: World) -> None:
    await world.db.execute("UPDATE users SET disabled_at = now() WHERE id = $1", world.users["mate"])
    assert await names(world.admin, "?role=agent") == ["agent", "mate", "stranger"]
    assert await names(world.admin, "?role=agent&is_disabled=false") == ["agent", "stranger"]
    assert await names(world.admin, "?is_disabled=true") == ["mate"]
    assert await names(world.admin, f"?team_id={world.teams['one']}") == ["agent", "manager", "mate"]
    assert await names(world.manager, "?role=admin") == []
    found, url = [], "/v1/users?limit=2"
    while url:
        page = await world.admin.get(url)
        found += [item["username"] for item in page.json()["items"]]
        url = page.headers["link"].split(">")[0].lstrip("<") if "link" in page.headers else ""
    assert found == await names(world.admin)
    for wrong in ("role=boss", "is_disabled=maybe", "team_id=1", "limit=0", "limit=201"):
        answer = await world.admin.get(f"/v1/users?{wrong}")
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, wrong.split("=")[0])


async def test_user_is_read_without_anything_secret_and_only_when_changed(world: World) -> None:
    url = f"/v1/users/{world.users['agent']}"
    answer = await world.manager.get(url)
    assert answer.json() == {
        **(await person(world)), "username": "agent", "role": "agent", "team_id": str(world.teams["one"]),
        "is_disabled": False, "has_second_factor": False, "departed_on": None, "version": 1,
        "licence_no": None, "qualification_level": None,
    }  # fmt: skip
    assert "password" not in answer.text
    again = await world.manager.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    await person_with_second_factor(world, "agent")
    factors = {
        item["username"]: item["has_second_factor"] for item in (await world.admin.get("/v1/users")).json()["items"]
    }
    assert sum(factors.values()) == 1
    assert factors["agent"] is False


# --- over HTTP: changing ---------------------------------------------------------------------------------------


async def test_user_is_changed_and_the_trail_names_members_not_values(world: World) -> None:
    answer = await change(world, "agent", name="林新名", team_id=str(world.teams["two"]))
    assert answer.status_code == 200
    body = answer.json()
    assert (body["name"], body["team_id"], body["role"], body["version"]) == (
        "林新名",
        str(world.teams["two"]),
        "agent",
        2,
    )
    assert await last_event(world, "agent") == ("user.updated", '{"fields": ["name", "team_id"]}')
    assert (await change(world, "agent", team_id=None)).json()["team_id"] is None
    assert await names(world.manager) == ["mate"]


async def test_change_needs_the_version_and_valid_members(world: World) -> None:
    url, service = f"/v1/users/{world.users['agent']}", await create_service_team(world)
    assert (await world.admin.patch(url, json={"name": "x"})).status_code == 428
    assert (await world.admin.patch(url, json={"name": "x"}, headers={"If-Match": '"7"'})).status_code == 412
    for member, value, code in (
        ("role", None, "choice"), ("role", "boss", "choice"), ("name", None, "type"), ("name", "", "too_short"),
        ("username", "x.x", "unknown"), ("is_disabled", True, "unknown"), ("team_id", service, "not_found"),
    ):  # fmt: skip
        members: dict[str, Any] = {member: value}
        answer = await change(world, "agent", **members)
        issue = answer.json()["errors"][0]
        assert (answer.status_code, issue["pointer"]) == (422, f"/{member}"), (member, code)
        assert issue["code"] == code, (member, value)
    assert (await person(world))["version"] == 1


async def test_new_role_and_team_count_for_sessions_that_are_open(world: World) -> None:
    customer = await create_customer(world.stranger)
    url = f"/v1/customers/{customer['id']}"
    assert (await world.agent.get(url)).status_code == 404
    assert (await change(world, "agent", role="manager", team_id=str(world.teams["two"]))).status_code == 200
    assert (await world.agent.get(url)).status_code == 200
    assert await names(world.agent) == ["stranger"]
    assert (await change(world, "agent", role="agent")).status_code == 200
    assert (await world.agent.get(url)).status_code == 404
    assert (await world.agent.get("/v1/users")).status_code == 403


async def test_only_an_administrator_changes_people(world: World) -> None:
    url = f"/v1/users/{world.users['agent']}"
    for name in ("agent", "mate", "manager", "auditor"):
        client: httpx.AsyncClient = getattr(world, name)
        assert (await change(world, "agent", by=name, name="x")).status_code == 403
        for command in ("disable", "enable", "password-resets"):
            assert (await client.post(f"{url}/{command}")).json()["required_scope"] == "users:write"
        assert (await client.delete(f"{url}/second-factor")).status_code == 403
    assert (await person(world))["version"] == 1


async def test_nobody_changes_his_own_role_or_shuts_himself_out(world: World) -> None:
    await add_user(world, "deputy", "admin", "branch")
    url = f"/v1/users/{world.users['admin']}"
    for answer in (await change(world, "admin", role="agent"), await world.admin.post(f"{url}/disable"),
                   await world.admin.delete(f"{url}/second-factor")):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (409, "own_account")
    assert (await change(world, "admin", name="新名", role="admin")).status_code == 200  # which changes no role


@pytest.mark.parametrize("how", ["role", "disable"])
async def test_two_administrators_at_once_do_not_remove_each_other(world: World, how: str) -> None:
    """Each alone may; together one of them must stay."""
    await add_user(world, "deputy", "admin", "branch")
    pairs = [(world.admin, "deputy"), (world.deputy, "admin")]
    for client, _other in pairs:
        assert (await client.get("/v1/me")).status_code == 200
    if how == "role":
        answers = await asyncio.gather(*(
            client.patch(f"/v1/users/{world.users[other]}", json={"role": "agent"}, headers={"If-Match": '"1"'})
            for client, other in pairs
        ))  # fmt: skip
    else:
        answers = await asyncio.gather(
            *(client.post(f"/v1/users/{world.users[other]}/disable") for client, other in pairs)
        )
    left = await world.db.fetchval(
        "SELECT count(*) FROM users WHERE org_id = $1 AND role = 'admin' AND disabled_at IS NULL", world.org_id
    )
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 200]
    assert (left, refused) == (1, ["last_admin"])


async def test_deleted_administrator_is_none_to_fall_back_on(world: World) -> None:
    await add_user(world, "deputy", "admin", "branch")
    await world.db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", world.users["admin"])
    async with db.transaction(world.org_id) as session:
        deputy = await users.named(session, world.org_id, "deputy")
        with pytest.raises(Conflict, match="last_admin"):
            await users._keep_an_admin(session, deputy)


async def test_disabled_user_is_out_and_enabled_he_signs_in_anew(world: World) -> None:
    await give_password(world)
    tokens, customer = await sign_in(world), await create_customer(world.agent)
    url = f"/v1/users/{world.users['agent']}"
    answer = await world.admin.post(f"{url}/disable")
    assert (answer.status_code, answer.json()["is_disabled"]) == (200, True)
    assert await last_event(world, "agent") == ("user.disabled", "{}")
    assert await me(world, tokens) == 401
    assert (await refresh(world, tokens["refresh_token"])).status_code == 401
    assert (await world.client().post("/v1/auth/login", json=credentials(world))).status_code == 401
    assert (await world.admin.get(f"/v1/customers/{customer['id']}")).json()["owner_id"] == str(world.users["agent"])
    assert (await world.admin.post(f"{url}/disable")).json() == answer.json()  # twice is once
    enabled = await world.admin.post(f"{url}/enable")
    assert (enabled.status_code, enabled.json()["is_disabled"]) == (200, False)
    assert await last_event(world, "agent") == ("user.enabled", "{}")
    assert await me(world, tokens) == 401
    assert await me(world, await sign_in(world)) == 200
    assert (await world.admin.post(f"{url}/enable")).json() == enabled.json()


async def test_lost_answer_of_a_command_is_answered_again(world: World) -> None:
    url, headers = f"/v1/users/{world.users['agent']}/password-resets", {"Idempotency-Key": "einmal"}
    first, again = [await world.admin.post(url, headers=headers) for _ in range(2)]
    assert (again.status_code, again.json()) == (201, first.json())
    assert first.headers["location"] == f"/v1/invitations/{first.json()['id']}"
    assert (first.json()["purpose"], first.json()["user_id"]) == ("reset_password", str(world.users["agent"]))


async def test_who_has_left_gets_neither_role_nor_password_nor_team(world: World) -> None:
    left = await departed_person(world, "agent")
    url, service = f"/v1/users/{left['user_id']}", await create_service_team(world)
    headers = {"If-Match": (await world.admin.get(url)).headers["etag"]}
    for answer in (
        await world.admin.patch(url, json={"role": "manager"}, headers=headers),
        await world.admin.post(f"{url}/password-resets"), await world.admin.post(f"{url}/enable"),
        await world.admin.put(f"/v1/teams/{service}/members/{left['user_id']}"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (409, "user_departed")


# --- over HTTP: other people's sessions and second factors -----------------------------------------------------


async def test_manager_ends_one_session_of_somebody_below_him(world: World) -> None:
    await give_password(world)
    lost, kept = [await sign_in(world, device={"id": f"p-{n}", "name": f"手机{n}", "platform": "ios"}) for n in (1, 2)]
    url = f"/v1/users/{world.users['agent']}/sessions"
    items = (await world.manager.get(url)).json()["items"]
    assert {item["id"] for item in items} == {lost["session_id"], kept["session_id"], str(world.sessions["agent"])}
    assert not any(item["is_current"] for item in items)
    assert (await world.manager.delete(f"{url}/{lost['session_id']}")).status_code == 204
    assert [await me(world, tokens) for tokens in (lost, kept)] == [401, 200]
    assert lost["session_id"] not in (await world.manager.get(url)).text
    assert (await world.manager.delete(f"{url}/{lost['session_id']}")).status_code == 404  # it has ended
    row = await world.db.fetchrow("SELECT revoked_reason FROM sessions WHERE id = $1::uuid", lost["session_id"])
    assert row["revoked_reason"] == "ended_by_manager"


async def test_session_is_ended_below_its_own_user_only(world: World) -> None:
    for user, session in (("agent", "mate"), ("agent", "manager"), ("agent", "stranger"), ("manager", "manager")):
        url = f"/v1/users/{world.users[user]}/sessions/{world.sessions[session]}"
        assert (await world.manager.delete(url)).status_code == 404, (user, session)
        assert (await getattr(world, session).get("/v1/me")).status_code == 200


async def test_removed_second_factor_ends_the_sessions_and_is_gone(world: World) -> None:
    found = await person_with_second_factor(world, "agent")
    url, user = f"/v1/users/{found['user_id']}", UUID(found["user_id"])
    assert (await world.admin.get(url)).json()["has_second_factor"] is True
    assert (await world.admin.delete(f"{url}/second-factor")).status_code == 204
    assert (await world.admin.get(url)).json()["has_second_factor"] is False
    assert (await world.admin.delete(f"{url}/second-factor")).status_code == 404
    live = "SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL"
    assert await world.db.fetchval(live, user) == 0
