"""Influence 影响力 and communities: what the job has computed, as far as the caller sees."""

from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, keyring, paging, reads
from app.access import Actor
from app.models.influences import (
    MAX_BRIDGES,
    MAX_COMMUNITIES,
    MAX_MEMBERS,
    InfluenceQuery,
    InfluenceRefresh,
    NetworkScope,
    RefreshJob,
)
from app.paging import Page

# The names under which the queue knows the work; `app/jobs.py` carries it out.
QUEUE = "network"
REFRESH_STRENGTHS = "refresh_strengths"
RECKON_STRENGTHS = "reckon_strengths"
REFRESH_SCORES = "refresh_network_scores"
_ASKED = 5  # goes before the night's scores, whose priority is 0

# One that waits already comes forward: in the line, and out of the pause (up to 68 minutes) after it failed.
_DEFER = """
INSERT INTO procrastinate.procrastinate_jobs AS j (queue_name, task_name, priority, lock, queueing_lock, args)
VALUES ($1, $2, $3, $4, $5, jsonb_build_object('org_id', $6::uuid))
ON CONFLICT (queueing_lock) WHERE status = 'todo' DO UPDATE
SET scheduled_at = NULL, priority = greatest(j.priority, excluded.priority)
WHERE j.scheduled_at IS NOT NULL OR j.priority < excluded.priority
"""
_JOB = """
SELECT CASE j.status WHEN 'todo' THEN 'queued' ELSE 'running' END AS status, e.at
FROM procrastinate.procrastinate_jobs j
JOIN procrastinate.procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
WHERE j.queueing_lock = $1 AND j.status IN ('todo', 'doing') ORDER BY j.id DESC LIMIT 1
"""
_COMPUTED = "SELECT computed_at FROM network_score_runs WHERE org_id = $1"


async def search(actor: Actor, wanted: InfluenceQuery) -> Page:
    """A page of the visible parties of a network, the most influential first.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    ring = keyring.current()
    bound = paging.binding("influences", actor.org_id, actor.id, wanted.scope)
    position = paging.decode(ring.cursors, bound, wanted.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_influences",
        _scope_id(actor, wanted.scope),
        None if position is None else position.key,
        None if position is None else position.id,
        wanted.limit + 1,
        variants=_variants(actor, wanted.scope),
    )
    page = paging.page(ring.cursors, bound, found)
    return Page(page.body[:-1] + b',"computed_at":' + _computed_at(found) + b"}", page.next_cursor)


async def communities(actor: Actor, scope: NetworkScope) -> bytes:
    """The communities of a network and the bridges between them, counted over what the actor sees."""
    limits = (MAX_COMMUNITIES, MAX_MEMBERS, MAX_BRIDGES)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_communities",
        _scope_id(actor, scope),
        *limits,
        variants=_variants(actor, scope),
    )
    assert found is not None  # the statement always answers one row
    body: str = found["body"]
    return body.encode()


def _scope_id(actor: Actor, scope: NetworkScope) -> UUID:
    return actor.id if scope is NetworkScope.me else actor.org_id


def _variants(actor: Actor, scope: NetworkScope) -> tuple[tuple[str, str], ...]:
    """How the statements find whom the actor sees: he sees everybody, the scope is his own, or he sees a part of it."""
    way = "wide" if actor.owners is None else "mine" if scope is NetworkScope.me else "partly"
    return tuple((name, "true" if name == way else "false") for name in ("wide", "mine", "partly"))


def _computed_at(found: Any) -> bytes:
    at: str | None = found["computed_at"]
    return b"null" if at is None else f'"{at}"'.encode()


async def refresh(session: AsyncSession, actor: Actor) -> InfluenceRefresh:
    """Ask for new scores of the organisation; one job waits at a time, whoever asks how often. It goes next.

    The row in the queue belongs to this transaction: the job cannot start before what was changed with it is there.
    """
    driver, job = db.raw(session), None
    while job is None:  # who waited a moment ago may have come to his end since
        await defer(session, REFRESH_SCORES, _ASKED)
        job = await driver.fetchrow(_JOB, f"{REFRESH_SCORES}:{actor.org_id}")
    access.record(session, actor, "influence.refresh_requested", "organization", actor.org_id)
    return InfluenceRefresh(
        job=RefreshJob(name=REFRESH_SCORES, status=job["status"], queued_at=job["at"]),
        computed_at=await driver.fetchval(_COMPUTED, actor.org_id),
    )


async def defer(session: AsyncSession, task: str, priority: int, *, beside: str | None = None) -> None:
    """Put a job of the organisation into the queue, as a part of this transaction; one that waits there comes forward.

    Args:
        beside: another task that never runs at the same time.
    """
    org_id = session.info["org_id"]
    lock, name = f"{beside or task}:{org_id}", f"{task}:{org_id}"
    await db.raw(session).execute(_DEFER, QUEUE, task, priority, lock, name, org_id)
