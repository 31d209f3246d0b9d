"""What the commands of the operator share: an open database, an organisation by its code, clear refusals."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import asyncpg
import typer
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db, keyring, logs, reseal, runtime, serving
from app import migrate as migration
from app.config import Settings, SettingsError, get_settings
from app.crypto import CryptoError
from app.embedded import SEALER, EmbeddedPostgres, prepare
from app.errors import NotFound
from app.key_rows import filled
from app.models.teams import TeamKind
from app.sealed import WRAPPED
from app.services import sessions, teams

# What the wire takes as `Line100`: no control characters, and no half of a pair (a byte that was no UTF-8).
LINE = re.compile(r"[^\x00-\x1F\x7F-\x9F\uD800-\uDFFF]{1,100}")
_OWNER = "renmai_owner"
# One secret of each version; before key-encryption keys had versions there was one of them.
_WRAPPED = "SELECT DISTINCT ON (to_jsonb(t) -> 'kek_version') t.* FROM {table} t WHERE t.{column} <> ''"
_MAY_READ = "SELECT coalesce(has_table_privilege(to_regclass($1), 'SELECT'), false)"
_IS_OWNER = "SELECT NOT row_security_active('orgs')"
_T = TypeVar("_T")

OrgOption = Annotated[str, typer.Option("--org", help="Code of the organisation")]


class CommandError(RuntimeError):
    """A command that cannot be carried out; the text tells the operator why."""


@contextmanager
def database(settings: Settings) -> Iterator[Settings]:
    """The settings with both database addresses: the operator's, or those of a private server started here."""
    with attended(settings) as (ready, _):
        yield ready


@contextmanager
def attended(settings: Settings) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """As `database`, with what to call now and then, so that a killed private server is started again.

    A private server nobody else looks after, so its schema is made current here as well.
    """
    if settings.database_url is not None:
        yield settings, lambda: None
        return
    is_there = (settings.var_dir / "postgres").exists()
    if is_there and settings.master_key is None and not (settings.var_dir / "master.key").exists():
        raise CommandError(f"{settings.var_dir}/master.key is missing: without it nobody reads the database beside it")
    keyring.derive(settings)  # a new key is made before its database; one that is unfit stops here
    if not is_there:
        serving.announce(f"Making a private PostgreSQL in {settings.var_dir} (once, some seconds) ...")
    with EmbeddedPostgres(settings.var_dir.resolve()) as server:
        asyncio.run(prepare(server, "renmai", owner=_OWNER, app=settings.app_role))
        ready = settings.model_copy(
            update={
                "database_url": server.dsn(settings.app_role, "renmai"),
                "owner_database_url": server.dsn(_OWNER, "renmai"),
                "sealer_database_url": server.dsn(SEALER, "renmai"),
            }
        )
        upgrade(ready)
        yield ready, lambda: _revive(server)


def _revive(server: EmbeddedPostgres) -> None:
    """Costs next to nothing while the server lives. Only for the main thread: the server ends with its starter."""
    before = server.pid
    server.start()
    if server.pid != before:
        logs.event("database_restarted", level=logging.WARNING)


def owner_url(settings: Settings) -> str:
    """The database as the owner role.

    Raises:
        SettingsError: it was not given.
    """
    if not settings.owner_database_url:  # compose.yaml passes what a process may not have as an empty word
        raise SettingsError("RENMAI_OWNER_DATABASE_URL is not set: this needs the owner role")
    return settings.owner_database_url


@asynccontextmanager
async def as_owner(settings: Settings, patience: float | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner role, who sees every organisation.

    Args:
        patience: seconds a statement may take.

    Raises:
        SettingsError: no address was given.
        CommandError: it is of another role. Row-level security would show it no rows, and "none is left" be wrong.
    """
    connection = await db.connect(owner_url(settings), patience=patience)
    try:
        if not await connection.fetchval(_IS_OWNER):
            raise CommandError("RENMAI_OWNER_DATABASE_URL is not of the role that owns the tables")
        yield connection
    finally:
        await connection.close()


def upgrade(settings: Settings) -> None:
    """Bring the schema up to date, as the owner role.

    Raises:
        CommandError: the keys are not those of this database; nothing was changed.
    """

    async def run(dsn: str) -> None:
        ring = keyring.derive(settings)
        await refuse_other_keys(dsn, ring)
        await migration.upgrade(dsn, app_role=settings.app_role, keys=ring)

    asyncio.run(run(owner_url(settings)))


async def refuse_other_keys(dsn: str, ring: keyring.Keyring) -> None:
    """What would be sealed under a key that is lost or another database's, nobody could open again.

    Args:
        dsn: of any role; one that is not the owner sees the service's own secrets only.

    Raises:
        CommandError: a secret in the database does not open.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await _open_one_of_each(connection, ring)
    finally:
        await connection.close()


async def _open_one_of_each(connection: asyncpg.Connection, ring: keyring.Keyring) -> None:
    for one in WRAPPED:
        if not await connection.fetchval(_MAY_READ, one.table):
            continue
        select = filled(_WRAPPED, table=one.table, column=one.column)
        for row in await connection.fetch(select):
            try:
                await ring.wrapper.unwrap(row.get("kek_version", 1), reseal.place_of(one, row), row[one.column])
            except CryptoError as error:
                raise CommandError(
                    f"the keys are not those of this database ({error}). Nothing was changed; give RENMAI_MASTER_KEY "
                    "and RENMAI_KEK or RENMAI_KEK_FILE as they were when it was last used"
                ) from None


def as_app(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do something with keys and database open, as the application role."""

    async def run(settings: Settings) -> _T:
        async with runtime.opened(settings):
            return await work()

    with database(get_settings()) as ready:
        return asyncio.run(run(ready))


def in_org(code: str, work: Callable[[AsyncSession, UUID], Awaitable[_T]]) -> _T:
    """Do something in one transaction of the organisation with this code.

    Raises:
        CommandError: there is no such organisation.
    """

    async def run() -> _T:
        org_id = await sessions.org_by_code(code)
        if org_id is None:
            raise CommandError(f"there is no organisation {code!r}")
        async with db.transaction(org_id) as session:
            return await work(session, org_id)

    return as_app(run)


async def sales_team(session: AsyncSession, org_id: UUID, name: str) -> UUID:
    """The one living sales team with this name.

    Raises:
        CommandError: there is none, or more than one.
    """
    found = await teams.named(session, org_id, name, TeamKind.sales)
    if len(found) != 1:
        raise CommandError(f"there is {'no' if not found else 'more than one'} sales team {name!r}")
    return found[0]


def matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    """The text, which must match as a whole.

    Raises:
        CommandError: it does not.
    """
    if not pattern.fullmatch(text):
        raise CommandError(f"{what} is not well formed: it must match {pattern.pattern}")
    return text


def write(path: Path, content: bytes) -> None:
    """Write a file the operator named: whole, or not at all.

    Raises:
        CommandError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def taken(what: str) -> Iterator[None]:
    """Say of a name the database holds already that it is taken."""
    try:
        yield
    except IntegrityError:
        raise CommandError(f"{what} is taken") from None


@contextmanager
def known(what: str) -> Iterator[None]:
    """Say of what was not found that there is none."""
    try:
        yield
    except NotFound:
        raise CommandError(f"there is no {what}") from None
