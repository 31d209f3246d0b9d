"""Consents as they are read: with their history, how they stand today, and what they carry."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import reads, vault
from app.access import Actor
from app.domain import consents as rules
from app.domain import lunar
from app.domain.consents import ConsentStatus, Decided, Decision, FieldGroup, GivenBy, Purpose
from app.errors import Gone, NotFound
from app.etags import Document
from app.models.base import china_today
from app.models.consents import ConsentCoverage, ConsentCoverageItem, ConsentList, ConsentPublic, CoverageState

_ENDS_SOON = timedelta(days=30)
_VARIANTS = (("keys", vault.KEYS),)
_Oldest = Mapping[tuple[str, str], Mapping[FieldGroup, int]]
_STATES: Mapping[ConsentStatus, CoverageState] = {
    ConsentStatus.not_yet_valid: "not_yet_valid",
    ConsentStatus.expired: "expired",
    ConsentStatus.withdrawn: "withdrawn",
    ConsentStatus.refused: "refused",
}


@dataclass(frozen=True, slots=True)
class _Book:
    """All decisions of one customer, newest first, as JSON and as the rules see them."""

    customer_id: UUID
    raw: list[dict[str, Any]]
    decided: dict[str, Decided]
    carried: dict[tuple[str, str], dict[FieldGroup, UUID]]
    oldest: _Oldest
    keys: list[bytes]


async def read(actor: Actor, customer_id: UUID, consent_id: UUID) -> Document:
    """One decision.

    Raises:
        NotFound: absent, or the customer is not visible. Gone: he is deleted.
    """
    found = await reads.row(actor.org_id, actor.owners, "list_consents", customer_id, variants=_VARIANTS)
    return await _one(actor, _book(found, customer_id), consent_id)


async def stored(session: AsyncSession, actor: Actor, customer_id: UUID, consent_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    found = await reads.row_in(session, actor.owners, "list_consents", customer_id, variants=_VARIANTS)
    return await _one(actor, _book(found, customer_id), consent_id, session)


async def listed(actor: Actor, customer_id: UUID) -> bytes:
    """All decisions of a customer, newest first, as JSON.

    Raises:
        NotFound, Gone: the customer.
    """
    found = await reads.row(actor.org_id, actor.owners, "list_consents", customer_id, variants=_VARIANTS)
    book = _book(found, customer_id)
    items = [await _public(actor, book, one) for one in book.raw]
    return ConsentList(items=items).model_dump_json().encode()


async def coverage(actor: Actor, customer_id: UUID) -> bytes:
    """How every purpose and group stand today, as JSON; of recipients those somebody decided about.

    Raises:
        NotFound, Gone: the customer.
    """
    found = await reads.row(actor.org_id, actor.owners, "list_consents", customer_id, variants=_VARIANTS)
    book = _book(found, customer_id)
    ours = [(purpose.value, "") for purpose in Purpose if purpose is not Purpose.partner_sharing]
    named = sorted({(one["purpose"], one["recipient"] or "") for one in book.raw} - set(ours))
    items = [_standing(book, place, group) for place in [*ours, *named] for group in FieldGroup]
    return ConsentCoverage(customer_id=customer_id, items=items[:1100]).model_dump_json().encode()


def _book(found: asyncpg.Record | None, customer_id: UUID) -> _Book:
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    raw = orjson.loads(found["consents"])
    birthday = None if found["birthday"] is None else lunar.PartialDate(**orjson.loads(found["birthday"]))
    oldest: dict[tuple[str, str], dict[FieldGroup, int]] = {}
    for purpose, recipient, group, version in orjson.loads(found["oldest"]):
        oldest.setdefault((purpose, recipient), {})[FieldGroup(group)] = version
    decided = {one["id"]: _decided(one) for one in raw}
    places: dict[tuple[str, str], list[Decided]] = {}
    for one in raw:
        places.setdefault(_place(one), []).append(decided[one["id"]])
    today = china_today()
    carried = {place: rules.carrying(those, oldest.get(place, {}), birthday, today) for place, those in places.items()}
    return _Book(customer_id, raw, decided, carried, oldest, list(found["keys"]))


def _place(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["purpose"], one["recipient"] or ""


def _decided(one: Mapping[str, Any]) -> Decided:
    ended, until = one["withdrawn_at"], one["valid_until"]
    return Decided(
        id=UUID(one["id"]),
        decision=Decision(one["decision"]),
        versions={FieldGroup(ground["field_group"]): ground["text_version"] for ground in one["grounds"]},
        decided_at=datetime.fromisoformat(one["decided_at"]),
        valid_from=date.fromisoformat(one["valid_from"]),
        valid_until=None if until is None else date.fromisoformat(until),
        withdrawn_at=None if ended is None else datetime.fromisoformat(ended),
        given_by=GivenBy(one["given_by"]),
        is_own_guardian=one["is_own_guardian"],
    )


async def _one(actor: Actor, book: _Book, consent_id: UUID, session: AsyncSession | None = None) -> Document:
    one = next((one for one in book.raw if one["id"] == str(consent_id)), None)
    if one is None:
        raise NotFound
    made = await _public(actor, book, one, session)
    return Document(made.model_dump_json().encode(), made.version, consent_id)


async def _details(
    actor: Actor, book: _Book, one: Mapping[str, Any], session: AsyncSession | None
) -> Mapping[str, Any]:
    """Evidence and guardian; nothing where they are masked, erased, or never were."""
    if one["details"] is None or not book.keys or actor.is_masked:
        return {}
    if session is None:
        cipher = await vault.opener(actor.org_id, book.customer_id, book.keys)
    else:  # the first keys may have been made in this very transaction
        cipher = await vault.of_person(session, actor.org_id, book.customer_id)
    sealed = base64.b64decode(one["details"])
    made: dict[str, Any] = vault.open_json(cipher, "consents", "details", UUID(one["id"]), sealed)
    return made


async def _public(
    actor: Actor, book: _Book, one: Mapping[str, Any], session: AsyncSession | None = None
) -> ConsentPublic:
    decided, carried = book.decided[one["id"]], book.carried[_place(one)]
    details, is_own, guardian = await _details(actor, book, one, session), one["is_own_guardian"], None
    if one["given_by"] == GivenBy.guardian:
        told = details.get("guardian") or {"relation": "other", "name": None, "evidence": None}
        guardian = {"is_customer": is_own, **told}
    shown = {name: value for name, value in one.items() if name not in ("details", "is_own_guardian")}
    return ConsentPublic.model_validate(
        {
            **shown,
            "evidence": details.get("evidence"),
            "guardian": guardian,
            "status": rules.status(decided, china_today()),
            "carries": [group for group in decided.versions if carried.get(group) == decided.id],
        }
    )


def _standing(book: _Book, place: tuple[str, str], group: FieldGroup) -> ConsentCoverageItem:
    """The consent that carries the group, or else the last decision about it."""
    carried = book.carried.get(place, {}).get(group)
    told = [one for one in book.raw if _place(one) == place and group in book.decided[one["id"]].versions]
    one = next((one for one in told if carried is None or one["id"] == str(carried)), None)
    state: CoverageState = "open"
    if one is not None and carried is not None:
        until = book.decided[one["id"]].valid_until
        state = "expiring" if until is not None and until - china_today() <= _ENDS_SOON else "given"
    elif one is not None:
        # Given and in its days, and yet it carries nothing: another text is in force, or a guardian is missing.
        state = _STATES.get(rules.status(book.decided[one["id"]], china_today()), "outdated")
    return ConsentCoverageItem(
        purpose=Purpose(place[0]),
        recipient=place[1] or None,
        field_group=group,
        state=state,
        consent_id=None if one is None else UUID(one["id"]),
        valid_until=None if one is None else one["valid_until"],
        do_not_ask_before=None if one is None else one["do_not_ask_before"],
    )
