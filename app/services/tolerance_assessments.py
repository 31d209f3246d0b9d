"""Risk tolerance assessments: made of completed responses to `risk.tolerance`, counted, valid for twelve months.

The customer is locked while one is recorded, so two at once cannot both be the second of a day.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlmodel import col, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app import access, envelopes, keyring, paging
from app.access import Actor
from app.domain import tolerance as rules
from app.domain.dossier import china_date
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.form_responses import FINAL, FormResponse
from app.models.tolerance_assessments import ToleranceAssessment, ToleranceAssessmentPublic
from app.paging import Page, Position

FORM: Final = "risk.tolerance"


async def create(
    session: AsyncSession, actor: Actor, customer_id: UUID, form_response_id: UUID
) -> tuple[Document, bool]:
    """The assessment of a completed response; False when it was recorded before.

    Raises:
        NotFound, Gone: the customer.
        Invalid: no such response of his; `form_mismatch`: a response to another form.
        Conflict: `response_not_completed`, and as `record`.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    statement = select(FormResponse).where(
        col(FormResponse.org_id) == actor.org_id,
        col(FormResponse.id) == form_response_id,
        col(FormResponse.customer_id) == customer.id,
        col(FormResponse.deleted_at).is_(None),
    )
    response = (await session.exec(statement)).first()
    if response is None:
        raise Invalid.at("/form_response_id", "not_found")
    if response.form_key != FORM:
        raise Invalid.at("/form_response_id", "form_mismatch")
    if response.status not in FINAL:
        raise Conflict("response_not_completed")
    known = _all(actor, customer.id).where(col(ToleranceAssessment.form_response_id) == response.id)
    row = (await session.exec(known)).first()
    is_new = row is None
    await envelopes.opened(session, [] if row is None else [row])
    if row is None:
        await envelopes.opened(session, [response])
        row = await record(session, actor, customer, response)
    return await _document(session, actor, row), is_new


async def record(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse
) -> ToleranceAssessment:
    """The assessment a completed response makes. The caller has locked the customer and opened the response.

    One whose class differs from the one that holds now counts once the customer has confirmed it.

    Raises:
        Conflict: `answered_for_customer`: he did not declare that he answered himself; `assessment_incomplete`: the
            answers give no class; `assessments_today`, `assessments_this_year`: he was assessed too often.
    """
    said = response.answers
    if said.get("answered_by_self") is not True:
        raise Conflict("answered_for_customer")
    found = said.get("tolerance_class")
    if found not in rules.CLASSES or not isinstance(said.get("score"), str):
        raise Conflict("assessment_incomplete")
    at = response.completed_at or utc_now()
    on = response.answered_on or china_date(at)  # a phone may come later with what was answered on a visit
    days = (await session.exec(_days(actor, customer.id))).all()
    refused = rules.refusal(days, on)
    if refused is not None:
        raise Conflict(refused)
    before = await current(session, actor, customer.id)
    differs = before is not None and before.tolerance_class != found
    row = ToleranceAssessment(
        org_id=actor.org_id,
        id=uuid7(),
        customer_id=customer.id,
        form_response_id=response.id,
        answered_by="customer",
        recorded_by=actor.id,
        assessed_at=at,
        assessed_on=on,
        valid_until=rules.last_day(on),
        differs_from=before.id if differs and before is not None else None,
        confirmed_at=None if differs else at,
    )
    result = {"tolerance_class": found, "level": rules.level_of(found), "score": said["score"]}
    await envelopes.put(session, row, **result)
    session.add(row)
    await session.flush()
    access.record(session, actor, "tolerance_assessment.created", "tolerance_assessment", row.id, person=customer.id)
    return row


async def confirm(session: AsyncSession, actor: Actor, tolerance_assessment_id: UUID) -> Document:
    """The customer has seen that his class changed, and stands by it. Doing it twice is doing it once.

    Raises:
        NotFound, Gone. Conflict: `assessment_superseded`: a later one counts, or it is too old.
    """
    row = await _find(session, actor, tolerance_assessment_id, lock=True)
    if row.confirmed_at is None:
        held = await current(session, actor, row.customer_id)
        if row.valid_until < china_today() or (held is not None and held.assessed_at > row.assessed_at):
            raise Conflict("assessment_superseded")
        row.confirmed_at = row.updated_at = utc_now()
        await session.flush()
        access.record(
            session, actor, "tolerance_assessment.confirmed", "tolerance_assessment", row.id, person=row.customer_id
        )
    return await _document(session, actor, row)


async def read(session: AsyncSession, actor: Actor, tolerance_assessment_id: UUID) -> Document:
    """One assessment.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    return await _document(session, actor, await _find(session, actor, tolerance_assessment_id))


async def read_current(session: AsyncSession, actor: Actor, customer_id: UUID) -> Document:
    """The assessment that counts today.

    Raises:
        NotFound: the customer, or he has none. Gone: the customer.
    """
    customer = await access.customer(session, actor, customer_id)
    row = await current(session, actor, customer.id)
    if row is None:
        raise NotFound
    return await _document(session, actor, row)


async def search(session: AsyncSession, actor: Actor, customer_id: UUID, *, limit: int, cursor: str | None) -> Page:
    """A customer's assessments, newest first.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    customer = await access.customer(session, actor, customer_id)
    key = keyring.current().cursors
    bound = paging.binding("tolerance_assessments", actor.org_id, actor.id, customer_id)
    position = paging.decode(key, bound, cursor)
    statement = _all(actor, customer.id).order_by(
        col(ToleranceAssessment.created_at).desc(), col(ToleranceAssessment.id).desc()
    )
    if position is not None:
        place = tuple_(col(ToleranceAssessment.created_at), col(ToleranceAssessment.id))
        statement = statement.where(place < (datetime.fromisoformat(position.key), position.id))
    rows = (await session.exec(statement.limit(limit + 1))).all()
    await envelopes.opened(session, rows)
    held = await current(session, actor, customer.id)
    items = _public(rows, held)
    places = {row.id: Position(row.created_at.isoformat(), row.id) for row in rows}
    return paging.listed(key, bound, items, limit, lambda item: places[item.id])


async def current(session: AsyncSession, actor: Actor, customer_id: UUID) -> ToleranceAssessment | None:
    """The newest confirmed assessment of the customer, if it holds today."""
    row = await last(session, actor, customer_id)
    return row if row is not None and row.valid_until >= china_today() else None


async def last(session: AsyncSession, actor: Actor, customer_id: UUID) -> ToleranceAssessment | None:
    """The newest confirmed assessment, expired or not."""
    newest = _standing(actor, customer_id).where(col(ToleranceAssessment.confirmed_at).is_not(None))
    return await _first(session, newest)


async def level(session: AsyncSession, actor: Actor, customer_id: UUID) -> int | None:
    """Up to which product level the customer may be recommended anything: that of the newest confirmed assessment, or
    of a later one nobody has confirmed yet, where that is lower. None: never assessed."""
    held = await last(session, actor, customer_id)
    newest = await _first(session, _standing(actor, customer_id))
    if held is None or newest is None or newest.valid_until < china_today():
        return None if held is None else held.level
    return min(held.level, newest.level)


async def _first(
    session: AsyncSession, statement: SelectOfScalar[ToleranceAssessment]
) -> ToleranceAssessment | None:  # fmt: skip
    row = (await session.exec(statement.limit(1))).first()
    await envelopes.opened(session, [] if row is None else [row])
    return row


def _all(actor: Actor, customer_id: UUID) -> SelectOfScalar[ToleranceAssessment]:
    return select(ToleranceAssessment).where(
        col(ToleranceAssessment.org_id) == actor.org_id,
        col(ToleranceAssessment.customer_id) == customer_id,
        col(ToleranceAssessment.deleted_at).is_(None),
    )


def _standing(actor: Actor, customer_id: UUID) -> SelectOfScalar[ToleranceAssessment]:
    """Those whose answers were not taken back, newest first."""
    its_response = (
        select(FormResponse.id)
        .where(
            col(FormResponse.org_id) == actor.org_id,
            col(FormResponse.id) == col(ToleranceAssessment.form_response_id),
            col(FormResponse.status).in_(FINAL),
        )
        .exists()
    )
    newest = (col(ToleranceAssessment.assessed_at).desc(), col(ToleranceAssessment.id).desc())
    return _all(actor, customer_id).where(its_response).order_by(*newest)


def _days(actor: Actor, customer_id: UUID) -> SelectOfScalar[date]:
    return select(col(ToleranceAssessment.assessed_on)).where(
        col(ToleranceAssessment.org_id) == actor.org_id, col(ToleranceAssessment.customer_id) == customer_id
    )


async def _find(
    session: AsyncSession, actor: Actor, tolerance_assessment_id: UUID, *, lock: bool = False
) -> ToleranceAssessment:
    """The visible assessment; to change it, its customer is locked first."""
    wanted = (
        col(ToleranceAssessment.org_id) == actor.org_id,
        col(ToleranceAssessment.id) == tolerance_assessment_id,
        col(ToleranceAssessment.deleted_at).is_(None),
    )
    its_own = select(ToleranceAssessment.customer_id).where(*wanted).scalar_subquery()
    seen = access.visible_customers(actor).where(col(Customer.id) == its_own)
    customer = (await session.exec(seen.with_for_update() if lock else seen)).first()
    if customer is None:
        raise NotFound
    access.check_alive(customer)
    held = select(ToleranceAssessment).where(*wanted)
    row = (await session.exec(held.with_for_update() if lock else held)).first()
    if row is None:  # emptied while we waited for the customer
        raise NotFound
    await envelopes.opened(session, [row])
    return row


async def _document(session: AsyncSession, actor: Actor, row: ToleranceAssessment) -> Document:
    (item,) = _public([row], await current(session, actor, row.customer_id))
    return Document(item.model_dump_json().encode(), row.version, row.id)


def _public(rows: Sequence[ToleranceAssessment], held: ToleranceAssessment | None) -> list[ToleranceAssessmentPublic]:
    return [
        ToleranceAssessmentPublic.model_validate(
            row, from_attributes=True, update={"is_current": held is not None and row.id == held.id}
        )
        for row in rows
    ]
