"""Rows 48, 49 and 51 of the promises: what is sealed cannot be moved or changed, and keys rotate live."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app import aead, crypto, key_rows, keyring, reseal, rotation
from app.crypto import Algorithm, BlindKeys, CryptoError, FieldCipher, Place
from app.keyring import Keyring
from app.sealed import SEALED, WRAPPED
from app.services import customers_reveal
from app.wrapping import LocalKeys
from bench.world import id_number
from tests.factories import World, create_customer
from tests.key_times import work
from tests.sealed_notes import NOTES, note, said, table_of_notes

COLUMNS = (*SEALED, NOTES)
TEXT = "11010519491231002X"


def changed(blob: bytes) -> Iterator[bytes]:
    """Every byte changed in turn (lowest bit, highest bit, all), every shorter text, one byte more."""
    for at, mask in itertools.product(range(len(blob)), (0x01, 0x80, 0xFF)):
        yield blob[:at] + bytes([blob[at] ^ mask]) + blob[at + 1 :]
    yield from (blob[:size] for size in range(len(blob)))
    yield blob + b"\0"


def refused(open_: Callable[..., object], *args: object) -> bool:
    try:
        open_(*args)
    except CryptoError:
        return True
    return False


# --- 48: ciphertext cannot be moved or changed -------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", Algorithm)
def test_row_48_every_changed_byte_is_refused(algorithm: Algorithm) -> None:
    org, person, row = uuid4(), uuid4(), uuid4()
    organisation = FieldCipher(org, {1: crypto.new_key(), 2: crypto.new_key()}, 2, algorithm)
    wrapped = organisation.wrap_person_key(person, 1, crypto.new_key())
    cipher = organisation.person(person, [wrapped])
    field, kek, place = cipher.seal("t", "c", row, TEXT), crypto.new_key(), Place.key("org", org, 3)
    secret = crypto.wrap(kek, place, crypto.new_key(), algorithm)
    assert cipher.open("t", "c", row, field) == TEXT
    assert [field[1], wrapped[1], wrapped[7], secret[1]] == [algorithm] * 4
    assert all(refused(cipher.open, "t", "c", row, one) for one in changed(field))
    assert all(refused(organisation.person, person, [one]) for one in changed(wrapped))
    assert all(refused(crypto.unwrap, kek, place, one) for one in changed(secret))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_row_48_every_swap_is_refused(algorithm: Algorithm) -> None:
    """Of row, column, table, organisation, person, version and layer, even by who holds the keys of both places."""
    orgs, people, rows = [uuid4(), uuid4()], [uuid4(), uuid4()], [uuid4(), uuid4()]
    keys, person_key = {1: crypto.new_key()}, crypto.new_key()
    of_orgs = [FieldCipher(org, keys, 1, algorithm) for org in orgs]
    sealed: dict[tuple[int, int, str, str], bytes] = {}
    places = list(itertools.product((0, 1), (0, 1), ("t", "u"), ("c", "d")))
    for org, row, table, column in places:
        sealed[org, row, table, column] = of_orgs[org].seal(table, column, rows[row], TEXT)
    for here, there in itertools.product(places, places):
        org, row, table, column = here
        is_refused = refused(of_orgs[org].open, table, column, rows[row], sealed[there])
        assert is_refused == (here != there)
    wrapped = {
        (org, person): of_orgs[org].wrap_person_key(people[person], 1, person_key)
        for org, person in itertools.product((0, 1), (0, 1))
    }
    for to, of in itertools.product(wrapped, wrapped):
        is_refused = refused(of_orgs[to[0]].person, people[to[1]], [wrapped[of]])
        assert is_refused == (to != of)
    kek, spots = (
        crypto.new_key(),
        [Place.key(layer, org, n) for layer in ("org", "blind") for org in orgs for n in (1, 2)],
    )
    secrets = {place: crypto.wrap(kek, place, person_key, algorithm) for place in spots}
    for one, other in itertools.product(spots, spots):
        assert refused(crypto.unwrap, kek, one, secrets[other]) == (one != other)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_row_48_field_of_a_person_opens_with_his_key_only(algorithm: Algorithm) -> None:
    org, row = uuid4(), uuid4()
    one, other = (FieldCipher(org, {1: crypto.new_key()}, 1, algorithm) for _ in range(2))
    assert refused(other.open, "t", "c", row, one.seal("t", "c", row, TEXT))


def test_row_48_both_algorithms_open_whatever_is_chosen() -> None:
    org, row, keys = uuid4(), uuid4(), {1: crypto.new_key()}
    aes, sm4 = (FieldCipher(org, keys, 1, algorithm) for algorithm in Algorithm)
    for sealer, opener in itertools.product((aes, sm4), (aes, sm4)):
        blob = sealer.seal("t", "c", row, TEXT)
        assert opener.open("t", "c", row, blob) == TEXT
        assert opener.is_current(blob) == (sealer is opener)
        lying = bytes([blob[0], 3 - blob[1]]) + blob[2:]
        assert refused(opener.open, "t", "c", row, lying)


# --- 49: the cryptography is the tested one (the other vectors are in test_crypto.py) -----------------------------


def test_row_49_sm4_gcm_gives_what_rfc_8998_prints() -> None:
    """Appendix A.1."""
    key, nonce = bytes.fromhex("0123456789abcdeffedcba9876543210"), bytes.fromhex("00001234567800000000abcd")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    message = bytes.fromhex("".join(two * 8 for two in ("aa", "bb", "cc", "dd", "ee", "ff", "ee", "aa")))
    expected = bytes.fromhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert aead.SM4GCM(key).encrypt(nonce, message, aad) == expected
    assert aead.opened(aead.SM4GCM(key), aad, nonce + expected) == message
    for one in changed(expected):
        assert refused(aead.opened, aead.SM4GCM(key), aad, nonce + one)


# --- 51: keys rotate live ---------------------------------------------------------------------------------------


class Client:
    """Reads, searches and writes without a break until it is stopped; every failure is kept."""

    def __init__(self, world: World) -> None:
        self.world, self.failures, self.done = world, list[str](), 0
        self.known: list[tuple[str, str]] = []
        self.notes: list[tuple[UUID, str]] = []
        self.steps = asyncio.Queue[int]()
        self.people = [uuid4() for _ in range(4)]
        self._numbers = itertools.count(1)

    async def write(self) -> None:
        number = id_number(next(self._numbers))
        made = await create_customer(self.world.agent, id_number=number)
        self.known.append((made["id"], number))

    async def search(self) -> None:
        """The blind index: whoever has this number already is found."""
        _, number = self.known[self.done % len(self.known)]
        body = {"party_type": "individual", "name": "李雷", "stage": "prospect", "id_number": number}
        answer = await self.world.mate.post("/v1/customers", json=body)
        assert (answer.status_code, answer.json().get("code")) == (409, "id_number_taken")

    async def read(self) -> None:
        customer, number = self.known[self.done % len(self.known)]
        body = {"fields": ["id_number"], "purpose": "underwriting"}
        headers = {"Idempotency-Key": uuid4().hex}
        answer = await self.world.agent.post(f"/v1/customers/{customer}/reveal", json=body, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"id_number": number})

    async def write_note(self) -> None:
        text = f"第{len(self.notes)}条"
        self.notes.append((await note(self.world, self.people[self.done % 4], text), text))

    async def read_note(self) -> None:
        row, text = self.notes[self.done % len(self.notes)]
        assert await said(self.world, row) == text

    async def run(self, stopped: asyncio.Event) -> None:
        await self.write()
        await self.write_note()
        for step in itertools.cycle([self.search, self.read, self.read_note, self.write, self.write_note]):
            if stopped.is_set():
                return
            try:
                await step()
            except Exception as error:  # whatever it is, it is a failure
                self.failures.append(f"{step.__name__}: {error!r}"[:300])
            self.done += 1
            self.steps.put_nowait(self.done)

    async def work(self, steps: int) -> None:
        """Wait until so many more are done."""
        until = self.done + steps
        while await self.steps.get() < until:
            pass


async def under_load(world: World, do: Callable[[], Awaitable[Any]]) -> Client:
    """Something done while a client works; it has worked before, meanwhile and after."""
    client, stopped = Client(world), asyncio.Event()
    task = asyncio.create_task(client.run(stopped))
    async with asyncio.timeout(60):
        await client.work(10)
        await do()
        await client.work(10)
        stopped.set()
        await task
    return client


@pytest.fixture
async def mover(owner_db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner role for the rotation alone, a table of notes, and no limit on looking."""
    monkeypatch.setattr(customers_reveal, "PER_HOUR", 1_000_000)
    connection = await asyncpg.connect(str(keyring.current().settings.owner_database_url))
    async with table_of_notes(owner_db):
        try:
            yield connection
        finally:
            await connection.close()


async def old_rows(world: World, layer: key_rows.Layer, kek_version: int = 1) -> int:
    """Rows on an old version, by the count that stands between a key and its end."""
    found = await key_rows.count_wrapped(world.db, kek_version)
    found += await key_rows.count(world.db, world.org_id, COLUMNS)
    return sum(one.rows for one in found if one.layer == layer and not one.is_current)


async def opened_keys(world: World, layer: keyring.KeyLayer) -> dict[int, bytes]:
    keys, _ = await reseal.open_keys(world.db, keyring.current().wrapper, layer, world.org_id)
    return keys


async def test_row_51_organisation_key_rotates_under_load(world: World, mover: asyncpg.Connection) -> None:
    old: dict[int, bytes] = {}

    async def rotate() -> None:
        old.update(await opened_keys(world, "org"))
        await rotation.rotate_organisation(work(mover, sealed=COLUMNS), "org", world.org_id)
        await rotation.retire(work(mover, sealed=COLUMNS), "org", world.org_id)

    client = await under_load(world, rotate)
    assert client.failures == []
    assert client.done >= 20
    assert await old_rows(world, "org") == 0
    assert list(await opened_keys(world, "org")) == [2]
    retired = FieldCipher(world.org_id, old, 1)
    rows = await world.db.fetch("SELECT id, id_number_enc FROM customers WHERE org_id = $1", world.org_id)
    persons = await world.db.fetch("SELECT person_id, wrapped FROM person_keys WHERE org_id = $1", world.org_id)
    assert rows
    assert len(persons) >= len(rows)
    assert all(refused(retired.open, "customers", "id_number", r["id"], r["id_number_enc"]) for r in rows)
    assert all(refused(retired.person, p["person_id"], [p["wrapped"]]) for p in persons)


async def test_row_51_keys_of_persons_rotate_under_load(world: World, mover: asyncpg.Connection) -> None:
    old: dict[UUID, FieldCipher] = {}

    async def rotate() -> None:
        organisation = FieldCipher(world.org_id, await opened_keys(world, "org"), 1)
        for row in await world.db.fetch("SELECT person_id, wrapped FROM person_keys WHERE org_id = $1", world.org_id):
            old[row["person_id"]] = organisation.person(row["person_id"], [row["wrapped"]])
        await rotation.rotate_persons(work(mover, sealed=COLUMNS), world.org_id)
        await rotation.retire(work(mover, sealed=COLUMNS), "person", world.org_id)

    client = await under_load(world, rotate)
    assert client.failures == []
    assert await old_rows(world, "person") == 0
    rows = await world.db.fetch("SELECT * FROM sealed_notes WHERE org_id = $1", world.org_id)
    assert len(rows) == len(client.notes)
    assert old
    for row in rows:
        assert all(refused(c.open, "notes", "note", row["id"], row["note_enc"]) for c in old.values())


async def test_row_51_blind_index_key_rotates_under_load(world: World, mover: asyncpg.Connection) -> None:
    old: dict[int, bytes] = {}

    async def rotate() -> None:
        old.update(await opened_keys(world, "blind"))
        await rotation.rotate_organisation(work(mover, sealed=COLUMNS), "blind", world.org_id)
        await rotation.retire(work(mover, sealed=COLUMNS), "blind", world.org_id)

    client = await under_load(world, rotate)
    assert client.failures == []
    assert await old_rows(world, "blind") == 0
    assert list(await opened_keys(world, "blind")) == [2]
    stored = {
        row["id_number_bi"]
        for row in await world.db.fetch("SELECT id_number_bi FROM customers WHERE org_id = $1", world.org_id)
    }
    retired = BlindKeys(world.org_id, old, 1)
    assert len(stored) == len(client.known)
    assert not stored & {retired.index("customers", "id_number", number) for _, number in client.known}


class Back:
    """Version 1 wraps again: how a test leaves the keys of the others as it found them."""

    def __init__(self, ring: Keyring) -> None:
        self._ring = ring

    async def current(self) -> int:
        return 1

    async def wrap(self, place: Place, secret: bytes) -> tuple[int, bytes]:
        return 1, crypto.wrap(self._ring.kek, place, secret)

    async def unwrap(self, kek_version: int, place: Place, blob: bytes) -> bytes:
        return await self._ring.wrapper.unwrap(kek_version, place, blob)


async def test_row_51_key_encryption_key_rotates_under_load(
    world: World, mover: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, file = keyring.current(), tmp_path / "kek"
    monkeypatch.setattr(ring.settings, "kek_file", file)
    file.write_text("")
    here = keyring.derive(ring.settings)  # the command; the service is another process and has read the file before

    async def rotate() -> None:
        file.write_text(f"2 {new_kek()}\n")
        assert await rotation.rotate_kek(work(mover, ring=here)) >= 3
        ring.organisations.clear()  # every process opens its keys anew within a minute
        await rotation.retire(work(mover, ring=here), "kek")

    try:
        client = await under_load(world, rotate)
        assert client.failures == []
        assert isinstance(ring.wrapper, LocalKeys)
        assert ring.wrapper.versions() == [1, 2]
        assert await old_rows(world, "kek", 2) == 0
        for one in WRAPPED:
            for row in await world.db.fetch(f"SELECT * FROM {one.table} WHERE {one.column} <> ''"):
                assert row["kek_version"] == 2
                assert refused(crypto.unwrap, ring.kek, reseal.place_of(one, row), row[one.column])
    finally:
        await reseal.wrap_anew(mover, Back(ring))
    assert await old_rows(world, "kek") == 0


def new_kek() -> str:
    import base64

    return base64.b64encode(crypto.new_key()).decode()
