"""Suggestions for a form from what is known already: nothing is stored, and every one names its source."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import Wire
from app.models.form_responses import Answers
from app.models.forms import FormKey, FormVersionNumber, LinkId

_Source = Annotated[str, StringConstraints(max_length=200)]


class PrefillSource(Wire):
    """Where an answer was taken from, and when that was observed if somebody wrote it down."""

    pointer: str = Bound(max_length=200)
    source: _Source
    observed_on: date | None


class PrefillGap(Wire):
    """An item that names a source and got nothing."""

    link_id: LinkId
    source: _Source


_Gaps = Annotated[list[PrefillGap], Bound(max_length=500)]


class PrefillPublic(Wire):
    """Answers to begin with; the customer confirms them as if he had been asked."""

    customer_id: UUID
    form_key: FormKey
    form_version: FormVersionNumber
    content_hash: str = Bound(max_length=80)
    answers: Answers
    sources: list[PrefillSource] = Bound(max_length=500)
    missing: _Gaps = Bound(description="Nothing is known, or the caller may not see it")
    unfit: _Gaps = Bound(description="Something is known, and is no answer to this question")
