"""Blind indexes of the former release, derived from the root key, are made anew under a key of the organisation."""

import asyncio
import base64
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from app import aead, crypto, keyring, migrate, operating, reseal
from app.config import Settings
from app.crypto import Algorithm, BlindKeys, FieldCipher, Place
from app.operating import CommandError
from app.tokens import SigningKey
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


async def test_keys_of_another_database_are_refused_before_anything_is_changed(former: str, settings: Settings) -> None:
    ours = settings.model_copy(update={"owner_database_url": former})
    other = ours.model_copy(update={"master_key": SecretStr(base64.b64encode(bytes(range(100, 132))).decode())})
    connection = await asyncpg.connect(former)
    try:
        await fill(connection)
        key = SigningKey.generate()
        kek = keyring.derive(settings).kek
        sealed = crypto.wrap(
            kek, Place.text(key.kid.encode()), aead.padded(key.to_pem().decode()), Algorithm.aes_256_gcm
        )
        await connection.execute("INSERT INTO signing_keys (kid, sealed_pem) VALUES ($1, $2)", key.kid, sealed)
        before = await connection.fetchval("SELECT version_num FROM schema_version")
        with pytest.raises(CommandError, match=r"not those of this database .* Nothing was changed"):
            await asyncio.to_thread(operating.upgrade, other)
        assert await connection.fetchval("SELECT version_num FROM schema_version") == before
        await asyncio.to_thread(operating.upgrade, ours)
        with pytest.raises(CommandError, match="not those of this database"):  # now that versions stand in the rows
            await asyncio.to_thread(operating.upgrade, other)
    finally:
        await connection.close()


def test_database_is_not_opened_when_the_key_beside_it_is_gone(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path, master_key=None, database_url=None, _env_file=None)
    (tmp_path / "postgres").mkdir()
    with pytest.raises(CommandError, match=r"master\.key is missing"), operating.attended(settings):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["postgres"], "nor is another key made"
