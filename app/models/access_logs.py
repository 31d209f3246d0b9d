"""Who looked at a customer: the audit trail as he may be shown it. There is no table class: it is read from events."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import Instant, PageQuery, Wire
from app.models.sessions import Platform

_Text = Annotated[str, StringConstraints(max_length=100)]


class AccessKind(StrEnum):
    """What was done."""

    viewed = "viewed"
    revealed = "revealed"
    exported = "exported"
    created = "created"
    changed = "changed"
    deleted = "deleted"
    transferred = "transferred"
    consented = "consented"
    requested = "requested"


class AccessData(StrEnum):
    """What kind of data it was done with."""

    profile = "profile"
    contact = "contact"
    identity = "identity"
    note = "note"
    dossier = "dossier"
    answers = "answers"
    analysis = "analysis"
    proposal = "proposal"
    tolerance = "tolerance"
    coverage = "coverage"
    family = "family"
    relationships = "relationships"
    introductions = "introductions"
    tasks = "tasks"
    consents = "consents"
    rights = "rights"
    other = "other"


class AccessRole(StrEnum):
    """In which capacity."""

    agent = "agent"
    manager = "manager"
    admin = "admin"
    auditor = "auditor"
    partner = "partner"
    service = "service"


class AccessBy(Wire):
    """Who did it; the service itself has no name."""

    name: _Text | None
    role: AccessRole = Bound(description="What he is today")
    role_label: _Text


class AccessDataLabel(Wire):
    """A kind of data and its words."""

    code: AccessData
    label: _Text


class AccessPurpose(Wire):
    """What for."""

    code: str = Bound(max_length=40, pattern=r"^[a-z_]+$")
    label: _Text


class AccessLogEntry(Wire):
    """One line: when, who, with what device, what, what for. No values, and no ids of the organisation's."""

    at: Instant
    kind: AccessKind
    kind_label: _Text
    by: AccessBy
    device_kind: Platform | None = Bound(description="What he held in his hand; null where it is not known")
    data: list[AccessDataLabel] = Bound(max_length=20)
    purpose: AccessPurpose | None = Bound(description="As he stated it; null where nothing has to be stated")


class AccessLogPage(Wire):
    """A page of the log, newest first."""

    items: list[AccessLogEntry] = Bound(max_length=200)
    next_cursor: str | None = Bound(max_length=600)


class AccessLogQuery(PageQuery):
    """Which part of the log."""

    at_from: Instant | None = Bound(default=None, description="Not before this moment")
    at_to: Instant | None = Bound(default=None, description="Before this moment")
