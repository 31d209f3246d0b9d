"""Published forms: read-only here; they are published by `renmai migrate`."""

from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import reads
from app.access import Actor
from app.domain import forms as rules
from app.errors import NotFound
from app.models.forms import FormStatus, FormVersion

# Parsing walks the whole form and a published text never changes: each is read and parsed once a process.
_parsed: dict[str, rules.FormDefinition] = {}
_MAX_PARSED = 64


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form version as answers are judged by it."""

    content_hash: str
    is_withdrawn: bool
    definition: rules.FormDefinition


async def read_all(actor: Actor) -> bytes:
    """The newest published version of every form, as JSON."""
    found = await reads.row(actor.org_id, None, "list_forms")
    return b"[]" if found is None else str(found["body"]).encode()


async def read(actor: Actor, form_key: str, version: str | None) -> tuple[bytes, str]:
    """One version (the newest published one when None) and its ETag: the content hash, marked once it is withdrawn.

    Raises:
        NotFound: no such form or version.
    """
    found = await reads.row(actor.org_id, None, "get_form", form_key, version)
    if found is None:
        raise NotFound
    # The text never changes but the status does: a phone asking with the old tag must not hear "unchanged".
    mark = "" if found["status"] == FormStatus.published else ".off"
    return str(found["body"]).encode(), f"{found['content_hash']}{mark}"


async def stored(session: AsyncSession, form_key: str, version: str) -> StoredForm:
    """A stored version, parsed; its status as it is now.

    Raises:
        NotFound: no such form or version.
    """
    wanted = (col(FormVersion.form_key) == form_key, col(FormVersion.version) == version)
    found = (await session.exec(select(FormVersion.content_hash, FormVersion.status).where(*wanted))).first()
    if found is None:
        raise NotFound
    digest, status = found
    if digest not in _parsed:
        raw = (await session.exec(select(FormVersion.definition).where(*wanted))).one()
        if len(_parsed) >= _MAX_PARSED:
            _parsed.clear()
        _parsed[digest] = rules.load_definition(raw)
    return StoredForm(digest, status == FormStatus.withdrawn, _parsed[digest])


async def is_known(session: AsyncSession, form_key: str) -> bool:
    """Whether there is any version of the form."""
    wanted = select(FormVersion.version).where(col(FormVersion.form_key) == form_key).limit(1)
    return (await session.exec(wanted)).first() is not None
