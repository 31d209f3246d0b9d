"""Introductions: an agent asks a customer to lead him to somebody, and what becomes of it.

An introduction is there for those who see both its ends; its agent and those above him write it. Every write holds
both ends first: whoever gives one of them away waits, so that thanks are owed by the agent who is there to give them.
No tie is made by it: who knows whom is recorded where it is recorded. The rules stand in `domain.introductions`.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, etags, keyring, offline, paging, reads, unsealing
from app.access import Actor
from app.domain import introductions as rules
from app.domain.dossier import observation_issue
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.introductions import (
    MAX_STEPS,
    Introduction,
    IntroductionAdvance,
    IntroductionCreate,
    IntroductionQuery,
    IntroductionStatus,
    IntroductionStep,
    IntroductionUpdate,
)
from app.models.relationships import Relationship
from app.models.rights_requests import Objectionable
from app.paging import Page
from app.services import rights_requests_objections, tasks

_FEW = 20
_OF_FEW = """i.introducer_id = ANY (ARRAY(
    SELECT h.id FROM customers h
    WHERE h.org_id = $1 AND (h.owner_id = ANY($2::uuid[]) OR h.service_team_id = ANY($2::uuid[]))))"""


async def read(actor: Actor, introduction_id: UUID) -> Document:
    """One introduction with its history.

    Raises:
        NotFound: absent, or an end is not visible. Gone: it or an end was deleted in the last 30 days.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_introduction", introduction_id, *_reader(actor), MAX_STEPS)
    return await unsealing.document("introductions", actor.org_id, found, introduction_id)


async def search(actor: Actor, query: IntroductionQuery) -> Page:
    """A page of introductions, newest first.

    Raises:
        Malformed: the cursor.
    """
    key = keyring.current().cursors
    bound = paging.binding("introductions", actor.org_id, actor.id, query.status, query.introducer_id, query.target_id)
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_introductions",
        None if query.status is None else query.status.split(","),
        query.introducer_id,
        query.target_id,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
        *_reader(actor),
        variants=(("among", among(actor)),),
    )
    return await unsealing.page("introductions", actor.org_id, key, bound, found)


async def create(session: AsyncSession, actor: Actor, data: IntroductionCreate) -> tuple[Document, bool]:
    """The caller asks for an introduction; False when the phone sent the same before.

    Raises:
        Invalid: `not_found` (an end, or the tie between them), `same_customer`, `in_future`, `out_of_range`.
        Gone: it was sent before and is deleted.
        Conflict: `introduction_exists`: the same one is open already; `id_taken`; `purpose_objected`.
    """
    digest = offline.digest(actor, data.model_dump_json(exclude={"id"}).encode())
    if data.id is not None:
        await offline.queue_up(session, actor)
        if await offline.is_sent_before(session, actor, Introduction, data.id, digest):
            return await _sent_before(session, actor, data.id), False
    else:
        await access.stay(session, actor)
    if data.introducer_id == data.target_id:
        raise Invalid.at("/target_id", "same_customer")
    ends = await _check_ends(session, actor, data)
    both = (data.introducer_id, data.target_id)
    await rights_requests_objections.check(session, actor.org_id, both, Objectionable.introductions)
    today = china_today()
    asked_on = data.asked_on or today
    issue = observation_issue(asked_on, today)
    if issue is not None:
        raise Invalid.at("/asked_on", issue)
    row = Introduction(
        org_id=actor.org_id,
        id=data.id or uuid7(),
        introducer_id=data.introducer_id,
        target_id=data.target_id,
        agent_id=actor.id,
        relationship_id=data.relationship_id,
        status=IntroductionStatus.asked,
        reached=IntroductionStatus.asked,
        asked_on=asked_on,
        status_on=asked_on,
        created_digest=digest,
    )
    row.note_enc = await _sealed(session, row.id, data.note)
    session.add(row)
    parties = {"introducer_id": str(row.introducer_id), "target_id": str(row.target_id)}
    _leave_trail(session, actor, row, ends, "created", **parties)
    await _flush(session)
    _note_step(session, actor, row)
    return await _stored(session, actor, row.id), True


async def update(
    session: AsyncSession, actor: Actor, introduction_id: UUID, version: int, data: IntroductionUpdate
) -> Document:
    """Change the members that were sent.

    Raises:
        NotFound, Gone, Forbidden, PreconditionFailed.
    """
    row, ends = await find(session, actor, introduction_id)
    etags.check(row.version, version)
    if "note" in data.model_fields_set:
        row.note_enc = await _sealed(session, introduction_id, data.note)
    row.updated_at = utc_now()
    _leave_trail(session, actor, row, ends, "updated", fields=sorted(data.model_fields_set))
    return await _stored(session, actor, introduction_id)


async def advance(
    session: AsyncSession, actor: Actor, introduction_id: UUID, version: int, data: IntroductionAdvance
) -> Document:
    """Go on to a later step, or decline; thanks that fall due become a task in the same transaction.

    Raises:
        NotFound, Gone, Forbidden, PreconditionFailed.
        Invalid: `in_future`, `out_of_range`, `before_last_step`; a reason `missing`, or given for something else than
            declining.
        Conflict: `introduction_declined` (to be reopened first), `introduction_not_forward`.
    """
    row, ends = await find(session, actor, introduction_id)
    etags.check(row.version, version)
    before, wanted = row.status, IntroductionStatus(data.status.value)
    if before == IntroductionStatus.declined:
        raise Conflict("introduction_declined")
    if not rules.may_follow(before, wanted):
        raise Conflict("introduction_not_forward")
    is_declined = wanted is IntroductionStatus.declined
    if is_declined is (data.reason is None):
        raise Invalid.at("/reason", "missing" if is_declined else "reason_without_decline")
    row.status_on = _day(row, data.happened_on)
    row.status, row.reason = wanted, data.reason
    if not is_declined:
        row.reached = wanted
        if row.introduced_on is None and rules.may_follow("agreed", wanted):
            row.introduced_on = row.status_on
    milestone = rules.thanks_due(before, wanted)
    if milestone is not None:
        tasks.owe_thanks(session, actor, row, milestone)
    row.updated_at = utc_now()
    _note_step(session, actor, row)
    _leave_trail(session, actor, row, ends, "advanced", old=str(before), new=wanted.value)
    return await _stored(session, actor, introduction_id)


async def reopen(session: AsyncSession, actor: Actor, introduction_id: UUID) -> Document:
    """Take a declined introduction up where it stood; one that is not declined stays as it is.

    Raises:
        NotFound, Gone, Forbidden. Conflict: `introduction_exists`: asked for anew meanwhile.
    """
    row, ends = await find(session, actor, introduction_id)
    if row.status == IntroductionStatus.declined:
        row.status, row.reason = row.reached, None
        row.status_on, row.updated_at = max(row.status_on, china_today()), utc_now()
        _note_step(session, actor, row)
        _leave_trail(session, actor, row, ends, "reopened")
        await _flush(session)
    return await _stored(session, actor, introduction_id)


async def delete(session: AsyncSession, actor: Actor, introduction_id: UUID, version: int) -> None:
    """Turn it into a tombstone for 30 days, with all its tasks. (For mistakes: others are declined.)

    Raises:
        NotFound, Gone, Forbidden, PreconditionFailed.
    """
    row, ends = await find(session, actor, introduction_id)
    etags.check(row.version, version)
    row.deleted_at = row.updated_at = utc_now()
    await tasks.withdraw(session, row.id, row.deleted_at)
    _leave_trail(session, actor, row, ends, "deleted")


async def restore(session: AsyncSession, actor: Actor, introduction_id: UUID) -> Document:
    """Bring a tombstone back with its tasks; a living introduction stays as it is.

    Raises:
        NotFound: absent, an end not visible, or deleted more than 30 days ago. Gone: an end is deleted. Forbidden.
        Conflict: `introduction_exists`: asked for anew meanwhile.
    """
    row, ends = await find(session, actor, introduction_id, deleted=True)
    if row.deleted_at is not None:
        await tasks.bring_back(session, row.id, row.deleted_at)
        row.deleted_at, row.updated_at = None, utc_now()
        _leave_trail(session, actor, row, ends, "restored")
        await _flush(session)
    return await _stored(session, actor, introduction_id)


async def find(
    session: AsyncSession, actor: Actor, introduction_id: UUID, *, deleted: bool = False
) -> tuple[Introduction, Sequence[Customer]]:
    """The introduction, locked, and its ends, held; `deleted`: a tombstone is wanted too.

    Raises:
        NotFound: absent, or an end not visible. Gone: it or an end was deleted.
        Forbidden: the caller is neither its agent nor answers for him.
    """
    await access.stay(session, actor)
    here = (col(Introduction.org_id) == actor.org_id, col(Introduction.id) == introduction_id)
    pair = (await session.exec(select(Introduction.introducer_id, Introduction.target_id).where(*here))).first()
    ends = [] if pair is None else await access.held(session, actor, pair)  # which they are never changes
    if len(ends) < 2:
        raise NotFound
    row = (await session.exec(select(Introduction).where(*here).with_for_update())).one()
    for end in ends:
        access.check_alive(end)
    access.check_alive(row, deleted=deleted)
    access.check_answers_for(actor, row.agent_id)
    return row, ends


def among(actor: Actor) -> str:
    """Where to look for the introductions of a caller: a few holders have few customers, all others look everywhere.

    A condition of the statements on introductions; who sees what, it does not say.
    """
    return _OF_FEW if actor.owners is not None and len(actor.owners) <= _FEW else "true"


def _reader(actor: Actor) -> tuple[UUID, list[UUID] | None]:
    """Whose notes he reads: his own, and those of whom he answers for."""
    return actor.id, None if actor.managed is None else list(actor.managed)


async def _check_ends(session: AsyncSession, actor: Actor, data: IntroductionCreate) -> Sequence[Customer]:
    """Both ends, alive and held; a shadow contact introduces nobody. And the tie between them, if one is named."""
    ends = await access.held(session, actor, [data.introducer_id, data.target_id])
    alive = {end.id: end for end in ends if end.deleted_at is None}
    if data.introducer_id not in alive or alive[data.introducer_id].is_shadow:
        raise Invalid.at("/introducer_id", "not_found")
    if data.target_id not in alive:
        raise Invalid.at("/target_id", "not_found")
    if data.relationship_id is not None:
        pair = (data.introducer_id, data.target_id)
        statement = select(Relationship.id).where(
            col(Relationship.org_id) == actor.org_id,
            col(Relationship.id) == data.relationship_id,
            col(Relationship.left_id).in_(pair),
            col(Relationship.right_id).in_(pair),
            col(Relationship.deleted_at).is_(None),
        )
        if (await session.exec(statement)).first() is None:
            raise Invalid.at("/relationship_id", "not_found")
    return ends


def _day(row: Introduction, happened_on: date | None) -> date:
    """The day of a step: not in the future, not before 1900, not before the step that was last."""
    today = china_today()
    if happened_on is None:
        return today
    issue = observation_issue(happened_on, today)
    if issue is not None:
        raise Invalid.at("/happened_on", issue)
    if happened_on < row.status_on:
        raise Invalid.at("/happened_on", "before_last_step")
    return happened_on


def _note_step(session: AsyncSession, actor: Actor, row: Introduction) -> None:
    session.add(
        IntroductionStep(
            org_id=actor.org_id,
            introduction_id=row.id,
            status=row.status,
            reason=row.reason,
            happened_on=row.status_on,
            recorded_by=actor.id,
        )
    )


async def _sealed(session: AsyncSession, introduction_id: UUID, note: str | None) -> bytes | None:
    """It speaks of two persons: under the key of the organisation."""
    if note is None:
        return None
    cipher = await keyring.field_cipher(session, session.info["org_id"])
    return cipher.seal("introductions", "note", introduction_id, note)


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        if db.constraint_of(error) == "introductions_open":
            raise Conflict("introduction_exists") from None
        raise offline.id_taken() from None


async def _sent_before(session: AsyncSession, actor: Actor, introduction_id: UUID) -> Document:
    """What became of one this caller asked for; one he can see no more keeps the id."""
    try:
        return await _stored(session, actor, introduction_id)
    except NotFound:
        raise offline.id_taken() from None


async def _stored(session: AsyncSession, actor: Actor, introduction_id: UUID) -> Document:
    """What a read would answer within this transaction."""
    found = await reads.row_in(session, actor.owners, "get_introduction", introduction_id, *_reader(actor), MAX_STEPS)
    return await unsealing.document("introductions", actor.org_id, found, introduction_id, session)


def _leave_trail(
    session: AsyncSession, actor: Actor, row: Introduction, ends: Sequence[Customer], verb: str, **detail: Any
) -> None:
    """Tell the phones of all who hold an end, and the audit."""
    db.mark(session, row, {holder for end in ends for holder in access.holders(end)})
    both = {"person": row.introducer_id, "other_person": row.target_id}
    access.record(session, actor, f"introduction.{verb}", "introduction", row.id, **both, **detail)
