"""The read road: a fair pool that loses nothing, and reads that leave no transaction behind."""

import asyncio
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from app import db, reads
from tests.factories import World, create_customer, if_match


class Line:
    """A connection that only remembers what happened to it."""

    def __init__(self) -> None:
        self.closed = False
        self.said: list[str] = []

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True

    async def close(self) -> None:
        self.closed = True

    async def execute(self, sql: str, **_options: object) -> str:
        self.said.append(sql.split(";")[0])
        return ""


class Exchange:
    """Opens lines instead of connections; refuses while `is_down`."""

    def __init__(self) -> None:
        self.opened: list[Line] = []
        self.is_down = False

    async def connect(self, _dsn: str) -> Line:
        await asyncio.sleep(0)
        if self.is_down:
            raise ConnectionRefusedError
        self.opened.append(Line())
        return self.opened[-1]


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    made = Exchange()
    monkeypatch.setattr(reads, "_connect", made.connect)
    return made


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


# --- the pool --------------------------------------------------------------------------------------------------


async def test_connections_go_to_whoever_waited_longest(exchange: Exchange) -> None:
    pool, served = reads._Pool("", 1), list[int]()
    held = await pool.acquire()

    async def ask(number: int) -> None:
        connection = await pool.acquire()
        served.append(number)
        await asyncio.sleep(0)
        pool.release(connection)

    tasks = []
    for number in range(8):
        tasks.append(asyncio.create_task(ask(number)))
        await asyncio.sleep(0)
    pool.release(held)
    tasks.append(asyncio.create_task(ask(99)))  # came last, is served last
    await asyncio.gather(*tasks)
    assert served == [*range(8), 99]
    assert len(exchange.opened) == 1


async def test_pool_never_opens_more_than_its_size(exchange: Exchange) -> None:
    pool = reads._Pool("", 3)
    most = 0

    async def ask() -> None:
        nonlocal most
        connection = await pool.acquire()
        most = max(most, len(exchange.opened))
        await asyncio.sleep(0)
        pool.release(connection)

    await asyncio.gather(*(ask() for _ in range(50)))
    assert (most, len(pool._idle), pool._room) == (3, 3, 0)
    await pool.close()
    assert all(line.closed for line in exchange.opened)


async def test_waiter_cancelled_while_waiting_is_passed_over(exchange: Exchange) -> None:
    pool = reads._Pool("", 1)
    held = await pool.acquire()
    leaving, staying = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await settle()
    leaving.cancel()
    await settle()
    pool.release(held)
    assert await staying is held


async def test_waiter_cancelled_with_a_connection_in_hand_passes_it_on(exchange: Exchange) -> None:
    """The connection was already given to him when he was cancelled, in the same turn of the loop."""
    pool = reads._Pool("", 1)
    held = await pool.acquire()
    leaving, staying = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await settle()
    pool.release(held)
    leaving.cancel()
    assert await staying is held
    with pytest.raises(asyncio.CancelledError):
        await leaving
    pool.release(held)
    assert (pool._idle, pool._room) == ([held], 0)


async def test_broken_connection_is_replaced_for_the_next_in_line(exchange: Exchange) -> None:
    pool = reads._Pool("", 1)
    held = await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await settle()
    held.terminate()
    pool.release(held)
    fresh = await waiting
    assert fresh is not held
    assert not fresh.is_closed()


async def test_connection_that_broke_on_the_way_is_replaced(exchange: Exchange) -> None:
    pool = reads._Pool("", 1)
    held = await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await settle()
    pool.release(held)
    held.terminate()
    assert await waiting is not held


async def test_bound_connection_that_broke_on_the_way_is_forgotten(exchange: Exchange) -> None:
    pool = reads._Pool("", 1)
    held = await pool.acquire()
    await pool.bind(held, UUID(int=1))
    waiting = asyncio.create_task(pool.acquire())
    await settle()
    pool.release(held)
    held.terminate()
    fresh = await waiting
    assert pool._bound == {}  # or the sweeper would never rest again
    pool.release(fresh)
    await pool.close()


async def test_connection_that_broke_while_idle_is_replaced(exchange: Exchange) -> None:
    pool = reads._Pool("", 2)
    lines = [await pool.acquire(), await pool.acquire()]
    for line in lines:
        pool.release(line)
        line.terminate()
    fresh = await pool.acquire()
    assert not fresh.is_closed()
    assert (pool._idle, pool._room) == ([], 1)


async def test_failed_opening_gives_its_place_to_the_next(exchange: Exchange) -> None:
    pool = reads._Pool("", 1)
    exchange.is_down = True
    first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
    with pytest.raises(ConnectionRefusedError):
        await first
    exchange.is_down = False
    line = await second
    assert not line.is_closed()
    pool.release(line)
    assert (pool._idle, pool._room) == ([line], 0)


async def test_whole_queue_is_told_when_the_database_is_down(exchange: Exchange) -> None:
    pool = reads._Pool("", 2)
    exchange.is_down = True
    answers = await asyncio.gather(*(pool.acquire() for _ in range(40)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {ConnectionRefusedError}
    assert (pool._room, list(pool._waiting)) == (2, [])


async def test_waiting_has_an_end(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "QUEUE_SECONDS", 0.01)
    pool = reads._Pool("", 1)
    held = await pool.acquire()
    with pytest.raises(TimeoutError):
        await pool.acquire()
    pool.release(held)
    assert await pool.acquire() is held


# --- one read --------------------------------------------------------------------------------------------------


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The read pool holds one line that only remembers."""
    made, pool = Line(), reads._Pool("", 1)
    pool._idle.append(cast("asyncpg.Connection", made))
    pool._room = 0
    monkeypatch.setattr(reads, "_pool", pool)
    yield made
    assert pool._idle == [made] or made.closed


@pytest.mark.parametrize("moment", ["BEGIN", "fetch"])
@pytest.mark.parametrize("error", [asyncio.CancelledError, asyncpg.QueryCanceledError, TimeoutError])
async def test_read_that_fails_anywhere_is_rolled_back(
    line: Line, monkeypatch: pytest.MonkeyPatch, moment: str, error: type[BaseException]
) -> None:
    async def execute(sql: str, **_options: object) -> str:
        line.said.append(sql.split(";")[0].split()[0])
        if sql.startswith(moment):
            raise error
        return ""

    async def fetchrow(*_args: object) -> None:
        if moment == "fetch":
            raise error

    monkeypatch.setattr(line, "execute", execute)
    monkeypatch.setattr(line, "fetchrow", fetchrow, raising=False)
    with pytest.raises(error):
        await reads.row(UUID(int=1), None, "get_me", UUID(int=2))
    assert line.said[-1] == "ROLLBACK"
    assert not line.closed


async def test_connection_that_cannot_be_rolled_back_is_dropped(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    async def execute(_sql: str, **_options: object) -> str:
        raise TimeoutError

    monkeypatch.setattr(line, "execute", execute)
    with pytest.raises(TimeoutError):
        await reads.row(UUID(int=1), None, "get_me", UUID(int=2))
    assert line.closed


async def state(connection: asyncpg.Connection) -> tuple[bool, Any]:
    return connection.is_in_transaction(), await connection.fetchval("SELECT app_org()")


async def test_abandoned_statement_leaves_no_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client went away while the database was at work."""
    pool = reads._pool
    assert pool is not None
    monkeypatch.setattr(reads, "statement", lambda *_: "SELECT pg_sleep(30), $1::uuid, $2::uuid[]")
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reads.row(world.org_id, None, "any"), 0.02)
        assert await reads.with_connection(state) == (False, None)
    assert not pool._waiting


async def test_reads_cannot_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await create_customer(world.agent)
    change = "UPDATE customers SET name = 'x' WHERE org_id = $1 AND $2::uuid[] IS NULL RETURNING id"
    monkeypatch.setattr(reads, "statement", lambda *_: change)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await reads.row(world.org_id, None, "any")
    monkeypatch.undo()
    assert (await world.agent.get(f"/v1/customers/{made['id']}")).json()["name"] == made["name"]
    assert await reads.with_connection(state) == (False, None)


async def test_read_without_the_pool_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "_pool", None)
    with pytest.raises(RuntimeError, match="not open"):
        await reads.row(UUID(int=1), None, "get_me", UUID(int=2))
    with pytest.raises(RuntimeError, match="not open"):
        await reads.with_connection(state)


# --- the transaction that stays for the next read ---------------------------------------------------------------

A, B = UUID(int=1), UUID(int=2)


async def test_binding_is_kept_for_the_same_organisation_only() -> None:
    pool, made = reads._Pool("", 1), Line()
    await pool.bind(made, A)
    await pool.bind(made, A)
    assert made.said == ["BEGIN READ ONLY"]
    await pool.bind(made, B)
    assert made.said == ["BEGIN READ ONLY", "COMMIT"]
    assert pool._bound[made][0] == B


async def test_binding_ends_when_its_time_is_over() -> None:
    pool, made = reads._Pool("", 1), Line()
    await pool.bind(made, A)
    pool._bound[made] = (A, asyncio.get_running_loop().time())
    await pool.bind(made, A)
    assert made.said == ["BEGIN READ ONLY", "COMMIT"]


async def test_sweep_ends_idle_transactions_and_leaves_busy_ones() -> None:
    pool, idle, busy, fresh = reads._Pool("", 0), Line(), Line(), Line()
    now = asyncio.get_running_loop().time()
    for made, until in ((idle, now), (busy, now), (fresh, now + 60)):
        pool._bound[made] = (A, until)
    pool._idle += [idle, fresh]
    pool._sweep()
    await settle()
    assert (idle.said, busy.said, fresh.said) == (["COMMIT"], [], [])
    assert pool._idle == [fresh, idle]
    assert set(pool._bound) == {busy, fresh}
    await pool.close()


async def test_question_of_no_organisation_is_asked_outside_a_transaction(world: World) -> None:
    await create_customer(world.agent)
    await world.agent.get("/v1/customers")
    assert await reads.with_connection(state) == (False, None)


async def test_open_transaction_sees_what_is_committed_meanwhile(world: World) -> None:
    """READ COMMITTED: what an agent has just written is in his next read, however long the transaction is open."""
    made = await create_customer(world.agent)
    for note in ("一", "二", "三"):
        before = await world.agent.get(f"/v1/customers/{made['id']}")
        await world.agent.patch(f"/v1/customers/{made['id']}", json={"note": note}, headers=if_match(before.json()))
        assert (await world.agent.get(f"/v1/customers/{made['id']}")).json()["note"] == note


# --- the statements --------------------------------------------------------------------------------------------

NAMES = sorted(
    entry.name.removesuffix(".sql")
    for entry in resources.files("app").joinpath("sql").iterdir()
    if entry.name.endswith(".sql")
)
NO_ORGANISATION = {"get_form", "list_forms", "get_restriction"}  # the same for everybody; a function checks it


@pytest.mark.parametrize("name", NAMES)
def test_statement_says_the_organisation_and_whose_customers(name: str) -> None:
    wide, single, several = (reads.statement(name, owners) for owners in (None, 1, 2))
    assert "{visible" not in wide + single + several
    for narrow in (single, several):
        assert "$2" in narrow, "the owners are bound in every statement"
        assert name in NO_ORGANISATION or "org_id = $1" in narrow
    if "customers c" in several and "match_customers" not in several:
        assert re.search(r"\b\w+\.owner_id = ANY\(\$2", several), "nobody restricts whose customers"
        assert re.search(r"\b\w+\.owner_id = \(\$2::uuid\[\]\)\[1\]", single), "nobody restricts whose customers"


def test_variants_fill_their_slots_and_nothing_else() -> None:
    text = reads.statement("list_customers", None, (("key", "name_key"), ("past", ">")))
    assert "{key}" not in text
    assert "c.name_key, c.id) >" in text
    assert "{order}" in text
