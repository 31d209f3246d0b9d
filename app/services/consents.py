"""The gate: whether a person's data of some kinds may be written, used or handed on.

Nothing is kept in memory: what was withdrawn carries nothing from the next statement on, in every process. A write asks
with the customer locked, and so does a withdrawal: one of the two sees the other.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import db
from app.access import Actor
from app.domain import consent_groups, lunar
from app.domain import consents as rules
from app.domain.consents import FieldGroup, Purpose
from app.domain.forms import FormDefinition
from app.errors import ConsentMissing
from app.models.base import china_today
from app.models.customers import Customer
from app.services import fact_definitions

_DECIDED = """
SELECT c.id, c.decision, c.grounds, c.decided_at, c.valid_from, c.valid_until, c.withdrawn_at, c.given_by,
       c.is_own_guardian
FROM consents c
WHERE c.org_id = $1 AND c.customer_id = $2 AND c.purpose = $3 AND c.recipient = $4
"""
# The oldest text that still carries: the last one that changed something of weight.
_OLDEST = """
SELECT t.field_group, max(t.text_version) AS version
FROM consent_texts t
WHERE t.org_id = $1 AND t.purpose = $2 AND t.recipient = $3 AND t.is_material
GROUP BY t.field_group
"""
_USED = """
INSERT INTO consent_uses (org_id, object_type, object_id, field_group, consent_id)
SELECT $1, $2, $3, g.field_group, g.consent_id FROM unnest($4::text[], $5::uuid[]) AS g (field_group, consent_id)
ON CONFLICT DO NOTHING
"""


async def check(
    session: AsyncSession, actor: Actor, customer: Customer, purpose: Purpose, groups: Collection[FieldGroup]
) -> dict[FieldGroup, UUID]:
    """The consent each of these groups rests on, for our own use.

    Whoever writes holds the customer locked.

    Raises:
        ConsentMissing: naming the purpose and every group nothing valid was said for.
    """
    return await covering(session, actor, customer, purpose, groups=groups)


async def covering(
    session: AsyncSession,
    actor: Actor,
    customer: Customer,
    purpose: Purpose,
    *,
    recipient: str | None = None,
    groups: Collection[FieldGroup] | None = None,
) -> dict[FieldGroup, UUID]:
    """The consent each group rests on, for our own use or for handing on to a named recipient.

    Args:
        recipient: to whom, exactly as the consent names him; None for us.
        groups: those that must be there; None asks what there is.

    Raises:
        ConsentMissing: naming the purpose and every group nothing valid was said for.
    """
    if groups is not None and not groups:
        return {}
    raw, to = db.raw(session), recipient or ""
    rows = await raw.fetch(_DECIDED, actor.org_id, customer.id, purpose.value, to)
    found: dict[FieldGroup, UUID] = {}
    if rows:
        weighty = await raw.fetch(_OLDEST, actor.org_id, purpose.value, to)
        oldest = {FieldGroup(row["field_group"]): row["version"] for row in weighty}
        found = rules.carrying([decided(row) for row in rows], oldest, birthday_of(customer), china_today())
    if groups is None:
        return found
    missing = sorted(set(groups) - set(found))
    if missing:
        raise ConsentMissing(purpose.value, [group.value for group in missing])
    return {group: found[group] for group in groups}


async def check_answers(
    session: AsyncSession, actor: Actor, customer: Customer, form: FormDefinition, answers: Mapping[str, Any]
) -> dict[FieldGroup, UUID]:
    """`check` for answers to a form, which are asked for advice: nothing where nothing sensitive is answered.

    Raises:
        ConsentMissing.
    """
    is_own = form.form_key.startswith(consent_groups.OWN) and consent_groups.names_facts(form)
    catalogue = (await fact_definitions.of_session(session)).catalogue if is_own else None
    groups = consent_groups.of_answers(form, answers, catalogue)
    return await check(session, actor, customer, Purpose.advice, groups)


async def note_use(
    session: AsyncSession, actor: Actor, carried: Mapping[FieldGroup, UUID], object_type: str, object_id: UUID
) -> None:
    """Write down what something on record rests on, so that a withdrawal can tell of it."""
    if carried:
        groups, ids = [group.value for group in carried], list(carried.values())
        await db.raw(session).execute(_USED, actor.org_id, object_type, object_id, groups, ids)


def decided(row: Any) -> rules.Decided:
    """A row of `consents` as the rules see it; a connection of the operator's commands leaves JSON as text."""
    grounds = orjson.loads(row["grounds"]) if isinstance(row["grounds"], str) else row["grounds"]
    return rules.Decided(
        id=row["id"],
        decision=rules.Decision(row["decision"]),
        versions={FieldGroup(one["field_group"]): one["text_version"] for one in grounds},
        decided_at=row["decided_at"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        withdrawn_at=row["withdrawn_at"],
        given_by=rules.GivenBy(row["given_by"]),
        is_own_guardian=row["is_own_guardian"],
    )


def birthday_of(customer: Customer) -> lunar.PartialDate | None:
    """The birthday on record, complete or not."""
    return None if customer.birthday is None else lunar.PartialDate(**customer.birthday)
