"""What step 0015 makes of the customers of the former release: everything reads as before, nothing is left in clear."""

from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app import crypto, keyring, migrate
from app.config import Settings
from app.crypto import BlindKeys, FieldCipher, Place
from app.domain import identity, names
from tests.test_migrate import fill, former
from tests.test_promises_masks import ID_NUMBER, LABEL, MAIL, NOTE, PHONE, PLACE, TIE, shapes

__all__ = ["former"]

PHONES: list[dict[str, Any]] = [
    {"number": f"+86{PHONE}", "kind": "mobile", "label": LABEL},
    {"number": "+862785912346", "kind": "home", "label": None},
]
EMAILS = [{"address": MAIL, "kind": "home"}]
ADDRESSES = [
    {"kind": "home", "province": "湖北省", "city": "武汉市", "county": None, "detail": PLACE, "postcode": "430747"}
]
SECRETS = (PHONE, "2785912346", "93100931", MAIL, ID_NUMBER, LABEL, PLACE, "430747", NOTE, TIE)


async def store(connection: asyncpg.Connection, ring: keyring.Keyring, org: UUID, person: UUID) -> None:
    """A customer as the former release kept him."""
    key = crypto.new_key()
    wrapped = crypto.wrap_key(ring.kek, org, 1, key)
    await connection.execute("INSERT INTO org_keys (org_id, version, wrapped) VALUES ($1, 1, $2)", org, wrapped)
    masked = {
        "phones": [{**phone, "number": identity.mask_phone(phone["number"])} for phone in PHONES],
        "emails": [{**mail, "address": identity.mask_email(mail["address"])} for mail in EMAILS],
        "addresses": [{**place, "detail": None, "postcode": None} for place in ADDRESSES],
    }
    words = names.search_words("王永庆") + f"#{PHONE[::-1]} #6432195872 "
    await connection.execute(
        "UPDATE customers SET name = '王永庆', search_text = $3, phones = $4, emails = $5, addresses = $6, "
        "masked = $7, note = $8, id_type = 'resident_id', id_number_enc = $9, id_number_bi = $10, "
        "id_number_masked = $11 WHERE org_id = $1 AND id = $2",
        org, person, words, *(orjson.dumps(value).decode() for value in (PHONES, EMAILS, ADDRESSES, masked)), NOTE,
        FieldCipher(org, {1: key}, 1).seal("customers", "id_number", person, ID_NUMBER),
        b"an older index!!", identity.mask_id_number(ID_NUMBER),
    )  # fmt: skip


async def keys_of(
    connection: asyncpg.Connection, ring: keyring.Keyring, org: UUID, layer: str
) -> tuple[dict[int, bytes], int]:
    row = await connection.fetchrow(f"SELECT version, kek_version, wrapped FROM {layer}_keys WHERE org_id = $1", org)
    place = Place.key(layer, org, row["version"])
    return {row["version"]: await ring.wrapper.unwrap(row["kek_version"], place, row["wrapped"])}, row["version"]


async def person_of(connection: asyncpg.Connection, organisation: FieldCipher, person: UUID) -> FieldCipher:
    rows = await connection.fetch("SELECT wrapped FROM person_keys WHERE person_id = $1", person)
    return organisation.person(person, [row["wrapped"] for row in rows])


async def test_customers_of_the_former_release_read_as_before(former: str, settings: Settings) -> None:
    connection, ring = await asyncpg.connect(former), keyring.derive(settings)
    try:
        org, people, ties = await fill(connection)
        person = people["one"]
        await store(connection, ring, org, person)
        await connection.execute("UPDATE relationships SET note = $1 WHERE id = $2", TIE, ties[0])
        kept = "SELECT version, updated_at, created_at, name, name_key, created_digest, deleted_at FROM customers"
        before = await connection.fetch(f"{kept} ORDER BY id")
        await migrate.upgrade(former, app_role="renmai_app", keys=ring)
        assert await connection.fetch(f"{kept} ORDER BY id") == before
        organisation = FieldCipher(org, *await keys_of(connection, ring, org, "org"))
        blind = BlindKeys(org, *await keys_of(connection, ring, org, "blind"))
        row = await connection.fetchrow("SELECT * FROM customers WHERE id = $1", person)
        cipher = await person_of(connection, organisation, person)
        private = orjson.loads(cipher.open("customers", "private", person, row["private_enc"]))
        assert private == {"phones": PHONES, "emails": EMAILS, "addresses": ADDRESSES, "note": NOTE}
        assert cipher.open("customers", "id_number", person, row["id_number_enc"]) == ID_NUMBER
        assert row["id_number_bi"] == blind.index("customers", "id_number", ID_NUMBER)
        expected = sorted(blind.index("customers", "phone", phone["number"]) for phone in PHONES)
        assert (row["phones_bi"], row["phones_bi_ver"]) == (expected, blind.current)
        masked = orjson.loads(row["masked"])
        assert [(phone["number"], phone["label"]) for phone in masked["phones"]] == [
            ("139****9047", None), ("****2346", None)]  # fmt: skip
        assert set(row["search_text"].split()) == set(names.search_words("王永庆", ["9047", "2346"]).split())
        assert row["search_text"].startswith(" ")
        assert row["search_text"].endswith(" ")
        # A note and nothing else; the other notes.
        other = await person_of(connection, organisation, people["gone"])
        blob = await connection.fetchval("SELECT private_enc FROM customers WHERE id = $1", people["gone"])
        assert orjson.loads(other.open("customers", "private", people["gone"], blob))["note"] == "备注"
        notes = {row["id"]: row["note_enc"] for row in await connection.fetch("SELECT id, note_enc FROM relationships")}
        opened = {tie: organisation.open("relationships", "note", tie, note) for tie, note in notes.items()}
        assert opened == dict.fromkeys(ties, "备注") | {ties[0]: TIE}
    finally:
        await connection.close()


async def files_of(former: str) -> bytes:
    """What stands in the files of all tables and indexes, as a thief of the disk would read them."""
    superuser = await asyncpg.connect(former.replace("renmai_owner@", "postgres@"))
    try:
        await superuser.execute("CHECKPOINT")
        rows = await superuser.fetch(
            "SELECT pg_read_binary_file(pg_relation_filepath(oid)) AS content FROM pg_class "
            "WHERE relkind IN ('r', 'i', 't') AND relnamespace::regnamespace::text IN ('public', 'pg_toast')"
        )
        return b"|".join(row["content"] for row in rows)
    finally:
        await superuser.close()


async def test_step_leaves_nothing_of_it_in_the_files(former: str, settings: Settings) -> None:
    connection, ring = await asyncpg.connect(former), keyring.derive(settings)
    try:
        org, people, ties = await fill(connection)
        await store(connection, ring, org, people["one"])
        await connection.execute("UPDATE relationships SET note = $1 WHERE id = $2", TIE, ties[0])
    finally:
        await connection.close()
    before = await files_of(former)
    assert [secret for secret in SECRETS if secret.encode() not in before] == [ID_NUMBER]
    await migrate.upgrade(former, app_role="renmai_app", keys=ring)
    after = await files_of(former)
    assert "王永庆".encode() in after
    assert [secret for secret in SECRETS if any(shape in after for shape in shapes(secret))] == []
