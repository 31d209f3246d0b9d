"""The audit trail as administrators and auditors read it: complete, in order, and without a word about anybody."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
from uuid_utils.compat import uuid7

from tests.factories import World, create_company, create_customer, if_match
from tests.life_form import ANSWERS, complete, create_draft, save
from tests.test_sessions import credentials, give_password, sign_in

PATH = "/v1/audit-events"


async def events(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    """Every event, gathered two at a time, following the Link header's own cursor."""
    rows: list[dict[str, Any]] = []
    path: str | None = f"{PATH}?limit=2" + "".join(f"&{name}={quote(value)}" for name, value in query.items())
    while path is not None:
        page = await client.get(path)
        assert page.status_code == 200, page.text
        rows += page.json()["items"]
        cursor = page.json()["next_cursor"]
        assert ("link" in page.headers) == (cursor is not None)
        path = None if cursor is None else page.headers["link"].split(">")[0].lstrip("<")
    return rows


async def add_event(world: World, at: datetime, made_at: datetime) -> str:
    """An event whose id was made by a clock that says something else than the database's; its id."""
    event_id = UUID(int=(int(made_at.timestamp() * 1000) << 80) | (uuid7().int & ((1 << 80) - 1)))
    await world.db.execute(
        "INSERT INTO audit_events (org_id, id, at, actor_kind, action, object_type, detail, request_id) "
        "VALUES ($1, $2, $3, 'system', 'clock.compared', 'clock', '{}', '')",
        world.org_id,
        event_id,
        at,
    )
    return str(event_id)


async def test_every_change_is_told_once_newest_first(world: World) -> None:
    customer = await create_customer(world.agent)
    url = f"/v1/customers/{customer['id']}"
    changed = await world.agent.patch(url, json={"note": "x", "tags": ["vip"]}, headers=if_match(customer))
    moved = await world.manager.patch(url, json={"stage": "customer"}, headers=if_match(changed.json()))
    assert (await world.agent.delete(url, headers=if_match(moved.json()))).status_code == 204
    found = await events(world.auditor)
    assert [event["action"] for event in found] == [
        "customer.deleted",
        "customer.updated",
        "customer.stage_changed",
        "customer.updated",
        "customer.created",
    ]
    assert [event["id"] for event in found] == sorted((event["id"] for event in found), reverse=True)
    first = found[-2]
    assert first == {
        "id": first["id"],
        "at": first["at"],
        "actor_id": str(world.users["agent"]),
        "actor_kind": "user",
        "session_id": str(world.sessions["agent"]),
        "device_id": "test",
        "device_kind": "ios",
        "action": "customer.updated",
        "object_type": "customer",
        "object_id": customer["id"],
        "person_id": customer["id"],
        "other_person_id": None,
        "detail": {"fields": ["note", "tags"]},
        "request_id": changed.headers["x-request-id"],
    }
    assert found[2]["detail"] == {"old": "prospect", "new": "customer"}
    assert await events(world.admin) == found


async def test_filters_narrow_the_trail_together(world: World) -> None:
    one, two = await create_customer(world.agent), await create_customer(world.mate, name="李雷")
    for customer, client in ((one, world.agent), (two, world.manager)):
        url = f"/v1/customers/{customer['id']}"
        assert (await client.patch(url, json={"note": "x"}, headers=if_match(customer))).status_code == 200

    async def told(**query: str) -> list[tuple[str, str]]:
        return [(event["action"], event["object_id"]) for event in await events(world.auditor, **query)]

    made, changed = "customer.created", "customer.updated"
    assert await told(action=made) == [(made, two["id"]), (made, one["id"])]
    assert await told(actor_id=str(world.users["agent"])) == [(changed, one["id"]), (made, one["id"])]
    assert await told(object_id=two["id"]) == [(changed, two["id"]), (made, two["id"])]
    assert await told(object_id=two["id"], action=changed) == [(changed, two["id"])]
    assert await told(object_id=two["id"], actor_id=str(world.users["agent"])) == []
    assert await told(action="customer.create") == []
    assert await told(object_id=str(uuid4())) == []


async def test_range_begins_with_its_first_moment_and_ends_before_its_last(world: World) -> None:
    for name in "甲乙丙丁":
        await create_customer(world.agent, name=name)
    every = await events(world.auditor)
    fourth, third, second, first = (event["at"] for event in every)
    assert await events(world.auditor, at_from=second, at_to=fourth) == every[1:3]
    assert await events(world.auditor, at_from=third) == every[:2]
    assert await events(world.auditor, at_to=second) == every[3:]
    assert await events(world.auditor, at_from=first, at_to=first) == []
    there = datetime.fromisoformat(second).astimezone(UTC) + timedelta(hours=8)
    assert await events(world.auditor, at_to=there.strftime("%Y-%m-%dT%H:%M:%S.%f+08:00")) == every[3:]


@pytest.mark.parametrize("hours", [-23, 0, 23])
async def test_range_follows_the_databases_clock_whatever_made_the_id(world: World, hours: int) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    event_id = await add_event(world, at, at + timedelta(hours=hours))
    inside = {"at_from": "2026-03-01T12:00:00Z", "at_to": "2026-03-01T12:00:00.000001Z"}
    assert [event["id"] for event in await events(world.auditor, **inside)] == [event_id]
    assert await events(world.auditor, at_from="2026-03-01T12:00:00.000001Z") == []
    assert await events(world.auditor, at_to="2026-03-01T12:00:00Z") == []


@pytest.mark.parametrize("name", ["at_from", "at_to"])
@pytest.mark.parametrize(
    "bad",
    [
        "1764115200",
        "2026-11-26",
        "2026-11-26T10:00:00",  # whose ten o'clock?
        "2026-11-26 10:00:00Z",
        "2026-13-26T10:00:00Z",
        "2026-11-26T10:00:00.0000001Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "",
    ],
)
async def test_moment_that_is_none_is_422(world: World, name: str, bad: str) -> None:
    answer = await world.auditor.get(PATH, params={name: bad})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, name)


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00+14:00", "2199-12-31T23:59:59.999999-14:00"])
async def test_moments_at_the_ends_of_time_are_only_far_away(world: World, moment: str) -> None:
    await create_customer(world.agent)
    found = [len(await events(world.auditor, **{name: moment})) for name in ("at_from", "at_to")]
    assert sorted(found) == [0, 1]


@pytest.mark.parametrize(
    "action", ["created", "customer.", "Customer.created", "customer.created,customer.deleted", "*"]
)
async def test_action_that_can_be_none_is_422(world: World, action: str) -> None:
    answer = await world.auditor.get(PATH, params={"action": action})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "pattern")


async def test_cursor_belongs_to_one_reader_and_one_query(world: World, other_world: World) -> None:
    for name in "甲乙丙":
        await create_customer(world.agent, name=name)
    cursor = (await world.auditor.get(PATH, params={"limit": 1})).json()["next_cursor"]
    good = await world.auditor.get(PATH, params={"limit": 1, "cursor": cursor})
    assert good.status_code == 200
    for client, more in (
        (world.admin, {}),
        (other_world.auditor, {}),
        (world.auditor, {"action": "customer.created"}),
        (world.auditor, {"at_to": "2030-01-01T00:00:00Z"}),
    ):
        answer = await client.get(PATH, params={"limit": 1, "cursor": cursor, **more})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_only_administrators_and_auditors_of_the_organisation_read_it(world: World, other_world: World) -> None:
    await create_customer(world.agent)
    for client in (world.agent, world.mate, world.manager, world.client(world.partner_key)):
        answer = await client.get(PATH)
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "audit_events:read")
    assert (await world.client().get(PATH)).status_code == 401
    assert len(await events(world.admin)) == len(await events(world.auditor)) == 1
    assert await events(other_world.admin) == []


# --- a day of work, and not a word of it ----------------------------------------------------------------------

# Nobody is called so and nothing of it can stand in an id, a code or the name of a member.
CANARIES = ("金丝雀", "卡那利", "13977665544", "canary", "翠鸟", "KANARIE", "11010519491231002X", "7766", "4711")
_PERSON = {
    "name": "金丝雀",
    "occupation": "翠鸟饲养员",
    "phones": [{"number": "13977665544", "label": "翠鸟热线"}],
    "emails": [{"address": "canary@example.com"}],
    "addresses": [{"city": "翠鸟市", "detail": "翠鸟路4711号"}],
    "tags": ["翠鸟", "KANARIE"],
    "note": "卡那利说过的话",
    "id_number": "11010519491231002X",
    "birthday": {"year": 1949, "month": 12, "day": 31},
}


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """One request that must succeed; its body, if any."""
    answer = await client.request(method, path, json=body, headers={"Idempotency-Key": uuid4().hex, **headers})
    assert answer.status_code in (200, 201, 204), answer.text
    return answer.json() if answer.content else None


async def work_with_customers(world: World) -> None:
    customer = await create_customer(world.agent, **_PERSON)
    other = await create_company(world.agent, name="卡那利翠鸟有限公司")
    url = f"/v1/customers/{customer['id']}"
    changes = {"name": "卡那利", "occupation": "KANARIE", "stage": "customer", "phones": [{"number": "13977665544"}]}
    customer = await ask(world.agent, "PATCH", url, changes, **if_match(customer))
    tie = {"other_id": other["id"], "direction": "friend", "note": "翠鸟之友", "strength": 0.5}
    tied = await ask(world.agent, "POST", f"{url}/relationships", tie)
    await ask(world.agent, "PATCH", f"{url}/relationships/{tied['id']}", {"note": "canary"}, **if_match(tied))
    fact = {"fact_key": "family_hometown", "value": "翠鸟乡", "source": "customer", "observed_on": "2026-01-05"}
    known = await ask(world.agent, "POST", f"{url}/dossier-facts", fact)
    await ask(world.agent, "PATCH", f"{url}/dossier-facts/{known['id']}", {"value": "卡那利村"}, **if_match(known))
    await ask(world.agent, "DELETE", f"{url}/dossier-facts/{known['id']}", None, **{"If-Match": '"2"'})
    draft = await create_draft(world.agent, customer["id"], answers={**ANSWERS, "family_expense": 77_664_711})
    # A member nobody asked for, to be removed: what is refused is not on record either.
    refused = await save(world.agent, draft, {"金丝雀13977665544": None, "support_years": 17})
    assert refused.status_code == 422
    saved = await save(world.agent, draft, {"support_years": 17})
    assert (await complete(world.agent, saved.json())).status_code == 201
    reveal = {"fields": ["id_number"], "purpose": "servicing"}
    assert (await ask(world.agent, "POST", f"{url}/reveal", reveal))["id_number"] == "11010519491231002X"
    assert "翠鸟" in (await world.manager.get("/v1/customer-exports?tag=翠鸟")).text
    await ask(world.manager, "POST", f"{url}/transfer", {"to_user_id": str(world.users["mate"])})
    company = f"/v1/customers/{other['id']}"
    await ask(world.agent, "DELETE", company, None, **if_match(other))
    await ask(world.agent, "POST", f"{company}/restore")


async def work_with_people(world: World) -> None:
    await give_password(world)
    refusals: list[dict[str, Any]] = [{"password": "KANARIE-canary-4711"}, {"username": "canary-13977665544"}]
    for wrong in refusals:
        assert (await world.client().post("/v1/auth/login", json=credentials(world, **wrong))).status_code == 401
    await sign_in(world, device={"id": "canary", "name": "金丝雀的手机", "platform": "ios"})
    invited = {"username": "canary", "name": "卡那利", "role": "agent", "team_id": str(world.teams["one"])}
    made = await ask(world.admin, "POST", "/v1/invitations", invited)
    password = {"token": made["token"], "password": "KANARIE-im-Wald-4711"}
    assert (await world.client().post("/v1/auth/invitations/accept", json=password)).status_code == 204
    await ask(world.admin, "POST", "/v1/teams", {"name": "翠鸟组", "kind": "service"})
    mate = f"/v1/users/{world.users['mate']}"
    shown = await ask(world.admin, "GET", mate)
    await ask(world.admin, "PATCH", mate, {"name": "金丝雀"}, **if_match(shown))
    leaving = {
        "left_on": datetime.now(UTC).date().isoformat(),
        "to_user_id": str(world.users["manager"]),
        "by_area": [{"city": "翠鸟市", "to_user_id": str(world.users["manager"])}],
    }
    await ask(world.manager, "POST", f"{mate}/departure", leaving)


async def test_day_of_work_leaves_no_word_about_anybody(world: World) -> None:
    await work_with_customers(world)
    await work_with_people(world)
    found = await events(world.auditor)
    assert {
        "customer.created", "customer.updated", "customer.stage_changed", "customer.deleted", "customer.restored",
        "customer.revealed", "customer.transferred", "customers.exported", "relationship.created",
        "relationship.updated", "dossier_fact.created", "dossier_fact.updated", "dossier_fact.deleted",
        "form_response.created", "form_response.updated", "form_response.completed", "needs_analysis.created",
        "session.login_refused", "session.opened", "invitation.created", "invitation.accepted", "user.created",
        "user.updated", "team.created", "departure.recorded",
    } <= {event["action"] for event in found}  # fmt: skip
    # What was said, without the ids: they hold digits by chance.
    for event in found:
        said = str({name: event[name] for name in ("action", "object_type", "actor_kind")}) + words(event["detail"])
        assert [canary for canary in CANARIES if canary.lower() in said.lower()] == [], event
    stored = await world.db.fetch("SELECT * FROM audit_events WHERE org_id = $1", world.org_id)
    assert len(stored) == len(found)
    hanzi = [row["action"] for row in stored if not str(dict(row)).isascii()]
    assert hanzi == []


def words(detail: Any) -> str:
    """Everything a detail says but ids."""
    if isinstance(detail, dict):
        return " ".join(f"{name} {words(value)}" for name, value in detail.items())
    if isinstance(detail, list):
        return " ".join(words(value) for value in detail)
    try:
        UUID(str(detail))
    except ValueError:
        return str(detail)
    return ""
