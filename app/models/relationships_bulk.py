"""Many relationships in one call: a whole family, the board of a company."""

from typing import Annotated
from uuid import UUID

from pydantic import Field as Bound
from pydantic import StringConstraints

from app.models.base import Id, Line100, Line200, Wire, absent
from app.models.relationships import NotedTie
from app.models.shadow_contacts import NewContact

# All of it is one transaction that holds both ends of every item, and others wait 4 seconds for them at most. 500
# items took 8 seconds with new contacts, and 23 when all were refused (after each the ends are read anew), on two cores
# that had other work too: more than anybody waits.
MAX_ITEMS = 100


class BulkContact(NewContact):
    """Somebody new. A name with control characters refuses the whole call, as every other wrong shape does."""

    name: Annotated[Line100, Bound(json_schema_extra={"format": "name"})]


class RelationshipItem(NotedTie):
    """What somebody is to `customer_id`: a customer or contact (`other_id`), or somebody new (`new_contact`).

    Either end may be a contact an earlier item of the call has made under an id of its own.
    """

    id: Id | None = Bound(default=None, description="Of the relationship; made by the phone when it is offline")
    customer_id: Id
    other_id: Id = absent("Left out where there is a `new_contact`")
    new_contact: BulkContact = absent(
        "Becomes a shadow contact known through `customer_id`, or through whom that contact is known itself"
    )


class RelationshipBulk(Wire):
    """Relationships that are recorded one after the other."""

    items: Annotated[list[RelationshipItem], Bound(min_length=1, max_length=MAX_ITEMS)]


class BulkIssue(Wire):
    """One broken rule; the pointer is one into the whole body."""

    pointer: Annotated[str, StringConstraints(max_length=300)]
    code: Annotated[str, StringConstraints(max_length=60)]
    message: Line200


class BulkProblem(Wire):
    """Why an item was refused: what the answer to it alone would be."""

    type: Annotated[str, StringConstraints(max_length=100)]
    title: Line200
    status: Annotated[int, Bound(ge=400, le=599, json_schema_extra={"format": "int32"})]
    code: Annotated[str, StringConstraints(max_length=60, pattern=r"^[a-z0-9_]+$")]
    request_id: Annotated[str, StringConstraints(max_length=64)]
    errors: list[BulkIssue] = Bound(max_length=50)


class BulkResult(Wire):
    """What became of one item: 201 recorded, 200 sent before, else `problem` says why not."""

    index: Annotated[int, Bound(ge=0, le=MAX_ITEMS - 1, json_schema_extra={"format": "int32"})]
    status: Annotated[int, Bound(ge=200, le=599, json_schema_extra={"format": "int32"})]
    id: UUID | None = Bound(description="The relationship; null where it was refused")
    other_id: UUID | None = Bound(description="Its other end: the new contact, where there is one")
    problem: BulkProblem | None


class BulkResults(Wire):
    """One result an item, in their order."""

    results: list[BulkResult] = Bound(max_length=MAX_ITEMS)
