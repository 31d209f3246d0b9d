"""What if: a stored analysis calculated again with other assumptions, from what it rests on. Nothing is kept."""

from datetime import date
from uuid import UUID

import orjson

from app import envelopes, paging, reads
from app.access import Actor
from app.domain.annuities import NeedsError
from app.domain.household_facts import SETTINGS, Facts, overrides_of
from app.domain.household_needs import gaps
from app.errors import Conflict, Invalid
from app.models.needs_analyses import NeedsAnalysis
from app.models.needs_what_ifs import NeedsWhatIf
from app.services.needs_analyses_create import household_analysis


async def run(actor: Actor, needs_analysis_id: UUID, data: NeedsWhatIf) -> tuple[bytes, UUID]:
    """Every gap under these assumptions, and whose they are; the day and all the rest are those of the analysis.

    Raises:
        NotFound, Gone. Conflict: `analysis_not_household`. Invalid: an assumption that is none or out of bounds, or a
            result past 2^53 - 1 fen.
    """
    found = await reads.row(actor.org_id, actor.owners, "calculate_what_if", needs_analysis_id)
    row = paging.alive(found)
    key = await envelopes.cipher(row, actor.org_id, None)
    rests_on = envelopes.merged(envelopes.texts(key, NeedsAnalysis, needs_analysis_id, row, "facts"))
    if rests_on["facts"] is None:
        raise Conflict("analysis_not_household")
    tried = {name: {"value": value, "set_by": "agent"} for name, value in data.assumptions.items()}
    try:
        overrides = overrides_of(rests_on["overrides"] | tried)
    except NeedsError as error:
        place = f"/assumptions/{error.field}" if error.field in SETTINGS else "/assumptions"
        raise Invalid.at(place, error.code) from None
    day: date = row["as_of"]
    facts = Facts.from_json(rests_on["facts"])
    made = household_analysis(facts, day, overrides, root="/assumptions", is_brief=True)
    body = orjson.dumps(
        {
            "as_of": day,
            "results": gaps(made.results),
            "affordability": made.affordability,
            "suitability": made.suitability,
            "advice": made.advice,
            "assumptions": made.assumptions,
        }
    )
    return body, row["person_id"]
