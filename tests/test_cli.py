"""The commands of the operator, run as he runs them: arguments in; exit status, lines and rows out."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from app import cli, keyring, reads
from app.config import Settings
from tests.commands import Run, Said, fails, runner
from tests.factories import World


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(settings, capsys)


async def test_organisation_is_made_once(run: Run, owner_db: asyncpg.Connection) -> None:
    said = await run("org", "create", "--code", "jingzhou", "--name", "江城人寿荆州支公司")
    assert said.status == 0
    row = await owner_db.fetchrow("SELECT id, name FROM orgs WHERE code = 'jingzhou'")
    assert row["name"] == "江城人寿荆州支公司"
    assert str(row["id"]) in said.out
    events = "SELECT actor_kind FROM audit_events WHERE org_id = $1 AND action = 'organization.created'"
    assert await owner_db.fetchval(events, row["id"]) == "system"
    fails(await run("org", "create", "--code", "jingzhou", "--name", "另一家"), "jingzhou", "taken")


@pytest.mark.parametrize("code", ["x", "Wuhan", "1st", "a b", "a" * 33, ""])
async def test_organisation_code_that_no_login_could_name_is_refused(run: Run, code: str) -> None:
    fails(await run("org", "create", "--code", code, "--name", "机构"), "code")


async def test_organisation_needs_the_owner_role(run: Run, settings: Settings) -> None:
    app_only = {"RENMAI_OWNER_DATABASE_URL": settings.database_url or ""}
    fails(await run("org", "create", "--code", "yichang", "--name", "宜昌", **app_only), "database cannot be used")


@pytest.mark.parametrize(("more", "kind"), [((), "live"), (("--test",), "test")])
async def test_key_is_printed_once_works_and_ends(run: Run, world: World, more: tuple[str, ...], kind: str) -> None:
    made = await run("apikey", "create", "--org", world.code, "--partner", "云梦银行", "--days", "30", *more)
    key = made.out.strip()
    assert re.fullmatch(rf"rmk_{kind}_[0-9a-f]{{16}}_\w{{38}}", key), "stdout is the key and nothing else"
    partner = world.client(key)
    assert (await partner.get("/v1/partner/me")).json()["partner_name"] == "云梦银行"
    stored = "SELECT k::text FROM api_keys k WHERE org_id = $1 AND key_id = $2"
    assert key not in await world.db.fetchval(stored, world.org_id, key[9:25])
    revoked = await run("apikey", "revoke", "--key-id", key[9:25])
    assert revoked.status == 0
    assert (await partner.get("/v1/partner/me")).status_code == 401


async def test_key_lives_a_year_at_most(run: Run, world: World) -> None:
    said = await run("apikey", "create", "--org", world.code, "--partner", "云梦银行", "--days", "366")
    assert said.status == 2
    assert said.out == ""


@pytest.mark.parametrize("key_id", ["0123456789abcdef", "", "x" * 500])
async def test_revoking_an_unknown_key_says_so(run: Run, key_id: str) -> None:
    fails(await run("apikey", "revoke", "--key-id", key_id), "no key")


async def test_rotation_signs_anew_and_old_tokens_stay_good(run: Run, world: World) -> None:
    ring = keyring.current()
    before, old = ring.table, world.token("agent")
    kid = (await run("rotate-keys")).out.split()[1]
    ago = "UPDATE signing_keys SET created_at = created_at - $1::interval, retired_at = retired_at - $1::interval"
    await world.db.execute(ago, timedelta(seconds=keyring.PUBLISHED_AHEAD_SECONDS))
    await reads.with_connection(lambda connection: keyring.load_signing_keys(connection, ring))
    assert ring.table is not before
    new = world.token("agent")
    assert _kid(new) == kid != _kid(old)
    for token in (old, new):
        assert (await world.client(token).get("/v1/me")).status_code == 200


async def test_key_retired_long_ago_opens_nothing(run: Run, world: World) -> None:
    old = world.token("agent")
    await run("rotate-keys")
    late = "UPDATE signing_keys SET retired_at = now() - interval '1 hour' WHERE retired_at IS NOT NULL"
    await world.db.execute(late)
    ring = keyring.current()
    await reads.with_connection(lambda connection: keyring.load_signing_keys(connection, ring))
    assert (await world.client(old).get("/v1/me")).status_code == 401


def _kid(token: str) -> str:
    import base64

    head = token.split(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    return kid


async def test_migrate_twice_is_as_good_as_once(run: Run) -> None:
    assert await run("migrate") == Said(0, "The schema is current.\n", "")


async def test_settings_that_cannot_be_are_named_without_their_value(run: Run) -> None:
    fails(await run("migrate", RENMAI_PORT="hunter2"), "RENMAI_PORT")
    said = await run("migrate", RENMAI_ENVIRONMENT="production", RENMAI_MASTER_KEY="aHVudGVyMg==")
    fails(said)
    assert "hunter2" not in said.err
    assert "aHVudGVyMg" not in said.err


@pytest.mark.parametrize("url", ["postgresql://renmai:hunter2@127.0.0.1:9/renmai", "postgresql://%zz", "nonsense"])
async def test_unreachable_database_is_one_line_without_its_address(run: Run, url: str) -> None:
    said = await run("migrate", RENMAI_OWNER_DATABASE_URL=url)
    fails(said, "database cannot be used")
    assert "hunter2" not in said.err


async def test_document_is_written_sorted_and_compared(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_OPENAPI", path)
        fails(await run("openapi", "--check"), "make openapi")
        assert (await run("openapi")).status == 0
        assert (await run("openapi", "--check")).status == 0
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
        assert text == json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
        path.write_text(text.replace("/v1/me", "/v1/you", 1), encoding="utf-8")
        fails(await run("openapi", "--check"), "make openapi")


async def test_document_does_not_depend_on_the_environment(run: Run, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_OPENAPI", tmp_path / "openapi.json")
        await run("openapi")
        assert (await run("openapi", "--check", RENMAI_RATE_LIMIT="5", RENMAI_ISSUER="elsewhere")).status == 0


class Service:
    """A `renmai serve` of its own, over a private server in a directory of its own."""

    def __init__(self, var_dir: Path, *args: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RENMAI_")}
        self.var_dir = var_dir
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", *args],
            env={**clean, "RENMAI_VAR_DIR": str(var_dir), "RENMAI_PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""

    def wait_until_listening(self) -> str:
        """The address, once everything a person is told has been said."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if line.startswith("Stop with"):
                break
        address = re.search(r"http://127\.0\.0\.1:\d+", self.said)
        assert address, self.said
        return address[0]

    def database_pid(self) -> int:
        return int((self.var_dir / "postgres/data/postmaster.pid").read_text().splitlines()[0])

    def end(self, sig: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(sig)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def var_dir() -> Iterator[Path]:
    home = tempfile.mkdtemp(prefix="renmai-cli-")
    os.chmod(home, 0o755)  # as root the server runs under another account, which must get in
    yield Path(home)
    shutil.rmtree(home, ignore_errors=True)


def tour(address: str) -> subprocess.CompletedProcess[str]:
    """An agent's day, as `make tour` walks it."""
    return subprocess.run(
        [sys.executable, "-m", "app.tour"],
        env={**os.environ, "RENMAI_URL": address}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_serve_from_nothing_and_again(var_dir: Path) -> None:
    """The newcomer's first minute: one command, a demo login, a clean end; then the same world once more."""
    keys: list[str] = []
    for sig in (signal.SIGTERM, signal.SIGINT):
        service = Service(var_dir, "--demo")
        try:
            address = service.wait_until_listening()
            database = service.database_pid()
            device = {"id": "d", "name": "手机", "platform": "ios"}
            body = {"org": "wuhan", "username": "agent1", "password": "renmai-demo-2026", "device": device}
            answer = httpx.post(f"{address}/v1/auth/login", json=body)
            if not keys:
                walked = tour(address)
            status, out, err = service.end(sig)
        finally:
            service.process.kill()
        assert answer.status_code == 200, answer.text
        assert walked.returncode == 0, walked.stderr
        assert "缺口 gap" in walked.stdout
        assert "completeness" in walked.stdout
        assert (status, err) == (0, "")
        assert all(json.loads(line)["ts"] for line in out.splitlines()), "stdout is the JSON log only"
        with pytest.raises(ProcessLookupError):
            os.kill(database, 0)
        assert "renmai-demo-2026" in service.said
        keys += re.findall(r"rmk_test_\w+", service.said)
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert (var_dir / "demo-partner-key").stat().st_mode & 0o077 == 0
