"""Requests of persons to keep their rights: received, identity checked, carried out or refused with a reason.

Every request is a task of the customer's agent with the day it is due. Nothing is carried out before somebody has
recorded how the identity was checked. What it comes to stands in `rights_requests_decide`.
"""

from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, etags, keyring, paging
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.rights_requests import (
    RightsIdentityCheck,
    RightsRequest,
    RightsRequestCreate,
    RightsRequestKind,
    RightsRequestPublic,
    RightsRequestQuery,
    RightsRequestStatus,
)
from app.paging import Page, Position
from app.services import rights_requests_subject, tasks

# The law says 15 working days (网络数据安全管理条例 23, GB/T 35273: 30 days). Which days are working days is published
# a year at a time, so calendar days are counted: never later than the law's day.
ANSWER_WITHIN = timedelta(days=15)
OPEN = (RightsRequestStatus.received, RightsRequestStatus.identity_checked)


async def create(session: AsyncSession, actor: Actor, customer_id: UUID, data: RightsRequestCreate) -> Document:
    """Note what a person asks; the clock runs from the day he asked.

    Raises:
        NotFound: the customer. Invalid: the day lies ahead; a purpose without an objection, or none with one.
    """
    today = china_today()
    received = data.received_on or today
    if received > today:
        raise Invalid.at("/received_on", "in_future")
    if (data.kind is RightsRequestKind.objection) != (data.purpose is not None):
        raise Invalid.at("/purpose", "missing" if data.purpose is None else "unknown")
    if data.fields and data.kind is not RightsRequestKind.correction:
        raise Invalid.at("/fields", "unknown")
    await access.stay(session, actor)
    customer = await rights_requests_subject.find(session, actor, customer_id, lock=True)
    row = RightsRequest(
        org_id=actor.org_id, customer_id=customer_id, kind=data.kind, purpose=data.purpose, fields=data.fields,
        status=RightsRequestStatus.received, received_on=received, due_on=received + ANSWER_WITHIN,
        recorded_by=actor.id,
    )  # fmt: skip
    session.add(row)
    tasks.owe_answer(session, actor, customer, row.id, row.due_on)
    _leave_trail(session, actor, row, "received", kind=row.kind.value)
    await session.flush()
    return document(row)


async def read(session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID) -> Document:
    """One request; also of a customer who was erased because of it.

    Raises:
        NotFound: the customer or the request.
    """
    await rights_requests_subject.find(session, actor, customer_id, erased=True)
    return document(await _row(session, actor, customer_id, request_id))


async def search(session: AsyncSession, actor: Actor, customer_id: UUID, query: RightsRequestQuery) -> Page:
    """A page of a customer's requests, the latest first.

    Raises:
        NotFound: the customer. Malformed: the cursor.
    """
    await rights_requests_subject.find(session, actor, customer_id, erased=True)
    key = keyring.current().cursors
    bound = paging.binding("rights_requests", actor.org_id, actor.id, customer_id)
    position = paging.decode(key, bound, query.cursor)
    statement = select(RightsRequest).where(
        RightsRequest.org_id == actor.org_id, RightsRequest.customer_id == customer_id
    )
    if position is not None:
        statement = statement.where(col(RightsRequest.id) < position.id)
    rows = (await session.exec(statement.order_by(col(RightsRequest.id).desc()).limit(query.limit + 1))).all()
    items = [_public(row) for row in rows]
    return paging.listed(key, bound, items, query.limit, lambda item: Position(item.id.hex, item.id))


async def check_identity(
    session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, version: int, data: RightsIdentityCheck
) -> Document:
    """Record how his identity was checked; the last word counts while the request is open.

    Raises:
        NotFound, PreconditionFailed. Conflict: `rights_request_closed`.
    """
    row = await held(session, actor, customer_id, request_id)
    etags.check(row.version, version)
    check_open(row)
    row.status, row.identity_method = RightsRequestStatus.identity_checked, data.method
    row.identity_checked_at, row.identity_checked_by, row.updated_at = utc_now(), actor.id, utc_now()
    _leave_trail(session, actor, row, "identity_checked", method=data.method.value)
    await session.flush()
    return document(row)


async def withdraw(session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, version: int) -> Document:
    """The person takes an open request back.

    Raises:
        NotFound, PreconditionFailed. Conflict: `rights_request_closed`.
    """
    row = await held(session, actor, customer_id, request_id)
    etags.check(row.version, version)
    check_open(row)
    await close(session, actor, row, RightsRequestStatus.withdrawn)
    await session.flush()
    return document(row)


async def held(session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID) -> RightsRequest:
    """The request, locked after its customer, who is locked first everywhere.

    Raises:
        NotFound: the customer (an erased one as well) or the request.
    """
    await rights_requests_subject.find(session, actor, customer_id, lock=True)
    return await _row(session, actor, customer_id, request_id, lock=True)


async def close(session: AsyncSession, actor: Actor, row: RightsRequest, status: RightsRequestStatus) -> None:
    """Nothing more is to be done about it; its task is done with it."""
    row.status, row.decided_at, row.decided_by, row.updated_at = status, utc_now(), actor.id, utc_now()
    await tasks.finish(session, actor, row.id)
    codes = {name: str(value) for name in ("outcome", "refusal") if (value := getattr(row, name)) is not None}
    _leave_trail(session, actor, row, status.value, kind=str(row.kind), **codes)


def check_open(row: RightsRequest) -> None:
    """Refuse to touch what is closed.

    Raises:
        Conflict: `rights_request_closed`.
    """
    if row.status not in OPEN:
        raise Conflict("rights_request_closed")


def document(row: RightsRequest) -> Document:
    """The request as it is answered."""
    return Document(_public(row).model_dump_json().encode(), row.version, row.id)


async def _row(
    session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, *, lock: bool = False
) -> RightsRequest:
    statement = select(RightsRequest).where(
        RightsRequest.org_id == actor.org_id,
        RightsRequest.id == request_id,
        RightsRequest.customer_id == customer_id,
    )
    found = (await session.exec(statement.with_for_update() if lock else statement)).first()
    if found is None:
        raise NotFound
    return found


def _public(row: RightsRequest) -> RightsRequestPublic:
    return RightsRequestPublic.model_validate({name: getattr(row, name) for name in RightsRequestPublic.model_fields})


def _leave_trail(session: AsyncSession, actor: Actor, row: RightsRequest, verb: str, **detail: str) -> None:
    detail["customer_id"] = str(row.customer_id)
    access.record(session, actor, f"rights_request.{verb}", "rights_request", row.id, **detail)
