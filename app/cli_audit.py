"""`renmai audit`: seal the trail, take its anchors elsewhere, check that nobody has changed it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import orjson
import typer

from app import audit_check, audit_seals, db, keyring
from app.audit_seals import SealError
from app.config import Settings, get_settings
from app.keyring import Keyring
from app.operating import CommandError, database, owner_url, write

audit_app = typer.Typer(no_args_is_help=True, help="The sealed audit trail: seal, anchors, verify")
_T = TypeVar("_T")
_PATIENCE = 600.0  # seconds a statement may take: the first sealing of an old trail, a whole verification


def _as_sealer(work: Callable[[asyncpg.Connection, Keyring], Awaitable[_T]]) -> _T:
    """Do something as the sealer's role, or as the owner where it has none; with the keys of the service at hand."""

    async def run(settings: Settings) -> _T:
        connection = await db.connect(settings.sealer_database_url or owner_url(settings), patience=_PATIENCE)
        try:
            return await work(connection, keyring.derive(settings))
        finally:
            await connection.close()

    with database(get_settings()) as ready:
        try:
            return asyncio.run(run(ready))
        except SealError as error:
            raise CommandError(str(error)) from None


@audit_app.command()
def seal() -> None:
    """Seal the events that have come since the last time. Meant for every minute."""
    sealed = _as_sealer(audit_seals.seal)
    typer.echo("Another sealer is at work." if sealed is None else f"events: {sealed} sealed")


@audit_app.command()
def anchors(
    out: Annotated[Path | None, typer.Option(help="Write to this file; otherwise to the terminal")] = None,
) -> None:
    """Give out the last anchors and the public keys. Keep them where nobody who reaches the database reaches them."""
    text = orjson.dumps(
        _as_sealer(lambda connection, _: audit_check.export(connection)),
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )
    if out is None:
        typer.echo(text.decode(), nl=False)
    else:
        write(out, text)
        typer.echo(f"{out} is written.")


@audit_app.command()
def verify(
    anchor: Annotated[
        Path | None, typer.Option(help="Anchors kept elsewhere: they tell if the end was cut off")
    ] = None,
) -> None:
    """Check the whole trail of every organisation. Exit code 1, and a line for each finding, when it was changed."""
    kept = None
    if anchor is not None:
        try:
            kept = audit_check.load(anchor.read_bytes())
        except OSError as error:
            raise CommandError(f"{anchor} cannot be read: {error.strerror}") from None
        except SealError as error:
            raise CommandError(str(error)) from None
    report = _as_sealer(lambda connection, ring: audit_check.verify(connection, ring, kept))
    for finding in report.findings:
        typer.echo(f"{finding.org}: {finding.code}: {finding.text}")
    counted = f"{report.events} sealed events, {report.anchors} anchors, {report.unsealed} events not sealed yet"
    if report.findings:
        typer.echo(f"CHANGED: {len(report.findings)} findings in {counted}")
        raise SystemExit(1)
    typer.echo(f"Unchanged: {counted}")
