"""Retention: what is kept no longer goes, by the rules the data inventory names; what a law keeps stays, and is told.

    rule         what is past its time                                        what happens
    hold_ended   restricted under a legal hold that ended or was lifted       the person is erased
    deleted      customers deleted more than 30 days ago                      erased, or restricted for a law
    tombstones   rows of a person deleted more than 30 days ago               deleted, unless a law keeps his
    drafts       answers nobody has touched for a year                        deleted
    short_forms  answers to forms that keep every item a year at most         deleted a year after they were given
    closed       rights requests and lifted holds, after three years          deleted, unless an objection or a
                                                                              restriction is in force; proofs stay
    consent_withdrawn  what rests on a consent withdrawn 15 days ago          loses its contents, and all made from it
    facts_expired      facts past their day (`expires_on` of the definition)  lose their contents
    erased_consents    what an erased person decided, after three years       deleted; until then proof, without papers

What is kept for minutes to a year for the sake of the service itself (sessions, answers for retries) is swept
(`sweep.py`); shadow contacts are erased there too. Audit events stay. A run that is interrupted has done a part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from app.domain import inventory
from app.services import consents_unfounded, legal_holds, rights_requests_erase

BITE = 200
_Children = dict[str, list[tuple[str, str]]]  # what points at the rows of a table: (table, column)
_CHINA = ZoneInfo("Asia/Shanghai")
_GONE = "deleted_at < now() - interval '30 days'"

# Persons due, of $1 org: one that somebody works with at this moment is left for the next run.
_HOLD_ENDED = """
SELECT c.id FROM customers c WHERE c.org_id = $1 AND c.restriction = 'legal_hold' AND c.erased_at IS NULL
"""
_DELETED = """
SELECT c.id FROM customers c
WHERE c.org_id = $1 AND c.deleted_at < now() - interval '30 days' AND NOT c.is_shadow AND c.erased_at IS NULL
  AND c.restricted_at IS NULL
"""
_RESTRICT = """
UPDATE customers SET restricted_at = now(), restriction = 'legal_hold', restricted_until = $3, version = version + 1
WHERE org_id = $1 AND id = $2
"""
_UNTIL = "UPDATE customers SET restricted_until = $3 WHERE org_id = $1 AND id = $2"
_DRAFTS = "status IN ('draft', 'in_progress') AND updated_at < now() - interval '1 year'"
# What a request has stopped or restricted holds until it is lifted, and it is lifted by the request.
_CLOSED = {
    "rights_requests": "status IN ('done', 'refused', 'withdrawn') AND decided_at < now() - interval '3 years' "
    "AND coalesce(outcome, '') NOT IN ('stopped', 'restricted')",
    "legal_holds": "coalesce(lifted_at, until + interval '1 day') < now() - interval '3 years'",
}
_ERASED_CONSENTS = (
    "t.customer_id IN (SELECT c.id FROM customers c WHERE c.org_id = $1 AND c.erased_at < now() - interval '3 years')"
)
_SHORT = ("none", "visit+1y")


@dataclass(slots=True)
class Found:
    """What a rule found in a table: rows that went (or would), persons a law keeps."""

    table: str
    name: str
    rows: int = 0
    held: int = 0


async def run(
    connection: asyncpg.Connection, *, is_dry: bool = False, only: Sequence[UUID] | None = None
) -> list[Found]:
    """Carry out every rule for every organisation, or only count. Only the owner role may.

    Args:
        connection: outside a transaction.
        only: these organisations; all when left out.
    """
    if not is_dry:
        return await _run(connection, only)
    undo = connection.transaction()
    await undo.start()
    try:
        return await _run(connection, only)
    finally:
        await undo.rollback()


async def _run(connection: asyncpg.Connection, only: Sequence[UUID] | None) -> list[Found]:
    total: dict[tuple[str, str], Found] = {}
    children = await _children(connection)
    for org_id in only or [row["id"] for row in await connection.fetch("SELECT id FROM orgs ORDER BY id")]:
        await legal_holds.refresh(connection, org_id)
        now = await connection.fetchval("SELECT now()")
        found = [
            *_told(await consents_unfounded.withdrawn(connection, org_id, now)),
            *_told(await consents_unfounded.expired(connection, org_id, now)),
            await _persons(connection, org_id, "hold_ended", _HOLD_ENDED),
            await _persons(connection, org_id, "deleted", _DELETED),
            *[await _rows(connection, org_id, *rule, children) for rule in await _rules(connection, org_id, children)],
        ]
        for one in found:
            whole = total.setdefault((one.table, one.name), Found(one.table, one.name))
            whole.rows, whole.held = whole.rows + one.rows, whole.held + one.held
    return list(total.values())


def _told(emptied: consents_unfounded.Emptied) -> list[Found]:
    return [Found(table, emptied.rule, rows, held) for table, rows, held in consents_unfounded.tables(emptied)]


async def _persons(connection: asyncpg.Connection, org_id: UUID, name: str, sql: str) -> Found:
    """Erase the persons of a rule; while a law keeps one, he is (or stays) restricted until that ends."""
    found = Found("customers", name)
    for customer_id in [row["id"] for row in await connection.fetch(sql, org_id)]:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
            lock = sql + " AND c.id = $2 FOR UPDATE SKIP LOCKED"
            if await connection.fetchval(lock, org_id, customer_id) is None:
                continue
            today = datetime.now(_CHINA).date()
            held = await legal_holds.in_force(connection, org_id, [customer_id], today)
            if customer_id in held:
                found.held += 1
                statement = _UNTIL if name == "hold_ended" else _RESTRICT
                await connection.execute(statement, org_id, customer_id, held[customer_id])
            else:
                found.rows += 1
                await rights_requests_erase.erase_by_rule(connection, org_id, customer_id, name)
    return found


async def _rules(connection: asyncpg.Connection, org_id: UUID, children: _Children) -> list[tuple[str, str, str]]:
    """Table, rule and condition of the rows that go by themselves; what points at others goes before them."""
    points_at = [(child, parent) for parent, found in children.items() for child, _ in found]
    stamped = await connection.fetch(
        "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' "
        "AND column_name IN ('id', 'deleted_at') GROUP BY 1 HAVING count(*) = 2"
    )
    tombs = {row["table_name"] for row in stamped}
    rules = []
    for table in inventory.in_order(points_at):
        ways = ["t." + _GONE] if table.name in tombs else []
        # No input reaches this text: the names are those of the declaration.
        ways += [
            "t." + column + " IN (SELECT o.id FROM " + parent + " o WHERE o.org_id = t.org_id AND o." + _GONE + ")"  # noqa: S608
            for column, parent in table.via
            if parent in tombs
        ]
        if ways and "id" in table.columns:
            rules.append((table.name, "tombstones", f"({' OR '.join(ways)})"))
    return [
        *rules,
        ("form_responses", "drafts", _DRAFTS),
        ("form_responses", "short_forms", await _short_forms(connection, org_id)),
        *[(table, "closed", condition) for table, condition in _CLOSED.items()],
        ("consents", "erased_consents", _ERASED_CONSENTS),
    ]


async def _short_forms(connection: asyncpg.Connection, org_id: UUID) -> str:
    """The condition for answers to forms of which no item is kept longer than a year."""
    rows = await connection.fetch(
        "SELECT DISTINCT v.form_key, v.version, v.definition::text AS text FROM form_versions v "
        "UNION ALL SELECT o.form_key, o.form_version, o.definition::text FROM org_form_versions o WHERE o.org_id = $1",
        org_id,
    )
    short = [(row["form_key"], row["version"]) for row in rows if _is_short(orjson.loads(row["text"])["items"])]
    names = ", ".join(f"('{key}', '{version}')" for key, version in sorted(short)) or "(NULL, NULL)"
    return (
        f"(form_key, form_version) IN ({names}) AND status NOT IN ('draft', 'in_progress') "
        "AND coalesce(answered_on, completed_at::date) < (now() - interval '1 year')::date"
    )


def _is_short(items: list[dict[str, Any]]) -> bool:
    """Whether no question of a form is kept longer than a year."""
    return all(
        _is_short(item["items"]) if item.get("items") else item["type"] == "display" or item.get("retention") in _SHORT
        for item in items
    )


async def _rows(
    connection: asyncpg.Connection,
    org_id: UUID,
    table: str,
    name: str,
    condition: str,
    children: _Children,
) -> Found:
    """Delete the rows of a rule nothing points at, but for those of persons a law keeps."""
    free = "".join(
        " AND NOT EXISTS (SELECT FROM " + child + " k WHERE k.org_id = t.org_id AND k." + column + " = t.id)"
        for child, column in children.get(table, ())
    )
    kept = _held_rows(table)
    where = " FROM " + table + " t WHERE t.org_id = $1 AND " + condition + free + " AND "
    found = Found(table, name)
    counting = "SELECT count(*)" + where + "(" + kept + ")"
    found.held = await connection.fetchval(counting, org_id)
    some = "SELECT t.id" + where + "NOT (" + kept + ") LIMIT " + str(BITE)
    bite = "DELETE FROM " + table + " WHERE org_id = $1 AND id = ANY(ARRAY(" + some + "))"  # noqa: S608  constants
    rows = BITE
    while rows >= BITE:
        async with connection.transaction():
            await connection.execute("SET LOCAL app.erasing = 'on'")
            done: str = await connection.execute(bite, org_id)
        rows = int(done.rsplit(" ", 1)[-1])
        found.rows += rows
    return found


def _held_rows(table: str) -> str:
    """Whether row `t` is one of a person a law keeps."""
    declared = inventory.tables()[table]
    persons = (
        "SELECT h.customer_id FROM legal_holds h WHERE h.org_id = $1 AND h.lifted_at IS NULL "
        "AND (h.until IS NULL OR h.until >= now()::date)"
    )
    if table in _CLOSED:
        return "false"
    return inventory.of_person(declared).replace("p_org", "$1").replace("ANY(p_ids)", f"ANY(ARRAY({persons}))")


async def _children(connection: asyncpg.Connection) -> _Children:
    """What points at the rows of a table: by table, (child, column)."""
    rows = await connection.fetch(
        "SELECT f.confrelid::regclass::text AS parent, f.conrelid::regclass::text AS child, a.attname::text AS name "
        "FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[2] "
        "WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace"
    )
    found: _Children = {}
    for row in rows:
        found.setdefault(row["parent"], []).append((row["child"], row["name"]))
    return found
