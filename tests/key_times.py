"""Time for rotations without waiting: what was done to the keys is moved back instead, and so is what is known."""

from datetime import timedelta

import asyncpg

from app import keyring
from app.rotation import Work

_AGO = (
    "UPDATE org_keys SET created_at = created_at - $1::interval, activated_at = activated_at - $1::interval",
    "UPDATE blind_keys SET created_at = created_at - $1::interval, activated_at = activated_at - $1::interval",
)


async def pass_time(db: asyncpg.Connection, seconds: float) -> None:
    """As if the database and this process had waited so many seconds."""
    for statement in _AGO:
        await db.execute(statement, timedelta(seconds=seconds))
    known = keyring.current().organisations
    for org_id, keys in list(known.items()):
        known[org_id] = keyring.OrgKeys(keys.fields, keys.blinds, keys.loaded_at - seconds)


def work(db: asyncpg.Connection, **over: object) -> Work:
    """A rotation by this process over this connection of the owner role."""

    async def pause(seconds: float) -> None:
        await pass_time(db, seconds)

    return Work(**{"connection": db, "ring": keyring.current(), "pause": pause, **over})  # type: ignore[arg-type]
