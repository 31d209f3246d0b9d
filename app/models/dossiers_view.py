"""The four dossiers as they are looked at: what is known, how fresh, what contradicts, what to ask next."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field as Bound

from app.domain.consents import Purpose
from app.domain.fact_definitions import DossierName, Sensitivity
from app.models.base import CalendarDate, Version, Wire
from app.models.dossiers import OFFLINE, Audience, FactShown
from app.models.fact_definitions import FactKey
from app.models.forms import LinkId, Words

_Count = Annotated[int, Bound(ge=0, le=1000, json_schema_extra={"format": "int32"})]
Stage = Literal["idea", "collecting", "comparing", "approval", "deciding", "won", "lost"]


class DossierQuery(Wire):
    """How a dossier is looked at."""

    as_known_on: CalendarDate | None = Bound(
        default=None, description="What was on record at the end of this day in China, and not what is now"
    )
    purpose: Purpose | None = Bound(default=None, description="Only what is kept for this purpose")
    for_: Audience | None = Bound(default=None, alias="for", description=OFFLINE)


class DossierEntry(FactShown):
    """A current fact as the dossier shows it; `version` is what If-Match takes."""

    label: Words
    sensitivity: Sensitivity
    is_stale: bool
    is_conflicting: bool
    version: Version


class Completeness(Wire):
    """How much of what is asked for is known; `stale` facts are known, but should be asked again."""

    known: _Count
    total: _Count
    percent: int = Bound(ge=0, le=100, json_schema_extra={"format": "int32"}, description="Rounded down")
    stale: _Count


class NextQuestion(Wire):
    """What to ask at the next occasion: the first unknown fact, then the first stale one."""

    fact_key: FactKey
    label: Words
    question: Words


class FactConflict(Wire):
    """Current facts of one key that contradict each other, and nobody has decided."""

    fact_key: FactKey
    fact_ids: list[UUID] = Bound(max_length=1000)


class StageStep(Wire):
    """A stage the project was in."""

    stage: Stage
    reasons: list[LinkId] = Bound(max_length=5)
    observed_on: date
    dossier_fact_id: UUID


class Opportunity(Wire):
    """The project as an opportunity: where it stands, and where it may go."""

    stage: Stage | None
    next_stages: list[Stage] = Bound(max_length=7)
    history: list[StageStep] = Bound(max_length=1000, description="Newest first, the present stage included")


class DossierPublic(Wire):
    """What is known, in the order of asking, masked by sensitivity; and what to ask next (null: nothing)."""

    customer_id: UUID
    dossier: DossierName
    as_known_on: date | None
    facts: list[DossierEntry] = Bound(max_length=1000)
    completeness: Completeness
    conflicts: list[FactConflict] = Bound(max_length=500)
    next_question: NextQuestion | None
    opportunity: Opportunity | None = Bound(description="Of the project dossier")
    policies_in_force: _Count | None = Bound(description="Of the competitor dossier: policies held elsewhere")
    version: int = Bound(
        ge=0,
        le=2_147_483_647,
        json_schema_extra={"format": "int32"},
        description="Grows with every change of any fact, in every language; 0 while nothing was ever recorded",
    )
