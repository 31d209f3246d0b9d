"""A proof is good once: on every worker, in every interleaving, for as long as it could be used."""

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from app import dpop, reads
from app.config import Settings
from app.dpop import DpopError, Proof, make_nonce
from tests.dpop_forge import Device

NOW = 1_790_000_100
KEY = bytes(range(32))
URL = "https://api.renmai.example/v1/auth/refresh"
DEVICE = Device()


def check(text: str, now: float = NOW) -> Proof:
    return dpop.check(text, method="POST", urls=[URL], now=now, nonce_key=KEY)


def proof(**over: Any) -> Proof:
    return check(DEVICE.proof("POST", URL, now=NOW, **over))


def jti_that_sweeps() -> str:
    return next(f"sweep-{n}" for n in count() if hashlib.sha256(f"sweep-{n}".encode()).digest()[0] == 0)


async def use(org_id: UUID, shown: Proof, now: float = NOW) -> bool:
    """As a request does: on any connection of the read road."""
    return await reads.with_connection(lambda connection: dpop.remember(connection, org_id, shown, now))


async def connect(settings: Settings) -> asyncpg.Connection:
    assert settings.database_url is not None
    return await asyncpg.connect(settings.database_url)


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection as another worker has it."""
    connection = await connect(settings)
    yield connection
    await connection.close()


async def test_promise_09_no_replay_is_accepted_in_10_000_tries(api: FastAPI) -> None:
    org_id, firsts, replays = uuid7(), 0, 0
    for _ in range(40):
        shown = proof()
        firsts += await use(org_id, shown)
        replays += sum(await asyncio.gather(*[use(org_id, shown) for _ in range(250)]))
    assert (firsts, replays) == (40, 0)


async def test_promise_09_of_50_parallel_presentations_one_is_accepted(settings: Settings) -> None:
    workers = await asyncio.gather(*[connect(settings) for _ in range(50)])
    try:
        for _ in range(5):
            org_id, shown = uuid7(), proof()
            said = await asyncio.gather(*[dpop.remember(each, org_id, shown, NOW) for each in workers])
            assert sorted(said) == [False] * 49 + [True]
    finally:
        await asyncio.gather(*[each.close() for each in workers])


async def test_other_jti_other_key_other_organisation_are_other_proofs(api: FastAPI) -> None:
    org_id, shown = uuid7(), proof(jti="same")
    theirs = check(Device().proof("POST", URL, now=NOW, jti="same"))
    assert await use(org_id, shown)
    assert await use(org_id, proof(jti="Same"))
    assert await use(org_id, theirs)
    assert await use(uuid7(), shown)
    assert not await use(org_id, shown)
    assert not await use(org_id, proof(jti="same", htm="POST", iat=NOW + 5))  # anew signed, but the number is spent


async def test_proof_whose_first_use_was_undone_waits_and_counts(
    settings: Settings, worker: asyncpg.Connection, owner_db: asyncpg.Connection
) -> None:
    """The twin does not answer before it is known whether the first one stands."""
    org_id, shown = uuid7(), proof()
    first = await connect(settings)
    await first.execute(f"BEGIN; SET LOCAL app.org_id = '{org_id}'")
    await first.execute(
        "INSERT INTO dpop_proofs VALUES ($1, $2, $3, now())",
        org_id,
        shown.jkt,
        hashlib.sha256(shown.jti.encode()).digest(),
    )
    twin = asyncio.create_task(dpop.remember(worker, org_id, shown, NOW))
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
    async with asyncio.timeout(5):
        while not await owner_db.fetchval(waiting, worker.get_server_pid()):
            assert not twin.done()
    await first.close()
    assert await twin
    assert not await dpop.remember(worker, org_id, shown, NOW)


async def test_connection_comes_back_unbound_and_outside_a_transaction(worker: asyncpg.Connection) -> None:
    shown, org_id = proof(), uuid7()
    for is_new in (True, False):
        assert await dpop.remember(worker, org_id, shown, NOW) is is_new
        assert not worker.is_in_transaction()
        assert await worker.fetchval("SELECT app_org()") is None


async def test_failure_is_no_answer_and_leaves_the_road_open(api: FastAPI) -> None:
    broken = dataclasses.replace(proof(), jkt="\x00")
    org_id = uuid7()
    for _ in range(3):
        with pytest.raises(asyncpg.PostgresError):
            await use(org_id, broken)
        assert await use(org_id, proof())


@pytest.mark.parametrize("nonce", [None, make_nonce(KEY, NOW), make_nonce(KEY, NOW - 300)])
@pytest.mark.parametrize("off", [-60, 0, 60])
async def test_proof_is_remembered_longer_than_it_can_be_used(
    api: FastAPI, owner_db: asyncpg.Connection, nonce: str | None, off: int
) -> None:
    text = DEVICE.proof("POST", URL, now=NOW + off, nonce=nonce)
    shown, org_id = check(text), uuid7()
    assert await use(org_id, shown)
    kept_until = await owner_db.fetchval(
        "SELECT extract(epoch FROM expires_at)::bigint FROM dpop_proofs WHERE org_id = $1", org_id
    )
    assert kept_until == shown.usable_until + 60  # clocks of workers differ
    with pytest.raises(DpopError):
        check(text, now=shown.usable_until + 1)


async def test_expired_proofs_of_the_organisation_are_swept(api: FastAPI, owner_db: asyncpg.Connection) -> None:
    org_id, other_org = uuid7(), uuid7()
    old, young = proof(jti="old"), proof(jti="young")
    for org in (org_id, other_org):
        assert await use(org, dataclasses.replace(old, usable_until=NOW - 61))
        assert await use(org, dataclasses.replace(young, usable_until=NOW - 60))
    assert await use(org_id, proof(jti=jti_that_sweeps()))
    count_of = "SELECT count(*) FROM dpop_proofs WHERE org_id = $1"
    assert await owner_db.fetchval(count_of, org_id) == 2
    assert await owner_db.fetchval(count_of, other_org) == 2
    assert await use(org_id, old)
    assert not await use(org_id, young)


async def test_sweeping_in_parallel_neither_waits_nor_fails(settings: Settings, owner_db: asyncpg.Connection) -> None:
    org_id, digests = uuid7(), [hashlib.sha256(b"%d" % n).digest() for n in range(3_000)]
    await owner_db.executemany(
        "INSERT INTO dpop_proofs VALUES ($1, $2, $3, to_timestamp($4))",
        [(org_id, DEVICE.jkt, digest, NOW - 3_000 + n) for n, digest in enumerate(digests)],
    )
    workers = await asyncio.gather(*[connect(settings) for _ in range(6)])
    sweeps = [f"{n}" for n in range(20_000) if hashlib.sha256(b"%d" % n).digest()[0] == 0][-6:]
    assert all(hashlib.sha256(jti.encode()).digest() not in digests for jti in sweeps)
    try:
        said = await asyncio.gather(
            *[dpop.remember(each, org_id, proof(jti=jti), NOW) for each, jti in zip(workers, sweeps, strict=True)]
        )
    finally:
        await asyncio.gather(*[each.close() for each in workers])
    assert said == [True] * 6
    assert await owner_db.fetchval("SELECT count(*) FROM dpop_proofs WHERE org_id = $1", org_id) == 6


async def test_row_of_another_organisation_cannot_be_written(worker: asyncpg.Connection) -> None:
    await worker.execute(f"BEGIN; SET LOCAL app.org_id = '{uuid7()}'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await worker.execute("INSERT INTO dpop_proofs VALUES ($1, 'x', '\\x00', now())", uuid7())
