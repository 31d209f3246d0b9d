"""Facts as they are read: metadata from SQL, values opened only where they are shown.

A value that is not C1 is masked in every answer; `reveal` shows it. What may not be kept on a phone is withheld where
the phone says that it wants to keep it, and told as withheld, so that the phone knows that there is something.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import keyring, paging, reads, vault
from app.access import Actor
from app.crypto import FieldCipher
from app.domain import dossier as rules
from app.domain.fact_definitions import FactDefinition
from app.errors import Gone, Invalid, Issue, NotFound
from app.etags import Document
from app.models.dossiers import DossierFactQuery
from app.paging import Page
from app.services import fact_definitions
from app.services.fact_definitions import Known

TABLE, VALUE, TELLER = "dossier_facts", "value", "teller"
"""The places values and labels of tellers are sealed for."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What turns a stored fact into what a caller may see.

    Attributes:
        cipher: None where the customer has no key (any more): then nothing opens.
        is_for_phone: withhold what may not be kept there.
    """

    known: Known
    cipher: FieldCipher | None
    is_for_phone: bool = False

    def definition(self, fact: dict[str, Any]) -> FactDefinition:
        """The definition a fact was recorded under."""
        found = self.known.catalogue.as_written(fact["fact_key"], fact["definition_version"])
        if found is None:
            raise LookupError("a fact without its definition")
        return found

    def now(self, fact: dict[str, Any]) -> FactDefinition:
        """Its definition as the organisation has it now: how careful one is follows today's rules too."""
        return self.known.catalogue.current(fact["fact_key"]) or self.definition(fact)

    def open(self, fact_id: str, sealed: bytes | None) -> Any:
        """A value in clear; None where there is none (any more)."""
        if sealed is None or self.cipher is None:
            return None
        return vault.open_json(self.cipher, TABLE, VALUE, UUID(fact_id), sealed)

    def show(self, fact: dict[str, Any], sealed: bytes | None, teller: bytes | None) -> dict[str, Any]:
        """The fact with what the caller may see of it."""
        then, now = self.definition(fact), self.now(fact)
        is_masked = then.is_masked or now.is_masked
        is_withheld = self.is_for_phone and not now.is_offline_allowed
        is_shown = not (is_masked or is_withheld)
        observed_on = date.fromisoformat(fact["observed_on"])
        label = None
        if teller is not None and is_shown and self.cipher is not None:
            label = self.cipher.open(TABLE, TELLER, UUID(fact["id"]), teller)
        person = fact.pop("teller_id")
        is_named = person is not None or teller is not None
        return {
            **fact,
            "value": self.open(fact["id"], sealed) if is_shown else None,
            "is_masked": is_masked,
            "is_withheld": is_withheld,
            "teller": {"customer_id": person, "label": label} if is_named and not is_withheld else None,
            "review_by": fact["review_by"] or rules.review_by(observed_on, now.review_days).isoformat(),
        }


async def reader(actor: Actor, customer_id: UUID, found: asyncpg.Record, *, is_for_phone: bool = False) -> Reader:
    """For a row of a read statement, which brings the wrapped keys of the customer with it."""
    known = await fact_definitions.of_actor(actor)
    wrapped: Sequence[bytes] = found["wrapped"]
    cipher = await vault.opener(actor.org_id, customer_id, wrapped) if wrapped else None
    return Reader(known, cipher, is_for_phone)


async def read(actor: Actor, customer_id: UUID, fact_id: UUID, *, is_for_phone: bool = False) -> Document:
    """One fact, current or superseded.

    Raises:
        NotFound, Gone: the fact or its customer is absent or deleted.
    """
    found = of_customer(await reads.row(actor.org_id, actor.owners, "get_dossier_fact", customer_id, fact_id))
    return _document(await reader(actor, customer_id, found, is_for_phone=is_for_phone), found, fact_id)


async def search(actor: Actor, customer_id: UUID, query: DossierFactQuery) -> Page:
    """A page of the history, newest first, superseded facts included, deleted ones not.

    Raises:
        NotFound, Gone: the customer.
        Malformed: the cursor is not one this query made. Invalid: no such key.
    """
    ring = keyring.current()
    bound = paging.binding(
        "dossier_facts", actor.org_id, actor.id, customer_id, query.dossier, query.fact_key, query.for_
    )
    position = paging.decode(ring.cursors, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_dossier_facts",
        customer_id,
        query.fact_key,
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
        None if query.dossier is None else query.dossier.value,
    )
    row = of_customer(found)
    eye = await reader(actor, customer_id, row, is_for_phone=query.for_ is not None)
    if query.fact_key is not None and eye.known.catalogue.current(query.fact_key) is None:
        raise Invalid(issues=[Issue("choice", parameter="fact_key")])
    facts = orjson.loads(row["items"])
    shown = [
        eye.show(fact, sealed, teller)
        for fact, sealed, teller in zip(facts, row["sealed"] or (), row["tellers"] or (), strict=True)
    ]
    return paging.page(ring.cursors, bound, {**row, "items": orjson.dumps(shown).decode()})


def of_customer(found: asyncpg.Record | None) -> asyncpg.Record:
    """The row of a read, if its customer is there."""
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    return found


async def stored(session: AsyncSession, actor: Actor, customer_id: UUID, eye: Reader, fact_id: UUID) -> Document:
    """Flush, then answer exactly what a read would answer."""
    found = of_customer(await reads.row_in(session, actor.owners, "get_dossier_fact", customer_id, fact_id))
    return _document(eye, found, fact_id)


def _document(eye: Reader, found: asyncpg.Record, fact_id: UUID) -> Document:
    if found["body"] is None:
        raise NotFound
    shown = eye.show(orjson.loads(found["body"]), found["sealed"], found["teller"])
    return Document(orjson.dumps(shown), found["version"], fact_id)
