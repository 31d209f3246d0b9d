"""Looks: every time somebody is shown a person, that is an audit event, committed before the answer leaves.

A look changes nothing and has no transaction of its own, so its event goes through a writer that all requests of the
process share: callers put theirs in and wait; one statement is on its way at a time, and takes with it all that came
meanwhile (group commit). When the trail cannot be written, nothing is shown: the caller is told 503.

What a look is: an answer that holds what is known of one person (profile, dossier, facts, answers of a form, analysis,
proposal, notes, family; what he agreed to and asked for), also when the phone has it already (304). What is none: lists
of masked summaries, pictures of the network and tasks (`tests/test_looks_operations.py` names them all). Answers to
writes are none either: the change is on record, with the same members.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app import db, logs
from app.access import Actor
from app.errors import Unavailable
from app.etags import Document

AT_ONCE = 500  # events a statement
MAX_WAITING = 5_000  # who comes on top of these is refused: the database has not kept up for seconds
_NOTE = "SELECT note_looks($1::jsonb)"


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown of whom.

    Attributes:
        action: `noun.verb_past`, e.g. `customer.viewed`; the noun is the type of the object.
        fields: members, groups or keys of facts that are shown; names, never values.
        other_person: the second of two it is about.
        detail: further ids, codes, counts.
    """

    action: str
    object_id: UUID | None
    person: UUID
    fields: tuple[str, ...]
    other_person: UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def object_type(self) -> str:
        return self.action.partition(".")[0]


PROFILE = ("profile", "phones", "emails", "addresses", "id_number_masked", "note")


def customer_of(document: Document) -> UUID:
    """The customer an answer says it belongs to.

    Raises:
        KeyError: it says so of none: it cannot be put on record whose it is.
    """
    return UUID(orjson.loads(document.body)["customer_id"])


_Waiting = tuple[str, dict[str, Any], "asyncio.Future[None]"]


class _Writer:
    """One connection, one statement at a time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    async def put(self, org_id: UUID, event: dict[str, Any]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((str(org_id), event, written))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())
        await written

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                failed = await self._written(batch)
                for _, _, written in batch:
                    if written.done():  # its caller has gone; the event stands all the same
                        continue
                    if failed:
                        written.set_exception(Unavailable())
                    else:
                        written.set_result(None)
        finally:
            self._task = None
            while self._waiting:  # only when the process ends in the middle
                self._waiting.popleft()[2].cancel()

    async def _written(self, batch: list[_Waiting]) -> bool:
        """Write the events; True when that failed: nobody knows then whether they stand."""
        events: dict[str, list[dict[str, Any]]] = {}
        for org_id, event, _ in batch:
            event["id"] = uuid7()
            events.setdefault(org_id, []).append(event)
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await db.connect(self._dsn)
            await self._connection.fetchval(_NOTE, orjson.dumps(events, default=str).decode())
        except (*db.BROKEN, TimeoutError) as error:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            logs.event("looks_not_written", level=logging.ERROR, error=type(error).__name__, count=len(batch))
            return True
        return False

    async def close(self) -> None:
        if self._task is not None:
            await self._task
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close()


_writer: _Writer | None = None


def open_writer(dsn: str) -> None:
    """Be ready to write; the connection is made when the first look is noted."""
    global _writer
    _writer = _Writer(dsn)


async def close_writer() -> None:
    """Write what waits, then close the connection."""
    global _writer
    if _writer is not None:
        await _writer.close()
    _writer = None


async def note(actor: Actor, request_id: str, *seen: Look, result: str = "shown") -> None:
    """Put looks on record; returns when they are committed.

    Raises:
        Unavailable: they could not be: nothing may be shown.
    """
    if _writer is None:
        raise RuntimeError("the writer of looks is not open")
    if len(seen) == 1:
        await _writer.put(actor.org_id, _event(actor, request_id, seen[0], result))
    else:
        writer = _writer
        await asyncio.gather(*(writer.put(actor.org_id, _event(actor, request_id, look, result)) for look in seen))


def _event(actor: Actor, request_id: str, look: Look, result: str) -> dict[str, Any]:
    detail: dict[str, Any] = {"fields": look.fields, "result": result, **look.detail}
    if actor.is_masked:
        detail["masked"] = True
    return {
        "actor_id": actor.id,
        "actor_kind": actor.kind,
        "session_id": actor.device.session_id,
        "device_id": actor.device.id,
        "device_kind": actor.device.kind,
        "action": look.action,
        "object_type": look.object_type,
        "object_id": look.object_id,
        "person_id": look.person,
        "other_person_id": look.other_person,
        "detail": detail,
        "request_id": request_id,
    }
