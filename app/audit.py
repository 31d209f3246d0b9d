"""Audit events: who did what to which object, written in the transaction that did it.

An event carries ids, field names and counts; never a value of a person. `db.transaction` writes the recorded events
just before COMMIT, so a change without its event, or an event without its change, cannot exist.
"""

from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.db import AuditEntry


def record(
    session: AsyncSession,
    *,
    actor_id: UUID | None,
    actor_kind: str,
    action: str,
    object_type: str,
    object_id: UUID | None,
    request_id: str,
    **detail: Any,
) -> None:
    """Note one event; it is written with the transaction.

    Args:
        actor_kind: user, partner, system or anonymous.
        action: `noun.verb_past`, e.g. `customer.created`.
        detail: ids, field names, counts. Never personal values.
    """
    entry = AuditEntry(actor_id, actor_kind, action, object_type, object_id, detail, request_id)
    session.info["audit"].append(entry)
