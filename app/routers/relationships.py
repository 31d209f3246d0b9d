"""Relationships."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import IfMatch, OnceDep, RelationshipsRead, RelationshipsWrite, SessionDep
from app.looks import Look
from app.models.relationships import (
    RelationshipCreate,
    RelationshipPage,
    RelationshipPublic,
    RelationshipQuery,
    RelationshipUpdate,
)
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import relationships

router = APIRouter(prefix="/v1/customers/{customer_id}", tags=["relationships"])

_ALL = "/relationships"
_ONE = "/relationships/{relationship_id}"


@router.get(_ALL, response_model=RelationshipPage, summary="List a customer's relationships", responses=problems(410))
async def list_relationships(
    request: Request, actor: RelationshipsRead, customer_id: UUID, query: Annotated[RelationshipQuery, Query()]
) -> Response:
    """Each read from this customer's side, the strongest first. Those with an end the caller cannot see are missing."""
    page = await relationships.search(actor, customer_id, query)
    look = Look("relationship.listed", None, customer_id, ("relationships", "note"))
    return await deps.shown(request, actor, deps.answer_page(request, page), look)


@router.get(
    _ONE,
    response_model=RelationshipPublic,
    summary="Read one relationship",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_relationship(
    request: Request, actor: RelationshipsRead, customer_id: UUID, relationship_id: UUID
) -> Response:
    """Read from this customer's side; the same relationship is found, mirrored, below the other customer."""
    document = await relationships.read(actor, customer_id, relationship_id)
    other_id = UUID(orjson.loads(document.body)["other"]["id"])
    look = Look("relationship.viewed", relationship_id, customer_id, ("relationships", "note"), other_id)
    return await deps.shown(request, actor, deps.answer_composed(request, document), look)


@router.post(
    _ALL,
    status_code=201,
    response_model=RelationshipPublic,
    summary="Record a relationship",
    responses={200: {"model": RelationshipPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_relationship(
    session: SessionDep, actor: RelationshipsWrite, once: OnceDep, customer_id: UUID, data: RelationshipCreate
) -> Response:
    """Between two customers the caller sees; the other side follows by itself. The same `id` and body answers 200."""

    async def make() -> Response:
        document, is_new = await relationships.create(session, actor, customer_id, data)
        location = f"/v1/customers/{customer_id}/relationships/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.patch(
    _ONE,
    response_model=RelationshipPublic,
    summary="Change a relationship",
    responses=problems(409, 410),
    openapi_extra=IF_MATCH,
)
async def update_relationship(
    session: SessionDep,
    actor: RelationshipsWrite,
    customer_id: UUID,
    relationship_id: UUID,
    if_match: IfMatch,
    data: RelationshipUpdate,
) -> Response:
    """JSON merge patch. Ends and direction are fixed: delete it and record another one."""
    return deps.answer_changed(await relationships.update(session, actor, customer_id, relationship_id, if_match, data))


@router.delete(
    _ONE,
    status_code=204,
    response_class=Response,
    summary="Delete a relationship",
    responses=problems(410),
    openapi_extra=IF_MATCH,
)
async def delete_relationship(
    session: SessionDep, actor: RelationshipsWrite, customer_id: UUID, relationship_id: UUID, if_match: IfMatch
) -> None:
    """For what was recorded by mistake; it can be restored for 30 days. What is over gets an `until` instead."""
    await relationships.delete(session, actor, customer_id, relationship_id, if_match)


@router.post(
    _ONE + "/restore",
    response_model=RelationshipPublic,
    summary="Restore a deleted relationship",
    responses=problems(409, 410),
    openapi_extra=ONCE,
)
async def restore_relationship(
    session: SessionDep, actor: RelationshipsWrite, once: OnceDep, customer_id: UUID, relationship_id: UUID
) -> Response:
    """Undo a deletion of the last 30 days."""

    async def make() -> Response:
        return deps.answer_changed(await relationships.restore(session, actor, customer_id, relationship_id))

    return await once(make)
