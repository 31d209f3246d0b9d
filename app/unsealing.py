"""Finished JSON of the read road with places in it for what is opened after it was read.

A statement writes `'"\\u0001"'::json` where a sealed value belongs and answers the sealed value beside the text. No
text that is stored contains a control character, so the place is found by splitting.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import keyring, paging
from app.crypto import FieldCipher
from app.etags import Document
from app.paging import Page

_PLACE = '"\\u0001"'


def fill(text: str, values: Iterable[Any]) -> str:
    """The text with its places filled in their order; a value too many is left out.

    Raises:
        ValueError: a place without a value.
    """
    first, *rest = text.split(_PLACE)
    made = [orjson.dumps(value).decode() + part for value, part in zip(values, rest, strict=False)]
    if len(made) != len(rest):
        raise ValueError("a place without a value")
    return first + "".join(made)


async def organisation(org_id: UUID, session: AsyncSession | None, *sealed: bytes) -> FieldCipher:
    """The cipher of an organisation that opens what is `sealed`.

    Args:
        session: inside a transaction, where its key may be as young as that is.
    """
    if session is None:
        return await keyring.read_cipher(org_id, *sealed)
    return await keyring.field_cipher(session, org_id, *sealed)


async def document(
    table: str, org_id: UUID, found: asyncpg.Record | None, row_id: UUID, session: AsyncSession | None = None
) -> Document:
    """As `paging.document`, with the note the caller may read.

    Raises:
        NotFound, Gone. CryptoError: the note does not open.
    """
    made = paging.document(found, row_id)
    if found is None or not found["note_ids"]:
        return made
    return Document((await _with_notes(table, org_id, found, "body", session)).encode(), made.version, row_id)


async def page(table: str, org_id: UUID, key: bytes, bound: bytes, found: asyncpg.Record | None) -> Page:
    """As `paging.page`, with the notes the caller may read.

    Raises:
        CryptoError: a note does not open.
    """
    if found is None or not found["note_ids"]:
        return paging.page(key, bound, found)
    return paging.page(key, bound, found, items=await _with_notes(table, org_id, found, "items", None))


async def _with_notes(
    table: str, org_id: UUID, found: asyncpg.Record, column: str, session: AsyncSession | None
) -> str:
    """The text in `column`; `note_ids` and `notes` beside it stand in the order of its places."""
    cipher = await organisation(org_id, session, *found["notes"])
    opened = zip(found["note_ids"], found["notes"], strict=True)
    return fill(found[column], [cipher.open(table, "note", row_id, note) for row_id, note in opened])
