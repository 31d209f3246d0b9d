"""`renmai`: serve, migrate, demo, user, apikey, rotate-keys."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
import uvicorn

from app import migrate as migration
from app.config import Settings, SettingsError, get_settings
from app.embedded import EmbeddedError, EmbeddedPostgres, prepare

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

_OWNER = "renmai_owner"


@contextmanager
def _database(settings: Settings) -> Iterator[Settings]:
    """The settings with both database addresses: the operator's, or those of a private server started here."""
    if settings.database_url is not None:
        yield settings
        return
    with EmbeddedPostgres(settings.var_dir.resolve()) as server:
        asyncio.run(prepare(server, "renmai", owner=_OWNER, app=settings.app_role))
        yield settings.model_copy(
            update={
                "database_url": server.dsn(settings.app_role, "renmai"),
                "owner_database_url": server.dsn(_OWNER, "renmai"),
            }
        )


def _migrate(settings: Settings) -> None:
    if settings.owner_database_url is None:
        raise SettingsError("RENMAI_OWNER_DATABASE_URL is not set: only the owner role may change the schema")
    asyncio.run(migration.upgrade(settings.owner_database_url, app_role=settings.app_role))


@app.command()
def serve(
    demo: Annotated[bool, typer.Option(help="Fill an empty database with the demo world")] = False,
) -> None:
    """Run the service. Without RENMAI_DATABASE_URL it starts its own PostgreSQL and migrates it."""
    settings = get_settings()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again after its graceful stop
    with _database(settings) as ready:
        if settings.database_url is None:
            _migrate(ready)
        _export(ready)
        uvicorn.run(
            "app.main:create_app",
            factory=True,
            host=ready.host,
            port=ready.port,
            workers=ready.workers,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=10,
        )


def _export(settings: Settings) -> None:
    """Workers read their settings from the environment."""
    os.environ["RENMAI_DATABASE_URL"] = settings.database_url or ""
    os.environ["RENMAI_OWNER_DATABASE_URL"] = settings.owner_database_url or ""
    get_settings.cache_clear()


@app.command()
def migrate() -> None:
    """Bring the database to the current schema, as the owner role."""
    with _database(get_settings()) as ready:
        _migrate(ready)
    typer.echo("The schema is current.")


def main() -> None:
    """Entry point: expected failures are one clear line, not a traceback."""
    try:
        app()
    except (EmbeddedError, SettingsError) as error:
        typer.echo(f"renmai: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
