"""Relation types."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import deps
from app.deps import IfMatch, OnceDep, RelationTypesRead, RelationTypesWrite, SessionDep
from app.models.relation_types import RelationTypeCreate, RelationTypeList, RelationTypePublic, RelationTypeUpdate
from app.openapi import IF_MATCH, IF_NONE_MATCH, ONCE, problems
from app.services import relation_types

router = APIRouter(prefix="/v1/relation-types", tags=["relation types"])

_ONE = "/{relation_type_id}"


@router.get("", response_model=RelationTypeList, summary="List the relation types", openapi_extra=IF_NONE_MATCH)
async def list_relation_types(request: Request, session: SessionDep, actor: RelationTypesRead) -> Response:
    """Built-in ones and the organisation's own, retired ones included: what relationships can be."""
    return deps.answer_listed(request, await relation_types.listed(session, actor))


@router.get(
    _ONE,
    response_model=RelationTypePublic,
    summary="Read one relation type",
    openapi_extra=IF_NONE_MATCH,
)
async def get_relation_type(
    request: Request, session: SessionDep, actor: RelationTypesRead, relation_type_id: UUID
) -> Response:
    """One type, read from both ends."""
    return deps.answer(request, await relation_types.read(session, actor, relation_type_id))


@router.post(
    "",
    status_code=201,
    response_model=RelationTypePublic,
    summary="Add a relation type",
    responses=problems(409),
    openapi_extra=ONCE,
)
async def create_relation_type(
    session: SessionDep, actor: RelationTypesWrite, once: OnceDep, data: RelationTypeCreate
) -> Response:
    """A type of the organisation's own, for instance 茶友. An asymmetric one has an inverse code and label."""

    async def make() -> Response:
        document = await relation_types.create(session, actor, data)
        return deps.answer_created(document, f"/v1/relation-types/{document.id}")

    return await once(make)


@router.patch(
    _ONE,
    response_model=RelationTypePublic,
    summary="Change or retire a relation type",
    responses=problems(409),
    openapi_extra=IF_MATCH,
)
async def update_relation_type(
    session: SessionDep,
    actor: RelationTypesWrite,
    relation_type_id: UUID,
    if_match: IfMatch,
    data: RelationTypeUpdate,
) -> Response:
    """JSON merge patch; `is_active` false retires it: relationships keep it, new ones cannot have it.

    The five types a direction alone stands for (relative, friend, client, partner, ally) are never retired: 409
    `relation_type_generic`. A symmetric type has one label: another `inverse_label` is 422 `relation_type_symmetric`.
    """
    return deps.answer_changed(await relation_types.update(session, actor, relation_type_id, if_match, data))


@router.delete(
    _ONE,
    status_code=204,
    response_class=Response,
    summary="Delete an own relation type",
    responses=problems(409),
    openapi_extra=IF_MATCH,
)
async def delete_relation_type(
    session: SessionDep, actor: RelationTypesWrite, relation_type_id: UUID, if_match: IfMatch
) -> None:
    """Only while no relationship ever had it; a built-in or used one is retired instead.

    It is gone at once (404) and cannot be restored; its codes can be used again.
    """
    await relation_types.delete(session, actor, relation_type_id, if_match)
