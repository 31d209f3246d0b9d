"""Background jobs: what runs at night and on request, in the processes of the service or in `renmai work`.

The queue is procrastinate's, in the database (schema `procrastinate`, migration 0008). Jobs carry ids, nothing else.
Whoever asks for a job writes a row (`services/influences.py`); here they are carried out.

* Every process of the service has a worker (RENMAI_JOBS=inside); it carries out one job at a time. Two jobs of one
  kind for one organisation never run at once, nor wait twice (`lock`, `queueing_lock`); a periodic job is deferred once
  a tick, however many workers there are, because the queue has a unique row for it.
* A job that fails is tried again after 8, 64, 512 and 4,096 seconds. One whose worker was killed is found by its
  silence and tried again.
* The worker asks for jobs every five seconds instead of listening, which would take a connection of its own. When the
  database cannot be reached it starts anew, again and again; the service does not notice.

This module loads procrastinate and psycopg (11 MiB), so it is imported only by who runs jobs.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import procrastinate
from procrastinate import exceptions
from procrastinate.jobs import Status
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db, logs
from app.config import Settings
from app.logs import describe
from app.services import relationships_strengths
from app.services.influences import QUEUE, RECKON_STRENGTHS, REFRESH_SCORES, REFRESH_STRENGTHS

# 02:30 in China, where agents sleep; the queue counts in UTC. Made up for within a day by the first worker that runs.
NIGHT = "30 18 * * *"
OFTEN = "*/5 * * * *"
CATCH_UP_SECONDS = 24 * 3600
RETRY = procrastinate.RetryStrategy(max_attempts=4, exponential_wait=8)
POLL_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # a worker says every ten that it lives
AGAIN_SECONDS = 5.0
# A job may come to its end within the first; in the second it is broken off, and tried again later.
GRACE_SECONDS, STOP_SECONDS = 1.0, 5.0
FAILED_KEPT_HOURS = 14 * 24
_CHINA = ZoneInfo("Asia/Shanghai")
# psycopg speaks to a schema of its own, in which the queue's names are bare.
_SESSION = "-c search_path=procrastinate -c timezone=UTC -c statement_timeout=8000 -c lock_timeout=4000 \
-c idle_in_transaction_session_timeout=20000 -c application_name=renmai-jobs"

# The night's work of every organisation in one statement; what waits already is not asked for again.
_ALL = """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args)
SELECT %(queue)s, task.name, task.priority, task.name || ':' || org_id, task.name || ':' || org_id,
       jsonb_build_object('org_id', org_id)
FROM public.org_ids() AS org_id
CROSS JOIN unnest(%(tasks)s::text[], %(priorities)s::int[]) AS task (name, priority)
ORDER BY task.priority DESC, org_id
ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
"""


class JobFailed(RuntimeError):
    """What the queue is told of a failure: the type of the error only, for its text may quote a row."""


# --- the tasks -------------------------------------------------------------------------------------------------


async def refresh_strengths(org_id: str) -> None:
    """Bring the strengths of an organisation's relationships to today."""
    work = _in_batches(org_id, relationships_strengths.batch, relationships_strengths.refresh)
    await _told(REFRESH_STRENGTHS, org_id, work)


async def reckon_strengths(org_id: str) -> None:
    """Complete what a change of settings left: every relationship, by whatever it moves."""
    work = _in_batches(org_id, relationships_strengths.every, relationships_strengths.reckon)
    await _told(RECKON_STRENGTHS, org_id, work)


async def _in_batches(
    org_id: str,
    batch: Callable[[AsyncSession, UUID], Awaitable[list[UUID]]],
    bring: Callable[[AsyncSession, list[UUID], date], Awaitable[int]],
) -> dict[str, int]:
    """All relationships that `batch` finds, in transactions of one batch each."""
    last, looked, written = UUID(int=0), 0, 0
    today = datetime.now(_CHINA).date()
    while True:
        async with db.transaction(UUID(org_id)) as session:
            found = await batch(session, last)
            if not found:
                return {"looked_at": looked, "written": written}
            written += await bring(session, found, today)
        last, looked = found[-1], looked + len(found)


async def refresh_network_scores(context: procrastinate.JobContext, org_id: str) -> None:
    """Compute the scores of an organisation's network, in a process of its own (`app/network_scores.py`)."""
    await _told(REFRESH_SCORES, org_id, _in_a_process(context.additional_context["dsn"], org_id))


async def night(context: procrastinate.JobContext, timestamp: int) -> None:
    """Ask for the night's work of every organisation, and forget what failed weeks ago."""
    tasks = {REFRESH_STRENGTHS: 10, REFRESH_SCORES: 0}  # scores are computed from strengths: these come first
    await context.app.connector.execute_query_async(
        _ALL, queue=QUEUE, tasks=list(tasks), priorities=list(tasks.values())
    )
    await context.app.job_manager.delete_old_jobs(
        FAILED_KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )


async def rescue(context: procrastinate.JobContext, timestamp: int) -> None:
    """Jobs of workers that were killed are tried again; they would stay "doing" and lock out their successors."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=SILENCE_SECONDS):
        try:
            await manager.retry_job(job)
        except exceptions.UniqueViolation:  # a successor waits already
            await manager.finish_job(job, Status.FAILED, delete_job=True)
        logs.event("job_rescued", level=logging.WARNING, job=job.id)


async def _told(name: str, org_id: str, work: Awaitable[dict[str, int]]) -> None:
    """Carry out the work and leave a line about it.

    Raises:
        JobFailed: anything went wrong.
    """
    try:
        counts = await work
    except JobFailed:
        logs.event("job_failed", level=logging.ERROR, task=name, org_id=org_id, error="child")
        raise
    except Exception as error:
        logs.event("job_failed", level=logging.ERROR, task=name, org_id=org_id, **describe(error))
        raise JobFailed(type(error).__name__) from None
    logs.event("job_done", task=name, org_id=org_id, **counts)


async def _in_a_process(dsn: str, org_id: str) -> dict[str, int]:
    """Run the computation as a child, which ends when it has to: with this job, or with this process.

    Raises:
        JobFailed: it says so, or was killed.
    """
    home = str(Path(__file__).parents[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENMAI_")}  # it needs no secret
    paths = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.network_scores",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**kept, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C is for the service, which then ends its child
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with suppress(ConnectionError):
            child.stdin.write(orjson.dumps({"dsn": dsn, "org_id": org_id}) + b"\n")
            await child.stdin.drain()
        said = await child.stdout.read()
        status = await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        child.stdin.close()
    if status != 0:
        error = orjson.loads(said) if said else {"error": f"ended with {status}"}
        logs.event("network_scores_failed", level=logging.ERROR, org_id=org_id, **error)
        raise JobFailed(str(error["error"]))
    counts: dict[str, int] = orjson.loads(said)
    return counts


# --- workers ---------------------------------------------------------------------------------------------------


def make(settings: Settings, *, is_periodic: bool = True) -> procrastinate.App:
    """The queue with its tasks. It opens no connection before it needs one.

    Args:
        is_periodic: whether its workers also see to the night's work and to stalled jobs.
    """
    for name in ("procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their lines hold arguments; we write our own
    connector = procrastinate.PsycopgConnector(
        conninfo=settings.database_url, min_size=0, max_size=2, timeout=AGAIN_SECONDS, kwargs={"options": _SESSION}
    )
    app = procrastinate.App(connector=connector, periodic_defaults={"max_delay": CATCH_UP_SECONDS})
    app.task(name=REFRESH_STRENGTHS, queue=QUEUE, retry=RETRY)(refresh_strengths)
    app.task(name=RECKON_STRENGTHS, queue=QUEUE, retry=RETRY)(reckon_strengths)
    app.task(name=REFRESH_SCORES, queue=QUEUE, retry=RETRY, pass_context=True)(refresh_network_scores)
    for function, cron in ((night, NIGHT), (rescue, OFTEN)):
        name = function.__name__
        task = app.task(name=name, queue=QUEUE, queueing_lock=name, priority=20, retry=RETRY, pass_context=True)(
            function
        )
        if is_periodic:
            app.periodic(cron=cron)(task)
    return app


async def work_off(app: procrastinate.App, settings: Settings, *, wait: bool = True) -> None:
    """Carry out jobs, one after the other, until cancelled; or, with `wait` false, until none is left."""
    async with app.open_async():
        await app.run_worker_async(
            queues=[QUEUE], concurrency=1, wait=wait, listen_notify=False, fetch_job_polling_interval=POLL_SECONDS,
            delete_jobs="successful", install_signal_handlers=False, shutdown_graceful_timeout=GRACE_SECONDS,
            stalled_worker_timeout=SILENCE_SECONDS, additional_context={"dsn": settings.database_url},
        )  # fmt: skip


async def work(settings: Settings) -> None:
    """Carry out jobs until cancelled, whatever becomes of the database meanwhile."""
    while True:
        try:
            await work_off(make(settings), settings)
        except Exception as error:
            logs.event("jobs_interrupted", level=logging.WARNING, **describe(error))
        await asyncio.sleep(AGAIN_SECONDS)


@asynccontextmanager
async def inside(settings: Settings) -> AsyncIterator[None]:
    """A worker beside whatever runs in the block. It is given STOP_SECONDS to end, however the database is."""
    task = asyncio.create_task(work(settings), name="jobs")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=STOP_SECONDS)
