"""Who carries jobs out: a child for the arrays, a worker beside the service, `renmai work`."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import procrastinate
import pytest
from uuid_utils.compat import uuid7

from app import jobs, logs
from app.config import Settings
from tests.factories import World
from tests.queued import ASKED, empty_queue, job_events, waiting

__all__ = ["empty_queue", "job_events"]
pytestmark = pytest.mark.usefixtures("queue")


# --- the child -------------------------------------------------------------------------------------------------


async def test_child_that_cannot_reach_the_database_says_which_error(events: list[dict[str, Any]]) -> None:
    with pytest.raises(jobs.JobFailed):
        await jobs._in_a_process("postgresql://nobody@127.0.0.1:9/nothing", str(uuid7()))
    assert [event["event"] for event in events] == ["network_scores_failed"]
    assert "Connect" in events[0]["error"]


async def test_child_ends_with_the_job_that_is_broken_off() -> None:
    is_there, is_gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_there.set()
        await reader.read()
        is_gone.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dsn = f"postgresql://nobody@127.0.0.1:{port}/nothing?sslmode=disable"
        job = asyncio.create_task(jobs._in_a_process(dsn, str(uuid7())))
        await asyncio.wait_for(is_there.wait(), 20)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        async with asyncio.timeout(5):
            while not is_gone.is_set():  # it may have asked twice
                await is_gone.wait()


def test_child_ends_with_its_starter() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "app.network_scores"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    # A database that does not answer: 192.0.2.0/24 leads nowhere.
    child.stdin.write(json.dumps({"dsn": "postgresql://x@192.0.2.1/x", "org_id": str(uuid7())}).encode() + b"\n")
    child.stdin.close()
    assert child.wait(timeout=20) == 1
    child.stdout.close()


# --- workers ---------------------------------------------------------------------------------------------------


async def test_worker_beside_the_service_works_and_leaves_nothing_behind(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_done = asyncio.Event()

    async def note(dsn: str, org_id: str) -> dict[str, int]:
        assert org_id == str(world.org_id)
        is_done.set()
        return {}

    monkeypatch.setattr(jobs, "_in_a_process", note)
    # Tonight's work and the last rescue are done already.
    app = jobs.make(settings)
    for name in ("night", "rescue"):
        monkeypatch.setattr(jobs, name, _nothing(name))
    before = asyncio.all_tasks()
    await world.admin.post(ASKED)
    async with jobs.inside(settings), asyncio.timeout(20):
        await is_done.wait()
    left = {task.get_coro() for task in asyncio.all_tasks() - before}
    assert [coro for coro in left if getattr(coro, "__qualname__", "") != "_Pool._end"] == []  # the read pool tidies up
    assert await world.db.fetchval("SELECT count(*) FROM procrastinate.procrastinate_workers") == 0
    assert app.connector._async_pool is None  # type: ignore[attr-defined]  # never opened: making one costs nothing


def _nothing(name: str) -> Any:
    async def nothing(context: procrastinate.JobContext, timestamp: int) -> None: ...

    nothing.__name__ = name
    return nothing


async def test_job_that_is_broken_off_by_the_end_of_the_service_waits_again(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_running = asyncio.Event()

    async def endless(dsn: str, org_id: str) -> dict[str, int]:
        is_running.set()
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(jobs, "_in_a_process", endless)
    for name in ("night", "rescue"):
        monkeypatch.setattr(jobs, name, _nothing(name))
    await world.admin.post(ASKED)
    async with asyncio.timeout(20):
        async with jobs.inside(settings):
            await is_running.wait()
    assert ("refresh_network_scores", {"org_id": str(world.org_id)}) in await waiting(world.db)


async def test_service_starts_and_ends_without_a_database_for_its_jobs(
    settings: Settings, events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_noted = asyncio.Event()
    monkeypatch.setattr(jobs, "AGAIN_SECONDS", 0.05)

    def note(name: str, **fields: Any) -> None:
        events.append({"event": name, **fields})
        is_noted.set()

    monkeypatch.setattr(logs, "event", note)
    away = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:9/nothing"})
    async with asyncio.timeout(20):
        async with jobs.inside(away):
            while len(events) < 2:  # it tries again and again
                is_noted.clear()
                await is_noted.wait()
    assert {event["event"] for event in events} == {"jobs_interrupted"}


def test_renmai_work_carries_out_jobs_until_it_is_stopped(settings: Settings) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENMAI_")}
    worker = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "work"],
        env={**kept, "RENMAI_DATABASE_URL": settings.database_url or "", "RENMAI_VAR_DIR": str(settings.var_dir),
             "RENMAI_ENVIRONMENT": "test"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert worker.stdout is not None
    for line in worker.stdout:  # the night it missed is made up for
        if json.loads(line)["event"] == "job_done":
            break
    worker.send_signal(signal.SIGINT)
    out, err = worker.communicate(timeout=20)
    assert (worker.returncode, err) == (0, "")
    assert {json.loads(line)["event"] for line in out.splitlines()} <= {"job_done"}
