"""Keys of persons: made once, unknown to anybody else, needed to read what is sealed."""

import asyncio
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from app import crypto, db, reads, vault
from tests.factories import World


async def test_key_of_a_person_is_made_once_and_opens_on_both_roads(world: World) -> None:
    person, org = uuid7(), world.org_id
    async with db.transaction(org) as session:
        sealed = vault.seal_json(await vault.of_person(session, org, person), "t", "c", person, {"phone": "138"})
    async with db.transaction(org) as session:
        again = await vault.of_person(session, org, person)
        assert vault.open_json(again, "t", "c", person, sealed) == {"phone": "138"}
        wrapped = [row["wrapped"] for row in await db.raw(session).fetch("SELECT wrapped FROM person_keys")]
    reader = await vault.opener(org, person, wrapped)
    assert vault.open_json(reader, "t", "c", person, sealed) == {"phone": "138"}
    assert (await reads.row(org, None, "get_org_keys")) is not None


async def test_first_keys_of_parallel_requests_are_one(world: World) -> None:
    person, org = uuid7(), world.org_id

    async def seal() -> bytes:
        async with db.transaction(org) as session:
            return (await vault.of_person(session, org, person)).seal("t", "c", person, "x")

    blobs = await asyncio.gather(*(seal() for _ in range(8)))
    async with db.transaction(org) as session:
        cipher = await vault.of_person(session, org, person)
        assert {cipher.open("t", "c", person, blob) for blob in blobs} == {"x"}


async def test_nothing_opens_without_a_key(world: World) -> None:
    with pytest.raises(crypto.CryptoError):
        await vault.opener(world.org_id, uuid4(), [])
