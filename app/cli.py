"""`renmai`: serve, migrate, demo, org, team, user, apikey, rotate-keys, openapi."""

import asyncio
import logging
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import asyncpg
import orjson
import typer
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import db, keyring, logs, runtime, serving
from app import migrate as migration
from app.apikeys import Environment
from app.config import Settings, SettingsError, get_settings
from app.embedded import EmbeddedError, EmbeddedPostgres, prepare
from app.errors import NotFound
from app.models.users import Role
from app.passwords import WeakPassword
from app.services import api_keys, organizations, sessions, teams, users, users_operator

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
org_app = typer.Typer(no_args_is_help=True, help="Organisations")
team_app = typer.Typer(no_args_is_help=True, help="Teams of an organisation")
user_app = typer.Typer(no_args_is_help=True, help="Users of an organisation")
key_app = typer.Typer(no_args_is_help=True, help="Keys of partner banks")
for name, group in (("org", org_app), ("team", team_app), ("user", user_app), ("apikey", key_app)):
    app.add_typer(group, name=name)

_OWNER = "renmai_owner"
_OPENAPI = Path(__file__).parents[1] / "openapi" / "openapi.json"
_ORG_CODE = re.compile(r"[a-z][a-z0-9-]{1,31}")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
_LINE = re.compile(r"[^\x00-\x1F\x7F]{1,100}")
_T = TypeVar("_T")

OrgOption = Annotated[str, typer.Option("--org", help="Code of the organisation")]


class CommandError(RuntimeError):
    """A command that cannot be carried out; the text tells the operator why."""


@contextmanager
def _database(settings: Settings) -> Iterator[Settings]:
    """The settings with both database addresses: the operator's, or those of a private server started here."""
    with _attended(settings) as (ready, _):
        yield ready


@contextmanager
def _attended(settings: Settings) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """As `_database`, with what to call now and then, so that a killed private server is started again.

    A private server nobody else looks after, so its schema is made current here as well.
    """
    if settings.database_url is not None:
        yield settings, lambda: None
        return
    if not (settings.var_dir / "postgres").exists():
        serving.announce(f"Making a private PostgreSQL in {settings.var_dir} (once, some seconds) ...")
    with EmbeddedPostgres(settings.var_dir.resolve()) as server:
        asyncio.run(prepare(server, "renmai", owner=_OWNER, app=settings.app_role))
        ready = settings.model_copy(
            update={
                "database_url": server.dsn(settings.app_role, "renmai"),
                "owner_database_url": server.dsn(_OWNER, "renmai"),
            }
        )
        _migrate(ready)
        yield ready, lambda: _revive(server)


def _revive(server: EmbeddedPostgres) -> None:
    """Costs next to nothing while the server lives. Only for the main thread: the server ends with its starter."""
    before = server.pid
    server.start()
    if server.pid != before:
        logs.event("database_restarted", level=logging.WARNING)


def _owner_url(settings: Settings) -> str:
    if settings.owner_database_url is None:
        raise SettingsError("RENMAI_OWNER_DATABASE_URL is not set: this needs the owner role")
    return settings.owner_database_url


def _migrate(settings: Settings) -> None:
    asyncio.run(migration.upgrade(_owner_url(settings), app_role=settings.app_role))


def _as_app(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do something with keys and database open, as the application role."""

    async def run(settings: Settings) -> _T:
        async with runtime.opened(settings):
            return await work()

    with _database(get_settings()) as ready:
        return asyncio.run(run(ready))


def _in_org(code: str, work: Callable[[AsyncSession, UUID], Awaitable[_T]]) -> _T:
    """Do something in one transaction of the organisation with this code."""

    async def run() -> _T:
        org_id = await sessions.org_by_code(code)
        if org_id is None:
            raise CommandError(f"there is no organisation {code!r}")
        async with db.transaction(org_id) as session:
            return await work(session, org_id)

    return _as_app(run)


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise CommandError(f"{what} is not well formed: it must match {pattern.pattern}")
    return text


@app.command()
def serve(
    demo: Annotated[bool, typer.Option("--demo", help="Fill a database without it with the demo world")] = False,
) -> None:
    """Run the service. Without RENMAI_DATABASE_URL it starts its own PostgreSQL and migrates it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again after its graceful stop
    with _attended(get_settings()) as (ready, revive):
        access = serving.load_demo(ready)[1] if demo else None
        serving.run(ready, access, revive)


@app.command()
def migrate() -> None:
    """Bring the database to the current schema, as the owner role."""
    settings = get_settings()
    with _database(settings) as ready:
        if settings.database_url is not None:
            _migrate(ready)
    typer.echo("The schema is current.")


@app.command()
def demo() -> None:
    """Load the demo world (org wuhan), unless it is there."""
    with _database(get_settings()) as ready:
        is_new, access = serving.load_demo(ready)
    typer.echo("The demo world is loaded." if is_new else "The demo world was there already; nothing was changed.")
    if access.partner_key is not None:
        typer.echo(f"Partner key: {access.partner_key}")


@org_app.command("create")
def create_org(
    code: Annotated[str, typer.Option(help="What users type at login: lower-case letters, digits, hyphens")],
    name: Annotated[str, typer.Option(help="Full name")],
) -> None:
    """Make an organisation. Needs the owner role."""
    _matching(_ORG_CODE, code, "the code")
    _matching(_LINE, name, "the name")
    org_id = uuid7()

    async def run(settings: Settings) -> None:
        async with runtime.opened(settings, _owner_url(settings)), db.transaction(org_id) as session:
            await organizations.create(session, code, name)

    with _database(get_settings()) as ready, _taken(f"the code {code!r}"):
        asyncio.run(run(ready))
    typer.echo(f"Organisation {code} ({org_id}) is made.")


@team_app.command("create")
def create_team(
    org: OrgOption,
    name: Annotated[str, typer.Option(help="Name of the team")],
    parent: Annotated[str | None, typer.Option(help="Name of the team above")] = None,
) -> None:
    """Make a team; managers see the customers of their team and of those below."""
    _matching(_LINE, name, "the name")

    async def work(session: AsyncSession, org_id: UUID) -> UUID:
        if await teams.named(session, org_id, name):
            raise CommandError(f"there is a team {name!r} already")
        above = None if parent is None else await _team(session, org_id, parent)
        return (await teams.make(session, org_id, name, above)).id

    typer.echo(f"Team {name} ({_in_org(org, work)}) is made.")


async def _team(session: AsyncSession, org_id: UUID, name: str) -> UUID:
    found = await teams.named(session, org_id, name)
    if len(found) != 1:
        raise CommandError(f"there is {'no' if not found else 'more than one'} team {name!r}")
    return found[0]


@user_app.command("create")
def create_user(
    org: OrgOption,
    username: Annotated[str, typer.Option(help="What the user types at login")],
    name: Annotated[str, typer.Option(help="Full name")],
    role: Annotated[Role, typer.Option(help="What the user may do")],
    team: Annotated[str | None, typer.Option(help="Name of the team")] = None,
) -> None:
    """Make a user. The password is asked for, or taken from RENMAI_NEW_PASSWORD."""
    _matching(_USERNAME, username, "the user name")
    _matching(_LINE, name, "the name")
    password = os.environ.get("RENMAI_NEW_PASSWORD") or typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )

    async def work(session: AsyncSession, org_id: UUID) -> UUID:
        team_id = None if team is None else await _team(session, org_id, team)
        made = await users.create(
            session, org_id, org_code=org, username=username, name=name, role=role, team_id=team_id, password=password
        )
        return made.id

    with _taken(f"the user name {username!r}"):
        user_id = _in_org(org, work)
    typer.echo(f"User {username} ({user_id}) is made.")


@user_app.command("disable")
def disable_user(org: OrgOption, username: Annotated[str, typer.Option(help="Who must not get in any more")]) -> None:
    """Shut a user out at once; his customers stay."""

    async def work(session: AsyncSession, org_id: UUID) -> None:
        await users_operator.disable(session, org_id, username)

    with _known(f"user {username!r}"):
        _in_org(org, work)
    typer.echo(f"User {username} is disabled.")


@key_app.command("create")
def create_key(
    org: OrgOption,
    partner: Annotated[str, typer.Option(help="Name of the partner bank")],
    days: Annotated[int, typer.Option(min=1, max=api_keys.MAX_DAYS, help="Life of the key")] = api_keys.MAX_DAYS,
    test: Annotated[bool, typer.Option("--test", help="A key for trying out, marked as such")] = False,
) -> None:
    """Make a partner's key and print it. It is shown this once: only a hash is stored."""
    _matching(_LINE, partner, "the partner's name")

    async def work(session: AsyncSession, org_id: UUID) -> str:
        environment: Environment = "test" if test else "live"
        return (await api_keys.create(session, org_id, partner_name=partner, environment=environment, days=days))[1]

    text = _in_org(org, work)
    typer.echo(f"The key of {partner}, good for {days} days. It is not shown again:", err=True)
    typer.echo(text)


@key_app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Option(help="The 16 characters after rmk_live_ or rmk_test_")]) -> None:
    """End a partner's key; the next request with it is refused."""

    async def run() -> None:
        org_id = await api_keys.org_of(key_id)
        if org_id is None:
            raise NotFound
        async with db.transaction(org_id) as session:
            await api_keys.revoke(session, org_id, key_id)

    with _known(f"key {key_id!r}"):
        _as_app(run)
    typer.echo(f"Key {key_id} is revoked.")


@app.command("rotate-keys")
def rotate_keys() -> None:
    """Sign access tokens with a new key. Tokens of the old one stay good until they expire (10 minutes at most)."""

    async def run(settings: Settings) -> str:
        connection = await asyncpg.connect(_owner_url(settings))
        try:
            return await keyring.rotate_signing_keys(connection, keyring.derive(settings))
        finally:
            await connection.close()

    with _database(get_settings()) as ready:
        kid = asyncio.run(run(ready))
    typer.echo(f"Key {kid} signs from now on; running processes take it up in 10 to 70 seconds.")


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


@contextmanager
def _taken(what: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise CommandError(f"{what} is taken") from None


@contextmanager
def _known(what: str) -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise CommandError(f"there is no {what}") from None


def _explain(error: Exception) -> str:
    """One line without a value: the text of a database error may quote a row, that of settings a secret."""
    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_url=False)
        names = ("RENMAI_" + "_".join(map(str, one["loc"])).upper() if one["loc"] else "" for one in wrong)
        return "; ".join(f"{name} {one['msg']}".strip() for name, one in zip(names, wrong, strict=True))
    if isinstance(error, WeakPassword):
        return f"the password is too weak ({error.code})"
    if isinstance(error, asyncpg.UndefinedTableError):
        return "the database has no current schema; run `renmai migrate`"
    if isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError | SQLAlchemyError):
        return f"the database cannot be used ({type(error).__name__})"
    return str(error)


_EXPECTED = (CommandError, EmbeddedError, SettingsError, ValidationError, WeakPassword)
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
