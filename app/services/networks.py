"""The penetration network 渗透网 around a customer."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import reads
from app.access import Actor
from app.errors import Gone, NotFound
from app.models.networks import NetworkQuery

Labels = dict[str, dict[str, str]]


async def walk(actor: Actor, customer_id: UUID, query: NetworkQuery, session: AsyncSession | None = None) -> bytes:
    """Whoever the actor sees around a customer, as JSON, finished in the database (`ego_network.sql`).

    Args:
        session: a running transaction to read in, if there is one.

    Raises:
        NotFound: the customer is absent or not visible. Gone: he was deleted in the last 30 days.
    """
    args = (
        customer_id,
        actor.id,
        query.depth,
        query.limit,
        None if query.direction is None else query.direction.split(","),
        None if query.type is None else query.type.split(","),
        str(Decimal(str(query.min_strength))),
        query.on,
        actor.is_masked,
        query.outer_ties,
    )
    variants = (("walk", "ego_network" if query.on is None else "ego_network_on"),)
    if session is None:
        found = await reads.row(actor.org_id, actor.owners, "get_network", *args, variants=variants)
    else:
        found = await reads.row_in(session, actor.owners, "get_network", *args, variants=variants)
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    body: str = found["body"]
    return body.encode()


async def labelled(
    actor: Actor, customer_id: UUID, query: NetworkQuery, session: AsyncSession | None = None
) -> tuple[dict[str, Any], Labels]:
    """The network as `walk` finds it, and what somebody is called by the code of each type in it.

    Raises:
        NotFound, Gone: as `walk`.
    """
    network = orjson.loads(await walk(actor, customer_id, query, session))
    codes = {node["via_type"] for node in network["nodes"][1:]} | {edge["type"] for edge in network["edges"]}
    if session is None:
        found = await reads.row(actor.org_id, None, "get_relation_labels", sorted(codes))
    else:
        found = await reads.row_in(session, None, "get_relation_labels", sorted(codes))
    return network, {} if found is None else orjson.loads(found["body"])
