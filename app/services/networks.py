"""The penetration network 渗透网 around a customer: one statement, finished in the database (`ego_network.sql`)."""

from uuid import UUID

from app import reads
from app.access import Actor
from app.errors import Gone, NotFound
from app.models.relationships import NetworkQuery


async def read(actor: Actor, customer_id: UUID, query: NetworkQuery) -> bytes:
    """The network as JSON: whoever the actor sees within `query.depth` hops along current relationships.

    Raises:
        NotFound: the customer is absent or not visible.
        Gone: he was deleted in the last 30 days.
    """
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "get_network",
        customer_id,
        query.depth,
        query.limit,
        None if query.direction is None else query.direction.split(","),
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    body: str = found["body"]
    return body.encode()
