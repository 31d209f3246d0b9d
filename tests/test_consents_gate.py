"""The gate in front of sensitive data: nothing valid, nothing carried."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from uuid_utils.compat import uuid7

from app import access, db
from app.access import Actor
from app.domain.consents import FieldGroup, Purpose
from app.errors import ConsentMissing
from app.models.base import china_today
from app.services import consents
from tests.factories import World, create_customer


def actor(world: World, name: str = "agent") -> Actor:
    return Actor(world.org_id, world.users[name], "user", None, frozenset(), (world.users[name],))


async def put(world: World, customer_id: str, *groups: FieldGroup, **over: Any) -> UUID:
    """A consent to advice, as if it had been given an hour ago."""
    made: dict[str, Any] = {
        "org_id": world.org_id,
        "id": uuid7(),
        "customer_id": UUID(customer_id),
        "decision": "given",
        "purpose": "advice",
        "grounds": orjson.dumps([{"field_group": group, "text_version": 1} for group in groups]).decode(),
        "is_separate": True,
        "language": "zh",
        "channel": "paper",
        "given_by": "person",
        "decided_at": datetime.now(UTC) - timedelta(hours=1),
        "valid_from": china_today(),
        "recorded_by": world.users["agent"],
        "created_digest": b"-",
        **over,
    }
    names, places = ", ".join(made), ", ".join(f"${n}" for n in range(1, len(made) + 1))
    await world.db.execute(f"INSERT INTO consents ({names}) VALUES ({places})", *made.values())
    consent_id: UUID = made["id"]
    return consent_id


async def ask(world: World, customer_id: str, *groups: FieldGroup, **over: Any) -> dict[FieldGroup, UUID]:
    async with db.transaction(world.org_id) as session:
        who = actor(world)
        customer = await access.customer(session, who, UUID(customer_id), lock=True)
        return await consents.check(session, who, customer, over.get("purpose", Purpose.advice), groups)


async def test_a_group_rests_on_the_last_consent_to_it(world: World) -> None:
    customer = await create_customer(world.agent)
    await put(world, customer["id"], FieldGroup.health)
    latest = await put(world, customer["id"], FieldGroup.health, decided_at=datetime.now(UTC))
    assert await ask(world, customer["id"], FieldGroup.health) == {FieldGroup.health: latest}
    assert await ask(world, customer["id"]) == {}


async def test_what_is_missing_is_named_and_nothing_else(world: World) -> None:
    customer = await create_customer(world.agent)
    await put(world, customer["id"], FieldGroup.general, FieldGroup.financial)
    with pytest.raises(ConsentMissing) as caught:
        await ask(world, customer["id"], FieldGroup.minors, FieldGroup.health, FieldGroup.financial)
    assert caught.value.extra == {"purpose": "advice", "field_groups": ["health", "minors"]}
    with pytest.raises(ConsentMissing):
        await ask(world, customer["id"], FieldGroup.financial, purpose=Purpose.service)
