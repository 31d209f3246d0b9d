"""What tests of rights requests share: opening one, checking an identity, carrying it out."""

from typing import Any

import httpx

from tests.factories import World, if_match

Json = dict[str, Any]


def url(customer: Json, request: Json | None = None, action: str = "") -> str:
    place = f"/v1/customers/{customer['id']}/rights-requests"
    return place + (f"/{request['id']}" if request is not None else "") + (f"/{action}" if action else "")


async def ask(client: httpx.AsyncClient, customer: Json, kind: str, **over: Any) -> Json:
    """A request just received."""
    answer = await client.post(url(customer), json={"kind": kind, **over})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def checked(client: httpx.AsyncClient, customer: Json, kind: str, **over: Any) -> Json:
    """A request whose identity was checked."""
    made = await ask(client, customer, kind, **over)
    answer = await client.post(
        url(customer, made, "check-identity"), json={"method": "id_document"}, headers=if_match(made)
    )
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def carried_out(world: World, customer: Json, kind: str, **over: Any) -> Json:
    """A request the manager has carried out."""
    made = await checked(world.agent, customer, kind, **over)
    answer = await world.manager.post(url(customer, made, "complete"), headers=if_match(made))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found
