"""An organisation's own forms: checked, published for good, withdrawn.

Who publishes locks the settings of the organisation first: versions follow one another, and each is compared with the
one before.
"""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from typing import Any

import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access, db, reads
from app.access import Actor
from app.domain import form_changes, form_migrations
from app.domain import forms as rules
from app.domain.form_shapes import FormError, version_key
from app.errors import Conflict, Invalid, Issue, NotFound
from app.models.base import utc_now
from app.models.forms import OWN, FormCheck, FormPublish, FormWithdraw, OrgFormVersion
from app.services import forms

_MAX_FORMS = 200  # forms of one organisation, whatever the number of their versions
_NAME = 50
_STEP = re.compile(r"[0-9]{1,3}|[a-z][a-z0-9_]{0,63}")
_DETAIL = re.compile(r"(?:[a-z][a-z0-9_.]{0,99}(?![a-z0-9_.])|[ ,→:()=<>!])*")
_MOST = 2000


@dataclass(slots=True)
class _Judged:
    """What is wrong with a version, pointers from the body, and what could be made of it."""

    problems: list[tuple[str, FormError]] = field(default_factory=list)
    content_hash: str | None = None
    definition: rules.FormDefinition | None = None
    predecessor: str | None = None
    changes: form_changes.Changes | None = None

    def note(self, place: str, error: FormError) -> None:
        """Keep a problem; of the author's own words only what looks like a name of the form is repeated."""
        steps = takewhile(_STEP.fullmatch, error.pointer.split("/")[1:])
        told = error.detail[:_MOST] if _DETAIL.fullmatch(error.detail) else ""
        self.problems.append(("/".join([place, *steps]), FormError(error.code, error.pointer, told)))


async def check(session: AsyncSession, data: FormCheck) -> bytes:
    """What publishing would say, as JSON: all problems, the difference to the version before, the content hash."""
    judged = await _judge(session, data)
    changes = judged.changes
    return orjson.dumps(
        {
            "is_publishable": not judged.problems,
            "content_hash": judged.content_hash,
            "problems": [
                {"pointer": pointer, "code": error.code, "detail": error.detail, "message": error.message}
                for pointer, error in judged.problems
            ],
            "change": None if changes is None else {"predecessor": judged.predecessor, **changes.to_json()},
        }
    )


async def publish(session: AsyncSession, actor: Actor, data: FormPublish) -> tuple[bytes, str, OrgFormVersion, bool]:
    """A new version: the document, its ETag, the row; False when the same text was published before.

    Raises:
        Invalid: all that is wrong with it. Conflict: `form_version_taken`, `too_many_forms`.
    """
    await db.raw(session).fetchval("SELECT true FROM org_settings WHERE org_id = $1 FOR UPDATE", actor.org_id)
    judged = await _judge(session, data, is_new=False)
    form, digest = judged.definition, judged.content_hash
    known = None if form is None else await _own(session, form.form_key, form.version)
    if known is not None and (known.content_hash != digest or known.migrations != data.migrations):
        raise Conflict("form_version_taken")
    if known is not None:
        return *await _stored(session, known), known, False
    if judged.problems or form is None or digest is None:
        raise Invalid(issues=[_issue(pointer, error) for pointer, error in judged.problems])
    if judged.predecessor is None and await _count(session) >= _MAX_FORMS:
        raise Conflict("too_many_forms")
    row = OrgFormVersion(
        org_id=actor.org_id,
        form_key=form.form_key,
        form_version=form.version,
        content_hash=digest,
        definition=data.definition,
        migrations=data.migrations,
        change_level="first" if judged.changes is None else judged.changes.level,
        published_by=actor.id,
    )
    session.add(row)
    told = {"form": form.form_key, "form_version": form.version, "level": row.change_level}
    access.record(session, actor, "form.published", "form", row.id, **told)
    return *await _stored(session, row), row, True


async def withdraw(
    session: AsyncSession, actor: Actor, form_key: str, version: str, data: FormWithdraw
) -> tuple[bytes, str]:
    """Recall a version: no response starts any more, what was begun may be completed until the grace ends.

    Raises:
        NotFound. Conflict: `form_shipped`: it is not the organisation's; `form_withdrawn`: it is, on other terms.
    """
    if not form_key.startswith(OWN):
        if version not in await forms.versions(session, form_key):
            raise NotFound
        raise Conflict("form_shipped")
    row = await _own(session, form_key, version, lock=True)
    if row is None:
        raise NotFound
    if row.withdrawn_at is None:
        row.withdrawn_at = row.updated_at = utc_now()
        row.withdrawn_by, row.withdrawal_reason = actor.id, data.reason
        row.grace_until = row.withdrawn_at + timedelta(days=data.grace_days)
        told = {"form": form_key, "form_version": version, "grace_days": data.grace_days}
        access.record(session, actor, "form.withdrawn", "form", row.id, **told)
    elif (row.withdrawal_reason, row.grace_until) != (data.reason, row.withdrawn_at + timedelta(days=data.grace_days)):
        raise Conflict("form_withdrawn")
    return await _stored(session, row)


async def _judge(session: AsyncSession, data: FormCheck, *, is_new: bool = True) -> _Judged:
    judged = _Judged()
    # Half a second of work at most: beside the event loop, not on it.
    try:
        judged.content_hash = await asyncio.to_thread(rules.content_hash, data.definition)
    except FormError as error:
        judged.note("/definition", error)
        return judged
    form, problems = await asyncio.to_thread(rules.examine, data.definition)
    for problem in problems:
        judged.note("/definition", problem)
    if form is None:
        return judged
    judged.definition = form
    if not form.form_key.startswith(OWN):
        judged.note("/definition", FormError("form_key_not_own", "/form_key"))
        return judged
    others = sorted(set(await forms.versions(session, form.form_key)) - ({form.version} if not is_new else set()),
                    key=version_key)  # fmt: skip
    if others:
        judged.predecessor = others[-1]
        await _compare(session, judged, form)
    await _check_maps(session, judged, form, data.migrations, others)
    return judged


async def _compare(session: AsyncSession, judged: _Judged, form: rules.FormDefinition) -> None:
    assert judged.predecessor is not None
    old = (await forms.stored(session, form.form_key, judged.predecessor)).definition
    judged.changes = form_changes.compare(old, form)
    try:
        form_changes.check_successor(old, form)
    except FormError as error:
        judged.note("/definition", error)


async def _check_maps(
    session: AsyncSession,
    judged: _Judged,
    form: rules.FormDefinition,
    maps: list[dict[str, Any]],
    others: list[str],
) -> None:
    """Every map is named, and leads from a version there is to this one."""
    seen = set[str]()
    for n, one in enumerate(maps):
        place, name, source = f"/migrations/{n}", one.get("name"), one.get("from")
        if not isinstance(name, str) or not 1 <= len(name) <= _NAME or not name.isprintable() or name != name.strip():
            judged.note(place, FormError("map_name", "/name"))
        if not isinstance(source, str) or source not in others or source in seen:
            judged.note(place, FormError("map_version", "/from"))
            continue
        seen.add(source)
        old = (await forms.stored(session, form.form_key, source)).definition
        try:
            form_migrations.load_migration(unnamed(one), old, form)
        except FormError as error:
            judged.note(place, error)


def unnamed(one: dict[str, Any]) -> dict[str, Any]:
    """A map as the rules of migrations read it."""
    return {key: value for key, value in one.items() if key != "name"}


def _issue(pointer: str, error: FormError) -> Issue:
    message = error.message
    return Issue(error.code, pointer=pointer, message=(message["zh"][:200], message["en"][:200]))


async def _own(session: AsyncSession, form_key: str, version: str, *, lock: bool = False) -> OrgFormVersion | None:
    statement = select(OrgFormVersion).where(
        col(OrgFormVersion.org_id) == session.info["org_id"],
        col(OrgFormVersion.form_key) == form_key,
        col(OrgFormVersion.form_version) == version,
    )
    return (await session.exec(statement.with_for_update() if lock else statement)).first()


async def _count(session: AsyncSession) -> int:
    statement = "SELECT count(DISTINCT form_key) FROM org_form_versions WHERE org_id = $1"
    found: int = await db.raw(session).fetchval(statement, session.info["org_id"])
    return found


async def _stored(session: AsyncSession, row: OrgFormVersion) -> tuple[bytes, str]:
    """Flush, then answer exactly what a read would answer."""
    return forms.document(await reads.row_in(session, None, "get_form", row.form_key, row.form_version))
