"""How tests come to have shadow contacts."""

from typing import Any
from uuid import UUID

import httpx

from tests.factories import World, create_customer
from tests.ties import Json

CONTACTS = "/v1/shadow-contacts"


def place(contact: Json, *parts: str) -> str:
    return "/".join([f"{CONTACTS}/{contact['id']}", *parts])


async def know(client: httpx.AsyncClient, through: Json, name: str = "陈建国", **over: Any) -> Json:
    """A person who is the brother of the customer he is known through, unless told otherwise."""
    body = {
        "name": name,
        "party_type": "individual",
        "known_through_id": through["id"],
        "relation": {"type": "sibling", "role": "哥哥", **over.pop("relation", {})},
        **over,
    }
    answer = await client.post(CONTACTS, json=body)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def known(world: World, whose: str = "agent", **over: Any) -> tuple[Json, Json]:
    """A customer of this user, and somebody known through him."""
    client = getattr(world, whose)
    through = await create_customer(client)
    return through, await know(client, through, **over)


async def stored(world: World, contact: Json) -> dict[str, Any]:
    """The row as it is in the table."""
    return dict(await world.db.fetchrow("SELECT * FROM customers WHERE id = $1", UUID(contact["id"])))


async def age(world: World, contact: Json, days: int) -> None:
    """As if he had been confirmed so many days before his year would end today in China."""
    await world.db.execute(
        "UPDATE customers SET keep_until = (now() AT TIME ZONE 'Asia/Shanghai')::date - $2::int WHERE id = $1",
        UUID(contact["id"]),
        days,
    )
