"""What happens at the same time: accounts that change while somebody signs in, people who leave while others work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, deps
from app.config import Settings
from app.models.customers import CustomerTransfer
from app.models.shadow_contacts import ShadowContactPromote
from app.passwords import Passwords
from app.services import customers, customers_transfer, shadow_contacts
from tests.factories import World, add_user, create_customer, if_match
from tests.shadows import CONTACTS, known
from tests.test_invitations import accept, invite
from tests.test_sessions import PASSWORD, credentials, give_password, sign_in
from tests.ties import Json, pair, relate, url

NEW = "Sieben-Weiden-im-Wind"
Sent = Coroutine[Any, Any, httpx.Response]


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    deps.forget_actors()


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Lets something happen once, right after a password was compared and before anything is done about it."""

    def arrange(meanwhile: Callable[[], Awaitable[Any]]) -> None:
        real, is_first = Passwords.verify, [True]

        async def verify(self: Passwords, stored: str | None, password: str) -> bool:
            found = await real(self, stored, password)
            if is_first.pop() if is_first else False:
                await meanwhile()
            return found

        monkeypatch.setattr(Passwords, "verify", verify)

    return arrange


async def reset_link(world: World, name: str = "agent") -> str:
    token: str = (await world.admin.post(f"/v1/users/{world.users[name]}/password-resets")).json()["token"]
    return token


async def test_sign_in_with_the_old_password_does_not_outlive_a_reset(world: World, pause: Any) -> None:
    await give_password(world)
    link = await reset_link(world)
    pause(lambda: accept(world, link, NEW))
    answer = await world.client().post("/v1/auth/login", json=credentials(world))
    assert (answer.status_code, answer.json()["code"]) == (401, "login_failed")


async def test_sign_in_does_not_outlive_being_shut_out(world: World, pause: Any) -> None:
    await give_password(world)
    url = f"/v1/users/{world.users['agent']}"
    pause(lambda: world.admin.post(f"{url}/disable"))
    assert (await world.client().post("/v1/auth/login", json=credentials(world))).status_code == 401
    await world.admin.post(f"{url}/enable")
    sessions = "SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL"
    assert await world.db.fetchval(sessions, world.users["agent"]) == 0


async def test_change_of_the_old_password_does_not_undo_a_reset(world: World, pause: Any) -> None:
    await give_password(world)
    tokens, link = await sign_in(world), await reset_link(world)
    pause(lambda: accept(world, link, NEW))
    body = {"current_password": PASSWORD, "new_password": "Einbrecher-waehlt-dies-9"}
    answer = await world.client(tokens["access_token"]).post("/v1/auth/password", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "step_up_failed")
    await sign_in(world, password=NEW)


# --- links of people who are gone ------------------------------------------------------------------------------


async def test_links_an_administrator_made_are_closed_when_he_is_shut_out_or_demoted(world: World) -> None:
    await add_user(world, "boss", "admin", "branch")
    boss = world.client(world.token("boss"))
    for index, way in enumerate(("disable", "role")):
        made = await invite(world, username=f"back.door{index}", role="admin")
        link = await reset_link(world, "boss")
        url = f"/v1/users/{world.users['admin']}"
        if way == "disable":
            assert (await boss.post(f"{url}/disable")).status_code == 200
        else:
            version = (await boss.get(url)).headers["etag"]
            assert (await boss.patch(url, json={"role": "agent"}, headers={"If-Match": version})).status_code == 200
        for token in (made["token"], link):
            assert (await accept(world, token, NEW)).status_code == 401, way
        await boss.post(f"{url}/enable")
        await world.db.execute("UPDATE sessions SET revoked_at = NULL WHERE id = $1", world.sessions["admin"])
        deps.forget_actors()


async def test_invitation_into_a_team_that_is_gone_still_lets_the_person_in(world: World) -> None:
    team = (await world.admin.post("/v1/teams", json={"name": "三部"})).json()
    made = await invite(world, team_id=team["id"])
    await world.admin.delete(f"/v1/teams/{team['id']}", headers=if_match(team))
    assert (await accept(world, made["token"])).status_code == 204
    row = "SELECT team_id FROM users WHERE org_id = $1 AND username = 'neu.er'"
    assert await world.db.fetchval(row, world.org_id) is None


# --- somebody leaves while others work -------------------------------------------------------------------------


@asynccontextmanager
async def leaving(world: World, settings: Settings, name: str) -> AsyncIterator[asyncpg.Connection]:
    """A departure that has locked the user and not ended yet; it ends, and he is gone, after the block."""
    assert settings.owner_database_url is not None
    connection = await asyncpg.connect(settings.owner_database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", world.users[name])
            yield connection
            gone = "UPDATE users SET disabled_at = now(), departed_on = current_date WHERE id = $1"
            await connection.execute(gone, world.users[name])
    finally:
        await connection.close()


async def until_it_waits(world: World, connection: asyncpg.Connection) -> None:
    """Until another transaction waits for the lock this one holds."""
    await wait_for_one(world, connection.get_server_pid())


async def wait_for_one(world: World, pid: int) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"
    async with asyncio.timeout(20):
        while not await world.db.fetchval(waiting, pid):
            pass


@pytest.mark.parametrize("has_id", [True, False])
async def test_customer_made_while_his_agent_leaves_is_refused(world: World, settings: Settings, has_id: bool) -> None:
    body = {"party_type": "individual", "name": "王永庆", **({"id": str(uuid4())} if has_id else {})}
    async with leaving(world, settings, "agent") as connection:
        task = asyncio.create_task(world.agent.post("/v1/customers", json=body))
        await until_it_waits(world, connection)
    assert (await task).status_code == 401
    assert await world.db.fetchval("SELECT count(*) FROM customers WHERE org_id = $1", world.org_id) == 0


async def test_customer_is_not_handed_to_somebody_who_is_leaving(world: World, settings: Settings) -> None:
    customer = await create_customer(world.agent)
    url, body = f"/v1/customers/{customer['id']}/transfer", {"to_user_id": str(world.users["mate"])}
    async with leaving(world, settings, "mate") as connection:
        task = asyncio.create_task(world.manager.post(url, json=body))
        await until_it_waits(world, connection)
    answer: httpx.Response = await task
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/to_user_id")


# --- both ends of a relationship change -------------------------------------------------------------------------------


@asynccontextmanager
async def working(world: World, name: str) -> AsyncIterator[tuple[AsyncSession, access.Actor, asyncpg.Connection]]:
    """A request of this user that is carried out and not committed yet; it is, after the block."""
    actor = await access.user_actor(world.org_id, world.users[name], world.sessions[name])
    assert actor is not None
    async with db.transaction(world.org_id) as session:
        yield session, actor, db.raw(session)


async def hangs(world: World, made: Json) -> bool:
    found: bool = await world.db.fetchval("SELECT is_dangling FROM relationships WHERE id = $1", UUID(made["id"]))
    return found


async def test_tie_hangs_when_one_end_is_restored_beside_the_deletion_of_the_other(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    await world.agent.delete(f"/v1/customers/{one['id']}", headers=if_match(one))
    async with working(world, "agent") as (session, actor, connection):
        await customers.restore(session, actor, UUID(one["id"]))
        task = asyncio.create_task(world.agent.delete(f"/v1/customers/{other['id']}", headers=if_match(other)))
        await until_it_waits(world, connection)
    assert (await task).status_code == 204
    assert await hangs(world, made)
    await world.db.execute("UPDATE customers SET deleted_at = now() - interval '90 days' WHERE id = $1", other["id"])
    assert "李雷" not in (await world.agent.get(f"/v1/customers/{one['id']}/network")).text


async def test_tie_is_there_when_both_ends_are_restored_at_once(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    for customer in (one, other):
        await world.agent.delete(f"/v1/customers/{customer['id']}", headers=if_match(customer))
    async with working(world, "agent") as (session, actor, connection):
        await customers.restore(session, actor, UUID(one["id"]))
        task = asyncio.create_task(world.agent.post(f"/v1/customers/{other['id']}/restore"))
        await until_it_waits(world, connection)
    assert (await task).status_code == 200
    assert not await hangs(world, made)
    assert other["id"] in (await world.agent.get(f"/v1/customers/{one['id']}/network")).text


# --- a customer is handed over while his relationships are written ----------------------------------------------------


async def phones(world: World, made: Json) -> dict[str, bool]:
    """Who was told of it last, and whether it is gone for him."""
    rows = await world.db.fetch("SELECT scope, removed FROM feed WHERE id = $1", UUID(made["id"]))
    names = {user_id: name for name, user_id in world.users.items()}
    return {names[row["scope"]]: row["removed"] for row in rows}


MEAL = {"kind": "meal", "occurred_on": "2026-01-05"}
WRITES: dict[str, Callable[[World, str, Json], Sent]] = {
    "note": lambda world, place, made: world.agent.patch(place, json={"note": "欠我钱"}, headers=if_match(made)),
    "delete": lambda world, place, made: world.agent.delete(place, headers=if_match(made)),
    "restore": lambda world, place, _: world.agent.post(f"{place}/restore"),
    "interaction": lambda world, place, _: world.agent.post(f"{place}/interactions", json=MEAL),
}


@pytest.mark.parametrize("write", WRITES)
async def test_tie_is_not_written_by_whom_both_ends_leave_meanwhile(world: World, write: str) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    place = url(one, made["id"])
    if write == "restore":
        await world.agent.delete(place, headers=if_match(made))
    async with working(world, "manager") as (session, actor, connection):
        for customer in (one, other):
            to_mate = CustomerTransfer(to_user_id=world.users["mate"])
            await customers_transfer.transfer(session, actor, UUID(customer["id"]), to_mate)
        task = asyncio.create_task(WRITES[write](world, place, made))
        await until_it_waits(world, connection)
    assert (await task).status_code == 404
    found = await world.db.fetchrow("SELECT note_enc, version FROM relationships WHERE id = $1", UUID(made["id"]))
    assert tuple(found) == (None, 2 if write == "restore" else 1)
    assert await phones(world, made) == ({"agent": True} if write == "restore" else {"agent": True, "mate": False})


async def test_recorded_contact_is_not_taken_back_by_whom_both_ends_leave_meanwhile(world: World) -> None:
    one, other = await pair(world)
    made = await relate(world.agent, one, other)
    contact = (await world.agent.post(url(one, made["id"], "interactions"), json=MEAL)).json()
    async with working(world, "manager") as (session, actor, connection):
        for customer in (one, other):
            to_mate = CustomerTransfer(to_user_id=world.users["mate"])
            await customers_transfer.transfer(session, actor, UUID(customer["id"]), to_mate)
        task = asyncio.create_task(world.agent.delete(url(one, made["id"], "interactions", contact["id"])))
        await until_it_waits(world, connection)
    assert (await task).status_code == 404
    assert (await world.mate.get(url(one, made["id"], "interactions", contact["id"]))).status_code == 200
    assert await phones(world, made) == {"agent": True, "mate": False}


# --- what is written on a network while its writer, or an agent, leaves -----------------------------------------------


async def network_writes(world: World) -> dict[str, Callable[[], Sent]]:
    """Every way the agent may write on his network, ready to be sent."""
    agent = world.agent
    through, contact = await known(world)
    other = await create_customer(agent, name="李雷")
    made, gone = await relate(agent, through, other), await relate(agent, through, other, "ally")
    await agent.delete(url(through, gone["id"]), headers=if_match(gone))
    place, asked = url(through, made["id"]), f"/v1/customers/{through['id']}/coverage-answers/client"
    met = (await agent.post(f"{place}/interactions", json=MEAL)).json()
    made = (await agent.get(place)).json()
    dismissed = f"/v1/network/recommendation-dismissals/{other['id']}"
    tied = {"other_id": other["id"], "direction": "partner"}
    someone = {"name": "某人", "party_type": "individual", "known_through_id": through["id"]}
    contact = (await agent.get(f"{CONTACTS}/{contact['id']}")).json()
    return {
        "create": lambda: agent.post(url(through), json=tied),
        "update": lambda: agent.patch(place, json={"role": "x"}, headers=if_match(made)),
        "delete": lambda: agent.delete(place, headers=if_match(made)),
        "restore": lambda: agent.post(url(through, gone["id"], "restore")),
        "bulk": lambda: agent.post("/v1/relationships/bulk", json={"items": [{"customer_id": through["id"], **tied}]}),
        "meet": lambda: agent.post(f"{place}/interactions", json=MEAL),
        "unmeet": lambda: agent.delete(f"{place}/interactions/{met['id']}"),
        "know": lambda: agent.post(CONTACTS, json={**someone, "relation": {"type": "friend"}}),
        "confirm": lambda: agent.patch(f"{CONTACTS}/{contact['id']}", json={"name": "陈"}, headers=if_match(contact)),
        "promote": lambda: agent.post(f"{CONTACTS}/{contact['id']}/promote", json={"stage": "prospect"}),
        "answer": lambda: agent.put(asked, json={"asked_on": "2026-01-05"}),
        "unanswer": lambda: agent.delete(asked),
        "dismiss": lambda: agent.put(dismissed, json={"reason": "not_now"}),
        "undismiss": lambda: agent.delete(dismissed),
    }


@pytest.mark.parametrize(
    "name",
    ["create", "update", "delete", "restore", "bulk", "meet", "unmeet", "know", "confirm", "promote", "answer",
     "unanswer", "dismiss", "undismiss"],
)  # fmt: skip
async def test_who_is_leaving_writes_nothing_on_his_network_any_more(
    world: World, settings: Settings, name: str
) -> None:
    writes = await network_writes(world)
    trail = "SELECT count(*) FROM audit_events WHERE org_id = $1"
    before = await world.db.fetchval(trail, world.org_id)
    async with leaving(world, settings, "agent") as connection:
        task = asyncio.create_task(writes[name]())
        await until_it_waits(world, connection)
    assert (await task).status_code == 401
    assert await world.db.fetchval(trail, world.org_id) == before


async def test_who_is_there_writes_all_of_it(world: World) -> None:
    for name, send in (await network_writes(world)).items():
        answer = await send()
        stale = name == "delete"  # after the update before it
        assert answer.status_code in ((412,) if stale else (200, 201, 204)), (name, answer.text)


KEY = {"Idempotency-Key": "once"}


async def promoted_beside(world: World, move: Callable[[Json], Sent]) -> tuple[httpx.Response, Json]:
    """Somebody is promoted by the manager, and `move` sent before that is committed; the answer, and who he is."""
    through, contact = await known(world)
    async with working(world, "manager") as (session, actor, connection):
        data = ShadowContactPromote(stage="prospect")
        await shadow_contacts.promote(session, actor, UUID(contact["id"]), data)
        task = asyncio.create_task(move(through))
        await until_it_waits(world, connection)
    return await task, contact


async def owner(world: World, customer: Json) -> UUID:
    found: UUID = await world.db.fetchval("SELECT owner_id FROM customers WHERE id = $1", UUID(customer["id"]))
    return found


async def test_who_is_promoted_while_his_agent_leaves_is_handed_over_with_the_others(world: World) -> None:
    body = {"left_on": "2026-11-01", "to_user_id": str(world.users["mate"])}
    place = f"/v1/users/{world.users['agent']}/departure"
    answer, contact = await promoted_beside(world, lambda _: world.admin.post(place, json=body, headers=KEY))
    assert answer.status_code == 201
    assert contact["id"] in answer.json()["handed_over"][0]["customer_ids"]
    assert await owner(world, contact) == world.users["mate"]


async def test_who_is_promoted_while_his_customer_is_handed_over_stays_with_his_agent(world: World) -> None:
    body = {"to_user_id": str(world.users["mate"])}
    answer, contact = await promoted_beside(
        world, lambda through: world.admin.post(f"/v1/customers/{through['id']}/transfer", json=body, headers=KEY)
    )
    assert answer.status_code == 200
    assert await owner(world, contact) == world.users["agent"]
    assert (await world.agent.get(f"/v1/customers/{contact['id']}")).json()["stage"] == "prospect"
    assert (await phones(world, contact))["agent"] is False


async def test_contact_handed_over_meanwhile_is_promoted_for_his_new_agent(world: World) -> None:
    through, contact = await known(world)
    async with working(world, "admin") as (session, actor, connection):
        to_mate = CustomerTransfer(to_user_id=world.users["mate"])
        await customers_transfer.transfer(session, actor, UUID(through["id"]), to_mate)
        task = asyncio.create_task(
            world.manager.post(f"{CONTACTS}/{contact['id']}/promote", json={"stage": "prospect"})
        )
        await until_it_waits(world, connection)
    answer = await task
    assert (answer.status_code, answer.json()["owner_id"]) == (200, str(world.users["mate"]))
