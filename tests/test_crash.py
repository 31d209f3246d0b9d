"""What was acknowledged is there: the real service and its real PostgreSQL are killed with -9 while it writes.

Three kills by default, one of each kind; `RENMAI_KILLS=100` runs a hundred. A kill is no power cut (what the kernel
holds survives it), so the settings that make a commit wait for the disk are asked for by name.
"""

import asyncio
import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from tests.served import PASSWORD, Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG and pidfd")

KINDS = ("postgres", "service", "both")
KILLS = int(os.environ.get("RENMAI_KILLS", "3"))
CUSTOMERS = 200
Json = dict[str, Any]


@dataclass
class Round:
    """One load of creates with a kill in its middle."""

    tag: str
    kill: Callable[[], None]
    acknowledged: dict[str, Json] = field(default_factory=dict)
    refused: list[httpx.Response] = field(default_factory=list)
    wanted: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wanted = [
            {"id": str(uuid7()), "party_type": "individual", "name": "江晚舟", "stage": "prospect", "tags": [self.tag],
             "note": f"第{number}位"} for number in range(CUSTOMERS)
        ]  # fmt: skip

    async def create(self, client: httpx.AsyncClient, body: Json) -> None:
        """Ask once. A cut connection is no answer; no answer within the client's patience would be a hang."""
        try:
            answer = await post(client, body)
        except httpx.TimeoutException:
            raise
        except httpx.TransportError:
            return
        if answer.status_code != 201:
            self.refused.append(answer)
            return
        self.acknowledged[body["id"]] = answer.json()
        if len(self.acknowledged) == CUSTOMERS // 3:
            self.kill()


async def post(client: httpx.AsyncClient, body: Json) -> httpx.Response:
    return await client.post("/v1/customers", json=body, headers={"Idempotency-Key": f"crash-{body['id']}"})


async def patiently(ask: Callable[[str], Awaitable[httpx.Response]], customers: Iterable[str]) -> list[httpx.Response]:
    """Answers that are no 503: two hundred questions at once may be more than a busy machine can serve."""

    async def one(customer: str) -> httpx.Response:
        for _ in range(20):
            answer = await ask(customer)
            if answer.status_code != 503:
                break
        return answer

    return await asyncio.gather(*(one(customer) for customer in customers))


def has_ended(pidfd: int) -> bool:
    """Whether that process ends within 15 s."""
    try:
        return bool(select.select([pidfd], [], [], 15)[0])
    finally:
        os.close(pidfd)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    home = Path(tempfile.mkdtemp(prefix="renmai-crash-"))
    home.chmod(0o755)  # as root the database runs under another account, which must get in
    made = Service(home)
    try:
        made.start()
        made.command("org", "create", "--code", "crash", "--name", "江城测试机构")
        user = ("--username", "agent", "--name", "陆听雨", "--role", "agent")
        made.command("user", "create", "--org", "crash", *user, RENMAI_NEW_PASSWORD=PASSWORD)
        yield made
    finally:
        made.end()
        shutil.rmtree(home)


@pytest.fixture(scope="module")
async def headers(service: Service) -> dict[str, str]:
    """A token from the first login: it outlives every kill, as the key that signed it does."""
    device = {"id": "crash", "name": "测试手机", "platform": "android"}
    body = {"org": "crash", "username": "agent", "password": PASSWORD, "device": device}
    async with httpx.AsyncClient(base_url=service.url) as client:
        answer = await client.post("/v1/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def client_of(service: Service, headers: dict[str, str]) -> httpx.AsyncClient:
    # A connection kept open may be closed by the service just when it is used again: that would be no kill of ours.
    limits = httpx.Limits(max_connections=CUSTOMERS, max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=service.url, headers=headers, limits=limits, timeout=20)


@pytest.fixture
async def database(service: Service) -> AsyncIterator[Callable[[str], Any]]:
    """Ask the database of the service as its owner, who sees every organisation."""
    opened: list[asyncpg.Connection] = []

    async def ask(sql: str, *args: object) -> list[Any]:
        if not opened:
            service.database.start()  # attaches: only now, after the kill
            opened.append(await asyncpg.connect(service.database.dsn("renmai_owner", "renmai")))
        return [row[0] for row in await opened[0].fetch(sql, *args)]

    yield ask
    for connection in opened:
        await connection.close()
    service.database.stop()


async def healthy_again(service: Service, headers: dict[str, str], began: float) -> float:
    """Seconds until it is ready; until then it says 503."""
    async with client_of(service, headers) as client:
        while (answer := await client.get("/health/ready")).status_code != 200:
            assert answer.status_code == 503, answer.text
            assert monotonic() < began + 60, "never ready again"
    return monotonic() - began


async def kill_while_writing(service: Service, headers: dict[str, str], kind: str) -> tuple[Round, float]:
    postmaster = service.postmaster()
    watched = os.pidfd_open(postmaster)

    def kill() -> None:
        if kind != "service":
            signal.pidfd_send_signal(watched, signal.SIGKILL)
        if kind != "postgres":
            service.kill()

    load = Round(f"{kind}-{uuid7().hex[-8:]}", kill)
    async with client_of(service, headers) as client:
        await asyncio.gather(*(load.create(client, body) for body in load.wanted))
    assert has_ended(watched), "the database outlived its service"
    began = monotonic()
    if kind != "postgres":
        service.end()
        service.start()
    seconds = await healthy_again(service, headers, began)
    assert service.postmaster() != postmaster
    return load, seconds


async def test_commits_wait_for_the_disk(service: Service, database: Callable[[str], Any]) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    assert [await database(f"SHOW {name}") for name in names] == [["on"], ["on"], ["on"]]


@pytest.mark.parametrize("number", range(KILLS), ids=lambda number: f"{number}-{KINDS[number % len(KINDS)]}")
async def test_kill_loses_nothing_doubles_nothing(
    service: Service, headers: dict[str, str], database: Callable[..., Any], number: int
) -> None:
    load, seconds = await kill_while_writing(service, headers, KINDS[number % len(KINDS)])
    told = f"{len(load.acknowledged)} acknowledged, {len(load.refused)} refused, healthy again in {seconds:.1f} s"
    print(told)
    assert [line for line in service.log.read_text().splitlines() if '"level":"ERROR"' in line] == [], told
    assert len(load.acknowledged) >= CUSTOMERS // 3, told
    assert KINDS[number % len(KINDS)] == "postgres" or len(load.acknowledged) < CUSTOMERS, "killed too late"
    assert {(answer.status_code, "retry-after" in answer.headers) for answer in load.refused} <= {(503, True)}, told

    async with client_of(service, headers) as client:
        bodies = {body["id"]: body for body in load.wanted}
        retried = await patiently(lambda customer: post(client, bodies[customer]), bodies)
        stored = await patiently(lambda customer: client.get(f"/v1/customers/{customer}"), load.acknowledged)
    assert {answer.status_code for answer in retried} == {201}, told
    assert [answer.json() for answer in stored] == list(load.acknowledged.values()), told
    replayed = {answer.json()["id"] for answer in retried if "idempotency-replayed" in answer.headers}
    assert replayed >= load.acknowledged.keys(), told

    ids = await database("SELECT id::text FROM customers WHERE $1 = ANY(tags)", load.tag)
    assert sorted(ids) == sorted(body["id"] for body in load.wanted), told
    everybody = sorted(await database("SELECT id FROM customers"))
    assert everybody == sorted(await database("SELECT object_id FROM audit_events WHERE action = 'customer.created'"))
    assert everybody == sorted(await database("SELECT id FROM feed WHERE collection = 'customers'"))
