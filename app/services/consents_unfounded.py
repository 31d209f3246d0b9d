"""What nothing carries any more loses its contents: what rests on a withdrawn consent, and facts past their day.

Withdrawing ends the use at once (`consents.check`). What is on record already is erased when the term is over in which
the law wants a request answered, unless the person has said yes again by then or a law keeps him. A row stays as an
empty tombstone, for others may point at it, and goes with the tombstones. What was made from it goes with it: the
analysis of a response, its proposals that were not signed, the risk tolerance.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app.domain import consents as rules
from app.domain.consents import FieldGroup
from app.sealed import SEALED
from app.services import consents, legal_holds

TERM = timedelta(days=15)  # 网数条例 25, as for requests: whoever thinks better of it has so long
_CHINA = ZoneInfo("Asia/Shanghai")
_TABLES = {
    "form_response": "form_responses", "needs_analysis": "needs_analyses", "dossier_fact": "dossier_facts",
}  # fmt: skip

# Persons who said no, in time, to what something on record rests on.
_PERSONS = """
SELECT DISTINCT c.customer_id FROM consents c
JOIN customers p ON p.org_id = $1 AND p.id = c.customer_id AND p.erased_at IS NULL
WHERE c.org_id = $1 AND (c.withdrawn_at < $2 OR c.decision = 'refused' AND c.decided_at < $2)
  AND EXISTS (SELECT FROM consents o JOIN consent_uses u ON u.org_id = $1 AND u.consent_id = o.id
              WHERE o.org_id = $1 AND o.customer_id = c.customer_id AND o.purpose = c.purpose)
"""
_LOCK = "SELECT id FROM customers WHERE org_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED"
_DECIDED = "SELECT * FROM consents WHERE org_id = $1 AND customer_id = $2 AND recipient = ''"
_USES = """
SELECT DISTINCT u.object_type, u.object_id FROM consent_uses u
JOIN consents c ON c.org_id = $1 AND c.id = u.consent_id
WHERE u.org_id = $1 AND c.customer_id = $2 AND c.recipient = '' AND c.purpose = $3 AND u.field_group = ANY($4::text[])
"""
# What was made from rows $2 of the table before it, with the column that says so.
_MADE = (
    ("dossier_facts", "dossier_facts", "wording_of"),
    ("form_responses", "needs_analyses", "form_response_id"),
    ("form_responses", "tolerance_assessments", "form_response_id"),
    ("needs_analyses", "needs_analysis_confirmations", "needs_analysis_id"),
    ("needs_analyses", "proposals", "needs_analysis_id"),
)
_EXPIRED = """
SELECT customer_id, array_agg(id) AS ids FROM dossier_facts
WHERE org_id = $1 AND expires_on < $2 AND value_enc IS NOT NULL GROUP BY customer_id
"""
_TOLD = "UPDATE feed SET removed = true, seq = DEFAULT WHERE org_id = $1 AND id = ANY($2::uuid[])"
_ANSWERS = "DELETE FROM idempotency_keys WHERE org_id = $1 AND about && $2::uuid[]"
_FORGET_USES = "DELETE FROM consent_uses WHERE org_id = $1 AND object_id = ANY($2::uuid[])"
_NOTE = """
INSERT INTO audit_events (org_id, id, actor_kind, action, object_type, object_id, person_id, detail, request_id)
VALUES ($1, $2, 'system', 'customer.contents_erased', 'customer', $3, $3, $4::text::jsonb, '')
"""


@dataclass(slots=True)
class Emptied:
    """Rows by table that lost their contents (or would), and persons a law keeps."""

    rule: str
    rows: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, rows: int, *, held: bool) -> None:
        counted = self.held if held else self.rows
        counted[table] = counted.get(table, 0) + rows


async def withdrawn(connection: asyncpg.Connection, org_id: UUID, now: datetime) -> Emptied:
    """What rests on consents that were withdrawn, or refused since, before the term.

    Args:
        connection: of the owner role, outside a transaction of its own.
    """
    found = Emptied("consent_withdrawn")
    persons = [row["customer_id"] for row in await connection.fetch(_PERSONS, org_id, now - TERM)]
    for customer_id in persons:
        async with connection.transaction():
            if await connection.fetchval(_LOCK, org_id, customer_id) is None:
                continue  # somebody works with him: the next run
            wanted: dict[str, set[UUID]] = {}
            for purpose, groups in (await _over(connection, org_id, customer_id, now)).items():
                for use in await connection.fetch(_USES, org_id, customer_id, purpose, sorted(groups)):
                    if use["object_type"] in _TABLES:
                        wanted.setdefault(_TABLES[use["object_type"]], set()).add(use["object_id"])
            await _empty(connection, org_id, customer_id, found, wanted, now)
    return found


async def expired(connection: asyncpg.Connection, org_id: UUID, now: datetime) -> Emptied:
    """Facts whose definition keeps them for a while after the observation, once that is over; as `withdrawn`."""
    found = Emptied("facts_expired")
    for row in await connection.fetch(_EXPIRED, org_id, _day(now)):
        async with connection.transaction():
            if await connection.fetchval(_LOCK, org_id, row["customer_id"]) is not None:
                await _empty(connection, org_id, row["customer_id"], found, {"dossier_facts": set(row["ids"])}, now)
    return found


async def _over(
    connection: asyncpg.Connection, org_id: UUID, customer_id: UUID, now: datetime
) -> dict[str, set[FieldGroup]]:
    """By purpose the groups the person said no to before the term, and has not said yes to since."""
    by_purpose: dict[str, list[rules.Decided]] = {}
    for row in await connection.fetch(_DECIDED, org_id, customer_id):
        by_purpose.setdefault(row["purpose"], []).append(consents.decided(row))
    return {purpose: rules.over(decided, now - TERM, _day(now)) for purpose, decided in by_purpose.items()}


async def _empty(
    connection: asyncpg.Connection,
    org_id: UUID,
    customer_id: UUID,
    found: Emptied,
    wanted: dict[str, set[UUID]],
    now: datetime,
) -> None:
    """Take away the contents of these rows and of what was made from them; a law that keeps the person keeps them."""
    for parent, child, column in _MADE:
        if wanted.get(parent):
            select = "SELECT id FROM " + child + " WHERE org_id = $1 AND " + column + " = ANY($2::uuid[])"  # noqa: S608  names from above
            rows = await connection.fetch(select, org_id, list(wanted[parent]))
            wanted.setdefault(child, set()).update(row["id"] for row in rows)
    held = bool(await legal_holds.in_force(connection, org_id, [customer_id], _day(now)))
    gone: list[UUID] = []
    await connection.execute("SET LOCAL app.sealing = 'on'")
    for table, ids in wanted.items():
        statement = _statement(table, held)
        rows = await connection.fetch(statement, org_id, list(ids)) if ids else []
        if rows:
            found.add(table, len(rows), held=held)
            gone += [row["id"] for row in rows]
    await connection.execute("SET LOCAL app.sealing = 'off'")
    if not held:
        await _forget(
            connection, org_id, customer_id, found.rule, gone, [one for ids in wanted.values() for one in ids]
        )


def _statement(table: str, held: bool) -> str:
    """Counts the rows that still hold something, or empties them. What was signed is no advice any more but a paper."""
    columns = [one.column for one in SEALED if one.table == table]
    full = " OR ".join(column + " IS NOT NULL" for column in columns)
    where = " WHERE org_id = $1 AND id = ANY($2::uuid[]) AND (" + full + ")"
    if table == "proposals":
        where += " AND signed_at IS NULL"
    if held:
        return "SELECT id FROM " + table + where  # noqa: S608  names from the registry of sealed columns
    empty = ", ".join(column + " = NULL" for column in columns)
    stamps = ", deleted_at = now() - interval '31 days', updated_at = now(), version = version + 1"
    return "UPDATE " + table + " SET " + empty + stamps + where + " RETURNING id"  # noqa: S608  as above


async def _forget(
    connection: asyncpg.Connection,
    org_id: UUID,
    customer_id: UUID,
    rule: str,
    gone: Sequence[UUID],
    wanted: Collection[UUID],
) -> None:
    """Phones, answers kept for retries and the uses of consents forget them; the trail says how many they were."""
    await connection.execute("SET LOCAL app.erasing = 'on'")
    await connection.execute(_FORGET_USES, org_id, list(wanted))
    await connection.execute("SET LOCAL app.erasing = 'off'")
    if gone:
        await connection.execute(_TOLD, org_id, gone)
        await connection.execute(_ANSWERS, org_id, gone)
        detail = orjson.dumps({"basis": rule, "count": len(gone)}).decode()
        await connection.execute(_NOTE, org_id, uuid7(), customer_id, detail)


def _day(now: datetime) -> date:
    return now.astimezone(_CHINA).date()


def tables(found: Emptied) -> Iterable[tuple[str, int, int]]:
    """Table, rows emptied, rows a law keeps."""
    return [(table, found.rows.get(table, 0), found.held.get(table, 0)) for table in sorted({*found.rows, *found.held})]
