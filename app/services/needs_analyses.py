"""Needs analyses: read and listed; they come into being when a form response is completed and never change."""

from uuid import UUID

from app import access, keyring, paging, reads
from app.access import Actor
from app.etags import Document
from app.paging import Page


async def read(actor: Actor, needs_analysis_id: UUID) -> Document:
    """One analysis with every input, assumption and step.

    Raises:
        NotFound: absent or not visible. Gone: its customer is deleted.
    """
    found = await reads.row(actor.org_id, actor.owners, "get_needs_analysis", needs_analysis_id)
    return paging.document(found, needs_analysis_id)


async def search(actor: Actor, customer_id: UUID, *, limit: int, cursor: str | None) -> Page:
    """A customer's analyses, newest first.

    Raises:
        NotFound, Gone: the customer. Malformed: the cursor.
    """
    await access.check_customer(actor, customer_id)
    key = keyring.current().cursors
    bound = paging.binding("needs_analyses", actor.org_id, actor.id, customer_id)
    position = paging.decode(key, bound, cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_needs_analyses",
        customer_id,
        None if position is None else position.key,
        None if position is None else position.id,
        limit + 1,
    )
    return paging.page(key, bound, found)
