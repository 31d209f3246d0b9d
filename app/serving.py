"""Running the service for a person: uvicorn, and a few lines that say where it listens and who may log in."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from rich.console import Console
from rich.table import Table

from app import apikeys, db, runtime
from app.config import Settings, SettingsError, get_settings
from app.domain import demo_world
from app.domain.demo_world import ORG_CODE, ORG_NAME, USERS
from app.services import api_keys, demo, sessions

_FACTORY = "app.main:create_app"
_KEY_FILE = "demo-partner-key"


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """What somebody needs to use the demo world; None where it is not known here."""

    password: str | None = field(repr=False)
    partner_key: str | None = field(repr=False)


async def open_demo(settings: Settings) -> tuple[bool, DemoAccess]:
    """Load the demo world if its organisation is not there; True when it was loaded now.

    Raises:
        SettingsError: in production, or without the owner role's address.
        WeakPassword: RENMAI_DEMO_PASSWORD breaks the house rules.
    """
    if settings.is_production:
        raise SettingsError("The demo world has a published password: it is not for production")
    if settings.owner_database_url is None:
        raise SettingsError("RENMAI_OWNER_DATABASE_URL is not set: only the owner role may make an organisation")
    password = settings.demo_password.get_secret_value()
    async with runtime.opened(settings, settings.owner_database_url):
        org_id = await sessions.org_by_code(ORG_CODE)
        if org_id is None:
            announce("Loading the demo world (once, some seconds) ...")
            world = demo_world.build()
            async with db.transaction(world.org_id) as session:
                key = await demo.load(session, world, password)
                # Nobody has counted the rows yet, and for a minute nobody would: reads would be planned for none.
                for statement in ("ANALYZE customers", "ANALYZE relationships"):
                    await db.raw(session).execute(statement)
            _keep(settings.var_dir / _KEY_FILE, key)
            return True, DemoAccess(password, key)
        async with db.transaction(org_id) as session:
            is_password = await demo.opens_with(session, org_id, password)
        kept = _kept(settings.var_dir / _KEY_FILE)
        # The file may be of another database.
        known = kept.text if kept is not None and await api_keys.org_of(kept.key_id) == org_id else None
        return False, DemoAccess(password if is_password else None, known)


def announce(text: str) -> None:
    """A word to the person at the terminal before something that takes seconds."""
    print(text, file=sys.stderr, flush=True)


def _keep(path: Path, text: str) -> None:
    """The service stores only a hash of the key; later starts print it from this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text + "\n")


def _kept(path: Path) -> apikeys.ParsedKey | None:
    with suppress(OSError):
        return apikeys.parse(path.read_text().strip())
    return None


def _nothing() -> None:
    pass


def run(settings: Settings, demo_access: DemoAccess | None, on_tick: Callable[[], None] = _nothing) -> None:
    """Serve until SIGINT or SIGTERM. Workers read their settings from the environment.

    Args:
        on_tick: called ten times a second in the main thread (not with several workers); what it raises ends the
            service. Requests wait while it runs: it brings back the database they need.
    """
    os.environ["RENMAI_DATABASE_URL"] = settings.database_url or ""
    if settings.owner_database_url is not None:
        os.environ["RENMAI_OWNER_DATABASE_URL"] = settings.owner_database_url
    if settings.sealer_database_url is not None:
        os.environ["RENMAI_SEALER_DATABASE_URL"] = settings.sealer_database_url
    get_settings.cache_clear()
    options: dict[str, Any] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "log_config": None,
        "access_log": False,
        "http": "app.parser:Parser",
        "ws": "none",  # a wish to upgrade is then an ordinary request, with an ordinary answer
        "server_header": False,
        "date_header": True,
        "timeout_graceful_shutdown": 10,
    }
    if settings.workers > 1:  # the processes that listen are not this one: say it beforehand
        welcome(settings, settings.port, demo_access)
        uvicorn.run(_FACTORY, **options)
        return
    server = _Server(uvicorn.Config(_FACTORY, **options), lambda port: welcome(settings, port, demo_access), on_tick)
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after its graceful stop
        server.run()
    if not server.started:
        sys.exit(3)


class _Server(uvicorn.Server):
    """Says that it listens at the moment it does, and on which port; looks after something while it does."""

    def __init__(
        self, config: uvicorn.Config, on_listen: Callable[[int], None], on_tick: Callable[[], None] = _nothing
    ) -> None:
        super().__init__(config)
        self._on_listen, self._on_tick = on_listen, on_tick

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn has logged why, as JSON
            if self.lifespan.should_exit:
                announce("renmai: cannot start; the log above says why")
            else:
                address = f"{self.config.host}:{self.config.port}"
                announce(f"renmai: cannot listen on {address}; set RENMAI_PORT to a free port")
            raise
        if self.started:
            self._on_listen(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        self._on_tick()
        return await super().on_tick(counter)


def welcome(settings: Settings, port: int, access: DemoAccess | None) -> None:
    """Tell the person at the terminal where to go. On stderr: stdout carries the JSON log, one object a line."""
    if settings.is_production:
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    console.print(
        f"\n[bold]Renmai 人脉[/] listens on [bold]http://{host}:{port}[/]   try it: http://{host}:{port}/docs"
    )
    if access is not None:
        _show_demo(console, access)
    console.print("Stop with Ctrl-C. The log follows.\n")


def _show_demo(console: Console, access: DemoAccess) -> None:
    table = Table("username", "name", "role", "team", box=None, header_style="dim", pad_edge=False)
    for user in USERS:
        table.add_row(user.username, user.name, user.role, user.team)
    console.print(f"\nDemo world, everything invented: org [bold]{ORG_CODE}[/] ({ORG_NAME})")
    console.print(f"password  {access.password or 'the one RENMAI_DEMO_PASSWORD held when it was loaded'}")
    if access.partner_key is not None:
        console.print(f"partner   {access.partner_key}   (header X-API-Key)")
    console.print(table)


def load_demo(settings: Settings) -> tuple[bool, DemoAccess]:
    """`open_demo` for callers without an event loop."""
    return asyncio.run(open_demo(settings))
