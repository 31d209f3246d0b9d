"""What every process of Renmai has open while it works: its keys, both roads to the database, the password hasher."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import db, keyring, looks, reads
from app.config import Settings, SettingsError
from app.keyring import Keyring
from app.services import sessions


@asynccontextmanager
async def opened(settings: Settings, dsn: str | None = None) -> AsyncIterator[Keyring]:
    """Open everything, close it at the end.

    Args:
        dsn: another role than the application's; the command line makes organisations as the owner.

    Raises:
        SettingsError: there is no database address, or the root key is unusable.
    """
    dsn = dsn or settings.database_url
    if dsn is None:
        raise SettingsError("RENMAI_DATABASE_URL is not set; `renmai serve` starts a private server")
    ring = keyring.derive(settings)
    keyring.use(ring)
    db.open_engine(dsn, pool_size=settings.write_pool_size)
    reads.open_pool(dsn, size=settings.read_pool_size)
    looks.open_writer(dsn)
    try:
        yield ring
    finally:
        await looks.close_writer()
        await reads.close_pool()
        await db.close_engine()
        sessions.close_passwords()
        keyring.use(None)
