"""What is measured: for each case the requests to the service and the same work for the bare limit.

The limit's statements are not written down a second time: each case is sent once to the service inside this process,
and whatever it gives to `reads.row` is what the limit runs.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
from sqlalchemy import insert
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from starlette.types import ASGIApp

from app import db, keyring, reads
from app.domain import identity
from app.models.customers import Customer
from bench.world import Agent, World, name_pool, phone_number, queries

AGENTS = 50  # of the world's agents, those who work during the measurement
_VARIETY = 4000  # different requests of a case
_SEED = 7
HEAD = (
    "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n"
    "Accept-Language: zh-CN\r\nUser-Agent: renmai-bench\r\n{more}\r\n{body}"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. `target` is the least share of the limit's throughput, in percent."""

    name: str
    title: str
    target: int
    status: int
    ours: list[str]
    limit: list[str]


KEPT_IN_MEMORY = {"actor_state", "get_org_keys"}  # read once in a while, not for each request


@dataclass(slots=True)
class Maker:
    """Makes cases for one world; `plan` is what the limit has to know, and grows with every case."""

    world: World
    app: ASGIApp
    plan: dict[str, Any]

    def tokens(self) -> dict[UUID, str]:
        """An access token for each working agent; they live ten minutes."""
        table = keyring.current().table
        if table is None:
            raise RuntimeError("no signing keys")
        now, org = int(time.time()), self.world.org_id
        return {
            agent.id: table.sign(table.new_claims(org=org, sub=agent.id, sid=agent.session_id, auth_time=now))
            for agent in self.world.agents[:AGENTS]
        }

    async def cases(self, network: str | None) -> list[Case]:
        """All cases; the one for the network only when its route exists."""
        made = [await self._profile(), await self._page(), await self._search(), self._create()]
        return made if network is None else [*made, await self._network(network)]

    async def _profile(self) -> Case:
        return await self._by_id("profile", "profile by id", 50, "/v1/customers/{id}")

    async def _network(self, path: str) -> Case:
        return await self._by_id("network", "network, depth 2", 80, path + "?depth=2")

    async def _by_id(self, name: str, title: str, target: int, path: str) -> Case:
        agent = self.world.agents[0]
        await self._learn(name, path.replace("{id}", str(agent.customers[0])), agent, str(agent.customers[0]))
        return self._case(name, title, target, lambda dice, agent: (path, name, str(dice.choice(agent.customers))))

    async def _page(self) -> Case:
        path = "/v1/customers?limit=50"
        await self._learn("page", path, self.world.agents[0])
        return self._case("page", "page of 50 summaries", 75, lambda dice, agent: (path, "page", "-"))

    async def _search(self) -> Case:
        path = "/v1/customers?limit=50&q={id}"
        wanted = [str(httpx.QueryParams({"q": text}))[2:] for text in queries()]
        for number, text in enumerate(wanted):
            await self._learn(f"search{number}", path.replace("{id}", text), self.world.agents[0])

        def choose(dice: random.Random, agent: Agent) -> tuple[str, str, str]:
            number = dice.randrange(len(wanted))
            return path, f"search{number}", wanted[number]

        return self._case("search", "search by name, pinyin, phone", 75, choose)

    def _case(
        self, name: str, title: str, target: int, choose: Callable[[random.Random, Agent], tuple[str, str, str]]
    ) -> Case:
        dice, tokens = random.Random(_SEED), self.tokens()
        ours, limit = [], []
        for _ in range(_VARIETY):
            agent = dice.choice(self.world.agents[:AGENTS])
            path, key, value = choose(dice, agent)
            head = {"method": "GET", "token": tokens[agent.id], "more": "", "body": ""}
            ours.append(HEAD.format(path=path.replace("{id}", value), **head))
            limit.append(HEAD.format(path=f"/read/{key}/{agent.id}/{value if name != 'search' else '-'}", **head))
        return Case(name, title, target, 200, ours, limit)

    async def _learn(self, key: str, path: str, agent: Agent, stands_for: str | None = None) -> None:
        """Send one request to the service in this process and remember the statement it ran."""
        seen: list[tuple[str, list[Any]]] = []
        texts: list[str] = []
        run, load = reads.row, reads.statement

        def read_text(*args: Any, **named: Any) -> str:
            texts.append(load(*args, **named))
            return texts[-1]

        async def watch(org_id: Any, owners: Any, name: str, *args: Any, **named: Any) -> asyncpg.Record | None:
            found = await run(org_id, owners, name, *args, **named)
            if name not in KEPT_IN_MEMORY:
                seen.append((texts[-1], list(args)))
            return found

        reads.row, reads.statement = watch, read_text  # type: ignore[assignment]  # cached function, plain function
        try:
            headers = {"Authorization": f"Bearer {self.tokens()[agent.id]}"}
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                answer = await client.get(path, headers=headers)
        finally:
            reads.row, reads.statement = run, load
        if answer.status_code != 200 or len(seen) != 1:
            raise RuntimeError(f"{path}: {answer.status_code}, {len(seen)} statements: {answer.text[:300]}")
        sql, args = seen[0]
        body = "items" if "AS items" in sql else "body"
        self.plan["reads"][key] = [sql, ["{id}" if str(arg) == stands_for else arg for arg in args], body]

    def _create(self) -> Case:
        """New persons with a phone, a tag and a note; both sides get the same bodies."""
        dice, tokens = random.Random(_SEED), self.tokens()
        persons = [name for name in name_pool() if not name.is_company]
        ours, limit = [], []
        for _ in range(_VARIETY):
            agent, name, number = dice.choice(self.world.agents[:AGENTS]), dice.choice(persons), phone_number(dice)
            phone = {"number": number, "kind": "mobile", "label": None}
            sent = {
                "party_type": "individual", "name": name.text, "stage": "prospect", "gender": "female",
                "occupation": "教师", "phones": [phone],
                "tags": ["转介绍"], "note": "周末下午方便电话。",
            }  # fmt: skip
            body = orjson.dumps(sent)
            head = {
                "method": "POST",
                "token": tokens[agent.id],
                "more": f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n",
                "body": body.decode("latin-1"),  # the load sends latin-1, so these are the same bytes again
            }
            ours.append(HEAD.format(path="/v1/customers", **head))
            limit.append(HEAD.format(path=f"/create/{agent.id}", **head))
            masked = {"phones": [{**phone, "number": identity.mask_phone(number)}]}
            self.plan["names"][name.text] = [name.key, name.words, orjson.dumps(masked).decode()]
        self.plan.update(_insert_plan())
        return Case("create", "create a customer", 35, 201, ours, limit)


def _insert_plan() -> dict[str, Any]:
    """The INSERT as the ORM words it, the order of its parameters, and the row with nothing in it."""
    table = Customer.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it
    compiled = insert(table).compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    empty: dict[str, object] = {"version": 1, "is_shadow": False}
    return {
        "insert": str(compiled),
        "columns": list(compiled.positiontup or ()),
        "blank": {column.name: empty.get(column.name) for column in table.columns},
        "trail": db._TRAIL_SQL,
    }
