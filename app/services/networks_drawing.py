"""The penetration network as a picture."""

import asyncio
from uuid import UUID

from app.access import Actor
from app.domain import network_drawing
from app.errors import Language
from app.models.networks import NetworkDrawingQuery
from app.services import networks


async def draw(actor: Actor, customer_id: UUID, query: NetworkDrawingQuery, language: Language) -> bytes:
    """What `networks.walk` finds, laid out as SVG for a phone 390 px wide.

    Raises:
        NotFound, Gone: as `networks.walk`.
    """
    network, labels = await networks.labelled(actor, customer_id, query)
    # Some 10 ms of computing for 60 parties: long enough to let others go first.
    picture = await asyncio.to_thread(network_drawing.draw, network, labels, language[:2])
    return picture.svg.encode()
