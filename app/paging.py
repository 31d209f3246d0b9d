"""What reads answer: single documents, and pages with keyset cursors.

Cursors are opaque, signed, bound to the caller and to the query that made them.
"""

import hashlib
from dataclasses import dataclass
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
    return crypto.sign_blob(key, bound + position.id.bytes + position.key.encode())


def decode(key: bytes, bound: bytes, cursor: str | None) -> Position | None:
    """The position a cursor stands for.

    Raises:
        Malformed: `cursor_invalid`: changed, foreign, stale, or made by another query.
    """
    if cursor is None:
        return None
    try:
        payload = crypto.open_blob(key, cursor, MAX_CURSOR)
        if payload[:12] != bound:
            raise Malformed("cursor_invalid")
        return Position(payload[28:].decode(), UUID(bytes=payload[12:28]))
    except (crypto.CryptoError, ValueError):
        raise Malformed("cursor_invalid") from None


@dataclass(frozen=True, slots=True)
class Page:
    """A finished page: the JSON bytes and the cursor of the next one."""

    body: bytes
    next_cursor: str | None


def document(found: asyncpg.Record | None, resource_id: UUID) -> Document:
    """A document from the row every single read answers: version, is_deleted, body.

    Raises:
        NotFound: no row. Gone: deleted, or its customer is.
    """
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    return Document(found["body"].encode(), found["version"], resource_id)


def page(key: bytes, bound: bytes, found: asyncpg.Record | None) -> Page:
    """A page from the row every list statement answers: has_more, items, last_key, last_id."""
    if found is None or found["items"] is None:
        return Page(b'{"items":[],"next_cursor":null}', None)
    cursor = None
    if found["has_more"]:
        cursor = encode(key, bound, Position(found["last_key"], UUID(found["last_id"])))
    return Page(
        b'{"items":' + found["items"].encode() + b',"next_cursor":' + orjson.dumps(cursor) + b"}",
        cursor,
    )
