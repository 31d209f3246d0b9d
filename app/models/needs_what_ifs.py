"""What if: the gaps of a stored analysis under other assumptions. Nothing is kept."""

from datetime import date
from typing import Annotated

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import ResultFen, Wire
from app.models.needs_analyses import (
    MOST_RESULTS,
    AdvicePublic,
    HouseholdAssumption,
    MemberKey,
    NeedsAffordability,
    OpinionPublic,
    Peril,
)
from app.models.needs_assumptions import ValuesGiven

_Text = Annotated[str, StringConstraints(max_length=40)]
_Ratio = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9]+(\.[0-9]+)?$")]


class NeedsWhatIf(Wire):
    """Assumptions to try, beside those of the analysis or instead of them."""

    assumptions: ValuesGiven = Bound(default_factory=dict)


class NeedsGap(Wire):
    """The figures of one insured and peril."""

    insured: MemberKey
    peril: Peril
    method: _Text
    need_fen: ResultFen
    existing_fen: ResultFen
    gap_fen: ResultFen
    over_fen: ResultFen
    cover_ratio: _Ratio | None
    rank: Annotated[int, Bound(ge=1, le=100, json_schema_extra={"format": "int32"})] | None
    priority: _Ratio


class NeedsWhatIfPublic(Wire):
    """Every gap as it would be; with no assumption changed, as it is stored."""

    as_of: date
    results: list[NeedsGap] = Bound(max_length=MOST_RESULTS)
    affordability: NeedsAffordability
    suitability: OpinionPublic
    advice: list[AdvicePublic] = Bound(max_length=200)
    assumptions: list[HouseholdAssumption] = Bound(max_length=100)
