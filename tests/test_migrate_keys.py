"""Blind indexes of the former release, derived from the root key, are made anew under a key of the organisation."""

import asyncpg
from uuid_utils.compat import uuid7

from app import aead, crypto, keyring, migrate, reseal
from app.config import Settings
from app.crypto import BlindKeys, FieldCipher
from tests.test_migrate import fill
from tests.test_migrate import former as former

NUMBER = "11010519491231002X"


async def test_id_numbers_are_indexed_anew(former: str, settings: Settings) -> None:
    connection, ring = await asyncpg.connect(former), keyring.derive(settings)
    try:
        org, people, _ = await fill(connection)
        key = crypto.new_key()
        await connection.execute("INSERT INTO org_keys VALUES ($1, 1, $2)", org, crypto.wrap_key(ring.kek, org, 1, key))
        cipher, old = FieldCipher(org, {1: key}, 1), uuid7().bytes
        for person in (people["one"], people["gone"]):
            await connection.execute(
                "UPDATE customers SET id_type = 'resident_id', id_number_masked = '1', id_number_bi = $2, "
                "id_number_enc = $3 WHERE id = $1",
                person, old, cipher.seal("customers", "id_number", person, NUMBER),
            )  # fmt: skip
        await migrate.upgrade(former, app_role="renmai_app", keys=ring)
        keys = BlindKeys(org, *await reseal.open_keys(connection, ring.wrapper, "blind", org))
        rows = await connection.fetch("SELECT * FROM customers WHERE id_number_bi IS NOT NULL")
        expected = keys.index("customers", "id_number", NUMBER)
        assert [(row["id_number_bi"], row["id_number_bi_ver"]) for row in rows] == [(expected, 1)] * 2
        assert await reseal.open_keys(connection, ring.wrapper, "org", org) == ({1: key}, 1)
        states = await connection.fetch("SELECT state, kek_version, activated_at IS NOT NULL AS is_used FROM org_keys")
        assert [tuple(row) for row in states] == [("active", 1, True)]
        assert aead.read_head(rows[0]["id_number_enc"])[1] == 1
    finally:
        await connection.close()
