"""Keys rotate one layer after the other, and nothing is destroyed while a row needs it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from app import crypto, db, key_rows, keyring, reseal, rotation
from app.crypto import CryptoError, FieldCipher
from app.rotation import RotationError
from app.sealed import SEALED
from tests.factories import World, create_customer
from tests.key_times import pass_time, work
from tests.sealed_notes import NOTES, note, said, table_of_notes

NUMBERS = ["11010519491231002X", "440524188001010014"]
COLUMNS = (*SEALED, NOTES)


@pytest.fixture
async def notes(owner_db: asyncpg.Connection) -> AsyncIterator[None]:
    async with table_of_notes(owner_db):
        yield


async def lying(world: World, layer: key_rows.Layer) -> dict[str, dict[int, int]]:
    """Rows of this organisation by place and version."""
    found: dict[str, dict[int, int]] = {}
    has_notes = await world.db.fetchval("SELECT to_regclass('sealed_notes') IS NOT NULL")
    for one in await key_rows.count(world.db, world.org_id, COLUMNS if has_notes else SEALED):
        if one.layer == layer:
            found.setdefault(one.place, {})[one.version] = one.rows
    return found


async def states(world: World, table: str) -> dict[int, str]:
    rows = await world.db.fetch(f"SELECT version, state FROM {table} WHERE org_id = $1", world.org_id)
    return {row["version"]: row["state"] for row in rows}


async def id_numbers(world: World) -> list[dict[str, Any]]:
    return [await create_customer(world.agent, id_number=number) for number in NUMBERS]


async def is_taken(world: World, number: str) -> bool:
    body = {"party_type": "individual", "name": "李雷", "stage": "prospect", "id_number": number}
    answer = await world.agent.post("/v1/customers", json=body)
    return answer.status_code == 409 and answer.json()["code"] == "id_number_taken"


async def test_organisation_key_moves_with_all_that_lies_under_it(world: World, notes: None) -> None:
    await id_numbers(world)
    person = uuid7()
    row = await note(world, person, "喜欢钓鱼")
    assert await rotation.rotate_organisation(work(world.db, sealed=COLUMNS), "org", world.org_id) >= 3
    assert {place: set(found) for place, found in (await lying(world, "org")).items()} == {
        "person_keys.wrapped": {2},
    }  # fmt: skip
    assert await states(world, "org_keys") == {1: "decrypt_only", 2: "active"}
    assert await said(world, row) == "喜欢钓鱼"
    old = await world.db.fetchval("SELECT wrapped FROM org_keys WHERE org_id = $1 AND version = 1", world.org_id)
    assert await rotation.retire(work(world.db, sealed=COLUMNS), "org", world.org_id) == 1
    assert await states(world, "org_keys") == {1: "destroyed", 2: "active"}
    assert old != b""
    assert (
        await world.db.fetchval("SELECT wrapped FROM org_keys WHERE org_id = $1 AND version = 1", world.org_id) == b""
    )
    await pass_time(world.db, 1000)
    assert await said(world, row) == "喜欢钓鱼"
    assert await is_taken(world, NUMBERS[0])


async def test_keys_of_persons_move_even_where_rows_are_guarded(world: World, notes: None) -> None:
    people = [uuid7() for _ in range(3)]
    rows = [await note(world, person, f"第{number}条") for number, person in enumerate(people)]
    job = work(world.db, sealed=COLUMNS)
    assert await rotation.rotate_persons(job, world.org_id) == 3
    assert await lying(world, "person") == {"sealed_notes.note_enc": {2: 3}}
    assert await rotation.rotate_persons(job, world.org_id) == 0, "what is not retired is not rotated again"
    assert await rotation.retire(job, "person", world.org_id) == 3
    keys = await world.db.fetch("SELECT version FROM person_keys WHERE org_id = $1", world.org_id)
    assert [key["version"] for key in keys] == [2, 2, 2]
    assert [await said(world, row) for row in rows] == ["第0条", "第1条", "第2条"]
    with pytest.raises(asyncpg.PostgresError):  # guarded as before
        await world.db.execute("UPDATE sealed_notes SET note_enc = NULL WHERE org_id = $1", world.org_id)


async def test_blind_index_finds_during_its_rotation_and_after(world: World) -> None:
    await id_numbers(world)
    before = await world.db.fetch("SELECT id_number_bi FROM customers WHERE org_id = $1", world.org_id)
    assert await rotation.rotate_organisation(work(world.db), "blind", world.org_id) == 2
    assert await lying(world, "blind") == {"customers.id_number_bi": {2: 2}}
    after = await world.db.fetch("SELECT id_number_bi FROM customers WHERE org_id = $1", world.org_id)
    assert not {row["id_number_bi"] for row in before} & {row["id_number_bi"] for row in after}
    assert all([await is_taken(world, number) for number in NUMBERS])
    assert await rotation.retire(work(world.db), "blind", world.org_id) == 1
    await pass_time(world.db, 1000)
    assert all([await is_taken(world, number) for number in NUMBERS])


async def test_equal_number_is_seen_across_the_versions_of_the_index(world: World) -> None:
    """Published and used, but nothing is moved yet: the unique index alone would take the second one."""
    await id_numbers(world)
    job = work(world.db)
    await rotation._publish(job, "blind", world.org_id)
    await rotation._wait(job, "blind", world.org_id, "pre_active")
    await rotation._activate(job, "blind", world.org_id)
    assert all([await is_taken(world, number) for number in NUMBERS])
    assert await lying(world, "blind") == {"customers.id_number_bi": {1: 2}}


@pytest.mark.parametrize("layer", ["org", "blind"])
async def test_key_is_published_before_it_is_used(world: World, layer: keyring.KeyLayer) -> None:
    await id_numbers(world)
    seen = []

    async def pause(seconds: float) -> None:
        seen.append((await states(world, f"{layer}_keys"), seconds > keyring.current().settings.key_seconds - 1))
        await pass_time(world.db, seconds)

    await rotation.rotate_organisation(work(world.db, pause=pause), layer, world.org_id)
    assert seen[0] == ({1: "active", 2: "pre_active"}, True)
    assert ({1: "decrypt_only", 2: "active"}, True) in seen


@pytest.mark.parametrize("layer", ["org", "blind"])
async def test_key_that_may_still_be_used_is_not_destroyed(world: World, layer: keyring.KeyLayer) -> None:
    await id_numbers(world)
    await rotation.rotate_organisation(work(world.db), layer, world.org_id)
    await world.db.execute(f"UPDATE {layer}_keys SET activated_at = now() WHERE org_id = $1", world.org_id)
    with pytest.raises(RotationError, match="may still use"):
        await rotation.retire(work(world.db), layer, world.org_id)


async def test_key_with_a_row_left_is_not_destroyed(world: World) -> None:
    made = await id_numbers(world)
    of_person = "person_keys WHERE person_id = $1"
    old = await world.db.fetchval(f"SELECT wrapped FROM {of_person}", UUID(made[0]["id"]))
    await rotation.rotate_organisation(work(world.db), "org", world.org_id)
    await world.db.execute("UPDATE person_keys SET wrapped = $2 WHERE person_id = $1", UUID(made[0]["id"]), old)
    with pytest.raises(RotationError, match=r"1 rows are left: person_keys\.wrapped version 1"):
        await rotation.retire(work(world.db), "org", world.org_id)
    assert await rotation.rotate_organisation(work(world.db), "org", world.org_id) == 1, "it goes on where it was"
    assert await rotation.retire(work(world.db), "org", world.org_id) == 1


async def test_interrupted_rotation_goes_on(world: World) -> None:
    await id_numbers(world)

    async def stop(_: float) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            await rotation.rotate_organisation(work(world.db, pause=stop), "org", world.org_id)
    assert await states(world, "org_keys") == {1: "active", 2: "pre_active"}
    assert await rotation.rotate_organisation(work(world.db), "org", world.org_id) >= 2
    assert await states(world, "org_keys") == {1: "decrypt_only", 2: "active"}


async def test_row_that_does_not_open_stops_the_rotation_and_is_named(world: World) -> None:
    made = await id_numbers(world)
    await world.db.execute(
        "UPDATE customers SET id_number_enc = set_byte(id_number_enc, 40, 1 # get_byte(id_number_enc, 40)) "
        "WHERE id = $1",
        UUID(made[1]["id"]),
    )
    with pytest.raises(CryptoError, match=made[1]["id"]):
        await rotation.rotate_persons(work(world.db), world.org_id)


async def test_what_a_request_changes_meanwhile_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await id_numbers(world)
    new = "110105199003078887"

    async def edit() -> None:
        answer = await world.agent.patch(
            f"/v1/customers/{made[0]['id']}", json={"id_number": new}, headers={"If-Match": f'"{made[0]["version"]}"'}
        )
        assert answer.status_code == 200, answer.text

    edits = [edit]
    walk = reseal.walk

    async def walk_and_edit(*args: Any) -> AsyncIterator[list[asyncpg.Record]]:
        async for rows in walk(*args):
            if "id_number_enc" in args[1] and edits:
                await edits.pop()()
            yield rows

    monkeypatch.setattr(reseal, "walk", walk_and_edit)
    await rotation.rotate_persons(work(world.db), world.org_id)
    assert not edits
    assert (await lying(world, "person"))["customers.id_number_enc"] == {2: 2}
    assert await is_taken(world, new)
    assert not await is_taken(world, NUMBERS[0])


async def test_only_one_command_works_on_the_keys(world: World) -> None:
    await id_numbers(world)
    other = await asyncpg.connect(str(keyring.current().settings.owner_database_url))
    try:
        await other.fetchval("SELECT pg_advisory_lock($1)", rotation._LOCK)
        with pytest.raises(RotationError, match="another command"):
            await rotation.rotate_kek(work(world.db))
    finally:
        await other.close()


async def test_open_transaction_keeps_the_old_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await id_numbers(world)
    await rotation.rotate_organisation(work(world.db), "org", world.org_id)
    monkeypatch.setattr(rotation, "_PATIENCE_SECONDS", 0.05)
    async with db.transaction(world.org_id) as session:
        await db.raw(session).fetchval("SELECT 1")
        with pytest.raises(RotationError, match="still open"):
            await rotation.retire(work(world.db), "org", world.org_id)


async def test_organisation_without_a_key_has_nothing_to_rotate(world: World) -> None:
    with pytest.raises(RotationError, match="no such key"):
        await rotation.rotate_organisation(work(world.db), "blind", world.org_id)


async def test_process_that_meets_an_unknown_version_reads_the_keys_anew(world: World, notes: None) -> None:
    """Even at once, when nothing was published ahead."""
    row, ring = await note(world, uuid7(), "第一"), keyring.current()
    assert await said(world, row) == "第一"
    job = work(world.db, sealed=COLUMNS)
    await rotation._publish(job, "org", world.org_id)
    await rotation._activate(job, "org", world.org_id)
    await rotation._move(job, "org", world.org_id)
    known = ring.organisations[world.org_id]
    assert await said(world, row) == "第一"
    assert ring.organisations[world.org_id] is not known
    ring.organisations[world.org_id] = known
    person = await world.db.fetchval("SELECT person_id FROM sealed_notes WHERE org_id = $1", world.org_id)
    assert await said(world, await note(world, person, "第二")) == "第二"


async def test_keys_in_memory_are_few_and_young(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await id_numbers(world)
    ring = keyring.current()
    first = ring.organisations[world.org_id]
    assert keyring._at_hand(world.org_id) is first
    ring.organisations[world.org_id] = keyring.OrgKeys(first.fields, first.blinds, first.loaded_at - 300)
    assert keyring._at_hand(world.org_id) is None
    assert world.org_id not in ring.organisations
    monkeypatch.setattr(ring, "organisations", {})
    monkeypatch.setattr(keyring, "_ORGANISATIONS", 3)
    ids = [uuid7() for _ in range(5)]
    for org_id in ids:
        keyring._keep(org_id, first)
    assert list(ring.organisations) == ids[2:]


async def test_keys_are_destroyed_for_good(world: World) -> None:
    await id_numbers(world)
    wrapped = await world.db.fetchrow("SELECT * FROM org_keys WHERE org_id = $1", world.org_id)
    place = crypto.Place.key("org", world.org_id, 1)
    old = FieldCipher(
        world.org_id, {1: await keyring.current().wrapper.unwrap(wrapped["kek_version"], place, wrapped["wrapped"])}, 1
    )
    await rotation.rotate_organisation(work(world.db), "org", world.org_id)
    await rotation.retire(work(world.db), "org", world.org_id)
    for row in await world.db.fetch("SELECT id, id_number_enc FROM customers WHERE org_id = $1", world.org_id):
        with pytest.raises(CryptoError):
            old.open("customers", "id_number", row["id"], row["id_number_enc"])
