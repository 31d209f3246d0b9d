"""Makers of the isolation matrix: completed responses, and those to an older version of a form."""

import httpx

from tests.factories import World
from tests.life_form import complete, create_draft
from tests.matrix_makers import Ids, customer
from tests.own_forms import MAP, pet, pet_two, start

PERSONAL = {"observed_on": "2026-03-04", "source": "observed", "consent_given": True, "school": "武汉大学"}


async def completed(world: World, name: str) -> Ids:
    owner: httpx.AsyncClient = getattr(world, name)
    made = await create_draft(owner, (await customer(world, name))["customer_id"])
    assert (await complete(owner, made)).status_code == 201
    return {"form_response_id": made["id"]}


async def old_response(world: World, name: str) -> Ids:
    """To a version of a form whose answers a map leads to the next."""
    for body in ({"definition": pet()}, {"definition": pet_two(), "migrations": [MAP]}):
        assert (await world.admin.post("/v1/forms", json=body)).status_code in (200, 201)
    begun = await start(getattr(world, name), (await customer(world, name))["customer_id"])
    return {"form_response_id": begun.json()["id"]}


async def extracted(world: World, name: str) -> Ids:
    """With an answer that goes to the dossier."""
    owner: httpx.AsyncClient = getattr(world, name)
    over = {"form_key": "dossier.personal", "answers": PERSONAL}
    made = await create_draft(owner, (await customer(world, name))["customer_id"], **over)
    assert (await complete(owner, made)).status_code == 201
    return {"form_response_id": made["id"]}
