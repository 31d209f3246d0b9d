"""What an incident touched: whose data, which fields, when, by whom, with which session, device or key.

Read from the audit trail alone, so it holds ids and names of fields, never a value. The database does the counting; a
row of the table is one person, actor, session, action and set of fields, however often.
"""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from app.domain import spreadsheet
from app.services import audit_events

COLUMNS = (
    "person_id", "actor_id", "actor_kind", "actor_name", "session_id", "device_id", "device_kind", "action", "fields",
    "purpose", "result", "events", "first_at", "last_at",
)  # fmt: skip
_AT_ONCE = 5_000
_TOUCHED = """
WITH touched AS (
    SELECT p.person_id, e.actor_id, e.actor_kind, e.session_id, e.device_id, e.device_kind, e.action,
           coalesce(e.detail ->> 'fields', '[]') AS fields, e.detail ->> 'purpose' AS purpose,
           e.detail ->> 'result' AS result, count(*) AS events, min(e.at) AS first_at, max(e.at) AS last_at
    FROM audit_events e
    CROSS JOIN LATERAL (VALUES (1, e.person_id), (2, e.other_person_id)) p (place, person_id)
    WHERE e.org_id = $1 AND e.id >= $2 AND e.id < $3 AND e.at >= $4 AND e.at < $5
      AND ($6::uuid IS NULL OR e.actor_id = $6) AND ($7::uuid IS NULL OR e.session_id = $7)
      AND (p.person_id IS NOT NULL OR (p.place = 1 AND e.other_person_id IS NULL))
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)
SELECT t.*, coalesce(u.username, k.partner_name) AS actor_name
FROM touched t
LEFT JOIN users u ON u.org_id = $1 AND u.id = t.actor_id AND t.actor_kind = 'user'
LEFT JOIN api_keys k ON k.org_id = $1 AND k.id = t.actor_id AND t.actor_kind = 'partner'
ORDER BY t.person_id NULLS LAST, t.first_at
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: all of a time, or what one actor (a user or a partner's key) or session did in it."""

    at_from: datetime
    at_to: datetime
    actor_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(slots=True)
class Person:
    """What was done with one person's data."""

    events: int = 0
    fields: set[str] = field(default_factory=set)
    actions: set[str] = field(default_factory=set)
    actors: set[str] = field(default_factory=set)
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(slots=True)
class Incident:
    """The report while it is gathered."""

    persons: dict[UUID, Person] = field(default_factory=dict)
    actors: dict[UUID | None, dict[str, Any]] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    sessions: set[UUID] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    rows: int = 0

    def add(self, row: asyncpg.Record) -> None:
        self.rows += 1
        actor = self.actors.setdefault(
            row["actor_id"],
            {"kind": row["actor_kind"], "name": row["actor_name"], "sessions": set(), "devices": set()},
        )
        if row["session_id"] is not None:
            self.sessions.add(row["session_id"])
            actor["sessions"].add(str(row["session_id"]))
        if row["device_id"] is not None:
            self.devices.add(row["device_id"])
            actor["devices"].add(row["device_id"])
        self.actions[row["action"]] += row["events"]
        if row["person_id"] is None:
            return
        person = self.persons.setdefault(row["person_id"], Person())
        person.events += row["events"]
        person.fields.update(orjson.loads(row["fields"]) or [row["action"].partition(".")[0]])
        person.actions.add(row["action"])
        person.actors.add(str(row["actor_id"]))
        person.first_at = min(row["first_at"], person.first_at or row["first_at"])
        person.last_at = max(row["last_at"], person.last_at or row["last_at"])

    def summary(self) -> dict[str, Any]:
        """Numbers for the first page, and for the authority's form."""
        fields = Counter(name for person in self.persons.values() for name in person.fields)
        return {
            "persons": len(self.persons),
            "looks_exports_and_changes": sum(person.events for person in self.persons.values()),
            "actors": len(self.actors),
            "keys": sum(actor["kind"] == "partner" for actor in self.actors.values()),
            "sessions": len(self.sessions),
            "devices": len(self.devices),
            "events_by_action": dict(sorted(self.actions.items())),
            "persons_by_field": dict(sorted(fields.items())),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "summary": self.summary(),
            "actors": [
                {"actor_id": who, **{name: sorted(it) if isinstance(it, set) else it for name, it in actor.items()}}
                for who, actor in self.actors.items()
            ],
            "persons": [
                {
                    "person_id": person_id,
                    "events": person.events,
                    "fields": sorted(person.fields),
                    "actions": sorted(person.actions),
                    "actors": sorted(person.actors),
                    "first_at": person.first_at,
                    "last_at": person.last_at,
                }
                for person_id, person in self.persons.items()
            ],
        }


async def gather(
    connection: asyncpg.Connection, org_id: UUID, wanted: Wanted, incident: Incident
) -> AsyncIterator[str]:
    """Lines of the table, in portions, while `incident` takes in what they say. In one snapshot, and only reading.

    Args:
        connection: of the service's role, outside a transaction, with patience.
    """
    yield _lines([COLUMNS])
    lowest, highest = audit_events.between(wanted.at_from, wanted.at_to)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"SET LOCAL app.org_id = '{UUID(str(org_id))}'")
        cursor = await connection.cursor(
            _TOUCHED, org_id, lowest, highest, wanted.at_from, wanted.at_to, wanted.actor_id, wanted.session_id
        )
        while rows := await cursor.fetch(_AT_ONCE):
            for row in rows:
                incident.add(row)
            yield _lines([_cells(row) for row in rows])


def _cells(row: asyncpg.Record) -> list[str]:
    values = [row[name] for name in COLUMNS]
    values[COLUMNS.index("fields")] = "|".join(orjson.loads(row["fields"]))
    texts = (one.isoformat() if isinstance(one, datetime) else str(one) for one in values)
    return ["" if value is None else spreadsheet.cell(text) for value, text in zip(values, texts, strict=True)]


def _lines(rows: Any) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
