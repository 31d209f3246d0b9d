"""The penetration network 渗透网 around a customer."""

from decimal import Decimal
from uuid import UUID

from app import reads
from app.access import Actor
from app.errors import Gone, NotFound
from app.models.networks import NetworkQuery


async def walk(actor: Actor, customer_id: UUID, query: NetworkQuery) -> bytes:
    """Whoever the actor sees around a customer, as JSON, finished in the database (`ego_network.sql`).

    Raises:
        NotFound: the customer is absent or not visible. Gone: he was deleted in the last 30 days.
    """
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "get_network",
        customer_id,
        actor.id,
        query.depth,
        query.limit,
        None if query.direction is None else query.direction.split(","),
        None if query.type is None else query.type.split(","),
        str(Decimal(str(query.min_strength))),
        query.on,
        actor.is_masked,
        variants=(("walk", "ego_network" if query.on is None else "ego_network_on"),),
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    body: str = found["body"]
    return body.encode()
