"""The sealer inside the service: once a minute, on a connection of its own role, as long as the process serves.

Of several processes one seals at a time, the others find it done. A failure is a line in the log and another try.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from app import audit_seals, db, keyring, logs
from app.keyring import Keyring
from app.logs import describe

EVERY_SECONDS = 60.0
_PATIENCE = 600.0


@asynccontextmanager
async def inside(dsn: str) -> AsyncIterator[None]:
    """Seal while the block runs."""
    task = asyncio.get_running_loop().create_task(_work(dsn))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _work(dsn: str) -> None:
    while True:
        await once(dsn, keyring.current())
        await asyncio.sleep(EVERY_SECONDS)


async def once(dsn: str, ring: Keyring) -> int | None:
    """Seal what has come; None when somebody else does, or when it failed (the log says so)."""
    try:
        connection = await db.connect(dsn, patience=_PATIENCE)
        try:
            return await audit_seals.seal(connection, ring)
        finally:
            await connection.close()
    except (*db.BROKEN, TimeoutError, audit_seals.SealError) as error:
        logs.event("trail_not_sealed", level=logging.ERROR, **describe(error))
        return None
