"""A dossier as it is looked at. The rows come from SQL; labels, staleness, completeness, contradictions and the next
question are added here and not in the statement: they are rules of the domain, depend on the day and the language, and
hold for values that are sealed there. Only what is shown is opened, and what must be compared.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import orjson

from app import reads
from app.access import Actor
from app.domain import dossier, opportunity
from app.domain.fact_definitions import DossierName, FactDefinition, fits
from app.domain.tolerance import CHINA
from app.errors import Conflict, Invalid, Issue, Language
from app.models.dossiers_view import DossierQuery
from app.services import dossiers, dossiers_read
from app.services.dossiers_read import Reader

_POLICIES = "policies"


async def read(actor: Actor, customer_id: UUID, name: DossierName, query: DossierQuery, language: Language) -> bytes:
    """One dossier as JSON: current facts in the order of asking, completeness, contradictions, next question.

    Raises:
        NotFound, Gone: as for the customer.
        Conflict: `customer_not_individual`, `customer_not_organization`: he has no such dossier.
        Invalid: a day that has not come.
    """
    today = dossiers.today()
    if query.as_known_on is not None and query.as_known_on > today:
        raise Invalid(issues=[Issue("in_future", parameter="as_known_on")])
    day = query.as_known_on or today
    until = None if query.as_known_on is None else _end(query.as_known_on)
    found = await reads.row(actor.org_id, actor.owners, "get_dossier", customer_id, name.value, until)
    row = dossiers_read.of_customer(found)
    if not fits(name, row["party_type"]):
        raise Conflict(dossiers.MISFIT[name])
    eye = await dossiers_read.reader(actor, customer_id, row, is_for_phone=query.for_ is not None)
    return compose(eye, customer_id, name, row, query, day, language)


def compose(
    eye: Reader, customer_id: UUID, name: DossierName, row: Any, query: DossierQuery, day: date, language: Language
) -> bytes:
    """The dossier from the row of its statement, as it stood on a day."""
    definitions = [one for one in eye.known.catalogue.of(name) if query.purpose is None or one.purpose is query.purpose]
    facts = _by_key(row, {one.key for one in definitions})
    body = {
        "customer_id": customer_id,
        "dossier": name,
        "as_known_on": query.as_known_on,
        **_standing(eye, definitions, facts, day, language),
        "opportunity": _opportunity(eye, row) if name is DossierName.project else None,
        "policies_in_force": _policies(eye, facts, day) if name is DossierName.competitor else None,
        "version": row["version"],
    }
    return orjson.dumps(body)


_Sealed = tuple[dict[str, Any], bytes | None, bytes | None]


def _end(day: date) -> datetime:
    """The moment after a day in China."""
    return datetime.combine(day + timedelta(days=1), time(), CHINA)


def _by_key(row: Any, wanted: set[str]) -> dict[str, list[_Sealed]]:
    """The current facts of each key, in the order they were recorded."""
    found: dict[str, list[_Sealed]] = defaultdict(list)
    every = zip(orjson.loads(row["facts"]), row["sealed"] or (), row["tellers"] or (), strict=True)
    for fact, sealed, teller in every:
        if fact["fact_key"] in wanted:
            found[fact["fact_key"]].append((fact, sealed, teller))
    return found


def _standing(
    eye: Reader,
    definitions: Sequence[FactDefinition],
    facts: dict[str, list[_Sealed]],
    day: date,
    language: Language,
) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    conflicts: list[dict[str, Any]] = []
    good_until: dict[str, date] = {}
    for one in definitions:
        told = facts.get(one.key)
        if not told:
            continue
        is_open = _is_open(eye, told)
        if is_open:
            conflicts.append({"fact_key": one.key, "fact_ids": [fact["id"] for fact, _, _ in told]})
        shown = [_entry(eye, one, each, day, language, is_conflicting=is_open) for each in told]
        good_until[one.key] = max(date.fromisoformat(entry["review_by"]) for entry in shown)
        entries += shown
    asked = [one.key for one in definitions if one.is_asked]
    standing = dossier.assess(asked, good_until, day)
    return {
        "facts": entries,
        "completeness": {
            "known": standing.known,
            "total": standing.total,
            "percent": standing.percent,
            "stale": standing.stale,
        },
        "conflicts": conflicts,
        "next_question": _question(definitions, standing.ask_next, language),
    }


def _is_open(eye: Reader, told: Sequence[_Sealed]) -> bool:
    """Whether facts of one key contradict each other. What a phone may not keep says nothing, not even this."""
    if len(told) == 1 or (eye.is_for_phone and not eye.now(told[0][0]).is_offline_allowed):
        return False
    return dossier.contradict([(eye.open(fact["id"], sealed), fact["is_kept"]) for fact, sealed, _ in told])


def _entry(
    eye: Reader, definition: FactDefinition, each: _Sealed, day: date, language: Language, *, is_conflicting: bool
) -> dict[str, Any]:
    fact, sealed, teller = each
    shown = eye.show(fact, sealed, teller)
    del shown["is_kept"]
    return {
        **shown,
        "label": definition.label.spoken(language),
        "sensitivity": definition.sensitivity,
        "is_stale": dossier.is_stale(date.fromisoformat(shown["review_by"]), day),
        "is_conflicting": is_conflicting,
    }


def _question(definitions: Sequence[FactDefinition], key: str | None, language: Language) -> dict[str, str] | None:
    for one in definitions:
        if one.key == key:
            return {
                "fact_key": one.key,
                "label": one.label.spoken(language),
                "question": one.question.spoken(language),
            }
    return None


def _opportunity(eye: Reader, row: Any) -> dict[str, Any]:
    """Where the project stands, where it may go, and the way here, newest first."""
    steps = []
    every = orjson.loads(row["stages"]) if row["stages"] else []
    is_withheld = eye.is_for_phone and opportunity.STAGE in eye.known.catalogue.withheld()
    for one, sealed in zip(every, row["staged"] or (), strict=True):
        value = None if is_withheld else eye.open(one["id"], sealed)
        if value is not None:
            steps.append(
                {
                    "stage": value["stage"],
                    "reasons": value.get("reasons", []),
                    "observed_on": one["observed_on"],
                    "dossier_fact_id": one["id"],
                }
            )
    stage = _stage(eye, row)
    return {
        "stage": None if is_withheld else stage,
        "next_stages": [] if is_withheld else list(opportunity.next_stages(stage)),
        "history": steps[:1000],
    }


def _stage(eye: Reader, row: Any) -> str | None:
    """The stage of the one fact that is current: a stage that was deleted leaves none behind."""
    for fact, sealed in zip(orjson.loads(row["facts"]), row["sealed"] or (), strict=True):
        if fact["fact_key"] == opportunity.STAGE:
            value = eye.open(fact["id"], sealed)
            return None if value is None else str(value["stage"])
    return None


def _policies(eye: Reader, facts: dict[str, list[_Sealed]], day: date) -> int | None:
    """How many policies are held elsewhere; null where nobody knows, or where several say different things."""
    told = facts.get(_POLICIES, [])
    if len(told) != 1 or (eye.is_for_phone and _POLICIES in eye.known.catalogue.withheld()):
        return None
    value = eye.open(told[0][0]["id"], told[0][1])
    return None if value is None else opportunity.in_force(value, day)
