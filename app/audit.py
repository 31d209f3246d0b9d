"""Audit events: who did what to which object, written in the transaction that did it.

An event carries ids, field names and counts; never a value of a person. `db.transaction` writes the recorded events
just before COMMIT, so a change without its event, or an event without its change, cannot exist. Those that concern
security are told to whoever watches the service as well (`security`).
"""

from functools import partial
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import security
from app.db import AuditEntry


def record(
    session: AsyncSession,
    action: str,
    object_type: str,
    object_id: UUID | None,
    *,
    actor_id: UUID | None = None,
    actor_kind: str = "system",
    **detail: Any,
) -> None:
    """Note one event; it is written with the transaction. The id of the request is the session's (`info`).

    Args:
        actor_kind: user, partner, system or anonymous.
        action: `noun.verb_past`, e.g. `customer.created`.
        detail: ids, field names, counts. Never personal values.
    """
    request_id = session.info.get("request_id", "")
    entry = AuditEntry(actor_id, actor_kind, action, object_type, object_id, detail, request_id)
    session.info["audit"].append(entry)
    if action in security.EVENTS:
        told = partial(
            security.note,
            action,
            org_id=session.info["org_id"],
            actor_id=actor_id,
            actor_kind=actor_kind,
            object_type=object_type,
            object_id=object_id,
            request_id=request_id,
        )
        session.info["after_commit"].append(told)
