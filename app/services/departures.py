"""Departures: a user leaves; he is shut out, and his customers are handed over by area or to one colleague."""

from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlmodel import and_, col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db
from app.access import Actor
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import utc_now
from app.models.departures import (
    MAX_CUSTOMERS,
    AreaRule,
    Departure,
    DepartureCreate,
    DeparturePublic,
    DepartureTask,
    HandOver,
)
from app.models.forms import Label
from app.models.teams import Team, TeamMember
from app.models.users import User
from app.services import rights_requests_subject, users
from app.services.customers_transfer import leave, move, receiver

NOTICE = timedelta(days=30)  # 保险销售行为管理办法 (令2023-2) art. 36
_BASIS = "保险销售行为管理办法(令2023-2)第三十六条"
_TITLE = Label(
    zh="通知客户:代理人已离职,告知保单状况和后续服务途径",
    en="Tell these customers that their agent has left, how their policies stand and who serves them now",
)
_CHINA = ZoneInfo("Asia/Shanghai")
_AREA = ("province", "city", "county")

# Tombstones go along: they can still be restored, by the new owner. So do shadow contacts, behind the customer they are
# known through (`move`). So does who is restricted: somebody has to answer for his rights; nobody else hears of him.
_CUSTOMERS = """
SELECT id, deleted_at IS NOT NULL OR restricted_at IS NOT NULL AS is_silent, masked -> 'addresses' -> 0 AS address
FROM customers WHERE org_id = $1 AND owner_id = $2 AND NOT is_shadow ORDER BY id LIMIT $3 FOR UPDATE
"""


async def read(session: AsyncSession, actor: Actor, user_id: UUID) -> Document:
    """The departure of a user.

    Raises:
        NotFound: the user, or he has not left.
    """
    await access.user(session, actor, user_id)
    statement = select(Departure).where(Departure.org_id == actor.org_id, Departure.user_id == user_id)
    row = (await session.exec(statement)).first()
    if row is None:
        raise NotFound
    return _document(row)


async def create(session: AsyncSession, actor: Actor, user_id: UUID, data: DepartureCreate) -> Document:
    """Shut the user out, move his customers, redact what he noted for himself, say what is to be done now.

    Raises:
        NotFound: the user.
        Invalid: the day lies in the future; somebody who is to take over cannot.
        Conflict: `own_account`, `last_admin`, `user_departed`, `too_many_customers`.
    """
    user = await users.locked(session, actor, user_id)
    if user.departed_on is not None:
        raise Conflict("user_departed")
    await _check(session, actor, user, data)
    await users.check_removable(session, actor, user)
    rows = await _customers(session, user)
    moved = _divided(rows, data)
    notes = await move(session, actor, user.id, moved) + await leave(session, user.id)
    user.departed_on = data.left_on
    ended = await users.shut_out(session, user)
    await _forget(session, actor, user)
    row = Departure(
        org_id=actor.org_id, user_id=user.id, left_on=data.left_on, recorded_by=actor.id,
        result=_result(data.left_on, moved, {row["id"] for row in rows if row["is_silent"]}, notes, ended),
    )  # fmt: skip
    session.add(row)
    await session.flush()
    count = sum(map(len, moved.values()))
    access.record(session, actor, "departure.recorded", "user", user.id, customers=count, notes_redacted=notes)
    return _document(row)


async def _check(session: AsyncSession, actor: Actor, user: User, data: DepartureCreate) -> None:
    if data.left_on > datetime.now(_CHINA).date():
        raise Invalid.at("/left_on", "in_future")
    for receiver_id, pointer in _receivers(data).items():
        if receiver_id == user.id:
            raise Invalid.at(pointer, "not_found")
        await receiver(session, actor, receiver_id, pointer=pointer)


def _receivers(data: DepartureCreate) -> dict[UUID, str]:
    """Each of them once, with the first place that names him: two hundred areas may go to one colleague."""
    found = {data.to_user_id: "/to_user_id"}
    for index, rule in enumerate(data.by_area):
        found.setdefault(rule.to_user_id, f"/by_area/{index}/to_user_id")
    return found


async def _customers(session: AsyncSession, user: User) -> list[asyncpg.Record]:
    await rights_requests_subject.see_restricted(db.raw(session))
    rows: list[asyncpg.Record] = await db.raw(session).fetch(_CUSTOMERS, user.org_id, user.id, MAX_CUSTOMERS + 1)
    if len(rows) > MAX_CUSTOMERS:
        raise Conflict("too_many_customers")
    return rows


def _divided(rows: Sequence[asyncpg.Record], data: DepartureCreate) -> dict[UUID, list[UUID]]:
    """Who takes over whom: the first area rule that fits, else the one named for everybody."""
    found: dict[UUID, list[UUID]] = {data.to_user_id: []}
    for row in rows:
        address = row["address"] or {}
        chosen = next((rule.to_user_id for rule in data.by_area if _lies_in(address, rule)), data.to_user_id)
        found.setdefault(chosen, []).append(row["id"])
    return found


def _lies_in(address: Mapping[str, Any], rule: AreaRule) -> bool:
    """A rule that names no part of an address fits nobody: it would be `to_user_id` by another name."""
    wanted = {part: getattr(rule, part) for part in _AREA if getattr(rule, part) is not None}
    return bool(wanted) and all(address.get(part) == value for part, value in wanted.items())


async def _forget(session: AsyncSession, actor: Actor, user: User) -> None:
    """Service teams are doors that would still be open to him."""
    served = (
        select(Team)
        .join(TeamMember, and_(col(TeamMember.org_id) == Team.org_id, col(TeamMember.team_id) == Team.id))
        .where(Team.org_id == user.org_id, TeamMember.user_id == user.id)
        .order_by(col(Team.id))
    )
    for team in (await session.exec(served.with_for_update(of=Team))).all():
        team.updated_at = utc_now()
        access.record(session, actor, "team.member_removed", "team", team.id, user_id=str(user.id))
    await session.exec(
        delete(TeamMember).where(col(TeamMember.org_id) == user.org_id, col(TeamMember.user_id) == user.id)
    )


def _result(
    left_on: date, moved: Mapping[UUID, Sequence[UUID]], silent: Set[UUID], notes: int, ended: int
) -> dict[str, Any]:
    living = {to: [one for one in ids if one not in silent] for to, ids in moved.items()}
    handed_over = [HandOver(to_user_id=to, customer_count=len(ids), customer_ids=ids) for to, ids in living.items()]
    tasks = [
        DepartureTask(
            kind="notify_customers",
            title=_TITLE,
            assignee_id=to,
            due_on=left_on + NOTICE,
            legal_basis=_BASIS,
            customer_count=len(ids),
            customer_ids=ids,
        )
        for to, ids in living.items()
        if ids
    ]
    return {
        "handed_over": [one.model_dump(mode="json") for one in handed_over],
        "notes_redacted": notes,
        "sessions_ended": ended,
        "tasks": [one.model_dump(mode="json") for one in tasks],
    }


def _document(row: Departure) -> Document:
    body = DeparturePublic.model_validate(
        {
            "id": row.id,
            "user_id": row.user_id,
            "left_on": row.left_on,
            "recorded_by": row.recorded_by,
            "created_at": row.created_at,
            "version": row.version,
            **row.result,
        }
    )
    return Document(body.model_dump_json().encode(), row.version, row.id)
