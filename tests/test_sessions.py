"""Signing in, staying signed in, and being out at once."""

import asyncio
import base64
import time
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import deps, keyring, reads
from app.services import sessions
from app.tokens import KeyTable, SigningKey
from tests.factories import World

PASSWORD = "vier-Kiesel-am-Fluss"
_hash = ""


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    """Each test begins as a process that remembers no caller."""
    deps.forget_actors()


async def give_password(world: World, *names: str) -> None:
    """A real hash for these users; made once, argon2 is meant to be slow."""
    global _hash
    _hash = _hash or await sessions.passwords().hash(PASSWORD)
    await world.db.execute(
        "UPDATE users SET password_hash = $1 WHERE org_id = $2 AND username = ANY($3)",
        _hash,
        world.org_id,
        list(names or ("agent",)),
    )


def credentials(world: World, **over: Any) -> dict[str, Any]:
    device = {"id": "phone-1", "name": "测试手机", "platform": "harmony"}
    return {"org": world.code, "username": "agent", "password": PASSWORD, "device": device, **over}


async def sign_in(world: World, **over: Any) -> dict[str, Any]:
    answer = await world.client().post("/v1/auth/login", json=credentials(world, **over))
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


async def refresh(world: World, token: str) -> httpx.Response:
    return await world.client().post("/v1/auth/refresh", json={"refresh_token": token})


async def me(world: World, tokens: dict[str, Any]) -> int:
    """What another process would answer to this access token."""
    deps.forget_actors()
    return (await world.client(tokens["access_token"]).get("/v1/me")).status_code


async def actions(world: World, session_id: str) -> list[str]:
    rows = await world.db.fetch(
        "SELECT action FROM audit_events WHERE org_id = $1 AND object_id = $2 ORDER BY at",
        world.org_id,
        UUID(session_id),
    )
    return [row["action"] for row in rows]


async def age_use(world: World, tokens: dict[str, Any], seconds: int) -> None:
    """As if the refresh tokens of this session had been used that long ago."""
    await world.db.execute(
        "UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $1) WHERE session_id = $2",
        seconds,
        UUID(tokens["session_id"]),
    )


# --- login -----------------------------------------------------------------------------------------------------


async def test_login_opens_a_session_and_says_who_one_is(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] <= 600
    body = (await world.client(tokens["access_token"]).get("/v1/me")).json()
    assert (body["id"], body["org_code"], body["role"]) == (str(world.users["agent"]), world.code, "agent")
    assert body["session_id"] == tokens["session_id"]
    assert "customers:write" in body["scopes"]
    assert await actions(world, tokens["session_id"]) == ["session.opened"]


async def test_login_ignores_the_case_of_organisation_and_user(world: World) -> None:
    await give_password(world)
    await sign_in(world, org=world.code.upper(), username="AGENT")


async def test_every_refused_login_is_the_same_answer(world: World, other_world: World) -> None:
    await give_password(world, "agent", "mate", "stranger")
    await world.db.execute("UPDATE users SET disabled_at = now() WHERE id = $1", world.users["mate"])
    await world.db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", world.users["stranger"])
    tries: list[dict[str, Any]] = [
        {"password": PASSWORD + "x"},
        {"password": PASSWORD.lower()},
        {"password": "x"},
        {"username": "nobody"},
        {"org": "t-000000000000"},
        {"org": other_world.code},  # there the user has no password
        {"username": "mate"},
        {"username": "stranger"},
    ]
    answers = [await world.client().post("/v1/auth/login", json=credentials(world, **over)) for over in tries]
    assert {answer.status_code for answer in answers} == {401}
    assert len({str({**answer.json(), "request_id": ""}) for answer in answers}) == 1
    assert answers[0].json()["code"] == "login_failed"
    assert len({str(sorted(set(answer.headers) - {"x-request-id"})) for answer in answers}) == 1
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE org_id = $1", world.org_id) == 6  # no new one


async def test_refused_login_is_a_security_event_without_the_typed_name(world: World) -> None:
    for name in ("agent", "li-lei-privat"):
        await world.client().post("/v1/auth/login", json=credentials(world, username=name))
    rows = await world.db.fetch(
        "SELECT object_id, actor_kind, detail, request_id FROM audit_events "
        "WHERE org_id = $1 AND action = 'session.login_refused' ORDER BY at",
        world.org_id,
    )
    assert [row["object_id"] for row in rows] == [world.users["agent"], None]
    assert {row["actor_kind"] for row in rows} == {"anonymous"}
    assert "li-lei-privat" not in str([tuple(row) for row in rows])
    assert all(row["request_id"] for row in rows)


async def test_login_body_with_unknown_or_impossible_members_is_422(world: World) -> None:
    for over in ({"role": "admin"}, {"org": "a b"}, {"password": "x" * 513}, {"device": {"id": "p"}}, {"username": 7}):
        answer = await world.client().post("/v1/auth/login", json=credentials(world, **over))
        assert answer.status_code == 422, over
        assert PASSWORD not in answer.text


# --- refresh ---------------------------------------------------------------------------------------------------


async def test_refresh_rotates_and_keeps_the_session(world: World) -> None:
    await give_password(world)
    first = await sign_in(world)
    second = (await refresh(world, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["session_id"] == first["session_id"]
    third = await refresh(world, second["refresh_token"])
    assert third.status_code == 200
    assert await me(world, third.json()) == 200


async def test_reuse_after_the_successor_was_used_ends_the_session(world: World) -> None:
    await give_password(world)
    first = await sign_in(world)
    second = (await refresh(world, first["refresh_token"])).json()
    third = (await refresh(world, second["refresh_token"])).json()
    stolen = await refresh(world, first["refresh_token"])
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_invalid")
    for tokens in (first, second, third):
        assert await me(world, tokens) == 401
        assert (await refresh(world, tokens["refresh_token"])).status_code == 401
    assert await actions(world, first["session_id"]) == ["session.opened", "session.refresh_reused"]
    reason = await world.db.fetchval("SELECT revoked_reason FROM sessions WHERE id = $1", UUID(first["session_id"]))
    assert reason == "refresh_reused"


async def test_theft_ends_one_session_and_not_the_other_device(world: World) -> None:
    await give_password(world)
    phone, tablet = await sign_in(world), await sign_in(world)
    second = (await refresh(world, phone["refresh_token"])).json()
    await refresh(world, second["refresh_token"])
    assert (await refresh(world, phone["refresh_token"])).status_code == 401
    assert await me(world, tablet) == 200


async def test_lost_answer_within_thirty_seconds_gets_the_same_successor(world: World) -> None:
    await give_password(world)
    first = await sign_in(world)
    second = (await refresh(world, first["refresh_token"])).json()
    await age_use(world, first, 25)
    again = await refresh(world, first["refresh_token"])
    assert again.json()["refresh_token"] == second["refresh_token"]
    assert await me(world, again.json()) == 200
    assert (await refresh(world, second["refresh_token"])).status_code == 200


async def test_lost_answer_after_thirty_seconds_is_taken_for_theft(world: World) -> None:
    await give_password(world)
    first = await sign_in(world)
    second = (await refresh(world, first["refresh_token"])).json()
    await age_use(world, first, 31)
    assert (await refresh(world, first["refresh_token"])).status_code == 401
    assert await me(world, second) == 401


async def test_fifty_parallel_refreshes_make_one_successor(world: World) -> None:
    await give_password(world)
    first = await sign_in(world)
    answers = await asyncio.gather(*(refresh(world, first["refresh_token"]) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    live = await world.db.fetchval(
        "SELECT count(*) FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL", UUID(first["session_id"])
    )
    assert live == 1
    assert await me(world, answers[0].json()) == 200


async def test_refresh_tokens_that_are_none_get_one_answer(world: World, other_world: World) -> None:
    await give_password(world)
    good = (await sign_in(world))["refresh_token"]
    assert good.startswith("rmr_")
    middle = len(good) // 2
    moved = sessions._new_refresh(other_world.org_id)[:26] + good[26:]  # the secret under another organisation
    bad = [
        "rmr_" + "A" * 64,
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :],
        good[4:],
        good + "AAAA",
        moved,
        sessions._new_refresh(uuid7()),
        "x" * 20,
    ]
    answers = [await refresh(world, text) for text in bad]
    assert {answer.status_code for answer in answers} == {401}
    assert len({str({**answer.json(), "request_id": ""}) for answer in answers}) == 1
    assert (await refresh(world, good)).status_code == 200  # and none of them cost the owner anything


@pytest.mark.parametrize("column", ["idle_expires_at", "absolute_expires_at"])
async def test_expired_session_refuses_refresh_and_access(world: World, column: str) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    await world.db.execute(
        f"UPDATE sessions SET {column} = now() - interval '1 second' WHERE id = $1", UUID(tokens["session_id"])
    )
    assert (await refresh(world, tokens["refresh_token"])).status_code == 401
    assert await me(world, tokens) == 401
    assert len((await world.agent.get("/v1/auth/sessions")).json()["items"]) == 1


async def test_refresh_moves_the_idle_end_but_not_the_absolute_one(world: World) -> None:
    await give_password(world)
    tokens = await sign_in(world)
    ends = "SELECT idle_expires_at, absolute_expires_at FROM sessions WHERE id = $1"
    await world.db.execute(
        "UPDATE sessions SET idle_expires_at = now() + interval '1 hour' WHERE id = $1", UUID(tokens["session_id"])
    )
    before = await world.db.fetchrow(ends, UUID(tokens["session_id"]))
    await refresh(world, tokens["refresh_token"])
    after = await world.db.fetchrow(ends, UUID(tokens["session_id"]))
    assert after["idle_expires_at"] > before["idle_expires_at"]
    assert after["absolute_expires_at"] == before["absolute_expires_at"]


# --- own sessions ----------------------------------------------------------------------------------------------


async def test_logout_ends_this_session_only(world: World) -> None:
    await give_password(world)
    here, there = await sign_in(world), await sign_in(world)
    client = world.client(here["access_token"])
    assert (await client.post("/v1/auth/logout")).status_code == 204
    assert (await client.get("/v1/me")).status_code == 401  # in this process without waiting
    assert (await refresh(world, here["refresh_token"])).status_code == 401
    assert await me(world, there) == 200
    assert await actions(world, here["session_id"]) == ["session.opened", "session.ended"]


async def test_list_shows_only_own_live_sessions(world: World) -> None:
    await give_password(world, "agent", "mate")
    tokens = await sign_in(world)
    await sign_in(world, username="mate")
    items = (await world.client(tokens["access_token"]).get("/v1/auth/sessions")).json()["items"]
    assert {item["id"] for item in items} == {tokens["session_id"], str(world.sessions["agent"])}
    assert [item["id"] for item in items if item["is_current"]] == [tokens["session_id"]]
    assert items[0]["platform"] == "harmony"


async def test_ending_another_own_session_puts_that_device_out(world: World) -> None:
    await give_password(world)
    lost = await sign_in(world)
    assert await me(world, lost) == 200
    url = f"/v1/auth/sessions/{lost['session_id']}"
    assert (await world.agent.delete(url)).status_code == 204
    assert (await world.client(lost["access_token"]).get("/v1/me")).status_code == 401
    assert (await refresh(world, lost["refresh_token"])).status_code == 401
    assert (await world.agent.delete(url)).status_code == 404  # it is over
    assert (await world.agent.get("/v1/me")).status_code == 200


async def test_foreign_session_is_as_unknown(world: World, other_world: World) -> None:
    victim = f"/v1/auth/sessions/{world.sessions['agent']}"
    for client in (world.mate, world.admin, other_world.admin):
        foreign, unknown = await client.delete(victim), await client.delete(f"/v1/auth/sessions/{uuid7()}")
        assert foreign.status_code == 404
        assert {**foreign.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert (await world.agent.get("/v1/me")).status_code == 200


# --- at rest ---------------------------------------------------------------------------------------------------


async def test_no_token_or_password_lies_in_any_table(world: World) -> None:
    await give_password(world)
    first = await sign_in(world)
    second = (await refresh(world, first["refresh_token"])).json()
    texts = [tokens[name] for tokens in (first, second) for name in ("access_token", "refresh_token")]
    secrets = [PASSWORD.encode(), *(text.encode() for text in texts)]
    secrets += [base64.urlsafe_b64decode(text[4:])[16:] for text in texts if text.startswith("rmr_")]
    assert len(secrets) == 7
    tables = await world.db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 10
    shapes = [secret.hex() for secret in secrets] + [secret.decode() for secret in secrets if secret.isascii()]
    assert len(shapes) >= 12
    hidden = [table for (table,) in tables if await _lies_in(world, table, shapes)]
    assert hidden == []
    name, kept = "测试手机", await world.db.fetchval("SELECT token_hash FROM refresh_tokens LIMIT 1")
    assert await _lies_in(world, "sessions", [name])  # the look finds what is there, text and bytes
    assert await _lies_in(world, "refresh_tokens", [kept.hex()])


async def _lies_in(world: World, table: str, shapes: list[str]) -> bool:
    """Whether a row holds one of these, as text or, in bytes, as hexadecimal digits."""
    found = await world.db.fetchval(
        f'SELECT EXISTS (SELECT 1 FROM (SELECT t::text AS said FROM "{table}" t) AS rows, unnest($1::text[]) AS shape '
        "WHERE position(shape IN said) > 0)",
        shapes,
    )
    return bool(found)


async def test_token_of_an_unknown_key_asks_the_database_at_most_every_five_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = SigningKey.generate()
    table = KeyTable([(stranger.kid, stranger.to_pem(), "active")], issuer="renmai", audience="renmai-api")
    sid = world.sessions["agent"]
    claims = table.new_claims(org=world.org_id, sub=world.users["agent"], sid=sid, auth_time=int(time.time()))
    ring, asked = keyring.current(), list[object]()
    ask = reads.with_connection

    async def counted(question: Any) -> Any:
        asked.append(question)
        return await ask(question)

    monkeypatch.setattr(reads, "with_connection", counted)
    client = world.client(table.sign(claims))
    for age, most in ((keyring.UNKNOWN_KID_SECONDS + 1, 1), (0, 0)):
        asked.clear()
        ring.loaded_at = time.monotonic() - age
        assert [(await client.get("/v1/me")).status_code for _ in range(3)] == [401] * 3
        assert len(asked) == most


@pytest.mark.parametrize("path", ["/v1/auth/login", "/v1/auth/refresh"])
async def test_parameter_in_the_address_is_refused_before_anything_is_tried(world: World, path: str) -> None:
    """Somebody who puts a password there must not be taught that it works."""
    body = credentials(world) if path.endswith("login") else {"refresh_token": "rmr_" + "A" * 64}
    answer = await world.client().post(path, json=body, params={"password": PASSWORD})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "password")
    assert PASSWORD not in answer.text
