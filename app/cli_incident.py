"""`renmai incident`: what happened to whose data, as two files, from the audit trail."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

from app import audit, db, incidents, runtime
from app.config import Settings, get_settings
from app.incidents import Incident, Wanted
from app.operating import CommandError, OrgOption, database
from app.services import sessions

_PATIENCE = 600.0
_USER = "SELECT id FROM users WHERE org_id = $1 AND (username = $2 OR id::text = $2)"
_KEY = "SELECT id FROM api_keys WHERE org_id = $1 AND (key_id = $2 OR id::text = $2)"


def incident(
    org: OrgOption,
    at_from: Annotated[str, typer.Option("--from", help="First moment, as 2026-11-01T00:00:00+08:00")],
    at_to: Annotated[str, typer.Option("--to", help="The moment after the last")],
    out: Annotated[Path, typer.Option(help="Where to write: this name with .json and .csv")],
    actor: Annotated[str | None, typer.Option(help="Only what this user did: user name or id")] = None,
    session: Annotated[str | None, typer.Option(help="Only what was done in this session: its id")] = None,
    key: Annotated[str | None, typer.Option(help="Only what this partner's key did: its id")] = None,
) -> None:
    """Which persons, which fields, when, by whom and with what: everything the trail knows of a time. Only reads.

    The files hold ids and names of fields, no values. That the report was made is on record itself.
    """
    if actor is not None and key is not None:
        raise CommandError("a user or a key, not both")
    times = _moment(at_from), _moment(at_to)
    if times[0] >= times[1]:
        raise CommandError("--to must be later than --from")

    async def run(settings: Settings) -> Incident:
        async with runtime.opened(settings):
            org_id = await sessions.org_by_code(org)
            if org_id is None:
                raise CommandError(f"there is no organisation {org!r}")
            who = await _actor(org_id, actor, key)
            wanted = Wanted(*times, who, None if session is None else _id(session))
            return await _write(settings, org, org_id, wanted, out)

    with database(get_settings()) as ready:
        told = asyncio.run(run(ready)).summary()
    typer.echo(f"{told['persons']} persons, {told['looks_exports_and_changes']} events about them.")
    typer.echo(f"{out.with_suffix('.json')} and {out.with_suffix('.csv')} are written.")


async def _write(settings: Settings, org: str, org_id: UUID, wanted: Wanted, out: Path) -> Incident:
    """The files get their names once it is on record that they were made."""
    found, started, draft = Incident(), datetime.now(UTC), out.with_suffix(".part")
    connection = await db.connect(settings.database_url or "", patience=_PATIENCE)
    try:
        with draft.open("w", encoding="utf-8-sig", newline="") as table:
            async for lines in incidents.gather(connection, org_id, wanted, found):
                table.write(lines)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        await connection.close()
    asked = {name: getattr(wanted, name) for name in ("at_from", "at_to", "actor_id", "session_id")}
    async with db.transaction(org_id) as session:
        told = {f"asked_{name}": _word(value) for name, value in asked.items()}
        audit.record(session, "incident.reported", "organization", org_id, persons=len(found.persons), **told)
    body = {"organization": org, "made_at": started, **asked, **found.to_json()}
    text = orjson.dumps(body, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    out.with_suffix(".json").write_bytes(text)
    draft.rename(out.with_suffix(".csv"))
    return found


def _word(value: datetime | UUID | None) -> Any:
    """A moment or an id as the trail writes it."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value and str(value)


async def _actor(org_id: UUID, user: str | None, key: str | None) -> UUID | None:
    if user is None and key is None:
        return None

    async with db.transaction(org_id) as session:
        found: UUID | None = await db.raw(session).fetchval(_KEY if user is None else _USER, org_id, user or key)
    if found is None:
        raise CommandError("there is no such user" if user is not None else "there is no such key")
    return found


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
    except ValueError:
        raise CommandError("a moment is written as 2026-11-01T00:00:00+08:00, with the zone") from None
    return moment.astimezone(UTC)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError("a session is named by its id") from None
