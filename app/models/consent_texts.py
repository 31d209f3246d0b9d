"""Consent texts: what a person is shown before he decides. What is published never changes."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints
from sqlalchemy import Column, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.domain.consents import FieldGroup, Purpose
from app.models.base import BLOCK, WHOLE, Line100, Line200, TenantRow, Wire, absent

TextVersion = Annotated[int, Bound(ge=1, le=1_000_000, json_schema_extra={"format": "int32"}), WHOLE]
TextHash = Annotated[
    str,
    StringConstraints(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$"),
    Bound(description="`sha256:` and the hex digest of the text in UTF-8", examples=["sha256:" + "0" * 64]),
]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=BLOCK)]
_FullText = Annotated[str, StringConstraints(min_length=1, max_length=5000, pattern=BLOCK)]


class ConsentText(TenantRow, table=True):
    """One published version. A built-in text is written down when somebody first decides by it."""

    __tablename__ = "consent_texts"

    purpose: Purpose = Field(sa_column=Column(Text, nullable=False))
    field_group: FieldGroup = Field(sa_column=Column(Text, nullable=False))
    recipient: str = ""
    text_version: int
    words: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    is_material: bool
    published_by: UUID | None = None


class TextRecipient(Wire):
    """To whom data are handed on, and how the person reaches him (PIPL 23)."""

    name: Line100
    contact: Line200


class NoticeItems(Wire):
    """What a person must be told, in one language (PIPL 17; of sensitive data also `necessity` and `effect`: 30)."""

    who: Words = Bound(description="The name of whoever processes the data, and how to reach him")
    purpose: Words
    method: Words
    kinds: Words = Bound(description="Which kinds of data")
    retention: Words
    rights: Words = Bound(description="How to refuse, withdraw, see, copy, correct and erase")
    necessity: Words = absent("Needed for every group but `general`")
    effect: Words = absent("Needed for every group but `general`")


class NoticeIn(Wire):
    """The items in Chinese, and in English where people are asked in it."""

    zh: NoticeItems
    en: NoticeItems = absent()


class ConsentTextCreate(Wire):
    """A new version of a text. Without `words` it has the built-in ones."""

    purpose: Purpose
    field_group: FieldGroup
    recipient: TextRecipient = absent("Whoever data are handed on to; `partner_sharing` needs one")
    words: NoticeIn = absent()
    is_material: Annotated[bool, Bound(strict=True)] = Bound(
        description="True when people have to be asked again: consents to earlier versions carry nothing new"
    )


class NoticeShown(Wire):
    """A text in one language: its items, and `text` exactly as it is shown and hashed."""

    who: Words
    purpose: Words
    method: Words
    kinds: Words
    retention: Words
    rights: Words
    necessity: Words | None
    effect: Words | None
    text: _FullText
    text_hash: TextHash


class NoticeOut(Wire):
    """The text in every language it exists in."""

    zh: NoticeShown
    en: NoticeShown | None


class ConsentTextPublic(Wire):
    """One version of a text. A consent names `text_version` and the hash of the language the person was shown."""

    id: UUID | None = Bound(description="Null for a built-in text nobody has decided by yet")
    purpose: Purpose
    field_group: FieldGroup
    recipient: TextRecipient | None
    text_version: TextVersion
    is_material: bool
    words: NoticeOut
    published_at: datetime | None = Bound(description="Null for a built-in text")


class ConsentTextList(Wire):
    """The texts in force for one purpose, by recipient and group."""

    items: list[ConsentTextPublic] = Bound(max_length=510)


class ConsentTextQuery(Wire):
    """Of which purpose."""

    purpose: Purpose
