"""A company as an agent looks at it before he goes there."""

from uuid import UUID

from app import reads
from app.access import Actor
from app.errors import Conflict, Gone, NotFound
from app.models.companies import CompanyQuery


async def read(actor: Actor, customer_id: UUID, query: CompanyQuery) -> bytes:
    """People, decision unit, chains and alliances of a company, as JSON (`get_company.sql`).

    Raises:
        NotFound: absent or not visible. Gone: deleted in the last 30 days.
        Conflict: `customer_not_organization`: it is a person.
    """
    found = await reads.row(
        actor.org_id, actor.owners, "get_company", customer_id, actor.id, query.levels, actor.is_masked
    )
    if found is None:
        raise NotFound
    if found["is_deleted"]:
        raise Gone
    if found["is_person"]:
        raise Conflict("customer_not_organization")
    body: str = found["body"]
    return body.encode()
