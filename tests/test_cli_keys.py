"""Commands about keys, as an operator runs them beside a running service."""

import base64
import os
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from app import keyring, operating, reseal, rotation
from app.config import Settings
from app.operating import CommandError
from tests.commands import Run, fails, runner
from tests.factories import World, create_customer
from tests.test_promises_keys import Back

NUMBER = "11010519491231002X"


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(rotation, "SETTLE_SECONDS", 0.0)
    return runner(settings, capsys)


async def lines(run: Run, world: World) -> list[list[str]]:
    said = await run("keys", "status")
    assert said.status == 0, said.err
    return [line.split("\t") for line in said.out.splitlines() if line.split("\t")[1] in ("", world.code)]


async def test_status_counts_the_rows_of_every_version(run: Run, world: World) -> None:
    await create_customer(world.agent, id_number=NUMBER)
    assert (await run("audit", "seal")).status == 0  # the first sealing makes the key that signs
    found = await lines(run, world)
    assert ["person", world.code, "customers.id_number_enc", "version 1", "current", "1"] in found
    assert ["blind", world.code, "customers.id_number_bi", "version 1", "current", "1"] in found
    wrapped = {"org_keys.wrapped", "blind_keys.wrapped", "signing_keys.sealed_pem", "audit_keys.sealed_key"}
    assert {line[2] for line in found if line[0] == "kek"} == wrapped
    assert NUMBER not in str(found)


async def test_status_counts_a_damaged_value_instead_of_failing(run: Run, world: World) -> None:
    made = await create_customer(world.agent, id_number=NUMBER)
    for damaged in (b"", b"\x01", b"\x01\xff\x00\x00\x00\x01rest"):
        await world.db.execute("UPDATE customers SET id_number_enc = $2 WHERE id = $1", UUID(made["id"]), damaged)
        found = [line for line in await lines(run, world) if line[2] == "customers.id_number_enc"]
        assert [line[5] for line in found] == ["1"], damaged


@pytest.mark.parametrize("layer", ["org", "blind"])
async def test_rotation_and_its_end(run: Run, world: World, layer: str) -> None:
    await create_customer(world.agent, id_number=NUMBER)
    for table in ("org_keys", "blind_keys"):  # a rotation that was stopped: only its end is left
        await world.db.execute(
            f"UPDATE {table} SET created_at = now() - interval '1 hour' WHERE org_id = $1", world.org_id
        )
    said = await run("rotate-keys", f"--{layer}", world.code, RENMAI_KEY_SECONDS="1")
    assert (said.status, said.out) == (0, "1 rows were moved to the new version.\n"), said.err
    fails(await run("keys", "retire", f"--{layer}", world.code, RENMAI_KEY_SECONDS="300"), "may still use")
    await world.db.execute(
        f"UPDATE {layer}_keys SET activated_at = now() - interval '1 hour' WHERE org_id = $1", world.org_id
    )
    assert (await run("keys", "retire", f"--{layer}", world.code)).out == "1 old version is destroyed.\n"
    assert {line[3] for line in await lines(run, world) if line[0] == layer} == {"version 2"}


async def test_key_encryption_key_from_a_file(run: Run, world: World, tmp_path: Path) -> None:
    file, ring = tmp_path / "kek", keyring.current()
    file.write_text(f"2 {base64.b64encode(os.urandom(32)).decode()}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring.settings, "kek_file", file)
        try:
            said = await run("rotate-keys", "--kek", RENMAI_KEK_FILE=str(file))
            assert said.out.endswith("under version 2.\n"), said.err
            file.write_text(f"{file.read_text()}3 {base64.b64encode(os.urandom(32)).decode()}\n")
            fails(await run("keys", "retire", "--kek", RENMAI_KEK_FILE=str(file)), "rows are left")
            assert (await run("rotate-keys", "--kek", RENMAI_KEK_FILE=str(file))).out.endswith("under version 3.\n")
            said = await run("keys", "retire", "--kek", RENMAI_KEK_FILE=str(file))
            assert said.out == "1 old version is destroyed.\n", said.err
            assert [line.split()[0] for line in file.read_text().splitlines()] == ["3"]
        finally:
            await reseal.wrap_anew(world.db, Back(ring))
    said = await run("keys", "retire", "--kek")
    assert said.out.startswith("Nothing lies under an old version.")


async def test_persons_without_a_key_have_nothing_to_move(run: Run, world: World) -> None:
    await create_customer(world.agent, id_number=NUMBER)
    assert (await run("rotate-keys", "--persons", world.code)).status == 0
    assert (await run("keys", "retire", "--persons", world.code)).out.endswith("destroyed.\n")


async def test_signing_key_by_its_name(run: Run) -> None:
    assert "signs from now on" in (await run("rotate-keys", "--signing")).out


async def test_mistakes_are_one_clear_line(run: Run, world: World) -> None:
    fails(await run("rotate-keys", "--kek", "--signing"), "one key only")
    fails(await run("keys", "retire"), "name the key")
    fails(await run("rotate-keys", "--org", "nowhere"), "no organisation")
    fails(await run("rotate-keys", "--org", world.code), "no such key")
    fails(await run("keys", "status", RENMAI_KEK="2 short"), "RENMAI_KEK line 1")
    fails(await run("keys", "status", RENMAI_KEK_FILE="/nowhere"), "RENMAI_KEK_FILE cannot be read")


@pytest.mark.parametrize("command", ["keys status", "keys retire --kek", "rotate-keys", "retention", "sweep"])
async def test_another_role_is_not_told_that_nothing_is_left(run: Run, settings: Settings, command: str) -> None:
    other = {"RENMAI_OWNER_DATABASE_URL": settings.database_url or ""}
    fails(await run(*command.split(), **other), "not of the role that owns the tables")


async def test_keys_of_another_database_are_known_by_the_role_of_the_service(world: World, settings: Settings) -> None:
    dsn = settings.database_url or ""
    await operating.refuse_other_keys(dsn, keyring.current())
    other = settings.model_copy(update={"master_key": SecretStr(base64.b64encode(os.urandom(32)).decode())})
    with pytest.raises(CommandError, match="not those of this database"):
        await operating.refuse_other_keys(dsn, keyring.derive(other))
