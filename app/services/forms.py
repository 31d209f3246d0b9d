"""Published forms as they are read and as answers are judged by them.

Shipped forms are published by `renmai migrate` and are the same for everybody; an organisation publishes its own under
keys of its own (`forms_publish`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import reads
from app.access import Actor
from app.domain import forms as rules
from app.errors import NotFound
from app.models.base import utc_now
from app.models.forms import OWN, FormStatus, FormVersion, OrgFormVersion

# Parsing walks the whole form and a published text never changes: each is read and parsed once a process.
_parsed: dict[str, rules.FormDefinition] = {}
_MAX_PARSED = 64


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form version as answers are judged by it. `grace_until`: of a withdrawn one, None where it never ends."""

    content_hash: str
    is_withdrawn: bool
    withdrawn_at: datetime | None
    grace_until: datetime | None
    definition: rules.FormDefinition

    @property
    def is_over(self) -> bool:
        """Whether not even what was begun before the withdrawal may be completed."""
        return self.grace_until is not None and self.grace_until <= utc_now()

    def takes(self, begun_at: datetime | None) -> bool:
        """Whether a response may start: not to a withdrawn version, but for what a phone began before it knew."""
        if not self.is_withdrawn:
            return True
        if self.is_over or self.withdrawn_at is None:
            return False
        return begun_at is not None and begun_at < self.withdrawn_at


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
    return document(found)


def document(found: Mapping[str, Any] | None) -> tuple[bytes, str]:
    """What `read` answers, from the row of its statement.

    Raises:
        NotFound: no row.
    """
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
    row = await _row(session, form_key, version)
    if row is None:
        raise NotFound
    if row.content_hash not in _parsed:
        text = await definition(session, form_key, version)
        # A large form takes a tenth of a second and more: beside the event loop, not on it.
        parsed = await asyncio.to_thread(rules.load_definition, text)
        while len(_parsed) >= _MAX_PARSED:
            del _parsed[next(iter(_parsed))]
        _parsed[row.content_hash] = parsed
    parsed = _parsed[row.content_hash]
    return StoredForm(row.content_hash, row.is_withdrawn, row.withdrawn_at, row.grace_until, parsed)


@dataclass(frozen=True, slots=True)
class _Row:
    content_hash: str
    is_withdrawn: bool
    withdrawn_at: datetime | None = None
    grace_until: datetime | None = None


async def _row(session: AsyncSession, form_key: str, version: str) -> _Row | None:
    if not form_key.startswith(OWN):
        wanted = (col(FormVersion.form_key) == form_key, col(FormVersion.version) == version)
        found = (await session.exec(select(FormVersion.content_hash, FormVersion.status).where(*wanted))).first()
        return None if found is None else _Row(found[0], found[1] == FormStatus.withdrawn)
    columns = select(OrgFormVersion.content_hash, OrgFormVersion.withdrawn_at, OrgFormVersion.grace_until)
    own = (await session.exec(columns.where(*_own(session, form_key, version)))).first()
    return None if own is None else _Row(own[0], own[1] is not None, own[1], own[2])


def _own(session: AsyncSession, form_key: str, version: str | None = None) -> list[Any]:
    wanted = [col(OrgFormVersion.org_id) == session.info["org_id"], col(OrgFormVersion.form_key) == form_key]
    return wanted if version is None else [*wanted, col(OrgFormVersion.form_version) == version]


async def definition(session: AsyncSession, form_key: str, version: str) -> dict[str, Any]:
    """The text of a version that exists, as it was published."""
    if form_key.startswith(OWN):
        own = select(OrgFormVersion.definition).where(*_own(session, form_key, version))
        return dict((await session.exec(own)).one())
    wanted = (col(FormVersion.form_key) == form_key, col(FormVersion.version) == version)
    return dict((await session.exec(select(FormVersion.definition).where(*wanted))).one())


async def maps(session: AsyncSession, form_key: str, version: str) -> list[dict[str, Any]]:
    """The migration maps published with a version; none where there is no such version."""
    if form_key.startswith(OWN):
        own = select(OrgFormVersion.migrations).where(*_own(session, form_key, version))
        return list((await session.exec(own)).first() or [])
    wanted = (col(FormVersion.form_key) == form_key, col(FormVersion.version) == version)
    return list((await session.exec(select(FormVersion.migrations).where(*wanted))).first() or [])


async def versions(session: AsyncSession, form_key: str) -> list[str]:
    """The numbers of all versions there are, withdrawn ones too, in no order."""
    if form_key.startswith(OWN):
        return list((await session.exec(select(OrgFormVersion.form_version).where(*_own(session, form_key)))).all())
    wanted = select(FormVersion.version).where(col(FormVersion.form_key) == form_key)
    return list((await session.exec(wanted)).all())
