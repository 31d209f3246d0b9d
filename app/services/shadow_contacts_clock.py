"""How long a shadow contact is kept: a year since somebody last confirmed it.

An update confirms it, a new tie, a recorded contact; merely reading it does not. When the clock has run out, the sweep
erases it (`shadow_contacts_erase`).
"""

from datetime import date, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db
from app.models.base import china_today, utc_now
from app.models.customers import Customer

KEPT = timedelta(days=365)


def today() -> date:
    """The day it is in China, where the agents are."""
    return china_today()


def latest() -> date:
    """The last day to which a contact confirmed today is kept."""
    return today() + KEPT


def restart(session: AsyncSession, party: Customer) -> None:
    """Begin the year anew; a customer has no clock.

    Args:
        party: locked by the caller, or new.
    """
    until = latest()
    if party.is_shadow and party.keep_until != until:
        party.keep_until, party.updated_at = until, utc_now()
        db.mark(session, party, access.holders(party))
