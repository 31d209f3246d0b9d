"""Taking a network out as a file for graph programs. Whoever does is on record."""

from typing import Any
from uuid import UUID

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from app import access
from app.access import Actor
from app.domain import network_exports
from app.errors import Language
from app.models.networks import NetworkQuery
from app.services import networks


async def graphml(
    session: AsyncSession, actor: Actor, customer_id: UUID, query: NetworkQuery, language: Language
) -> bytes:
    """The network as GraphML.

    Raises:
        NotFound, Gone: as `networks.walk`.
    """
    network, labels = await _taken(session, actor, customer_id, query, "graphml")
    return network_exports.graphml(network, labels, language[:2]).encode()


async def json_graph(
    session: AsyncSession, actor: Actor, customer_id: UUID, query: NetworkQuery, language: Language
) -> bytes:
    """The network in JSON Graph Format.

    Raises:
        NotFound, Gone: as `networks.walk`.
    """
    network, labels = await _taken(session, actor, customer_id, query, "jgf")
    return orjson.dumps(network_exports.json_graph(network, labels, language[:2]))


async def _taken(
    session: AsyncSession, actor: Actor, customer_id: UUID, query: NetworkQuery, form: str
) -> tuple[dict[str, Any], networks.Labels]:
    network, labels = await networks.labelled(actor, customer_id, query, session)
    told = {"nodes": len(network["nodes"]), "edges": len(network["edges"]), "fields": ["relationships"]}
    access.record(session, actor, "network.exported", "customer", customer_id, format=form, **told)
    return network, labels
