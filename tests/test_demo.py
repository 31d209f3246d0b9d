"""The demo world as it stands in a database after `renmai demo`: complete, once, and working through the API."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from app import db, main, runtime, serving
from app.config import Settings, SettingsError
from app.domain import demo_world
from app.domain.demo_network import Learned
from app.domain.demo_papers import Dossier
from app.domain.demo_world import DemoWorld
from app.domain.fact_definitions import shipped
from app.errors import NotFound
from app.passwords import WeakPassword
from app.services import demo
from app.serving import DemoAccess
from tests.apart import apart
from tests.contract import Contract

WORLD = demo_world.build()
PASSWORD = "renmai-demo-2026"
Login = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="module")
async def loaded(api: FastAPI, settings: Settings) -> DemoAccess:
    """The demo world in this worker's database, loaded beside the running application."""
    with apart(settings):
        is_new, access = await serving.open_demo(settings)
    assert is_new
    return access


@pytest.fixture
async def login(api: FastAPI, settings: Settings, contract: Contract, loaded: DemoAccess) -> AsyncIterator[Login]:
    """Sign in as one of the demo users, as a newcomer would; gives the client."""
    clients: list[httpx.AsyncClient] = []

    async def enter(username: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=main.wrap(api, settings)),
            base_url="http://test",
            event_hooks={"response": [contract.check]},
        )
        clients.append(client)
        device = {"id": "demo", "name": "演示手机", "platform": "cli"}
        body = {"org": "wuhan", "username": username, "password": PASSWORD, "device": device}
        answer = await client.post("/v1/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    yield enter
    for client in clients:
        await client.aclose()


async def _all(client: httpx.AsyncClient, path: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = (
            await client.get(path, params={"limit": "200", **query, **({"cursor": cursor} if cursor else {})})
        ).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


async def _count(owner: asyncpg.Connection, table: str, condition: str = "true") -> int:
    found: int = await owner.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1 AND {condition}", WORLD.org_id)
    return found


async def test_everything_generated_is_stored(loaded: DemoAccess, owner_db: asyncpg.Connection) -> None:
    facts = sum(len(dossier.facts) for dossier in (*WORLD.dossiers, *WORLD.business))
    # A stage takes the place of the one before.
    facts -= sum(max(0, sum(fact.fact_key == "stage" for fact in one.facts) - 1) for one in WORLD.business)
    assert await _count(owner_db, "teams") == 3
    assert await _count(owner_db, "users") == 6
    assert await _count(owner_db, "customers", "deleted_at IS NULL AND NOT is_shadow") == 400
    assert await _count(owner_db, "customers", "is_shadow AND keep_until > current_date + 300") == 12
    assert await _count(owner_db, "relationships", "deleted_at IS NULL") == 1512
    assert await _count(owner_db, "form_responses", "status = 'completed'") == 11
    assert await _count(owner_db, "form_responses", "status = 'draft'") == 5
    assert await _count(owner_db, "needs_analyses") == 11
    assert await _count(owner_db, "dossier_facts", "superseded_at IS NULL") == facts
    assert await _count(owner_db, "introductions", "deleted_at IS NULL") == 25
    assert await _count(owner_db, "introduction_steps") == sum(len(one.steps) for one in WORLD.introductions)
    assert await _count(owner_db, "relationship_interactions") == len(WORLD.learned.contacts)
    assert await _count(owner_db, "coverage_answers") == 25
    assert await _count(owner_db, "customers", "tier IS NOT NULL") == 40
    assert await _count(owner_db, "tasks", "done_at IS NULL") >= 5
    assert await _count(owner_db, "tasks", "done_at IS NOT NULL") >= 5


async def test_ids_in_the_database_are_those_of_the_world(loaded: DemoAccess, owner_db: asyncpg.Connection) -> None:
    shadows = WORLD.learned.shadows
    for table, ids in (
        ("customers", {row.id for row in WORLD.parties} | {row.id for row in shadows}),
        ("users", {row.id for row in WORLD.users}),
        ("relationships", {row.id for row in WORLD.ties} | {row.tie_id for row in shadows}),
        ("introductions", {row.id for row in WORLD.introductions}),
        ("relationship_interactions", {row.id for row in WORLD.learned.contacts}),
    ):
        stored = {row["id"] for row in await owner_db.fetch(f"SELECT id FROM {table} WHERE org_id = $1", WORLD.org_id)}
        assert stored == ids, table


@pytest.mark.parametrize(
    ("table", "object_types"),
    [
        ("customers", ["customer", "shadow_contact"]),
        ("coverage_answers", ["coverage_answer"]),
        ("relationships", ["relationship"]),
        ("dossier_facts", ["dossier_fact"]),
        ("introductions", ["introduction"]),
        ("tasks", ["task"]),
    ],
)
async def test_rows_have_the_trail_a_service_leaves(
    loaded: DemoAccess, owner_db: asyncpg.Connection, table: str, object_types: list[str]
) -> None:
    rows = {row["id"] for row in await owner_db.fetch(f"SELECT id FROM {table} WHERE org_id = $1", WORLD.org_id)}
    kept_back = {one.id for dossier in (*WORLD.dossiers, *WORLD.business) for one in dossier.facts
                 if one.fact_key in shipped().withheld()}  # fmt: skip
    audited = await owner_db.fetch(
        "SELECT object_id FROM audit_events "
        "WHERE org_id = $1 AND object_type = ANY($2) AND split_part(action, '.', 2) IN ('created', 'recorded')",
        WORLD.org_id,
        object_types,
    )
    fed = await owner_db.fetch(
        "SELECT id FROM feed WHERE org_id = $1 AND collection = $2 AND NOT removed", WORLD.org_id, table
    )
    assert {row["object_id"] for row in audited} == rows
    assert {row["id"] for row in fed} == rows - kept_back


async def test_relationships_reach_the_owners_of_both_sides(loaded: DemoAccess, owner_db: asyncpg.Connection) -> None:
    users = {user.username: user.id for user in WORLD.users}
    wanted = {(tie.id, users[party.owner]) for tie in WORLD.ties for party in (tie.left, tie.right)}
    wanted |= {(shadow.tie_id, users[shadow.through.owner]) for shadow in WORLD.learned.shadows}
    rows = await owner_db.fetch(
        "SELECT id, scope FROM feed WHERE org_id = $1 AND collection = 'relationships'", WORLD.org_id
    )
    assert {(row["id"], row["scope"]) for row in rows} == wanted


async def test_loading_again_changes_nothing(
    loaded: DemoAccess, settings: Settings, owner_db: asyncpg.Connection
) -> None:
    before = await _count(owner_db, "audit_events")
    with apart(settings):
        is_new, access = await serving.open_demo(settings)
    assert (is_new, access) == (False, loaded)
    assert await _count(owner_db, "audit_events") == before


async def _load(world: DemoWorld, password: str) -> None:
    async with db.transaction(world.org_id) as session:
        await demo.load(session, world, password)


async def test_second_load_past_the_check_is_refused_whole(
    loaded: DemoAccess, settings: Settings, owner_db: asyncpg.Connection
) -> None:
    """Two processes that start together: the slower one must fail, and leave nothing."""
    before = await _count(owner_db, "audit_events")
    with apart(settings):
        async with runtime.opened(settings, settings.owner_database_url):
            with pytest.raises(IntegrityError):
                await _load(WORLD, PASSWORD)
    assert await _count(owner_db, "audit_events") == before
    assert await _count(owner_db, "api_keys") == 1


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> DemoWorld:
    """Another organisation with the same people, three customers, and a dossier of somebody who is none of them."""
    world = replace(
        WORLD,
        org_id=uuid7(),
        parties=WORLD.parties[:3],
        ties=(),
        interviews=(),
        fact_finds=(),
        introductions=(),
        learned=Learned(),
        dossiers=(Dossier(WORLD.parties[-1], WORLD.dossiers[0].facts),),
    )
    monkeypatch.setattr("app.services.demo.ORG_CODE", "small")
    return world


@pytest.mark.parametrize(("password", "error"), [(PASSWORD, NotFound), ("agent1-agent1", WeakPassword)])
async def test_failure_half_way_leaves_no_half_world(
    settings: Settings, owner_db: asyncpg.Connection, small: DemoWorld, password: str, error: type[Exception]
) -> None:
    """The organisation is the mark of a loaded world: it must not be there without the rest."""
    with apart(settings):
        async with runtime.opened(settings, settings.owner_database_url):
            with pytest.raises(error):
                await _load(small, password)
    assert await owner_db.fetchval("SELECT count(*) FROM orgs WHERE id = $1", small.org_id) == 0
    assert await owner_db.fetchval("SELECT count(*) FROM users WHERE org_id = $1", small.org_id) == 0


async def test_production_refuses_the_demo_world(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="not for production"):
        await serving.open_demo(settings.model_copy(update={"environment": "production"}))


async def test_changed_password_setting_is_not_shown_as_the_password(loaded: DemoAccess, settings: Settings) -> None:
    other = settings.model_copy(update={"demo_password": SecretStr("another-Word-4711")})
    with apart(settings):
        _, access = await serving.open_demo(other)
    assert access.password is None


async def test_partner_key_is_kept_for_the_owner_of_the_file_only(loaded: DemoAccess, settings: Settings) -> None:
    path = settings.var_dir / "demo-partner-key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() == loaded.partner_key


async def test_kept_key_of_another_database_is_not_shown(loaded: DemoAccess, settings: Settings) -> None:
    path = settings.var_dir / "demo-partner-key"
    kept = path.read_text()
    path.write_text("rmk_test_0123456789abcdef_" + "0" * 38)
    try:
        with apart(settings):
            assert (await serving.open_demo(settings))[1].partner_key is None
    finally:
        path.write_text(kept)


async def test_every_user_can_log_in(login: Login) -> None:
    names = {user.username: user.name for user in WORLD.users}
    for username in names:
        me = (await (await login(username)).get("/v1/me")).json()
        assert (me["username"], me["name"], me["org_code"]) == (username, names[username], "wuhan")


async def test_partner_key_opens_the_partner_door(login: Login, loaded: DemoAccess) -> None:
    client = await login("agent1")
    answer = await client.get("/v1/partner/me", headers={"Authorization": f"Bearer {loaded.partner_key}"})
    assert answer.json()["partner_name"] == demo_world.PARTNER


@pytest.mark.parametrize(
    ("username", "owners"),
    [
        ("agent1", {"agent1"}),
        ("agent3", {"agent3"}),
        ("manager1", {"agent1", "agent2"}),
        ("admin1", {"agent1", "agent2", "agent3"}),
    ],
)
async def test_users_see_what_their_role_allows(login: Login, username: str, owners: set[str]) -> None:
    seen = {UUID(item["id"]) for item in await _all(await login(username), "/v1/customers")}
    assert seen == {party.id for party in WORLD.parties if party.owner in owners}


async def test_auditor_sees_masked_phones(login: Login) -> None:
    party = next(one for one in WORLD.parties if one.body.get("phones"))
    body = (await (await login("auditor1")).get(f"/v1/customers/{party.id}")).json()
    assert "****" in body["phones"][0]["number"]


async def test_profile_is_the_one_that_was_generated(login: Login) -> None:
    party = next(one for one in WORLD.parties if one.owner == "agent1" and one.gender and "id_number" in one.body)
    body = (await (await login("agent1")).get(f"/v1/customers/{party.id}")).json()
    for member in ("name", "gender", "birthday", "occupation", "stage", "tags"):
        assert body[member] == party.body[member]
    number = party.body["id_number"]
    assert body["id_number_masked"] == f"{number[0]}{'*' * 16}{number[-1]}"


async def test_customer_is_found_by_the_tail_of_his_phone(login: Login) -> None:
    party = next(one for one in WORLD.parties if one.owner == "agent2" and one.body.get("phones"))
    tail = party.body["phones"][0]["number"][-4:]
    found = await _all(await login("agent2"), "/v1/customers", q=tail)
    assert str(party.id) in {item["id"] for item in found}


async def test_dossier_shows_the_generated_facts(login: Login) -> None:
    dossier = next(one for one in WORLD.dossiers if one.customer.owner == "agent1")
    body = (await (await login("agent1")).get(f"/v1/customers/{dossier.customer.id}/dossiers/personal")).json()
    masked = {fact["fact_key"] for fact in body["facts"] if fact["is_masked"]}
    assert {fact["fact_key"]: fact["value"] for fact in body["facts"]} == {
        fact.fact_key: None if fact.fact_key in masked else fact.value for fact in dossier.facts
    }
    assert body["completeness"]["known"] == len(dossier.facts)


async def test_there_are_facts_in_all_four_dossiers_and_a_conflict_to_look_at(login: Login) -> None:
    client = await login("admin1")
    seen: dict[str, int] = {"corporate": 0, "competitor": 0, "project": 0}
    conflicts, stages = 0, set()
    for dossier in WORLD.business:
        for name in seen:
            answer = await client.get(f"/v1/customers/{dossier.customer.id}/dossiers/{name}")
            body = answer.json()
            seen[name] += len(body.get("facts", ()))
            conflicts += len(body.get("conflicts", ()))
            if body.get("opportunity"):
                stages.add(body["opportunity"]["stage"])
    assert min(seen.values()) >= 20
    assert conflicts >= 2
    assert len(stages - {None}) >= 3


async def test_analyses_of_the_completed_interviews_can_be_read(login: Login) -> None:
    interview = next(one for one in WORLD.interviews if one.is_complete)
    client = await login(interview.customer.owner)
    (found,) = await _all(client, f"/v1/customers/{interview.customer.id}/needs-analyses")
    response = (await client.get(f"/v1/form-responses/{interview.id}")).json()
    assert response["needs_analysis_id"] == found["id"]
    assert response["answers"] == interview.answers


async def test_households_that_were_asked_in_full_are_analysed(login: Login) -> None:
    for one in WORLD.fact_finds:
        client = await login(one.customer.owner)
        (found,) = await _all(client, f"/v1/customers/{one.customer.id}/needs-analyses")
        analysis = (await client.get(f"/v1/needs-analyses/{found['id']}")).json()
        assert (analysis["form_response_id"], analysis["method_code"]) == (str(one.id), "household")
        assert len(analysis["household"]["members"]) >= 3
        assert sum(bool(result["gap_fen"]) for result in analysis["results"]) >= 5


async def test_introductions_stand_where_they_were_generated_to_stand(login: Login) -> None:
    for username in ("agent1", "manager1"):
        client = await login(username)
        found = {item["id"]: item for item in await _all(client, "/v1/introductions")}
        owners = {"agent1"} if username == "agent1" else {"agent1", "agent2"}
        mine = [one for one in WORLD.introductions if one.introducer.owner in owners]
        assert {one["id"]: one["status"] for one in found.values()} == {
            str(one.id): one.steps[-1].status for one in mine
        }
        assert {one["relationship_id"] for one in found.values()} == {str(one.tie.id) for one in mine}
        ranked = await _all(client, "/v1/introducers")
        assert sum(item["total"] for item in ranked) == len(mine)
        assert len({item["tier"] for item in ranked}) >= 2
        assert await _all(client, "/v1/tasks", state="open")
    best = ranked[0]
    tree = (await client.get(f"/v1/customers/{best['id']}/referrals")).json()
    assert tree["credit"] == best["credit"]
    assert max(node["depth"] for node in tree["nodes"]) >= 2


async def test_what_agents_learned_of_the_network_is_shown(login: Login) -> None:
    client, learned = await login("agent1"), WORLD.learned
    shadows = {item["id"] for item in await _all(client, "/v1/shadow-contacts")}
    assert shadows == {str(one.id) for one in learned.shadows if one.through.owner == "agent1"}
    tie = next(one.tie for one in learned.contacts if one.tie.left.owner == "agent1")
    days = [one.occurred_on.isoformat() for one in learned.contacts if one.tie.id == tie.id]
    place = f"/v1/customers/{tie.right.id}/relationships/{tie.id}"
    seen = (await client.get(place)).json()
    assert (seen["last_interaction_on"], seen["computed_strength"] > 0) == (max(days), True)
    assert len(await _all(client, f"{place}/interactions")) == len(days)
    answer = next(one for one in learned.answers if one.customer.owner == "agent1")
    found = (await client.get(f"/v1/customers/{answer.customer.id}/coverage")).json()["directions"]
    states = {item["direction"]: (item["state"], item["asked_on"]) for item in found}
    assert states[answer.direction] == ("asked_none", answer.asked_on.isoformat())
    ranked = next(one for one in learned.tiers if one.customer.owner == "agent1")
    assert (await client.get(f"/v1/customers/{ranked.customer.id}")).json()["tier"] == ranked.tier


async def test_picture_in_the_documentation_is_what_the_service_draws(login: Login) -> None:
    place = "/v1/customers/019c2684-db13-7a56-9bca-f1914443584b/network.svg"
    answer = await (await login("agent2")).get(place, headers={"Accept-Language": "zh-CN"})
    assert answer.content == (Path(__file__).parent.parent / "docs" / "network.svg").read_bytes()


def test_demo_needs_the_owner_role(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="RENMAI_OWNER_DATABASE_URL"):
        serving.load_demo(settings.model_copy(update={"owner_database_url": None}))
