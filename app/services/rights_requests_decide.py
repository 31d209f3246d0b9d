"""What a rights request comes to: carried out, refused with a reason, or lifted again."""

from datetime import date
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, etags
from app.access import Actor
from app.errors import Conflict
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.rights_requests import (
    Outcome,
    Refusal,
    RightsRequest,
    RightsRequestKind,
    RightsRequestRefuse,
    RightsRequestStatus,
)
from app.services import (
    legal_holds,
    rights_requests,
    rights_requests_erase,
    rights_requests_subject,
)

_OUTCOMES = {
    RightsRequestKind.access: Outcome.provided,
    RightsRequestKind.copy: Outcome.provided,
    RightsRequestKind.portability: Outcome.provided,
    RightsRequestKind.correction: Outcome.corrected,
    RightsRequestKind.restriction: Outcome.restricted,
    RightsRequestKind.objection: Outcome.stopped,
}


async def complete(session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, version: int) -> Document:
    """Carry it out, at once and as a whole.

    Access, copy and portability: the package has been handed over. Correction: the fields have been put right.
    Restriction: nobody reads or changes anything of him. Objection: the purpose ends. Erasure: everything of him goes;
    while a law keeps it, he is restricted, and erased when that ends.

    Raises:
        NotFound, PreconditionFailed. Forbidden: the caller does not answer for the customer's agent.
        Conflict: `rights_request_closed`, `identity_not_checked`.
    """
    row, customer = await _taken(session, actor, customer_id, request_id, version)
    if row.status != RightsRequestStatus.identity_checked:
        raise Conflict("identity_not_checked")
    if row.kind == RightsRequestKind.erasure:
        await _erase(session, actor, row, customer)
    else:
        row.outcome = _OUTCOMES[row.kind]
        await rights_requests.close(session, actor, row, RightsRequestStatus.done)
        if row.kind == RightsRequestKind.restriction and customer.restricted_at is None:
            await _restrict(session, actor, customer, "request", None)
    await session.flush()
    return rights_requests.document(row)


async def refuse(
    session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, version: int, data: RightsRequestRefuse
) -> Document:
    """Refuse it; the person is told why (PIPL 50). An erasure a law forbids is no refusal: he is restricted.

    Raises:
        NotFound, PreconditionFailed. Forbidden: as `complete`. Conflict: `rights_request_closed`.
    """
    row, _ = await _taken(session, actor, customer_id, request_id, version)
    row.refusal = Refusal(data.reason)
    await rights_requests.close(session, actor, row, RightsRequestStatus.refused)
    await session.flush()
    return rights_requests.document(row)


async def reopen(session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, version: int) -> Document:
    """Lift what a restriction or an objection has done, because the person wants it; an erasure that waits, too.

    Raises:
        NotFound, PreconditionFailed. Forbidden: as `complete`.
        Conflict: `rights_request_final`: it was not carried out, or cannot be undone.
    """
    row = await rights_requests.held(session, actor, customer_id, request_id)
    customer = await rights_requests_subject.find(session, actor, customer_id, lock=True)
    access.check_answers(actor, customer)
    etags.check(row.version, version)
    if row.status != RightsRequestStatus.done or row.outcome not in (Outcome.restricted, Outcome.stopped):
        raise Conflict("rights_request_final")
    if row.outcome == Outcome.restricted:
        await _lift(session, actor, customer, row)
    row.outcome, row.outcome_until = Outcome.lifted, None
    await rights_requests.close(session, actor, row, RightsRequestStatus.withdrawn)
    await session.flush()
    return rights_requests.document(row)


async def _lift(session: AsyncSession, actor: Actor, customer: Customer, row: RightsRequest) -> None:
    """End the restriction, unless another request of his restricts him too: then that one's stands."""
    others = select(RightsRequest).where(
        col(RightsRequest.org_id) == actor.org_id,
        col(RightsRequest.customer_id) == customer.id,
        col(RightsRequest.id) != row.id,
        col(RightsRequest.status) == RightsRequestStatus.done,
        col(RightsRequest.outcome) == Outcome.restricted,
    )
    left = (await session.exec(others.order_by(col(RightsRequest.kind), col(RightsRequest.id)))).first()
    if left is not None:  # an erasure before a restriction: it is what the law keeps him for
        basis = "legal_hold" if left.kind == RightsRequestKind.erasure else "request"
        await _restrict(session, actor, customer, basis, left.outcome_until)
        return
    customer.restricted_at = customer.restricted_until = customer.restriction = None
    customer.updated_at = utc_now()
    db.mark(session, customer, access.holders(customer))
    await rights_requests_subject.show(session, actor.org_id, customer.id)
    access.record(session, actor, "customer.restriction_lifted", "customer", customer.id)


async def _taken(
    session: AsyncSession, actor: Actor, customer_id: UUID, request_id: UUID, version: int
) -> tuple[RightsRequest, Customer]:
    """The open request and its customer, both locked, for somebody who may decide."""
    customer = await rights_requests_subject.find(session, actor, customer_id, lock=True)
    access.check_answers(actor, customer)
    row = await rights_requests.held(session, actor, customer_id, request_id)
    etags.check(row.version, version)
    rights_requests.check_open(row)
    return row, customer


async def _erase(session: AsyncSession, actor: Actor, row: RightsRequest, customer: Customer) -> None:
    """Erase him, or restrict him as long as a law keeps what is known of him."""
    held = await legal_holds.in_force(db.raw(session), actor.org_id, [customer.id], china_today())
    if customer.id in held:
        row.outcome, row.outcome_until = Outcome.restricted, held[customer.id]
        await rights_requests.close(session, actor, row, RightsRequestStatus.done)
        await _restrict(session, actor, customer, "legal_hold", held[customer.id])
        return
    row.outcome = Outcome.erased
    await rights_requests.close(session, actor, row, RightsRequestStatus.done)
    await session.flush()
    session.expunge(customer)  # it is written past the session
    counts = await rights_requests_erase.erase(
        db.raw(session), actor.org_id, customer.id, "request", request_id=row.id, decided_by=actor.id
    )
    _nothing_left(session)
    access.record(
        session, actor, "customer.erased", "customer", customer.id, basis="request", rows=sum(counts.values())
    )


async def _restrict(
    session: AsyncSession, actor: Actor, customer: Customer, restriction: str, until: date | None
) -> None:
    customer.restricted_at, customer.restriction, customer.restricted_until = utc_now(), restriction, until
    customer.updated_at = utc_now()
    db.mark(session, customer, access.holders(customer))
    await rights_requests_subject.hide(session, actor.org_id, customer.id)
    _nothing_left(session)
    access.record(session, actor, "customer.restricted", "customer", customer.id, basis=restriction)


def _nothing_left(session: AsyncSession) -> None:
    """Whatever this transaction was going to tell phones of him, they are told that it is gone."""
    session.info["feed"].update(dict.fromkeys(session.info["feed"], True))
