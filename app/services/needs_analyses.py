"""Needs analyses: read, listed, explained. They come into being once and never change (`needs_analyses_create`)."""

from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, keyring, paging, reads
from app.access import Actor
from app.domain.household_words import explain
from app.errors import Language
from app.etags import Document
from app.paging import Page


async def read(actor: Actor, needs_analysis_id: UUID) -> Document:
    """One analysis with every result, assumption and step.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_needs_analysis", needs_analysis_id)
    return paging.document(found, needs_analysis_id)


async def told(actor: Actor, needs_analysis_id: UUID, language: Language) -> tuple[Document, UUID]:
    """One analysis in plain words, and whose it is.

    Raises:
        NotFound, Gone.
    """
    stored = await read(actor, needs_analysis_id)
    analysis: dict[str, Any] = orjson.loads(stored.body)
    sections = explain(analysis, "en" if language == "en" else "zh")
    document = Document(orjson.dumps({"language": language, "sections": sections}), stored.version, stored.id)
    return document, UUID(analysis["customer_id"])


async def search(actor: Actor, customer_id: UUID, *, limit: int, cursor: str | None) -> Page:
    """A customer's analyses, newest first.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    await access.check_customer(actor, customer_id)
    key = keyring.current().cursors
    bound = paging.binding("needs_analyses", actor.org_id, actor.id, customer_id)
    position = paging.decode(key, bound, cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_needs_analyses",
        customer_id,
        None if position is None else position.key,
        None if position is None else position.id,
        limit + 1,
    )
    return paging.page(key, bound, found)


async def stored(session: AsyncSession, actor: Actor, needs_analysis_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    found = await reads.row_in(session, actor.owners, "get_needs_analysis", needs_analysis_id)
    return paging.document(found, needs_analysis_id)
