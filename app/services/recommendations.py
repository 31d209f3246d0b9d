"""Next best introductions. Ranking is done in SQL (`list_recommendations.sql`), with the constants of the domain; the
sentences are added here. What a user dismisses is his own business: nobody else's list changes.
"""

from datetime import timedelta
from uuid import UUID

import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, reads
from app.access import Actor
from app.domain import recommendations as rules
from app.models.base import china_today, utc_now
from app.models.recommendations import (
    DismissalPublic,
    DismissalPut,
    DismissalReason,
    RecommendationDismissal,
    RecommendationQuery,
)


async def search(actor: Actor, query: RecommendationQuery) -> bytes:
    """People two steps away worth meeting, the best first, as JSON. They and all ways to them are the actor's own."""
    today = china_today()
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_recommendations",
        actor.id,
        query.customer_id,
        query.limit,
        today,
        rules.CONSTANTS,
    )
    items = [] if found is None else orjson.loads(found["items"])
    for item in items:
        item["reasons"] = rules.reasons(item, today)
        del item["features"]
    return orjson.dumps({"items": items})


async def put_dismissal(session: AsyncSession, actor: Actor, customer_id: UUID, data: DismissalPut) -> bytes:
    """Recommend this party to the actor no more, or not for some time. Sent again it changes nothing.

    Raises:
        NotFound, Gone: the customer or shadow contact.
    """
    row = await _find(session, actor, customer_id)
    until = china_today() + timedelta(days=rules.DAYS_NOT_NOW) if data.reason == DismissalReason.not_now else None
    if row is None:
        row = RecommendationDismissal(
            org_id=actor.org_id, user_id=actor.id, customer_id=customer_id, reason=data.reason, dismissed_until=until
        )
        session.add(row)
        _record(session, actor, customer_id, "dismissed", reason=data.reason.value)
    elif (row.reason, row.dismissed_until) != (data.reason, until):
        row.reason, row.dismissed_until, row.dismissed_at = data.reason, until, utc_now()
        _record(session, actor, customer_id, "dismissed", reason=data.reason.value)
    await session.flush()
    shown = {member: getattr(row, member) for member in DismissalPublic.model_fields}
    return DismissalPublic(**shown).model_dump_json().encode()


async def delete_dismissal(session: AsyncSession, actor: Actor, customer_id: UUID) -> None:
    """Let this party be recommended again; one that was not dismissed stays as it is.

    Raises:
        NotFound, Gone: the customer or shadow contact.
    """
    row = await _find(session, actor, customer_id)
    if row is not None:
        await session.delete(row)
        _record(session, actor, customer_id, "undismissed")


async def _find(session: AsyncSession, actor: Actor, customer_id: UUID) -> RecommendationDismissal | None:
    """What stands; the customer is locked, so that two of the user's phones queue up."""
    await access.stay(session, actor)
    await access.customer(session, actor, customer_id, lock=True, shadows=None)
    statement = select(RecommendationDismissal).where(
        col(RecommendationDismissal.org_id) == actor.org_id,
        col(RecommendationDismissal.user_id) == actor.id,
        col(RecommendationDismissal.customer_id) == customer_id,
    )
    return (await session.exec(statement)).first()


def _record(session: AsyncSession, actor: Actor, customer_id: UUID, verb: str, **detail: str) -> None:
    access.record(session, actor, f"recommendation.{verb}", "customer", customer_id, **detail)
