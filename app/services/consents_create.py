"""Recording what a person decided: who spoke for whom, and which text he saw."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from uuid_utils.compat import uuid7

from app import access, db, offline, vault
from app.access import Actor
from app.domain import consents as rules
from app.domain.consents import SEPARATE, Decision, FieldGroup, GivenBy, Purpose
from app.domain.dossier import china_date
from app.errors import Conflict, Invalid, Issue
from app.etags import Document
from app.models.base import utc_now
from app.models.consents import Consent, ConsentCreate
from app.models.customers import Customer
from app.services import consent_texts, consents, consents_read

MAX_CONSENTS = 1000  # decisions of one customer
LATEST = timedelta(days=90)  # how long after the visit a phone may come with a decision
AHEAD = timedelta(minutes=5)  # by which its clock may be fast
LONGEST_QUIET = timedelta(days=5 * 366)

_EVENT = """
INSERT INTO consent_events (org_id, id, consent_id, at, kind, channel, recorded_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def create(session: AsyncSession, actor: Actor, customer_id: UUID, data: ConsentCreate) -> tuple[Document, bool]:
    """Record a decision; False when the phone sent the same before.

    Raises:
        NotFound, Gone: the customer.
        Invalid: a rule of the record is broken, a text is unknown, or its hash is another.
        Conflict: `id_taken`, `too_many_consents`, `consent_text_superseded`: another text had to be shown.
    """
    customer = await access.customer(session, actor, customer_id, lock=True)
    digest = offline.digest(actor, customer_id.bytes, data.model_dump_json(exclude={"id"}).encode())
    if data.id is not None and await offline.is_sent_before(session, actor, Consent, data.id, digest):
        return await consents_read.stored(session, actor, customer_id, data.id), False
    now = utc_now()
    decided_at = min(data.decided_at or now, now)
    _check(data, customer, decided_at, now)
    held = select(func.count()).select_from(Consent).where(
        col(Consent.org_id) == actor.org_id, col(Consent.customer_id) == customer_id
    )  # fmt: skip
    if (await session.exec(held)).one() >= MAX_CONSENTS:
        raise Conflict("too_many_consents")
    grounds = await _grounds(session, actor, data, decided_at)
    row = await _row(session, actor, customer, data, grounds, decided_at, digest)
    session.add(row)
    try:
        await tell(session, actor, customer, row, row.decision, now, row.channel)
        return await consents_read.stored(session, actor, customer_id, row.id), True
    except IntegrityError:  # the id was taken between the look and the insert, under another customer
        raise offline.id_taken() from None


async def tell(
    session: AsyncSession, actor: Actor, customer: Customer, row: Consent, kind: str, at: datetime, channel: str | None
) -> None:
    """Flush the row with its event, and leave a trail: to the phones, and to the audit."""
    db.mark(session, row, access.holders(customer))
    await session.flush()
    await db.raw(session).execute(_EVENT, actor.org_id, uuid7(), row.id, at, kind, channel, actor.id)
    told = {"consent_purpose": row.purpose, "field_groups": [one["field_group"] for one in row.grounds]}
    access.record(session, actor, f"consent.{kind}", "consent", row.id, customer_id=str(row.customer_id), **told)


def _check(data: ConsentCreate, customer: Customer, decided_at: datetime, now: datetime) -> None:
    issues = [*_form_issues(data), *_day_issues(data, china_date(decided_at)), *_proof_issues(data)]
    if data.decided_at is not None and not now - LATEST <= data.decided_at <= now + AHEAD:
        issues.append(Issue("in_future" if data.decided_at > now else "out_of_range", pointer="/decided_at"))
    if data.decision is Decision.given:  # anybody may refuse
        person = rules.age(consents.birthday_of(customer), china_date(decided_at))
        groups = [one.field_group for one in data.grounds]
        is_own = data.guardian is not None and data.guardian.is_customer
        code = rules.speaker_issue(data.given_by, is_own, groups, person)
        if code is not None:
            issues.append(Issue(code, pointer="/given_by"))
    if issues:
        raise Invalid(issues=issues)


def _form_issues(data: ConsentCreate) -> list[Issue]:
    groups = [one.field_group for one in data.grounds]
    issues = [
        Issue("repeated", pointer=f"/grounds/{n}/field_group") for n, group in enumerate(groups) if group in groups[:n]
    ]
    if len(groups) > 1 and SEPARATE & set(groups) and not data.is_separate:
        issues.append(Issue("consent_not_separate", pointer="/is_separate"))
    if data.purpose is Purpose.partner_sharing and data.recipient is None:
        issues.append(Issue("missing", pointer="/recipient"))
    is_for_child = data.given_by is GivenBy.guardian
    if is_for_child != (data.guardian is not None):
        issues.append(Issue("missing" if is_for_child else "not_both", pointer="/guardian"))
    return issues


def _day_issues(data: ConsentCreate, day: date) -> list[Issue]:
    issues = []
    if data.decision is Decision.refused:
        for name in ("valid_from", "valid_until"):
            if getattr(data, name) is not None:
                issues.append(Issue("not_both", pointer=f"/{name}"))
        quiet = data.do_not_ask_before
        if quiet is not None and not day < quiet <= day + LONGEST_QUIET:
            issues.append(Issue("out_of_range", pointer="/do_not_ask_before"))
        return issues
    if data.do_not_ask_before is not None:
        issues.append(Issue("not_both", pointer="/do_not_ask_before"))
    first = data.valid_from or day
    if first < day:
        issues.append(Issue("out_of_range", pointer="/valid_from"))
    if data.valid_until is not None and data.valid_until < first:
        issues.append(Issue("until_before_since", pointer="/valid_until"))
    return issues


def _proof_issues(data: ConsentCreate) -> list[Issue]:
    missing = []
    if data.decision is Decision.given and data.channel in rules.WITH_EVIDENCE and data.evidence is None:
        missing.append("/evidence")
    guardian = data.guardian
    if guardian is not None and not guardian.is_customer:
        missing += [f"/guardian/{name}" for name in ("name", "evidence") if getattr(guardian, name) is None]
    return [Issue("missing", pointer=pointer) for pointer in missing]


async def _grounds(
    session: AsyncSession, actor: Actor, data: ConsentCreate, decided_at: datetime
) -> list[dict[str, Any]]:
    """The groups with the texts that were shown for them, each known and unaltered.

    Raises:
        Invalid, Conflict: as `create`.
    """
    groups = [one.field_group for one in data.grounds]
    texts = await consent_texts.series(session, actor, data.purpose, data.recipient, groups)
    issues, made, is_outdated = [], [], False
    for n, one in enumerate(data.grounds):
        text = texts[one.field_group].version(one.text_version)
        known = None if text is None else consent_texts.hash_of(text, data.language)
        if text is None or known is None:
            issues.append(Issue("not_found", pointer=f"/grounds/{n}/text_version"))
        elif known != one.text_hash:
            issues.append(Issue("consent_text_mismatch", pointer=f"/grounds/{n}/text_hash"))
        else:
            is_outdated = is_outdated or texts[one.field_group].is_superseded(one.text_version, decided_at)
            made.append({**one.model_dump(mode="json"), "consent_text_id": str(text.id)})
    if issues:
        raise Invalid(issues=issues)
    if is_outdated and data.decision is Decision.given:
        raise Conflict("consent_text_superseded")
    return made


async def _row(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    data: ConsentCreate,
    grounds: list[dict[str, Any]],
    decided_at: datetime,
    digest: bytes,
) -> Consent:
    day, row_id, is_refused = china_date(decided_at), data.id or uuid7(), data.decision is Decision.refused
    return Consent(
        org_id=actor.org_id,
        id=row_id,
        customer_id=customer.id,
        decision=data.decision,
        purpose=data.purpose,
        recipient=data.recipient or "",
        grounds=grounds,
        is_separate=data.is_separate or [one["field_group"] for one in grounds] != [FieldGroup.general],
        language=data.language,
        channel=data.channel,
        given_by=data.given_by,
        is_own_guardian=data.guardian is not None and data.guardian.is_customer,
        details_enc=await _sealed(session, actor, customer.id, row_id, data),
        decided_at=decided_at,
        valid_from=data.valid_from or day,
        valid_until=data.valid_until,
        do_not_ask_before=(data.do_not_ask_before or day + rules.QUIET) if is_refused else None,
        recorded_by=actor.id,
        created_digest=digest,
    )


async def _sealed(
    session: AsyncSession, actor: Actor, customer_id: UUID, row_id: UUID, data: ConsentCreate
) -> bytes | None:
    """Evidence and guardian, under the key of the person; None where there is neither."""
    guardian = None if data.guardian is None else data.guardian.model_dump(mode="json", exclude={"is_customer"})
    evidence = None if data.evidence is None else data.evidence.model_dump(mode="json")
    if guardian is None and evidence is None:
        return None
    cipher = await vault.of_person(session, actor.org_id, customer_id)
    return vault.seal_json(cipher, "consents", "details", row_id, {"evidence": evidence, "guardian": guardian})
