"""Making needs analyses: from a completed response, as a revision of another one, and the customer's word on one.

An analysis rests on a day, on the answers of one response and on assumptions somebody set, and keeps all three. What
changes later makes a new one that supersedes it. Every write locks the customer first, so that two revisions of one
analysis cannot both find it the newest.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, envelopes
from app.access import Actor
from app.domain import forms as rules
from app.domain import household_needs, tolerance
from app.domain.annuities import NeedsError
from app.domain.consents import FieldGroup
from app.domain.household_diff import diff
from app.domain.household_facts import SETTINGS, Facts, Override, facts_of, overrides_of
from app.domain.household_single import life_result
from app.domain.needs import LifeNeedResult
from app.errors import Conflict, Invalid, NotFound
from app.etags import Document
from app.models.base import china_today, utc_now
from app.models.customers import Customer
from app.models.form_responses import FINAL, FormResponse
from app.models.needs_analyses import (
    NeedsAnalysis,
    NeedsAnalysisConfirm,
    NeedsAnalysisConfirmation,
    NeedsAnalysisCreate,
    NeedsAnalysisRevise,
)
from app.models.rights_requests import Objectionable
from app.services import (
    consents,
    form_responses,
    forms,
    needs_analyses,
    rights_requests_objections,
    tolerance_assessments,
)

FORM = "needs.fact_find"
_CODES = {"not_integer": "type", "not_decimal": "pattern"}


async def tolerance_of(session: AsyncSession, actor: Actor, customer_id: UUID) -> dict[str, Any] | None:
    """The customer's valid risk tolerance: class, level, assessment_id, valid_until; None where there is none."""
    held = await tolerance_assessments.current(session, actor, customer_id)
    if held is None:
        return None
    told = {"class": held.tolerance_class, "level": held.level, "assessment_id": str(held.id)}
    return told | {"valid_until": tolerance.expires_at(held.valid_until).isoformat()}


async def create(session: AsyncSession, actor: Actor, data: NeedsAnalysisCreate) -> Document:
    """The analysis of a completed response, as of China's present day.

    Raises:
        Invalid: unknown response, an assumption out of bounds, or a result past 2^53 - 1 fen. Gone: its customer is
            deleted. Conflict: `response_not_completed`, `form_not_analysed`, `purpose_objected`. ConsentMissing: what
            the answers rested on was withdrawn.
    """
    customer, response = await _response(session, actor, data.form_response_id)
    await rights_requests_objections.check(session, actor.org_id, [customer.id], Objectionable.advice)
    day = china_today()
    carried = await _consented(session, actor, customer, response)
    facts = await _facts(session, customer, response, day)
    made = household_analysis(facts, day, _checked(data.overrides))
    held = await tolerance_of(session, actor, customer.id)
    analysis = _row(actor, response, made)
    await consents.note_use(session, actor, carried, "needs_analysis", analysis.id)
    return await _keep(session, actor, customer, analysis, _said(made, held))


async def revise(
    session: AsyncSession, actor: Actor, needs_analysis_id: UUID, data: NeedsAnalysisRevise
) -> Document:  # fmt: skip
    """A new analysis in the place of another one, with what changed.

    Raises:
        NotFound, Gone. Invalid: nothing that changes, an unknown response or one of another customer, and as `create`.
        Conflict: `analysis_superseded`, `analysis_not_household` (assumptions of an analysis that describes no
            household), and as `create`.
    """
    customer, former = await _newest(session, actor, needs_analysis_id)
    await rights_requests_objections.check(session, actor.org_id, [customer.id], Objectionable.advice)
    await envelopes.opened(session, [former])
    overrides, day = _checked(data.overrides), china_today()
    if "form_response_id" in data.model_fields_set:
        owner, response = await _response(session, actor, data.form_response_id)
        if owner.id != customer.id:
            raise Invalid.at("/form_response_id", "not_found")
        facts = await _facts(session, customer, response, day)
    elif not overrides:
        raise Invalid.at("/overrides", "missing")
    elif former.facts is None:
        raise Conflict("analysis_not_household")
    else:
        facts = Facts.from_json(former.facts)
        _, response = await _response(session, actor, former.form_response_id)
        overrides = overrides_of(former.overrides) | overrides
    carried = await _consented(session, actor, customer, response)
    made = household_analysis(facts, day, overrides)
    held = await tolerance_of(session, actor, customer.id)
    before = None if former.facts is None else Facts.from_json(former.facts)
    sides = (former.assumptions, made.assumptions)
    changed = diff(former.results, made.results, (before, facts), sides)
    db.mark(session, former, access.holders(customer))  # phones that hold it learn what took its place
    analysis = _row(actor, response, made)
    analysis.supersedes_id = former.id
    said = _said(made, held) | {"life_event": data.life_event, "diff": changed}
    await consents.note_use(session, actor, carried, "needs_analysis", analysis.id)
    return await _keep(session, actor, customer, analysis, said)


async def confirm(
    session: AsyncSession, actor: Actor, needs_analysis_id: UUID, data: NeedsAnalysisConfirm
) -> Document:  # fmt: skip
    """Add the customer's word on an analysis; once.

    Raises:
        NotFound, Gone. Invalid: in the future. Conflict: `analysis_superseded`, `analysis_confirmed`;
            `analysis_retracted`: the answers it rests on were entered in error.
    """
    if data.confirmed_at > utc_now():
        raise Invalid.at("/confirmed_at", "in_future")
    customer, analysis = await _newest(session, actor, needs_analysis_id)
    standing = select(FormResponse.status).where(
        col(FormResponse.org_id) == actor.org_id, col(FormResponse.id) == analysis.form_response_id
    )
    if (await session.exec(standing)).one() not in FINAL:
        raise Conflict("analysis_retracted")
    said = select(NeedsAnalysisConfirmation.id).where(
        col(NeedsAnalysisConfirmation.org_id) == actor.org_id,
        col(NeedsAnalysisConfirmation.needs_analysis_id) == analysis.id,
    )
    if (await session.exec(said)).first() is not None:
        raise Conflict("analysis_confirmed")
    confirmation = NeedsAnalysisConfirmation(
        org_id=actor.org_id,
        customer_id=customer.id,
        needs_analysis_id=analysis.id,
        kind=data.kind,
        confirmed_at=data.confirmed_at,
        recorded_by=actor.id,
    )
    await envelopes.put(session, confirmation, reference=data.reference)
    session.add(confirmation)
    db.mark(session, analysis, access.holders(customer))
    access.record(
        session, actor, "needs_analysis.confirmed", "needs_analysis", analysis.id, person=customer.id, kind=data.kind
    )
    return await needs_analyses.stored(session, actor, analysis.id)


async def of_life(session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse,
                  found: LifeNeedResult) -> NeedsAnalysis:  # fmt: skip
    """The analysis of a completed `needs.life`: one result, and no household."""
    analysis = NeedsAnalysis(
        org_id=actor.org_id,
        customer_id=customer.id,
        form_response_id=response.id,
        method_code=found.method_code,
        method_version=found.method_version,
        prepared_by=actor.id,
        as_of=china_today(),
    )
    totals = (found.need_fen, found.existing_cover_fen, found.gap_fen)
    await _add(session, actor, customer, analysis, _nothing(totals) | {"results": [life_result(found)]})
    return analysis


def household_analysis(
    facts: Facts, day: date, overrides: Mapping[str, Override], root: str = "/overrides", *, is_brief: bool = False
) -> household_needs.HouseholdAnalysis:
    """The calculation, with its refusals as ours; `is_brief` as `household_needs.analyse`.

    Raises:
        Invalid: pointing at the assumption where one is to blame, else at the whole.
    """
    try:
        return household_needs.analyse(facts, day, overrides, is_brief=is_brief)
    except NeedsError as error:
        name = error.field if error.field in overrides else ""
        place = "" if not name else f"{root}/{name}/value" if root == "/overrides" else f"{root}/{name}"
        raise Invalid.at(place, _code(error)) from None


def _code(error: NeedsError) -> str:
    code = _CODES.get(error.code, error.code)
    is_bound = code.endswith("_out_of_range") and code != "result_out_of_range"
    return "out_of_range" if is_bound else code


def _checked(given: Mapping[str, Any]) -> dict[str, Override]:
    try:
        return overrides_of(given)
    except NeedsError as error:
        place = f"/overrides/{error.field}" if error.field in SETTINGS else "/overrides"
        raise Invalid.at(place, _code(error)) from None


async def _response(session: AsyncSession, actor: Actor, form_response_id: UUID) -> tuple[Customer, FormResponse]:
    """A completed response of a visible customer, who is locked."""
    wanted = (
        col(FormResponse.org_id) == actor.org_id,
        col(FormResponse.id) == form_response_id,
        col(FormResponse.deleted_at).is_(None),
    )
    response = (await session.exec(select(FormResponse).where(*wanted))).first()
    try:
        if response is None:
            raise NotFound
        customer = await access.customer(session, actor, response.customer_id, lock=True)
    except NotFound:
        raise Invalid.at("/form_response_id", "not_found") from None
    await session.refresh(response)  # as it is under the lock
    await envelopes.opened(session, [response])
    if response.status not in FINAL:
        raise Conflict("response_not_completed")
    if response.form_key != FORM:
        raise Conflict("form_not_analysed")
    return customer, response


async def _consented(
    session: AsyncSession, actor: Actor, customer: Customer, response: FormResponse
) -> dict[FieldGroup, UUID]:
    """The consents the answers rest on today. Raises ConsentMissing."""
    form = await forms.stored(session, response.form_key, response.form_version)
    return await consents.check_answers(session, actor, customer, form.definition, response.answers)


async def _facts(session: AsyncSession, customer: Customer, response: FormResponse, day: date) -> Facts:
    """The answers of a response as they are on a day. Raises Invalid: they are impossible by then."""
    form = await forms.stored(session, response.form_key, response.form_version)
    context = form_responses.context(customer, day)
    judged = rules.judge(form.definition, response.answers, complete=True, context=context)
    form_responses.judged(judged.issues)
    return facts_of(judged.effective)


async def _newest(session: AsyncSession, actor: Actor, needs_analysis_id: UUID) -> tuple[Customer, NeedsAnalysis]:
    """A visible analysis nothing has superseded, and its customer, locked."""
    wanted = (
        col(NeedsAnalysis.org_id) == actor.org_id,
        col(NeedsAnalysis.id) == needs_analysis_id,
        col(NeedsAnalysis.deleted_at).is_(None),
    )
    analysis = (await session.exec(select(NeedsAnalysis).where(*wanted))).first()
    if analysis is None:
        raise NotFound
    customer = await access.customer(session, actor, analysis.customer_id, lock=True)
    later = select(NeedsAnalysis.id).where(
        col(NeedsAnalysis.org_id) == actor.org_id, col(NeedsAnalysis.supersedes_id) == analysis.id
    )
    if (await session.exec(later)).first() is not None:
        raise Conflict("analysis_superseded")
    return customer, analysis


def _row(actor: Actor, response: FormResponse, made: household_needs.HouseholdAnalysis) -> NeedsAnalysis:
    return NeedsAnalysis(
        org_id=actor.org_id,
        id=uuid7(),
        customer_id=response.customer_id,
        form_response_id=response.id,
        method_code=household_needs.METHOD,
        method_version=household_needs.VERSION,
        prepared_by=actor.id,
        as_of=made.household.as_of,
    )


def _nothing(totals: tuple[int, int, int]) -> dict[str, Any]:
    """The sealed members of an analysis that says no more than its sums over `results`: need, existing cover, gap."""
    none = ("life_event", "household", "affordability", "tolerance", "suitability", "diff", "facts")
    sums = dict(zip(("need_fen", "existing_cover_fen", "gap_fen"), totals, strict=True))
    return sums | dict.fromkeys(none) | {"advice": [], "missing": [], "assumptions": [], "overrides": {}}


def _said(made: household_needs.HouseholdAnalysis, held: dict[str, Any] | None) -> dict[str, Any]:
    """The sealed members of the analysis of a household whose risk tolerance is `held`."""
    return _nothing(made.totals) | {
        "household": made.household.to_json(),
        "results": list(made.results),
        "affordability": made.affordability,
        "tolerance": held,
        "suitability": made.suitability,
        "advice": list(made.advice),
        "missing": list(made.missing),
        "assumptions": made.assumptions,
        "facts": made.facts.to_json(),
        "overrides": {name: one.to_json() for name, one in made.overrides.items()},
    }


async def _keep(session: AsyncSession, actor: Actor, customer: Customer, analysis: NeedsAnalysis,
                said: dict[str, Any]) -> Document:  # fmt: skip
    await _add(session, actor, customer, analysis, said)
    return await needs_analyses.stored(session, actor, analysis.id)


async def _add(session: AsyncSession, actor: Actor, customer: Customer, analysis: NeedsAnalysis,
               said: dict[str, Any]) -> None:  # fmt: skip
    await envelopes.put(session, analysis, **said)
    session.add(analysis)
    db.mark(session, analysis, access.holders(customer))
    linked = {"form_response_id": str(analysis.form_response_id)}
    if analysis.supersedes_id is not None:
        linked |= {"supersedes_id": str(analysis.supersedes_id)}
    access.record(
        session, actor, "needs_analysis.created", "needs_analysis", analysis.id, person=analysis.customer_id, **linked
    )
