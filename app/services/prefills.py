"""Suggestions for a form from the customer's profile, family and dossier: what the caller may see, and only that."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access
from app.access import Actor, Scope
from app.domain import form_sources, lunar
from app.domain.form_sources import Known, Person
from app.models.base import china_today
from app.models.customers import Customer, PartyType
from app.services import customers_private, dossiers_prefill, form_responses, forms, kin

_PLACE = ("province", "city", "county", "detail")


async def read(session: AsyncSession, actor: Actor, customer_id: UUID, form_key: str, form_version: str) -> bytes:
    """Answers with the source of each, as JSON. Nothing is stored.

    Raises:
        NotFound: the customer, the form or its version. Gone: the customer.
        Conflict: `customer_not_individual`, `customer_not_organization`.
    """
    customer = await access.customer(session, actor, customer_id)
    form = await forms.stored(session, form_key, form_version)
    form_responses.check_subject(form.definition, customer)
    wanted = {place.item.prefill for place in form.definition.index.values() if place.item.prefill}
    known = await _known(session, actor, customer, wanted)
    made = form_sources.prefill(form.definition, known)
    return orjson.dumps(
        {
            "customer_id": str(customer.id),
            "form_key": form_key,
            "form_version": form_version,
            "content_hash": form.content_hash,
            "answers": made.answers,
            "sources": [
                {"pointer": pointer, "source": source, "observed_on": known[source].observed_on}
                for pointer, source in made.sources.items()
            ],
            "missing": [{"link_id": link_id, "source": source} for link_id, source in made.missing],
            "unfit": [{"link_id": link_id, "source": source} for link_id, source in made.unfit],
        }
    )


async def _known(session: AsyncSession, actor: Actor, customer: Customer, wanted: set[str]) -> dict[str, Known]:
    """What is asked for and known. Nobody gets a phone, and a masked caller no address: a mask is no answer."""
    known = dict[str, Known]()
    if Scope.customers_read.value in actor.scopes:
        known |= _profile(customer)
        if "customer.address" in wanted and not actor.is_masked:
            known |= await _address(session, customer)
    is_person = customer.party_type == PartyType.individual
    known |= await dossiers_prefill.known(session, actor, customer, wanted)
    if is_person and any(one.startswith("household.") for one in wanted):
        known |= await _household(session, actor, customer)
    return known


async def _address(session: AsyncSession, customer: Customer) -> dict[str, Known]:
    private = await customers_private.opened(session, customer)
    places = ({key: one[key] for key in _PLACE if one.get(key)} for one in private["addresses"])
    place = next((place for place in places if place), None)
    return {} if place is None else {"customer.address": Known(place)}


def _profile(customer: Customer) -> dict[str, Known]:
    born = _born(customer.birthday)
    age = None if born is None else lunar.age_on(lunar.PartialDate(born.year, born.month, born.day), china_today())
    found: dict[str, Any] = {
        "name": customer.name,
        "gender": None if customer.gender == "unknown" else customer.gender,
        "birthday": born,
        "age": age,
        "occupation": customer.occupation,
        "party_type": customer.party_type,
        "id_type": customer.id_type,
    }
    return {f"customer.{member}": Known(value) for member, value in found.items() if value is not None}


def _born(birthday: dict[str, Any] | None) -> date | None:
    return None if birthday is None else lunar.solar_date(lunar.PartialDate(**birthday))


async def _household(session: AsyncSession, actor: Actor, customer: Customer) -> dict[str, Known]:
    """Children and spouse as they were entered, the eldest child first; those the caller sees."""
    if Scope.networks_read.value not in actor.scopes:
        return {}
    family = orjson.loads(await kin.read(actor, customer.id))["items"]
    near = [one for one in family if one["type"] in ("child", "spouse") and not one["inferred"]]
    people = await _people(session, actor, [UUID(one["person"]["id"]) for one in near])
    children = [people[one["person"]["id"]] for one in near if one["type"] == "child" and one["person"]["id"] in people]
    spouses = [people[one["person"]["id"]] for one in near if one["type"] == "spouse" and one["person"]["id"] in people]
    children.sort(key=lambda child: child.birth_date or date.max)
    found = {"household.children": Known(children)} if children else {}
    return found | ({"household.spouse": Known(spouses[0])} if spouses else {})


async def _people(session: AsyncSession, actor: Actor, ids: Iterable[UUID]) -> dict[str, Person]:
    statement = access.visible_customers(actor, shadows=None).where(
        col(Customer.id) == any_(literal(list(ids), ARRAY(Uuid()))), col(Customer.deleted_at).is_(None)
    )
    return {
        str(one.id): Person(one.name, one.gender, _born(one.birthday), None if one.is_shadow else f"customer:{one.id}")
        for one in (await session.exec(statement)).all()
    }
