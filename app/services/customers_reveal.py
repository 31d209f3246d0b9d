"""Showing what is otherwise masked: who looked, at what and what for is an audit event; the value never is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, guesses
from app.access import Actor
from app.errors import Invalid
from app.models.customers import Customer
from app.models.customers_reveal import CustomerReveal, CustomerRevealed
from app.services import customers_private, dossiers_reveal

PER_HOUR = 60  # customers a person can have a reason to look up in an hour
_CONTACTS = frozenset(("phones", "emails"))


async def check(actor: Actor, customer_id: UUID) -> None:
    """Refuse before a stored answer is looked up: who lost the customer since is shown his number no second time.

    Raises:
        NotFound, Gone: the customer.
    """
    await access.check_customer(actor, customer_id)


async def reveal(session: AsyncSession, actor: Actor, customer_id: UUID, data: CustomerReveal) -> CustomerRevealed:
    """The fields asked for, in clear; null or empty where the customer has none.

    Raises:
        NotFound, Gone: the customer.
        Invalid: a field twice, or one that is no fact of his dossiers.
        TooManyRequests: `quota_exceeded`: more than 60 in an hour.
    """
    if len(set(data.fields)) != len(data.fields):
        raise Invalid.at("/fields", "repeated")
    customer = await access.customer(session, actor, customer_id)
    bucket = guesses.bucket("reveal", PER_HOUR, str(actor.org_id), str(actor.id))
    await guesses.spend([bucket], timedelta(hours=1), "quota_exceeded")
    shown = await _opened(session, customer, data)
    shown |= await dossiers_reveal.reveal(session, actor, customer, data.fields)
    record(session, actor, customer.id, data)
    return CustomerRevealed.model_validate(shown)


async def _opened(session: AsyncSession, customer: Customer, data: CustomerReveal) -> dict[str, Any]:
    """What was asked for, member by member; the one place that opens it."""
    shown: dict[str, Any] = {}
    if "id_number" in data.fields:
        shown["id_number"] = await customers_private.id_number(session, customer)
    if not _CONTACTS.isdisjoint(data.fields):
        private = await customers_private.opened(session, customer)
        shown |= {member: private[member] for member in _CONTACTS.intersection(data.fields)}
    return shown


def record(session: AsyncSession, actor: Actor, customer_id: UUID, data: CustomerReveal) -> None:
    """The audit event of one look; an answer that is sent once more is one more."""
    fields = sorted(data.fields)
    access.record(
        session, actor, "customer.revealed", "customer", customer_id, fields=fields, purpose=data.purpose.value
    )
