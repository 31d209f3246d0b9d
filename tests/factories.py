"""Plain functions that make what tests need: organisations and people by SQL, everything else through the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from starlette.types import ASGIApp
from uuid_utils.compat import uuid7

from app import apikeys, keyring, migrate
from tests.contract import Contract

USERS = ("agent", "mate", "stranger", "manager", "admin", "auditor")


@dataclass
class World:
    """One organisation: `agent` and `mate` in one team under `manager`, `stranger` in another, admin, auditor."""

    org_id: UUID
    code: str
    app: ASGIApp
    contract: Contract
    db: asyncpg.Connection
    users: dict[str, UUID] = field(default_factory=dict)
    sessions: dict[str, UUID] = field(default_factory=dict)
    teams: dict[str, UUID] = field(default_factory=dict)
    partner_key: str = ""
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where its clients come from: what one test does wrong must not count against another."""
        return str(IPv6Address(self.org_id.int | 1 << 64))

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client of the whole service, shell included, whose answers are checked against the contract."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        made = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(self.address, 40000)),
            base_url="http://test",
            headers={"Accept-Language": "en", **headers},
            event_hooks={"response": [self.contract.check]},
        )
        self._clients.append(made)
        return made

    def token(self, name: str, *, proven_ago: int = 0, jkt: str | None = None) -> str:
        """A fresh access token of one of the users, who proved that he is there so many seconds ago."""
        table = keyring.current().table
        assert table is not None
        at = int(datetime.now(UTC).timestamp()) - proven_ago
        return table.sign(
            table.new_claims(org=self.org_id, sub=self.users[name], sid=self.sessions[name], auth_time=at, jkt=jkt)
        )

    def __getattr__(self, name: str) -> httpx.AsyncClient:
        """`world.agent`, `world.manager` …, and whoever was added: a signed-in client."""
        if name not in USERS and name not in self.__dict__.get("users", ()):
            raise AttributeError(name)
        made = self.client(self.token(name))
        setattr(self, name, made)
        return made

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


async def make_world(app: ASGIApp, contract: Contract, db: asyncpg.Connection, password_hash: str = "-") -> World:
    """An organisation with teams, users, live sessions and a partner key."""
    org_id = uuid7()
    world = World(org_id, f"t-{org_id.hex[-12:]}", app, contract, db)
    world.teams = {"branch": uuid7(), "one": uuid7(), "two": uuid7()}
    async with db.transaction():
        await db.execute("INSERT INTO orgs (id, code, name) VALUES ($1, $2, '测试机构')", org_id, world.code)
        await db.execute("INSERT INTO org_settings (org_id, id) VALUES ($1, $1)", org_id)
        await migrate.seed_relation_types(db, org_id)
        await db.executemany(
            "INSERT INTO teams (org_id, id, name, parent_id) VALUES ($1, $2, $3, $4)",
            [
                (org_id, world.teams["branch"], "分公司", None),
                (org_id, world.teams["one"], "一部", world.teams["branch"]),
                (org_id, world.teams["two"], "二部", world.teams["branch"]),
            ],
        )
        for name, role, team in (
            ("agent", "agent", "one"),
            ("mate", "agent", "one"),
            ("stranger", "agent", "two"),
            ("manager", "manager", "one"),
            ("admin", "admin", "branch"),
            ("auditor", "auditor", "branch"),
        ):
            await add_user(world, name, role, team, password_hash)
        world.partner_key = await add_partner(world, "测试银行")
    return world


async def add_partner(world: World, partner_name: str) -> str:
    """The text of a key of another partner bank of the organisation, good for thirty days."""
    key = apikeys.generate("test", keyring.current().api_keys)
    await world.db.execute(
        "INSERT INTO api_keys (org_id, id, key_id, partner_name, key_hash, scopes, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, '{partner:self}', now() + interval '30 days')",
        world.org_id,
        uuid7(),
        key.key_id,
        partner_name,
        key.secret_hash,
    )
    return key.text


async def add_user(world: World, name: str, role: str, team: str, password_hash: str = "-") -> None:
    """A user with a live session."""
    user, session = uuid7(), uuid7()
    await world.db.execute(
        "INSERT INTO users (org_id, id, username, name, role, team_id, password_hash) VALUES ($1,$2,$3,$3,$4,$5,$6)",
        world.org_id,
        user,
        name,
        role,
        world.teams[team],
        password_hash,
    )
    later = datetime.now(UTC) + timedelta(days=7)
    await world.db.execute(
        "INSERT INTO sessions (org_id, id, user_id, device_id, device_name, platform, idle_expires_at, "
        "absolute_expires_at) VALUES ($1, $2, $3, 'test', '测试手机', 'ios', $4, $4)",
        world.org_id,
        session,
        user,
        later,
    )
    world.users[name], world.sessions[name] = user, session


async def create_customer(client: httpx.AsyncClient, **over: Any) -> dict[str, Any]:
    """A person, 王永庆 unless told otherwise; the answer's body."""
    body = {"party_type": "individual", "name": "王永庆", "stage": "prospect", **over}
    answer = await client.post("/v1/customers", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def searched(client: httpx.AsyncClient, query: str, **over: Any) -> list[str]:
    """The ids of the customers a search finds; asked in the body, where any number may stand."""
    answer = await client.post("/v1/customers/search", json={"q": query, **over})
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


async def create_company(client: httpx.AsyncClient, **over: Any) -> dict[str, Any]:
    """A company."""
    return await create_customer(client, **{"party_type": "organization", "name": "江城测试贸易有限公司", **over})


async def create_service_team(world: World, *members: str) -> str:
    """The id of a new service team in which these users serve."""
    made = (await world.admin.post("/v1/teams", json={"name": "服务一组", "kind": "service"})).json()
    for name in members:
        answer = await world.admin.put(f"/v1/teams/{made['id']}/members/{world.users[name]}")
        assert answer.status_code == 200, answer.text
    team_id: str = made["id"]
    return team_id


def if_match(document: dict[str, Any]) -> dict[str, str]:
    """The If-Match header for a document just read."""
    return {"If-Match": f'"{document["version"]}"'}


@asynccontextmanager
async def unguarded(db: asyncpg.Connection, table: str) -> AsyncIterator[None]:
    """Without the triggers that keep rows of the table as they are, for what time or an operator does to them."""
    await db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    try:
        yield
    finally:
        await db.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
