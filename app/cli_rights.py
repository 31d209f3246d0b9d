"""Commands of the operator about personal data: the inventory, the erasure list, retention."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import asyncpg
import orjson
import typer

from app import operating, retention
from app.config import Settings, get_settings
from app.domain import inventory as inventories
from app.operating import CommandError, database, write
from app.services import rights_requests_erase

erasures_app = typer.Typer(no_args_is_help=True, help="The erasure list: exported beside backups, replayed after one")

_REPO = Path(__file__).parents[1]
_JSON = _REPO / "openapi" / "data-inventory.json"
_TEXT = _REPO / "docs" / "DATA-INVENTORY.md"
_T = TypeVar("_T")


def inventory(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 when different")] = False,
) -> None:
    """Write the data inventory, for machines (openapi/data-inventory.json) and for people (docs/DATA-INVENTORY.md)."""
    document = orjson.dumps(inventories.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    for path, text in ((_JSON, document), (_TEXT, inventories.readable().encode())):
        if not check:
            path.write_bytes(text)
            typer.echo(f"{path.name} is written: {len(inventories.tables()) - 1} tables.")
        elif not path.exists() or path.read_bytes() != text:
            raise CommandError(f"{path.name} is not what the inventory says; run `make inventory`")


def keep(
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased or deleted")] = False,
    org: Annotated[str | None, typer.Option("--org", help="Code of one organisation; without it all")] = None,
) -> None:
    """Erase and delete what is kept no longer, as the inventory says. Needs the owner role; meant for nights."""

    async def work(connection: asyncpg.Connection) -> list[retention.Found]:
        only = None if org is None else [await _org_id(connection, org)]
        return await retention.run(connection, is_dry=is_dry, only=only)

    found = as_owner(work)
    for rule in found:
        held = f", {rule.held} kept by a law" if rule.held else ""
        typer.echo(f"{rule.table} | {rule.name}: {rule.rows}{' would go' if is_dry else ''}{held}")


async def _org_id(connection: asyncpg.Connection, code: str) -> UUID:
    found: UUID | None = await connection.fetchval("SELECT id FROM orgs WHERE code = $1", code)
    if found is None:
        raise CommandError(f"there is no organisation {code!r}")
    return found


@erasures_app.command("export")
def export_list(path: Annotated[Path, typer.Argument(help="Where the list is written")]) -> None:
    """Write the erasure list: ids, ground and moment of every erasure, one JSON object a line. Keep it with backups."""
    entries = as_owner(rights_requests_erase.listed)
    write(path, b"".join(orjson.dumps(entry) + b"\n" for entry in entries))
    typer.echo(f"{len(entries)} erasures are listed.")


@erasures_app.command("replay")
def replay_list(path: Annotated[Path, typer.Argument(help="A list `renmai erasures export` has written")]) -> None:
    """Erase again whom a restored backup has brought back. Run it before the service opens."""
    again, total = replay(get_settings(), path)
    typer.echo(f"{again} of {total} were here again and are erased.")


def replay(settings: Settings, path: Path) -> tuple[int, int]:
    """How many were erased again, and how many the list has.

    Raises:
        CommandError: the file cannot be read.
    """
    try:
        entries: list[dict[str, Any]] = [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
        wanted = ("org_id", "id", "customer_id", "basis", "rights_request_id", "decided_by", "erased_at")
        entries = [{name: entry[name] for name in wanted} for entry in entries]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        raise CommandError("the erasure list cannot be read") from None
    return as_owner(lambda connection: rights_requests_erase.replay(connection, entries), settings)


def as_owner(work: Callable[[asyncpg.Connection], Awaitable[_T]], settings: Settings | None = None) -> _T:
    """Do something over a connection of the owner role."""

    async def run(ready: Settings) -> _T:
        async with operating.as_owner(ready) as connection:
            return await work(connection)

    with database(settings or get_settings()) as ready:
        return asyncio.run(run(ready))
