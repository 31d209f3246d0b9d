"""What introductions are worth: the referral tree below a customer, and the introducers by credit.

The rule stands in `domain.introductions`; the statements take its numbers from there.
"""

from uuid import UUID

from app import keyring, paging, reads
from app.access import Actor
from app.domain.introductions import POINTS, SHARES, TIERS
from app.errors import Gone, NotFound
from app.models.base import PageQuery
from app.models.introductions import MAX_NODES
from app.paging import Page
from app.services import introductions


async def tree(actor: Actor, customer_id: UUID, depth: int) -> bytes:
    """Who came through a customer, as JSON, finished in the database.

    Raises:
        NotFound: the customer is absent or not visible. Gone: he was deleted in the last 30 days.
    """
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "get_referrals",
        customer_id,
        depth,
        MAX_NODES,
        list(POINTS),
        list(POINTS.values()),
        list(SHARES),
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    body: str = found["body"]
    return body.encode()


async def ranked(actor: Actor, query: PageQuery) -> Page:
    """A page of introducers, the greatest credit first.

    Raises:
        Malformed: the cursor.
    """
    key = keyring.current().cursors
    bound = paging.binding("introducers", actor.org_id, actor.id)
    position = paging.decode(key, bound, query.cursor)
    found = await reads.row(
        actor.org_id,
        actor.owners,
        "list_introducers",
        list(POINTS),
        list(POINTS.values()),
        list(SHARES),
        [name for name, _ in TIERS],
        [least for _, least in TIERS],
        None if position is None else position.key,
        None if position is None else position.id,
        query.limit + 1,
        variants=(("among", introductions.among(actor)),),
    )
    return paging.page(key, bound, found)
