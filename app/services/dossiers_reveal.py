"""Facts in clear, for `reveal`: who asked, for which fields and what for is recorded there."""

from collections.abc import Sequence
from typing import Any, Final

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app import vault
from app.access import Actor
from app.domain.fact_definitions import FactDefinition
from app.errors import Invalid, Issue
from app.models.customers import Customer
from app.models.dossiers import DossierFact, FactRevealed
from app.services import consents, fact_definitions
from app.services.dossiers_read import TABLE, VALUE

PREFIX: Final = "dossier."


async def reveal(
    session: AsyncSession, actor: Actor, customer: Customer, fields: Sequence[str]
) -> dict[str, list[FactRevealed]]:
    """`facts`: the current facts behind the fields `dossier.<dossier>.<key>`; nothing where no such field is asked for.

    Of contradicting facts all are shown. What nobody knows is not in the list.

    Raises:
        Invalid: a field that is no fact, or of a dossier the customer does not have.
        ConsentMissing: a sensitive one, to which the person does not consent any more.
    """
    if not any(name.startswith(PREFIX) for name in fields):
        return {}
    wanted = await _definitions(session, customer, fields)
    statement = (
        select(DossierFact)
        .where(
            col(DossierFact.org_id) == actor.org_id,
            col(DossierFact.customer_id) == customer.id,
            col(DossierFact.fact_key).in_(list(wanted)),
            col(DossierFact.deleted_at).is_(None),
            col(DossierFact.superseded_at).is_(None),
        )
        .order_by(col(DossierFact.recorded_at), col(DossierFact.id))
    )
    facts = (await session.exec(statement)).all()
    if not facts:
        return {"facts": []}
    for key in sorted({fact.fact_key for fact in facts}):
        if wanted[key].needs_consent:
            await consents.check(session, actor, customer, wanted[key].purpose, [wanted[key].group])
    cipher = await vault.of_person(session, actor.org_id, customer.id)

    def value(fact: DossierFact) -> Any:
        return None if fact.value_enc is None else vault.open_json(cipher, TABLE, VALUE, fact.id, fact.value_enc)

    shown = [
        FactRevealed(dossier_fact_id=fact.id, field=wanted[fact.fact_key].field, value=value(fact)) for fact in facts
    ]
    return {"facts": shown}


async def _definitions(session: AsyncSession, customer: Customer, fields: Sequence[str]) -> dict[str, FactDefinition]:
    catalogue = (await fact_definitions.of_session(session)).catalogue
    found: dict[str, FactDefinition] = {}
    issues = []
    for n, name in enumerate(fields):
        if not name.startswith(PREFIX):
            continue
        key = name.split(".", 2)[2]
        one = catalogue.current(key)
        if one is None or one.field != name or not one.fits(customer.party_type):
            issues.append(Issue("choice", pointer=f"/fields/{n}"))
        else:
            found[key] = one
    if issues:
        raise Invalid(issues=issues)
    return found
