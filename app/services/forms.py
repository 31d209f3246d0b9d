"""Published forms: read-only here; they are published by `renmai migrate`."""

from functools import lru_cache
from typing import Any

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import reads
from app.access import Actor
from app.domain import forms as rules
from app.errors import NotFound
from app.models.forms import FormVersion


async def read_all(actor: Actor) -> bytes:
    """The newest published version of every form, as JSON."""
    found = await reads.row(actor.org_id, None, "list_forms")
    return b"[]" if found is None else str(found["body"]).encode()


async def read(actor: Actor, form_key: str, version: str | None) -> tuple[bytes, str]:
    """One version (the newest published one when None) and its content hash.

    Raises:
        NotFound: no such form or version.
    """
    found = await reads.row(actor.org_id, None, "get_form", form_key, version)
    if found is None:
        raise NotFound
    return str(found["body"]).encode(), str(found["content_hash"])


async def definition(session: AsyncSession, form_key: str, version: str) -> tuple[FormVersion, rules.FormDefinition]:
    """A stored version, parsed.

    Raises:
        NotFound: no such form or version.
    """
    row = await session.get(FormVersion, (form_key, version))
    if row is None:
        raise NotFound
    return row, _parsed(row.content_hash, orjson.dumps(row.definition))


@lru_cache(maxsize=64)
def _parsed(_content_hash: str, raw: bytes) -> rules.FormDefinition:
    """Parsing walks the whole form; a published version never changes."""
    document: dict[str, Any] = orjson.loads(raw)
    return rules.load_definition(document)
