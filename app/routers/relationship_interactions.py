"""Recorded contacts between the two ends of a relationship."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app import deps
from app.deps import OnceDep, RelationshipsRead, RelationshipsWrite, SessionDep
from app.looks import Look
from app.models.relationship_interactions import (
    RelationshipInteractionCreate,
    RelationshipInteractionPage,
    RelationshipInteractionPublic,
    RelationshipInteractionQuery,
)
from app.openapi import IF_NONE_MATCH, ONCE, problems
from app.services import relationship_interactions

router = APIRouter(
    prefix="/v1/customers/{customer_id}/relationships/{relationship_id}/interactions", tags=["relationships"]
)


@router.get(
    "",
    response_model=RelationshipInteractionPage,
    summary="List the contacts of a relationship",
    responses=problems(410),
)
async def list_relationship_interactions(
    request: Request,
    actor: RelationshipsRead,
    customer_id: UUID,
    relationship_id: UUID,
    query: Annotated[RelationshipInteractionQuery, Query()],
) -> Response:
    """When and how the two were in contact, the latest first."""
    page = await relationship_interactions.search(actor, customer_id, relationship_id, query)
    look = Look("relationship_interaction.listed", None, customer_id, ("interactions",))
    return await deps.shown(request, actor, deps.answer_page(request, page), look)


@router.post(
    "",
    status_code=201,
    response_model=RelationshipInteractionPublic,
    summary="Record a contact of a relationship",
    responses={200: {"model": RelationshipInteractionPublic, "description": "Sent before"}, **problems(409, 410)},
    openapi_extra=ONCE,
)
async def create_relationship_interaction(
    session: SessionDep,
    actor: RelationshipsWrite,
    once: OnceDep,
    customer_id: UUID,
    relationship_id: UUID,
    data: RelationshipInteractionCreate,
) -> Response:
    """The computed strength follows at once. The same `id` and body answers 200."""

    async def make() -> Response:
        document, is_new = await relationship_interactions.create(session, actor, customer_id, relationship_id, data)
        location = f"/v1/customers/{customer_id}/relationships/{relationship_id}/interactions/{document.id}"
        return deps.answer_created(document, location, status=201 if is_new else 200)

    return await once(make)


@router.get(
    "/{interaction_id}",
    response_model=RelationshipInteractionPublic,
    summary="Read one contact of a relationship",
    responses=problems(410),
    openapi_extra=IF_NONE_MATCH,
)
async def get_relationship_interaction(
    request: Request, actor: RelationshipsRead, customer_id: UUID, relationship_id: UUID, interaction_id: UUID
) -> Response:
    """Found below either customer."""
    found = await relationship_interactions.read(actor, customer_id, relationship_id, interaction_id)
    look = Look("relationship_interaction.viewed", interaction_id, customer_id, ("interactions",))
    return await deps.shown(request, actor, deps.answer(request, found), look)


@router.delete(
    "/{interaction_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a contact recorded by mistake",
    responses=problems(410),
)
async def delete_relationship_interaction(
    session: SessionDep, actor: RelationshipsWrite, customer_id: UUID, relationship_id: UUID, interaction_id: UUID
) -> None:
    """The strength is what it would be without it. It does not come back: record it anew."""
    await relationship_interactions.delete(session, actor, customer_id, relationship_id, interaction_id)
