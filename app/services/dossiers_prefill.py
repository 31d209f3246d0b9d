"""What the dossiers suggest for a form: what is shown without being revealed, and what nobody contradicts."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import vault
from app.access import Actor, Scope
from app.domain import dossier
from app.domain.form_sources import Known
from app.models.customers import Customer
from app.models.dossiers import DossierFact
from app.services import fact_definitions
from app.services.dossiers_read import TABLE, VALUE

PREFIX: Final = "dossier."


async def known(session: AsyncSession, actor: Actor, customer: Customer, wanted: Collection[str]) -> dict[str, Known]:
    """By source (`dossier.<dossier>.<key>`) what is known, with the day it was last observed.

    A masked value is no answer: it is told as missing, like one nobody knows.
    """
    if Scope.dossiers_read.value not in actor.scopes or not any(one.startswith(PREFIX) for one in wanted):
        return {}
    catalogue = (await fact_definitions.of_session(session)).catalogue
    fields = {
        one.key: one.field
        for one in catalogue.all()
        if one.field in wanted and not one.is_masked and one.fits(customer.party_type)
    }
    if not fields:
        return {}
    current = select(DossierFact).where(
        col(DossierFact.org_id) == actor.org_id,
        col(DossierFact.customer_id) == customer.id,
        col(DossierFact.fact_key).in_(list(fields)),
        col(DossierFact.superseded_at).is_(None),
        col(DossierFact.deleted_at).is_(None),
    )
    told: dict[str, list[DossierFact]] = defaultdict(list)
    for fact in (await session.exec(current)).all():
        then = catalogue.as_written(fact.fact_key, fact.definition_version)
        if fact.value_enc is not None and then is not None and not then.is_masked:
            told[fact.fact_key].append(fact)
    if not told:
        return {}
    cipher = await vault.of_person(session, actor.org_id, customer.id)
    found: dict[str, Known] = {}
    for key, facts in told.items():
        values = [vault.open_json(cipher, TABLE, VALUE, one.id, one.value_enc or b"") for one in facts]
        if not dossier.contradict([(value, False) for value in values]):
            found[fields[key]] = Known(values[0], max(one.observed_on for one in facts))
    return found
