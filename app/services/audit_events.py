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
_BRANCH = """
(SELECT e.* FROM audit_events e
 WHERE e.org_id = $1 AND $2::uuid[] IS NULL AND e.id >= $3 AND e.id < $4 AND ($5::timestamptz IS NULL OR e.at >= $5)
   AND ($6::timestamptz IS NULL OR e.at < $6) {tests} AND %s
 ORDER BY e.id DESC LIMIT $10)
"""
_ONE = _BRANCH % "true"
_OF_PERSON = _BRANCH % "e.person_id = $11" + "UNION ALL" + _BRANCH % "e.other_person_id = $11"
_OF_ACTIONS = """
SELECT e.* FROM names m CROSS JOIN LATERAL {branch} e WHERE starts_with(m.action, $12)
""".replace("{branch}", _BRANCH % "e.action = m.action")
# What is not asked for still names its parameter: a statement must know the type of each.
_ASKED = {
    "action": ("$7::text IS NULL", "e.action = $7"),
    "prefix": ("$12::text IS NULL", "starts_with(e.action, $12)"),
    "actor": ("$8::uuid IS NULL", "e.actor_id = $8"),
    "object": ("$9::uuid IS NULL", "e.object_id = $9"),
    "person": ("$11::uuid IS NULL", "true"),
}


async def search(actor: Actor, query: AuditEventQuery) -> Page:
    """A page of the events of the organisation, newest first.

    `at_from` is included, `at_to` is not. An event that is committed while somebody reads appears on the first page;
    the pages behind it stay as they are.

    Raises:
        Malformed: the cursor is not one this query made.
    """
    key = keyring.current().cursors
    bound = paging.binding(
        "audit_events", actor.org_id, actor.id, query.action, query.action_prefix, query.actor_id, query.object_id,
        query.person_id, query.at_from, query.at_to,
    )  # fmt: skip
    position = paging.decode(key, bound, query.cursor)
    lowest, highest = between(query.at_from, query.at_to)
    found = await reads.row(
        actor.org_id,
        None,
        "list_audit_events",
        lowest,
        highest if position is None else min(highest, position.id),
        query.at_from,
        query.at_to,
        query.action,
        query.actor_id,
        query.object_id,
        query.limit + 1,
        query.person_id,
        query.action_prefix,
        variants=_variants(query),
    )
    return paging.page(key, bound, found)


def _variants(query: AuditEventQuery) -> tuple[tuple[str, str], ...]:
    """The text of the statement for what is asked: a narrow filter leads, the others are tested on what it finds."""
    asked = {
        "action": query.action is not None,
        "prefix": query.action_prefix is not None,
        "actor": query.actor_id is not None,
        "object": query.object_id is not None,
        "person": query.person_id is not None,
    }
    by_names = [name for name, is_asked in asked.items() if is_asked] == ["prefix"]
    source = _OF_PERSON if asked["person"] else _OF_ACTIONS if by_names else _ONE
    tests = [_ASKED[name][is_asked] for name, is_asked in asked.items()]
    return (
        ("named", "true" if by_names else "false"),
        ("source", source),
        ("tests", "".join(f" AND {test}" for test in tests)),
    )


def between(at_from: datetime | None, at_to: datetime | None) -> tuple[UUID, UUID]:
    """Ids between which every event of these times lies: the lowest, and one above the highest."""
    lowest = _FIRST if at_from is None else _id_at(at_from - _SLACK)
    return lowest, _LAST if at_to is None else _id_at(at_to + _SLACK)


def _id_at(moment: datetime) -> UUID:
    """The smallest id of version 7 that can be made at this moment: its first 48 bits are milliseconds since 1970."""
    milliseconds = max(moment - _EPOCH, timedelta(0)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)
