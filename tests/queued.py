"""What tests of background jobs share: an empty queue, the lines about jobs, a worker that runs until none is left.

A module imports the fixtures it needs.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from app import jobs, logs
from app.config import Settings

ASKED = "/v1/network/influence/refresh"


@pytest.fixture(name="queue")
async def empty_queue(owner_db: asyncpg.Connection) -> AsyncIterator[None]:
    """Nobody else's jobs are in it."""
    emptied = "TRUNCATE procrastinate.procrastinate_jobs, procrastinate.procrastinate_periodic_defers CASCADE"
    await owner_db.execute(emptied)
    yield
    await owner_db.execute(emptied)


@pytest.fixture(name="events")
def job_events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The lines about jobs."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(logs, "event", lambda name, **fields: found.append({"event": name, **fields}))
    return found


async def carry_out(settings: Settings) -> None:
    """Whatever waits in the queue."""
    await jobs.work_off(jobs.make(settings, is_periodic=False), settings, wait=False)


async def waiting(db: asyncpg.Connection, status: str = "todo") -> list[tuple[str, dict[str, str]]]:
    rows = await db.fetch(
        "SELECT task_name, args FROM procrastinate.procrastinate_jobs WHERE status::text = $1 ORDER BY id", status
    )
    return [(row["task_name"], json.loads(row["args"])) for row in rows]


async def defer(settings: Settings, name: str, **args: Any) -> None:
    app = jobs.make(settings, is_periodic=False)
    async with app.open_async():
        await app.configure_task(name).defer_async(**args)
