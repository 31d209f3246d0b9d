"""Invitations: one link, one person, once."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import deps
from app.services import invitations
from tests.factories import World, if_match
from tests.test_sessions import PASSWORD, give_password, me, sign_in

INVITED = {"username": "neu.er", "name": "林新人", "role": "agent"}


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


async def invite(world: World, **over: Any) -> dict[str, Any]:
    body = {**INVITED, "team_id": str(world.teams["one"]), **over}
    answer = await world.admin.post("/v1/invitations", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def accept(world: World, token: str, password: str = PASSWORD) -> httpx.Response:
    return await world.client().post("/v1/auth/invitations/accept", json={"token": token, "password": password})


async def test_invited_person_chooses_a_password_and_signs_in(world: World) -> None:
    made = await invite(world)
    assert (await accept(world, made["token"])).status_code == 204
    tokens = await sign_in(world, username="neu.er")
    body = (await world.client(tokens["access_token"]).get("/v1/me")).json()
    assert (body["name"], body["role"], body["team_id"]) == ("林新人", "agent", str(world.teams["one"]))
    row = (await world.admin.get(f"/v1/invitations/{made['id']}")).json()
    assert (row["user_id"], row["accepted_at"] is not None) == (body["id"], True)


async def test_link_is_good_once_even_for_twenty_at_once(world: World) -> None:
    token = (await invite(world))["token"]
    answers = await asyncio.gather(*(accept(world, token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [204] + [401] * 19
    count = await world.db.fetchval(
        "SELECT count(*) FROM users WHERE org_id = $1 AND username = 'neu.er'", world.org_id
    )
    assert count == 1


async def test_links_that_open_nothing_get_one_answer(world: World, other_world: World) -> None:
    used, back, late = [await invite(world, username=name) for name in ("a.a", "b.b", "c.c")]
    await accept(world, used["token"])
    await world.admin.delete(f"/v1/invitations/{back['id']}", headers=if_match(back))
    await world.db.execute("UPDATE invitations SET expires_at = now() WHERE id = $1", UUID(late["id"]))
    tokens = [used["token"], back["token"], late["token"], invitations._new_token(other_world.org_id),
              invitations._new_token(uuid7()), "rmi_" + "A" * 64, "x" * 20]  # fmt: skip
    answers = [await accept(world, token) for token in tokens]
    assert {answer.status_code for answer in answers} == {401}
    assert len({str({**answer.json(), "request_id": ""}) for answer in answers}) == 1
    assert answers[0].json()["code"] == "invitation_invalid"


async def test_weak_password_is_refused_and_the_link_stays_good(world: World) -> None:
    token = (await invite(world))["token"]
    for weak, code in (("kurz", "too_short"), ("neu.er-passt-hier", "context"), ("password1234567", "common")):
        answer = await accept(world, token, weak)
        issue = answer.json()["errors"][0]
        assert (answer.status_code, issue["pointer"], issue["code"]) == (422, "/password", f"password_{code}")
        assert weak not in answer.text
    assert (await accept(world, token)).status_code == 204


async def test_form_of_the_organisation_is_asked_for(world: World) -> None:
    await world.db.execute("UPDATE org_settings SET password_form = 'mlps' WHERE org_id = $1", world.org_id)
    token = (await invite(world))["token"]
    answer = await accept(world, token, "vierkieselamfluss")
    assert answer.json()["errors"][0]["code"] == "password_classes"
    assert (await accept(world, token, "Vier-Kiesel-am-Fluss-7")).status_code == 204


async def test_token_is_shown_once_and_stored_nowhere(world: World) -> None:
    key = {"Idempotency-Key": "einmal-1"}
    first = await world.admin.post("/v1/invitations", json=INVITED, headers=key)
    again = await world.admin.post("/v1/invitations", json=INVITED, headers=key)
    assert again.json() == first.json()  # a lost answer is no lost link
    token, url = first.json()["token"], f"/v1/invitations/{first.json()['id']}"
    for answer in (await world.admin.get(url), await world.admin.get("/v1/invitations")):
        assert "token" not in answer.text
    for table in ("invitations", "idempotency_keys", "audit_events"):
        rows = await world.db.fetch(f"SELECT * FROM {table} WHERE org_id = $1", world.org_id)
        for value in (value for row in rows for value in row.values()):
            assert token.encode() not in (value if isinstance(value, bytes) else str(value).encode())


async def test_taken_name_and_unknown_team_are_refused(world: World, other_world: World) -> None:
    answer = await world.admin.post("/v1/invitations", json={**INVITED, "username": "agent"})
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")
    for team in (other_world.teams["one"], uuid7()):
        answer = await world.admin.post("/v1/invitations", json={**INVITED, "team_id": str(team)})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/team_id")
    one, two = await invite(world), await invite(world)
    assert (await accept(world, one["token"])).status_code == 204
    assert (await accept(world, two["token"])).json()["code"] == "username_taken"


async def test_forgotten_password_is_replaced_and_other_sessions_end(world: World) -> None:
    await give_password(world)
    old = await sign_in(world)
    answer = await world.admin.post(f"/v1/users/{world.users['agent']}/password-resets")
    assert answer.status_code == 201
    assert await me(world, old) == 200  # until it is used
    assert (await accept(world, answer.json()["token"], "Sieben-Weiden-im-Wind")).status_code == 204
    assert await me(world, old) == 401
    await sign_in(world, password="Sieben-Weiden-im-Wind")


async def test_invitations_are_listed_by_what_became_of_them(world: World) -> None:
    used, late, waiting = [await invite(world, username=name) for name in ("a.a", "b.b", "c.c")]
    await accept(world, used["token"])
    await world.db.execute("UPDATE invitations SET expires_at = now() WHERE id = $1", UUID(late["id"]))
    for state, one in (("accepted", used), ("expired", late), ("open", waiting)):
        items = (await world.admin.get(f"/v1/invitations?state={state}")).json()["items"]
        assert [item["id"] for item in items] == [one["id"]], state
    first = (await world.admin.get("/v1/invitations?limit=2")).json()
    rest = (await world.admin.get(f"/v1/invitations?limit=2&cursor={first['next_cursor']}")).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [waiting["id"], late["id"], used["id"]]


async def test_only_an_administrator_who_is_there_invites(world: World) -> None:
    for client in (world.agent, world.manager, world.auditor):
        assert (await client.post("/v1/invitations", json=INVITED)).status_code == 403
    stale = world.client(world.token("admin", proven_ago=301))
    answer = await stale.post("/v1/invitations", json=INVITED)
    assert (answer.status_code, answer.json()["code"], answer.json()["max_age"]) == (401, "step_up_required", 300)
    assert 'error="insufficient_user_authentication", max_age="300"' in answer.headers["www-authenticate"]
