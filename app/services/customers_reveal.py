"""Showing what is otherwise masked: who looked, at what and what for is an audit event; the value never is."""

from datetime import timedelta
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, guesses, keyring
from app.access import Actor
from app.models.customers import CustomerReveal, CustomerRevealed

PER_HOUR = 60  # customers a person can have a reason to look up in an hour


async def check(actor: Actor, customer_id: UUID) -> None:
    """Refuse before a stored answer is looked up: who lost the customer since is shown his number no second time.

    Raises:
        NotFound, Gone: the customer.
    """
    await access.check_customer(actor, customer_id)


async def reveal(session: AsyncSession, actor: Actor, customer_id: UUID, data: CustomerReveal) -> CustomerRevealed:
    """The fields asked for, in clear; null where the customer has none.

    Raises:
        NotFound, Gone: the customer.
        TooManyRequests: `quota_exceeded`: more than 60 in an hour.
    """
    customer = await access.customer(session, actor, customer_id)
    bucket = guesses.bucket("reveal", PER_HOUR, str(actor.org_id), str(actor.id))
    await guesses.spend([bucket], timedelta(hours=1), "quota_exceeded")
    number = None
    if customer.id_number_enc is not None:
        cipher = await keyring.field_cipher(session, actor.org_id, customer.id_number_enc)
        number = cipher.open("customers", "id_number", customer.id, customer.id_number_enc)
    record(session, actor, customer.id, data)
    return CustomerRevealed(id_number=number)


def record(session: AsyncSession, actor: Actor, customer_id: UUID, data: CustomerReveal) -> None:
    """The audit event of one look; an answer that is sent once more is one more."""
    fields = sorted(data.fields)
    access.record(
        session, actor, "customer.revealed", "customer", customer_id, fields=fields, purpose=data.purpose.value
    )
