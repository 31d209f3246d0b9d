"""Reading the audit trail: who did what to which object, newest first."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app import keyring, paging, reads
from app.access import Actor
from app.models.audit_events import AuditEventQuery
from app.paging import Page

# How far the clock that made an id and the database's clock may lie apart before an event is missed in a range.
_SLACK = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_OBJECT = {False: "$9::uuid IS NULL", True: "e.object_id = $9"}


async def search(actor: Actor, query: AuditEventQuery) -> Page:
    """A page of the events of the organisation, newest first.

    `at_from` is included, `at_to` is not. An event that is committed while somebody reads appears on the first page;
    the pages behind it stay as they are.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    key = keyring.current().cursors
    bound = paging.binding(
        "audit_events", actor.org_id, actor.id,
        query.action, query.actor_id, query.object_id, query.at_from, query.at_to,
    )  # fmt: skip
    position = paging.decode(key, bound, query.cursor)
    highest = _LAST if query.at_to is None else _id_at(query.at_to + _SLACK)
    found = await reads.row(
        actor.org_id,
        None,
        "list_audit_events",
        _FIRST if query.at_from is None else _id_at(query.at_from - _SLACK),
        highest if position is None else min(highest, position.id),
        query.at_from,
        query.at_to,
        query.action,
        query.actor_id,
        query.object_id,
        query.limit + 1,
        variants=(("object", _OBJECT[query.object_id is not None]),),
    )
    return paging.page(key, bound, found)


def _id_at(moment: datetime) -> UUID:
    """The smallest id of version 7 that can be made at this moment: its first 48 bits are milliseconds since 1970."""
    milliseconds = max(moment - _EPOCH, timedelta(0)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)
