"""Needs analyses: read, listed, explained. They come into being once and never change (`needs_analyses_create`)."""

from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, envelopes, keyring, paging, reads
from app.access import Actor
from app.domain.household_words import explain
from app.errors import Language
from app.etags import Document
from app.models.needs_analyses import NeedsAnalysis, NeedsAnalysisConfirmation
from app.paging import Page


async def read(actor: Actor, needs_analysis_id: UUID) -> Document:
    """One analysis with every result, assumption and step.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_needs_analysis", needs_analysis_id)
    return await _document(actor, needs_analysis_id, found, None)


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
    return paging.page(key, bound, found, items=await _items(actor, found))


async def stored(session: AsyncSession, actor: Actor, needs_analysis_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    found = await reads.row_in(session, actor.owners, "get_needs_analysis", needs_analysis_id)
    return await _document(actor, needs_analysis_id, found, session)


async def _document(
    actor: Actor, needs_analysis_id: UUID, found: asyncpg.Record | None, session: AsyncSession | None
) -> Document:
    row = paging.alive(found)
    key = await envelopes.cipher(row, actor.org_id, session)
    sealed = envelopes.texts(key, NeedsAnalysis, needs_analysis_id, row, "summary", "analysis")
    confirmation = "null"
    if row["confirmation_id"] is not None:
        word = envelopes.texts(key, NeedsAnalysisConfirmation, row["confirmation_id"], row, "reference")
        confirmation = envelopes.spliced([row["confirmation"], *word])
    body = envelopes.spliced([row["body"], *sealed, f'{{"confirmation":{confirmation}}}'])
    return Document(body.encode(), row["version"], needs_analysis_id)


async def _items(actor: Actor, found: asyncpg.Record | None) -> str | None:
    """The lines of a list, as JSON, each with its amounts opened."""
    if found is None or found["items"] is None:
        return None
    key = await envelopes.cipher(found, actor.org_id, None)
    lines = [
        envelopes.spliced([line, *envelopes.texts(key, NeedsAnalysis, row_id, {"summary_enc": sealed}, "summary")])
        for line, row_id, sealed in zip(found["items"], found["ids"], found["summaries"], strict=True)
    ]
    return f"[{','.join(lines)}]"
