"""Running the command line inside a test process that already serves an application."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import db, keyring, looks, reads, shared_counts
from app.config import Settings, get_settings
from app.services import sessions

OPEN = (
    (db, "_engine"),
    (db, "_gate"),
    (reads, "_pool"),
    (looks, "_writer"),
    (keyring, "_ring"),
    (sessions, "_passwords"),
    (shared_counts, "_current"),
)


@contextmanager
def apart(settings: Settings) -> Iterator[pytest.MonkeyPatch]:
    """A command opens and closes what a process has only once: put the test application's aside meanwhile.

    Nothing may ask the application inside the block.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name in OPEN:
            patch.setattr(module, name, None)
        patch.setenv("RENMAI_ENVIRONMENT", "test")
        patch.setenv("RENMAI_DATABASE_URL", settings.database_url or "")
        patch.setenv("RENMAI_OWNER_DATABASE_URL", settings.owner_database_url or "")
        patch.setenv("RENMAI_VAR_DIR", str(settings.var_dir))
        patch.setenv("RENMAI_JOBS", settings.jobs)
        get_settings.cache_clear()
        try:
            yield patch
        finally:
            get_settings.cache_clear()
