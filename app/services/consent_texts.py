"""Consent texts: the built-in ones, an organisation's own, and which of them a decision may name.

The versions of a text count within purpose, recipient and group. Where an organisation has published nothing, the
built-in text is in force; it is written down before the first decision names it, so that what somebody agreed to can
be shown after the built-in words have changed.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db
from app.access import Actor
from app.domain import consent_texts as rules
from app.domain.consent_texts import BUILT_IN, LANGUAGES, Notice, Recipient, TextLanguage
from app.domain.consents import SEPARATE, FieldGroup, Purpose
from app.errors import Conflict, Invalid, Issue, NotFound
from app.etags import Document
from app.models.consent_texts import (
    ConsentText,
    ConsentTextCreate,
    ConsentTextList,
    ConsentTextPublic,
    NoticeIn,
    NoticeOut,
    NoticeShown,
    TextRecipient,
)
from app.models.organizations import Organization

MAX_TEXTS = 500  # versions of all texts of one purpose

_WRITE_DOWN = """
INSERT INTO consent_texts (org_id, id, purpose, field_group, text_version, words, is_material)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, true)
ON CONFLICT (org_id, purpose, recipient, field_group, text_version) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Series:
    """The versions of one text, oldest first."""

    rows: tuple[ConsentText, ...]

    def version(self, number: int) -> ConsentText | None:
        """The version with this number."""
        return next((row for row in self.rows if row.text_version == number), None)

    def is_superseded(self, number: int, at: datetime) -> bool:
        """Whether another text had to be shown at this moment, or carries alone what is written from now on."""
        return any(row.text_version > number and (row.is_material or row.created_at <= at) for row in self.rows)


async def listed(session: AsyncSession, actor: Actor, purpose: Purpose) -> bytes:
    """The texts in force for a purpose, as JSON: what to show before somebody decides."""
    stored = await _stored(session, actor, purpose)
    newest = {(row.recipient, FieldGroup(row.field_group)): row for row in stored}
    if purpose is not Purpose.partner_sharing:
        org_name = await _name(session, actor)
        for group in FieldGroup:
            newest.setdefault(("", group), _built_in(actor, purpose, group, org_name))
    order = list(FieldGroup)
    found = sorted(newest.values(), key=lambda row: (row.recipient, order.index(FieldGroup(row.field_group))))
    items = [_public(row, is_stored=row in stored) for row in found]
    return ConsentTextList(items=items).model_dump_json().encode()


async def read(session: AsyncSession, actor: Actor, consent_text_id: UUID) -> Document:
    """One version, in force or not: what somebody was shown.

    Raises:
        NotFound.
    """
    statement = select(ConsentText).where(
        col(ConsentText.org_id) == actor.org_id, col(ConsentText.id) == consent_text_id
    )
    row = (await session.exec(statement)).first()
    if row is None:
        raise NotFound
    return _document(row)


async def create(session: AsyncSession, actor: Actor, data: ConsentTextCreate) -> Document:
    """Publish a version. It is in force at once, and never changes.

    Raises:
        Invalid: the recipient is missing, or what must be told of sensitive data.
        Conflict: `too_many_consent_texts`.
    """
    _check(data)
    # Versions follow one another: who publishes waits for whoever publishes just now.
    await db.raw(session).fetchval("SELECT true FROM org_settings WHERE org_id = $1 FOR UPDATE", actor.org_id)
    before = await _stored(session, actor, data.purpose)
    if len(before) >= MAX_TEXTS:
        raise Conflict("too_many_consent_texts")
    to = None if data.recipient is None else Recipient(data.recipient.name, data.recipient.contact)
    of_series = [row for row in before if (row.recipient, row.field_group) == (to.name if to else "", data.field_group)]
    first = 0 if to else BUILT_IN
    row = ConsentText(
        org_id=actor.org_id,
        id=uuid7(),
        purpose=data.purpose,
        field_group=data.field_group,
        recipient=to.name if to else "",
        text_version=max((one.text_version for one in of_series), default=first) + 1,
        words=_words(_notices(data.words, data, await _name(session, actor), to), data.field_group, to),
        is_material=data.is_material,
        published_by=actor.id,
    )
    session.add(row)
    await session.flush()
    told = {"consent_purpose": row.purpose, "field_group": row.field_group, "text_version": row.text_version}
    access.record(session, actor, "consent_text.published", "consent_text", row.id, **told)
    return _document(row)


async def series(
    session: AsyncSession, actor: Actor, purpose: Purpose, recipient: str | None, groups: Iterable[FieldGroup]
) -> dict[FieldGroup, Series]:
    """The versions a decision may name, by group; built-in texts are written down first."""
    wanted = list(groups)
    rows = [row for row in await _stored(session, actor, purpose) if row.recipient == (recipient or "")]
    missing = [
        group
        for group in wanted
        if recipient is None
        and purpose is not Purpose.partner_sharing
        and not any(row.field_group == group and row.text_version == BUILT_IN for row in rows)
    ]
    if missing:
        org_name = await _name(session, actor)
        for group in missing:
            made = _built_in(actor, purpose, group, org_name)
            words = orjson.dumps(made.words).decode()
            told = (actor.org_id, uuid7(), purpose.value, group.value, BUILT_IN, words)
            await db.raw(session).execute(_WRITE_DOWN, *told)
        rows = [row for row in await _stored(session, actor, purpose) if row.recipient == (recipient or "")]
    return {group: Series(tuple(row for row in rows if row.field_group == group)) for group in wanted}


def hash_of(row: ConsentText, language: TextLanguage) -> str | None:
    """The hash of a version in a language; None where it does not exist in it."""
    found = row.words.get(language)
    return None if found is None else str(found["text_hash"])


async def _stored(session: AsyncSession, actor: Actor, purpose: Purpose) -> list[ConsentText]:
    """All versions of all texts of a purpose, oldest first."""
    statement = select(ConsentText).where(
        col(ConsentText.org_id) == actor.org_id, col(ConsentText.purpose) == purpose.value
    )
    return list((await session.exec(statement.order_by(col(ConsentText.text_version)))).all())


async def _name(session: AsyncSession, actor: Actor) -> str:
    return (await session.exec(select(Organization.name).where(col(Organization.id) == actor.org_id))).one()


def _check(data: ConsentTextCreate) -> None:
    issues = []
    if data.purpose is Purpose.partner_sharing and data.recipient is None:
        issues.append(Issue("missing", pointer="/recipient"))
    if data.words is not None and data.field_group in SEPARATE:
        for language in LANGUAGES:
            items = getattr(data.words, language)
            for name in ("necessity", "effect"):
                if items is not None and getattr(items, name) is None:
                    issues.append(Issue("missing", pointer=f"/words/{language}/{name}"))
    if issues:
        raise Invalid(issues=issues)


def _notices(
    given: NoticeIn | None, data: ConsentTextCreate, org_name: str, to: Recipient | None
) -> dict[TextLanguage, Notice]:
    if given is None:
        return {code: rules.built_in(data.purpose, data.field_group, code, org_name, to) for code in LANGUAGES}
    items = {code: getattr(given, code) for code in LANGUAGES}
    return {code: Notice(**one.model_dump()) for code, one in items.items() if one is not None}


def _words(notices: dict[TextLanguage, Notice], group: FieldGroup, to: Recipient | None) -> dict[str, Any]:
    made: dict[str, Any] = {"recipient": None if to is None else asdict(to)}
    for language, notice in notices.items():
        text = rules.render(notice, group, language, to)
        made[language] = {**asdict(notice), "text": text, "text_hash": rules.text_hash(text)}
    return made


def _built_in(actor: Actor, purpose: Purpose, group: FieldGroup, org_name: str) -> ConsentText:
    """A built-in text as a row; it is not one yet, and has no day."""
    notices = {code: rules.built_in(purpose, group, code, org_name) for code in LANGUAGES}
    return ConsentText(
        org_id=actor.org_id,
        purpose=purpose,
        field_group=group,
        text_version=BUILT_IN,
        words=_words(notices, group, None),
        is_material=True,
    )


def _public(row: ConsentText, *, is_stored: bool = True) -> ConsentTextPublic:
    to = row.words["recipient"]
    shown = {code: None if code not in row.words else NoticeShown(**row.words[code]) for code in LANGUAGES}
    return ConsentTextPublic(
        id=row.id if is_stored else None,
        purpose=row.purpose,
        field_group=row.field_group,
        recipient=None if to is None else TextRecipient(**to),
        text_version=row.text_version,
        is_material=row.is_material,
        words=NoticeOut.model_validate(shown),
        published_at=None if row.published_by is None else row.created_at,
    )


def _document(row: ConsentText) -> Document:
    return Document(_public(row).model_dump_json().encode(), row.text_version, row.id)
