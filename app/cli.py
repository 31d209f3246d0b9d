"""`renmai`: serve, work, migrate, demo, org, team, user, apikey, keys, audit, incident, sweep, retention, openapi …"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import asyncpg
import orjson
import typer
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from app import cli_rights, keyring, logs, runtime, serving
from app import sweep as sweeping
from app.cli_audit import audit_app
from app.cli_incident import incident
from app.cli_keys import keys_app, rotate_keys
from app.cli_organizations import key_app, org_app, team_app
from app.cli_users import user_app
from app.config import Settings, SettingsError, get_settings
from app.crypto import CryptoError
from app.embedded import EmbeddedError
from app.error_words import TITLES
from app.errors import AppError
from app.operating import CommandError, as_owner, attended, database, refuse_other_keys, upgrade
from app.passwords import WeakPassword
from app.rotation import RotationError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
for name, group in (
    ("org", org_app),
    ("team", team_app),
    ("user", user_app),
    ("apikey", key_app),
    ("keys", keys_app),
    ("audit", audit_app),
):
    app.add_typer(group, name=name)
app.command()(incident)
app.add_typer(cli_rights.erasures_app, name="erasures")
app.command("inventory")(cli_rights.inventory)
app.command("retention")(cli_rights.keep)
app.command("rotate-keys")(rotate_keys)

_OPENAPI = Path(__file__).parents[1] / "openapi" / "openapi.json"


@app.command()
def serve(
    demo: Annotated[bool, typer.Option("--demo", help="Fill a database without it with the demo world")] = False,
) -> None:
    """Run the service. Without RENMAI_DATABASE_URL it starts its own PostgreSQL and migrates it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again after its graceful stop
    with attended(get_settings()) as (ready, revive):
        # Keys that are unfit, or of another database, stop the start here, with a clear word.
        asyncio.run(refuse_other_keys(ready.database_url or "", keyring.derive(ready)))
        if ready.erasure_list is not None:  # the database may be a restored one: nobody comes back with it
            cli_rights.replay(ready, ready.erasure_list)
        access = serving.load_demo(ready)[1] if demo else None
        serving.run(ready, access, revive)


@app.command()
def work() -> None:
    """Carry out background jobs until stopped, for services that run with RENMAI_JOBS=off."""
    from app import jobs  # here: no other command needs the queue

    async def run(settings: Settings) -> None:
        loop, worker = asyncio.get_running_loop(), asyncio.current_task()
        assert worker is not None
        for stop in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(stop, worker.cancel)
        with suppress(asyncio.CancelledError):
            async with runtime.opened(settings):
                await jobs.work(settings)

    with database(get_settings()) as ready:
        logs.configure_logging(ready.log_level)
        asyncio.run(run(ready))


@app.command()
def migrate() -> None:
    """Bring the database to the current schema, as the owner role."""
    settings = get_settings()
    with database(settings) as ready:
        if settings.database_url is not None:
            upgrade(ready)
    typer.echo("The schema is current.")


@app.command()
def demo() -> None:
    """Load the demo world (org wuhan), unless it is there."""
    with database(get_settings()) as ready:
        is_new, access = serving.load_demo(ready)
    typer.echo("The demo world is loaded." if is_new else "The demo world was there already; nothing was changed.")
    if access.partner_key is not None:
        typer.echo(f"Partner key: {access.partner_key}")


@app.command()
def sweep(
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted")] = False,
) -> None:
    """Delete what is past its time, while the service runs. Needs the owner role; meant for every hour."""

    async def run(settings: Settings) -> dict[str, int]:
        async with as_owner(settings) as connection:
            return await (sweeping.count(connection) if is_dry else sweeping.sweep(connection))

    with database(get_settings()) as ready:
        found = asyncio.run(run(ready))
    for table, rows in found.items():
        typer.echo(f"{table}: {rows}{' would be deleted' if is_dry else ''}")


@app.command()
def openapi(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 when different")] = False,
) -> None:
    """Write openapi/openapi.json from the application."""
    from app.main import create_api  # here: no other command needs the whole application

    document = create_api(get_settings()).openapi()
    text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if not check:
        _OPENAPI.write_bytes(text)
        typer.echo(f"{_OPENAPI.name} is written: {len(document['paths'])} paths.")
    elif not _OPENAPI.exists() or _OPENAPI.read_bytes() != text:
        raise CommandError("openapi/openapi.json is not what the application says; run `make openapi`")


def _explain(error: Exception) -> str:
    """One line without a value: the text of a database error may quote a row, that of settings a secret."""
    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_url=False)
        names = ("RENMAI_" + "_".join(map(str, one["loc"])).upper() if one["loc"] else "" for one in wrong)
        return "; ".join(f"{name} {one['msg']}".strip() for name, one in zip(names, wrong, strict=True))
    if isinstance(error, WeakPassword):
        return f"the password is too weak ({error.code})"
    if isinstance(error, AppError):
        rules = [f"{one['pointer'][1:]} {one['message']} ({one['code']})" for one in _issues(error)]
        return "; ".join(rules) or f"{TITLES[error.code][1]} ({error.code})"
    if isinstance(error, asyncpg.UndefinedTableError):
        return "the database has no current schema; run `renmai migrate`"
    if isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError | SQLAlchemyError):
        return f"the database cannot be used ({type(error).__name__})"
    return str(error)


def _issues(error: AppError) -> list[dict[str, str]]:
    return [issue.to_json("en") for issue in error.issues]


_EXPECTED = (
    AppError, CommandError, CryptoError, EmbeddedError, RotationError, SettingsError, ValidationError, WeakPassword,
)  # fmt: skip
_DATABASE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError)


def main(args: Sequence[str] | None = None) -> None:
    """Entry point: expected failures are one clear line, not a traceback."""
    try:
        app(args)
    except (*_EXPECTED, *_DATABASE) as error:
        typer.echo(f"renmai: {_explain(error)}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
