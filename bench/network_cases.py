"""What is asked of the network, and how long the database is allowed to think about it.

One entry of `CASES` is one line of the table: who asks, which route, with what. Nothing else has to be told: the
requests go to the whole service inside this process, and what its read road sends to the database meanwhile is timed,
whatever statements those are. A route the service does not have is left out.
"""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from starlette.types import ASGIApp

from app import keyring, reads
from bench.cases import KEPT_IN_MEMORY
from bench.network_world import NetworkWorld
from bench.world import Agent

_SEED = 11
WORKING = 50  # agents who send the requests of the throughput
CUSTOMER = "/v1/customers/{customer_id}"
NETWORK = f"{CUSTOMER}/network"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: who sends it, with which id in the path, and what more in the query."""

    by: Agent
    id: UUID
    more: str = ""


Draw = Callable[[NetworkWorld, random.Random], Request]


@dataclass(frozen=True, slots=True)
class NetworkCase:
    """One line. Targets are ms of database time; None: the figure is told, nothing is promised.

    Attributes:
        route: path of the service's OpenAPI document; its parameter, if any, takes the request's id.
        query: the rest; `{id}` takes the id, too.
        growth: whether p95 is compared between the worlds.
    """

    name: str
    title: str
    draw: Draw
    route: str
    query: str = ""
    p50: float | None = None
    p95: float | None = None
    growth: bool = False

    def path(self, request: Request) -> str:
        head, _, tail = self.route.partition("{")
        path = head + str(request.id) + tail.partition("}")[2] if tail else head
        query = self.query.replace("{id}", str(request.id)) + request.more
        return f"{path}?{query}" if query else path


@dataclass(slots=True)
class Timing:
    """Database time of each request in ms, without the empty round trips; what the answers were like.

    `cpu` is what the server's process worked meanwhile, in ms: the share of the time that other work on the machine
    cannot lengthen by making the process wait. Zeros where the kernel does not tell. `first` is the time of the first
    asking where every request was asked several times.
    """

    milliseconds: list[float]
    cpu: list[float]
    statements: float
    nodes: float
    bytes: float
    seen: list[tuple[str, list[Any]]] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def again(self, other: "Timing") -> "Timing":
        """Of the same requests asked once more, the faster time of each."""
        faster = [min(pair) for pair in zip(self.milliseconds, other.milliseconds, strict=True)]
        cpu = [min(pair) for pair in zip(self.cpu, other.cpu, strict=True)]
        first = self.first or self.milliseconds
        return Timing(faster, cpu, self.statements, self.nodes, self.bytes, self.seen, first)


def by_agent(world: NetworkWorld, dice: random.Random) -> Request:
    """An agent and one of his own customers."""
    agent = dice.choice(world.agents)
    return Request(agent, dice.choice(agent.customers))


def by_working_agent(world: NetworkWorld, dice: random.Random) -> Request:
    """The same of few agents, as when a morning's work is done: who they are is known for a second."""
    agent = dice.choice(world.agents[:WORKING])
    return Request(agent, dice.choice(agent.customers))


def by_usual_agent(world: NetworkWorld, dice: random.Random) -> Request:
    """An agent with about 300 customers."""
    agent = dice.choice(world.usual())
    return Request(agent, agent.id)


def by_manager(world: NetworkWorld, dice: random.Random) -> Request:
    """A manager and a customer of one of his ten agents."""
    manager, agents = dice.choice(world.managers)
    return Request(manager, dice.choice(dice.choice(agents).customers))


def by_admin(world: NetworkWorld, dice: random.Random) -> Request:
    """An administrator and anybody at all, shadow contacts included."""
    return Request(world.admin, dice.choice(world.anybody))


def by_admin_of_known(world: NetworkWorld, dice: random.Random) -> Request:
    """An administrator and somebody drawn by the number of his ties: whom one meets by following a tie."""
    return Request(world.admin, dice.choice(world.by_degree))


def by_agent_of_contact(world: NetworkWorld, dice: random.Random) -> Request:
    """An agent and somebody he has, but does not know yet: a contact or shadow contact."""
    agent = dice.choice([agent for agent in world.usual() if agent.id in world.contacts])
    return Request(agent, dice.choice(world.contacts[agent.id]))


def by_manager_between(world: NetworkWorld, dice: random.Random) -> Request:
    """A manager asks from one customer of his agents to another."""
    manager, agents = dice.choice(world.managers)
    ends = dice.sample(dice.choice(agents).customers + dice.choice(agents).customers, 2)
    return Request(manager, ends[0], f"&from={ends[1]}" if ends[0] != ends[1] else "")


def by_admin_between(world: NetworkWorld, dice: random.Random) -> Request:
    """An administrator asks from anybody to anybody else."""
    one, other = dice.sample(world.anybody, 2)
    return Request(world.admin, one, f"&from={other}")


_EGO = {1: 2.0, 2: 6.0, 3: 12.0}  # p95 by depth
CASES = [
    *(
        NetworkCase(f"{who}{depth}", f"network, depth {depth}, {words}", draw, NETWORK, f"depth={depth}&limit=300",
                    p95=target, growth=depth == 2)
        for who, words, draw in (
            ("agent", "an agent's own customer", by_agent),
            ("manager", "a manager of ten agents", by_manager),
            ("admin", "administrator, anybody", by_admin),
            ("known", "administrator, by number of ties", by_admin_of_known),
        )
        for depth, target in _EGO.items()
    ),
    *(
        NetworkCase(f"{name}{who}", f"network, depth 2, {words}, {whose}", draw, NETWORK, f"depth=2&limit=300&{query}",
                    p95=_EGO[2])
        for name, words, query in (
            ("ways-", "two directions", "direction=relative,friend"),
            ("types-", "two types", "type=parent,spouse"),
            ("strong-", "strength from 0.6", "min_strength=0.6"),
            ("day-", "as of a day", "on=2026-06-30"),
        )
        for who, whose, draw in (("agent", "agent", by_agent), ("admin", "administrator", by_admin))
    ),
    NetworkCase("coverage", "coverage of one customer", by_agent, f"{CUSTOMER}/coverage"),
    NetworkCase("coverages", "coverage of an agent with 300 customers", by_usual_agent, "/v1/network/coverage",
                "limit=50", p95=8.0, growth=True),
    *(
        NetworkCase(f"paths-{name}", f"warm introductions, {words}", draw, "/v1/network/paths",
                    "to={id}&k=5&max_hops=4", p50=20.0, p95=80.0)
        for name, words, draw in (
            ("agent", "an agent to a contact of his", by_agent_of_contact),
            ("manager", "a manager between two customers", by_manager_between),
            ("admin", "an administrator between any two", by_admin_between),
        )
    ),
    NetworkCase("recommend", "recommendations for an agent with 300 customers", by_usual_agent,
                "/v1/network/recommendations", p95=40.0),
]  # fmt: skip

LOAD = NetworkCase("load", "network, depth 2, throughput", by_working_agent, NETWORK, "depth=2&limit=300")


class Observer:
    """Times every statement of the read road but one: who the caller is, he is asked once a second, not each time."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.cpu: list[float] = []
        self.seen: list[tuple[str, list[Any]]] = []
        self._unrelated = {reads.statement(name, None) for name in KEPT_IN_MEMORY}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While this lasts; statements the service sends through other methods are not its hot reads."""
        kept = {name: getattr(asyncpg.Connection, name) for name in ("fetchrow", "fetch", "fetchval")}
        for name, original in kept.items():
            setattr(asyncpg.Connection, name, self._timed(original))
        try:
            yield
        finally:
            for name, original in kept.items():
                setattr(asyncpg.Connection, name, original)

    def _timed(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def timed(connection: asyncpg.Connection, query: str, *args: Any, **named: Any) -> Any:
            if query in self._unrelated:
                return await original(connection, query, *args, **named)
            pid = connection.get_server_pid()
            worked, begun = _on_cpu(pid), time.perf_counter()
            found = await original(connection, query, *args, **named)
            self.taken.append((time.perf_counter() - begun) * 1e3)
            self.cpu.append(_on_cpu(pid) - worked)
            self.seen.append((query, list(args)))
            return found

        return timed


def _on_cpu(pid: int) -> float:
    """ms a process has run, to the microsecond (/proc/<pid>/stat counts in steps of 10 ms)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0


@dataclass(slots=True)
class Bench:
    """The service in this process, and who may ask it."""

    world: NetworkWorld
    app: ASGIApp
    empty: float = 0.0  # ms of a round trip with nothing in it
    _observer: Observer = field(default_factory=Observer)

    def headers(self, who: Agent) -> dict[str, str]:
        """A fresh token: they live ten minutes, and a run takes longer."""
        table = keyring.current().table
        if table is None:
            raise RuntimeError("no signing keys")
        now = int(time.time())
        claims = table.new_claims(org=self.world.org_id, sub=who.id, sid=who.session_id, auth_time=now)
        return {"Authorization": f"Bearer {table.sign(claims)}", "Accept-Language": "zh-CN"}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            yield client

    async def empty_round_trip(self, count: int) -> float:
        """Median ms of `SELECT 1` on the same road, as measured for every statement."""
        taken = []
        for _ in range(count):
            begun = time.perf_counter()
            await reads.with_connection(lambda connection: connection.fetchval("SELECT 1"))
            taken.append((time.perf_counter() - begun) * 1e3)
        self.empty = sorted(taken)[count // 2]
        return self.empty

    def drawn(self, case: NetworkCase, count: int) -> list[Request]:
        """The same requests at every call."""
        dice = random.Random(_SEED)
        return [case.draw(self.world, dice) for _ in range(count)]

    async def measure(self, case: NetworkCase, requests: Sequence[Request], warmup: int) -> Timing:
        """Ask one question after the other; the first ones are not counted."""
        timing, count = Timing([], [], 0, 0, 0), len(requests) - warmup
        async with self.client() as client, self._observer.watching():
            for number, request in enumerate(requests):
                self._observer.taken, self._observer.cpu, self._observer.seen = [], [], []
                answer = await client.get(case.path(request), headers=self.headers(request.by))
                if answer.status_code != 200:
                    raise RuntimeError(f"{case.name}: {case.path(request)}: {answer.status_code} {answer.text[:300]}")
                if number < warmup:
                    continue
                taken = self._observer.taken
                timing.milliseconds.append(max(0.0, sum(taken) - self.empty * len(taken)))
                timing.cpu.append(sum(self._observer.cpu))
                timing.statements += len(taken) / count
                timing.bytes += len(answer.content) / count
                timing.nodes += answer.text.count('"parent_id"') / count
                timing.seen += self._observer.seen
        return timing


async def writes_are_seen(bench: Bench, count: int = 25) -> int:
    """Tie two customers of an agent through the service and read his network at once: how often the tie is there."""
    dice, seen = random.Random(time.time_ns()), 0  # a kept world has the ties of earlier runs
    async with bench.client() as client:
        for number in range(count):
            agent = dice.choice(bench.world.agents)
            one, other = dice.sample(agent.customers, 2)
            # A type and day nobody has used between these two.
            body = {"other_id": str(other), "type": "companion", "since": f"19{50 + number}-01-02", "strength": 0.99}
            url, headers = CUSTOMER.replace("{customer_id}", str(one)), bench.headers(agent)
            made = await client.post(f"{url}/relationships", json=body, headers=headers)
            if made.status_code != 201:
                raise RuntimeError(f"a tie was refused: {made.status_code} {made.text[:300]}")
            found = await client.get(f"{url}/network?depth=1&limit=300", headers=headers)
            seen += made.json()["id"] in {edge["id"] for edge in found.json()["edges"]}
    return seen


def known(document: dict[str, Any], cases: Sequence[NetworkCase] = CASES) -> list[NetworkCase]:
    """The cases whose route is in the OpenAPI document."""
    return [case for case in cases if case.route in document["paths"]]
