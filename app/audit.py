"""Audit events: who did what to which object, written in the transaction that did it.

An event carries ids, field names and counts; never a value of a person. `db.transaction` writes the recorded events
just before COMMIT, so a change without its event, or an event without its change, cannot exist. Those that concern
security are told to whoever watches the service as well (`security`). Looks at a person change nothing and have no
transaction: `looks` writes theirs.
"""

from functools import partial
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app import security
from app.db import NO_DEVICE, AuditEntry, Device

_PERSONS = ("customer", "shadow_contact")


def persons_of(
    object_type: str, object_id: UUID | None, detail: dict[str, Any], person: UUID | None, other: UUID | None = None
) -> tuple[UUID | None, UUID | None]:
    """Whom an event is about: the person named, the object if it is one, or the customer the detail names."""
    if person is not None:
        return person, other
    if object_type in _PERSONS:
        return object_id, other
    named, second = detail.get("customer_id"), detail.get("other_id")
    if named is None:
        return None, other
    return UUID(str(named)), other if second is None else UUID(str(second))


def record(
    session: AsyncSession,
    action: str,
    object_type: str,
    object_id: UUID | None,
    *,
    actor_id: UUID | None = None,
    actor_kind: str = "system",
    device: Device = NO_DEVICE,
    person: UUID | None = None,
    other_person: UUID | None = None,
    **detail: Any,
) -> None:
    """Note one event; it is written with the transaction. The id of the request is the session's (`info`).

    Args:
        actor_kind: user, partner, system or anonymous.
        device: what a signed-in actor used.
        action: `noun.verb_past`, e.g. `customer.created`.
        person: whom it is about, where neither the object nor `customer_id` says so.
        other_person: the second of two it is about.
        detail: ids, field names, counts. Never personal values.
    """
    request_id = session.info.get("request_id", "")
    persons = persons_of(object_type, object_id, detail, person, other_person)
    entry = AuditEntry(
        actor_id, actor_kind, action, object_type, object_id, detail, request_id, device=device, persons=persons
    )
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
