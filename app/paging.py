"""What reads answer: single documents, and pages with keyset cursors.

Cursors are opaque, signed, bound to the caller and to the query that made them.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

import asyncpg
import orjson

from app import crypto
from app.errors import Gone, Malformed, NotFound
from app.etags import Document

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_CURSOR = 600


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page: its sort key as text, and its id as the tiebreak."""

    key: str
    id: UUID


def binding(*parts: object) -> bytes:
    """A digest of everything a cursor must not survive: route, caller, filters, sort order."""
    return hashlib.sha256(orjson.dumps([str(part) for part in parts])).digest()[:12]


def encode(key: bytes, bound: bytes, position: Position) -> str:
    """The cursor that continues after `position`."""
    return crypto.sign_blob(key, _shown(key, bound) + position.id.bytes + position.key.encode())


def decode(key: bytes, bound: bytes, cursor: str | None) -> Position | None:
    """The position a cursor stands for.

    Raises:
        Malformed: `cursor_invalid`: changed, foreign, stale, or made by another query.
    """
    if cursor is None:
        return None
    try:
        payload = crypto.open_blob(key, cursor, MAX_CURSOR)
        if payload[:12] != _shown(key, bound):
            raise Malformed("cursor_invalid")
        return Position(payload[28:].decode(), UUID(bytes=payload[12:28]))
    except (crypto.CryptoError, ValueError):
        raise Malformed("cursor_invalid") from None


def _shown(key: bytes, bound: bytes) -> bytes:
    """A binding as a cursor shows it: whoever holds one cannot try which phone number was searched for."""
    return crypto.keyed_hash(key, b"renmai/binding" + bound)[:12]


@dataclass(frozen=True, slots=True)
class Page:
    """A finished page: the JSON bytes and the cursor of the next one."""

    body: bytes
    next_cursor: str | None


def alive(found: asyncpg.Record | None) -> asyncpg.Record:
    """The row of a single read, if there is one to show.

    Raises:
        NotFound: no row. Gone: deleted, or its customer is.
    """
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    return found


def document(found: asyncpg.Record | None, resource_id: UUID) -> Document:
    """A document from the row every single read answers: version, is_deleted, body.

    Raises:
        NotFound: no row. Gone: deleted, or its customer is.
    """
    found = alive(found)
    return Document(found["body"].encode(), found["version"], resource_id)


class Item(Protocol):
    """What a list is made of where no statement returns finished JSON: a wire class."""

    def model_dump_json(self) -> str: ...


_I = TypeVar("_I", bound=Item)


def listed(key: bytes, bound: bytes, items: Sequence[_I], limit: int, place: Callable[[_I], Position]) -> Page:
    """A page of the cold road.

    Args:
        items: up to one more than `limit`, in the order of the list; the surplus one says that there is another page.
        place: the position of an item, which the next page continues after.
    """
    shown = items[:limit]
    cursor = encode(key, bound, place(shown[-1])) if len(items) > limit else None
    body = ",".join(item.model_dump_json() for item in shown)
    return Page(f'{{"items":[{body}],"next_cursor":{orjson.dumps(cursor).decode()}}}'.encode(), cursor)


def page(key: bytes, bound: bytes, found: asyncpg.Record | None, *, items: str | None = None) -> Page:
    """A page from the row every list statement answers: has_more, items, last_key, last_id.

    Args:
        items: the items where something was put into their text.
    """
    if found is None or found["items"] is None:
        return Page(b'{"items":[],"next_cursor":null}', None)
    cursor = None
    if found["has_more"]:
        cursor = encode(key, bound, Position(found["last_key"], UUID(found["last_id"])))
    return Page(
        b'{"items":' + (items or found["items"]).encode() + b',"next_cursor":' + orjson.dumps(cursor) + b"}",
        cursor,
    )
