"""Coverage of the six directions: read for one customer or for all of an agent; "asked: none" is recorded.

What counts of the ties is decided in SQL; scores, the next direction and its question are rules of `domain.coverage`.
The statement over a whole book looks them up in tables that module makes.
"""

from uuid import UUID

import asyncpg
import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, keyring, paging, reads
from app.access import Actor
from app.domain import coverage, dossier
from app.errors import Gone, Invalid, NotFound
from app.models.base import china_today, utc_now
from app.models.coverages import AgentCoverageQuery, CoverageAnswer, CoverageAnswerPut
from app.models.customers import Customer
from app.models.relation_types import Direction
from app.paging import Page

_TABLES = (
    list(coverage.SCORES["individual"]),
    list(coverage.SCORES["organization"]),
    list(coverage.NEXT["individual"]),
    list(coverage.NEXT["organization"]),
)


async def read(actor: Actor, customer_id: UUID) -> bytes:
    """The six directions of a customer, score and next question, as JSON.

    Raises:
        NotFound: absent, not visible, or a shadow contact. Gone: deleted in the last 30 days.
    """
    return _told(await reads.row(actor.org_id, actor.owners, "get_coverage", customer_id), customer_id)


async def search(actor: Actor, query: AgentCoverageQuery) -> Page:
    """A summary over the customers of an agent that the actor sees, and a page of them, the lowest score first.

    Raises:
        Malformed: the cursor.
    """
    key, agent_id = keyring.current().cursors, query.agent_id or actor.id
    bound = paging.binding("agent_coverage", actor.org_id, actor.id, agent_id)
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "get_agent_coverage",
        agent_id,
        *_TABLES,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
        variants=(("kept", "MATERIALIZED" if len(actor.owners or ()) > 1 else "NOT MATERIALIZED"),),
    )
    if found is None:
        raise NotFound
    page, summary = paging.page(key, bound, found), found["summary"].encode()
    return Page(summary[:-1] + b"," + page.body[1:], page.next_cursor)


async def put_answer(
    session: AsyncSession, actor: Actor, customer_id: UUID, direction: Direction, data: CoverageAnswerPut
) -> bytes:
    """Record that the customer knows nobody in this direction; the last day told counts. Answers his coverage.

    Raises:
        NotFound, Gone: the customer.
        Invalid: `in_future`, `out_of_range`.
    """
    customer, answer = await _find(session, actor, customer_id, direction)
    issue = dossier.observation_issue(data.asked_on, china_today())
    if issue is not None:
        raise Invalid.at("/asked_on", issue)
    if answer is None or answer.asked_on != data.asked_on:
        if answer is None:
            answer = CoverageAnswer(
                org_id=actor.org_id,
                customer_id=customer_id,
                direction=direction,
                asked_on=data.asked_on,
                recorded_by=actor.id,
            )
            session.add(answer)
        answer.asked_on, answer.recorded_by, answer.updated_at = data.asked_on, actor.id, utc_now()
        _leave_trail(session, actor, customer, answer, "recorded")
    return _told(await reads.row_in(session, actor.owners, "get_coverage", customer_id), customer_id)


async def delete_answer(session: AsyncSession, actor: Actor, customer_id: UUID, direction: Direction) -> None:
    """Take the answer back; without one there is nothing to do.

    Raises:
        NotFound, Gone: the customer.
    """
    customer, answer = await _find(session, actor, customer_id, direction)
    if answer is not None:
        answer.deleted_at = answer.updated_at = utc_now()
        _leave_trail(session, actor, customer, answer, "deleted")


async def _find(
    session: AsyncSession, actor: Actor, customer_id: UUID, direction: Direction
) -> tuple[Customer, CoverageAnswer | None]:
    """The customer, locked so that two phones queue up, and the answer that stands."""
    await access.stay(session, actor)
    customer = await access.customer(session, actor, customer_id, lock=True)
    statement = select(CoverageAnswer).where(
        col(CoverageAnswer.org_id) == actor.org_id,
        col(CoverageAnswer.customer_id) == customer_id,
        col(CoverageAnswer.direction) == direction,
        col(CoverageAnswer.deleted_at).is_(None),
    )
    return customer, (await session.exec(statement.with_for_update())).first()


def _told(found: asyncpg.Record | None, customer_id: UUID) -> bytes:
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    recorded, party_type = orjson.loads(found["directions"]), found["party_type"]
    directions = []
    for direction in coverage.DIRECTIONS:
        known = recorded[direction]
        state = coverage.state(is_filled=known["count"] > 0, is_asked=known["asked_on"] is not None)
        directions.append({"direction": direction, "state": state, **known})
    answered = {row["direction"] for row in directions if row["state"] != coverage.State.unknown}
    wanted = coverage.next_direction(party_type, answered)
    words = None if wanted is None else coverage.question(party_type, wanted)
    return orjson.dumps(
        {
            "customer_id": customer_id,
            "score": coverage.score(party_type, answered),
            "directions": directions,
            "next": None if words is None else {"direction": wanted, "zh": words[0], "en": words[1]},
        }
    )


def _leave_trail(session: AsyncSession, actor: Actor, customer: Customer, answer: CoverageAnswer, verb: str) -> None:
    """Tell the phones of those who hold the customer, and the audit."""
    db.mark(session, answer, access.holders(customer))
    access.record(
        session,
        actor,
        f"coverage_answer.{verb}",
        "coverage_answer",
        answer.id,
        customer_id=str(customer.id),
        direction=Direction(answer.direction).value,
    )
